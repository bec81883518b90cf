//! simd128: a 16-bit lane holds two columns of four rows. Masked in place, the even columns count 1, 4, 16 and 64
//! times, and after one shift the odd ones too. Activations lie in 16 bits, even and odd columns apart.

use super::attention::Four;
use super::{Half, lane_sum, opaque};
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::wasm32::*;

/// The base instructions of every module that this crate's SIMD builds make.
#[derive(Debug)]
pub(super) struct Simd128;

impl Sealed for Simd128 {}

impl Kernels for Simd128 {
    fn name(&self) -> &'static str {
        "simd128"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: the module was built with simd128, and runs.
        unsafe { walk::<Simd128>(tile, tile.halves(), sums) }
    }

    fn wants_halves(&self) -> bool {
        true
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: the module was built with simd128, and runs.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([], super::groups::Halves);
    float_pieces!([], Half);
    float_pieces!(@attention [], Four);
    float_pieces!(@blocks []);
    float_pieces!(@repack [], Half);
}

/// Columns until the 32-bit lanes are emptied: 512 sums of two products of at most 127·16383 stay within 2^31.
const EMPTY: usize = 4096;

/// # Safety
/// The module was built with simd128.
pub(super) unsafe fn int8_sums(codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
    let cols = int8::columns(&codes, x);
    let mut totals = [0; int8::ROWS];
    for start in (0..cols).step_by(EMPTY) {
        let end = cols.min(start + EMPTY);
        let mut sums = [i32x4_splat(0); int8::ROWS];
        let mut col = start;
        while col < end {
            // SAFETY: col + 16 <= cols, both multiples of 16, and every slice has cols elements.
            let (first, second) = unsafe {
                let u = x.whole.as_ptr().add(col);
                (v128_load(u.cast()), v128_load(u.add(8).cast()))
            };
            for r in 0..int8::ROWS {
                // SAFETY: as above.
                let row = unsafe { v128_load(codes[r].as_ptr().add(col).cast()) };
                let sum = i32x4_add(sums[r], i32x4_dot_i16x8(i16x8_extend_low_i8x16(row), first));
                sums[r] = i32x4_add(sum, i32x4_dot_i16x8(i16x8_extend_high_i8x16(row), second));
            }
            col += 16;
        }
        for (total, sums) in totals.iter_mut().zip(sums) {
            let pairs = i64x2_add(i64x2_extend_low_i32x4(sums), i64x2_extend_high_i32x4(sums));
            *total += i64x2_extract_lane::<0>(pairs) + i64x2_extract_lane::<1>(pairs);
        }
    }
    totals
}

impl Dots for Simd128 {
    type Q = i16;
    type Lanes = v128;
    const ZERO: v128 = i32x4(0, 0, 0, 0);
    const TOKENS: usize = 1;
    const GROUPS: usize = 1;
    const SHIFT: [u32; GROUP] = [0, 2, 4, 6];

    // A function of its own: inlined, V8 gives this loop too few registers, and it takes 1.5 times as long.
    #[inline(never)]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[v128; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i16]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(16));
        let masks = [0x03, 0x0c, 0x30, 0xc0].map(|mask| opaque(i16x8_splat(mask)));
        let mut totals = *lanes;
        let mut col = 0;
        while col < cols {
            let (mut even, mut odd) = ([i32x4_splat(0); T], [i32x4_splat(0); T]);
            for t in 0..T {
                // SAFETY: col + 16 <= cols, both multiples of 16, and every slice of q has cols 16-bit elements.
                unsafe {
                    even[t] = v128_load(q[t].as_ptr().add(col).cast());
                    odd[t] = v128_load(q[t].as_ptr().add(col + 8).cast());
                }
            }
            for g in 0..G {
                // SAFETY: col + 16 <= cols, and every slice of codes has cols bytes.
                let v = unsafe { v128_load(codes[g].as_ptr().add(col).cast()) };
                let upper = u16x8_shr(v, 8);
                for r in 0..GROUP {
                    for t in 0..T {
                        let total = i32x4_add(totals[t][g][r], i32x4_dot_i16x8(v128_and(v, masks[r]), even[t]));
                        totals[t][g][r] = i32x4_add(total, i32x4_dot_i16x8(v128_and(upper, masks[r]), odd[t]));
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
