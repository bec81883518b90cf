//! A whole model out of its parts, each from an address or from whoever has opened it.

use super::Sink;
use super::journal::to_hex;
use super::meter::{LoadProgress, Meter, PartNumber, Phase};
use super::place::{Body, Bytes, Clock, Place};
use super::request::{Failure, Progress, Request, Unreachable};
use super::run::{Downloaded, beside, download, is_poison};
use super::scratch::Scratch;
use super::sizes::part_sizes;
use crate::{Error, Result};
use futures::StreamExt;
use futures::stream::LocalBoxStream;
use sha2::{Digest, Sha256};
use std::cell::RefCell;

/// How often a load begins anew because a file changed on its server meanwhile.
const RESTARTS: usize = 2;

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
    /// Whether it wants no more of the part at hand, which [`headers`](super::headers) asks.
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
    /// Ends it with the engine's word: what it refuses leaves the cache, or each later load would fail as well. Dropped, it all
    /// stays there.
    pub async fn end<T>(self, outcome: &Result<T>) {
        let_go(self.downloads, outcome.as_ref().is_err_and(is_poison)).await;
    }

    /// What to report when the engine is ready.
    pub fn ready(&self) -> LoadProgress {
        LoadProgress::ready(self.bytes, self.cached.unwrap_or(false))
    }
}

async fn let_go<P: Place>(downloads: Vec<Downloaded<P>>, discard: bool) {
    for download in downloads {
        if discard {
            download.discard().await;
        } else {
            download.keep().await;
        }
    }
}

/// All parts of a model into `receiver`, one after the other. A file that changes meanwhile begins anew with all, at most twice.
///
/// # Errors
/// Those of [`download`] and of the receiver; [`Error::Network`] for a file that changes each time.
pub async fn load<P: Place, R: Receiver>(
    place: &P,
    parts: Vec<Part<P::Bytes>>,
    receiver: &mut R,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<LoadedParts<P>> {
    if parts.is_empty() {
        return Err(Error::BadAddress { reason: "the model has no parts".to_owned() });
    }
    let mut requests = Vec::new();
    let mut streams = Vec::new();
    let mut known = Vec::new();
    for part in parts {
        match part {
            Part::Address(request) => {
                known.push(request.size);
                requests.push(Some(request));
                streams.push(None);
            }
            Part::Stream(stream) => {
                requests.push(None);
                known.push(stream.size);
                streams.push(Some(stream));
            }
        }
    }
    let sizes = RefCell::new(known);
    let mut model = Model {
        place,
        requests: &requests,
        streams,
        receiver,
        scratch: Scratch::default(),
        report: Report { meter: Meter::new(), on_progress, sizes: &sizes, before: 0, part: None },
    };
    let asking = async {
        if requests.len() > 1 {
            part_sizes(place, &requests, &sizes).await;
        }
    };
    beside(model.load(), asking).await
}

/// A model on its way.
struct Model<'a, P: Place, R> {
    place: &'a P,
    /// Of the parts that have an address; they can be loaded anew.
    requests: &'a [Option<Request>],
    /// Of the others, those that have not been read.
    streams: Vec<Option<Stream<P::Bytes>>>,
    receiver: &'a mut R,
    scratch: Scratch,
    report: Report<'a>,
}

impl<P: Place, R: Receiver> Model<'_, P, R> {
    async fn load(&mut self) -> Result<LoadedParts<P>> {
        let mut restarts = 0;
        loop {
            let mut downloads = Vec::new();
            let failure = match self.attempt(&mut downloads).await {
                Ok(()) => return Ok(self.loaded(downloads)),
                Err(failure) => failure,
            };
            let discard = matches!(&failure, Failure::Error(error) if is_poison(error));
            let_go(downloads, discard).await;
            let url = match failure {
                Failure::Changed { url } => super::address::shown(&url),
                Failure::Error(error) => return Err(error),
            };
            if restarts == RESTARTS {
                let reason = format!(
                    "{url} is another file each time it is asked for: its ETag or size changes; ask whoever runs the \
                     server, or use another one"
                );
                return Err(Error::Network { reason });
            }
            restarts += 1;
        }
    }

    /// All parts once.
    async fn attempt(&mut self, downloads: &mut Vec<Downloaded<P>>) -> Result<(), Failure> {
        let count = self.requests.len();
        self.report.before = 0;
        for index in 0..count {
            self.report.part = (count > 1).then_some(PartNumber { index, count });
            let bytes = match &self.requests[index] {
                Some(request) => {
                    let Model { place, receiver, scratch, report, .. } = self;
                    let mut sink = PartSink { receiver: &mut **receiver, scratch, first: index == 0 };
                    let place = *place;
                    let mut on_progress = |Progress { loaded, total, cached }| {
                        let phase = if cached { Phase::Verify } else { Phase::Download };
                        report.update(place.clock().now(), phase, loaded, total, cached);
                    };
                    let done = download(place, request, &mut sink, &mut on_progress).await?;
                    let bytes = done.bytes;
                    downloads.push(done);
                    bytes
                }
                None => self.stream(index).await?,
            };
            self.report.sizes.borrow_mut()[index] = Some(bytes);
            self.report.before += bytes;
            if self.requests[index].is_some() && self.receiver.is_last_part() {
                promised(self.requests.get(index + 1).and_then(Option::as_ref), index + 1)?;
                break;
            }
        }
        self.report.finish(self.place.clock().now());
        Ok(())
    }

    fn loaded(&mut self, downloads: Vec<Downloaded<P>>) -> LoadedParts<P> {
        let mut notes: Vec<String> = Vec::new();
        for note in downloads.iter().flat_map(|done| &done.notes) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        let given = self.requests.iter().any(Option::is_none);
        let cached = (!given).then(|| downloads.iter().all(|done| done.cached));
        LoadedParts { bytes: self.report.before, cached, notes, downloads }
    }

    /// A part that somebody has opened; its bytes.
    async fn stream(&mut self, index: usize) -> Result<u64> {
        let Some(Stream { mut bytes, size, total, sha256 }) = self.streams[index].take() else {
            let reason = "a part of the model changed on its server, and another one can be read only once: load again";
            return Err(Error::Network { reason: reason.to_owned() });
        };
        let mut sink = PartSink { receiver: &mut *self.receiver, scratch: &mut self.scratch, first: index == 0 };
        sink.begin(size).await?;
        let mut hash = sha256.is_some().then(Sha256::new);
        let total = total.or(size);
        let mut loaded = 0_u64;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            if let Some(hash) = &mut hash {
                sink.scratch.read(&chunk, |piece| {
                    hash.update(piece);
                    Ok(())
                })?;
            }
            sink.push(&chunk).await?;
            loaded = loaded.saturating_add(chunk.len() as u64);
            let expected = sink.expected_size().or(total);
            self.report.update(self.place.clock().now(), Phase::Download, loaded, expected, false);
        }
        if let Some(total) = total
            && loaded < total
        {
            let reason = format!("the download broke off after {loaded} of {total} bytes; load again");
            return Err(Error::Network { reason });
        }
        let found = hash.map(|hash| to_hex(&hash.finalize().into()));
        if let (Some(found), Some(wanted)) = (found, sha256)
            && found != wanted
        {
            let reason = format!("the file has the SHA-256 {found}, not {wanted}: check the file and the digest");
            return Err(Error::Integrity { reason });
        }
        Ok(loaded)
    }
}

/// What is left behind the last part must be a guess of the first one's name, and no file of a manifest.
pub(super) fn promised(next: Option<&Request>, parts: usize) -> Result<()> {
    match next {
        Some(Request { url, size: Some(_), .. }) => Err(Error::Integrity {
            reason: format!(
                "the model ends with part {parts}, and its manifest names {} as well: ask whoever put them there for files \
                 of one model",
                super::address::shown(url)
            ),
        }),
        _ => Ok(()),
    }
}

/// Progress of all parts together.
struct Report<'a> {
    meter: Meter,
    on_progress: &'a mut dyn FnMut(LoadProgress),
    /// Of each part, as far as it is known.
    sizes: &'a RefCell<Vec<Option<u64>>>,
    /// Bytes of the parts before the one at hand.
    before: u64,
    /// The one at hand, where there are several.
    part: Option<PartNumber>,
}

impl Report<'_> {
    /// `loaded` and `total` are those of the part at hand.
    fn update(&mut self, now: f64, phase: Phase, loaded: u64, total: Option<u64>, cached: bool) {
        let at_hand = self.part.map_or(0, |part| part.index);
        let sizes = self.sizes.borrow();
        let size = |(index, size): (usize, &Option<u64>)| if index == at_hand { total.or(*size) } else { *size };
        let all = sizes.iter().enumerate().map(size).try_fold(0_u64, |sum, size| sum.checked_add(size?));
        let report = self.meter.update(now, phase, self.before.saturating_add(loaded), all);
        if let Some(progress) = report {
            (self.on_progress)(LoadProgress { cached, part: self.part, ..progress });
        }
    }

    /// All bytes are there.
    fn finish(&mut self, now: f64) {
        if let Some(progress) = self.meter.update(now, Phase::Load, self.before, Some(self.before)) {
            (self.on_progress)(progress);
        }
    }
}

/// A receiver as one part's sink.
struct PartSink<'a, R> {
    receiver: &'a mut R,
    scratch: &'a mut Scratch,
    first: bool,
}

impl<R: Receiver> Sink for PartSink<'_, R> {
    async fn begin(&mut self, size: Option<u64>) -> Result<()> {
        if self.first { self.receiver.begin(size).await } else { self.receiver.next_part(size) }
    }

    async fn push<B: Bytes>(&mut self, bytes: &B) -> Result<()> {
        self.scratch.read(bytes, |piece| self.receiver.push(piece))
    }

    fn expected_size(&self) -> Option<u64> {
        self.receiver.expected_size()
    }
}
