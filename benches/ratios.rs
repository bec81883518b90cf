//! How much faster one way is than another, both measured by turns in one run: `./build.sh test guard`.
//!
//! No absolute time counts, so a slow machine is as good as a fast one. A floor is about half of what was measured,
//! and a ratio fails where it stays below in each of [`ATTEMPTS`] and the machine was calm.
#![allow(missing_docs)]

mod inputs;

use b158::gguf::TensorType;
use b158::kernels::{Backend, WideActivations, available, dense_matmul, int8_matmul, ternary_matmul};
use inputs::{activations, compute, dense, int8, ternary, wave};
use std::hint::black_box;
use std::process::ExitCode;
use std::slice::from_ref;
use std::time::{Duration, Instant};

/// A matrix that stays in the cache.
const ROWS: usize = 640;
const COLS: usize = 2560;
/// A head that does not.
const HEAD_ROWS: usize = 16_384;
/// Turns of one attempt, and how long each side of a turn works at least.
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(5);
const ATTEMPTS: usize = 4;
/// Attempts that must have been calm for a verdict.
const CALM: usize = 2;
/// The middle half of the turns' ratios may lie so far apart, in parts of their median.
const NOISE: f64 = 0.25;
/// Two threads are free where they do so much more of a plain sum than one in the same time.
const FREE: f64 = 1.7;

/// The ratios of the turns: their median, and how far the middle half spreads, in parts of it.
struct Ratio {
    median: f64,
    spread: f64,
}

/// How many times longer `slow` takes than `fast`.
fn ratio(slow: &mut dyn FnMut(), fast: &mut dyn FnMut()) -> Ratio {
    let (slow_calls, fast_calls) = (calls(slow), calls(fast));
    let mut ratios: Vec<f64> = (0..TURNS)
        .map(|turn| {
            // Whoever comes second finds the processor warmer.
            if turn % 2 == 0 {
                let s = seconds(slow, slow_calls);
                s / seconds(fast, fast_calls)
            } else {
                let f = seconds(fast, fast_calls);
                seconds(slow, slow_calls) / f
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[TURNS / 2];
    Ratio { median, spread: (ratios[TURNS * 3 / 4] - ratios[TURNS / 4]) / median }
}

/// As many calls as take a turn.
fn calls(work: &mut dyn FnMut()) -> u32 {
    work();
    let once = seconds(work, 1);
    (TURN.as_secs_f64() / once).ceil().clamp(1.0, 1e6) as u32
}

/// Seconds a call.
fn seconds(work: &mut dyn FnMut(), calls: u32) -> f64 {
    let begun = Instant::now();
    (0..calls).for_each(|_| work());
    begun.elapsed().as_secs_f64() / f64::from(calls)
}

/// Prints the ratio; false where it is under `floor` on a calm machine.
fn holds(what: &str, floor: f64, mut slow: impl FnMut(), mut fast: impl FnMut()) -> bool {
    let mut calm = 0;
    for attempt in 1..=ATTEMPTS {
        let Ratio { median, spread } = ratio(&mut slow, &mut fast);
        if median >= floor {
            println!("ok       {what}: × {median:.2}, at least {floor}");
            return true;
        }
        let (noise, limit) = (spread * 100.0, NOISE * 100.0);
        println!(
            "again    {what}: × {median:.2}, at least {floor}; attempt {attempt}, spread {noise:.0} % (calm: {limit})"
        );
        calm += usize::from(spread <= NOISE);
    }
    if calm < CALM {
        println!(
            "skipped  {what}: the machine is too noisy, {calm} of {ATTEMPTS} attempts were calm and {CALM} must be"
        );
        return true;
    }
    println!("FAILED   {what}");
    false
}

/// How many times more two threads do than one, of work that shares nothing.
fn free_processors() -> f64 {
    let sum = || {
        black_box((0..4_000_000u64).fold(0, |sum: u64, i| sum.wrapping_mul(31).wrapping_add(black_box(i))));
    };
    let mut alone = || {
        sum();
        sum();
    };
    let mut shared = || {
        std::thread::scope(|scope| {
            scope.spawn(sum);
            sum();
        });
    };
    ratio(&mut alone, &mut shared).median
}

/// Of one backend, on one thread.
fn one_thread(best: Backend, scalar: Backend) -> bool {
    let (one, plain, name) = (compute(best, 1), compute(scalar, 1), best.name());
    let w = ternary(ROWS, COLS);
    let (x, xs) = (activations(&one, 1, COLS), activations(&plain, 1, COLS));
    let (mut y, mut ys) = (vec![0.0; ROWS], vec![0.0; ROWS]);
    // Measured: avx512 23, avx2 11.8.
    let mut ok = holds(
        &format!("scalar over {name}, ternary product"),
        5.0,
        || ternary_matmul(&plain, &w, &xs, black_box(&mut ys)),
        || ternary_matmul(&one, &w, &x, black_box(&mut y)),
    );

    // Measured: avx512 1.0 to 1.1, avx2 1.4 to 1.6. The gain is in memory that is read once, and not asked for here: how much
    // that is depends on the size of the cache.
    let x16 = activations(&one, 16, COLS);
    let mut y16 = vec![0.0; 16 * ROWS];
    ok &= holds(
        &format!("16 products for 1 token over 1 for 16 tokens, {name}"),
        0.7,
        || (0..16).for_each(|_| ternary_matmul(&one, &w, &x, black_box(&mut y))),
        || ternary_matmul(&one, &w, &x16, black_box(&mut y16)),
    );

    // Measured: avx512 2.3 to 2.7, avx2 2.1.
    let (f16, x) = (dense(TensorType::F16, HEAD_ROWS, COLS), wave(COLS));
    let head = int8(HEAD_ROWS, COLS);
    let mut wide = WideActivations::new(COLS).expect("a bench has memory");
    wide.quantize(best, &x);
    let (mut y, mut y8) = (vec![0.0; HEAD_ROWS], vec![0.0; HEAD_ROWS]);
    ok &= holds(
        &format!("F16 head over int8 head, {name}"),
        1.1,
        || dense_matmul(&one, &f16, &x, black_box(&mut y)),
        || int8_matmul(&one, &head, from_ref(&wide), black_box(&mut y8)),
    );
    ok
}

fn two_threads(best: Backend) -> bool {
    let what = "1 thread over 2, ternary product for 16 tokens";
    let before = free_processors();
    if before < FREE {
        println!("skipped  {what}: no two processors are free, two threads do × {before:.2} of what one does");
        return true;
    }
    let (one, two) = (compute(best, 1), compute(best, 2));
    let (w, x) = (ternary(ROWS, COLS), activations(&one, 16, COLS));
    let (mut y, mut y_two) = (vec![0.0; 16 * ROWS], vec![0.0; 16 * ROWS]);
    // Measured: 1.9.
    let held = holds(
        what,
        1.3,
        || ternary_matmul(&one, &w, &x, black_box(&mut y)),
        || ternary_matmul(&two, &w, &x, black_box(&mut y_two)),
    );
    // Somebody may have come meanwhile.
    let after = if held { FREE } else { free_processors() };
    if after < FREE {
        println!("skipped  {what}: the second processor is busy by now, × {after:.2}");
    }
    held || after < FREE
}

fn main() -> ExitCode {
    let mut backends = available();
    let scalar = backends.pop().expect("scalar is always the last");
    let Some(best) = backends.first() else {
        println!("skipped  all: this processor has no backend but scalar");
        return ExitCode::SUCCESS;
    };
    let mut ok = two_threads(*best);
    for backend in backends {
        ok &= one_thread(backend, scalar);
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
