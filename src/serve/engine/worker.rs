//! The thread that computes: all talks together, a pass after the other, with a look at the world in between.
//!
//! A prompt that begins as another talk does, kept or under way, takes keys and values from that by copy: some milliseconds for what
//! takes as many seconds to compute. One that begins as a prompt does that is being read waits for it, so that nothing is
//! computed twice.

use super::job::Failure;
use super::kept::{FEWEST, Kept, shared};
use super::prepare::Prepared;
use super::queue::{Outcome, Queue};
use super::talk::{After, Ended, Running};
use super::{Limits, Stats};
use b158::Error;
use b158::model::{DEFAULT_BATCH, Loaded};
use b158::session::{Session, SessionOptions, Step, Together, TogetherOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long prompts are read before the next look. A layer is never cut.
const SLICE: Duration = Duration::from_millis(40);

/// The engine's thread.
pub(super) struct Worker {
    loaded: Arc<Loaded>,
    queue: Arc<Queue>,
    limits: Limits,
    /// Made anew after a panic.
    together: Option<Together>,
    /// Of what sessions are like.
    blank: Session,
    running: Vec<Running>,
    /// When the job was taken that is not among them yet.
    begins: Option<Instant>,
    kept: Kept,
    /// Jobs so far.
    number: u64,
    /// The next prompt tokens are those of the oldest job, else those of the one that has least to read.
    oldest_first: bool,
}

impl Worker {
    pub(super) fn new(loaded: Arc<Loaded>, queue: Arc<Queue>, limits: Limits) -> b158::Result<Self> {
        let together = together(&loaded, limits)?;
        let blank = together.session(limits.session)?;
        Ok(Worker {
            loaded,
            queue,
            limits,
            together: Some(together),
            blank,
            running: Vec::new(),
            begins: None,
            kept: Kept::default(),
            number: 0,
            oldest_first: true,
        })
    }

    /// What had to be decided and a user should know, one sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.blank.note().map(str::to_owned).into_iter().collect();
        let (parallel, full, memory) = (self.limits.parallel, self.blank.cache().bytes_when_full(), self.limits.memory);
        if full.saturating_mul(parallel as u64) > memory {
            let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
            notes.push(format!(
                "a talk of {} tokens takes {} MB of memory, {parallel} side by side may take more than the {} MB that talks are to \
                 have: those that are long may wait for each other",
                self.blank.context(),
                megabytes(full),
                megabytes(memory),
            ));
        }
        notes
    }

    /// Works until it is over.
    pub(super) fn run(mut self) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => return self.fail_all(&failure),
                Err(_) => {
                    // Nothing that it may have left half done is used again.
                    self.together = None;
                    self.kept = Kept::default();
                    let began = self.begins.take();
                    let was_idle = self.running.is_empty() && began.is_none();
                    if let Some(began) = began {
                        self.queue.ended(Outcome::Failed, began.elapsed());
                    }
                    self.fail_all(&Failure::fault());
                    if was_idle {
                        // It would do so again.
                        return self.queue.stop();
                    }
                }
            }
        }
    }

    /// Looks at the world, and computes for a while.
    fn turn(&mut self) -> Result<(), Failure> {
        if self.queue.is_stopped() {
            return Err(Failure::Stopped);
        }
        for at in (0..self.running.len()).rev() {
            if self.running[at].is_cancelled() {
                self.end(at, Ended { outcome: Outcome::Cancelled, keep: true });
            }
        }
        while self.running.len() < self.limits.parallel {
            let room = self.limits.memory.saturating_sub(self.running_bytes(0));
            let fits = |job: &Prepared| self.blank.cache().bytes_for(job.tokens()) <= room;
            let is_idle = self.running.is_empty();
            match self.queue.take(is_idle, |job| is_idle || self.limits.memory == 0 || fits(job))? {
                Some(job) => {
                    self.begins = Some(Instant::now());
                    self.begin(job);
                }
                None => break,
            }
        }
        self.step();
        self.publish();
        Ok(())
    }

    /// Says how much memory there is in talks.
    fn publish(&self) {
        let (kept_talks, kept_bytes, running_bytes) = (self.kept.len(), self.kept.bytes(), self.running_bytes(0));
        self.queue.count(|stats| *stats = Stats { kept_talks, kept_bytes, running_bytes, ..*stats });
    }

    /// Begins a job.
    fn begin(&mut self, job: Prepared) {
        let began = Instant::now();
        self.number += 1;
        let options = self.limits.session;
        let fresh = self.together().and_then(|together| together.session(options));
        let running = match (fresh, job) {
            (Err(error), job) => {
                self.begins = None;
                self.queue.ended(Outcome::Failed, began.elapsed());
                return job.fail(error.into());
            }
            (Ok(fresh), Prepared::Talk(talk)) => {
                Running::talk(self.session_for(&talk.prompt, fresh), self.number, *talk)
            }
            (Ok(fresh), Prepared::Embed(texts)) => Running::embed(fresh, self.number, texts),
        };
        let (at, ended) = (self.running.len(), running.ended());
        self.running.push(running);
        self.begins = None;
        match ended {
            Some(outcome) => self.end(at, Ended { outcome, keep: true }),
            None => {
                self.catch_up(at);
                self.running[at].tell_begun();
            }
        }
    }

    /// The kept talk that goes on with this prompt, or the fresh session. One that goes on otherwise stays as it is, where there is
    /// room for both: what they share is copied.
    fn session_for(&mut self, prompt: &[u32], fresh: Session) -> Session {
        let Some((at, shared)) = self.kept.best(prompt) else { return fresh };
        let cache = self.kept.get(at).cache();
        let goes_on = cache.len() < shared + FEWEST;
        let both = self.running_bytes(0) + cache.bytes() + cache.bytes_for(prompt.len());
        if goes_on || both > self.limits.memory {
            return self.kept.take(at);
        }
        self.kept.touch(at);
        fresh
    }

    /// Takes what others have read of a job's prompt, or lets it wait for one that is about to read it.
    fn catch_up(&mut self, at: usize) {
        if !self.running[at].is_talk() {
            return;
        }
        let prompt = &self.running[at].prompt;
        let others = self.running.iter().enumerate().filter(|(other, running)| *other != at && running.is_talk());
        let read = others.clone().map(|(other, running)| (shared(running.session.tokens(), prompt), other)).max();
        let kept = self.kept.best(prompt);
        let copied = match (read, kept) {
            (Some((shared, other)), kept) if kept.is_none_or(|kept| kept.1 < shared) => {
                match self.running.get_disjoint_mut([at, other]) {
                    Ok([running, other]) => running.session.read_from(&other.session),
                    Err(_) => Ok(0),
                }
            }
            (_, Some((kept, _))) => self.running[at].session.read_from(self.kept.get(kept)),
            (_, None) => Ok(0),
        };
        if copied.is_err() {
            // What can't be copied is computed, where there is memory for that.
            self.kept = Kept::default();
        }
        let Running { number, prompt, session, .. } = &self.running[at];
        let have = session.tokens().len();
        let older = self.running.iter().filter(|other| other.number < *number && !other.is_read && other.is_talk());
        let after = older.map(|other| After {
            number: other.number,
            // Its last token is computed in any case.
            tokens: shared(&other.prompt, prompt).min(prompt.len() - 1),
        });
        self.running[at].after = after.max_by_key(|after| after.tokens).filter(|after| after.tokens >= have + FEWEST);
    }

    /// Computes a pass, or a slice of one.
    fn step(&mut self) {
        self.release();
        let oldest = self.running.iter().filter(|running| !running.is_read).map(|running| running.number).min();
        let oldest = oldest.filter(|_| self.oldest_first);
        self.running.sort_by_key(|running| {
            let unread = if Some(running.number) == oldest { 0 } else { running.unread() };
            (running.after.is_some(), !running.is_read, unread, running.number)
        });
        let count = self.running.iter().filter(|running| running.after.is_none()).count();
        if count == 0 {
            return;
        }
        self.kept.shrink_to(self.limits.memory.saturating_sub(self.running_bytes(DEFAULT_BATCH)));
        if let Err(error) = self.together() {
            return self.fail_all(&error.into());
        }
        let Some(together) = &mut self.together else { return };
        let begun = Instant::now();
        let running = &mut self.running[..count];
        let read = |running: &[Running]| running.iter().map(Running::unread).sum::<usize>();
        let before = read(running);
        let mut sessions: Vec<&mut Session> = running.iter_mut().map(|running| &mut running.session).collect();
        let steps = together.step(&mut sessions, SLICE);
        let seconds = begun.elapsed().as_secs_f64();
        self.oldest_first ^= read(running) < before;
        let tokens = steps.iter().filter(|step| matches!(step, Ok(Step::Token { .. }))).count();
        let is_out = steps.iter().any(|step| matches!(step, Err(Error::OutOfMemory { .. })));
        let ended: Vec<_> =
            steps.into_iter().zip(running).map(|(step, running)| running.stepped(step, together)).collect();
        self.queue.count(|stats| {
            stats.completion_tokens += tokens as u64;
            if tokens > 0 {
                stats.decode_passes += 1;
                stats.decode_seconds += seconds;
            } else {
                stats.prefill_seconds += seconds;
            }
        });
        for (at, ended) in ended.into_iter().enumerate().rev() {
            if let Some(ended) = ended {
                self.end(at, ended);
            }
        }
        if is_out {
            self.kept = Kept::default();
        }
    }

    /// Lets those go on that have waited for others.
    fn release(&mut self) {
        for at in 0..self.running.len() {
            let Some(After { number, tokens }) = self.running[at].after else { continue };
            let other = self.running.iter().find(|other| other.number == number);
            if other.is_none_or(|other| other.is_read || other.session.tokens().len() >= tokens) {
                self.catch_up(at);
            }
        }
    }

    /// A job has ended. It is counted before it is told.
    fn end(&mut self, at: usize, ended: Ended) {
        let running = self.running.remove(at);
        let (prompt_tokens, cached_tokens) = running.read();
        let (lasted, keep) = (running.began.elapsed(), ended.keep && running.is_talk());
        let (session, work) = running.into_parts();
        if keep {
            self.kept.put(session);
            self.kept.shrink_to(self.limits.memory.saturating_sub(self.running_bytes(0)));
        }
        self.publish();
        self.queue.count(|stats| {
            stats.prompt_tokens += prompt_tokens as u64;
            stats.cached_tokens += cached_tokens as u64;
        });
        self.queue.ended(ended.outcome, lasted);
        work.tell_end();
    }

    fn fail_all(&mut self, failure: &Failure) {
        for at in (0..self.running.len()).rev() {
            self.running[at].fail(failure.clone());
            self.end(at, Ended { outcome: Outcome::Failed, keep: false });
        }
    }

    fn together(&mut self) -> b158::Result<&mut Together> {
        match &mut self.together {
            Some(together) => Ok(together),
            none => Ok(none.insert(together(&self.loaded, self.limits)?)),
        }
    }

    /// Bytes of talks under way when each has read so many tokens more.
    fn running_bytes(&self, more: usize) -> u64 {
        let bytes = |running: &Running| {
            let cache = running.session.cache();
            cache.bytes_for(cache.len() + more).max(cache.bytes())
        };
        self.running.iter().map(bytes).sum()
    }
}

fn together(loaded: &Arc<Loaded>, limits: Limits) -> b158::Result<Together> {
    let SessionOptions { batch, tune_threads, .. } = limits.session;
    let options = TogetherOptions { batch, tune_threads, ..Default::default() };
    Together::new(Arc::clone(loaded), options)
}
