//! Time as workers have it.

use crate::download::Clock;
use futures::channel::oneshot;
use gloo::timers::callback::Timeout;
use js_sys::Date;
use std::cell::Cell;
use wasm_bindgen::prelude::*;

/// `setTimeout` takes 32 bits, and rings at once for more.
const LONGEST_MS: u64 = i32::MAX as u64;

/// `setTimeout`, `performance.now` and `Date.now`.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// What has been told, as `Date.now` may go back.
    latest: Cell<f64>,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now, catch)]
    fn performance_now() -> Result<f64, JsValue>;
}

impl Clock for Timers {
    async fn sleep(&self, ms: u64) {
        let mut left = ms;
        loop {
            let step = left.min(LONGEST_MS);
            let (ring, rung) = oneshot::channel();
            // Dropped with this future, it never rings.
            let _timeout = Timeout::new(step as u32, move || {
                let _ = ring.send(());
            });
            let _ = rung.await;
            left -= step;
            if left == 0 {
                return;
            }
        }
    }

    fn now(&self) -> f64 {
        let now = performance_now().unwrap_or_else(|_| Date::now()).max(self.latest.get());
        self.latest.set(now);
        now
    }

    fn since_1970(&self) -> u64 {
        Date::now() as u64
    }
}
