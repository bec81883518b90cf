//! How far a file is, for whoever wants to know.

use super::request::Progress;
use std::cell::{Cell, RefCell};

/// Between two reports.
const EVERY_MS: f64 = 50.0;

/// Counts what comes, and reports it.
pub(super) struct Counter<'a> {
    report: RefCell<&'a mut dyn FnMut(Progress)>,
    now: &'a dyn Fn() -> f64,
    /// Nothing is told before the sink has begun.
    pub(super) begun: Cell<bool>,
    reported_at: Cell<f64>,
    loaded: Cell<u64>,
    pub(super) total: Cell<Option<u64>>,
    /// What the sink says of the file's size.
    pub(super) expected: Cell<Option<u64>>,
    /// What is read comes from the cache.
    pub(super) cached: Cell<bool>,
    /// Some has come from the network.
    pub(super) from_network: Cell<bool>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(Progress), now: &'a dyn Fn() -> f64) -> Self {
        Counter {
            report: RefCell::new(report),
            now,
            begun: Cell::new(false),
            reported_at: Cell::new(f64::NEG_INFINITY),
            loaded: Cell::new(0),
            total: Cell::new(None),
            expected: Cell::new(None),
            cached: Cell::new(false),
            from_network: Cell::new(false),
        }
    }

    /// So many bytes came from the network.
    pub(super) fn came(&self, bytes: u64) {
        self.from_network.set(true);
        self.read(bytes);
        self.tell(false);
    }

    /// So many bytes came from the cache.
    pub(super) fn read(&self, bytes: u64) {
        self.loaded.set(self.loaded.get().saturating_add(bytes));
    }

    pub(super) fn tell(&self, last: bool) {
        let now = (self.now)();
        if !self.begun.get() || (!last && now - self.reported_at.get() < EVERY_MS) {
            return;
        }
        self.reported_at.set(now);
        let total = self.total.get().or(self.expected.get());
        (self.report.borrow_mut())(Progress { loaded: self.loaded.get(), total, cached: self.cached.get() });
    }
}
