//! 16-bit floats. Widening is exact, and narrowing rounds to nearest even, in whatever way it is done.

use crate::blocks::float::f16_to_f32;

/// Values converted at a time.
pub(super) const HALVES: usize = 16;

/// A way to make f32 of 16-bit floats.
pub(super) trait Widen {
    /// Widens what is finite: of infinity and NaN some make numbers.
    ///
    /// # Safety
    /// The processor has what the implementation needs.
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES];
}

/// A way to make f16 of f32.
pub(super) trait Narrow {
    /// Narrows, to nearest even.
    ///
    /// # Safety
    /// The processor has what the implementation needs.
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES];
}

/// f16 by integer and float arithmetic that every vector unit has.
#[derive(Debug)]
pub(super) struct Portable;

impl Widen for Portable {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        for l in 0..HALVES {
            out[l] = f16_to_f32(h[l]);
        }
        out
    }
}

impl Narrow for Portable {
    #[inline(always)]
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES] {
        let mut out = [0; HALVES];
        for l in 0..HALVES {
            out[l] = narrow(x[l]);
        }
        out
    }
}

/// bf16: the upper half of an f32.
#[derive(Debug)]
pub(super) struct Bf16;

impl Widen for Bf16 {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        for l in 0..HALVES {
            out[l] = f32::from_bits(u32::from(h[l]) << 16);
        }
        out
    }
}

/// Rounds by adding just under half a unit and the odd bit; below 2^-14 the float unit rounds, at the place that
/// adding 0.5 puts the subnormal unit.
#[inline(always)]
pub(super) fn narrow(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add((magnitude >> 13) & 1) >> 13;
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let special = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    let value = if magnitude >= 0x4780_0000 { special } else { finite };
    (value | sign) as u16
}
