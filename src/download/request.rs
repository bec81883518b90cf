//! What is asked of a download, what it asks of a server, and how it goes.

use serde::{Deserialize, Serialize};

/// Whether a file is kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum CacheMode {
    /// Where that can be.
    #[default]
    Auto,
    /// An error where it can't.
    Required,
    /// Not at all.
    Off,
}

/// One file that is to be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its absolute address.
    pub url: String,
    /// Of the page, which tells what a cross-origin request is; absent outside a browser.
    pub origin: Option<String>,
    /// Sent with each request; `Authorization` to no other origin than the address's own.
    pub headers: Vec<(String, String)>,
    /// Of a browser's fetch: `credentials`, `redirect`, `referrerPolicy`.
    pub credentials: Option<String>,
    /// The same.
    pub redirect: Option<String>,
    /// The same.
    pub referrer_policy: Option<String>,
    /// Whether it is kept.
    pub cache: CacheMode,
    /// From the cache alone.
    pub offline: bool,
    /// Requests at a time.
    pub connections: usize,
    /// Bytes that it must have, where somebody has said it.
    pub size: Option<u64>,
    /// Of the whole file, 64 lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// The server is a hub of Hugging Face, which says of a file what its SHA-256 is.
    #[serde(default)]
    pub hub: bool,
    /// Whether it may come from a storage that sites share, and go there.
    #[serde(default)]
    pub cross_origin_storage: bool,
}

/// One request to a server.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// Where to.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As in [`Request`].
    pub credentials: Option<String>,
    /// As in [`Request`].
    pub redirect: Option<String>,
    /// As in [`Request`].
    pub referrer_policy: Option<String>,
    /// The file is had without it too: that it is refused says nothing of the file.
    pub aside: bool,
}

/// The head of an answer, and its body.
#[derive(Debug)]
pub struct HttpResponse<B> {
    /// Where redirects led.
    pub url: String,
    /// 200, 206, 404 …
    pub status: u16,
    /// What the server calls it; may be empty.
    pub status_text: String,
    /// Names in lower case; those that this page may read.
    pub headers: Vec<(String, String)>,
    /// Of another origin than the page: not every header can be read then.
    pub cross_origin: bool,
    /// `X-Linked-Etag`, as the origin that was asked says it, before it redirects elsewhere too.
    pub linked_etag: Option<String>,
    /// The rest.
    pub body: B,
}

/// There was no answer, or it broke off; in the system's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Why a file is not there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It became another one on the server meanwhile: what the sink has of it is of no use, and all begins anew.
    #[error("{url} changed on the server while it was downloaded")]
    Changed {
        /// Its address.
        url: String,
    },
    /// Anything else.
    #[error(transparent)]
    Error(#[from] crate::Error),
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Bytes that are there, in the engine or before it.
    pub loaded: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
    /// What is read comes from the cache, and is checked.
    pub cached: bool,
}

/// Sizes, in bytes, and patience, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// What is hashed, kept and resumed as one.
    pub part_bytes: usize,
    /// Parts that one request asks for.
    pub run_parts: usize,
    /// How long a connection may be silent.
    pub stall_ms: u64,
    /// How long a server may take to say whether a cached file is still the same.
    pub ask_ms: u64,
    /// Failures in a row, without a byte in between, until it is given up.
    pub tries: u32,
    /// The same while the server has never answered: a wrong address should be told soon.
    pub first_tries: u32,
    /// Before the second try; twice as long before each further one.
    pub backoff_ms: u64,
    /// No pause is longer.
    pub most_backoff_ms: u64,
    /// A server that asks for a longer pause is not waited for.
    pub longest_wait_ms: u64,
}

impl Tuning {
    /// Parts of this size that one request asks for: as many bytes as it would of parts of its own size.
    pub(super) fn run_parts_of(&self, part_bytes: u64) -> u64 {
        ((self.part_bytes as u64).saturating_mul(self.run_parts as u64) / part_bytes.max(1)).max(1)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            // Chromium's WebCrypto takes twice as long for a byte of pieces from 960 KiB on: it copies each into fresh memory.
            part_bytes: 512 << 10,
            run_parts: 16,
            stall_ms: 20_000,
            ask_ms: 5_000,
            tries: 8,
            first_tries: 3,
            backoff_ms: 500,
            most_backoff_ms: 15_000,
            longest_wait_ms: 60_000,
        }
    }
}
