//! The fixed texts of the tests: the corpus, and what is made by rule.

use crate::corpus::{CODE, LANGUAGES};

/// What a text is called in messages, and the text.
pub(crate) type Text = (String, String);

pub(crate) fn all() -> Vec<Text> {
    let mut texts = Vec::new();
    for (name, text) in LANGUAGES.iter().chain(CODE) {
        texts.push(((*name).to_owned(), (*text).to_owned()));
        // Capitals meet other tokens, and letters whose upper case is more than one.
        texts.push((format!("{name}, capitals"), text.to_uppercase()));
    }
    let joined =
        |all: &[(&str, &str)], between: &str| all.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(between);
    texts.push(("every language in one".into(), joined(LANGUAGES, "\n\n")));
    texts.push(("every language without a break".into(), joined(LANGUAGES, "")));
    texts.push(("all code in one".into(), joined(CODE, "\r\n")));
    texts.push(("Korean, decomposed".into(), LANGUAGES.iter().map(|(_, text)| decomposed(text)).collect()));
    for text in EMOJI.iter().chain(ODD) {
        texts.push((format!("{text:?}"), (*text).to_owned()));
        texts.push((format!("{text:?} between letters"), format!("ab{text}cd {text} {text}{text}\n{text}")));
    }
    texts.extend(whitespace());
    texts.extend(numbers());
    texts.extend(contractions());
    texts.push(("controls".into(), (0..=0x9f).map(char::from).collect()));
    texts.push(("controls between letters".into(), (0..=0x9f).flat_map(|c| ['a', char::from(c), 'b', ' ']).collect()));
    texts
}

const EMOJI: &[&str] = &[
    "🙂",
    "👩‍👩‍👧‍👦",
    "👍🏽",
    "🧑🏿‍🚀🏳️‍🌈",
    "🇳🇴🇯🇵🇧",
    "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "❤️‍🔥",
    "1️⃣#️⃣",
    "☎︎☎️",
    "👁️‍🗨️",
    "\u{1f3fb}",
    "\u{200d}",
    "\u{fe0f}",
];

const ODD: &[&str] = &[
    "",
    "\0",
    "\0\0 \0",
    "\u{301}",
    "e\u{301}\u{302}\u{303}",
    "\u{93e}\u{94d}",
    " \u{301}",
    "\u{feff}",
    "\u{feff}BOM",
    "\u{fffe}\u{ffff}",
    "\u{fdd0}\u{1fffe}\u{10ffff}",
    "\u{e000}\u{f8ff}\u{f0000}\u{100000}",
    "\u{378}\u{e01ef}",
    "\u{202e}abc\u{202c}",
    "\u{2066}x\u{2069}\u{200f}",
    "\u{ad}",
    "\u{200b}\u{2060}\u{180e}",
    "\u{fffd}\u{fffc}",
    "ﬁﬂﬆ ß ẞ İ ı ŉ ǅ",
    "A\u{30a}Å\u{212b}",
    "㍿㌔ Ⅷ ① ½ ٠١٢ 𝟘𝟙𝟚𝟛 一二三",
    "Ⓐⓑ🅰🄰",
    "ªº ʰ ˈ 々 ﾞ ー",
    "𝒜𝕓𝖈 𠀀𪚥𰻝",
    "©®™§¶†‡•…‰′″‹›",
    "a_b__c ___ -- --- ==== ~~~~ ``` $$$ ||| ^^^ +++ <<>>",
    "!!!!!!!!\n\n\n!!?",
    "Ġ Ċ Ā ĠĠ ▁▁ <0x0A>",
    "SolidGoldMagikarp .translatesAutoresizingMaskIntoConstraints",
];

/// Conjoining jamo in place of every Hangul syllable (the arithmetic of the Unicode Standard, section 3.12).
fn decomposed(text: &str) -> String {
    let jamo = |c: char| match u32::from(c) {
        code @ 0xac00..=0xd7a3 => {
            let s = code - 0xac00;
            let tail = (s % 28 > 0).then_some(0x11a7 + s % 28);
            [Some(0x1100 + s / 588), Some(0x1161 + s % 588 / 28), tail].into_iter().flatten().collect()
        }
        code => vec![code],
    };
    text.chars().flat_map(jamo).filter_map(char::from_u32).collect()
}

/// Runs of many lengths of every kind of whitespace, at the end, before a letter, a digit, a sign and a break.
fn whitespace() -> Vec<Text> {
    let units = [
        " ", "\t", "\n", "\r", "\r\n", "\n ", " \n", "\t ", "\u{b}", "\u{c}", "\u{85}", "\u{a0}", "\u{1680}",
        "\u{2003}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}", "\u{1c}", "\u{1f}",
    ];
    let lengths: Vec<usize> =
        (1..=20).chain([31, 32, 33, 63, 64, 65, 80, 127, 128, 129, 255, 256, 257, 1000]).collect();
    let run = |unit: &&str| {
        let all = lengths.iter().map(|&n| unit.repeat(n));
        (format!("runs of {unit:?}"), all.map(|s| format!("{s}a{s}1{s}.{s}'s{s}\n{s}é{s}\r\n {s}Z{s}")).collect())
    };
    let mut texts: Vec<Text> = units.iter().map(run).collect();
    texts.extend(units.iter().flat_map(|unit| lengths.iter().map(move |&n| (format!("{n} {unit:?}"), unit.repeat(n)))));
    texts
}

/// 1 to 12 digits, bare and with what stands around numbers, in several scripts.
fn numbers() -> Vec<Text> {
    let scripts = ["1234567890", "0000000000", "٣٤٥٦٧٨٩٠١٢", "१२३४५६७८९०", "①②③④⑤⑥⑦⑧⑨⑩", "𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗𝟎", "ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ"];
    let text = |digits: &&str| {
        let number = |n: usize| digits.chars().cycle().take(n).collect::<String>();
        let around = |n: String| format!("{n} -{n} +{n}.{n} {n},{n} a{n}b ${n} {n}%\t{n}\n{n}\u{301} '{n}' ");
        (format!("numbers in {digits}"), (1..=12).map(number).map(around).collect())
    };
    scripts.iter().map(text).collect()
}

/// Contractions in every case, with three apostrophes, and with letters that fold to theirs: U+017F to s.
fn contractions() -> Vec<Text> {
    let endings = [
        "s", "S", "\u{17f}", "t", "T", "re", "RE", "rE", "ve", "VE", "Ve", "m", "M", "ll", "LL", "lL", "d", "D", "x",
        "l",
    ];
    let apostrophes = ["'", "\u{2019}", "\u{2bc}", "''", "`", "\u{ff07}"];
    let text = |apostrophe: &&str| {
        let around = |end: &&str| {
            format!(
                "he{apostrophe}{end} he{apostrophe}{end}x {apostrophe}{end}x It{apostrophe}{end}{apostrophe}{end}\n1{apostrophe}{end}. {apostrophe}{end}"
            )
        };
        (format!("contractions with {apostrophe}"), endings.iter().map(around).collect())
    };
    apostrophes.iter().map(text).collect()
}

/// Every character of the blocks that have any assigned, in a row and where its class shows in the ids: `1c2345` cuts
/// digits otherwise if it is a number, `c's` is no contraction if it is a sign.
pub(crate) fn blocks() -> Vec<Text> {
    let starts = (0..0x3_5000).chain(0xe_0000..0xe_0200).step_by(256);
    let characters = |start: u32| (start..start + 256).filter_map(char::from_u32);
    let row = |start: u32| (format!("U+{start:04X} on"), characters(start).collect());
    let shown = |start: u32| {
        let around = characters(start).map(|c| format!("1{c}2345 {c}'s\n"));
        (format!("U+{start:04X} on, between digits and before 's"), around.collect())
    };
    starts.flat_map(|start| [row(start), shown(start)]).filter(|(_, text): &Text| !text.is_empty()).collect()
}

/// What has no place to break at, so many characters of each kind.
pub(crate) fn repeats(length: usize) -> Vec<Text> {
    let units = ["a", "ab", "Q", "é", "한", "ก", "1", " ", "\n", "\t\n", "!", "🙂", "\u{301}", "'", "=", "abcdefghij"];
    units.map(|unit| (format!("{unit:?} again and again"), unit.repeat(length / unit.chars().count()))).into()
}

/// Special tokens, whole and broken, between words.
pub(crate) const SPECIAL: [&str; 9] = [
    "<|eot_id|>",
    "<|begin_of_text|>Hi<|eot_id|>",
    "User: hello there<|eot_id|>Assistant: ",
    " <|eot_id|> \n<|eot_id|>\n\n<|end_of_text|>  x",
    "<|eot_id|><|eot_id|><|start_header_id|>system<|end_header_id|>\n\n1 + 1 = 2<|eot_id|>",
    "<|eot_id|<|eot_id|>|>",
    "<|EOT_ID|> <|eot_id| > <|eot_id",
    "<|reserved_special_token_0|><|reserved_special_token_1|>'s",
    "don't<|eot_id|>'t 12<|eot_id|>345",
];
