//! A whole model out of its parts, each from an address or from whoever has opened it.

use super::meter::LoadProgress;
use super::place::{Body, Bytes, Place};
use super::request::{Request, Unreachable};
use super::run::Downloaded;
use crate::{Error, Result};
use futures::StreamExt;
use futures::stream::LocalBoxStream;

/// Who takes a model's bytes: a loader, or an estimator, which wants no more than headers.
#[allow(async_fn_in_trait)] // polled where it is made
pub trait Receiver {
    /// Begins a model; what there is of another is dropped. `size` is that of the first part, where it is certain. It may wait
    /// for an engine that is still on its way.
    async fn begin(&mut self, size: Option<u64>) -> Result<()>;
    /// The next part begins, `size` bytes of it where that is certain.
    fn next_part(&mut self, size: Option<u64>) -> Result<()>;
    /// The next bytes.
    fn push(&mut self, bytes: &[u8]) -> Result<()>;
    /// Whether it wants no more of the part at hand, which [`headers`] asks.
    fn is_complete(&self) -> bool {
        false
    }
    /// Whether the part at hand is the last one, whatever its name says.
    fn is_last_part(&self) -> bool;
    /// Bytes of the part at hand as its own header says it, once that has come.
    fn expected_size(&self) -> Option<u64>;
}

/// Where a part of a model comes from.
pub enum Part<B> {
    /// A server, by way of the cache.
    Address(Request),
    /// Somebody who has opened it.
    Stream(Stream<B>),
}

/// Bytes from elsewhere: a page's stream or file, standard input. They can be read once.
pub struct Stream<B> {
    /// The bytes; not polled before their turn.
    pub bytes: LocalBoxStream<'static, Result<B>>,
    /// How many, where that is certain.
    pub size: Option<u64>,
    /// How many as far as anybody says, for the progress.
    pub total: Option<u64>,
    /// Of all of them, 64 lower-case hexadecimal digits.
    pub sha256: Option<String>,
}

impl<B: Bytes> Stream<B> {
    /// Of a body; `broken` says in this crate's words why it broke off.
    pub fn of_body<T>(body: T, broken: impl Fn(Unreachable) -> Error + 'static) -> Self
    where
        T: Body<Bytes = B> + 'static,
    {
        let bytes = futures::stream::unfold((body, broken), |(mut body, broken)| async move {
            let next = body.next().await.map_err(&broken).transpose()?;
            Some((next, (body, broken)))
        });
        Stream { bytes: bytes.boxed_local(), size: None, total: None, sha256: None }
    }
}

/// A model whose bytes the receiver has.
pub struct LoadedParts<P: Place> {
    /// Of all parts.
    pub bytes: u64,
    /// Whether every byte came from the cache; absent where somebody gave some.
    pub cached: Option<bool>,
    /// What a person should know.
    pub notes: Vec<String>,
    downloads: Vec<Downloaded<P>>,
}

impl<P: Place> LoadedParts<P> {
    /// Ends it with the engine's word: what it refuses leaves the cache, or each later load would fail as well.
    pub async fn end<T>(self, outcome: &Result<T>) {
        let _ = outcome;
        for download in self.downloads {
            download.keep().await;
        }
    }

    /// What to report when the engine is ready.
    pub fn ready(&self) -> Option<LoadProgress> {
        None
    }
}

/// All parts of a model into `receiver`, one after the other. A file that changes meanwhile begins anew with all, at most twice.
///
/// # Errors
/// Those of [`download`](super::download) and of the receiver.
pub async fn load<P: Place, R: Receiver>(
    place: &P,
    parts: Vec<Part<P::Bytes>>,
    receiver: &mut R,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<LoadedParts<P>> {
    let _ = (place, parts, receiver.is_complete(), on_progress);
    Err(Error::Network { reason: "not yet".to_owned() })
}

/// The beginnings of all parts into `receiver`, until it wants no more; the size of each, where it is certain. The cache is not asked.
///
/// # Errors
/// As [`load`].
pub async fn headers<P: Place, R: Receiver>(
    place: &P,
    parts: Vec<Part<P::Bytes>>,
    receiver: &mut R,
) -> Result<Vec<Option<u64>>> {
    let _ = (place, parts, receiver.is_complete());
    Err(Error::Network { reason: "not yet".to_owned() })
}
