//! Made-up texts: any Unicode at all, and such as gather what the splitters and the merges decide on.

use crate::cases;
use proptest::collection::vec;
use proptest::prelude::*;

/// Any character, the common ones more often. (proptest's own strings have no controls and nothing unassigned.)
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        any::<char>(),
        proptest::char::range('\0', '\u{ff}'),
        proptest::char::range('\u{100}', '\u{3100}'),
        proptest::char::range('\u{3100}', '\u{ffff}'),
        proptest::char::range('\u{10000}', '\u{1ffff}'),
    ]
}

/// What the alternatives of the regular expressions begin and end with.
fn boundary() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        " ", "  ", "\n", "\r", "\r\n", "\t", "\u{b}", "\u{85}", "\u{a0}", "\u{2028}", "\u{3000}", "\u{200b}", "'",
        "\u{2019}", "'s", "'S", "'\u{17f}", "'t", "'re", "'VE", "'m", "'lL", "'d", "s", "t", "re", "ll", "1", "12",
        "345", "٣", "½", "²", "a", "B", "é", "e\u{301}", "\u{301}", "中", "한", "ก", "ा", "🙂", "\u{200d}", "\u{fe0f}",
        "\0", "\u{7f}", ".", "...", "-", "$", "+", "<", "=", ">", "^", "~", "|", "`", "\"", "¡", "\u{ad}", "\u{378}",
        "\u{e000}", "_", "Ⅻ", "々", "ʼ",
    ])
}

/// A few words' letters in any order: what merges overlap in.
fn overlapping() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,40}",
        "[aei]{0,40}",
        "[nig]{0,40}",
        "[-=]{0,60}",
        "[ \t]{0,60}",
        "[\\r\\n ]{0,60}",
        "[तका्]{0,20}",
        "[a-z]{0,40}"
    ]
}

fn agrees(text: &str) -> Result<(), TestCaseError> {
    for case in cases() {
        case.check(text).map_err(TestCaseError::fail)?;
    }
    Ok(())
}

proptest! {
    // 256 cases each; PROPTEST_CASES asks for more.
    #[test]
    fn any_unicode(text in vec(character(), 0..64)) {
        agrees(&String::from_iter(text))?;
    }

    #[test]
    fn boundaries(text in vec(boundary(), 0..32)) {
        agrees(&text.concat())?;
    }

    #[test]
    fn overlapping_merges(text in overlapping()) {
        agrees(&text)?;
    }
}
