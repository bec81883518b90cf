//! No threads: the pool that a wasm module without shared memory has.

/// Runs tasks in order on the calling thread.
#[derive(Debug, Default)]
pub struct Pool;

impl Pool {
    /// A pool of one, whatever is asked for: see [`note`](Self::note).
    pub fn new(_threads: usize) -> Self {
        Pool
    }

    /// How many threads take part: one.
    pub fn threads(&self) -> usize {
        1
    }

    /// Why there are fewer threads than asked for.
    pub fn note(&self) -> Option<&str> {
        Some("this module has no shared memory: one thread")
    }

    /// Calls `task` with `0..tasks`, in order.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}
