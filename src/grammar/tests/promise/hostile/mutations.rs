//! What is right, with some of it changed.

use super::survives;
use crate::json::strict;
use crate::table;
use crate::walk::{Dice, Temper, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::Kind;

/// A text with some of its characters or pieces changed.
fn mutated(text: &str, other: &str, dice: &mut Dice) -> String {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "1e999",
        "9007199254740993",
        "\"$ref\":\"#\"",
        "\"type\":\"array\"",
        "\"not\":{}",
        "\\",
        "\u{0}",
        "🦊",
        "(",
        "*",
        "{2,",
        "\\u",
        "~",
        "/",
    ];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(characters.len() + 1);
        let end = (at + dice.below(12)).min(characters.len());
        match dice.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..at, characters[at..end].to_vec())),
            2 => drop(characters.splice(at..end, dice.pick(PIECES).chars())),
            3 => drop(characters.splice(at..at, dice.pick(PIECES).chars())),
            _ => {
                let other: Vec<char> = other.chars().collect();
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(40)).min(other.len());
                drop(characters.splice(at..at, other[from..to].iter().copied()));
            }
        }
    }
    characters.into_iter().collect()
}

/// A schema with some of its keywords taken away, doubled or given other values, which stays JSON.
fn grafted(json: &mut serde_json::Value, other: &serde_json::Value, dice: &mut Dice) {
    use serde_json::Value;
    match json {
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(dice.below(members.len())).expect("a key").clone();
            match dice.below(6) {
                0 => drop(members.shift_remove(&key)),
                1 => drop(members.insert(key, other.clone())),
                2 => {
                    if let Value::Object(from) = other {
                        members.extend(from.clone());
                    }
                }
                3 => {
                    let value = members[&key].clone();
                    members.insert(
                        dice.pick(&[
                            "items",
                            "properties",
                            "not",
                            "anyOf",
                            "minimum",
                            "$ref",
                            "const",
                            "required",
                            "pattern",
                            "type",
                            "$defs",
                        ])
                        .to_string(),
                        value,
                    );
                }
                _ => grafted(&mut members[&key], other, dice),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.below(items.len());
            match dice.below(4) {
                0 => drop(items.remove(at)),
                1 => items.push(other.clone()),
                _ => grafted(&mut items[at], other, dice),
            }
        }
        value => *value = other.clone(),
    }
}

#[test]
fn mutated_schemas_are_survived() {
    let all: Vec<&str> = table::all().map(|case| case.schema).collect();
    let mut found = Vec::new();
    for seed in 0..rounds(600) as u64 {
        let mut dice = Dice(seed);
        let (one, other) = (*dice.pick(&all), *dice.pick(&all));
        let text = match (serde_json::from_str::<serde_json::Value>(one), serde_json::from_str(other)) {
            (Ok(mut one), Ok(other)) if dice.below(3) > 0 => {
                for _ in 0..1 + dice.below(3) {
                    grafted(&mut one, &other, &mut dice);
                }
                one.to_string()
            }
            _ => mutated(one, other, &mut dice),
        };
        let name = format!("mutation {seed}");
        let mut faults = survives(&name, Kind::JsonSchema, &text);
        if faults.is_empty() {
            faults = small_stack(&name, || kept(&text, seed));
        }
        found.extend(faults.into_iter().map(|what| format!("{name}: {what}: {text:.400}")));
        if found.len() > 20 {
            break;
        }
    }
    faults(found);
}

#[test]
fn mutated_grammars_and_expressions_are_survived() {
    let grammars: Vec<&str> = crate::lark::texts().collect();
    let schemas: Vec<&str> = table::all().map(|case| case.schema).filter(|schema| schema.contains("pattern")).collect();
    let mut found = Vec::new();
    for seed in 0..rounds(400) as u64 {
        let mut dice = Dice(seed);
        let (kind, text) = if dice.below(2) == 0 {
            (Kind::Lark, mutated(dice.pick::<&str>(&grammars), dice.clone().pick::<&str>(&grammars), &mut dice))
        } else {
            (Kind::Regex, mutated(dice.pick::<&str>(&schemas), dice.clone().pick::<&str>(&grammars), &mut dice))
        };
        let name = format!("mutation {seed}");
        found.extend(survives(&name, kind, &text).into_iter().map(|what| format!("{what}: {text:.300}")));
    }
    faults(found);
}

/// What is kept of a mutation is kept rightly.
fn kept(schema: &str, seed: u64) -> Vec<String> {
    let (Ok(answer), Ok(judge)) = (WORDS.vocabulary.answer(Kind::JsonSchema, schema), crate::judge::Judge::new(schema))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for temper in [Temper::Wild, Temper::Words] {
        match Walker::new(answer.clone(), seed).walk(temper, 40) {
            Ok(walked) => {
                tally(|t| t.walked(&walked));
                if let Err(why) = judge.check(&walked.text) {
                    found.push(format!("{why}: {:.200}", String::from_utf8_lossy(&walked.text)));
                }
            }
            // The way to the end of a pattern may be a word.
            Err(broken) if broken.what == "no end in sight" && schema.contains("pattern") => tally(|t| t.endless += 1),
            Err(broken) => found.push(broken.to_string()),
        }
    }
    found
}

#[test]
fn what_is_no_json_is_refused_as_a_schema() {
    let all: Vec<&str> = table::all().map(|case| case.schema).collect();
    let mut dice = Dice(3);
    for _ in 0..rounds(300) {
        let one = *dice.pick(&all);
        let text = mutated(one, "", &mut dice);
        if strict(text.trim_matches([' ', '\n', '\t', '\r'])).is_err()
            && serde_json::from_str::<serde_json::Value>(&text).is_err()
        {
            assert!(small_stack("no JSON", || WORDS.vocabulary.answer(Kind::JsonSchema, &text)).is_err(), "{text:?}");
        }
    }
}
