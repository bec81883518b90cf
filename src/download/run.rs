//! One download from beginning to end.

use super::ahead::{Ahead, span};
use super::counter::Counter;
use super::entry::{Entry, keep_parts};
use super::hub::Expected;
use super::journal::to_hex;
use super::place::{Bytes, Clock, Offer, Place, StoreError, Transport};
use super::plan::{PlaceEntry, Plan, Planner, required};
use super::ranges::{Ranges, Taker, fetch_parts};
use super::remote::{Remote, within};
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
    let remote = Remote::new(place, request);
    match run(&mut planner, &remote, sink, on_progress).await {
        Ok((bytes, cached)) => {
            let Planner { entry, mut notes, .. } = planner;
            if remote.is_from_storage() {
                let url = remote.shown();
                notes.push(format!(
                    "{url} came from the storage that this browser shares between sites, and not from there"
                ));
            }
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
            match planner.expected.sha256.filter(|_| discard && remote.is_from_storage()) {
                // Its server is still there.
                Some(sha256) => {
                    place.transport().distrust(&sha256);
                    Err(Failure::Changed { url: request.url.clone() })
                }
                None => Err(failure),
            }
        }
    }
}

/// Bytes in all, and whether every one came from the cache.
async fn run<'a, P: Place, S: Sink>(
    planner: &mut Planner<'a, P>,
    remote: &'a Remote<'a, P>,
    sink: &mut S,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(u64, bool), Stop> {
    let Planner { place, request, .. } = *planner;
    let plan = planner.plan(remote).await?;
    let cached = matches!(plan, Plan::Cached { .. });
    let size = match &plan {
        Plan::Cached { size } | Plan::Ranges { size, .. } => Some(*size),
        Plan::Whole { answer } => answer.version.size,
    };
    let expected = planner.expected.clone();
    size.map_or(Ok(()), |size| expected.check_size(size, &request.url)).map_err(of_another)?;
    if let Some(busy) = planner.busy().filter(|_| !cached) {
        planner.uncached(&busy)?;
    }
    let entry = planner.entry.as_ref();
    // Where the whole has been checked before, its parts' hashes say the same again.
    let checked = cached && expected.sha256.is_some() && entry.and_then(Entry::sha256) == expected.sha256;
    let offer = match &expected.sha256 {
        Some(sha256) if request.cross_origin_storage && !cached && !remote.is_from_storage() => {
            in_time(place, place.transport().offer(sha256, request.is_for_everyone())).await.flatten()
        }
        _ => None,
    };
    let now = || place.clock().now();
    let counter = Counter::new(on_progress, &now);
    let consumer: Consumer<P, S> = Consumer {
        place,
        request,
        size: expected.size,
        entry,
        counter: &counter,
        sink,
        hash: (expected.sha256.is_some() && !checked).then(Sha256::new),
        offer,
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
                let whole = Whole { remote, counter: &counter, part_bytes: part_bytes as usize, keep };
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
        let ranges = Ranges { remote, counter: &counter, size, version, part_bytes, there, keep };
        let (taker, fetching) = fetch_parts(ranges, answer);
        beside(consumer.parts(size, part_bytes, there, taker), fetching).await
    };
    // What is still being hashed when the sink has all, or when it ends early, counts too.
    let (taken, ()) = join(taking, keeping).await;
    let Taken { bytes, hash, offer } = taken?;
    expected.check_size(bytes, &request.url).map_err(of_another)?;
    let found = hash.map(|hash| to_hex(&hash.finalize().into()));
    found.as_deref().map_or(Ok(()), |found| expected.check_sha256(found, &request.url)).map_err(of_another)?;
    if let Some(offer) = offer {
        in_time(place, offer.finish()).await;
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
    /// What whoever asks for the file says that it is.
    pub(super) fn expected(&self) -> Expected {
        Expected { size: self.size, sha256: self.sha256.clone(), by_hub: false }
    }

    /// Whether anybody could have it: it is on the hub, and nobody's token was needed.
    fn is_for_everyone(&self) -> bool {
        self.hub && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    }

    /// Whether what must be kept is.
    fn kept<S: super::Slot>(&self, entry: &Entry<S>) -> Result<(), Failure> {
        match entry.failed() {
            Some(failed) if self.cache == CacheMode::Required => Err(required(&failed).into()),
            _ => Ok(()),
        }
    }
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
    place: &'a P,
    request: &'a Request,
    /// Bytes that it must have.
    size: Option<u64>,
    entry: Option<&'a PlaceEntry<P>>,
    counter: &'a Counter<'a>,
    sink: &'a mut S,
    /// The storage that sites share, where it takes the file.
    offer: Option<Box<dyn Offer<Bytes = P::Bytes>>>,
    /// Of the whole, where somebody wants to know it.
    hash: Option<Sha256>,
    scratch: Scratch,
    /// The whole had the right hash when it was written.
    checked: bool,
}

/// What has gone to the sink.
struct Taken<B> {
    bytes: u64,
    hash: Option<Sha256>,
    offer: Option<Box<dyn Offer<Bytes = B>>>,
}

impl<P: Place, S: Sink> Consumer<'_, P, S> {
    async fn parts(
        mut self,
        size: u64,
        part_bytes: u64,
        there: &[u64],
        mut taker: Taker<P::Bytes>,
    ) -> Result<Taken<P::Bytes>, Stop> {
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
        Ok(Taken { bytes: size, hash: self.hash, offer: self.offer })
    }

    async fn whole(
        mut self,
        size: Option<u64>,
        mut arrivals: mpsc::Receiver<Arrival<P::Bytes>>,
    ) -> Result<Taken<P::Bytes>, Stop> {
        self.sink.begin(size).await.map_err(of_sink)?;
        self.counter.begun.set(true);
        let mut bytes = 0_u64;
        while let Some(arrival) = arrivals.next().await {
            match arrival {
                Arrival::Part(part) => {
                    bytes = bytes.saturating_add(part.len() as u64);
                    // Without a word of its size it may have no end.
                    if self.size.is_some_and(|size| bytes > size) {
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
        Ok(Taken { bytes, hash: self.hash, offer: self.offer })
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
        if let Some(offer) = &mut self.offer
            && besides(ahead, in_time(self.place, offer.write(bytes.clone()))).await != Some(true)
        {
            self.offer = None;
        }
        besides(ahead, self.sink.push(bytes)).await.map_err(of_sink)?;
        self.counter.expected.set(self.sink.expected_size());
        self.counter.tell(false);
        Ok(())
    }
}

/// A browser may ask a person whether a site may write: nobody waits for that, and the file is then not offered.
async fn in_time<P: Place, T>(place: &P, offering: impl Future<Output = T>) -> Option<T> {
    within(place.clock(), place.tuning().ask_ms, offering).await
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
