//! The system's time.

use b158::download::Clock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time as it passes.
pub(crate) struct SystemClock {
    begun: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        SystemClock { begun: Instant::now() }
    }
}

impl Clock for SystemClock {
    async fn sleep(&self, ms: u64) {
        futures_timer::Delay::new(Duration::from_millis(ms)).await;
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1000.0
    }

    fn since_1970(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
