//! Answers, whole and in chunks. `timings` and what a model says of itself are extensions.

mod chat;
mod completion;
mod embeddings;
mod models;

pub use chat::{
    ChatChoice, ChatCompletion, ChatCompletionChunk, ChatMessage, ChunkChoice, Delta, FunctionDelta, Logprobs, Said,
    TokenLogprob, ToolCallDelta,
};
pub use completion::{Completion, CompletionChoice, CompletionLogprobs};
pub use embeddings::{Embedding, EmbeddingValues, Embeddings, EmbeddingsUsage};
pub use models::{About, Model, Models};

use crate::session;
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
