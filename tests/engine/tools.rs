//! Answers that call tools, of a model that knows no form of calls: it is asked for one in words, and held to it by the grammars that
//! the native program is linked with.

use crate::common;
use b158::Error;
use b158::chat::{Chat, Message, Piece, Tool, ToolChoice, Tools, Variables};
use b158::constraint::{Constraint, Grammars, Next, Spelled};
use b158::kernels;
use b158::model::Loaded;
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step, Summary};
use b158::tokenizer::Special;
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

struct Bench {
    loaded: Arc<Loaded>,
    grammars: Grammars,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let loaded = Arc::new(common::load(common::STORIES, kernels::detect(), 1, usize::MAX));
    Bench { grammars: Grammars::new(loaded.clone()), loaded }
});

const WEATHER: &str = r#"{"type": "object", "properties": {"place": {"enum": ["Rome", "Zürich \"ZRH\""]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}, "required": ["place", "days"], "additionalProperties": false}"#;
const NONE: &str = r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;
const LONG: &str =
    r#"{"type": "object", "properties": {"text": {"type": "string", "minLength": 200}}, "required": ["text"]}"#;

fn tools(choice: ToolChoice, parallel: bool, schemas: &[(&str, &str)]) -> Tools {
    Tools::new(schemas.iter().map(|(name, schema)| Tool::new(*name, "", *schema)).collect(), choice, parallel).unwrap()
}

fn named(name: &str) -> ToolChoice {
    ToolChoice::Function(name.to_owned())
}

fn question() -> Vec<Message> {
    vec![Message::new("user", "Tell me a story about a fox.")]
}

/// A beginning of an answer, whose tokens are forced.
struct Forced {
    rest: Vec<u32>,
    then: Box<dyn Constraint>,
}

impl Constraint for Forced {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> b158::Result<Next> {
        let next = self.then.next(taken, allowed)?;
        let Some(id) = self.rest.pop() else { return Ok(next) };
        let allows = |id: u32| allowed[id as usize / 32] >> (id % 32) & 1 == 1;
        assert!(next != Next::Whole && (next != Next::Choice || allows(id)), "{id}: {next:?}");
        allowed.fill(0);
        allowed[id as usize / 32] = 1 << (id % 32);
        Ok(Next::Choice)
    }
}

struct Answered {
    pieces: Vec<Piece>,
    called: bool,
    summary: Summary,
    text: String,
}

impl Answered {
    /// Names and arguments.
    fn calls(&self) -> Vec<(String, String)> {
        let mut calls = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Call { index, id, name } => {
                    assert_eq!((*index, id.len()), (calls.len(), 29));
                    calls.push((name.clone(), String::new()));
                }
                Piece::Arguments { index, text } => calls[*index].1 += text,
                _ => {}
            }
        }
        calls
    }

    fn content(&self) -> String {
        let said = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Content(text) => Some(text.as_str()),
            _ => None,
        });
        said.collect()
    }
}

fn answer(chat: &Chat, forced: &str, options: GenerateOptions) -> b158::Result<Answered> {
    let Bench { loaded, grammars } = &*BENCH;
    let options = GenerateOptions { spelled: chat.spelled.clone(), ..options };
    let mut session = Session::new(loaded.clone(), SessionOptions::default())?;
    let format = chat.format(None)?.unwrap();
    let spell = Spelled { loaded: loaded.clone(), control: chat.spelled.clone() };
    let mut form = chat.opening().constrain(Box::new(grammars.answer(&format, "")?), spell);
    if !forced.is_empty() {
        let mut rest = loaded.tokenizer.encode(forced, Special::PIECE)?;
        rest.reverse();
        form = Box::new(Forced { rest, then: form });
    }
    session.start(&chat.prompt, options)?;
    session.constrain(form)?;
    let (mut reader, mut pieces, mut text) = (chat.reader(1), Vec::new(), String::new());
    loop {
        match session.step(Duration::MAX)? {
            Step::Token { text: piece, .. } => {
                reader.push(&piece, &mut pieces);
                text += &piece;
            }
            Step::Done(summary) => {
                reader.push(&summary.text, &mut pieces);
                text += &summary.text;
                let called = reader.finish(summary.finish_reason, &mut pieces);
                return Ok(Answered { pieces, called, summary, text });
            }
            _ => {}
        }
    }
}

fn chat(tools: &Tools, messages: &[Message]) -> Chat {
    let Loaded { template, tokenizer, .. } = &*BENCH.loaded;
    template.chat(tokenizer, messages, tools, &Variables::NONE).unwrap()
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), sampler: SamplerOptions::greedy(), ..Default::default() }
}

fn sampled(seed: u64) -> GenerateOptions {
    let sampler = SamplerOptions { temperature: 1.5, top_k: 0, top_p: 1.0, min_p: 0.0, seed, ..Default::default() };
    GenerateOptions { max_tokens: Some(400), sampler, ..Default::default() }
}

#[test]
fn a_tool_of_that_name_is_called_once() {
    let tools = tools(named("now"), true, &[("weather", WEATHER), ("now", NONE)]);
    let chat = chat(&tools, &question());
    for options in [greedy(100), sampled(3)] {
        let answered = answer(&chat, "", options).unwrap();
        assert_eq!(answered.calls(), [("now".to_owned(), "{}".to_owned())]);
        assert!(answered.called && answered.summary.finish_reason == FinishReason::Stop);
        assert_eq!(answered.text, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
        assert_eq!(answered.content(), "");
        // Nothing of it is the model's choice.
        let stats = answered.summary.constraint.unwrap();
        assert!(stats.certain_tokens + 2 >= answered.summary.usage.completion_tokens, "{stats:?}");
    }
    // The same where the limit is met by the last token, and one less is a cut.
    let all = answer(&chat, "", greedy(100)).unwrap().summary.usage.completion_tokens;
    let whole = answer(&chat, "", greedy(all)).unwrap();
    assert!(whole.called && whole.summary.finish_reason == FinishReason::Stop);
    let cut = answer(&chat, "", greedy(all - 1)).unwrap();
    assert!(!cut.called && cut.summary.finish_reason == FinishReason::Length);
}

#[test]
fn a_call_that_is_cut_is_none() {
    let tools = tools(named("now"), true, &[("now", LONG)]);
    let answered = answer(&chat(&tools, &question()), "", greedy(8)).unwrap();
    assert_eq!(answered.summary.finish_reason, FinishReason::Length);
    assert!(!answered.called && answered.calls().len() <= 1, "{:?}", answered.pieces);
    assert_eq!(answered.content(), "");
}

#[test]
fn arguments_fit_their_schema() {
    for seed in 0..12 {
        let parallel = seed % 2 == 0;
        let tools = tools(ToolChoice::Required, parallel, &[("weather", WEATHER), ("now", NONE)]);
        let answered = answer(&chat(&tools, &question()), "", sampled(seed)).unwrap();
        let (calls, ended) = (answered.calls(), answered.summary.finish_reason == FinishReason::Stop);
        assert!(!calls.is_empty() && answered.called == ended, "{}", answered.text);
        if !parallel {
            assert_eq!((calls.len(), ended), (1, true), "{}", answered.text);
        }
        let whole = if ended { calls.len() } else { calls.len() - 1 };
        for (name, arguments) in &calls[..whole] {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            let given = arguments.as_object().unwrap();
            if name == "now" {
                assert!(given.is_empty(), "{arguments}");
                continue;
            }
            assert_eq!((name.as_str(), given.len()), ("weather", 2), "{arguments}");
            assert!(["Rome", "Zürich \"ZRH\""].contains(&given["place"].as_str().unwrap()), "{arguments}");
            assert!((1..=14).contains(&given["days"].as_i64().unwrap()), "{arguments}");
        }
    }
}

#[test]
fn a_call_may_come_after_words() {
    let tools = tools(ToolChoice::Auto, false, &[("weather", WEATHER), ("now", NONE)]);
    let chat = chat(&tools, &question());
    // The model's own words.
    let free = answer(&chat, "", greedy(12)).unwrap();
    assert!(free.calls().is_empty() && !free.called && free.summary.finish_reason == FinishReason::Length);
    assert_eq!(free.content(), free.text);
    // Where the trigger comes, however it is cut, what follows it is held.
    for (seed, words) in
        ["Let me see.\n<tool_call>", "<tool_call>\n", "A <tool_call>\n{\"name\": \"now\""].iter().enumerate()
    {
        let answered = answer(&chat, words, sampled(seed as u64)).unwrap();
        assert!(answered.called && answered.calls().len() == 1, "{words}: {}", answered.text);
        let arguments: Value = serde_json::from_str(&answered.calls()[0].1).unwrap();
        assert!(arguments.is_object());
        let said = ["Let me see.", "", "A"][seed];
        assert_eq!(answered.content(), said);
    }
}

/// What a call gave is read, and the talk goes on from what the cache holds of it.
#[test]
fn a_talk_goes_on_after_a_call() {
    let offered = tools(named("now"), true, &[("now", NONE)]);
    let called = answer(&chat(&offered, &question()), "", greedy(100)).unwrap();
    let [Piece::Call { id, name, .. }, ..] = &called.pieces[..] else { panic!("{:?}", called.pieces) };
    let call = b158::chat::ToolCall::new(id.clone(), name.clone(), "{}");
    let mut messages = question();
    messages.push(Message { tool_calls: vec![call], ..Message::new("assistant", "") });
    messages.push(Message { tool_call_id: Some(id.clone()), ..Message::new("tool", "noon") });
    let none = tools(ToolChoice::None, true, &[("now", NONE)]);
    let prompt = chat(&none, &messages).prompt;
    let text = BENCH.loaded.tokenizer.decode(&prompt, false);
    assert!(text.contains(&called.text) && text.contains("<tool_response>\nnoon\n</tool_response>"), "{text}");
    // As it was written it is read: its tokens are those of the answer.
    let first = chat(&offered, &question()).prompt;
    let again = chat(&offered, &messages).prompt;
    assert!(again.starts_with(&first));
    assert_eq!(chat(&none, &messages).format(None).unwrap(), None);
}

#[test]
fn a_schema_that_cannot_be_kept_names_its_tool() {
    let looks = r#"{"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)y"}}}"#;
    for choice in [ToolChoice::Auto, ToolChoice::Required] {
        let tools = tools(choice, true, &[("now", NONE), ("weather", looks)]);
        match answer(&chat(&tools, &question()), "", greedy(1)).map(|answered| answered.text) {
            Err(Error::BadResponseFormat { what: "tools", reason }) => {
                assert!(reason.contains("weather") && reason.contains("pattern"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
