//! Requests and answers in the shape of OpenAI's API, as a server reads and writes them: no HTTP, and no engine.
//!
//! ```text
//! body ──► json (depth bounded) ──► checked against the tables of fields ──► ChatRequest, CompletionRequest, EmbeddingRequest
//!     pieces of an answer, counts, times ──► ChatCompletion, ChatCompletionChunk, Completion, …
//! ```
//!
//! The fields, their kinds and the words in which a value is refused are those of the npm package: both are made from the tables here
//! (`tables.rs`). What differs: a field that is neither known nor nearly known is passed over there by nobody and here by name, since
//! front ends send fields of their own. A field that is `null` is absent. Of two fields of one name the later counts, as for
//! `JSON.parse`.

mod answer;
mod check;
mod kinds;
mod nearest;
mod refusal;
mod request;
mod tables;
mod words;

#[cfg(test)]
mod tests;

pub use answer::{
    About, ChatChoice, ChatCompletion, ChatCompletionChunk, ChatMessage, ChunkChoice, Common, Completion,
    CompletionChoice, CompletionLogprobs, Delta, Embedding, EmbeddingValues, Embeddings, EmbeddingsUsage, FinishReason,
    FunctionDelta, Logprobs, Model, Models, PromptTokensDetails, Said, TokenLogprob, ToolCallDelta, Usage,
};
pub use refusal::Refusal;
pub use request::{ChatRequest, CompletionRequest, EmbeddingRequest, Encoding, Input, Read};
