//! Four f32 in a v128: the sums of eight lanes in two turns, since registers are few.

use crate::kernels::attention::{COLUMN, EIGHT, Vector};
use std::arch::wasm32::*;

#[derive(Clone, Copy)]
pub(super) struct Four(v128);

impl Vector for Four {
    const LANES: usize = 4;
    /// f16 shifted to where f32 has exponent and mantissa are too small by this.
    const F16_UNIT: f32 = f32::from_bits(0x7780_0000);
    /// The bits of a shifted f16.
    type Constants = v128;

    #[inline(always)]
    unsafe fn constants() -> v128 {
        super::opaque(u32x4_splat(0x8fff_e000))
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Four(f32x4_splat(x))
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        Four(unsafe { v128_load(x.cast()) })
    }

    #[inline(always)]
    unsafe fn load_f16(x: *const u16, mask: v128) -> Self {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        Four(v128_and(i32x4_shl(unsafe { i32x4_load_extend_i16x4(x.cast()) }, 13), mask))
    }

    #[inline(always)]
    unsafe fn load_i8(x: *const i8) -> Self {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        let wide = i16x8_extend_low_i8x16(unsafe { v128_load32_zero(x.cast()) });
        Four(f32x4_convert_i32x4(i32x4_extend_low_i16x8(wide)))
    }

    #[inline(always)]
    unsafe fn store(self, out: *mut f32) {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        unsafe { v128_store(out.cast(), self.0) };
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Four(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
    }

    #[inline(always)]
    unsafe fn fold(lanes: &[[f32; EIGHT]; 4]) -> [f32; 4] {
        let mut halves = [f32x4_splat(0.0); 4];
        for (half, lanes) in halves.iter_mut().zip(lanes) {
            // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
            *half = unsafe { f32x4_add(v128_load(lanes.as_ptr().cast()), v128_load(lanes.as_ptr().add(4).cast())) };
        }
        let [a, b, c, d] = halves;
        let ab = f32x4_add(i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
        let cd = f32x4_add(i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        let mut out = [0.0; 4];
        let sums = f32x4_add(i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd));
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        unsafe { v128_store(out.as_mut_ptr().cast(), sums) };
        out
    }

    type Codes = [v128; 2];
    type Sums = v128;

    #[inline(always)]
    unsafe fn zero() -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    unsafe fn load_codes(x: *const i8) -> [v128; 2] {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        unsafe { [i16x8_load_extend_i8x8(x), i16x8_load_extend_i8x8(x.add(8))] }
    }

    #[inline(always)]
    unsafe fn dot_add(sums: v128, codes: [v128; 2], q: *const i16) -> v128 {
        // SAFETY: the elements are at the pointer by the contract of `Vector`; wasm needs no alignment.
        let (low, high) = unsafe { (v128_load(q.cast()), v128_load(q.add(8).cast())) };
        i32x4_add(i32x4_add(sums, i32x4_dot_i16x8(codes[0], low)), i32x4_dot_i16x8(codes[1], high))
    }

    #[inline(always)]
    unsafe fn totals(sums: [v128; 4]) -> [i32; 4] {
        sums.map(super::lane_sum)
    }
}

const _: () = assert!(COLUMN == 16);
