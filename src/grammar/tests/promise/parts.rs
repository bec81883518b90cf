//! Objects of any kind, and calls of tools: fixed texts and values of schemas after one another.

use crate::json::strict;
use crate::judge::Judge;
use crate::walk::{TEMPERS, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::Kind;
use serde_json::{Value, json};

/// Walks with every temper; `judge` says what is wrong with a text.
fn walks(kind: Kind, text: &str, judge: impl Fn(&str) -> Result<(), String>) -> Vec<String> {
    let answer = match WORDS.vocabulary.answer(kind, text) {
        Ok(answer) => answer,
        Err(why) => return vec![format!("refused: {why}")],
    };
    tally(|t| t.schemas += 1);
    let mut found = Vec::new();
    for seed in 0..rounds(4) as u64 {
        for temper in TEMPERS {
            match Walker::new(answer.clone(), seed).walk(temper, 60) {
                Ok(walked) => {
                    tally(|t| t.walked(&walked));
                    let said = String::from_utf8_lossy(&walked.text);
                    if let Err(why) = judge(&said) {
                        found.push(format!("{temper:?} {seed}: {why}: {said:.300}"));
                    }
                }
                Err(broken) => found.push(format!("{temper:?} {seed}: {broken}")),
            }
        }
    }
    found.truncate(5);
    found
}

#[test]
fn an_object_is_one() {
    let found = small_stack("an object", || {
        walks(Kind::JsonObject, "", |text| match strict(text)?.value()? {
            Value::Object(_) => Ok(()),
            other => Err(format!("{other} is no object")),
        })
    });
    faults(found);
}

const WEATHER: &str = r#"{"type":"object","properties":{"city":{"type":"string","maxLength":8},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["city"],"additionalProperties":false}"#;
const OPEN: &str = r#"{"type":"object","properties":{"n":{"type":"number"}}}"#;
const NOTHING: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

fn tools() -> Vec<(&'static str, Judge)> {
    [("weather", WEATHER), ("open", OPEN), ("now", NOTHING)]
        .map(|(name, schema)| (name, Judge::new(schema).expect("a schema")))
        .into()
}

/// Calls as Hermes writes them, the words that end them as text.
fn calls(again: bool) -> String {
    let choice = |name: &str, schema: &str| {
        json!({"name": name, "parts": [
            {"text": format!("\n{{\"name\": \"{name}\", \"arguments\": ")},
            {"schema": serde_json::from_str::<Value>(schema).expect("JSON")},
            {"text": "}\n"},
        ]})
    };
    let again = if again { json!([{"text": "\n<tool_call>"}]) } else { Value::Null };
    json!({
        "before": [{"text": "<tool_call>"}],
        "choices": [choice("weather", WEATHER), choice("open", OPEN), choice("now", NOTHING)],
        "after": [{"text": "</tool_call>"}],
        "again": again,
    })
    .to_string()
}

fn call(text: &str, tools: &[(&str, Judge)]) -> Result<(), String> {
    let call = strict(text.trim_matches('\n'))?;
    let value = call.value()?;
    let name = value["name"].as_str().ok_or("no name")?;
    let (_, judge) = tools.iter().find(|(known, _)| *known == name).ok_or("no tool of this name")?;
    judge.check(value["arguments"].to_string().as_bytes())
}

#[test]
fn calls_of_tools_keep_to_their_schemas() {
    let tools = tools();
    for again in [false, true] {
        let found = small_stack("calls", || {
            walks(Kind::Parts, &calls(again), |text| {
                let mut pieces = text.split("<tool_call>");
                if pieces.next() != Some("") {
                    return Err("text before the call".into());
                }
                let (mut count, mut rest) = (0, pieces.collect::<Vec<_>>().join("<tool_call>"));
                // A text of an argument may have the words in it: the last one ends the call.
                while !rest.is_empty() {
                    let ends: Vec<usize> = rest.match_indices("</tool_call>").map(|(at, _)| at).collect();
                    let end =
                        ends.iter().copied().find(|&at| call(&rest[..at], &tools).is_ok()).ok_or("no whole call")?;
                    count += 1;
                    rest = rest[end + "</tool_call>".len()..].trim_start_matches("\n<tool_call>").to_owned();
                }
                if count == 0 || count > 1 && !again { Err(format!("{count} calls")) } else { Ok(()) }
            })
        });
        faults(found);
    }
}

#[test]
fn calls_that_cannot_be_kept_are_refused() {
    for (text, word) in [
        ("", ""),
        ("[]", ""),
        ("{\"choices\":[]}", "choices"),
        ("{\"choices\":[{\"parts\":[]}]}", "name"),
        ("{\"choices\":[{\"name\":\"a\",\"parts\":[{\"schema\":{\"not\":{}}}]}]}", "not"),
        ("{\"choices\":[{\"name\":\"a\",\"parts\":[{\"schema\":{\"not\":{}}}]}]}", "a"),
        ("{\"choices\":[{\"name\":\"a\",\"parts\":[{\"token\":\"<|none|>\"}]}]}", "none"),
        ("{\"choices\":[{\"name\":\"a\",\"parts\":[{\"what\":1}]}]}", "part"),
    ] {
        let why = WORDS.vocabulary.answer(Kind::Parts, text).map(drop).expect_err(text).to_string();
        assert!(why.contains(word) && why.len() < 2000, "{text}: {why}");
    }
}
