//! The messages between page and worker: the one place where they are written down.
//!
//! The page's TypeScript is made from these types (`www/src/internal/protocol.ts`), and a test fails where that file says
//! something else. Tagged as `{ type, body }` and not flat: so serde reads a body as what it is, and values of JavaScript
//! (buffers, streams, files) come through untouched.

use super::js::Js;
use crate::chat::{Message, Piece, Tool, ToolChoice};
use crate::constraint::ResponseFormat;
use crate::download::{CacheMode, LoadProgress};
use crate::model::{EmbeddingType, KvType};
use crate::session::{ConstraintStats, FinishReason, Timings, Usage};
use crate::verify::{About, Answer, Report};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
#[cfg(test)]
use ts_rs::TS;

/// The session that a model has from the start. The others get their numbers in `openSession` and `cloneSession`.
pub(super) const OWN_SESSION: u32 = 0;

// ---- to the worker ----------------------------------------------------------------------------------------------

/// From the page. A worker loads one model or makes one estimate.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) enum ToWorker {
    /// A model is to be had.
    Load { source: Source, options: LoaderOptions },
    /// How much memory it would take: only headers are read.
    Estimate { source: Source, options: LoaderOptions },
    /// The part that `open-part` asked for is open. Without the stream its bytes come in `chunk`s.
    PartOpened {
        #[cfg_attr(test, ts(type = "ReadableStream<Uint8Array>", optional))]
        stream: Option<Js>,
    },
    /// The next bytes of a part that comes in pieces. `taken` answers them: only so many are under way.
    Chunk {
        #[cfg_attr(test, ts(type = "Uint8Array<ArrayBuffer>"))]
        bytes: Js,
    },
    /// That part has no more.
    PartEnd,
    /// Text is to be made.
    Generate { id: u32, session: u32, request: GenerateRequest },
    /// Vectors of texts are to be made.
    Embed { id: u32, request: EmbedRequest },
    /// The generation or the embedding with this id is to end.
    Cancel { id: u32 },
    /// One value is to be had.
    Call { id: u32, call: Call },
}

/// Where a model comes from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct Source {
    pub(super) parts: Vec<Part>,
    /// What they are.
    pub(super) kind: SourceKind,
    /// Of their folder: what the model is called where it has no name of its own.
    pub(super) folder: Option<String>,
    /// Of each file, 64 lower-case hexadecimal digits.
    pub(super) sha256: Option<Vec<String>>,
    /// What addresses are relative to: the page's.
    pub(super) base: Option<String>,
    /// The page's, which tells what a cross-origin request is.
    pub(super) origin: Option<String>,
    /// Whether downloads are kept.
    pub(super) cache: CacheMode,
    /// From the cache alone.
    pub(super) offline: bool,
    /// Requests at a time for one file.
    pub(super) connections: usize,
}

/// What the parts of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(TS))]
pub(super) enum SourceKind {
    /// One. An address stands for all files of a split model, if its name says so or it is that of a manifest.
    Alone,
    /// The files of a split model in order.
    Split,
    /// Those of a checkpoint's folder.
    Checkpoint,
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) enum Part {
    /// What the worker downloads.
    Address {
        /// As it was given.
        url: String,
        headers: Vec<(String, String)>,
        credentials: Option<String>,
        redirect: Option<String>,
        referrer_policy: Option<String>,
        /// The text of a split model's manifest, whose files lie beside this address.
        manifest: Option<String>,
    },
    /// A file of the disk, or bytes of the page.
    Blob {
        #[cfg_attr(test, ts(type = "Blob"))]
        blob: Js,
        /// Of a file.
        name: Option<String>,
    },
    /// What the page alone can open; the worker asks with `open-part`.
    Page {
        /// Bytes to come, as far as the sender says and it is open.
        total: Option<u64>,
        /// The same, where it is certain.
        file_size: Option<u64>,
    },
}

/// How a model is loaded and held.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct LoaderOptions {
    pub(super) context_length: Option<usize>,
    /// Chosen by the memory that there is where absent.
    pub(super) kv_cache: Option<KvType>,
    /// Bytes that the device is thought to have for the model.
    pub(super) device_memory: Option<u64>,
    pub(super) overrides: Option<Vec<String>>,
    pub(super) hash: Option<bool>,
    pub(super) token_embedding: Option<EmbeddingType>,
    /// What answers of a form need is to be there with the model.
    pub(super) prepare_formats: Option<bool>,
}

/// A prompt, messages or token ids, and how the answer is drawn.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct GenerateRequest {
    pub(super) prompt: Option<String>,
    pub(super) messages: Option<Vec<Message>>,
    #[cfg_attr(test, ts(type = "Record<string, unknown>", optional))]
    pub(super) chat_template_kwargs: Option<crate::chat::Variables>,
    #[cfg_attr(test, ts(type = "Uint32Array", optional))]
    pub(super) ids: Option<Vec<u32>>,
    pub(super) parse_special: Option<bool>,
    pub(super) max_tokens: Option<usize>,
    pub(super) temperature: Option<f32>,
    pub(super) top_k: Option<u32>,
    pub(super) top_p: Option<f32>,
    pub(super) min_p: Option<f32>,
    pub(super) repeat_penalty: Option<f32>,
    pub(super) repeat_last_n: Option<i32>,
    pub(super) presence_penalty: Option<f32>,
    pub(super) frequency_penalty: Option<f32>,
    pub(super) seed: Option<f64>,
    pub(super) log_probabilities: Option<bool>,
    pub(super) stop: Option<Vec<String>>,
    /// Token ids are an object's keys, so they come as strings.
    #[cfg_attr(test, ts(type = "Record<number, number>", optional))]
    pub(super) logit_bias: Option<BTreeMap<String, f32>>,
    pub(super) response_format: Option<ResponseFormat>,
    /// What of the answer the prompt ends with.
    pub(super) begun: Option<String>,
    /// That an answer to messages may call. The parameters are JSON texts.
    #[cfg_attr(
        test,
        ts(
            type = "Array<{ type: \"function\", function: { name: string, description?: string, parameters?: string } }>",
            optional
        )
    )]
    pub(super) tools: Option<Vec<Tool>>,
    #[cfg_attr(
        test,
        ts(type = "\"none\" | \"auto\" | \"required\" | { type: \"function\", function: { name: string } }", optional)
    )]
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) parallel_tool_calls: Option<bool>,
    /// The answer is read into what is said, what is thought and which tools are called: its tokens have pieces.
    pub(super) pieces: Option<bool>,
}

/// Texts that are to become vectors.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct EmbedRequest {
    pub(super) inputs: Vec<EmbedInput>,
    /// Numbers of each vector; all of them where absent.
    pub(super) dimensions: Option<usize>,
}

/// One of them, or its tokens.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case")]
#[cfg_attr(test, derive(TS))]
pub(super) enum EmbedInput {
    Text(String),
    Ids(#[cfg_attr(test, ts(type = "Uint32Array"))] Vec<u32>),
}

/// What gives one value back: the [`Reply`] of the same name.
#[derive(Debug, Deserialize)]
#[serde(tag = "name", content = "args", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) enum Call {
    Tokenize {
        text: String,
        parse_special: bool,
    },
    Detokenize {
        #[cfg_attr(test, ts(type = "Uint32Array"))]
        ids: Vec<u32>,
    },
    CountTokens {
        request: Box<GenerateRequest>,
    },
    Memory,
    OpenSession,
    CloneSession {
        session: u32,
    },
    SaveSession {
        session: u32,
    },
    RestoreSession {
        session: u32,
        #[cfg_attr(test, ts(type = "Uint8Array"))]
        bytes: Js,
    },
    ResetSession {
        session: u32,
    },
    CloseSession {
        session: u32,
    },
    Roofline,
    VerifyDefaults,
    Report {
        answers: Vec<Answer>,
        about: About,
    },
}

// ---- from the worker --------------------------------------------------------------------------------------------

/// From the worker.
#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) enum FromWorker {
    /// The part of this number is due, which the page alone can open.
    OpenPart { index: usize },
    /// A `chunk` has been taken.
    Taken,
    /// How far loading is.
    Progress(LoadProgress),
    /// The model is ready.
    Loaded(ModelInfo),
    /// Loading or an estimate has failed; the worker is of no more use.
    LoadFailed(PlainError),
    /// The estimate.
    Estimated(Estimate),
    /// How far the prompt has been read.
    Prefill { id: u32, done: usize, total: usize },
    /// How far that is which holds an answer to its form, the first time that a model needs it: bytes, or tokens.
    Preparing {
        id: u32,
        phase: Preparing,
        loaded: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// Pieces of text.
    Tokens { id: u32, tokens: Vec<Token> },
    /// A generation has ended.
    Done {
        id: u32,
        finish_reason: FinishReason,
        usage: Usage,
        timings: Timings,
        #[serde(skip_serializing_if = "Option::is_none")]
        constraint: Option<Constrained>,
        /// With pieces: tools were called, and every call is whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        called: Option<bool>,
    },
    /// The vectors.
    Embedded { id: u32, embeddings: Embeddings },
    /// A generation, an embedding or a call has failed; the worker goes on.
    Failed { id: u32, error: PlainError },
    /// What a call gives.
    Value { id: u32, reply: Reply },
    /// The worker's memory can't be trusted any more.
    Crashed { message: String },
}

/// What went wrong, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub(super) struct PlainError {
    #[cfg_attr(test, ts(type = "BitNetErrorCode"))]
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl PlainError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        PlainError { code: Cow::Borrowed(code), message: message.into() }
    }
}

impl From<crate::Error> for PlainError {
    fn from(error: crate::Error) -> Self {
        PlainError::new(error.code(), error.to_string())
    }
}

/// What an answer's form waits for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(TS))]
pub(super) enum Preparing {
    /// The module.
    Fetch,
    /// The model's tokens in it.
    Vocabulary,
}

/// An answer's form, when it has ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(TS))]
pub(super) struct Constrained {
    #[serde(flatten)]
    pub(super) stats: ConstraintStats,
    /// What of it was passed over.
    pub(super) notes: Vec<String>,
}

/// What was loaded, and how it runs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct ModelInfo {
    pub(super) architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) parameters: u64,
    pub(super) layers: usize,
    pub(super) embedding: usize,
    pub(super) vocabulary: usize,
    pub(super) context_length: usize,
    pub(super) trained_context_length: usize,
    pub(super) quantization: String,
    pub(super) weight_bytes: u64,
    pub(super) kv_cache_bytes: u64,
    pub(super) kv_cache: KvType,
    pub(super) backend: String,
    pub(super) threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why_single_threaded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached: Option<bool>,
    pub(super) notes: Vec<String>,
}

/// What headers tell of a model, without a word of the device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct Estimate {
    pub(super) file_bytes: u64,
    pub(super) architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) parameters: u64,
    pub(super) quantization: String,
    pub(super) context_length: usize,
    pub(super) trained_context_length: usize,
    pub(super) weight_bytes: u64,
    pub(super) kv_cache_bytes: u64,
    pub(super) kv_cache: KvType,
    pub(super) wasm_bytes: u64,
    pub(super) fits: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

/// A piece of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct Token {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u32>,
    pub(super) text: String,
    pub(super) elapsed_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entropy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read: Option<Read>,
}

/// What a token comes to in an answer that is read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) struct Read {
    /// What is certain with it.
    pub(super) pieces: Vec<Piece>,
    /// It is a part of what is said, and of no thought or call.
    pub(super) in_content: bool,
}

/// Vectors of length 1, one after the other.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) struct Embeddings {
    /// `[text][dimension]`
    #[cfg_attr(test, ts(type = "Float32Array<ArrayBuffer>"))]
    pub(super) values: Js,
    pub(super) dimensions: usize,
    /// Of all texts together.
    pub(super) prompt_tokens: usize,
    pub(super) notes: Vec<String>,
}

/// What a [`Call`] of the same name gives.
#[derive(Debug, Serialize)]
#[serde(tag = "name", content = "value", rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) enum Reply {
    Tokenize(#[cfg_attr(test, ts(type = "Uint32Array"))] Js),
    Detokenize(String),
    CountTokens(usize),
    Memory(Memory),
    OpenSession(u32),
    CloneSession(u32),
    SaveSession(#[cfg_attr(test, ts(type = "Uint8Array<ArrayBuffer>"))] Js),
    RestoreSession(()),
    ResetSession(()),
    CloseSession(()),
    Roofline(Roofline),
    VerifyDefaults(VerifyDefaults),
    Report(Box<WrittenReport>),
}

/// Memory in use, in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) struct Memory {
    pub(super) wasm_bytes: u64,
    pub(super) weight_bytes: u64,
    pub(super) kv_cache_bytes: u64,
    pub(super) sessions: usize,
}

/// What the machine allows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) struct Roofline {
    pub(super) read_bytes_per_second: f64,
    pub(super) read_bytes: u64,
    pub(super) dot_macs_per_second: f64,
    pub(super) table_macs_per_second: f64,
    pub(super) macs_per_prompt_token: u64,
}

/// What is asked where nothing else is said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(TS))]
pub(super) struct VerifyDefaults {
    #[cfg_attr(test, ts(type = "Array<string>"))]
    pub(super) prompts: Vec<&'static str>,
    pub(super) max_tokens: usize,
}

/// A report in its three forms.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(TS))]
pub(super) struct WrittenReport {
    pub(super) metrics: Report,
    pub(super) text: String,
    pub(super) html: String,
}

#[cfg(all(test, not(target_family = "wasm")))]
mod typescript;
