//! NEON without the dot product instruction: `smlal` multiplies into 16 bits, `sadalp` widens to 32.

use super::Fcvt;
use super::attention::Two;
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::aarch64::*;

/// Proof that the processor has NEON.
#[derive(Debug)]
pub(super) struct Neon(());

impl Neon {
    pub(super) fn new() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

impl Sealed for Neon {}

impl Kernels for Neon {
    fn name(&self) -> &'static str {
        "neon"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: `self` exists, so the processor has NEON.
        unsafe { walk::<Neon>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: `self` exists, so the processor has NEON.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([target_feature(enable = "neon")], super::groups::Pairs);
    float_pieces!([target_feature(enable = "neon")], Fcvt);
    float_pieces!(@attention [target_feature(enable = "neon")], Two);
    float_pieces!(@blocks [target_feature(enable = "neon")]);
    float_pieces!(@repack [target_feature(enable = "neon")], Fcvt);
}

/// The pieces of the activations are 7 bits, so they are signed bytes too, and two products of at most 127·127 fit 16 bits.
///
/// # Safety
/// The processor has NEON.
#[target_feature(enable = "neon")]
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
            let pairs = vmlal_high_s8(vmull_s8(vget_low_s8(row), vget_low_s8(h)), row, h);
            high[r] = vpadalq_s16(high[r], pairs);
            let pairs = vmlal_high_s8(vmull_s8(vget_low_s8(row), vget_low_s8(l)), row, l);
            low[r] = vpadalq_s16(low[r], pairs);
        }
        col += 16;
    }
    int8::join(high.map(|v| vaddvq_s32(v)), low.map(|v| vaddvq_s32(v)))
}

/// Columns until the 16-bit sums are widened: 16 products of at most 8·128 a lane stay within 2^14.
const WIDEN: usize = 128;
impl Dots for Neon {
    type Q = i8;
    type Lanes = int32x4_t;
    // SAFETY: all bits zero are a register of zeros.
    const ZERO: int32x4_t = unsafe { std::mem::zeroed() };
    const TOKENS: usize = 2;
    const GROUPS: usize = 4;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; GROUP] = [0, 2, 0, 2];

    #[target_feature(enable = "neon")]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[int32x4_t; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(
            codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(WIDEN)
        );
        let (low, high) = (vdupq_n_u8(0x03), vdupq_n_u8(0x0c));
        let mut totals = *lanes;
        for start in (0..cols).step_by(WIDEN) {
            let mut sums = [[[vdupq_n_s16(0); GROUP]; G]; T];
            let mut col = start;
            while col < start + WIDEN {
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
                            let row = vreinterpretq_s8_u8(rows[r]);
                            let sum = vmlal_s8(sums[t][g][r], vget_low_s8(row), vget_low_s8(x[t]));
                            sums[t][g][r] = vmlal_high_s8(sum, row, x[t]);
                        }
                    }
                }
                col += 16;
            }
            for t in 0..T {
                for g in 0..G {
                    for r in 0..GROUP {
                        totals[t][g][r] = vpadalq_s16(totals[t][g][r], sums[t][g][r]);
                    }
                }
            }
        }
        *lanes = totals;
    }

    #[target_feature(enable = "neon")]
    unsafe fn fold(lanes: &[int32x4_t; GROUP]) -> [i32; GROUP] {
        lanes.map(|v| vaddvq_s32(v))
    }
}
