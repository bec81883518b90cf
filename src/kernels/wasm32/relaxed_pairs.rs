//! Relaxed SIMD for processors that have no instruction of their own for the dot product into 32 bits: x86 without
//! AVX-VNNI, where an engine needs three to five for it. The dot product of pairs into 16 bits is one there, the addition
//! another, and the sums are widened only now and then.
//!
//! As in `relaxed`, the second operand is at most 8 and a pair at most 2·8·128: every engine gives the same.

use super::attention::Four;
use super::{Half, lane_sum, opaque, simd128};
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::wasm32::*;

/// The instructions of a module built with relaxed SIMD, without the dot product into 32 bits.
#[derive(Debug)]
pub(super) struct RelaxedPairs;

impl Sealed for RelaxedPairs {}

impl Kernels for RelaxedPairs {
    fn name(&self) -> &'static str {
        "relaxed-pairs"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: the module was built with relaxed SIMD, and runs.
        unsafe { walk::<RelaxedPairs>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: the module was built with relaxed SIMD, and runs.
        unsafe { simd128::int8_sums(codes, x) }
    }

    group_pieces!([], super::groups::Pairs);
    float_pieces!([], Half);
    float_pieces!(@attention [], Four);
    float_pieces!(@blocks []);
    float_pieces!(@repack [], Half);
}

/// Columns until the 16-bit sums are widened: 16 steps of two products of at most 8·128 reach -2^15 and no further.
const WIDEN: usize = 16 * 16;

impl Dots for RelaxedPairs {
    type Q = i8;
    type Lanes = v128;
    const ZERO: v128 = i32x4(0, 0, 0, 0);
    const TOKENS: usize = 2;
    const GROUPS: usize = 1;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; GROUP] = [0, 2, 0, 2];

    // Into `stream`, which has the registers for it. Into a larger function it would take twice as long.
    #[inline(always)]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[v128; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(16));
        let (low, high) = (opaque(u8x16_splat(0x03)), opaque(u8x16_splat(0x0c)));
        // A product with ones adds pairs: for `i32x4_extadd_pairwise_i16x8` V8 loads the ones each time.
        let ones = opaque(i16x8_splat(1));
        let mut start = 0;
        while start < cols {
            let end = cols.min(start + WIDEN);
            let mut sums = [[[i16x8_splat(0); GROUP]; G]; T];
            let mut col = start;
            while col < end {
                let mut x = [i32x4_splat(0); T];
                for t in 0..T {
                    // SAFETY: col + 16 <= cols, both multiples of 16, and every slice has cols bytes.
                    x[t] = unsafe { v128_load(q[t].as_ptr().add(col).cast()) };
                }
                for g in 0..G {
                    // SAFETY: as above.
                    let v = unsafe { v128_load(codes[g].as_ptr().add(col).cast()) };
                    let upper = u16x8_shr(v, 4);
                    let rows = [v128_and(v, low), v128_and(v, high), v128_and(upper, low), v128_and(upper, high)];
                    for t in 0..T {
                        for r in 0..GROUP {
                            let pairs = i16x8_relaxed_dot_i8x16_i7x16(x[t], rows[r]);
                            sums[t][g][r] = i16x8_add(sums[t][g][r], pairs);
                        }
                    }
                }
                col += 16;
            }
            // Left in wasm's memory, where they are aligned. In registers V8 would spill them to a stack that is not, and where a
            // slot straddles two pages, which is a matter of the callers' depth, a store takes some fifty cycles.
            let lanes = std::hint::black_box(&mut *lanes);
            for t in 0..T {
                for g in 0..G {
                    for r in 0..GROUP {
                        lanes[t][g][r] = i32x4_add(lanes[t][g][r], i32x4_dot_i16x8(sums[t][g][r], ones));
                    }
                }
            }
            start = end;
        }
    }

    unsafe fn fold(lanes: &[v128; GROUP]) -> [i32; GROUP] {
        lanes.map(lane_sum)
    }
}
