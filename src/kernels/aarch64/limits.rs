//! The dot instructions on registers alone, and plain reads.

use super::neon::Neon;
use super::neon_dotprod::{NeonDotprod, sdot};
use crate::kernels::roofline::{CODES, FIRST, Limits, STEP, Turn, read};
use std::arch::aarch64::*;
use std::hint::black_box;

const NEON: Turn = Turn { chains: 8, lanes: 16, codes: 8 };
const DOTPROD: Turn = Turn { chains: 16, lanes: 16, codes: 2 };

impl Limits for Neon {
    fn turn(&self) -> Turn {
        NEON
    }

    fn dots(&self, turns: u32) -> u16 {
        // SAFETY: `self` exists, so the processor has NEON.
        unsafe { smlal(turns) }
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        // Every AArch64 target is compiled with NEON.
        read(bytes)
    }
}

impl Limits for NeonDotprod {
    fn turn(&self) -> Turn {
        DOTPROD
    }

    fn dots(&self, turns: u32) -> u16 {
        // SAFETY: `self` exists, so the processor has NEON and FEAT_DotProd.
        unsafe { sdots(turns) }
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        read(bytes)
    }
}

/// Sums of 16 bits that wrap: widened now and then, as the kernel must, they would only be slower.
#[target_feature(enable = "neon")]
fn smlal(turns: u32) -> u16 {
    let step = load(&STEP);
    let codes: [int8x16_t; NEON.codes] = std::array::from_fn(|c| black_box(load(&CODES[c])));
    let (mut q, mut totals) = (load(&FIRST), [vdupq_n_s16(0); NEON.chains]);
    for _ in 0..turns {
        for c in 0..NEON.chains {
            let low = vmlal_s8(totals[c], vget_low_s8(codes[c]), vget_low_s8(q));
            totals[c] = vmlal_high_s8(low, codes[c], q);
        }
        q = vaddq_s8(q, step);
    }
    let mut sum = 0u16;
    for total in totals {
        sum = sum.wrapping_add(vaddvq_s16(total) as u16);
    }
    sum
}

#[target_feature(enable = "neon,dotprod")]
fn sdots(turns: u32) -> u16 {
    let step = load(&STEP);
    let codes: [int8x16_t; DOTPROD.codes] = [black_box(load(&CODES[0])), black_box(load(&CODES[1]))];
    // Each chain begins at its number: two that began alike would be one to the compiler.
    let mut totals: [int32x4_t; DOTPROD.chains] = std::array::from_fn(|c| vdupq_n_s32(c as i32));
    let mut q = load(&FIRST);
    for _ in 0..turns {
        for c in 0..DOTPROD.chains {
            totals[c] = sdot(totals[c], codes[c % DOTPROD.codes], q);
        }
        q = vaddq_s8(q, step);
    }
    let mut sum = 0i32;
    for (c, total) in totals.into_iter().enumerate() {
        sum = sum.wrapping_add(vaddvq_s32(total)).wrapping_sub(4 * c as i32);
    }
    sum as u16
}

#[target_feature(enable = "neon")]
fn load(x: &[i8; 16]) -> int8x16_t {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_s8(x.as_ptr()) }
}
