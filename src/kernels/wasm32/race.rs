//! Which of two backends is faster here: what an engine makes of an instruction depends on the processor, and no page is
//! told which that is. The results are the same, so a wrong guess costs time and nothing else.

use crate::kernels::{Backend, Turn};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Duration;
use web_time::Instant;

/// Turns of a run: a fraction of a millisecond, and above what a page's clock tells apart.
const TURNS: u32 = 1 << 15;
/// Runs of each. The fastest counts: the others were disturbed, or before the optimising compiler was done.
const RUNS: u32 = 12;

/// The two, the faster first. They race once, at the first call: their dot instructions on registers alone, a loop so
/// small that an engine's first, quick compiler makes the same of it.
pub(super) fn faster_first([a, b]: [Backend; 2]) -> [Backend; 2] {
    static SECOND: OnceLock<bool> = OnceLock::new();
    let second = *SECOND.get_or_init(|| {
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..RUNS {
            fastest = [fastest[0].min(time(a)), fastest[1].min(time(b))];
        }
        let [a, b] = [(a, fastest[0]), (b, fastest[1])].map(|(backend, time)| time.as_secs_f64() / products(backend));
        b < a
    });
    if second { [b, a] } else { [a, b] }
}

fn time(backend: Backend) -> Duration {
    let begun = Instant::now();
    black_box(backend.dots(black_box(TURNS)));
    begun.elapsed()
}

/// In a turn.
fn products(backend: Backend) -> f64 {
    let Turn { chains, lanes, .. } = backend.turn();
    (chains * lanes) as f64
}
