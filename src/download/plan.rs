//! What is to be done for a file: read it from the cache, go on with what is there of it, or begin.

use super::address::is_immutable;
use super::entry::Entry;
use super::fault::{Patience, Trouble};
use super::hub::{self, Expected, Word, is_of_git};
use super::journal::{MOST_PART_BYTES, key_of};
use super::place::{Clock, Place, Store, StoreError, Transport};
use super::ranges::Missing;
use super::remote::{Answer, Kind, Remote, Version};
use super::request::{CacheMode, Failure, Request};
use crate::Error;
use std::ops::Range;

/// What earlier engines cut a file into: a download that one of them began is gone on with.
const EARLIER_PART_BYTES: u64 = 1 << 20;

/// Bytes of a file that a hub lets git hold.
const MOST_IN_GIT: u64 = 10 << 20;

pub(super) type PlaceEntry<P> = Entry<<<P as Place>::Store as Store>::Slot>;

/// With the first answer where the network is needed: it is on its way already.
pub(super) enum Plan<'a, P: Place> {
    Cached { size: u64 },
    Ranges { size: u64, version: Version, answer: Answer<'a, P> },
    Whole { answer: Answer<'a, P> },
}

/// A file that is to be had, and its place in the cache.
pub(super) struct Planner<'a, P: Place> {
    pub(super) place: &'a P,
    pub(super) request: &'a Request,
    pub(super) entry: Option<PlaceEntry<P>>,
    pub(super) notes: Vec<String>,
    /// What the file must be, as far as anybody has said it.
    pub(super) expected: Expected,
    /// Why the hub says no SHA-256 of it; empty where it has been asked for none yet.
    no_word: Option<String>,
    /// It is one that git holds itself: then there is none.
    in_git: bool,
}

impl<'a, P: Place> Planner<'a, P> {
    pub(super) fn new(place: &'a P, request: &'a Request) -> Self {
        let expected = request.expected();
        Planner { place, request, entry: None, notes: Vec::new(), expected, no_word: None, in_git: false }
    }

    /// Bytes of each part but the last: of a file in the cache, those that it was cut into.
    pub(super) fn part_bytes(&self) -> u64 {
        let head = self.entry.as_ref().and_then(Entry::head);
        head.map_or_else(|| self.own_part_bytes(), |head| head.part_bytes)
    }

    fn own_part_bytes(&self) -> u64 {
        (self.place.tuning().part_bytes as u64).clamp(1, MOST_PART_BYTES)
    }

    /// Decides, and asks the server where that takes it.
    pub(super) async fn plan<'r>(&mut self, remote: &'r Remote<'r, P>) -> Result<Plan<'r, P>, Failure> {
        self.entry = self.open_entry().await?;
        let Request { offline, url, .. } = self.request;
        let complete = self.entry.as_ref().and_then(Entry::complete);
        let settled = *offline || complete.is_some() && is_immutable(url);
        if !settled && !self.place.transport().sees_redirects() {
            self.ask_hub(remote).await;
        }
        if let Some(entry) = &self.entry {
            let (sha256, known) = (&self.expected.sha256, entry.sha256());
            let same = sha256.is_some() && known == *sha256;
            let other = sha256.is_some() && known.is_some() && !same;
            if let Some(size) = complete.filter(|size| !other && self.expected.may_have(*size)) {
                if settled || same || self.is_current(remote).await {
                    return Ok(Plan::Cached { size });
                }
            } else if *offline {
                return Err(self.not_cached().into());
            }
        }
        if let Some(sha256) = self.expected.sha256.as_deref().filter(|_| self.request.cross_origin_storage) {
            remote.look_for(sha256);
        }
        if complete.is_none()
            && let Some(plan) = self.resume(remote).await?
        {
            return Ok(plan);
        }
        if let Some(busy) = self.busy() {
            self.entry = None;
            self.uncached(&busy)?;
        }
        let part_bytes = self.own_part_bytes();
        let run_parts = self.place.tuning().run_parts_of(part_bytes);
        let answer = self.ask(remote, Some(0..run_parts.saturating_mul(part_bytes))).await?;
        self.heed(&answer, remote).await;
        if let (Kind::Range(0), Some(size)) = (answer.kind, answer.version.size) {
            let version = answer.version.clone();
            self.start_entry(&version).await?;
            return Ok(Plan::Ranges { size, version, answer });
        }
        let answer = if answer.kind == Kind::Whole {
            answer
        } else {
            drop(answer);
            self.ask(remote, None).await?
        };
        if answer.kind != Kind::Whole {
            let reason = format!(
                "{} is answered with a piece of the file, which nobody asked for; try another server",
                remote.shown()
            );
            return Err(Error::Network { reason }.into());
        }
        self.start_entry(&answer.version).await?;
        Ok(Plan::Whole { answer })
    }

    async fn open_entry(&mut self) -> Result<Option<PlaceEntry<P>>, Failure> {
        if self.request.cache == CacheMode::Off {
            return Ok(None);
        }
        let key = key_of(&self.request.url);
        let now = self.place.clock().since_1970();
        let opened = async { Entry::open(self.place.store().await?.open(&key).await?, now).await };
        match opened.await {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => {
                self.uncached(&error)?;
                if self.request.offline { Err(self.not_cached().into()) } else { Ok(None) }
            }
        }
    }

    /// Goes on with what is there of a file, if the server still has the same.
    async fn resume<'r>(&mut self, remote: &'r Remote<'r, P>) -> Result<Option<Plan<'r, P>>, Failure> {
        let Some(entry) = &self.entry else { return Ok(None) };
        let Some(head) = entry.head() else { return Ok(None) };
        let (there, version) = (entry.parts(), head.version());
        let usual = [self.own_part_bytes(), EARLIER_PART_BYTES].contains(&head.part_bytes);
        let Some(size) = head.size.filter(|_| !there.is_empty() && usual) else { return Ok(None) };
        // Without a version to compare only the hash of the whole can tell.
        if !version.is_recognizable() && self.expected.sha256.is_none() {
            return Ok(None);
        }
        let mut missing = Missing::new(&there, size.div_ceil(head.part_bytes));
        let Some(Range { start, end }) = missing.next(u64::MAX, self.place.tuning().run_parts_of(head.part_bytes))
        else {
            return Ok(self.is_current(remote).await.then_some(Plan::Cached { size }));
        };
        let start = start * head.part_bytes;
        let answer = self.ask(remote, Some(start..size.min(end.saturating_mul(head.part_bytes)))).await?;
        self.heed(&answer, remote).await;
        let same = answer.version.size == Some(size) && !version.changed(&answer.version);
        if answer.kind != Kind::Range(start) || !same {
            return Ok(None);
        }
        self.check_room(size.saturating_sub((there.len() as u64).saturating_mul(head.part_bytes))).await?;
        let Version { etag, last_modified, .. } = answer.version.clone();
        let version = Version {
            size: Some(size),
            etag: version.etag.or(etag),
            last_modified: version.last_modified.or(last_modified),
        };
        Ok(Some(Plan::Ranges { size, version, answer }))
    }

    /// Asks the server, but not for long: where it can't be had, what is in the cache is good enough.
    async fn is_current(&mut self, remote: &Remote<'_, P>) -> bool {
        let head = self.entry.as_ref().and_then(Entry::head);
        let Some(head) = head else { return false };
        let trouble = match remote.open(Some(0..1), None, self.place.tuning().ask_ms).await {
            // Not even the same ETag makes up for another size.
            Ok(Answer { version, linked, .. }) => {
                if let Some(linked) = linked.filter(|_| self.expected.sha256.is_none()) {
                    let same = self.entry.as_ref().and_then(Entry::sha256).map(|known| known == linked);
                    self.hub_says(linked);
                    if let Some(same) = same {
                        return same;
                    }
                }
                let size = version.size.is_none_or(|size| head.size.is_none_or(|before| before == size));
                return size && !head.version().changed(&version);
            }
            Err(Trouble::Fault(fault)) => fault.reason,
            Err(Trouble::Final(failure)) => failure.to_string(),
        };
        self.notes.push(format!("from the cache; whether the server has a newer one could not be asked ({trouble})"));
        true
    }

    /// What the hub says in its answer to the first request; where it says nothing there, its pointer to the file.
    async fn heed(&mut self, answer: &Answer<'_, P>, remote: &Remote<'_, P>) {
        if !self.request.hub || self.expected.sha256.is_some() {
            return;
        }
        if let Some(sha256) = &answer.linked {
            self.hub_says(sha256.clone());
            return;
        }
        // What it gives away itself and is small is no file that it has elsewhere.
        let is_small = answer.version.size.is_some_and(|size| size < MOST_IN_GIT);
        let is_own = self.place.transport().sees_redirects() && !remote.is_elsewhere();
        self.in_git |= is_small && is_own || answer.version.etag.as_deref().is_some_and(is_of_git);
        self.ask_hub(remote).await;
        if let Some(why) = self.no_word.take() {
            let url = remote.shown();
            self.notes.push(format!("{url} was not held against its SHA-256: the hub did not say it ({why})"));
        }
    }

    fn hub_says(&mut self, sha256: String) {
        self.expected = Expected { sha256: Some(sha256), by_hub: true, size: self.expected.size };
    }

    /// Asks it once, where that makes sense.
    async fn ask_hub(&mut self, remote: &Remote<'_, P>) {
        if !self.request.hub || self.in_git || self.no_word.is_some() || self.expected.sha256.is_some() {
            return;
        }
        match hub::ask(remote).await {
            Ok(Word::Pointer { sha256, size }) => {
                self.expected =
                    Expected { sha256: Some(sha256), size: self.expected.size.or(Some(size)), by_hub: true };
            }
            Ok(Word::InGit) => self.in_git = true,
            Err(why) => self.no_word = Some(why),
        }
    }

    async fn ask<'r>(&self, remote: &'r Remote<'r, P>, range: Option<Range<u64>>) -> Result<Answer<'r, P>, Failure> {
        let tuning = self.place.tuning();
        let mut patience = Patience::first(self.place.clock(), tuning);
        loop {
            match remote.open(range.clone(), None, tuning.stall_ms).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => patience.after(trouble).await?,
            }
        }
    }

    async fn start_entry(&mut self, version: &Version) -> Result<(), Failure> {
        let part_bytes = self.own_part_bytes();
        let Some(entry) = &self.entry else { return Ok(()) };
        entry.reset(&self.request.url, version.clone(), part_bytes, self.place.clock().since_1970()).await;
        self.check_room(version.size.unwrap_or(0)).await
    }

    async fn check_room(&self, bytes: u64) -> Result<(), Failure> {
        let Ok(store) = self.place.store().await else { return Ok(()) };
        let (Some(entry), Some(room)) = (&self.entry, store.room().await) else { return Ok(()) };
        if room >= bytes {
            return Ok(());
        }
        let reason = format!("{} are needed, and there is room for {}", megabytes(bytes), megabytes(room));
        let reason = StoreError::Quota(reason);
        if self.request.cache == CacheMode::Required {
            return Err(required(&reason).into());
        }
        entry.give_up(reason);
        Ok(())
    }

    /// Somebody else writes there.
    pub(super) fn busy(&self) -> Option<StoreError> {
        let entry = self.entry.as_ref().filter(|entry| !entry.writable() && entry.failed().is_none())?;
        Some(StoreError::Other(format!("{} is downloading it", entry.occupant())))
    }

    /// It goes on without the cache, and says why; unless the cache was required.
    pub(super) fn uncached(&mut self, reason: &StoreError) -> Result<(), Failure> {
        if self.request.cache == CacheMode::Required {
            return Err(required(reason).into());
        }
        self.notes.push(format!("not kept in the cache: {reason}"));
        Ok(())
    }

    fn not_cached(&self) -> Error {
        let url = super::address::shown(&self.request.url);
        let reason =
            format!("{url} is not whole in the cache, and offline was asked for: load it once with a connection");
        Error::Network { reason }
    }
}

/// The cache was required.
pub(super) fn required(reason: &StoreError) -> Error {
    match reason {
        StoreError::Quota(reason) => Error::Quota { reason: reason.clone() },
        StoreError::Other(reason) => Error::Storage { reason: reason.clone() },
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
