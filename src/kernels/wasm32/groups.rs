//! Four lanes a register.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::{opaque, widen_times};
use crate::kernels::groups::{GroupActivations, Lanes};
use std::arch::wasm32::*;

/// What all have in common; `$rest` is the form of the activations, the masks and the loop.
macro_rules! four {
    ($lanes:ident, $tokens:literal, $registers:literal, $shift:expr, $($rest:tt)*) => {
        impl Lanes for $lanes {
            type Sums = v128;
            type Floats = v128;
            const LANES: usize = 4;
            const TOKENS: usize = $tokens;
            const REGISTERS: usize = $registers;
            const SHIFT: [u32; 4] = $shift;

            $($rest)*

            #[inline(always)]
            unsafe fn zero() -> v128 {
                f32x4_splat(0.0)
            }

            #[inline(always)]
            unsafe fn scaled(sums: v128, d: f32) -> v128 {
                f32x4_mul(f32x4_convert_i32x4(sums), f32x4_splat(d))
            }

            #[inline(always)]
            unsafe fn sum(a: v128, b: v128) -> v128 {
                f32x4_add(a, b)
            }

            #[inline(always)]
            unsafe fn add_scaled(totals: *mut f32, t: v128, scales: *const u8, factor: f32) {
                // SAFETY: four totals and four scales by the contract of `Lanes`.
                unsafe {
                    let scales = widen_times(i32x4_load_extend_i16x4(scales.cast()), factor);
                    v128_store(totals.cast(), f32x4_add(v128_load(totals.cast()), f32x4_mul(t, scales)));
                }
            }
        }
    };
}

/// simd128: a 16-bit lane holds two columns of four rows, and the activations lie in 16 bits, of each four columns the even ones
/// first.
#[derive(Debug)]
pub(super) struct Halves;

four! { Halves, 1, 1, [0, 2, 4, 6],
    type Q = i16;
    type Masks = [v128; 4];

    #[inline(always)]
    fn activations(x: &GroupActivations) -> &[i16] {
        x.halves()
    }

    #[inline(always)]
    unsafe fn masks() -> [v128; 4] {
        [0x03, 0x0c, 0x30, 0xc0].map(|mask| opaque(i16x8_splat(mask)))
    }

    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [v128; 4],
        steps: usize,
        mut codes: *const u8,
        mut q: [*const i16; T],
        start: [i32; T],
    ) -> [[[v128; 4]; R]; T] {
        let mut sums = starts(start, Self::SHIFT);
        for _ in 0..steps {
            for r in 0..R {
                // SAFETY: 16 bytes of codes a register every 64 by the contract of `Lanes`.
                let v = unsafe { v128_load(codes.add(16 * r).cast()) };
                let upper = u16x8_shr(v, 8);
                for t in 0..T {
                    // SAFETY: 32 activations by the contract of `Lanes`; of four the two even ones are the first.
                    let (even, odd) =
                        unsafe { (v128_load32_splat(q[t].cast()), v128_load32_splat(q[t].add(2).cast())) };
                    for i in 0..4 {
                        let sum = i32x4_add(sums[t][r][i], i32x4_dot_i16x8(v128_and(v, masks[i]), even));
                        sums[t][r][i] = i32x4_add(sum, i32x4_dot_i16x8(v128_and(upper, masks[i]), odd));
                    }
                }
            }
            codes = codes.wrapping_add(64);
            q = q.map(|q| q.wrapping_add(4));
        }
        sums
    }
}

/// What sums in 32 bits begin with.
#[inline(always)]
fn starts<const T: usize, const R: usize>(start: [i32; T], shift: [u32; 4]) -> [[[v128; 4]; R]; T] {
    start.map(|start| [shift.map(|shift| i32x4_splat(start << shift)); R])
}

/// Both relaxed ways mask rows 1 and 3 in place, so that the second operand is at most 8.
#[cfg(target_feature = "relaxed-simd")]
macro_rules! relaxed {
    ($lanes:ident, $($rest:tt)*) => {
        four! { $lanes, 2, 2, [0, 2, 0, 2],
            type Q = i8;
            type Masks = [v128; 2];

            #[inline(always)]
            fn activations(x: &GroupActivations) -> &[i8] {
                x.q()
            }

            #[inline(always)]
            unsafe fn masks() -> [v128; 2] {
                [opaque(u8x16_splat(0x03)), opaque(u8x16_splat(0x0c))]
            }

            $($rest)*
        }
    };
}

/// The four rows of 16 bytes.
///
/// # Safety
/// 16 bytes are at `codes`.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
unsafe fn rows([low, high]: [v128; 2], codes: *const u8) -> [v128; 4] {
    // SAFETY: the caller's promise.
    let v = unsafe { v128_load(codes.cast()) };
    let upper = u16x8_shr(v, 4);
    [v128_and(v, low), v128_and(v, high), v128_and(upper, low), v128_and(upper, high)]
}

/// The dot product into 32 bits.
#[cfg(target_feature = "relaxed-simd")]
#[derive(Debug)]
pub(super) struct Fours;

#[cfg(target_feature = "relaxed-simd")]
relaxed! { Fours,
    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [v128; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[v128; 4]; R]; T] {
        let mut sums = starts(start, Self::SHIFT);
        // SAFETY: the contract of `Lanes`.
        unsafe { dots(masks, steps, codes, q, &mut sums, |x, row, sum| i32x4_relaxed_dot_i8x16_i7x16_add(x, row, sum)) };
        sums
    }
}

/// The dot product of pairs into 16 bits: a group is eight steps of two products of at most 8·128.
#[cfg(target_feature = "relaxed-simd")]
#[derive(Debug)]
pub(super) struct Pairs;

#[cfg(target_feature = "relaxed-simd")]
relaxed! { Pairs,
    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [v128; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[v128; 4]; R]; T] {
        // In one of the two lanes that are added at the end. There the sum is Σ (code - 1)·q of the columns that are done and
        // -Σ q of the others, whichever they are: at most 4·32·128 = 2^14.
        let mut sums = start.map(|start| {
            let start = i32x4_splat(start & 0xffff);
            [[start, i16x8_shl(start, 2), start, i16x8_shl(start, 2)]; R]
        });
        // SAFETY: the contract of `Lanes`.
        unsafe {
            dots(masks, steps, codes, q, &mut sums, |x, row, sum| {
                i16x8_add(sum, i16x8_relaxed_dot_i8x16_i7x16(x, row))
            });
        }
        sums.map(|sums| sums.map(|sums| sums.map(|sum| i32x4_dot_i16x8(sum, i16x8_splat(1)))))
    }
}

/// The loop of both, `add`ing the product of activations and of a row's codes to a sum.
///
/// # Safety
/// As for [`Lanes::sums`].
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
unsafe fn dots<const T: usize, const R: usize>(
    masks: [v128; 2],
    steps: usize,
    mut codes: *const u8,
    mut q: [*const i8; T],
    sums: &mut [[[v128; 4]; R]; T],
    add: impl Fn(v128, v128, v128) -> v128,
) {
    for _ in 0..steps {
        for r in 0..R {
            // SAFETY: the caller's promise: 16 bytes of codes a register every 64, and 32 activations.
            let rows = unsafe { rows(masks, codes.add(16 * r)) };
            for t in 0..T {
                // SAFETY: as above.
                let x = unsafe { v128_load32_splat(q[t].cast()) };
                for i in 0..4 {
                    sums[t][r][i] = add(x, rows[i], sums[t][r][i]);
                }
            }
        }
        codes = codes.wrapping_add(64);
        q = q.map(|q| q.wrapping_add(4));
    }
}
