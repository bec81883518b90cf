//! A file from an address into the engine, by way of a cache: the same code in a tab and in a terminal.
//!
//! What is there already is read from the cache, each part held against its hash. What is missing comes from the network by
//! ranges, several at a time, and is written to the cache on its way. The bytes go to the [`Sink`] in order, whatever order they
//! come in.
//!
//! Of a file on Hugging Face the hub itself says the SHA-256, and it is held against that. Where a browser has a storage that sites share,
//! a file whose hash is known is looked for there before it is downloaded, and offered to it afterwards.
//!
//! Nothing here knows where it runs. A [`Place`] gives it a [`Transport`], a [`Store`] and a [`Clock`]; whoever polls the futures is
//! the executor. A future that is dropped ends its requests, and what has been written by then is there the next time.
//!
//! # The path
//!
//! ```text
//! text ──► address ──► Request ──► plan ──► ranges or whole ──► parts ──► Sink ──► model::Loader
//!                                    └───► cache (checked) ──────┘  └───► cache (hashed)
//! ```
//!
//! 1. [`address`] makes addresses of what a person writes.
//! 2. Of a split model with a [`manifest`](manifest()) the parts' addresses, sizes and hashes stand there.
//! 3. [`load`] takes the parts of a model, one after the other, and [`headers`] no more than their beginnings, for an estimate. Each
//!    part with an address is a [`download`].

pub mod address;
mod ahead;
mod counter;
mod entry;
mod fault;
mod header;
mod hub;
mod journal;
mod list;
mod manifest;
pub mod meter;
mod model;
mod place;
mod plan;
mod ranges;
mod receive;
mod remote;
mod request;
mod run;
mod scratch;
mod sizes;
mod whole;

pub use header::headers;
pub use list::{Cached, delete, list};
pub use manifest::{Manifest, ManifestFile, manifest};
pub use meter::LoadProgress;
pub use model::{LoadedParts, Part, Receiver, Stream, load};
pub use place::{Body, Bytes, Catalog, Clock, Offer, Place, Slot, Store, StoreError, Transport};
pub use receive::{Estimating, Loading};
pub use request::{CacheMode, Failure, HttpRequest, HttpResponse, Progress, Request, Tuning, Unreachable};
pub use run::{Downloaded, download};

use crate::Result;

/// Who gets the bytes.
///
/// [`begin`](Self::begin) may wait for an engine that is still on its way: requests are under way meanwhile.
#[allow(async_fn_in_trait)] // polled where it is made
pub trait Sink {
    /// Before the first bytes; `size` is the file's, in bytes, where it is certain.
    async fn begin(&mut self, size: Option<u64>) -> Result<()>;
    /// The next bytes.
    async fn push<B: Bytes>(&mut self, bytes: &B) -> Result<()>;
    /// The file's size as its own header says it, once that has come.
    fn expected_size(&self) -> Option<u64>;
}
