//! Which of two backends is faster here: what an engine makes of an instruction depends on the processor, and no page is
//! told which that is. The results are the same, so a wrong guess costs time and nothing else.

use crate::kernels::tables::clock_step;
use crate::kernels::{Backend, Turn};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Duration;
use web_time::Instant;

/// Turns between two looks at the clock.
const TURNS: u32 = 1 << 12;
/// A run is timed from one step of the clock to another, so many later, and lasts so long at least.
const STEPS: u32 = 6;
const ENOUGH: Duration = Duration::from_micros(300);
/// Runs of each, by turns. The fastest counts: the others were disturbed, or before the optimising compiler was done.
const RUNS: u32 = 6;

/// The two, the faster first. They race once, at the first call: their dot instructions on registers alone, a loop so
/// small that an engine's first, quick compiler makes the same of it.
pub(super) fn faster_first([a, b]: [Backend; 2]) -> [Backend; 2] {
    static SECOND: OnceLock<bool> = OnceLock::new();
    let second = *SECOND.get_or_init(|| {
        let mut fastest = [0.0f64; 2];
        for _ in 0..RUNS {
            fastest = [fastest[0].max(rate(a)), fastest[1].max(rate(b))];
        }
        fastest[1] > fastest[0]
    });
    if second { [b, a] } else { [a, b] }
}

/// Products a second. A page's clock may have steps of a millisecond or more: both ends are waited for where one begins.
fn rate(backend: Backend) -> f64 {
    let enough = ENOUGH.max(clock_step() * STEPS);
    let Turn { chains, lanes, .. } = backend.turn();
    let step = || black_box(backend.dots(black_box(TURNS)));
    let edge = Instant::now();
    let begun = loop {
        let now = Instant::now();
        if now > edge {
            break now;
        }
        step();
    };
    let (mut runs, mut last) = (0, begun);
    loop {
        step();
        runs += 1;
        let now = Instant::now();
        let at_edge = now > last;
        last = now;
        if at_edge && now - begun >= enough {
            return f64::from(runs) * f64::from(TURNS) * (chains * lanes) as f64 / (now - begun).as_secs_f64();
        }
    }
}
