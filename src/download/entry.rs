//! One file in the cache: which parts of which version are there, and whether they are still what they were.

use super::journal::{self, Head, Journal};
use super::place::{Bytes, Clock, Slot, StoreError};
use super::remote::Version;
use futures::channel::mpsc;
use futures::future::{Fuse, FusedFuture, FutureExt, pending};
use futures::select_biased;
use futures::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::pin::pin;

/// To be sure of what is on the disk takes milliseconds: parts wait for each other so long.
const COMMIT_MS: u64 = 250;
/// Parts that are hashed and written at a time.
const MOST_WRITING: usize = 4;

/// The place of one file, with what its journal says.
pub(super) struct Entry<S: Slot> {
    slot: S,
    state: RefCell<State>,
}

struct State {
    journal: Option<Journal>,
    /// Why nothing more is written.
    failed: Option<StoreError>,
    /// Lines of parts that are written, but not yet said to be there.
    lines: Vec<u8>,
}

/// A part that has come, with its hash where somebody has it already.
pub(super) struct Job<B> {
    pub(super) part: u64,
    pub(super) bytes: B,
    pub(super) sha256: Option<[u8; 32]>,
}

impl<S: Slot> Entry<S> {
    /// `now` is in milliseconds since 1970.
    pub(super) async fn open(slot: S, now: u64) -> Result<Self, StoreError> {
        let bytes = slot.read_journal().await?;
        let journal = Journal::read(&bytes);
        let sound = journal.as_ref().map(|journal| journal.length);
        let entry = Entry { slot, state: RefCell::new(State { journal, failed: None, lines: Vec::new() }) };
        if let Some(sound) = sound {
            entry.attempt(|slot, _| {
                slot.write_journal(0, &journal::used_line(now))?;
                // What a crash has left behind the last sound line would follow the next one.
                if sound < bytes.len() as u64 { slot.cut_journal(sound) } else { Ok(()) }
            });
        }
        Ok(entry)
    }

    pub(super) fn writable(&self) -> bool {
        self.slot.writable() && self.state.borrow().failed.is_none()
    }

    /// Who writes there, where this entry can't.
    pub(super) fn occupant(&self) -> &'static str {
        self.slot.occupant()
    }

    /// Why nothing more is written, if so.
    pub(super) fn failed(&self) -> Option<StoreError> {
        self.state.borrow().failed.clone()
    }

    pub(super) fn head(&self) -> Option<Head> {
        self.state.borrow().journal.as_ref().map(|journal| journal.head.clone())
    }

    /// Bytes in all, if every one is there.
    pub(super) fn complete(&self) -> Option<u64> {
        self.state.borrow().journal.as_ref()?.complete
    }

    /// Of the whole, as somebody has checked it.
    pub(super) fn sha256(&self) -> Option<String> {
        self.state.borrow().journal.as_ref()?.sha256.clone()
    }

    /// Those that are there, in order.
    pub(super) fn parts(&self) -> Vec<u64> {
        self.state.borrow().journal.as_ref().map_or_else(Vec::new, |journal| journal.parts.keys().copied().collect())
    }

    /// How many are there.
    pub(super) fn count(&self) -> u64 {
        self.state.borrow().journal.as_ref().map_or(0, |journal| journal.parts.len() as u64)
    }

    /// Writes no more, for this reason.
    pub(super) fn give_up(&self, reason: StoreError) {
        self.state.borrow_mut().failed.get_or_insert(reason);
    }

    /// Begins anew, with another version.
    pub(super) async fn reset(&self, url: &str, version: Version, part_bytes: u64, now: u64) {
        let Version { size, etag, last_modified } = version;
        let head = Head { url: url.to_owned(), part_bytes, size, etag, last_modified };
        {
            let mut state = self.state.borrow_mut();
            state.journal = Some(Journal::new(head.clone(), now));
            state.lines.clear();
        }
        self.attempt(|slot, _| slot.cut_journal(0));
        if self.writable() && self.noted(self.slot.cut(0).await).is_some() {
            let mut lines = journal::used_line(now);
            lines.extend(journal::head_line(&head));
            self.attempt(|slot, state| append(slot, state, &lines));
        }
    }

    /// A part that is there, if it is still what was written; else the hash that it had.
    pub(super) async fn read(&self, part: u64, len: usize) -> Result<S::Bytes, [u8; 32]> {
        let (at, sha256) = {
            let state = self.state.borrow();
            let known = |journal: &Journal| Some((part * journal.head.part_bytes, *journal.parts.get(&part)?));
            state.journal.as_ref().and_then(known).ok_or([0; 32])?
        };
        // An error: somebody has deleted it, or writes there.
        if let Ok(bytes) = self.slot.read(at, len).await
            && bytes.len() == len
            && bytes.sha256().await == sha256
        {
            return Ok(bytes);
        }
        if let Some(journal) = &mut self.state.borrow_mut().journal {
            journal.lose(part);
        }
        self.attempt(|slot, state| append(slot, state, &journal::lost_line(part)));
        Err(sha256)
    }

    /// Writes a part down; [`commit`](Self::commit) says that it is there.
    async fn write(&self, job: Job<S::Bytes>) {
        let Job { part, bytes, sha256 } = job;
        let Some(head) = self.head().filter(|_| self.writable()) else { return };
        let Some(sha256) = self.noted(self.slot.write(part * head.part_bytes, &bytes, sha256).await) else { return };
        let state = &mut *self.state.borrow_mut();
        if let Some(journal) = &mut state.journal {
            journal.parts.insert(part, sha256);
            state.lines.extend(journal::part_line(part, &sha256));
        }
    }

    fn has_uncommitted(&self) -> bool {
        !self.state.borrow().lines.is_empty()
    }

    /// First the data, then what says that it is there.
    async fn commit(&self) {
        let written = self.state.borrow().lines.len();
        if written > 0 && self.writable() && self.noted(self.slot.flush().await).is_some() {
            // Parts that were written meanwhile may not be on the disk yet.
            let lines: Vec<u8> = self.state.borrow_mut().lines.drain(..written).collect();
            self.attempt(|slot, state| append(slot, state, &lines));
        }
    }

    /// Says that all is there; with the hash of the whole where it has been checked.
    pub(super) async fn finish(&self, bytes: u64, sha256: Option<&str>) {
        self.commit().await;
        if !self.writable() || !self.completes(bytes, sha256) {
            return;
        }
        let cut = async {
            self.slot.cut(bytes).await?;
            self.slot.flush().await
        };
        if self.noted(cut.await).is_some() {
            self.attempt(|slot, state| append(slot, state, &journal::complete_line(bytes, sha256)));
        }
    }

    /// Whether that all is there is news.
    fn completes(&self, bytes: u64, sha256: Option<&str>) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(journal) = &mut state.journal else { return false };
        let told = journal.complete == Some(bytes) && (sha256.is_none() || journal.sha256.as_deref() == sha256);
        if told || !journal.holds(bytes) {
            return false;
        }
        journal.complete = Some(bytes);
        true
    }

    pub(super) async fn remove(self) {
        if self.slot.writable() {
            // What can't be deleted can't be helped: the next load begins anew, or is refused by its hash.
            let _ = self.slot.remove().await;
        }
    }

    /// A cache that can't be written is no cache, and no reason to stop.
    fn attempt(&self, write: impl FnOnce(&S, &mut State) -> Result<(), StoreError>) {
        if !self.writable() {
            return;
        }
        let written = write(&self.slot, &mut self.state.borrow_mut());
        self.noted(written);
    }

    fn noted<T>(&self, outcome: Result<T, StoreError>) -> Option<T> {
        outcome.map_err(|error| self.give_up(error)).ok()
    }
}

fn append<S: Slot>(slot: &S, state: &mut State, lines: &[u8]) -> Result<(), StoreError> {
    let Some(journal) = &mut state.journal else { return Ok(()) };
    slot.write_journal(journal.length, lines)?;
    journal.length += lines.len() as u64;
    slot.flush_journal()
}

/// Hashes the parts that come and writes them down, until all senders are gone and all is on the disk. A part that waits for its
/// place here holds back whoever fetches the next ones.
pub(super) async fn keep_parts<S: Slot, C: Clock>(
    entry: &Entry<S>,
    mut jobs: mpsc::Receiver<Job<S::Bytes>>,
    clock: &C,
) {
    // A future that is dropped has no other moment; so little is lost even then.
    let _last = Commit(entry);
    let mut writing = FuturesUnordered::new();
    // Between the first part that is written and the word that it is there.
    let mut pause = pin!(Fuse::terminated());
    let mut committing = pin!(Fuse::terminated());
    let mut open = true;
    while open || !writing.is_empty() {
        if entry.has_uncommitted() && pause.is_terminated() && committing.is_terminated() {
            pause.set(clock.sleep(COMMIT_MS).fuse());
        }
        let room = open && writing.len() < MOST_WRITING;
        let mut job = pin!(async { if room { jobs.next().await } else { pending().await } }.fuse());
        select_biased! {
            () = pause => committing.set(entry.commit().fuse()),
            () = committing => {}
            job = job => match job {
                Some(job) => writing.push(entry.write(job)),
                None => open = false,
            },
            () = writing.select_next_some() => {}
        }
    }
    if !committing.is_terminated() {
        committing.await;
    }
    entry.commit().await;
}

struct Commit<'a, S: Slot>(&'a Entry<S>);

impl<S: Slot> Drop for Commit<'_, S> {
    fn drop(&mut self) {
        // Where another thread would have to be waited for, the next load fetches these parts again.
        let _ = self.0.commit().now_or_never();
    }
}
