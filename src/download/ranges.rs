//! Missing parts of a file, fetched by several requests at a time.
//!
//! A request asks for a run of parts. Requests run ahead of whoever takes the parts by `connections` runs and one, which bounds the
//! memory and holds the network back while the engine is behind.

use super::counter::Counter;
use super::entry::Job;
use super::fault::{Patience, Trouble};
use super::place::{Bytes, Place};
use super::remote::{Answer, Kind, Remote, Version};
use super::request::Failure;
use futures::channel::mpsc;
use futures::future::FutureExt;
use futures::select_biased;
use futures::sink::SinkExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::ops::Range;

/// More are of no use to anybody.
const MOST_CONNECTIONS: usize = 64;

/// What the parts are those of.
pub(super) struct Ranges<'a, P: Place> {
    pub(super) remote: &'a Remote<'a, P>,
    pub(super) counter: &'a Counter<'a>,
    pub(super) size: u64,
    pub(super) version: Version,
    pub(super) part_bytes: u64,
    /// Parts that nobody need fetch, in order.
    pub(super) there: &'a [u64],
    /// Who hashes and keeps what has come.
    pub(super) keep: Option<mpsc::Sender<Job<P::Bytes>>>,
}

/// What whoever takes the parts says.
enum Word {
    /// One is taken.
    Taken,
    /// This one is missing too.
    Wanted(u64),
}

/// What comes of a request.
enum Arrival<B> {
    Part(u64, B),
    /// It was given up.
    Lost(Range<u64>, Failure),
}

/// Where the parts come out, in any order.
pub(super) struct Taker<B> {
    words: mpsc::UnboundedSender<Word>,
    arrivals: mpsc::UnboundedReceiver<Arrival<B>>,
    ready: HashMap<u64, B>,
    lost: Vec<(Range<u64>, Failure)>,
}

impl<B> Taker<B> {
    /// A part, once. One that is not among the missing is asked for at once where `wanted`.
    pub(super) async fn take(&mut self, part: u64, wanted: bool) -> Result<B, Failure> {
        if wanted {
            self.say(Word::Wanted(part));
        }
        loop {
            if let Some(bytes) = self.ready.remove(&part) {
                self.say(Word::Taken);
                return Ok(bytes);
            }
            if let Some((_, failure)) = self.lost.iter().find(|(run, _)| run.contains(&part)) {
                return Err(failure.clone());
            }
            match self.arrivals.next().await {
                Some(Arrival::Part(part, bytes)) => drop(self.ready.insert(part, bytes)),
                Some(Arrival::Lost(run, failure)) => self.lost.push((run, failure)),
                // Whoever fetches is polled as long as this is.
                None => futures::future::pending().await,
            }
        }
    }

    fn say(&self, word: Word) {
        // Nobody hears it where all is over.
        let _ = self.words.unbounded_send(word);
    }
}

/// The end where parts come out, and what fetches them: to be polled beside, and dropped when it is over. `first` is an answer that has
/// been opened for the first of the missing parts; without one nothing is fetched but what is wanted.
pub(super) fn fetch_parts<'a, P: Place>(
    ranges: Ranges<'a, P>,
    first: Option<Answer<'a, P>>,
) -> (Taker<P::Bytes>, impl Future<Output = ()> + 'a) {
    let (words, heard) = mpsc::unbounded();
    let (sender, arrivals) = mpsc::unbounded();
    (Taker { words, arrivals, ready: HashMap::new(), lost: Vec::new() }, fetch(ranges, first, heard, sender))
}

async fn fetch<'a, P: Place>(
    ranges: Ranges<'a, P>,
    mut first: Option<Answer<'a, P>>,
    mut words: mpsc::UnboundedReceiver<Word>,
    arrivals: mpsc::UnboundedSender<Arrival<P::Bytes>>,
) {
    let tuning = ranges.remote.place.tuning();
    let connections = ranges.remote.request.connections.clamp(1, MOST_CONNECTIONS);
    let run_parts = tuning.run_parts_of(ranges.part_bytes);
    let most = (connections as u64 + 1) * run_parts;
    let mut missing = first.as_ref().map(|_| Missing::new(ranges.there, ranges.count()));
    let mut fetching = FuturesUnordered::new();
    let mut number = 0;
    // Connections that have given up are counted too: they are not replaced, and what waits for their parts hears of it.
    let mut active = 0;
    let mut untaken = 0;
    let begin = |run: Range<u64>, number, first| {
        let fetch = run_of(&ranges, run.clone(), number, first, arrivals.clone());
        fetch.map(move |outcome| (run, outcome))
    };
    loop {
        while active < connections
            && let Some(missing) = &mut missing
            && let Some(run) = missing.next(most.saturating_sub(untaken), run_parts)
        {
            active += 1;
            number += 1;
            untaken += run.end - run.start;
            fetching.push(begin(run, number, first.take()));
        }
        select_biased! {
            word = words.next() => match word {
                Some(Word::Taken) => untaken = untaken.saturating_sub(1),
                Some(Word::Wanted(part)) => {
                    active += 1;
                    number += 1;
                    untaken += 1;
                    fetching.push(begin(part..part + 1, number, None));
                }
                None => return,
            },
            (run, outcome) = fetching.select_next_some() => match outcome {
                Ok(()) => active -= 1,
                Err(failure) => {
                    let _ = arrivals.unbounded_send(Arrival::Lost(run, failure));
                }
            },
        }
    }
}

/// One run, by as many requests as it takes.
async fn run_of<'a, P: Place>(
    ranges: &Ranges<'a, P>,
    run: Range<u64>,
    number: u64,
    mut opened: Option<Answer<'a, P>>,
    arrivals: mpsc::UnboundedSender<Arrival<P::Bytes>>,
) -> Result<(), Failure> {
    let Ranges { remote, .. } = ranges;
    let mut patience = Patience::new(remote.place.clock(), remote.place.tuning(), number);
    let mut coming = Coming {
        ranges,
        position: run.start * ranges.part_bytes,
        end: ranges.size.min(run.end.saturating_mul(ranges.part_bytes)),
        part: None,
        arrivals,
        keep: ranges.keep.clone(),
    };
    while coming.position < coming.end {
        if let Err(trouble) = coming.read(opened.take(), &mut patience).await {
            patience.after(trouble).await?;
        }
    }
    Ok(())
}

/// A run on its way.
struct Coming<'r, 'a, P: Place> {
    ranges: &'r Ranges<'a, P>,
    /// Of the next byte.
    position: u64,
    end: u64,
    /// The part at hand, as far as it has come: a further request goes on within it.
    part: Option<P::Bytes>,
    arrivals: mpsc::UnboundedSender<Arrival<P::Bytes>>,
    keep: Option<mpsc::Sender<Job<P::Bytes>>>,
}

impl<'a, P: Place> Coming<'_, 'a, P> {
    /// One request's bytes.
    async fn read(
        &mut self,
        opened: Option<Answer<'a, P>>,
        patience: &mut Patience<'_, P::Clock>,
    ) -> Result<(), Trouble> {
        let Ranges { remote, version, .. } = self.ranges;
        let mut answer = match opened {
            Some(answer) => answer,
            None => {
                let range = self.position..self.end;
                remote.open(Some(range), Some(version), remote.place.tuning().stall_ms).await?
            }
        };
        self.check(&answer)?;
        while let Some(chunk) = answer.next().await? {
            let wanted = usize::try_from(self.end - self.position).unwrap_or(usize::MAX).min(chunk.len());
            if wanted > 0 {
                patience.renew();
            }
            self.ranges.counter.came(wanted as u64);
            self.take(&chunk.slice(0..wanted)).await?;
            if self.position == self.end {
                return Ok(());
            }
        }
        Err(Trouble::fault(format!("{} gave fewer bytes than it was asked for; load again", remote.shown())))
    }

    fn check(&self, answer: &Answer<'_, P>) -> Result<(), Trouble> {
        let Ranges { remote, version, size, .. } = self.ranges;
        if answer.kind != Kind::Unclear && version.changed(&answer.version) {
            return Err(Failure::Changed { url: remote.request.url.clone() }.into());
        }
        if answer.kind == Kind::Range(self.position) && answer.version.size == Some(*size) {
            return Ok(());
        }
        Err(Trouble::fault(format!(
            "{} gave other bytes than it was asked for; load again, or ask whoever runs the server whether it knows byte ranges",
            remote.shown()
        )))
    }

    /// Puts bytes into their parts, and hands over what is whole.
    async fn take(&mut self, chunk: &P::Bytes) -> Result<(), Trouble> {
        let Ranges { part_bytes, size, .. } = self.ranges;
        let mut taken = 0;
        while taken < chunk.len() {
            let index = self.position / part_bytes;
            let start = index * part_bytes;
            let at = (self.position - start) as usize;
            let part = match &mut self.part {
                Some(part) => part,
                None => self.part.insert(P::Bytes::room((size - start).min(*part_bytes) as usize)?),
            };
            let piece = (part.len() - at).min(chunk.len() - taken);
            part.write(at, &chunk.slice(taken..taken + piece));
            taken += piece;
            self.position += piece as u64;
            if at + piece == part.len()
                && let Some(bytes) = self.part.take()
            {
                // Nobody waits for it where all is over.
                let _ = self.arrivals.unbounded_send(Arrival::Part(index, bytes.clone()));
                if let Some(keep) = &mut self.keep {
                    let _ = keep.send(Job { part: index, bytes, sha256: None }).await;
                }
            }
        }
        Ok(())
    }
}

impl<P: Place> Ranges<'_, P> {
    /// Parts in all.
    fn count(&self) -> u64 {
        self.size.div_ceil(self.part_bytes)
    }
}

/// Runs of parts that are not there, one after the other: a list of all could be as long as a server likes.
pub(super) struct Missing<'a> {
    there: &'a [u64],
    next: u64,
    count: u64,
}

impl<'a> Missing<'a> {
    pub(super) fn new(there: &'a [u64], count: u64) -> Self {
        Missing { there, next: 0, count }
    }

    /// The next run of at most `run_parts`; `None` where there is none, or it is longer than `room`.
    pub(super) fn next(&mut self, room: u64, run_parts: u64) -> Option<Range<u64>> {
        while let Some((first, rest)) = self.there.split_first()
            && *first <= self.next
        {
            self.next = self.next.max(first + 1);
            self.there = rest;
        }
        let stop = self.there.first().copied().unwrap_or(self.count).min(self.count);
        let run = self.next..stop.min(self.next.saturating_add(run_parts));
        if run.is_empty() || run.end - run.start > room {
            return None;
        }
        self.next = run.end;
        Some(run)
    }
}
