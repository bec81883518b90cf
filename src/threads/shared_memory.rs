//! Web workers around one gate in shared memory.
//!
//! Rust can't start a thread here: the page starts web workers with the same module and memory, and each of them calls
//! [`join`], then [`work`], from which it never returns. Before the first pool is made the page waits for those that come.
//!
//! No worker is ever ended while the engine goes on. It could hold the allocator's lock at that moment, and everybody
//! would wait for it for ever. One that comes late is refused and ends itself, one that never comes is never waited for
//! (the gate waits only for those inside a job), and one that traps inside a job takes the whole engine with it: the page
//! hears of that while the engine is still waiting, and ends them all, since memory after a trap can't be trusted.

use super::gate::Gate;
use std::sync::atomic::{AtomicUsize, Ordering::*};

static GATE: Gate = Gate::new();
/// How many workers have joined, and whether more may.
static JOINED: AtomicUsize = AtomicUsize::new(0);
const CLOSED: usize = 1 << 31;

/// Counts the calling worker in. False: it has come too late and must not [`work`].
pub(crate) fn join() -> bool {
    JOINED.fetch_update(SeqCst, SeqCst, |joined| (joined & CLOSED == 0).then_some(joined + 1)).is_ok()
}

/// The life of a worker that has joined. Never called by the engine's own thread.
pub(crate) fn work() {
    GATE.work();
}

/// The calling worker and those that have joined.
pub struct Pool {
    threads: usize,
    active: AtomicUsize,
}

impl Pool {
    /// For `threads` above 1: the calling thread and all workers that have joined, of which the page started as many as
    /// were wanted. The first such pool lets nobody else in.
    pub fn new(threads: usize) -> Self {
        if threads < 2 {
            return Pool { threads: 1, active: AtomicUsize::new(1) };
        }
        let threads = 1 + (JOINED.fetch_or(CLOSED, SeqCst) & !CLOSED);
        Pool { threads, active: AtomicUsize::new(threads) }
    }

    /// How many threads take part, the calling one included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How many of them are used: all, unless [`set_active`](Self::set_active) said otherwise.
    pub fn active(&self) -> usize {
        self.active.load(SeqCst)
    }

    /// Uses so many threads from now on, 1 to all.
    pub fn set_active(&self, threads: usize) {
        let threads = threads.clamp(1, self.threads);
        self.active.store(threads, SeqCst);
        if self.threads > 1 {
            GATE.limit(threads - 1, self.threads - 1);
        }
    }

    /// Nothing: why a worker did not come is known to the page alone.
    pub fn note(&self) -> Option<&str> {
        None
    }

    /// Calls `task` with each of `0..tasks` once, on any thread, and returns when all calls have. A second caller
    /// at the same time runs its tasks by itself.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if self.threads == 1 {
            return (0..tasks).for_each(task);
        }
        GATE.run(tasks, task);
    }
}
