//! Answers to talks, whole and in chunks.

use super::{Common, FinishReason, Usage};
use crate::chat::{Piece, ToolCall};
use crate::sampler;
use crate::session::{self, Timings};
use serde::Serialize;

/// A whole answer to a talk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatCompletion {
    /// Whose, and when.
    #[serde(flatten)]
    pub common: Common,
    /// `chat.completion`
    pub object: &'static str,
    /// One.
    pub choices: Vec<ChatChoice>,
    /// Counts.
    pub usage: Usage,
    /// Times.
    pub timings: Timings,
}

/// An answer to a talk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatChoice {
    /// From 0.
    pub index: usize,
    /// What is said.
    pub message: ChatMessage,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Where they were asked for.
    pub logprobs: Option<Logprobs>,
}

/// What a model says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatMessage {
    /// `assistant`
    pub role: &'static str,
    /// Null where nothing was said and tools were called.
    pub content: Option<String>,
    /// Always null: refusals are not told from other answers.
    pub refusal: Option<String>,
    /// What the model thought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tools that it called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// Gathers a whole answer from its pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    content: String,
    thought: String,
    calls: Vec<ToolCall>,
    logprobs: Vec<TokenLogprob>,
}

impl Said {
    /// The next piece.
    pub fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Content(text) => self.content.push_str(&text),
            Piece::Reasoning(text) => self.thought.push_str(&text),
            Piece::Call { id, name, .. } => self.calls.push(ToolCall::new(id, name, "")),
            Piece::Arguments { index, text } => {
                if let Some(call) = self.calls.get_mut(index) {
                    call.function.arguments.push_str(&text);
                }
            }
        }
    }

    /// The next token of what is said, if probabilities were asked for.
    pub fn push_logprob(&mut self, logprob: TokenLogprob) {
        self.logprobs.push(logprob);
    }

    /// The answer. `wanted`: with probabilities; `called`: tools were called, and each call is whole.
    pub fn into_completion(
        self,
        common: Common,
        wanted: bool,
        called: bool,
        (reason, usage, timings): (session::FinishReason, session::Usage, Timings),
    ) -> ChatCompletion {
        let Self { content, thought, calls, logprobs } = self;
        let message = ChatMessage {
            role: "assistant",
            content: Some(content).filter(|said| !said.is_empty() || calls.is_empty()),
            refusal: None,
            reasoning_content: Some(thought).filter(|thought| !thought.is_empty()),
            tool_calls: calls,
        };
        let choice = ChatChoice {
            index: 0,
            message,
            finish_reason: FinishReason::of(reason, called),
            logprobs: wanted.then_some(Logprobs { content: logprobs, refusal: None }),
        };
        ChatCompletion { common, object: "chat.completion", choices: vec![choice], usage: usage.into(), timings }
    }
}

/// A piece of an answer as it comes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatCompletionChunk<'a> {
    /// Whose, and when.
    #[serde(flatten)]
    pub common: &'a Common,
    /// `chat.completion.chunk`
    pub object: &'static str,
    /// One; none in the last chunk where usage was asked for.
    pub choices: Vec<ChunkChoice>,
    /// Where it was asked for: null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    /// In the chunk that has the finish reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

/// A piece of one answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChunkChoice {
    /// From 0.
    pub index: usize,
    /// What is new.
    pub delta: Delta,
    /// In the last piece.
    pub finish_reason: Option<FinishReason>,
    /// Where they were asked for.
    pub logprobs: Option<Logprobs>,
}

/// What is new in an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Delta {
    /// `assistant`, in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Thought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Called: one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
}

/// A piece of a call: the first has all but the arguments, the others have them in parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolCallDelta {
    /// Of the answer's calls, from 0.
    pub index: usize,
    /// Ties the tool's message to the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Its name, and what it is given.
    pub function: FunctionDelta,
}

/// A piece of a function that is called.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionDelta {
    /// In the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The next part of a JSON text.
    pub arguments: String,
}

impl From<Piece> for Delta {
    fn from(piece: Piece) -> Self {
        let call = |index, id: Option<String>, name, arguments| ToolCallDelta {
            index,
            kind: id.as_ref().map(|_| "function"),
            id,
            function: FunctionDelta { name, arguments },
        };
        match piece {
            Piece::Content(text) => Self::content(text),
            Piece::Reasoning(text) => Self { reasoning_content: Some(text), ..Self::default() },
            Piece::Call { index, id, name } => {
                Self { tool_calls: vec![call(index, Some(id), Some(name), String::new())], ..Self::default() }
            }
            Piece::Arguments { index, text } => {
                Self { tool_calls: vec![call(index, None, None, text)], ..Self::default() }
            }
        }
    }
}

impl Delta {
    /// The first, which waits for no token: whoever joins the chunks begins a message at its role.
    pub fn role() -> Self {
        Self { role: Some("assistant"), ..Self::content(String::new()) }
    }

    /// Something said.
    pub fn content(text: String) -> Self {
        Self { content: Some(text), ..Self::default() }
    }
}

impl<'a> ChatCompletionChunk<'a> {
    /// Something new. `usage`: it was asked for.
    pub fn delta(common: &'a Common, delta: Delta, logprobs: Option<Logprobs>, usage: bool) -> Self {
        let choice = ChunkChoice { index: 0, delta, finish_reason: None, logprobs };
        Self::of(common, vec![choice], usage.then_some(None))
    }

    /// What a token comes to, one chunk or more, or none. Its probabilities go with the first; a token that completes no character has
    /// some all the same.
    pub fn token(common: &'a Common, pieces: Vec<Piece>, mut logprobs: Option<Logprobs>, usage: bool) -> Vec<Self> {
        let mut deltas: Vec<Delta> = pieces.into_iter().map(Delta::from).collect();
        if deltas.is_empty() && logprobs.as_ref().is_some_and(|logprobs| !logprobs.content.is_empty()) {
            deltas.push(Delta::content(String::new()));
        }
        let wanted = logprobs.is_some();
        let mut next = || wanted.then(|| logprobs.take().unwrap_or_default());
        deltas.into_iter().map(|delta| Self::delta(common, delta, next(), usage)).collect()
    }

    /// The end. `usage`: it was asked for.
    pub fn end(common: &'a Common, reason: FinishReason, timings: Timings, usage: bool) -> Self {
        let choice = ChunkChoice { index: 0, delta: Delta::default(), finish_reason: Some(reason), logprobs: None };
        Self { timings: Some(timings), ..Self::of(common, vec![choice], usage.then_some(None)) }
    }

    /// What follows the end where it was asked for.
    pub fn usage(common: &'a Common, usage: Usage) -> Self {
        Self::of(common, Vec::new(), Some(Some(usage)))
    }

    fn of(common: &'a Common, choices: Vec<ChunkChoice>, usage: Option<Option<Usage>>) -> Self {
        Self { common, object: "chat.completion.chunk", choices, usage, timings: None }
    }
}

/// Probabilities of the tokens of what is said, without those of thoughts and calls: of a whole answer, or of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Logprobs {
    /// A token each.
    pub content: Vec<TokenLogprob>,
    /// Always null: refusals are not told from other answers.
    pub refusal: Option<String>,
}

/// A token of the answer and ln of its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// Its text.
    pub token: String,
    /// Natural logarithm.
    pub logprob: f64,
    /// UTF-8 of the text.
    pub bytes: Vec<u8>,
    /// Always empty: alternatives are not offered.
    pub top_logprobs: [(); 0],
}

impl TokenLogprob {
    /// Of a token with that text.
    pub fn new(text: &str, logprobs: sampler::Logprobs) -> Self {
        Self {
            token: text.to_owned(),
            logprob: logprobs.log_probability,
            bytes: text.as_bytes().to_vec(),
            top_logprobs: [],
        }
    }
}
