//! Relaxed SIMD: one instruction multiplies 16 codes with 16 activations and adds fours of them into 32 bits.
//!
//! Engines may differ in what they do with a second operand beyond 7 bits and with sums of pairs beyond 16. Codes
//! count at most four times here, so the operand is at most 8 and a pair at most 2·8·128: every engine gives the same.
//! Nothing else that is relaxed is used; the float pieces are those of simd128.

use super::attention::Four;
use super::{Half, lane_sum, opaque};
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::wasm32::*;

/// The instructions of a module built with relaxed SIMD.
#[derive(Debug)]
pub(super) struct Relaxed;

impl Sealed for Relaxed {}

impl Kernels for Relaxed {
    fn name(&self) -> &'static str {
        "relaxed"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: the module was built with relaxed SIMD, and runs.
        unsafe { walk::<Relaxed>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: the module was built with relaxed SIMD, and runs.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([], super::groups::Fours);
    float_pieces!([], Half);
    float_pieces!(@attention [], Four);
    float_pieces!(@blocks []);
    float_pieces!(@repack [], Half);
}

/// Both pieces of the activations are 7 bits, so every engine gives the same here too.
///
/// # Safety
/// The module was built with relaxed SIMD.
unsafe fn int8_sums(codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
    let cols = int8::columns(&codes, x);
    let (mut high, mut low) = ([i32x4_splat(0); int8::ROWS], [i32x4_splat(0); int8::ROWS]);
    let mut col = 0;
    while col < cols {
        // SAFETY: col + 16 <= cols, both multiples of 16, and every slice has cols bytes.
        let (h, l) = unsafe { (v128_load(x.high.as_ptr().add(col).cast()), v128_load(x.low.as_ptr().add(col).cast())) };
        for r in 0..int8::ROWS {
            // SAFETY: as above.
            let row = unsafe { v128_load(codes[r].as_ptr().add(col).cast()) };
            high[r] = i32x4_relaxed_dot_i8x16_i7x16_add(row, h, high[r]);
            low[r] = i32x4_relaxed_dot_i8x16_i7x16_add(row, l, low[r]);
        }
        col += 16;
    }
    int8::join(high.map(lane_sum), low.map(lane_sum))
}

impl Dots for Relaxed {
    type Q = i8;
    type Lanes = v128;
    const ZERO: v128 = i32x4(0, 0, 0, 0);
    const TOKENS: usize = 2;
    const GROUPS: usize = 2;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; GROUP] = [0, 2, 0, 2];

    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[v128; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(16));
        let (low, high) = (opaque(u8x16_splat(0x03)), opaque(u8x16_splat(0x0c)));
        let mut totals = *lanes;
        let mut col = 0;
        while col < cols {
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
                        totals[t][g][r] = i32x4_relaxed_dot_i8x16_i7x16_add(x[t], rows[r], totals[t][g][r]);
                    }
                }
            }
            col += 16;
        }
        *lanes = totals;
    }

    unsafe fn fold(lanes: &[v128; GROUP]) -> [i32; GROUP] {
        lanes.map(lane_sum)
    }
}
