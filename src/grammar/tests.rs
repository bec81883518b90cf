//! The whole way, over a vocabulary of single bytes and a few longer tokens: which texts an answer may be.

use crate::{Answer, Error, Kind, Next, Vocabulary, check};

const CALL: u32 = 256;
const END: u32 = 257;

fn vocabulary() -> Vocabulary {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([Vec::new(), Vec::new()]);
    tokens.extend(["\", \"", "{\"", "\": ", "ab", "true", "}\n", "é"].map(|text| text.as_bytes().to_vec()));
    Vocabulary::new(&tokens, &[(CALL, "<call>".into()), (END, "<end>".into())], &[END]).unwrap()
}

/// How much of `text` an answer may have, and whether it may end there.
fn follow(answer: &mut Answer, text: &[u8]) -> (usize, bool) {
    let mut allowed = vec![0; 10];
    let mut taken = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        let token = if byte == 0xff { CALL } else { u32::from(byte) };
        match answer.next(&taken, &mut allowed).unwrap() {
            Next::Whole => return (at, true),
            Next::Certain(bytes) => {
                if bytes[0] != byte {
                    return (at, false);
                }
            }
            Next::Choice => {
                if allowed[token as usize / 32] >> (token % 32) & 1 == 0 {
                    return (at, allowed[END as usize / 32] >> (END % 32) & 1 == 1);
                }
            }
        }
        taken = vec![token];
    }
    let end = match answer.next(&taken, &mut allowed).unwrap() {
        Next::Whole => true,
        Next::Certain(_) => false,
        Next::Choice => allowed[END as usize / 32] >> (END % 32) & 1 == 1,
    };
    assert_eq!(end, answer.may_end());
    (text.len(), end)
}

fn is(kind: Kind, form: &str, text: &str) -> bool {
    let mut answer = vocabulary().answer(kind, form).unwrap();
    follow(&mut answer, text.as_bytes()) == (text.len(), true)
}

fn refusal(kind: Kind, form: &str) -> String {
    let why = vocabulary().answer(kind, form).map(|_| ()).unwrap_err().to_string();
    assert!(why.len() < 2000 && why.lines().count() <= 10, "{why}");
    assert_eq!(check(kind, form), Err(Error(why.clone())));
    why
}

#[test]
fn what_is_certain_is_told_once_and_the_whole_is_told() {
    let mut answer = vocabulary().answer(Kind::JsonSchema, r#"{"const": {"a": [1, true]}}"#).unwrap();
    let mut allowed = vec![0; 10];
    assert_eq!(answer.next(&[], &mut allowed).unwrap(), Next::Certain(b"{\"a\": [1, true]}".to_vec()));
    allowed.fill(!0);
    assert_eq!(answer.next(&[], &mut allowed).unwrap(), Next::Choice);
    let open = u32::from(b'{');
    assert_eq!((allowed[9], allowed[open as usize / 32] >> (open % 32) & 1), (0, 1));
    assert_eq!(answer.next(&b"{\"a\"".map(u32::from), &mut allowed).unwrap(), Next::Certain(b": [1, true]}".to_vec()));
    assert_eq!(answer.next(&b": [1, true]}".map(u32::from), &mut allowed).unwrap(), Next::Whole);
    assert!(answer.may_end() && answer.next(&[], &mut allowed).unwrap() == Next::Whole);
    assert!(answer.next(&[open], &mut allowed).is_err());
    assert!(answer.next(&[], &mut allowed).is_err());
}

#[test]
fn an_answer_may_begin_in_the_middle() {
    let mut answer = vocabulary().answer(Kind::JsonSchema, r#"{"type": "object", "properties": {"a": {"const": 5}}, "required": ["a"], "additionalProperties": {"type": "boolean"}}"#).unwrap();
    let mut allowed = vec![0; 10];
    answer.next(&[], &mut allowed).unwrap();
    let why = answer.begin(b"{\"a\": 6").unwrap_err().to_string();
    assert!(why.contains("byte 6"), "{why}");
    answer.begin(b"{\"a\": 5, \"b\": tr").unwrap();
    let mut again = answer.clone();
    assert_eq!(follow(&mut answer, b"ue, \"c\": false}"), (15, true));
    // Keys of the text count.
    assert_eq!(follow(&mut again, b"ue, \"b\": false}").0, 6);
    let mut whole = vocabulary().answer(Kind::JsonSchema, r#"{"const": 5}"#).unwrap();
    whole.begin(b"5").unwrap();
    assert_eq!(whole.next(&[], &mut allowed).unwrap(), Next::Whole);
    assert!(whole.begin(b"").is_ok());
}

#[test]
fn no_key_comes_twice() {
    for (text, right) in [
        (r#"{"a": 1, "b": {"a": 2}}"#, true),
        (r#"{"a": 1, "a": 2}"#, false),
        (r#"{"a": {"x": 1, "y": 2, "x": 3}}"#, false),
        (r#"[{"a": 1}, {"a": 1}]"#, false),
    ] {
        assert_eq!(is(Kind::JsonObject, "", text), right, "{text}");
    }
    // Where keys have a form, those that are left may be few.
    for form in [
        r#"{"type": "object", "propertyNames": {"pattern": "^[ab]{1,2}c?$"}, "minProperties": 2}"#,
        r#"{"patternProperties": {"^(a|b+)$": {}}, "additionalProperties": false, "type": "object"}"#,
    ] {
        assert!(is(Kind::JsonSchema, form, r#"{"a": 1, "b": 2}"#));
        assert!(!is(Kind::JsonSchema, form, r#"{"a": 1, "a": 2}"#));
    }
    let mut answer = vocabulary()
        .answer(
            Kind::JsonSchema,
            r#"{"patternProperties": {"^(a|b+)$": {}}, "additionalProperties": false, "type": "object"}"#,
        )
        .unwrap();
    assert_eq!(follow(&mut answer, b"{\"a\": 1, \"a"), (10, false));
    // In one token too.
    let tokens: Vec<Vec<u8>> = [
        b"{\"a\": 1, \"".to_vec(),
        b"a\": 2}".to_vec(),
        b"b\": 2}".to_vec(),
        b"\"a\": 1, \"a\"".to_vec(),
        Vec::new(),
        b"{".to_vec(),
    ]
    .into();
    let vocabulary = Vocabulary::new(&tokens, &[], &[4]).unwrap();
    let mut answer = vocabulary.answer(Kind::JsonObject, "").unwrap();
    let mut allowed = [0];
    assert_eq!((answer.next(&[0], &mut allowed).unwrap(), allowed[0] & 0b110), (Next::Choice, 0b100));
    let mut answer = vocabulary.answer(Kind::JsonObject, "").unwrap();
    assert!(answer.next(&[5], &mut allowed).is_err() || allowed[0] & 0b1000 == 0);
}

/// Readers differ on classes beyond ASCII: what is made is right for each.
#[test]
fn patterns_are_read_narrowly_where_they_hold_and_widely_where_not() {
    for (form, text, right) in [
        (r#"{"type": "string", "pattern": "^\\d\\W\\s$"}"#, "\"1- \"", true),
        (r#"{"type": "string", "pattern": "^\\d\\W\\s$"}"#, "\"1-\u{a0}\"", false),
        (r#"{"type": "string", "pattern": "^[^\\d]$"}"#, "\"\u{663}\"", false),
        // Whether the key is one of the pattern's depends on the reader: it is none that can be.
        (
            r#"{"patternProperties": {"^\\W$": {"const": 1}}, "additionalProperties": {"const": 2}, "type": "object"}"#,
            "{\"-\": 1}",
            true,
        ),
        (
            r#"{"patternProperties": {"^\\W$": {"const": 1}}, "additionalProperties": {"const": 2}, "type": "object"}"#,
            "{\"a\": 2}",
            true,
        ),
        (
            r#"{"patternProperties": {"^\\W$": {"const": 1}}, "additionalProperties": {"const": 2}, "type": "object"}"#,
            "{\"ä\": 2}",
            false,
        ),
        (
            r#"{"patternProperties": {"^\\W$": {"const": 1}}, "additionalProperties": {"const": 2}, "type": "object"}"#,
            "{\"ä\": 1}",
            false,
        ),
        (r#"{"oneOf": [{"type": "string", "pattern": "^a\\d"}, {"type": "string", "pattern": "^b"}]}"#, "\"a1\"", true),
    ] {
        assert_eq!(is(Kind::JsonSchema, form, text), right, "{form} {text}");
    }
    assert!(
        refusal(
            Kind::JsonSchema,
            r#"{"oneOf": [{"type": "string", "pattern": "^\\d$"}, {"type": "string", "pattern": "^[^0-9]$"}]}"#
        )
        .contains("oneOf")
    );
    assert!(
        refusal(
            Kind::JsonSchema,
            r#"{"properties": {"ä": {}}, "patternProperties": {"^\\w$": {"type": "null"}}, "type": "object"}"#
        )
        .contains("patternProperties")
    );
}

#[test]
fn expressions_match_the_whole_answer() {
    for (form, text, right) in [
        (r"(19|20)\d\d-(0[1-9]|1[0-2])", "2024-02", true),
        (r"(19|20)\d\d-(0[1-9]|1[0-2])", "2024-13", false),
        ("^ab{2}$", "abb", true),
        ("^ab{2}$", "xabb", false),
        ("[😀-😎]{2}", "😀😎", true),
        ("a.c", "a\nc", false),
        ("a.c", "aäc", true),
        (r"(?i:fox)\/[\w\-.]+", "FoX/a-b.c", true),
        (r"[[]\]{1,2}[^]", "[]]\n", true),
        (r"a{,2}", "a{,2}", true),
        (r"(?<year>\d{4})|never", "1999", true),
        (r"(?s:.)x", "\nx", true),
        (r"^a|b$", "b", true),
        (r"\u{1F98A}\ud83e\udd8a", "🦊🦊", true),
    ] {
        assert_eq!(is(Kind::Regex, form, text), right, "{form} {text}");
    }
    for (form, says) in [
        (r"[^\s\S]", "matches nothing"),
        ("(ab", "character 1: a ( without its ): the group is unclosed"),
        ("", "empty"),
        (r"(fox|hen) and \1", "character 15: a back reference"),
        ("x{5,2}", "character 2: the count {5,2}"),
        ("(a{1000}){1000}", "too large"),
        ("a(?=b)", "character 2: look-ahead"),
        (r"\bfox", "\\b"),
        ("a^b", "anchor"),
        ("[a", "character 1: a class"),
        ("[z-a]", "goes down"),
        ("*a", "nothing before it"),
        ("a**", "nothing to repeat"),
        (r"\y", "escape"),
        ("a)", "without its ("),
        (r"\ud800", "surrogate"),
        (r"\p{Nonsense}", "Unicode property"),
    ] {
        let why = refusal(Kind::Regex, form);
        assert!(why.contains(says), "{form}: {why}");
    }
    assert!(refusal(Kind::Regex, &"(".repeat(10_000)).contains("nested"));
    assert!(refusal(Kind::Regex, &"a|".repeat(1_000_000)).contains("limit"));
    // What is too much work for the first token is told before it.
    assert!(refusal(Kind::Regex, &"a?".repeat(2_000)).contains("more work"));
}

#[test]
fn calls_of_tools_are_texts_and_values() {
    let form = r#"{"before": [{"token": "<call>"}], "choices": [
        {"name": "weather", "parts": [{"text": "\n{\"name\": \"weather\", \"arguments\": "}, {"schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}, {"text": "}\n"}]},
        {"name": "now", "parts": [{"text": "\n{\"name\": \"now\", \"arguments\": "}, {"schema": {"type": "object", "properties": {}, "additionalProperties": false}}, {"text": "}\n"}]}],
        "after": [{"text": "</call>"}], "again": [{"text": "\n", "optional": true}, {"token": "<call>"}]}"#;
    let vocabulary = vocabulary();
    let calls = b"\xff\n{\"name\": \"now\", \"arguments\": {}}\n</call>\n\xff\n{\"name\": \"weather\", \"arguments\": {\"city\": \"K\xc3\xb6ln\", \"city 2\": [{}]}}\n</call>";
    assert_eq!(follow(&mut vocabulary.answer(Kind::Parts, form).unwrap(), calls), (calls.len(), true));
    let twice = b"\xff\n{\"name\": \"weather\", \"arguments\": {\"city\": \"x\", \"city\"";
    assert_eq!(follow(&mut vocabulary.answer(Kind::Parts, form).unwrap(), twice).0, twice.len() - 1);
    assert_eq!(check(Kind::Parts, form), Ok(()));
    let wrong = form.replace("\"type\": \"string\"", "\"type\": \"strng\"");
    assert!(refusal(Kind::Parts, &wrong).starts_with("tool \"weather\": type \"strng\""));
    let unknown = form.replace("<call>", "<tool>");
    assert!(vocabulary.answer(Kind::Parts, &unknown).map(|_| ()).unwrap_err().to_string().contains("no control token"));
}

#[test]
fn grammars_are_kept_with_the_schemas_in_them() {
    let form = "start: \"do \" verb %json {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"], \"additionalProperties\": false} <call>?\nverb: \"go\" | \"say\"\n%ignore / +/\n";
    let mut answer = vocabulary().answer(Kind::Lark, form).unwrap();
    assert_eq!(follow(&mut answer, b"do say{\"a\": 7}\xff"), (15, true));
    // An end that a grammar names.
    let mut named = vocabulary().answer(Kind::Lark, "start: \"a\" <end>\n").unwrap();
    let mut allowed = [0; 10];
    named.next(&[u32::from(b'a')], &mut allowed).unwrap();
    assert_eq!((named.next(&[], &mut allowed).unwrap(), allowed[8]), (Next::Choice, 2));
    for (form, says) in [
        ("start: greeting name\ngreeting: \"hi \"\n", "name"),
        ("start: word word\nword: \"fox\" | \"hen\"\nother: ( \"a\" | \"b\"\nlast: \"c\"\n", "line"),
        ("start: \"a\" [\n", "line"),
        ("start: A\nA: B\nB: A\n", "comes to no text"),
    ] {
        let why = refusal(Kind::Lark, form);
        assert!(why.contains(says), "{form}: {why}");
    }
    assert!(is(Kind::Lark, "start: list\nlist: list \",\" ITEM | ITEM\nITEM: \"fox\" | \"hen\"\n", "fox,hen,fox"));
}

/// Of a browser's stack: what is allowed does not run over, what would is refused.
#[test]
fn a_small_stack_is_enough() {
    let run = || {
        let vocabulary = vocabulary();
        let try_it = |kind, form: &str| {
            vocabulary.answer(kind, form).map(|mut answer| answer.next(&[], &mut [0; 10]).map(|_| ()))
        };
        for levels in [10, 40, 60, 90, 95, 99, 100, 3000] {
            let list = format!("{}{{}}{}", "{\"type\": \"array\", \"items\": ".repeat(levels), "}".repeat(levels));
            let object = format!(
                "{}{{}}{}",
                "{\"properties\": {\"a\": ".repeat(levels / 2),
                "}, \"required\": [\"a\"]}".repeat(levels / 2)
            );
            let value = format!("{{\"const\": {}1{}}}", "[".repeat(levels), "]".repeat(levels));
            let definitions: String =
                (0..levels).map(|n| format!("\"d{n}\": {{\"$ref\": \"#/$defs/d{}\"}}, ", n + 1)).collect();
            let references =
                format!("{{\"$defs\": {{{definitions}\"d{levels}\": {{\"const\": 1}}}}, \"$ref\": \"#/$defs/d0\"}}");
            let definitions: String = (0..levels).map(|n| format!("\"d{n}\": {{\"anyOf\": [{{\"type\": \"null\"}}, {{\"type\": \"array\", \"items\": {{\"$ref\": \"#/$defs/d{}\"}}}}]}}, ", (n + 1) % levels)).collect();
            let circle = format!("{{\"$defs\": {{{}}}, \"$ref\": \"#/$defs/d0\"}}", definitions.trim_end_matches(", "));
            for schema in [list, object, value, references, circle] {
                let tried = try_it(Kind::JsonSchema, &schema);
                assert!(levels > 60 || matches!(tried, Ok(Ok(()))), "{levels} {schema:.80}: {tried:?}");
            }
            let rules: String =
                (0..levels).map(|n| format!("r{n}: (\"a\" (r{} | \"b\")?)+ | \"c\"\n", n + 1)).collect();
            let terminals: String =
                (0..levels).map(|n| format!("R{n}: (\"a\" (R{} | \"b\")?)+ | \"c\"\n", n + 1)).collect();
            for grammar in [
                format!("start: r0\n{rules}r{levels}: \"d\"\n"),
                format!("start: R0\n{terminals}R{levels}: \"d\"\n"),
                format!("start: {}\"a\"{}\n", "(".repeat(levels), ")".repeat(levels)),
            ] {
                let tried = try_it(Kind::Lark, &grammar);
                assert!(levels > 10 || matches!(tried, Ok(Ok(()))), "{levels} {grammar:.80}: {tried:?}");
            }
            let _ = try_it(Kind::Regex, &format!("{}a{}", "(?:b|".repeat(levels), ")*".repeat(levels)));
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn odd_vocabularies_are_read_or_refused() {
    let of = |tokens: &[&[u8]], control: &[(u32, &str)], ends: &[u32]| {
        let tokens: Vec<Vec<u8>> = tokens.iter().map(|token| token.to_vec()).collect();
        let control: Vec<(u32, String)> = control.iter().map(|(id, name)| (*id, (*name).into())).collect();
        Vocabulary::new(&tokens, &control, ends)
    };
    assert!(of(&[], &[], &[]).is_err());
    assert!(
        of(&[b"a"], &[], &[1]).is_err()
            && of(&[b"a"], &[(7, "<x>")], &[0]).is_err()
            && of(&[b"a"], &[(0, "")], &[0]).is_err()
    );
    // Bytes that no text has, the same token twice, an empty one, one that is too long; no end, two ends.
    let long = vec![b'a'; 5000];
    for ends in [&[][..], &[0], &[0, 5, 5]] {
        let vocabulary =
            of(&[b"</s>", b"a", b"a", b"\xff", b"\xff<x>", b"", &long, b"b"], &[(5, "<x>"), (5, "<y>")], ends).unwrap();
        let mut allowed = [0];
        let mut answer = vocabulary.answer(Kind::Regex, "(a|b)+").unwrap();
        assert_eq!(answer.next(&[], &mut allowed).unwrap(), Next::Choice);
        assert_eq!(allowed[0], 0b1000_0110);
        answer.next(&[1], &mut allowed).unwrap();
        let set = ends.iter().fold(0, |set, end| set | 1 << end);
        assert_eq!(allowed[0], 0b1000_0110 | set);
        // An end of text is no text, though it has bytes.
        let dead = vocabulary.answer(Kind::Regex, "</s>").unwrap().next(&[], &mut allowed);
        assert!(ends.is_empty() || dead.is_err() || matches!(dead, Ok(Next::Certain(_))));
        let mut whole = vocabulary.answer(Kind::Regex, "ab?").unwrap();
        whole.next(&[2, 7], &mut allowed).unwrap();
        assert_eq!(whole.next(&[], &mut allowed).unwrap(), Next::Whole);
    }
    assert!(vocabulary().answer(Kind::JsonObject, "").unwrap().next(&[], &mut [0; 8]).is_err());
    assert!(vocabulary().answer(Kind::JsonObject, "").unwrap().next(&[99_999], &mut [0; 9]).is_err());
}
