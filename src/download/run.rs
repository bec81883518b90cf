//! One download from beginning to end.

use super::ahead::{Ahead, span};
use super::counter::Counter;
use super::entry::{Entry, keep_parts};
use super::journal::to_hex;
use super::place::{Bytes, Clock, Place, StoreError};
use super::plan::{PlaceEntry, Plan, Planner, required};
use super::ranges::{Ranges, Taker, fetch_parts};
use super::remote::Remote;
use super::request::{CacheMode, Failure, Progress, Request};
use super::scratch::Scratch;
use super::whole::{Arrival, Whole, fetch_whole};
use super::{Sink, address};
use crate::{Error, Result};
use futures::channel::mpsc;
use futures::future::{Either, join, select};
use futures::stream::StreamExt;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::pin::pin;

/// A file that the sink has. Its place in the cache stays locked until [`keep`](Self::keep) or [`discard`](Self::discard); dropped,
/// it is kept.
pub struct Downloaded<P: Place> {
    /// How many it has.
    pub bytes: u64,
    /// Every byte came from the cache.
    pub cached: bool,
    /// What a person should know: why it is not kept, or whether it could not be asked for a newer one.
    pub notes: Vec<String>,
    entry: Option<PlaceEntry<P>>,
}

impl<P: Place> Downloaded<P> {
    /// It stays in the cache.
    pub async fn keep(self) {
        end(self.entry, false).await;
    }

    /// It leaves the cache: the engine has found that it is no model.
    pub async fn discard(self) {
        end(self.entry, true).await;
    }
}

/// Lets go of the place in the cache. What ran out of room can't be finished, and takes room from others.
async fn end<S: super::Slot>(entry: Option<Entry<S>>, discard: bool) {
    let Some(entry) = entry else { return };
    if discard || entry.count() == 0 || matches!(entry.failed(), Some(StoreError::Quota(_))) {
        entry.remove().await;
    }
}

/// What the engine says of bytes that are not those of a model it runs: to keep them would spoil each later load. A web page
/// instead of a file was not kept.
pub(super) fn is_poison(error: &Error) -> bool {
    matches!(error.code(), "format" | "unsupported-model") && !matches!(error, Error::WebPage { .. })
}

/// Why a download ends early, and whether what is in the cache goes too.
struct Stop {
    failure: Failure,
    discard: bool,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop { discard: matches!(failure, Failure::Changed { .. }), failure }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

/// The file of `request` into `sink`, in order.
///
/// # Errors
/// [`Failure::Changed`] where it begins anew; those of the sink, and [`Error::Network`], [`Error::WebPage`],
/// [`Error::Integrity`], [`Error::Storage`] and [`Error::Quota`].
pub async fn download<P: Place, S: Sink>(
    place: &P,
    request: &Request,
    sink: &mut S,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Downloaded<P>, Failure> {
    let mut planner = Planner::new(place, request);
    match run(&mut planner, sink, on_progress).await {
        Ok((bytes, cached)) => {
            let Planner { entry, mut notes, .. } = planner;
            if let Some(failed) = entry.as_ref().and_then(Entry::failed) {
                let advice = match failed {
                    StoreError::Quota(_) => "; delete cached models or make room on the disk",
                    StoreError::Other(_) => "",
                };
                notes.push(format!("not kept in the cache: {failed}{advice}"));
            }
            Ok(Downloaded { bytes, cached, notes, entry })
        }
        Err(Stop { failure, discard }) => {
            end(planner.entry, discard).await;
            Err(failure)
        }
    }
}

/// Bytes in all, and whether every one came from the cache.
async fn run<P: Place, S: Sink>(
    planner: &mut Planner<'_, P>,
    sink: &mut S,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(u64, bool), Stop> {
    let Planner { place, request, .. } = *planner;
    let remote = Remote::new(place, request);
    let plan = planner.plan(&remote).await?;
    let cached = matches!(plan, Plan::Cached { .. });
    let size = match &plan {
        Plan::Cached { size } | Plan::Ranges { size, .. } => Some(*size),
        Plan::Whole { answer } => answer.version.size,
    };
    size.map_or(Ok(()), |size| request.check_size(size)).map_err(of_another)?;
    if let Some(busy) = planner.busy().filter(|_| !cached) {
        planner.uncached(&busy)?;
    }
    let entry = planner.entry.as_ref();
    // Where the whole has been checked before, its parts' hashes say the same again.
    let checked = cached && request.sha256.is_some() && entry.and_then(Entry::sha256) == request.sha256;
    let now = || place.clock().now();
    let counter = Counter::new(on_progress, &now);
    let consumer: Consumer<P, S> = Consumer {
        request,
        entry,
        counter: &counter,
        sink,
        hash: (request.sha256.is_some() && !checked).then(Sha256::new),
        scratch: Scratch::default(),
        checked,
    };
    let (keep, jobs) = mpsc::channel(0);
    let keep = entry.filter(|entry| entry.writable()).map(|_| keep);
    let keeping = async {
        if let Some(entry) = entry {
            keep_parts(entry, jobs, place.clock()).await;
        }
    };
    let there = entry.map_or_else(Vec::new, Entry::parts);
    let part_bytes = planner.part_bytes();
    let taking = async {
        let (size, version, answer) = match plan {
            Plan::Whole { answer } => {
                counter.total.set(answer.hint);
                let size = answer.version.size;
                let whole = Whole { remote: &remote, counter: &counter, part_bytes: part_bytes as usize, keep };
                let (arrivals, fetching) = fetch_whole(whole, answer);
                return beside(consumer.whole(size, arrivals), fetching).await;
            }
            Plan::Cached { size } => {
                let version = entry.and_then(Entry::head).map(|head| head.version()).unwrap_or_default();
                (size, version, None)
            }
            Plan::Ranges { size, version, answer } => (size, version, Some(answer)),
        };
        counter.total.set(Some(size));
        let there = &*there;
        let ranges = Ranges { remote: &remote, counter: &counter, size, version, part_bytes, there, keep };
        let (taker, fetching) = fetch_parts(ranges, answer);
        beside(consumer.parts(size, part_bytes, there, taker), fetching).await
    };
    // What is still being hashed when the sink has all, or when it ends early, counts too.
    let (taken, ()) = join(taking, keeping).await;
    let (bytes, hash) = taken?;
    request.check_size(bytes).map_err(of_another)?;
    let found = hash.map(|hash| to_hex(&hash.finalize().into()));
    if let Some(found) = &found
        && request.sha256.as_deref().is_some_and(|sha256| sha256 != found)
    {
        return Err(of_another(Error::Integrity { reason: wrong_hash(request, found) }));
    }
    if let Some(entry) = entry {
        entry.finish(bytes, found.as_deref()).await;
        // The last parts may have been written, or not, when the sink had all.
        request.kept(entry)?;
    }
    counter.tell(true);
    Ok((bytes, cached && !counter.from_network.get()))
}

impl Request {
    /// Whether the file may be one of so many bytes.
    pub(super) fn may_have(&self, bytes: u64) -> bool {
        self.size.is_none_or(|size| size == bytes)
    }

    /// Refuses a file of so many bytes, if it must have others.
    pub(super) fn check_size(&self, bytes: u64) -> Result<()> {
        match self.size.filter(|size| *size != bytes) {
            None => Ok(()),
            Some(size) => Err(Error::Integrity {
                reason: format!(
                    "{} has {bytes} bytes, its manifest says {size}: ask whoever put them there for files of one model",
                    address::shown(&self.url)
                ),
            }),
        }
    }

    /// Whether what must be kept is.
    fn kept<S: super::Slot>(&self, entry: &Entry<S>) -> Result<(), Failure> {
        match entry.failed() {
            Some(failed) if self.cache == CacheMode::Required => Err(required(&failed).into()),
            _ => Ok(()),
        }
    }
}

fn wrong_hash(request: &Request, found: &str) -> String {
    let (url, wanted) = (address::shown(&request.url), request.sha256.as_deref().unwrap_or_default());
    format!(
        "{url} has the SHA-256 {found}, not {wanted}; nothing of it was kept: load again, and if it stays so, check the \
         digest and the address"
    )
}

/// What `taking` gives, while `fetching` goes on; which ends with it.
pub(super) async fn beside<T>(taking: impl Future<Output = T>, fetching: impl Future<Output = ()>) -> T {
    let (taking, fetching) = (pin!(taking), pin!(fetching));
    match select(taking, fetching).await {
        Either::Left((taken, _)) => taken,
        Either::Right(((), taking)) => taking.await,
    }
}

/// Takes the parts in order, and gives them to the sink.
struct Consumer<'a, P: Place, S> {
    request: &'a Request,
    entry: Option<&'a PlaceEntry<P>>,
    counter: &'a Counter<'a>,
    sink: &'a mut S,
    /// Of the whole, where somebody wants to know it.
    hash: Option<Sha256>,
    scratch: Scratch,
    /// The whole had the right hash when it was written.
    checked: bool,
}

type Taken = (u64, Option<Sha256>);

impl<P: Place, S: Sink> Consumer<'_, P, S> {
    async fn parts(
        mut self,
        size: u64,
        part_bytes: u64,
        there: &[u64],
        mut taker: Taker<P::Bytes>,
    ) -> Result<Taken, Stop> {
        let mut ahead = self.entry.map(|entry| Ahead::new(entry, there, size, part_bytes));
        self.counter.cached.set(there.first() == Some(&0));
        besides(&mut ahead, self.sink.begin(Some(size))).await.map_err(of_sink)?;
        self.counter.begun.set(true);
        for part in 0..size.div_ceil(part_bytes) {
            let kept = match &mut ahead {
                Some(ahead) if ahead.is_next(part) => Some(ahead.take().await),
                _ => None,
            };
            let bytes = match kept {
                Some(Ok(bytes)) => {
                    let Range { start, end } = span(part, part_bytes, size);
                    self.counter.read(end - start);
                    bytes
                }
                Some(Err(_)) if self.request.offline => {
                    let url = address::shown(&self.request.url);
                    let reason = format!(
                        "{url} is damaged in the cache, and offline was asked for: load it once with a connection"
                    );
                    return Err(Error::Integrity { reason }.into());
                }
                damaged => {
                    let wanted = damaged.is_some();
                    let bytes = besides(&mut ahead, taker.take(part, wanted)).await?;
                    // Of a whole that is not hashed again each part must be what it was.
                    if let Some(Err(sha256)) = damaged
                        && self.checked
                        && bytes.sha256().await != sha256
                    {
                        return Err(Failure::Changed { url: self.request.url.clone() }.into());
                    }
                    self.counter.cached.set(false);
                    bytes
                }
            };
            self.hand(&mut ahead, &bytes).await?;
        }
        Ok((size, self.hash))
    }

    async fn whole(
        mut self,
        size: Option<u64>,
        mut arrivals: mpsc::Receiver<Arrival<P::Bytes>>,
    ) -> Result<Taken, Stop> {
        self.sink.begin(size).await.map_err(of_sink)?;
        self.counter.begun.set(true);
        let mut bytes = 0_u64;
        while let Some(arrival) = arrivals.next().await {
            match arrival {
                Arrival::Part(part) => {
                    bytes = bytes.saturating_add(part.len() as u64);
                    // Without a word of its size it may have no end.
                    if self.request.size.is_some_and(|size| bytes > size) {
                        break;
                    }
                    self.hand(&mut None, &part).await?;
                }
                Arrival::End(answer) => {
                    let _ = answer.send(self.sink.expected_size());
                }
                Arrival::Lost(failure) => return Err(failure.into()),
            }
        }
        Ok((bytes, self.hash))
    }

    async fn hand(&mut self, ahead: &mut Option<PlaceAhead<'_, P>>, bytes: &P::Bytes) -> Result<(), Stop> {
        if let Some(entry) = self.entry {
            self.request.kept(entry)?;
        }
        if let Some(hash) = &mut self.hash {
            self.scratch.read(bytes, |piece| {
                hash.update(piece);
                Ok(())
            })?;
        }
        besides(ahead, self.sink.push(bytes)).await.map_err(of_sink)?;
        self.counter.expected.set(self.sink.expected_size());
        self.counter.tell(false);
        Ok(())
    }
}

type PlaceAhead<'a, P> = Ahead<'a, <<P as Place>::Store as super::Store>::Slot>;

async fn besides<S: super::Slot, T>(ahead: &mut Option<Ahead<'_, S>>, future: impl Future<Output = T>) -> T {
    match ahead {
        Some(ahead) => ahead.beside(future).await,
        None => future.await,
    }
}

/// Nothing of another file is kept.
fn of_another(error: Error) -> Stop {
    Stop { failure: error.into(), discard: true }
}

/// The sink speaks of the bytes: what it refuses is not kept.
fn of_sink(error: Error) -> Stop {
    Stop { discard: is_poison(&error), failure: error.into() }
}
