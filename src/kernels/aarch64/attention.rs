//! Eight f32 in two NEON registers.

use super::Fcvt;
use crate::kernels::attention::{COLUMN, EIGHT, Vector};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(super) struct Two(float32x4_t, float32x4_t);

impl Vector for Two {
    const LANES: usize = EIGHT;
    const F16_UNIT: f32 = 1.0;
    type Constants = ();

    #[inline(always)]
    unsafe fn constants() {}

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { Two(vdupq_n_f32(x), vdupq_n_f32(x)) }
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { Two(vld1q_f32(x), vld1q_f32(x.add(4))) }
    }

    #[inline(always)]
    unsafe fn load_f16(x: *const u16, (): ()) -> Self {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        let (low, high) = unsafe { Fcvt::widen_eight(x) };
        Two(low, high)
    }

    #[inline(always)]
    unsafe fn load_i8(x: *const i8) -> Self {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe {
            let x = vmovl_s8(vld1_s8(x));
            Two(vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), vcvtq_f32_s32(vmovl_high_s16(x)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, out: *mut f32) {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe {
            vst1q_f32(out, self.0);
            vst1q_f32(out.add(4), self.1);
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { Two(vaddq_f32(self.0, vmulq_f32(a.0, b.0)), vaddq_f32(self.1, vmulq_f32(a.1, b.1))) }
    }

    #[inline(always)]
    unsafe fn fold(lanes: &[[f32; EIGHT]; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        for (out, lanes) in out.iter_mut().zip(lanes) {
            // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
            unsafe {
                let four = vaddq_f32(vld1q_f32(lanes.as_ptr()), vld1q_f32(lanes.as_ptr().add(4)));
                let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
                *out = vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two);
            }
        }
        out
    }

    type Codes = int8x16_t;
    type Sums = int32x4_t;

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn load_codes(x: *const i8) -> int8x16_t {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { vld1q_s8(x) }
    }

    #[inline(always)]
    unsafe fn dot_add(sums: int32x4_t, codes: int8x16_t, q: *const i16) -> int32x4_t {
        // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe {
            let (low, high) = (vmovl_s8(vget_low_s8(codes)), vmovl_high_s8(codes));
            let (q_low, q_high) = (vld1q_s16(q), vld1q_s16(q.add(8)));
            let sums = vmlal_s16(sums, vget_low_s16(low), vget_low_s16(q_low));
            let sums = vmlal_high_s16(sums, low, q_low);
            let sums = vmlal_s16(sums, vget_low_s16(high), vget_low_s16(q_high));
            vmlal_high_s16(sums, high, q_high)
        }
    }

    #[inline(always)]
    unsafe fn totals(sums: [int32x4_t; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        for (out, sums) in out.iter_mut().zip(sums) {
            // SAFETY: NEON, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
            *out = unsafe { vaddvq_s32(sums) };
        }
        out
    }
}

const _: () = assert!(COLUMN == 16);
