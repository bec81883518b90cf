//! One file in the cache: which parts of which version are there, and whether they are still what they were.

use super::journal::{self, Head, Journal};
use super::place::{Bytes, Clock, Slot, StoreError};
use super::remote::Version;
use futures::channel::mpsc;
use futures::future::{Fuse, FusedFuture, FutureExt};
use futures::select_biased;
use futures::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::pin::pin;

/// To be sure of what is on the disk takes milliseconds: parts wait for each other so long.
const COMMIT_MS: u64 = 250;
/// Parts that are hashed at a time.
const MOST_HASHING: usize = 4;

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
    pub(super) fn reset(&self, url: &str, version: Version, part_bytes: u64, now: u64) {
        let Version { size, etag, last_modified } = version;
        let head = Head { url: url.to_owned(), part_bytes, size, etag, last_modified };
        {
            let mut state = self.state.borrow_mut();
            state.journal = Some(Journal::new(head.clone(), now));
            state.lines.clear();
        }
        self.attempt(|slot, state| {
            slot.cut_journal(0)?;
            slot.cut(0)?;
            let mut lines = journal::used_line(now);
            lines.extend(journal::head_line(&head));
            append(slot, state, &lines)
        });
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
    fn write(&self, part: u64, bytes: &S::Bytes, sha256: [u8; 32]) {
        self.attempt(|slot, state| {
            let Some(journal) = &mut state.journal else { return Ok(()) };
            slot.write(part * journal.head.part_bytes, bytes)?;
            journal.parts.insert(part, sha256);
            state.lines.extend(journal::part_line(part, &sha256));
            Ok(())
        });
    }

    /// First the data, then what says that it is there.
    fn commit(&self) {
        let lines = std::mem::take(&mut self.state.borrow_mut().lines);
        if lines.is_empty() {
            return;
        }
        self.attempt(|slot, state| {
            slot.flush()?;
            append(slot, state, &lines)
        });
    }

    /// Says that all is there; with the hash of the whole where it has been checked.
    pub(super) fn finish(&self, bytes: u64, sha256: Option<&str>) {
        self.commit();
        self.attempt(|slot, state| {
            let Some(journal) = &mut state.journal else { return Ok(()) };
            let told = journal.complete == Some(bytes) && (sha256.is_none() || journal.sha256.as_deref() == sha256);
            if told || !journal.holds(bytes) {
                return Ok(());
            }
            journal.complete = Some(bytes);
            slot.cut(bytes)?;
            slot.flush()?;
            append(slot, state, &journal::complete_line(bytes, sha256))
        });
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
        let mut state = self.state.borrow_mut();
        if let Err(error) = write(&self.slot, &mut state) {
            state.failed.get_or_insert(error);
        }
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
    let mut hashing = FuturesUnordered::new();
    // Between the first part that is written and the word that it is there.
    let mut pause = pin!(Fuse::terminated());
    let mut open = true;
    loop {
        if open && hashing.len() < MOST_HASHING {
            select_biased! {
                job = jobs.next() => match job {
                    Some(job) => hashing.push(hashed(job)),
                    None => open = false,
                },
                (part, bytes, sha256) = hashing.select_next_some() => {
                    entry.write(part, &bytes, sha256);
                    if pause.is_terminated() {
                        pause.set(clock.sleep(COMMIT_MS).fuse());
                    }
                }
                () = pause => entry.commit(),
            }
        } else if hashing.is_empty() {
            return;
        } else {
            select_biased! {
                (part, bytes, sha256) = hashing.select_next_some() => entry.write(part, &bytes, sha256),
                () = pause => entry.commit(),
            }
        }
    }
}

async fn hashed<B: Bytes>(job: Job<B>) -> (u64, B, [u8; 32]) {
    let Job { part, bytes, sha256 } = job;
    let sha256 = match sha256 {
        Some(sha256) => sha256,
        None => bytes.sha256().await,
    };
    (part, bytes, sha256)
}

struct Commit<'a, S: Slot>(&'a Entry<S>);

impl<S: Slot> Drop for Commit<'_, S> {
    fn drop(&mut self) {
        self.0.commit();
    }
}
