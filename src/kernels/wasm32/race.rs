//! Which of two backends is faster here: what an engine makes of an instruction depends on the processor, and no page is
//! told which that is. The results are the same, so a wrong guess costs time and nothing else.

use crate::Result;
use crate::kernels::{Activations, Backend, Compute, TernaryPacker, ternary_matmul};
use crate::threads::Pool;
use std::sync::OnceLock;
use std::time::Duration;
use web_time::Instant;

/// How long both run, in all: an engine's optimising compiler has done their loops by half of it, and its clock may tick in
/// whole milliseconds.
const TIME: Duration = Duration::from_millis(60);
/// Of a product that takes some tens of microseconds and stays in the cache.
const ROWS: usize = 256;
const COLS: usize = 2560;

/// The two, the faster first. They race once, at the first call.
pub(super) fn faster_first(backends: [Backend; 2]) -> [Backend; 2] {
    static SECOND: OnceLock<bool> = OnceLock::new();
    let [a, b] = backends;
    // Without memory for a race there is none for a model, and the loader will say so.
    if *SECOND.get_or_init(|| second_is_faster(backends).unwrap_or(false)) { [b, a] } else { [a, b] }
}

fn second_is_faster(backends: [Backend; 2]) -> Result<bool> {
    let weights = TernaryPacker::new(ROWS, COLS)?.finish_scaled(1.0);
    let computes = backends.map(|backend| Compute { backend, pool: Pool::new(1) });
    let (x, mut y) = ([0.5; COLS], [0.0; ROWS]);
    let mut activations = Activations::new();
    let mut times = [Duration::ZERO; 2];
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        let counts = begun.elapsed() >= TIME / 2;
        for (compute, time) in computes.iter().zip(&mut times) {
            activations.quantize(compute, &x, COLS)?;
            let begun = Instant::now();
            for _ in 0..8 {
                ternary_matmul(compute, &weights, &activations, &mut y);
            }
            if counts {
                *time += begun.elapsed();
            }
        }
    }
    Ok(times[1] < times[0])
}
