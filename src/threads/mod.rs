//! One pool for every target: hands tasks out in small pieces and returns when all are done.
//!
//! A token needs some two hundred matrix products, so a fork and a join must cost about a microsecond: workers
//! spin for a moment before they sleep. Tasks are claimed one at a time from a shared counter, and a worker
//! that the operating system has put aside before it joined is not waited for, so another busy process slows a
//! run down by no more than the work it takes. Which thread does a task never changes the result.
//!
//! Where there are no threads (wasm without shared memory) the pool has one, and runs the tasks in order.
//!
//! Next: [`tokenizer`](crate::tokenizer), where text becomes what the model reads.
#![allow(unsafe_code)]

mod beside;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod gate;
#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
#[cfg_attr(all(target_family = "wasm", target_feature = "atomics"), path = "shared_memory.rs")]
#[cfg_attr(all(target_family = "wasm", not(target_feature = "atomics")), path = "single.rs")]
mod pool;
mod split;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod sync;
mod tuner;

pub(crate) use beside::Beside;
pub use pool::Pool;
#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
pub(crate) use pool::{join, work};
pub use split::Columns;
pub(crate) use split::Parts;
pub use tuner::Tuner;

impl Default for Pool {
    /// A pool of the calling thread alone.
    fn default() -> Self {
        Pool::new(1)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).field("note", &self.note()).finish()
    }
}

#[cfg(test)]
mod tests;
