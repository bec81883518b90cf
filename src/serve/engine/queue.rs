//! Jobs that wait, and how the engine's thread stands: all that both sides touch. Nobody computes while he has the lock.

use super::job::{Busy, Embed, Embeddings, Event, Failure, Job, Prompt, Why};
use super::{Limits, Stats};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

pub(super) enum Work {
    Answer(Box<Job>, mpsc::UnboundedSender<Event>),
    Embed(Embed, oneshot::Sender<Result<Embeddings, Failure>>),
    Tokenize(Prompt, oneshot::Sender<Result<Vec<u32>, Failure>>),
}

impl Work {
    /// Whether nobody waits for it any more.
    fn is_cancelled(&self) -> bool {
        match self {
            Work::Answer(_, events) => events.is_closed(),
            Work::Embed(_, whole) => whole.is_closed(),
            Work::Tokenize(_, whole) => whole.is_closed(),
        }
    }
}

pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    /// There is work, or it is over.
    more: Condvar,
    /// Nothing is under way.
    idle: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    stopped: bool,
    stats: Stats,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Queue { limits, state: Mutex::default(), more: Condvar::new(), idle: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it holds is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, work: Work) -> Result<(), Busy> {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|work| !work.is_cancelled());
        state.stats.cancelled += (before - state.waiting.len()) as u64;
        let waiting = state.waiting.len();
        let why = match () {
            () if state.stats.ending || state.stopped => Why::Ending,
            () if waiting >= self.limits.queue => Why::QueueIsFull { waiting },
            () => {
                state.waiting.push_back(work);
                self.more.notify_all();
                return Ok(());
            }
        };
        state.stats.refused += 1;
        Err(Busy { retry_after: Duration::from_secs(1), why })
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.state();
        Stats { waiting: state.waiting.len(), ..state.stats }
    }

    /// The next work, if there is some; with `wait` as soon as there is. None when it is over, too.
    pub(super) fn pop(&self, wait: bool) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(work) = state.waiting.pop_front() {
                if work.is_cancelled() {
                    state.stats.cancelled += 1;
                    continue;
                }
                state.stats.running += 1;
                return Some(work);
            }
            if state.stats.running == 0 {
                self.idle.notify_waiters();
            }
            if !wait {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.state().stats);
    }

    pub(super) async fn drain(&self) {
        let idle = self.idle.notified();
        tokio::pin!(idle);
        idle.as_mut().enable();
        {
            let mut state = self.state();
            state.stats.ending = true;
            if state.stopped || state.waiting.is_empty() && state.stats.running == 0 {
                return;
            }
        }
        idle.await;
    }

    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.waiting.clear();
        self.more.notify_all();
        self.idle.notify_waiters();
    }
}
