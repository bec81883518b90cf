//! Eight tokens a register; the same in every module.

use super::simd128::Simd128;
#[cfg(target_feature = "relaxed-simd")]
use super::{relaxed::Relaxed, relaxed_pairs::RelaxedPairs};
use crate::kernels::tables::{Registers, Tables, table_pieces};
use std::arch::wasm32::*;

/// 128 bits. V8 has no registers for more than one row, and spills: 64 G MAC/s with four rows in step, 107 with one.
#[derive(Debug, Clone, Copy)]
struct Eight(v128);

impl Registers for Eight {
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    const TABLES: usize = 4;
    const STEP: usize = 1;
    const LEAST: usize = 6;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Eight(i16x8_splat(0))
    }

    #[inline(always)]
    unsafe fn load(sums: *const i16) -> Self {
        // SAFETY: eight sums by the contract of `Registers`; wasm needs no alignment.
        Eight(unsafe { v128_load(sums.cast()) })
    }

    #[inline(always)]
    unsafe fn load_q(q: *const i8) -> Self {
        // SAFETY: eight activations by the contract of `Registers`.
        Eight(unsafe { i16x8_load_extend_i8x8(q) })
    }

    #[inline(always)]
    unsafe fn store(self, sums: *mut i16) {
        // SAFETY: room for eight sums by the contract of `Registers`.
        unsafe { v128_store(sums.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Eight(i16x8_add(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Eight(i16x8_sub(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn add_to(self, sums: *mut i32, first: bool) {
        let halves = [i32x4_extend_low_i16x8(self.0), i32x4_extend_high_i16x8(self.0)];
        for (i, wide) in halves.into_iter().enumerate() {
            // SAFETY: eight sums by the contract of `Registers`.
            unsafe {
                let sums = sums.add(4 * i).cast();
                v128_store(sums, if first { wide } else { i32x4_add(wide, v128_load(sums)) });
            }
        }
    }
}

impl Tables for Simd128 {
    table_pieces!([], Eight);
}

#[cfg(target_feature = "relaxed-simd")]
impl Tables for Relaxed {
    table_pieces!([], Eight);
}

#[cfg(target_feature = "relaxed-simd")]
impl Tables for RelaxedPairs {
    table_pieces!([], Eight);
}
