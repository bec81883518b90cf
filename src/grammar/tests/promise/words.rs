//! The vocabulary of the tests: every byte, pieces that straddle what a grammar has names for, names of control tokens, two ends.

use b158_grammar::{Kind, Next, Vocabulary};
use std::sync::LazyLock;

pub(crate) struct Words {
    pub(crate) vocabulary: Vocabulary,
    /// Each token's bytes; none for those that text never shows.
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) ends: Vec<u32>,
    /// Between the items of a list, and between a key and its value.
    pub(crate) style: (&'static str, &'static str),
}

pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(Words::new);

const PIECES: &[&str] = &[
    // structure
    "\":", "\": ", "\",", "\", ", "\",\"", "\", \"", "\":\"", "\": \"", "{\"", "[\"", "[{\"", "\"}", "\"]", "\"]}", "\"}]", "}}", "]]", "}]", "]}", "},", "],",
    "},{\"", "}, {\"", "],[", "[]", "{}", "\"\"", "[[", "{{", "[{", "\":[", "\":{", "\": {", "\": [", "\":null", "\":true", "\": false", ",\"", ", \"", "[1", "[0", ",1", ", 1",
    ", 0", ":1", ": 1", ": 0", ": -", ":-", "\\\"", "\\\\", "\\n", "\\u", "\\u0", "\\u00", "\\u0061", "\\ud83e", "\\udd8a", "\\ud83e\\udd8a", "\\/", "\"a", " \"", " {", " [",
    "\"a\"", "\"a\":", "\"b\":", "\"a\": ", "\"b\": ", "{\"a\":", "{\"a\": ", ",\"b\":", "\"kind\"", "\"x", "\"y", "x\"", "y\"", "1,", "2,", "1}", "1]", "null,", "true,", "true}", "1, 2",
    // white space
    "\n\n", "\n", "\r\n", "  ", "    ", "        ", "\n  ", "\t\t", " \n", "\n\n\n\n", ",\n", "{\n", "[\n", ": \n", "}\n", "]\n",
    // numbers
    "00", "10", "12", "123", "000", "999", "007", "1000", "-1", "-0", "0.", "1.", ".5", ".0", "1.0", "0.1", "0.5", "e1", "e+", "E-", "1e", "e9", "e99", "1e999", "12345678", "9007199254740993",
    "2026", "-12", "20-", "-01", ":00", "T12", "31", "02-", "29", "30",
    // words
    "null", "true", "false", "nul", "tr", "alse", "NaN", "Infinity", "undefined", "None", "the", " the", " a", "and", "er", "in", "on", "ab", "abc", "abcd", "aa", "aaa", "aaaa", "aaaaaaaa",
    "bb", "ba", "xx", "xy", "fox", "hen", " fox", "cat", "dog", "colour", "kin", "ind", "kind", "name", "na", "me", "type", "value", "id", "items", "ar", "st", "red", "green", "blue", "yes", "no",
    "Hello", "World", "hello", " world", "upon", "once", "time", "select", "if", "then", "else", "foo", "bar", "baz", "ba", "foob", "obar", "__", "$ref", "#/", "x-", "-x", "--", "->", "=>", "==", "!=",
    "&&", "||", "++", "+=", "()", "((", "))", ")(", "(1", "1)", "1+", "+1", "*2", "//", "/*", "*/", "://", "http", "https://", "www.", ".com", "@", "a@b", "@b.", "<", "</", "/>", "<|", "|>", "<a>", "</a>",
    "'s", "''", "``", "```", "...", "..", "?!", "; ", ": ", ", ", ". ",
    // beyond ASCII
    "ä", "ö", "ü", "ß", "é", "äöü", "naïve", "größe", "gr", "öß", "日本", "日", "本", "語", "🦊", "🦊🦊", "😀", "😎", "€", "€€", "\u{301}", "\u{feff}", "\u{2028}", "\u{7f}", "\u{0}", "\u{1b}", "I\u{307}", "Ω", "я", "ру",
    "\u{10ffff}", "\u{d7ff}", "\u{e000}",
];

/// Halves of characters, alone and beside others.
const HALVES: &[&[u8]] = &[
    b"\xf0\x9f", b"\xf0\x9f\xa6", b"\x9f\xa6\x8a", b"\xa6\x8a", b"\x98\x80", b"\xe2\x82", b"\x82\xac", b"\xc3", b"a\xc3", b"\xa4b", b"\xa4\"", b"\"\xc3", b"\xe6\x97", b"\x97\xa5\xe6\x9c", b"\xff\xfe", b"\xf4\x90", b"\xed\xa0\x80",
    b"\xc0\x80", b"\x8a\"}", b"\x80\x80",
];

impl Words {
    fn new() -> Self {
        let mut bytes: Vec<Vec<u8>> = (0..=u8::MAX).map(|b| vec![b]).collect();
        bytes.extend(PIECES.iter().map(|piece| piece.as_bytes().to_vec()));
        bytes.extend(HALVES.iter().map(|half| half.to_vec()));
        for first in b"aeiost\" 0123" {
            bytes.extend(b"aeinrt\",}]:019".iter().map(|&second| vec![*first, second]));
        }
        // A token that text never shows, and names that a grammar may ask for: as tables of models have them.
        let shown = bytes.len() as u32;
        bytes.extend((0..7).map(|_| Vec::new()));
        let control: Vec<_> = ["<|begin_of_text|>", "<|start|>", "<|eot|>", "<|end_of_text|>"].iter().zip(shown + 2..).map(|(name, id)| (id, (*name).to_owned())).collect();
        let ends = vec![shown + 4, shown + 5];
        let vocabulary = Vocabulary::new(&bytes, &control, &ends).expect("the vocabulary is one");
        assert_eq!(vocabulary.tokens(), bytes.len());
        let mut words = Words { vocabulary, bytes, ends, style: ("", "") };
        words.style = words.probe();
        words
    }

    /// Words of a mask.
    pub(crate) fn mask(&self) -> Vec<u32> {
        vec![0; self.bytes.len().div_ceil(32)]
    }

    /// The crate's own white space, by what it lets through.
    fn probe(&self) -> (&'static str, &'static str) {
        let schema = r#"{"type":"object","properties":{"a":{"const":1},"b":{"const":2}},"required":["a","b"],"additionalProperties":false}"#;
        for style in [(",", ":"), (", ", ": ")] {
            let text = format!("{{\"a\"{}1{}\"b\"{}2}}", style.1, style.0, style.1);
            let mut answer = self.vocabulary.answer(Kind::JsonSchema, schema).expect("the schema is one");
            let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
            if matches!(answer.next(&tokens, &mut self.mask()), Ok(Next::Whole | Next::Choice)) {
                return style;
            }
        }
        panic!("no white space of this crate is known");
    }
}
