//! Operating-system threads around one gate.

use super::gate::Gate;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

/// A fixed set of threads that run [`tasks`](Pool::run) together with the calling one.
pub struct Pool {
    gate: Arc<Gate>,
    workers: Vec<JoinHandle<()>>,
    active: AtomicUsize,
    note: Option<String>,
}

impl Pool {
    /// `threads` in all, the calling one among them. Where the system gives fewer, the pool works with those and
    /// [`note`](Self::note) says why.
    pub fn new(threads: usize) -> Self {
        let mut pool =
            Pool { gate: Arc::new(Gate::new()), workers: Vec::new(), active: AtomicUsize::new(0), note: None };
        // 1024 is far below what the gate can count and above any processor this runs on.
        for i in 1..threads.clamp(1, 1024) {
            let gate = Arc::clone(&pool.gate);
            match std::thread::Builder::new().name(format!("b158-{i}")).spawn(move || gate.work()) {
                Ok(handle) => pool.workers.push(handle),
                Err(e) => {
                    pool.note = Some(format!("{} threads instead of {threads}: {e}", pool.workers.len() + 1));
                    break;
                }
            }
        }
        pool.active = AtomicUsize::new(pool.threads());
        pool
    }

    /// How many threads take part, the calling one included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// How many of them are used: all, unless [`set_active`](Self::set_active) said otherwise.
    pub fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// Uses so many threads from now on, 1 to all.
    pub fn set_active(&self, threads: usize) {
        let threads = threads.clamp(1, self.threads());
        self.active.store(threads, Relaxed);
        self.gate.limit(threads - 1, self.workers.len());
    }

    /// Why there are fewer threads than asked for.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Calls `task` with each of `0..tasks` once, on any thread, and returns when all calls have. A second caller
    /// at the same time runs its tasks by itself. A panic in a task reaches the caller.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return (0..tasks).for_each(task);
        }
        self.gate.run(tasks, task);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.gate.quit();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
