//! What both sides touch: jobs that wait, and how the engine stands. Nobody computes while he has the lock.
//!
//! A job is prepared (its prompt written and cut into tokens, its form compiled) where it stands in the queue, so that one that is
//! refused is refused at once, and one that takes long to prepare keeps nobody waiting.

use super::job::{Busy, Embed, Embeddings, Event, Failure, Job, Why};
use super::prepare::Prepared;
use super::{Limits, Stats};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// A job as it comes.
pub(super) enum Raw {
    Answer(Box<Job>, mpsc::UnboundedSender<Event>),
    Embed(Embed, oneshot::Sender<Result<Embeddings, Failure>>),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Cancelled,
    Failed,
}

enum Stage {
    Raw(Raw),
    InPreparation,
    Ready(Prepared),
}

impl Stage {
    /// Whether nobody waits for it any more, as far as that can be told.
    fn is_cancelled(&self) -> bool {
        match self {
            Stage::Raw(Raw::Answer(_, events)) => events.is_closed(),
            Stage::Raw(Raw::Embed(_, whole)) => whole.is_closed(),
            Stage::InPreparation => false,
            Stage::Ready(job) => job.is_cancelled(),
        }
    }
}

/// Jobs that wait.
pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    /// Something has changed.
    changed: Condvar,
    /// Nothing waits, and nothing is under way.
    idle: Notify,
}

#[derive(Default)]
struct State {
    /// In the order in which they came, with a number each.
    waiting: VecDeque<(u64, Stage)>,
    number: u64,
    stopped: bool,
    stats: Stats,
    /// How long a job is under way, of late.
    mean: Option<Duration>,
    /// When the newest of those under way was taken.
    taken: Option<Instant>,
}

impl State {
    fn purge(&mut self) {
        let before = self.waiting.len();
        self.waiting.retain(|(_, stage)| !stage.is_cancelled());
        self.stats.cancelled += (before - self.waiting.len()) as u64;
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.stats.running == 0
    }

    /// A guess after how many seconds there is a place again.
    fn retry_after(&self, parallel: usize) -> Duration {
        // The `openai` clients keep to a minute at most.
        const MOST: f64 = 60.0;
        let of_late = self.mean.or_else(|| self.taken.map(|taken| taken.elapsed())).unwrap_or_default();
        // By then half of those who wait have begun, and others have come who were sent away too.
        let turns = (self.waiting.len() as f64 / 2.0 + 1.0) / parallel as f64;
        Duration::from_secs((of_late.as_secs_f64() * turns).ceil().clamp(1.0, MOST) as u64)
    }
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Queue { limits, state: Mutex::default(), changed: Condvar::new(), idle: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it holds is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, or says when to come again.
    pub(super) fn push(&self, job: Raw) -> Result<(), Busy> {
        let mut state = self.state();
        state.purge();
        let (parallel, waiting) = (self.limits.parallel, state.waiting.len());
        let why = if state.stats.ending || state.stopped {
            Why::Ending
        } else if waiting + state.stats.running >= parallel + self.limits.queue {
            Why::QueueIsFull { waiting }
        } else {
            state.number += 1;
            let number = state.number;
            state.waiting.push_back((number, Stage::Raw(job)));
            self.changed.notify_all();
            return Ok(());
        };
        state.stats.refused += 1;
        Err(Busy { retry_after: state.retry_after(parallel), why })
    }

    /// Takes a job that is prepared already.
    #[cfg(test)]
    pub(super) fn push_prepared(&self, job: Prepared) {
        let mut state = self.state();
        state.number += 1;
        let number = state.number;
        state.waiting.push_back((number, Stage::Ready(job)));
        self.changed.notify_all();
    }

    /// Waits for a job to prepare, which has a number; none when it is over.
    pub(super) fn next_to_prepare(&self) -> Option<(u64, Raw)> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            state.purge();
            let raw = state.waiting.iter_mut().find(|(_, stage)| matches!(stage, Stage::Raw(_)));
            if let Some((number, stage)) = raw
                && let Stage::Raw(job) = std::mem::replace(stage, Stage::InPreparation)
            {
                return Some((*number, job));
            }
            state = self.wait(state);
        }
    }

    /// The job of that number is prepared, or has been refused.
    pub(super) fn prepared(&self, number: u64, job: Option<Prepared>) {
        let mut state = self.state();
        match (state.waiting.iter().position(|(other, _)| *other == number), job) {
            (Some(at), Some(job)) => state.waiting[at].1 = Stage::Ready(job),
            (Some(at), None) => {
                state.waiting.remove(at);
                state.stats.failed += 1;
            }
            // It is over.
            (None, Some(job)) => job.fail(Failure::Stopped),
            (None, None) => {}
        }
        self.changed.notify_all();
    }

    /// The first job that is ready, if it `fits`; with `wait` as soon as there is one.
    ///
    /// # Errors
    /// [`Failure::Stopped`] when it is over.
    pub(super) fn take(&self, wait: bool, fits: impl Fn(&Prepared) -> bool) -> Result<Option<Prepared>, Failure> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return Err(Failure::Stopped);
            }
            state.purge();
            let first = state.waiting.iter().position(|(_, stage)| matches!(stage, Stage::Ready(_)));
            let fitting = first.filter(|at| matches!(&state.waiting[*at].1, Stage::Ready(job) if fits(job)));
            if let Some((_, Stage::Ready(job))) = fitting.and_then(|at| state.waiting.remove(at)) {
                state.stats.running += 1;
                state.taken = Some(Instant::now());
                return Ok(Some(job));
            }
            if state.is_idle() {
                self.idle.notify_waiters();
            }
            if !wait {
                return Ok(None);
            }
            state = self.wait(state);
        }
    }

    /// A job that was under way has ended, which it was for so long.
    pub(super) fn ended(&self, outcome: Outcome, lasted: Duration) {
        let mut state = self.state();
        state.stats.running -= 1;
        match outcome {
            Outcome::Done => state.stats.done += 1,
            Outcome::Cancelled => state.stats.cancelled += 1,
            Outcome::Failed => state.stats.failed += 1,
        }
        // The last few count.
        state.mean = Some(state.mean.map_or(lasted, |mean| (mean * 7 + lasted) / 8));
        if state.is_idle() {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.state().stats);
    }

    pub(super) fn stats(&self) -> Stats {
        let mut state = self.state();
        state.purge();
        Stats { waiting: state.waiting.len(), ending: state.stats.ending || state.stopped, ..state.stats }
    }

    pub(super) async fn drain(&self) {
        let idle = self.idle.notified();
        tokio::pin!(idle);
        // From here on it hears.
        idle.as_mut().enable();
        {
            let mut state = self.state();
            state.stats.ending = true;
            state.purge();
            if state.stopped || state.is_idle() {
                return;
            }
            // The engine may sleep though all that waited has been cancelled.
            self.changed.notify_all();
        }
        idle.await;
    }

    /// Ends all: what waits is told so.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        for (_, stage) in state.waiting.drain(..) {
            match stage {
                Stage::Raw(Raw::Answer(_, events)) => drop(events.send(Event::Failed(Failure::Stopped))),
                Stage::Raw(Raw::Embed(_, whole)) => drop(whole.send(Err(Failure::Stopped))),
                // Who prepares it finds it gone, and tells.
                Stage::InPreparation => {}
                Stage::Ready(job) => job.fail(Failure::Stopped),
            }
        }
        self.changed.notify_all();
        self.idle.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_sent_away_is_told_a_sensible_time() {
        let with = |mean: Option<u64>, waiting: u64| State {
            waiting: (0..waiting).map(|number| (number, Stage::InPreparation)).collect(),
            mean: mean.map(Duration::from_secs),
            ..State::default()
        };
        let seconds = |state: State, parallel| state.retry_after(parallel).as_secs();
        // Nobody knows yet.
        assert_eq!(seconds(with(None, 8), 2), 1);
        assert_eq!(seconds(with(Some(8), 6), 2), 16);
        assert_eq!(seconds(with(Some(8), 6), 4), 8);
        assert_eq!(seconds(with(Some(0), 6), 2), 1);
        assert_eq!(seconds(with(Some(3600), 64), 1), 60);
    }

    #[test]
    fn the_mean_follows_what_lasts_longer() {
        let limits = Limits { parallel: 1, queue: 1, memory: 0, session: Default::default() };
        let queue = Queue::new(limits);
        let mut means = Vec::new();
        for seconds in [1, 9, 9] {
            queue.state().stats.running += 1;
            queue.ended(Outcome::Done, Duration::from_secs(seconds));
            means.extend(queue.state().mean);
        }
        assert_eq!(means, [Duration::from_secs(1), Duration::from_secs(2), Duration::from_millis(2875)]);
        assert_eq!((queue.stats().done, queue.stats().running), (3, 0));
    }
}
