//! What goes wrong on the way, and how often it is tried again.

use super::place::Clock;
use super::request::{Failure, Tuning};
use crate::Error;

/// What a request ended with.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The next one may do better.
    Fault(Fault),
    /// The next one will not.
    Final(Failure),
}

/// A request that failed in a way that the next one may not.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: String,
    /// What the server asked for.
    pub(super) wait_ms: u64,
    /// There was no answer at all: perhaps a wrong address, or one that the page may not read.
    pub(super) unreachable: bool,
}

impl Trouble {
    /// A fault that says nothing of when to come back.
    pub(super) fn fault(reason: String) -> Self {
        Trouble::Fault(Fault { reason, wait_ms: 0, unreachable: false })
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Final(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Final(error.into())
    }
}

/// Decides how often and how soon to try again. One for each thing that is tried.
pub(super) struct Patience<'a, C> {
    clock: &'a C,
    tuning: &'a Tuning,
    unreachable_tries: u32,
    failures: u32,
    /// Two that fail together do not come back together: other fractions of the pause, evenly spread.
    spread: f64,
}

impl<'a, C: Clock> Patience<'a, C> {
    /// `number` is another one for each of those that may fail together.
    pub(super) fn new(clock: &'a C, tuning: &'a Tuning, number: u64) -> Self {
        let golden = 0.618_033_988_749_895;
        let spread = (number as f64 * golden + clock.now().fract().abs()).fract();
        Patience { clock, tuning, unreachable_tries: tuning.tries, failures: 0, spread }
    }

    /// For the first request of all: a wrong address should be told soon.
    pub(super) fn first(clock: &'a C, tuning: &'a Tuning) -> Self {
        Patience { unreachable_tries: tuning.first_tries, ..Patience::new(clock, tuning, 0) }
    }

    /// Bytes came.
    pub(super) fn renew(&mut self) {
        self.failures = 0;
    }

    /// Ready when it is time for the next try; an error for what will not pass, or has been tried often enough.
    pub(super) async fn after(&mut self, trouble: Trouble) -> Result<(), Failure> {
        let Fault { reason, wait_ms, unreachable } = match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Final(failure) => return Err(failure),
        };
        let tuning = self.tuning;
        if wait_ms > tuning.longest_wait_ms {
            let seconds = wait_ms.div_ceil(1000);
            let reason = format!(
                "{reason}; the server asks to wait {seconds} s: load again then, what has come is kept where there is a cache"
            );
            return Err(Error::Network { reason }.into());
        }
        self.failures += 1;
        if self.failures >= if unreachable { self.unreachable_tries } else { tuning.tries } {
            return Err(Error::Network { reason: format!("{reason} (tried {} times)", self.failures) }.into());
        }
        let doublings = (self.failures - 1).min(32);
        let backoff = tuning.backoff_ms.saturating_mul(1 << doublings).min(tuning.most_backoff_ms);
        let backoff = (backoff as f64 * (0.5 + self.spread / 2.0)) as u64;
        self.spread = (self.spread + 0.618_033_988_749_895).fract();
        self.clock.sleep(backoff.max(wait_ms)).await;
        Ok(())
    }
}
