//! A file from a server that knows no ranges: one request for all of it. After a cut everything comes again, and what the engine has is
//! held against it.

use super::counter::Counter;
use super::entry::Job;
use super::fault::{Patience, Trouble};
use super::place::{Bytes, Place};
use super::remote::{Answer, Kind, Remote, Version};
use super::request::Failure;
use futures::channel::{mpsc, oneshot};
use futures::future::{LocalBoxFuture, poll_fn};
use futures::sink::SinkExt;
use futures::stream::{FuturesOrdered, StreamExt};
use std::pin::pin;
use std::task::Poll;

/// Parts that are hashed, or wait to be taken.
const AHEAD: usize = 3;

/// What comes of it, in order; all parts but the last one are of the same size.
pub(super) enum Arrival<B> {
    Part(B),
    /// The body has ended here. The answer is the file's size as its own header says it.
    End(oneshot::Sender<Option<u64>>),
    Lost(Failure),
}

/// What the parts are those of.
pub(super) struct Whole<'a, P: Place> {
    pub(super) remote: &'a Remote<'a, P>,
    pub(super) counter: &'a Counter<'a>,
    pub(super) part_bytes: usize,
    /// Who keeps what has come.
    pub(super) keep: Option<mpsc::Sender<Job<P::Bytes>>>,
}

/// The end where parts come out, and what fetches them: to be polled beside, and dropped when it is over.
pub(super) fn fetch_whole<'a, P: Place>(
    whole: Whole<'a, P>,
    first: Answer<'a, P>,
) -> (mpsc::Receiver<Arrival<P::Bytes>>, impl Future<Output = ()> + 'a) {
    let (arrivals, receiver) = mpsc::channel(AHEAD - 1);
    (receiver, fetch(whole, first, arrivals))
}

async fn fetch<'a, P: Place>(whole: Whole<'a, P>, first: Answer<'a, P>, arrivals: mpsc::Sender<Arrival<P::Bytes>>) {
    let Whole { remote, .. } = whole;
    let mut patience = Patience::new(remote.place.clock(), remote.place.tuning(), 0);
    let version = first.version.clone();
    let mut opened = Some(first);
    let mut coming = Coming {
        whole,
        version,
        arrivals,
        digests: Vec::new(),
        hashing: FuturesOrdered::new(),
        handed: 0,
        furthest: 0,
    };
    while let Err(trouble) = coming.read(opened.take(), &mut patience).await {
        if let Err(failure) = patience.after(trouble).await {
            let _ = coming.arrivals.send(Arrival::Lost(failure)).await;
            return;
        }
    }
}

/// A file on its way.
struct Coming<'a, P: Place> {
    whole: Whole<'a, P>,
    version: Version,
    arrivals: mpsc::Sender<Arrival<P::Bytes>>,
    /// Of the parts that have been handed over, as far as they are hashed.
    digests: Vec<[u8; 32]>,
    hashing: Hashing<'a>,
    /// Parts that have been handed over.
    handed: usize,
    /// Bytes that have come at least once.
    furthest: u64,
}

impl<'a, P: Place> Coming<'a, P> {
    /// One request's bytes, up to the end.
    async fn read(
        &mut self,
        opened: Option<Answer<'a, P>>,
        patience: &mut Patience<'_, P::Clock>,
    ) -> Result<(), Trouble> {
        let Whole { remote, counter, part_bytes, .. } = self.whole;
        let mut answer = match opened {
            Some(answer) => answer,
            None => remote.open(None, None, remote.place.tuning().stall_ms).await?,
        };
        if self.version.changed(&answer.version) {
            return Err(self.changed());
        }
        if answer.kind != Kind::Whole {
            return Err(Trouble::fault(format!(
                "{} is answered with a piece of the file, which nobody asked for; try another server",
                remote.shown()
            )));
        }
        let mut part: Option<P::Bytes> = None;
        let (mut filled, mut index, mut position) = (0, 0, 0_u64);
        while let Some(chunk) = beside(&mut self.hashing, &mut self.digests, answer.next()).await? {
            let mut taken = 0;
            while taken < chunk.len() {
                let room = match &mut part {
                    Some(part) => part,
                    None => part.insert(P::Bytes::room(part_bytes)?),
                };
                let piece = (part_bytes - filled).min(chunk.len() - taken);
                room.write(filled, &chunk.slice(taken..taken + piece));
                filled += piece;
                taken += piece;
                if filled == part_bytes
                    && let Some(bytes) = part.take()
                {
                    self.take(index, bytes).await?;
                    index += 1;
                    filled = 0;
                }
            }
            position = position.saturating_add(chunk.len() as u64);
            if position > self.furthest {
                counter.came(position - self.furthest);
                self.furthest = position;
                patience.renew();
            }
        }
        self.end(part.map(|part| part.slice(0..filled)), index, position, answer.version.size).await
    }

    /// A part that is whole: handed over the first time, else held against what has been.
    async fn take(&mut self, index: usize, bytes: P::Bytes) -> Result<(), Trouble> {
        if index < self.handed {
            while self.digests.len() <= index {
                self.digests.extend(self.hashing.next().await);
            }
            let sha256 = bytes.sha256().await;
            return if self.digests.get(index) == Some(&sha256) { Ok(()) } else { Err(self.changed()) };
        }
        self.handed += 1;
        while self.hashing.len() >= AHEAD {
            self.digests.extend(self.hashing.next().await);
        }
        let mut keep = self.whole.keep.clone();
        let hashed = bytes.clone();
        self.hashing.push_back(Box::pin(async move {
            let sha256 = hashed.sha256().await;
            if let Some(keep) = &mut keep {
                let _ = keep.send(Job { part: index as u64, bytes: hashed, sha256: Some(sha256) }).await;
            }
            sha256
        }));
        // Nobody waits for it where all is over.
        let _ = beside(&mut self.hashing, &mut self.digests, self.arrivals.send(Arrival::Part(bytes))).await;
        Ok(())
    }

    /// The body has ended: is it the file's end?
    async fn end(
        &mut self,
        last: Option<P::Bytes>,
        index: usize,
        position: u64,
        size: Option<u64>,
    ) -> Result<(), Trouble> {
        let Whole { remote, .. } = self.whole;
        let (sender, answer) = oneshot::channel();
        let _ = self.arrivals.send(Arrival::End(sender)).await;
        let expected = beside(&mut self.hashing, &mut self.digests, answer).await.ok().flatten();
        if let Some(size) = size.or(expected)
            && position < size
        {
            return Err(Trouble::fault(format!(
                "the download of {} broke off after {position} of {size} bytes; load again",
                remote.shown()
            )));
        }
        if index < self.handed {
            return Err(self.changed());
        }
        while let Some(digest) = self.hashing.next().await {
            self.digests.push(digest);
        }
        if let Some(bytes) = last {
            let _ = self.arrivals.send(Arrival::Part(bytes.clone())).await;
            if let Some(keep) = &mut self.whole.keep {
                let _ = keep.send(Job { part: index as u64, bytes, sha256: None }).await;
            }
        }
        Ok(())
    }

    fn changed(&self) -> Trouble {
        Failure::Changed { url: self.whole.remote.request.url.clone() }.into()
    }
}

type Hashing<'a> = FuturesOrdered<LocalBoxFuture<'a, [u8; 32]>>;

/// What `future` gives, while parts are hashed.
async fn beside<T>(hashing: &mut Hashing<'_>, digests: &mut Vec<[u8; 32]>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        while let Poll::Ready(Some(digest)) = hashing.poll_next_unpin(context) {
            digests.push(digest);
        }
        future.as_mut().poll(context)
    })
    .await
}
