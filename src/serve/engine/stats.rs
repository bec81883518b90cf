//! Counts for /metrics and /health.

/// How the engine stands. Counters begin at 0 and only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Stats {
    /// Jobs that wait.
    pub(crate) waiting: usize,
    /// Jobs under way.
    pub(crate) running: usize,
    /// It takes no more jobs.
    pub(crate) ending: bool,
    /// Counter: jobs that came to their end.
    pub(crate) done: u64,
    /// Counter: jobs whose client went.
    pub(crate) cancelled: u64,
    /// Counter: jobs that failed, by the request's fault or another.
    pub(crate) failed: u64,
    /// Counter: jobs that were not taken.
    pub(crate) refused: u64,
    /// Counter: tokens of prompts.
    pub(crate) prompt_tokens: u64,
    /// Counter: of these, those that a kept talk had.
    pub(crate) cached_tokens: u64,
    /// Counter: tokens generated.
    pub(crate) completion_tokens: u64,
    /// Counter: passes in which tokens were generated. Several talks share one.
    pub(crate) decode_passes: u64,
    /// Counter: seconds of reading prompts.
    pub(crate) prefill_seconds: f64,
    /// Counter: seconds of generating.
    pub(crate) decode_seconds: f64,
    /// Talks that are kept.
    pub(crate) kept_talks: usize,
    /// Bytes of their KV caches.
    pub(crate) kept_bytes: u64,
    /// Bytes of the KV caches of talks under way.
    pub(crate) running_bytes: u64,
}
