//! One pool for every target: hands tasks out in small pieces and returns when all are done.
//!
//! A token needs some two hundred matrix products, so a fork and a join must cost about a microsecond: workers
//! spin for a moment before they sleep. Tasks are claimed one at a time from a shared counter, and a worker
//! that the operating system has put aside before it joined is not waited for, so another busy process slows a
//! run down by no more than the work it takes. Which thread does a task never changes the result.
//!
//! Where there are no threads (wasm without shared memory) the pool has one, and runs the tasks in order.
#![allow(unsafe_code)]

#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
#[cfg_attr(target_family = "wasm", path = "single.rs")]
mod pool;
mod split;

pub use pool::Pool;
pub use split::Columns;

#[cfg(test)]
mod tests;
