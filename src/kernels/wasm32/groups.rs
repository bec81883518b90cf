//! Four lanes a register.

use super::{opaque, widen_times};
use crate::kernels::groups::{GroupActivations, Lanes};
use std::arch::wasm32::*;

/// What all have in common; `$rest` is the form of the activations, the masks and the loop.
macro_rules! four {
    ($lanes:ident, $tokens:literal, $shift:expr, $($rest:tt)*) => {
        impl Lanes for $lanes {
            type Sums = v128;
            type Floats = v128;
            const LANES: usize = 4;
            const TOKENS: usize = $tokens;
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

four! { Halves, 1, [0, 2, 4, 6],
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
    unsafe fn sums<const T: usize>(
        masks: [v128; 4],
        steps: usize,
        codes: *const u8,
        q: [*const i16; T],
        start: [i32; T],
    ) -> [[v128; 4]; T] {
        let mut sums = [[i32x4_splat(0); 4]; T];
        for t in 0..T {
            for (sum, shift) in sums[t].iter_mut().zip(Self::SHIFT) {
                *sum = i32x4_splat(start[t] << shift);
            }
        }
        for step in 0..steps {
            // SAFETY: 16 bytes of codes every 64 by the contract of `Lanes`.
            let v = unsafe { v128_load(codes.add(64 * step).cast()) };
            let upper = u16x8_shr(v, 8);
            for t in 0..T {
                // SAFETY: 32 activations by the contract of `Lanes`; of four the two even ones are the first.
                let (even, odd) = unsafe {
                    let at = q[t].add(4 * step);
                    (v128_load32_splat(at.cast()), v128_load32_splat(at.add(2).cast()))
                };
                for r in 0..4 {
                    let sum = i32x4_add(sums[t][r], i32x4_dot_i16x8(v128_and(v, masks[r]), even));
                    sums[t][r] = i32x4_add(sum, i32x4_dot_i16x8(v128_and(upper, masks[r]), odd));
                }
            }
        }
        sums
    }
}

/// Both relaxed ways mask rows 1 and 3 in place, so that the second operand is at most 8.
#[cfg(target_feature = "relaxed-simd")]
macro_rules! relaxed {
    ($lanes:ident, $tokens:literal, $($rest:tt)*) => {
        four! { $lanes, $tokens, [0, 2, 0, 2],
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
relaxed! { Fours, 2,
    #[inline(always)]
    unsafe fn sums<const T: usize>(
        masks: [v128; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[v128; 4]; T] {
        let mut sums = [[i32x4_splat(0); 4]; T];
        for t in 0..T {
            for (sum, shift) in sums[t].iter_mut().zip(Self::SHIFT) {
                *sum = i32x4_splat(start[t] << shift);
            }
        }
        for step in 0..steps {
            // SAFETY: 16 bytes of codes every 64 by the contract of `Lanes`.
            let rows = unsafe { rows(masks, codes.add(64 * step)) };
            for t in 0..T {
                // SAFETY: 32 activations by the contract of `Lanes`.
                let x = unsafe { v128_load32_splat(q[t].add(4 * step).cast()) };
                for r in 0..4 {
                    sums[t][r] = i32x4_relaxed_dot_i8x16_i7x16_add(x, rows[r], sums[t][r]);
                }
            }
        }
        sums
    }
}

/// The dot product of pairs into 16 bits: a group is eight steps of two products of at most 8·128.
#[cfg(target_feature = "relaxed-simd")]
#[derive(Debug)]
pub(super) struct Pairs;

#[cfg(target_feature = "relaxed-simd")]
relaxed! { Pairs, 2,
    #[inline(always)]
    unsafe fn sums<const T: usize>(
        masks: [v128; 2],
        steps: usize,
        mut codes: *const u8,
        mut q: [*const i8; T],
        start: [i32; T],
    ) -> [[v128; 4]; T] {
        // Two steps a turn for one token, which has the registers for it.
        let turn = if T == 1 { 2 } else { 1 };
        let mut sums = [[i16x8_splat(0); 4]; T];
        for t in 0..T {
            // In one of the two lanes that are added at the end. There the sum is Σ code·q - Σ q of some columns and - Σ q of
            // the others: whichever of them are done, below 4·32·128 = 2^14.
            let start = i32x4_splat(start[t] & 0xffff);
            sums[t] = [start, i16x8_shl(start, 2), start, i16x8_shl(start, 2)];
        }
        for _ in 0..steps / turn {
            for step in 0..turn {
                // SAFETY: 16 bytes of codes every 64 by the contract of `Lanes`.
                let rows = unsafe { rows(masks, codes.add(64 * step)) };
                for t in 0..T {
                    // SAFETY: 32 activations by the contract of `Lanes`.
                    let x = unsafe { v128_load32_splat(q[t].add(4 * step).cast()) };
                    for r in 0..4 {
                        sums[t][r] = i16x8_add(sums[t][r], i16x8_relaxed_dot_i8x16_i7x16(x, rows[r]));
                    }
                }
            }
            codes = codes.wrapping_add(64 * turn);
            q = q.map(|q| q.wrapping_add(4 * turn));
        }
        sums.map(|sums| sums.map(|sums| i32x4_dot_i16x8(sums, i16x8_splat(1))))
    }
}
