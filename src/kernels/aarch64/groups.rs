//! Four lanes a register.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::Fcvt;
use super::neon_dotprod::sdot;
use crate::kernels::groups::{GroupActivations, Lanes};
use std::arch::aarch64::*;

/// What both have in common; `$sums` is the loop.
macro_rules! four {
    ($lanes:ident, $tokens:literal, $($sums:tt)*) => {
        impl Lanes for $lanes {
            type Q = i8;
            type Masks = [uint8x16_t; 2];
            type Sums = int32x4_t;
            type Floats = float32x4_t;
            const LANES: usize = 4;
            const TOKENS: usize = $tokens;
            /// Rows 1 and 3 are masked in place.
            const SHIFT: [u32; 4] = [0, 2, 0, 2];

            #[inline(always)]
            fn activations(x: &GroupActivations) -> &[i8] {
                x.q()
            }

            #[inline(always)]
            unsafe fn masks() -> [uint8x16_t; 2] {
                // SAFETY: NEON by the contract of `Lanes`.
                unsafe { [vdupq_n_u8(0x03), vdupq_n_u8(0x0c)] }
            }

            $($sums)*

            #[inline(always)]
            unsafe fn zero() -> float32x4_t {
                // SAFETY: NEON by the contract of `Lanes`.
                unsafe { vdupq_n_f32(0.0) }
            }

            #[inline(always)]
            unsafe fn scaled(sums: int32x4_t, d: f32) -> float32x4_t {
                // SAFETY: NEON by the contract of `Lanes`.
                unsafe { vmulq_f32(vcvtq_f32_s32(sums), vdupq_n_f32(d)) }
            }

            #[inline(always)]
            unsafe fn sum(a: float32x4_t, b: float32x4_t) -> float32x4_t {
                // SAFETY: NEON by the contract of `Lanes`.
                unsafe { vaddq_f32(a, b) }
            }

            #[inline(always)]
            unsafe fn add_scaled(totals: *mut f32, t: float32x4_t, scales: *const u8, factor: f32) {
                // SAFETY: NEON, four totals and four scales by the contract of `Lanes`.
                unsafe {
                    let scales = vmulq_n_f32(Fcvt::widen_four(scales), factor);
                    vst1q_f32(totals, vaddq_f32(vld1q_f32(totals), vmulq_f32(t, scales)));
                }
            }
        }
    };
}

/// The four rows of 16 bytes.
///
/// # Safety
/// The processor has NEON, and 16 bytes are at `codes`.
#[inline(always)]
unsafe fn rows([low, high]: [uint8x16_t; 2], codes: *const u8) -> [int8x16_t; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let v = vld1q_u8(codes);
        let upper = vshrq_n_u8::<4>(v);
        [
            vreinterpretq_s8_u8(vandq_u8(v, low)),
            vreinterpretq_s8_u8(vandq_u8(v, high)),
            vreinterpretq_s8_u8(vandq_u8(upper, low)),
            vreinterpretq_s8_u8(vandq_u8(upper, high)),
        ]
    }
}

/// Four activations in all lanes.
///
/// # Safety
/// The processor has NEON, and four activations are at `q`.
#[inline(always)]
unsafe fn spread(q: *const i8) -> int8x16_t {
    // SAFETY: the caller's promise.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(q.cast::<i32>().read_unaligned())) }
}

/// `smlal` into 16 bits: a group is eight products of at most 8·128 a lane, which stay within 2^13.
#[derive(Debug)]
pub(super) struct Pairs;

four! { Pairs, 1,
    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [uint8x16_t; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[int32x4_t; 4]; R]; T] {
        // SAFETY: NEON, 16 bytes of codes every 64 and 32 activations by the contract of `Lanes`.
        unsafe {
            let mut sums = [[[[vdupq_n_s16(0); 2]; 4]; R]; T];
            for step in 0..steps {
                for r in 0..R {
                    let rows = rows(masks, codes.add(64 * step + 16 * r));
                    for t in 0..T {
                        let x = spread(q[t].add(4 * step));
                        for i in 0..4 {
                            let [low, high] = &mut sums[t][r][i];
                            *low = vmlal_s8(*low, vget_low_s8(rows[i]), vget_low_s8(x));
                            *high = vmlal_high_s8(*high, rows[i], x);
                        }
                    }
                }
            }
            let mut out = [[[vdupq_n_s32(0); 4]; R]; T];
            for t in 0..T {
                for r in 0..R {
                    for i in 0..4 {
                        let [low, high] = sums[t][r][i];
                        let sum = vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
                        out[t][r][i] = vaddq_s32(sum, vdupq_n_s32(start[t] << Self::SHIFT[i]));
                    }
                }
            }
            out
        }
    }
}

/// `sdot` into 32 bits.
#[derive(Debug)]
pub(super) struct Fours;

four! { Fours, 4,
    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [uint8x16_t; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[int32x4_t; 4]; R]; T] {
        // SAFETY: NEON with the dot product, 16 bytes of codes every 64 and 32 activations by the contract of `Lanes`.
        unsafe {
            let mut sums = [[[vdupq_n_s32(0); 4]; R]; T];
            for t in 0..T {
                for i in 0..4 {
                    let start = vdupq_n_s32(start[t] << Self::SHIFT[i]);
                    for r in 0..R {
                        sums[t][r][i] = start;
                    }
                }
            }
            for step in 0..steps {
                for r in 0..R {
                    let rows = rows(masks, codes.add(64 * step + 16 * r));
                    for t in 0..T {
                        let x = spread(q[t].add(4 * step));
                        for i in 0..4 {
                            sums[t][r][i] = sdot(sums[t][r][i], rows[i], x);
                        }
                    }
                }
            }
            sums
        }
    }
}
