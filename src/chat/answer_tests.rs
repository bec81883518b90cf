use super::*;
use crate::chat::tools::{HERMES, LLAMA_3};
use crate::constraint::{Constraint, Next, Opening, Spell, Trigger};
use proptest::prelude::*;

/// Pieces put together where they follow each other.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), &piece) {
            (Some(Piece::Content(all)), Piece::Content(more))
            | (Some(Piece::Reasoning(all)), Piece::Reasoning(more)) => {
                *all += more;
            }
            (Some(Piece::Arguments { text: all, .. }), Piece::Arguments { text: more, .. }) => *all += more,
            _ => all.push(piece),
        }
    }
    all
}

fn expected(thinks: bool, may_think: bool, form: Option<&'static CallFormat>) -> Expected {
    Expected { thinks, may_think, calls: form.map(|form| (form, vec!["now".to_owned(), "say \"so\"".to_owned()])) }
}

fn read(expected: Expected, parts: &[&str], reason: FinishReason) -> (Vec<Piece>, bool) {
    let (mut reader, mut pieces) = (Reader::new(expected, 7), Vec::new());
    for part in parts {
        reader.push(part, &mut pieces);
    }
    let called = reader.finish(reason, &mut pieces);
    (joined(pieces), called)
}

/// In short: `c:` content, `r:` reasoning, `INDEX NAME(ARGUMENTS)` calls.
fn told(expected: Expected, text: &str, reason: FinishReason) -> (String, bool) {
    let (pieces, called) = read(expected, &[text], reason);
    let words = pieces.iter().map(|piece| match piece {
        Piece::Content(text) => format!("c:{text}|"),
        Piece::Reasoning(text) => format!("r:{text}|"),
        Piece::Call { index, name, .. } => format!("{index} {name}("),
        Piece::Arguments { text, .. } => format!("{text})|"),
    });
    (words.collect(), called)
}

fn hermes(name: &str, arguments: &str) -> String {
    HERMES.call(name, arguments)
}

#[test]
fn answers_are_read() {
    let (plain, tools) = (|| expected(false, false, None), || expected(false, true, Some(&HERMES)));
    let call = hermes("now", "{}");
    let two = format!("{call}\n{}", hermes("say \"so\"", r#"{"a": "}\"{", "b": [1, {"c": 2}]}"#));
    for (of, text, wanted, called) in [
        (plain(), " Hello <think>\n".to_owned(), "c: Hello <think>\n|", false),
        (plain(), call.clone(), "c:<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>|", false),
        (plain(), String::new(), "", false),
        (tools(), "Hello \n".to_owned(), "c:Hello \n|", false),
        (tools(), call.clone(), "0 now({})|", true),
        (tools(), call.replace('\n', ""), "0 now({})|", true),
        (
            tools(),
            format!("Look:\n\n{two}\n"),
            "c:Look:|0 now({})|1 say \"so\"({\"a\": \"}\\\"{\", \"b\": [1, {\"c\": 2}]})|",
            true,
        ),
        (
            tools(),
            format!("\n<think>\nwhat {call}?\n</think>\n\n{call}"),
            "r:what <tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>?|0 now({})|",
            true,
        ),
        (tools(), "<think>\n\n</think>\n\nYes.".to_owned(), "c:Yes.|", false),
        (tools(), "I <think> so </think>".to_owned(), "c:I <think> so </think>|", false),
        (tools(), "<thinker>".to_owned(), "c:<thinker>|", false),
        (tools(), format!("{call} and more "), "0 now({})|c:and more |", true),
        (tools(), hermes("then", "{}"), "c:<tool_call>\n{\"name\": \"then\", \"arguments\": {}}\n</tool_call>|", false),
        (tools(), "a < b <tool <tool_call> x".to_owned(), "c:a < b <tool <tool_call> x|", false),
        // Broken where its end should be: what follows is text, and it isn't told as called.
        (tools(), "<tool_call>\n{\"name\": \"now\", \"arguments\": {}} oh".to_owned(), "0 now({})|c:} oh|", false),
        (expected(true, false, Some(&HERMES)), format!("a\n b \n</think>\n\n{call}"), "r:a\n b|0 now({})|", true),
        (expected(true, true, None), "a".to_owned(), "r:a|", false),
        (
            expected(false, false, Some(&LLAMA_3)),
            "\n{\"name\": \"now\", \"parameters\": {\"x\": 1}}".to_owned(),
            "0 now({\"x\": 1})|",
            true,
        ),
        (expected(false, false, Some(&LLAMA_3)), "{\"names\": 3}".to_owned(), "c:{\"names\": 3}|", false),
        (
            expected(false, false, Some(&LLAMA_3)),
            "So {\"name\": \"now\", \"parameters\": {}}".to_owned(),
            "c:So {\"name\": \"now\", \"parameters\": {}}|",
            false,
        ),
    ] {
        assert_eq!(told(of, &text, FinishReason::Stop), (wanted.to_owned(), called), "{text}");
    }
}

#[test]
fn a_call_that_is_cut_is_not_told_as_called() {
    let whole = format!("{}\n{}", hermes("now", "{\"a\": 1}"), hermes("now", "{}"));
    let first = hermes("now", "{\"a\": 1}").len();
    for end in 0..=whole.len() {
        let (pieces, called) = read(expected(false, false, Some(&HERMES)), &[&whole[..end]], FinishReason::Stop);
        let second = end - first.min(end);
        // A line feed and a part of the second's mark are text; a whole mark is a call that is cut.
        let wanted = end == whole.len() || (end >= first && second < "\n<tool_call>".len());
        assert_eq!(called, wanted, "{end} of {}", whole.len());
        let (_, called) = read(expected(false, false, Some(&HERMES)), &[&whole[..end]], FinishReason::Length);
        assert!(!called);
        let calls = pieces.iter().filter(|piece| matches!(piece, Piece::Call { .. })).count();
        assert!(calls <= 2);
    }
    for reason in [FinishReason::Length, FinishReason::Stop, FinishReason::Cancelled] {
        for head in ["<tool_call>", "<tool_call>\n{\"na", "Look:\n<tool_call>\n"] {
            let wanted = if head.starts_with('L') { "c:Look:|" } else { "" };
            let found = told(expected(false, false, Some(&HERMES)), head, reason);
            assert_eq!(found, (wanted.to_owned(), false), "{head}");
        }
        // Without a mark it may be text: nothing is lost.
        let found = told(expected(false, false, Some(&LLAMA_3)), "{\"na", reason);
        assert_eq!(found, ("c:{\"na|".to_owned(), false));
    }
}

#[test]
fn ids_are_of_the_seed() {
    let ids = |seed| (0..50).map(|index| id(seed, index)).collect::<Vec<_>>();
    let all: std::collections::HashSet<String> = (0..50).flat_map(ids).collect();
    assert_eq!((all.len(), ids(3)), (2500, ids(3)));
    assert!(all.iter().all(|id| id.len() == 29 && id.starts_with("call_")));
    assert!(all.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
}

/// Takes everything.
struct Anything;

impl Constraint for Anything {
    fn next(&mut self, _: &[u32], _: &mut [u32]) -> crate::Result<Next> {
        Ok(Next::Choice)
    }

    fn begin(&mut self, _: &[u8]) -> crate::Result<bool> {
        Ok(true)
    }
}

/// Each byte is a token.
struct Bytes(Vec<u8>);

impl Spell for Bytes {
    fn spell(&self, id: u32) -> &[u8] {
        std::slice::from_ref(&self.0[id as usize])
    }
}

#[test]
fn tokens_of_marks_and_of_the_space_between_calls_are_not_said() {
    let of = || expected(false, true, Some(&HERMES));
    let call =
        ["<tool", "_call>", "\n", "{\"name\": \"now\", ", "\"arguments\": ", "{", "}", "}", "\n", "</tool_call>"];
    let thought = ["<th", "ink>", "a", "</", "think>", "\n\n"];
    let said = ["Look", ":", " <", " b", "\n", "\n", "", "!"];
    let spaces = ["\n"];
    let all = [&thought[..], &said, &spaces, &call, &spaces, &call].concat();
    let (mut reader, mut pieces, mut told) = (Reader::new(of(), 7), Vec::new(), Vec::new());
    for token in &all {
        told.extend(reader.push_token(token, &mut pieces));
    }
    assert!(reader.finish(FinishReason::Stop, &mut pieces));
    told.extend(reader.rest_of_tokens());
    let wanted: Vec<bool> =
        (0..all.len()).map(|at| (thought.len()..thought.len() + said.len()).contains(&at)).collect();
    assert_eq!(told, wanted, "{all:?}");
    // A mark that is cut was text.
    let mut reader = Reader::new(of(), 7);
    assert_eq!(reader.push_token("Yes", &mut pieces), [true]);
    assert!(reader.push_token(" ", &mut pieces).is_empty());
    assert!(reader.push_token("<tool", &mut pieces).is_empty());
    reader.finish(FinishReason::Length, &mut pieces);
    assert_eq!(reader.rest_of_tokens(), [true, true]);
}

proptest! {
    /// Where the reader sees a call begin, its form begins, and nowhere else.
    #[test]
    fn calls_begin_where_their_form_does(
        words in prop::collection::vec(prop::sample::select(vec![
            "<think>", "</think>", "<tool_call>", "<", "tool", "_call>", "/", "a", "\n", " ", "\t", "\u{b}", "\u{85}", "\u{a0}", "\u{2003}",
            "{", "{\"name\": \"", "\"name\": \"", "now",
        ]), 0..10),
        thinks: bool, may_think: bool, marked: bool,
    ) {
        let form = if marked { &HERMES } else { &LLAMA_3 };
        let trigger = if marked { form.begin } else { form.first_key() };
        let opening = Opening { thinks, may_think, think: None, trigger: Some(trigger), only_first: !marked };
        let mut constraint = Trigger::new(opening, Box::new(Anything), Bytes((0..=255).collect()));
        let (mut reader, mut pieces) = (Reader::new(expected(thinks, may_think, Some(form)), 7), Vec::new());
        let text = words.concat();
        for c in text.chars() {
            let ids: Vec<u32> = c.to_string().bytes().map(u32::from).collect();
            let begun = constraint.next(&ids, &mut [])? == Next::Choice;
            reader.push(&c.to_string(), &mut pieces);
            let head = reader.state == State::Head && (marked || reader.held.trim_ascii_start().starts_with(trigger));
            prop_assert_eq!(begun, head, "{:?}", text);
            if begun {
                break;
            }
        }
    }

    /// Any cutting of any text gives the same pieces, and nothing but marks and white space is lost.
    #[test]
    fn cuts_make_no_difference(
        words in prop::collection::vec(prop::sample::select(vec![
            "<think>", "</think>", "<tool_call>", "</tool_call>", "\n", " ", "{\"name\": \"now\", \"arguments\": ", "{}", "{\"a\": \"é}\"}",
            "}", "\n</tool_call>", "<tool_call>\n{\"name\": \"now\", \"arguments\": {\"a\": [1]}}\n</tool_call>", "word", "<", "tool", "é",
            "{\"name\": \"now\", \"parameters\": {}}", "\"", "\\",
        ]), 0..12),
        cuts in prop::collection::vec(0usize..200, 0..20),
        thinks: bool, may_think: bool, form in 0usize..3, length: bool,
    ) {
        let text = words.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| text.floor_char_boundary(at.min(text.len()))).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let parts: Vec<&str> = cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        let chars: Vec<&str> = text.split_inclusive(|_: char| true).collect();
        let forms = [None, Some(&HERMES), Some(&LLAMA_3)];
        let of = || expected(thinks, may_think, forms[form]);
        let reason = if length { FinishReason::Length } else { FinishReason::Stop };
        let whole = read(of(), &[&text], reason);
        prop_assert_eq!(&whole, &read(of(), &parts, reason));
        prop_assert_eq!(&whole, &read(of(), &chars, reason));
        if form == 0 && !thinks && !may_think {
            let content = Piece::Content(text.clone());
            prop_assert_eq!(whole.0, if text.is_empty() { vec![] } else { vec![content] });
        }
    }
}
