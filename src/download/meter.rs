//! Progress as a person reads it: not too often, with a rate over the last seconds and the time that is left.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Between two reports of one phase.
const EVERY_MS: f64 = 100.0;
/// The rate is that of so long.
const WINDOW_MS: f64 = 3000.0;
/// A rate from less time than this says nothing.
const RATE_AFTER_MS: f64 = 250.0;

/// What a load is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Phase {
    /// The engine itself comes.
    Engine,
    /// What the cache has is read and checked.
    Verify,
    /// Bytes come from the network, or from whoever gives them.
    Download,
    /// The last touches.
    Load,
    /// What answers of a form need, where a load was asked to wait for it.
    Formats,
    /// Done.
    Ready,
}

/// One part of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PartNumber {
    /// Counted from 0.
    pub index: usize,
    /// Of all.
    pub count: usize,
}

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct LoadProgress {
    /// What it is at.
    pub phase: Phase,
    /// Bytes so far, of all parts.
    pub loaded: u64,
    /// Bytes in all; absent while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// 0 to 1; absent exactly when `total` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Over the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
    /// Until this phase ends, at that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// These bytes come from the cache.
    pub cached: bool,
    /// Which part of a split model this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartNumber>,
}

impl LoadProgress {
    /// The model is ready, out of so many bytes.
    pub(crate) fn ready(bytes: u64, cached: bool) -> Self {
        LoadProgress { cached, ..LoadProgress::of(Phase::Ready, bytes, Some(bytes)) }
    }

    /// So many bytes of a phase, at no known rate.
    pub(crate) fn of(phase: Phase, loaded: u64, total: Option<u64>) -> Self {
        // A length that has been passed was wrong.
        let total = total.filter(|total| *total > 0 && loaded <= *total);
        LoadProgress {
            phase,
            loaded,
            total,
            fraction: total.map(|total| loaded as f64 / total as f64),
            bytes_per_second: None,
            seconds_left: None,
            cached: false,
            part: None,
        }
    }
}

/// Turns counts of bytes into reports: at most ten a second, and one at the end of each phase.
#[derive(Debug, Default)]
pub struct Meter {
    phase: Option<Phase>,
    reported_at: f64,
    /// When so many bytes were there.
    samples: VecDeque<(f64, u64)>,
}

impl Meter {
    /// None yet.
    pub fn new() -> Self {
        Meter::default()
    }

    /// What to report at `now`, in milliseconds, if anything.
    pub fn update(&mut self, now: f64, phase: Phase, loaded: u64, total: Option<u64>) -> Option<LoadProgress> {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.samples.clear();
        } else if total != Some(loaded) && now - self.reported_at < EVERY_MS {
            return None;
        }
        self.reported_at = now;
        self.samples.push_back((now, loaded));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(at, _)| now - at > WINDOW_MS) {
            self.samples.pop_front();
        }
        let progress = LoadProgress::of(phase, loaded, total);
        let rate = self.samples.front().and_then(|(at, before)| {
            let ms = now - at;
            (ms >= RATE_AFTER_MS).then(|| loaded.saturating_sub(*before) as f64 / ms * 1000.0)
        });
        let seconds = rate.filter(|rate| *rate > 0.0).zip(progress.total);
        let seconds_left = seconds.map(|(rate, total)| (total - loaded) as f64 / rate);
        Some(LoadProgress { bytes_per_second: rate, seconds_left, ..progress })
    }
}
