//! The dot instructions on registers alone, and plain reads.

use super::{lane_sum, simd128::Simd128};
#[cfg(target_feature = "relaxed-simd")]
use super::{relaxed::Relaxed, relaxed_pairs::RelaxedPairs};
use crate::kernels::roofline::{CODES, FIRST, Limits, STEP, Turn, read};
use std::arch::wasm32::*;

/// V8 has 15 vector registers for us on x86-64: five sums, five codes, activations, their step, and products. With six it
/// spills, and makes a third less.
const SIMD128: Turn = Turn { chains: 5, lanes: 8, codes: 5 };
/// Ten sums, two codes, activations and their step.
#[cfg(target_feature = "relaxed-simd")]
const RELAXED: Turn = Turn { chains: 10, lanes: 16, codes: 2 };

impl Limits for Simd128 {
    fn turn(&self) -> Turn {
        SIMD128
    }

    /// Activations lie in the upper halves of 16-bit lanes, where they wrap as 8 bits do; sums count 256 times.
    fn dots(&self, turns: u32) -> u16 {
        let upper = |x: &[i8; 16]| i16x8_shl(i16x8_load_extend_low(x), 8);
        let step = upper(&STEP);
        let codes: [v128; SIMD128.codes] = std::array::from_fn(|c| i16x8_load_extend_low(&CODES[c]));
        let (mut q, mut totals) = (upper(&FIRST), [i32x4_splat(0); SIMD128.chains]);
        for _ in 0..turns {
            for c in 0..SIMD128.chains {
                totals[c] = i32x4_add(totals[c], i32x4_dot_i16x8(codes[c], q));
            }
            q = i16x8_add(q, step);
        }
        (totals.into_iter().fold(0, |sum: i32, total| sum.wrapping_add(lane_sum(total))) >> 8) as u16
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        read(bytes)
    }
}

#[cfg(target_feature = "relaxed-simd")]
impl Limits for Relaxed {
    fn turn(&self) -> Turn {
        RELAXED
    }

    fn dots(&self, turns: u32) -> u16 {
        let step = load(&STEP);
        let codes: [v128; RELAXED.codes] = std::array::from_fn(|c| load(&CODES[c]));
        // Each chain begins at its number: two that began alike would be one to the compiler.
        let mut totals: [v128; RELAXED.chains] = std::array::from_fn(|c| i32x4_splat(c as i32));
        let mut q = load(&FIRST);
        for _ in 0..turns {
            for c in 0..RELAXED.chains {
                totals[c] = i32x4_relaxed_dot_i8x16_i7x16_add(q, codes[c % RELAXED.codes], totals[c]);
            }
            q = i8x16_add(q, step);
        }
        let sum = totals.into_iter().fold(0, |sum: i32, total| sum.wrapping_add(lane_sum(total)));
        sum.wrapping_sub((0..RELAXED.chains as i32).map(|c| 4 * c).sum()) as u16
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        read(bytes)
    }
}

/// As for [`RELAXED`], and a register for products.
#[cfg(target_feature = "relaxed-simd")]
const PAIRS: Turn = Turn { chains: 9, lanes: 16, codes: 2 };

#[cfg(target_feature = "relaxed-simd")]
impl Limits for RelaxedPairs {
    fn turn(&self) -> Turn {
        PAIRS
    }

    /// Sums have 16 bits, and wrap.
    fn dots(&self, turns: u32) -> u16 {
        let step = load(&STEP);
        let codes: [v128; PAIRS.codes] = std::array::from_fn(|c| load(&CODES[c]));
        let mut totals: [v128; PAIRS.chains] = std::array::from_fn(|c| i16x8_splat(c as i16));
        let mut q = load(&FIRST);
        for _ in 0..turns {
            for c in 0..PAIRS.chains {
                totals[c] = i16x8_add(totals[c], i16x8_relaxed_dot_i8x16_i7x16(q, codes[c % PAIRS.codes]));
            }
            q = i8x16_add(q, step);
        }
        let sum = totals
            .into_iter()
            .fold(0, |sum: i32, total| sum.wrapping_add(lane_sum(i32x4_extadd_pairwise_i16x8(total))));
        sum.wrapping_sub((0..PAIRS.chains as i32).map(|c| 8 * c).sum()) as u16
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        read(bytes)
    }
}

#[cfg(target_feature = "relaxed-simd")]
fn load(x: &[i8; 16]) -> v128 {
    // SAFETY: the array has the 16 bytes that are read; wasm needs no alignment.
    unsafe { v128_load(x.as_ptr().cast()) }
}

/// The first eight, widened.
fn i16x8_load_extend_low(x: &[i8; 16]) -> v128 {
    // SAFETY: the array has the 8 bytes that are read; wasm needs no alignment.
    unsafe { i16x8_load_extend_i8x8(x.as_ptr()) }
}
