//! A form of an answer, and an answer of it. Whatever the text says, it is refused with a message of at most a screen, or it makes an
//! answer: each state allows something, refuses what it does not allow, and what is whole is JSON where JSON was asked for.
//!
//! Input: a byte for the kind, four for the way through the answer, then the text.

use b158_grammar::{Answer, Kind, Next, Vocabulary};
use std::sync::LazyLock;

/// Bytes, some pieces that straddle what a grammar has names for, a control token and two ends.
static TOKENS: LazyLock<(Vec<Vec<u8>>, Vocabulary)> = LazyLock::new(|| {
    let pieces = [
        "\":",
        "\",",
        "\", \"",
        "{\"",
        "\"}",
        "}]",
        "],",
        "[1",
        "null",
        "true",
        "12",
        "1e999",
        "  ",
        "\n\n",
        "the",
        "ab",
        "\\u00",
        "\\\"",
        "\u{1F98A}",
        "é",
        "\"a\": ",
    ];
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend(pieces.iter().map(|piece| piece.as_bytes().to_vec()));
    tokens.extend([b"\xf0\x9f".to_vec(), b"\xa6\x8a\"".to_vec(), Vec::new(), Vec::new(), Vec::new()]);
    let last = tokens.len() as u32;
    let vocabulary = Vocabulary::new(&tokens, &[(last - 3, "<|call|>".into())], &[last - 2, last - 1]);
    (tokens, vocabulary.expect("the vocabulary is one"))
});

pub fn run(input: &[u8]) {
    let Some((&[kind, a, b, c, d], text)) = input.split_first_chunk() else { return };
    let kind = match kind % 5 {
        0 => Kind::JsonSchema,
        1 => Kind::Regex,
        2 => Kind::Lark,
        3 => Kind::Parts,
        _ => Kind::JsonObject,
    };
    let text = String::from_utf8_lossy(text);
    let checked = b158_grammar::check(kind, &text);
    match TOKENS.1.answer(kind, &text) {
        Ok(answer) => {
            assert!(checked.is_ok(), "{checked:?}, and an answer");
            walk(answer, kind, u32::from_le_bytes([a, b, c, d]));
        }
        Err(why) => {
            let said = why.to_string();
            assert!((1..=2000).contains(&said.len()), "a message of {} bytes", said.len());
        }
    }
}

fn walk(mut answer: Answer, kind: Kind, mut seed: u32) {
    let (tokens, _) = &*TOKENS;
    let mut draw = |n: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % n
    };
    let mut mask = vec![0; tokens.len().div_ceil(32)];
    let (mut taken, mut text) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let next = match answer.next(&taken, &mut mask) {
            Ok(next) => next,
            // What a grammar costs is seen on the way.
            Err(why) => return assert!(why.to_string().len() <= 2000, "a message of {} bytes", why.to_string().len()),
        };
        taken = match next {
            Next::Whole => {
                if matches!(kind, Kind::JsonSchema | Kind::JsonObject) {
                    serde_json::from_slice::<serde_json::Value>(&text).expect("an answer parses");
                }
                return;
            }
            Next::Certain(bytes) => bytes.iter().take(1000).map(|&byte| u32::from(byte)).collect(),
            Next::Choice => {
                let has = |id: u32| mask[id as usize / 32] >> (id % 32) & 1 == 1;
                let allowed: Vec<u32> = (0..tokens.len() as u32).filter(|&id| has(id)).collect();
                assert!(!allowed.is_empty(), "nothing is allowed after {text:?}");
                let other = draw(tokens.len()) as u32;
                if !has(other) {
                    let other = answer.clone().next(&[other], &mut mask.clone());
                    assert!(other.is_err(), "a token that is not allowed is taken after {text:?}");
                }
                vec![allowed[draw(allowed.len())]]
            }
        };
        taken.iter().for_each(|&id| text.extend(&tokens[id as usize]));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |kind: u8, text: &str| [&[kind, 1, 2, 3, 4], text.as_bytes()].concat();
    let schemas = [
        r#"{"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":120},"b":{"enum":["x",1.5,null]}},"required":["a"],"additionalProperties":false}"#,
        r##"{"$defs":{"t":{"type":"array","prefixItems":[{"const":"\u00e4"}],"items":{"$ref":"#/$defs/t"},"maxItems":3}},"$ref":"#/$defs/t"}"##,
        r#"{"type":"object","patternProperties":{"^n_":{"type":"number","exclusiveMinimum":0,"multipleOf":0.5}},"additionalProperties":{"type":"string","minLength":1,"maxLength":4},"minProperties":1}"#,
        r#"{"anyOf":[{"type":"string","pattern":"^(a|b\\d)+$"},{"type":["null","boolean"]},{"oneOf":[{"const":1},{"type":"string","format":"date"}]}],"allOf":[{"not":{}}]}"#,
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"const":1}],"additionalItems":false,"propertyNames":{"maxLength":3},"uniqueItems":true}"#,
    ];
    let expressions = [r"(19|20)\d\d-(0[1-9]|1[0-2])", r"^(?:[^\W_]|\u{1F98A}){2,}?$", r"(?i:ab)c{3}|\p{Lu}[a-z\-]*"];
    let grammars = [
        "start: term ((\"+\" | \"-\") term)*\nterm: NUMBER | \"(\" start \")\"\nNUMBER: /[1-9][0-9]?/\n",
        "start: <|call|> %json {\"type\": \"object\"} | W~1..3\nW: /[a-c]+/ & ~/abc/\n%ignore / /\n",
        "%import common.INT\n?start: a -> x\na: \"b\"i{2} [INT] | // none\n",
    ];
    let parts = r#"{"before":[{"token":"<|call|>"}],"choices":[{"name":"now","parts":[{"text":"{\"x\": "},{"schema":{"type":"object"}},{"text":"}"}]}],"after":[{"text":"\n","optional":true}],"again":[{"text":"+"}]}"#;
    let all = schemas.iter().map(|text| seed(0, text));
    let all = all.chain(expressions.iter().map(|text| seed(1, text))).chain(grammars.iter().map(|text| seed(2, text)));
    all.chain([seed(3, parts), seed(4, "")]).collect()
}
