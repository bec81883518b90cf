//! Eight tokens a register; FEAT_DotProd has nothing to add.

use super::neon::Neon;
use super::neon_dotprod::NeonDotprod;
use crate::kernels::tables::{Registers, Tables, table_pieces};
use std::arch::aarch64::*;

/// 128 bits.
#[derive(Debug, Clone, Copy)]
struct Eight(int16x8_t);

impl Registers for Eight {
    const LANES: usize = 8;
    const VECTORS: usize = 4;
    const TABLES: usize = 4;
    const STEP: usize = 2;
    const LEAST: usize = 6;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: NEON by the contract of `Registers`.
        Eight(unsafe { vdupq_n_s16(0) })
    }

    #[inline(always)]
    unsafe fn load(sums: *const i16) -> Self {
        // SAFETY: NEON and eight sums by the contract of `Registers`.
        Eight(unsafe { vld1q_s16(sums) })
    }

    #[inline(always)]
    unsafe fn load_q(q: *const i8) -> Self {
        // SAFETY: NEON and eight activations by the contract of `Registers`.
        Eight(unsafe { vmovl_s8(vld1_s8(q)) })
    }

    #[inline(always)]
    unsafe fn store(self, sums: *mut i16) {
        // SAFETY: NEON and room for eight sums by the contract of `Registers`.
        unsafe { vst1q_s16(sums, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON by the contract of `Registers`.
        Eight(unsafe { vaddq_s16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: NEON by the contract of `Registers`.
        Eight(unsafe { vsubq_s16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn add_to(self, sums: *mut i32, first: bool) {
        // SAFETY: NEON and eight sums by the contract of `Registers`.
        unsafe {
            let halves = [vmovl_s16(vget_low_s16(self.0)), vmovl_high_s16(self.0)];
            for (i, wide) in halves.into_iter().enumerate() {
                let sums = sums.add(4 * i);
                vst1q_s32(sums, if first { wide } else { vaddq_s32(wide, vld1q_s32(sums)) });
            }
        }
    }
}

impl Tables for Neon {
    table_pieces!([target_feature(enable = "neon")], Eight);
}

impl Tables for NeonDotprod {
    table_pieces!([target_feature(enable = "neon")], Eight);
}
