//! The machine's limits, as each backend meets them: how fast it reads memory, how many multiply-accumulates a second its
//! dot instruction makes where all operands are in registers, and how many its loads out of the first cache and additions
//! stand for where the sums of four columns are in [`tables`](super::tables).
//!
//! Generation reads every weight once a token, so it can't be faster than reads; a prompt reuses what it has read, so it
//! can't be faster than the better of the other two. What a model reaches of them says what is left to win.

use super::{Compute, scalar::Scalar};
use std::hint::black_box;
use std::time::Duration;
use web_time::Instant;

/// What a backend gives to measure its limits.
pub trait Limits {
    /// What [`dots`](Self::dots) computes in a turn.
    fn turn(&self) -> Turn;
    /// Runs the backend's dot instruction on registers, `turns` times [`turn`](Self::turn): Σ code·q modulo 2^16.
    fn dots(&self, turns: u32) -> u16;
    /// Loads every byte but a rest below 256 and gives the exclusive or of what it loaded.
    fn read(&self, bytes: &[u8]) -> u64;
}

/// A turn of [`Limits::dots`]: each chain adds code·q of each of its lanes. Lane l of chain c holds code l % 16 of row
/// c % `codes`, and activation l % 16 of the turn.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Sums that don't wait for each other: as many as hide the instruction's latency.
    pub chains: usize,
    /// Products a chain.
    pub lanes: usize,
    /// Different registers of codes.
    pub codes: usize,
}

/// Ternary codes, a row a register.
pub(super) const CODES: [[i8; 16]; 8] = [
    [0, 1, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2, 1, 1, 2, 0],
    [2, 0, 1, 1, 2, 0, 1, 2, 2, 1, 0, 0, 2, 1, 0, 1],
    [1, 2, 0, 0, 1, 1, 0, 2, 1, 2, 2, 0, 0, 2, 1, 1],
    [0, 2, 2, 1, 1, 0, 0, 1, 2, 2, 1, 1, 0, 2, 0, 2],
    [2, 1, 1, 0, 0, 2, 1, 0, 1, 1, 2, 2, 0, 0, 2, 1],
    [1, 0, 2, 2, 1, 1, 2, 0, 0, 1, 0, 2, 1, 2, 1, 0],
    [0, 0, 1, 2, 2, 1, 0, 1, 2, 0, 1, 0, 2, 1, 1, 2],
    [1, 1, 0, 2, 0, 2, 1, 1, 0, 2, 2, 1, 1, 0, 0, 2],
];
/// Activations at the start.
pub(super) const FIRST: [i8; 16] = [-128, 127, 3, -77, 0, 64, -1, 99, -50, 12, 127, -128, 31, -9, 85, -100];
/// What each turn adds to them, wrapping. Were they the same each turn, a compiler could take the products out of the loop.
pub(super) const STEP: [i8; 16] = [1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15];

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Roofline {
    /// Bytes a second, read from `read_bytes` of memory.
    pub read_bytes_per_second: f64,
    /// Bytes that were walked: below some times the last cache they say little of memory.
    pub read_bytes: u64,
    /// Multiply-accumulates a second by dot instructions.
    pub dot_macs_per_second: f64,
    /// Multiply-accumulates a second by tables.
    pub table_macs_per_second: f64,
}

impl Roofline {
    /// Measures for some tenths of a second on all threads of `c`, reading `memory`: a model's weights, as they lie there anyway.
    pub fn measure(c: &Compute, memory: &[&[u8]]) -> Self {
        // The last generation may have settled on fewer; the next token says again what it wants.
        c.pool.set_active(c.pool.threads());
        let (read_bytes_per_second, read_bytes) = read_rate(c, memory);
        let Turn { chains, lanes, .. } = c.backend.turn();
        Roofline {
            read_bytes_per_second,
            read_bytes,
            dot_macs_per_second: instruction_rate(c, &|turns| c.backend.dots(turns)) * (chains * lanes) as f64,
            table_macs_per_second: instruction_rate(c, &|turns| c.backend.table_limit(turns))
                * c.backend.lookups() as f64,
        }
    }

    /// What a prompt can't exceed, in multiply-accumulates a second.
    pub fn prompt_macs_per_second(&self) -> f64 {
        self.dot_macs_per_second.max(self.table_macs_per_second)
    }

    /// The higher of each limit: what two measurements differ in, somebody else took.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Roofline {
            read_bytes_per_second: self.read_bytes_per_second.max(other.read_bytes_per_second),
            read_bytes: self.read_bytes.max(other.read_bytes),
            dot_macs_per_second: self.dot_macs_per_second.max(other.dot_macs_per_second),
            table_macs_per_second: self.table_macs_per_second.max(other.table_macs_per_second),
        }
    }
}

/// Long enough for a timer that a browser has made coarse, and for threads that have slept.
const ENOUGH: Duration = Duration::from_millis(25);
/// The fastest of so many runs counts: a limit is what nothing disturbed.
const RUNS: usize = 3;
/// Bytes a task: long streams, short tasks.
const PIECE: usize = 1 << 20;
/// Turns a task: a fraction of a millisecond.
const TURNS: u32 = 1 << 16;
/// Tasks a thread: one that loses its processor leaves the others at work.
const SHARE: usize = 8;

fn read_rate(c: &Compute, memory: &[&[u8]]) -> (f64, u64) {
    let pieces: Vec<&[u8]> = memory.iter().flat_map(|bytes| bytes.chunks(PIECE)).collect();
    let bytes: usize = memory.iter().map(|bytes| bytes.len()).sum();
    if bytes == 0 {
        return (0.0, 0);
    }
    let rate = rate(|walks| {
        for _ in 0..walks {
            c.pool.run(pieces.len(), &|i| {
                black_box(c.backend.read(pieces[i]));
            });
        }
    });
    (rate * bytes as f64, bytes as u64)
}

/// Turns a second.
fn instruction_rate(c: &Compute, turns: &(dyn Fn(u32) -> u16 + Sync)) -> f64 {
    let tasks = SHARE * c.pool.threads();
    let rate = rate(|times| {
        c.pool.run(tasks * times, &|_| {
            black_box(turns(black_box(TURNS)));
        });
    });
    rate * tasks as f64 * f64::from(TURNS)
}

/// How often a second `work` does what it is given a number of times.
fn rate(work: impl Fn(usize)) -> f64 {
    let timed = |times| {
        let begun = Instant::now();
        work(times);
        begun.elapsed()
    };
    let mut times = 1;
    while timed(times) < ENOUGH {
        times *= 2;
    }
    let least = (0..RUNS).map(|_| timed(times)).min().unwrap_or(ENOUGH);
    times as f64 / least.as_secs_f64()
}

/// [`Limits::read`], compiled for each instruction set. Four streams, as the kernels have: one alone waits at the end of
/// every page.
#[inline(always)]
pub(super) fn read(bytes: &[u8]) -> u64 {
    let lines = bytes.as_chunks::<LINE>().0;
    let quarter = lines.len() / 4;
    let (a, rest) = lines.split_at(quarter);
    let (b, rest) = rest.split_at(quarter);
    let (c, d) = rest.split_at(quarter);
    let mut lanes = [0; WORDS];
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let (a, b, c, d) = (words(a), words(b), words(c), words(d));
        for l in 0..WORDS {
            lanes[l] ^= a[l] ^ b[l] ^ c[l] ^ d[l];
        }
    }
    lanes.iter().fold(0, |all, lane| all ^ lane)
}

/// A cache line.
const LINE: usize = 64;
const WORDS: usize = LINE / size_of::<u64>();

#[inline(always)]
fn words(line: &[u8; LINE]) -> [u64; WORDS] {
    // SAFETY: both have 64 bytes, any bits are numbers, and the read may be unaligned. Put together from bytes, the
    // compiler leaves some of it scalar.
    unsafe { line.as_ptr().cast::<[u64; WORDS]>().read_unaligned() }
}

impl Limits for Scalar {
    fn turn(&self) -> Turn {
        Turn { chains: 1, lanes: 16, codes: 1 }
    }

    fn dots(&self, turns: u32) -> u16 {
        let codes = black_box(CODES[0]);
        let (mut q, mut total) = (FIRST, [0i32; 16]);
        for _ in 0..turns {
            for l in 0..16 {
                total[l] = total[l].wrapping_add(i32::from(codes[l]) * i32::from(q[l]));
                q[l] = q[l].wrapping_add(STEP[l]);
            }
        }
        total.iter().fold(0, |all: i32, lane| all.wrapping_add(*lane)) as u16
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        read(bytes)
    }
}
