//! NEON with FEAT_DotProd: `sdot` multiplies 16 codes with 16 activations and adds fours of them into 32 bits.

use super::Fcvt;
use super::attention::Two;
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::aarch64::*;

/// Proof that the processor has NEON and FEAT_DotProd.
#[derive(Debug)]
pub(super) struct NeonDotprod(());

impl NeonDotprod {
    pub(super) fn new() -> Option<Self> {
        (std::arch::is_aarch64_feature_detected!("neon") && std::arch::is_aarch64_feature_detected!("dotprod"))
            .then_some(NeonDotprod(()))
    }
}

impl Sealed for NeonDotprod {}

impl Kernels for NeonDotprod {
    fn name(&self) -> &'static str {
        "neon-dotprod"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: `self` exists, so the processor has the features.
        unsafe { walk::<NeonDotprod>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: `self` exists, so the processor has the features.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([target_feature(enable = "neon,dotprod")], super::groups::Fours);
    float_pieces!([target_feature(enable = "neon,dotprod")], Fcvt);
    float_pieces!(@attention [target_feature(enable = "neon,dotprod")], Two);
    float_pieces!(@blocks [target_feature(enable = "neon,dotprod")]);
    float_pieces!(@repack [target_feature(enable = "neon,dotprod")], Fcvt);
}

/// sum + the products of 16 bytes, four to a lane. Assembly, because Rust's intrinsic for it is not stable.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the function has the feature; the instruction reads and writes the named registers only.
    unsafe {
        std::arch::asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// The pieces of the activations are 7 bits, so they are signed bytes too.
///
/// # Safety
/// The processor has the features.
#[target_feature(enable = "neon,dotprod")]
unsafe fn int8_sums(codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
    let cols = int8::columns(&codes, x);
    let (mut high, mut low) = ([vdupq_n_s32(0); int8::ROWS], [vdupq_n_s32(0); int8::ROWS]);
    let mut col = 0;
    while col < cols {
        // SAFETY: col + 16 <= cols, both multiples of 16, and every slice has cols bytes.
        let (h, l) = unsafe { (vld1q_u8(x.high.as_ptr().add(col)), vld1q_u8(x.low.as_ptr().add(col))) };
        let (h, l) = (vreinterpretq_s8_u8(h), vreinterpretq_s8_u8(l));
        for r in 0..int8::ROWS {
            // SAFETY: as above.
            let row = unsafe { vld1q_s8(codes[r].as_ptr().add(col)) };
            high[r] = sdot(high[r], row, h);
            low[r] = sdot(low[r], row, l);
        }
        col += 16;
    }
    int8::join(high.map(|v| vaddvq_s32(v)), low.map(|v| vaddvq_s32(v)))
}

impl Dots for NeonDotprod {
    type Q = i8;
    type Lanes = int32x4_t;
    // SAFETY: all bits zero are a register of zeros.
    const ZERO: int32x4_t = unsafe { std::mem::zeroed() };
    const TOKENS: usize = 4;
    const GROUPS: usize = 4;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; GROUP] = [0, 2, 0, 2];

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[int32x4_t; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(16));
        let (low, high) = (vdupq_n_u8(0x03), vdupq_n_u8(0x0c));
        let mut totals = *lanes;
        let mut col = 0;
        while col < cols {
            let mut x = [vdupq_n_s8(0); T];
            for t in 0..T {
                // SAFETY: col + 16 <= cols, both multiples of 16, and every slice has cols bytes.
                x[t] = unsafe { vld1q_s8(q[t].as_ptr().add(col)) };
            }
            for g in 0..G {
                // SAFETY: as above.
                let v = unsafe { vld1q_u8(codes[g].as_ptr().add(col)) };
                let upper = vshrq_n_u8::<4>(v);
                let rows = [vandq_u8(v, low), vandq_u8(v, high), vandq_u8(upper, low), vandq_u8(upper, high)];
                for t in 0..T {
                    for r in 0..GROUP {
                        totals[t][g][r] = sdot(totals[t][g][r], vreinterpretq_s8_u8(rows[r]), x[t]);
                    }
                }
            }
            col += 16;
        }
        *lanes = totals;
    }

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn fold(lanes: &[int32x4_t; GROUP]) -> [i32; GROUP] {
        lanes.map(|v| vaddvq_s32(v))
    }
}
