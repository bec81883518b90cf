//! No threads: the pool that a wasm module without shared memory has.

/// Runs tasks in order on the calling thread.
pub struct Pool;

impl Pool {
    /// A pool of one, whatever is asked for.
    pub fn new(_threads: usize) -> Self {
        Pool
    }

    /// How many threads take part: one.
    pub fn threads(&self) -> usize {
        1
    }

    /// How many of them are used: one.
    pub fn active(&self) -> usize {
        1
    }

    /// Changes nothing.
    pub fn set_active(&self, _threads: usize) {}

    /// Nothing: why this module was chosen is known to the page alone.
    pub fn note(&self) -> Option<&str> {
        None
    }

    /// Calls `task` with `0..tasks`, in order.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}
