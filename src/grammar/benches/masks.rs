//! What a form of an answer costs at a vocabulary of 128,256 tokens: the trie, compiling, and each token's mask.
//!
//! ```text
//! cargo bench -p b158-grammar                                  a vocabulary made here
//! TOKENIZER=path/to/tokenizer.json cargo bench -p b158-grammar that of a model (byte-level BPE)
//! ```

use b158_grammar::{Answer, Kind, Next, Vocabulary};
use std::time::{Duration, Instant};

const TOKENS: usize = 128_256;

fn main() {
    let tokens = match std::env::var("TOKENIZER") {
        Ok(path) => of_model(&path),
        Err(_) => made(),
    };
    let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
    let end = tokens.len() as u32 - 1;
    let started = Instant::now();
    let vocabulary = Vocabulary::new(&tokens, &[(end, "<|end|>".into())], &[end]).unwrap();
    println!("{} tokens, longest {longest} bytes: trie {:.0} ms", tokens.len(), ms(started.elapsed()));
    for (name, kind, text, answer) in CASES {
        measure(&vocabulary, &tokens, name, *kind, text, answer);
    }
    let colours: Vec<String> = (0..2000).map(|n| format!("\"colour {:05}\"", n * 7919 % 100_003)).collect();
    measure(
        &vocabulary,
        &tokens,
        "2,000 values",
        Kind::JsonSchema,
        &format!("{{\"enum\": [{}]}}", colours.join(",")),
        &colours[1234],
    );
    let optional: Vec<String> =
        (0..300).map(|n| format!("\"property {n}\": {{\"type\": [\"string\", \"null\"]}}")).collect();
    let optional = format!("{{\"type\": \"object\", \"properties\": {{{}}}}}", optional.join(","));
    measure(
        &vocabulary,
        &tokens,
        "300 optional properties",
        Kind::JsonSchema,
        &optional,
        r#"{"property 17": "a fox", "property 18": null, "property 299": "hen", "else": 1}"#,
    );
}

type Case = (&'static str, Kind, &'static str, &'static str);
const CASES: &[Case] = &[
    (
        "object",
        Kind::JsonSchema,
        r#"{"type": "object", "properties": {"title": {"type": "string"}, "summary": {"type": "string", "maxLength": 200}, "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
            "score": {"type": "number", "minimum": 0, "maximum": 1}, "kind": {"enum": ["article", "book", "film", "song"]}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
            "open": {"type": "boolean"}}, "required": ["title", "summary", "year", "score", "kind", "tags", "open"], "additionalProperties": false}"#,
        r#"{"title": "A fox in the garden, and \"what\" it did", "summary": "It came at night: the hens heard it first. Nobody slept, and in the morning there were feathers on the lawn.", "year": 1987, "score": 0.725, "kind": "book", "tags": ["animals", "night life", "héns"], "open": true}"#,
    ),
    (
        "date, pattern",
        Kind::JsonSchema,
        r#"{"type": "object", "properties": {"on": {"type": "string", "format": "date"}, "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{4}$"}, "mail": {"type": "string", "format": "email"}}, "required": ["on", "code", "mail"]}"#,
        r#"{"on": "2024-02-29", "code": "AB-1234", "mail": "a.fox@example.org"}"#,
    ),
    (
        "pattern and length",
        Kind::JsonSchema,
        r#"{"type": "string", "pattern": "^\\w+([.-]?\\w+)*@\\w+([.-]?\\w+)*(\\.\\w{2,})+$", "minLength": 6, "maxLength": 100}"#,
        r#""somebody.somewhere-else@mail.example.org""#,
    ),
    (
        "oneOf",
        Kind::JsonSchema,
        r#"{"type": "array", "items": {"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "text"}, "text": {"type": "string", "pattern": "fox"}}, "required": ["kind", "text"], "additionalProperties": false},
            {"type": "object", "properties": {"kind": {"const": "call"}, "name": {"enum": ["look", "go", "say"]}, "arguments": {"type": "object"}}, "required": ["kind", "name", "arguments"], "additionalProperties": false}]}}"#,
        r#"[{"kind": "text", "text": "There was a fox in the hen house."}, {"kind": "call", "name": "say", "arguments": {"words": ["hello", "there"], "loud": true}}]"#,
    ),
    (
        "any object",
        Kind::JsonObject,
        "",
        r#"{"name": "Reynard", "age": 7, "friends": [{"name": "Chanticleer", "hens": 12.5}, null, true], "note": "a\nb"}"#,
    ),
    ("regex", Kind::Regex, r"(\w+ ){3,8}\w+\.", "The quick brown fox jumps over it."),
    (
        "lark",
        Kind::Lark,
        "start: term ((\"+\" | \"-\") term)*\nterm: NUMBER | \"(\" start \")\"\nNUMBER: /[0-9]{1,6}/\n",
        "12+(345-6)-(7+89123)+0",
    ),
];

fn measure(vocabulary: &Vocabulary, tokens: &[Vec<u8>], name: &str, kind: Kind, text: &str, wanted: &str) {
    let started = Instant::now();
    let mut answer = match vocabulary.answer(kind, text) {
        Ok(answer) => answer,
        Err(why) => return println!("{name}: {why}"),
    };
    let compiled = started.elapsed();
    let mut allowed = vec![0; tokens.len().div_ceil(32)];
    let (mut masks, mut steps, mut sure) = (Vec::new(), Vec::new(), 0);
    let mut rest = wanted.as_bytes();
    let mut taken = Vec::new();
    loop {
        let started = Instant::now();
        let next = answer.next(&taken, &mut allowed).unwrap();
        let took = started.elapsed();
        taken.clear();
        match next {
            Next::Whole => break,
            Next::Certain(bytes) => {
                steps.push(took);
                assert!(
                    rest.starts_with(&bytes) || bytes.starts_with(rest),
                    "{name}: certain {:?}",
                    String::from_utf8_lossy(&bytes)
                );
                sure += bytes.len();
            }
            Next::Choice => {
                masks.push(took);
                if rest.is_empty() {
                    break;
                }
                let token = longest(tokens, &allowed, rest)
                    .unwrap_or_else(|| panic!("{name}: no token for {:?}", String::from_utf8_lossy(rest)));
                rest = &rest[tokens[token as usize].len()..];
                taken.push(token);
            }
        }
    }
    assert!(answer_ends(&mut answer), "{name}: no end");
    masks.sort();
    let sum: Duration = masks.iter().sum();
    println!(
        "{name}: compile {:.2} ms; {} masks: median {:.3}, mean {:.3}, 90 % {:.3}, max {:.2} ms; {sure} bytes certain, {:.2} ms",
        ms(compiled),
        masks.len(),
        ms(masks[masks.len() / 2]),
        ms(sum) / masks.len() as f64,
        ms(masks[masks.len() * 9 / 10]),
        ms(*masks.last().unwrap()),
        ms(steps.iter().sum())
    );
}

fn answer_ends(answer: &mut Answer) -> bool {
    answer.may_end()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn longest(tokens: &[Vec<u8>], allowed: &[u32], rest: &[u8]) -> Option<u32> {
    let set = |id: &usize| allowed[id / 32] >> (id % 32) & 1 == 1;
    let fits = (0..tokens.len()).filter(set).filter(|&id| !tokens[id].is_empty() && rest.starts_with(&tokens[id]));
    fits.max_by_key(|&id| tokens[id].len()).map(|id| id as u32)
}

/// Bytes, then words of syllables, with a space before them or not, and runs of digits, spaces and signs.
fn made() -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend((0..1000).map(|n| n.to_string().into_bytes()));
    tokens.extend((2..60).map(|n| vec![b' '; n]));
    tokens.extend(
        [
            r#"{""#, r#"":"#, r#"", ""#, r#"","#, r#" ""#, r#""}"#, r#"]}"#, ", ", ": ", "\", \"", "\\n", "\n\n", "é",
            "héns", "ör",
        ]
        .map(|t| t.as_bytes().to_vec()),
    );
    let parts = [
        "ka", "re", "ti", "so", "nu", "ing", "er", "the", "fo", "x", "ar", "den", "qu", "st", "ion", "ble", "om", "is",
        "A", "Th", "é", "ß", "日", "本",
    ];
    let mut n = 0usize;
    while tokens.len() < TOKENS - 1 {
        let mut word = if n.is_multiple_of(2) { b" ".to_vec() } else { Vec::new() };
        let mut left = n / 2 + 1;
        while left > 0 {
            word.extend_from_slice(parts[left % parts.len()].as_bytes());
            left /= parts.len();
        }
        tokens.push(word);
        n += 1;
    }
    tokens.push(Vec::new());
    tokens
}

/// The vocabulary of a tokenizer.json, whose texts spell bytes as GPT-2's do.
fn of_model(path: &str) -> Vec<Vec<u8>> {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let printed = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut spelling = std::collections::HashMap::new();
    let mut beyond = 256;
    for b in 0..256u32 {
        let c = if printed(b) { b } else { beyond };
        beyond += u32::from(!printed(b));
        spelling.insert(char::from_u32(c).unwrap(), b as u8);
    }
    let vocabulary = file["model"]["vocab"].as_object().unwrap();
    let mut tokens = vec![Vec::new(); TOKENS.max(vocabulary.len() + 1)];
    for (text, id) in vocabulary {
        tokens[id.as_u64().unwrap() as usize] = text.chars().map(|c| spelling[&c]).collect();
    }
    tokens
}
