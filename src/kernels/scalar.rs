//! The oracle: no instruction set, nothing clever. Every other backend is tested to equal it.

use super::attention;
use super::generic::float_pieces;
use super::groups::{GroupActivations, Lanes, group_pieces};
use super::half::Portable;
use super::int8::{self, WideActivations};
use super::layout::GROUP;
use super::tables::{Registers, Tables, table_pieces};
use super::ternary::{Dots, Tile, walk};
use super::{Kernels, sealed::Sealed};
use crate::blocks::float::f16_to_f32;

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

    group_pieces!([], One);
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

/// A lane a register.
#[derive(Debug)]
struct One;

impl Lanes for One {
    type Q = i8;
    type Masks = ();
    type Sums = i32;
    type Floats = f32;
    const LANES: usize = 1;
    const TOKENS: usize = 1;
    const SHIFT: [u32; GROUP] = [0; GROUP];

    #[inline(always)]
    fn activations(x: &GroupActivations) -> &[i8] {
        x.q()
    }

    #[inline(always)]
    unsafe fn masks() {}

    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        (): (),
        _steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[i32; GROUP]; R]; T] {
        let mut sums = start.map(|start| [[start; GROUP]; R]);
        for (sums, q) in sums.iter_mut().zip(q) {
            for (lane, sums) in sums.iter_mut().enumerate() {
                for col in 0..32 {
                    // SAFETY: four bytes of codes a lane every 64 and 32 activations by the contract of `Lanes`.
                    let (byte, q) = unsafe { (*codes.add(64 * (col / 4) + 4 * lane + col % 4), *q.add(col)) };
                    for (row, sum) in sums.iter_mut().enumerate() {
                        *sum += i32::from(byte >> (2 * row) & 3) * i32::from(q);
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn zero() -> f32 {
        0.0
    }

    #[inline(always)]
    unsafe fn scaled(sums: i32, d: f32) -> f32 {
        sums as f32 * d
    }

    #[inline(always)]
    unsafe fn sum(a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    unsafe fn add_scaled(total: *mut f32, t: f32, scale: *const u8, factor: f32) {
        // SAFETY: a total and a scale by the contract of `Lanes`.
        unsafe { *total += t * (f16_to_f32(u16::from_le_bytes(scale.cast::<[u8; 2]>().read())) * factor) }
    }
}

/// Eight tokens side by side.
#[derive(Debug, Clone, Copy)]
struct Plain([i16; 8]);

impl Registers for Plain {
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    const TABLES: usize = 4;
    const STEP: usize = 1;
    const LEAST: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Plain([0; 8])
    }

    #[inline(always)]
    unsafe fn load(sums: *const i16) -> Self {
        // SAFETY: eight sums by the contract of `Registers`.
        Plain(unsafe { sums.cast::<[i16; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_q(q: *const i8) -> Self {
        // SAFETY: eight activations by the contract of `Registers`.
        Plain(unsafe { q.cast::<[i8; 8]>().read_unaligned() }.map(i16::from))
    }

    #[inline(always)]
    unsafe fn store(self, sums: *mut i16) {
        // SAFETY: room for eight sums by the contract of `Registers`.
        unsafe { sums.cast::<[i16; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
    }

    #[inline(always)]
    unsafe fn add_to(self, sums: *mut i32, first: bool) {
        for (i, lane) in self.0.into_iter().enumerate() {
            // SAFETY: eight sums by the contract of `Registers`.
            unsafe {
                let sum = sums.add(i);
                sum.write_unaligned(if first { 0 } else { sum.read_unaligned() } + i32::from(lane));
            }
        }
    }
}

impl Tables for Scalar {
    table_pieces!([], Plain);
}
