//! Answers, whole and in chunks. `timings` and what a model says of itself are extensions.

use super::request::Encoding;
use crate::chat::{Piece, ToolCall};
use crate::model::{Loaded, quantization};
use crate::sampler;
use crate::session::{self, Timings};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Serialize;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// What all chunks of an answer have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Common {
    /// Of this answer alone.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Who answers.
    pub model: String,
}

impl Common {
    /// Of an answer that begins, with a new id: `chatcmpl-…`, `cmpl-…`.
    pub fn new(prefix: &str, model: impl Into<String>) -> Self {
        let half = || RandomState::new().hash_one(prefix);
        let id = format!("{prefix}-{:016x}{:016x}", half(), half());
        Self { id, created: now(), model: model.into() }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended, or a stop string came.
    Stop,
    /// The limit, or the end of the context.
    Length,
    /// The model ended, it has called tools, and each call is whole.
    ToolCalls,
}

impl FinishReason {
    /// `called`: tools were called, and each call is whole.
    pub fn of(reason: session::FinishReason, called: bool) -> Self {
        match reason {
            session::FinishReason::Length => Self::Length,
            _ if called => Self::ToolCalls,
            // Nobody outside can cancel an answer and still read it.
            _ => Self::Stop,
        }
    }
}

/// Tokens that a request took and gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: usize,
    /// Of the answer.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
    /// Of the prompt.
    pub prompt_tokens_details: PromptTokensDetails,
}

/// Tokens of a prompt by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PromptTokensDetails {
    /// Those that were in the KV cache.
    pub cached_tokens: usize,
}

impl From<session::Usage> for Usage {
    fn from(usage: session::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details: PromptTokensDetails { cached_tokens: usage.cached_tokens },
        }
    }
}

impl Usage {
    /// Of several answers to one request.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(session::Usage::default().into(), |sum: Self, one| Self {
            prompt_tokens: sum.prompt_tokens + one.prompt_tokens,
            completion_tokens: sum.completion_tokens + one.completion_tokens,
            total_tokens: sum.total_tokens + one.total_tokens,
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: sum.prompt_tokens_details.cached_tokens + one.prompt_tokens_details.cached_tokens,
            },
        })
    }
}

// ---- chat ------------------------------------------------------------------------------------------------------------

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

// ---- completions -----------------------------------------------------------------------------------------------------

/// Texts that went on, or in a stream the next pieces of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Completion<'a> {
    /// Whose, and when.
    #[serde(flatten)]
    pub common: &'a Common,
    /// `text_completion`
    pub object: &'static str,
    /// One a prompt; in a stream one, and none in the last chunk where usage was asked for.
    pub choices: Vec<CompletionChoice>,
    /// Of a whole answer, or in a stream where it was asked for: null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    /// Times: of a whole answer to one prompt, or in the chunk that has the finish reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

impl<'a> Completion<'a> {
    /// With neither counts nor times.
    pub fn new(common: &'a Common, choices: Vec<CompletionChoice>) -> Self {
        Self { common, object: "text_completion", choices, usage: None, timings: None }
    }
}

/// How one prompt went on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompletionChoice {
    /// Of the prompt, from 0.
    pub index: usize,
    /// The text, or the next piece of it.
    pub text: String,
    /// Null in all chunks but the last.
    pub finish_reason: Option<FinishReason>,
    /// Where they were asked for.
    pub logprobs: Option<CompletionLogprobs>,
}

/// Probabilities of tokens, side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CompletionLogprobs {
    /// Their texts.
    pub tokens: Vec<String>,
    /// Natural logarithms.
    pub token_logprobs: Vec<f64>,
    /// Always null: alternatives are not offered.
    pub top_logprobs: Option<()>,
    /// Where each begins in the text, in characters.
    pub text_offset: Vec<usize>,
}

impl CompletionLogprobs {
    /// The next token. `offset`: characters of the text before it.
    pub fn push(&mut self, text: &str, logprobs: sampler::Logprobs, offset: usize) {
        self.tokens.push(text.to_owned());
        self.token_logprobs.push(logprobs.log_probability);
        self.text_offset.push(offset);
    }
}

// ---- embeddings ------------------------------------------------------------------------------------------------------

/// Vectors of texts, in their order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embeddings {
    /// `list`
    pub object: &'static str,
    /// One a text.
    pub data: Vec<Embedding>,
    /// Who made them.
    pub model: String,
    /// Counts.
    pub usage: EmbeddingsUsage,
    /// An extension: what there is to know of the vectors.
    pub notes: Vec<String>,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embedding {
    /// `embedding`
    pub object: &'static str,
    /// Of the text, from 0.
    pub index: usize,
    /// As it was asked for.
    pub embedding: EmbeddingValues,
}

/// A vector as numbers, or as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EmbeddingValues {
    /// Numbers.
    Float(Vec<f32>),
    /// Little-endian floats of 32 bits in base64.
    Base64(String),
}

impl EmbeddingValues {
    /// A vector as it was asked for.
    pub fn new(vector: Vec<f32>, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
                Self::Base64(BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

impl Embeddings {
    /// Of these vectors.
    pub fn new(
        vectors: Vec<Vec<f32>>,
        encoding: Encoding,
        model: impl Into<String>,
        tokens: usize,
        notes: Vec<String>,
    ) -> Self {
        let data = vectors.into_iter().enumerate().map(|(index, vector)| Embedding {
            object: "embedding",
            index,
            embedding: EmbeddingValues::new(vector, encoding),
        });
        let usage = EmbeddingsUsage { prompt_tokens: tokens, total_tokens: tokens };
        Self { object: "list", data: data.collect(), model: model.into(), usage, notes }
    }
}

/// Tokens that vectors took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EmbeddingsUsage {
    /// Of all texts together.
    pub prompt_tokens: usize,
    /// The same.
    pub total_tokens: usize,
}

// ---- models ----------------------------------------------------------------------------------------------------------

/// What `/v1/models` lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Models {
    /// `list`
    pub object: &'static str,
    /// One.
    pub data: Vec<Model>,
}

impl Models {
    /// That model alone.
    pub fn one(model: Model) -> Self {
        Self { object: "list", data: vec![model] }
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// `model`
    pub object: &'static str,
    /// When it was loaded: seconds since 1970.
    pub created: u64,
    /// `b158`, by which the page that comes with the server knows it.
    pub owned_by: &'static str,
    /// What it is and how it runs: an extension.
    #[serde(flatten)]
    pub about: About,
}

/// What a model is and how it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct About {
    /// The family.
    pub architecture: String,
    /// Weights.
    pub parameters: u64,
    /// How most of them are stored.
    pub quantization: String,
    /// Tokens of a talk.
    pub context_length: usize,
    /// What computes.
    pub backend: String,
    /// With so many threads.
    pub threads: usize,
}

impl Model {
    /// A model that has been loaded just now.
    pub fn new(id: impl Into<String>, about: About) -> Self {
        Self { id: id.into(), object: "model", created: now(), owned_by: "b158", about }
    }
}

impl About {
    /// Of a model whose talks have so many tokens.
    pub fn of(loaded: &Loaded, context_length: usize) -> Self {
        let model = &loaded.model;
        Self {
            architecture: model.config.architecture.clone(),
            parameters: model.parameters(),
            quantization: quantization(&loaded.types),
            context_length,
            backend: model.compute.backend.name().to_owned(),
            threads: model.compute.pool.threads(),
        }
    }
}
