//! The oracle: no instruction set, nothing clever. Every other backend is tested to equal it.

use super::attention;
use super::generic::float_pieces;
use super::half::Portable;
use super::int8::{self, WideActivations};
use super::layout::GROUP;
use super::ternary::{Dots, Tile, walk};
use super::{Kernels, sealed::Sealed};

/// Plain Rust, on every processor.
#[derive(Debug)]
pub(crate) struct Scalar;

impl Sealed for Scalar {}

impl Kernels for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: `Dots` below needs nothing of the processor.
        unsafe { walk::<Scalar>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        int8::plain(codes, x)
    }

    float_pieces!([], Portable);
    float_pieces!(@attention [], attention::Portable);
    float_pieces!(@blocks []);
    float_pieces!(@repack [], Portable);
}

impl Dots for Scalar {
    type Q = i8;
    type Lanes = i32;
    const ZERO: i32 = 0;
    const TOKENS: usize = 1;
    const GROUPS: usize = 2;
    const SHIFT: [u32; GROUP] = [0; GROUP];

    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[i32; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        for (sums, q) in lanes.iter_mut().zip(q) {
            for (sums, codes) in sums.iter_mut().zip(codes) {
                for (byte, q) in codes.iter().zip(q) {
                    for (row, sum) in sums.iter_mut().enumerate() {
                        *sum += i32::from(byte >> (2 * row) & 3) * i32::from(*q);
                    }
                }
            }
        }
    }

    unsafe fn fold(lanes: &[i32; GROUP]) -> [i32; GROUP] {
        *lanes
    }
}
