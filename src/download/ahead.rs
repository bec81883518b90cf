//! Parts out of the cache: the next ones are read and hashed while the one before is on its way into the engine.

use super::entry::Entry;
use super::place::Slot;
use futures::future::{FutureExt, LocalBoxFuture, MaybeDone, maybe_done, poll_fn};
use std::collections::VecDeque;
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll};

/// Parts that are read and hashed at a time, besides the one that has been.
const AHEAD: usize = 3;

/// The parts that were there from the start, in order, each held against its hash.
pub(super) struct Ahead<'a, S: Slot> {
    entry: &'a Entry<S>,
    size: u64,
    part_bytes: u64,
    /// Those that are not under way yet.
    rest: &'a [u64],
    reading: VecDeque<Reading<'a, S::Bytes>>,
}

struct Reading<'a, B> {
    part: u64,
    /// Or the hash that it had, where it is not what it was.
    bytes: MaybeDone<LocalBoxFuture<'a, Result<B, [u8; 32]>>>,
}

impl<'a, S: Slot> Ahead<'a, S> {
    /// Of the parts `there` of a file of `size` bytes.
    pub(super) fn new(entry: &'a Entry<S>, there: &'a [u64], size: u64, part_bytes: u64) -> Self {
        let mut ahead = Ahead { entry, size, part_bytes, rest: there, reading: VecDeque::new() };
        ahead.fill();
        ahead
    }

    fn fill(&mut self) {
        while self.reading.len() < AHEAD
            && let Some((part, rest)) = self.rest.split_first()
        {
            self.rest = rest;
            let Range { start, end } = span(*part, self.part_bytes, self.size);
            let entry = self.entry;
            let part = *part;
            let read = async move { entry.read(part, (end - start) as usize).await };
            self.reading.push_back(Reading { part, bytes: maybe_done(read.boxed_local()) });
        }
    }

    /// Whether the next one is this.
    pub(super) fn is_next(&self, part: u64) -> bool {
        self.reading.front().is_some_and(|next| next.part == part)
    }

    /// The next one, which there is; or the hash that it had, where it is not what it was.
    pub(super) async fn take(&mut self) -> Result<S::Bytes, [u8; 32]> {
        poll_fn(|context| {
            self.poll(context);
            let done = self.reading.front().is_none_or(|next| matches!(next.bytes, MaybeDone::Done(_)));
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let next = self.reading.pop_front();
        self.fill();
        match next.map(|next| next.bytes) {
            Some(MaybeDone::Done(bytes)) => bytes,
            _ => Err([0; 32]),
        }
    }

    /// What `future` gives, while parts are read. They come first: what is begun goes on beside a push that takes its time.
    pub(super) async fn beside<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            self.poll(context);
            future.as_mut().poll(context)
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        for reading in &mut self.reading {
            let _ = reading.bytes.poll_unpin(context);
        }
    }
}

/// The bytes of a part.
pub(super) fn span(part: u64, part_bytes: u64, size: u64) -> Range<u64> {
    let start = part.saturating_mul(part_bytes).min(size);
    start..start.saturating_add(part_bytes).min(size)
}
