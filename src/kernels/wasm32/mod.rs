//! WebAssembly: what the module was built with, because an engine refuses a module with one unknown instruction.

mod attention;
mod groups;
mod limits;
#[cfg(target_feature = "relaxed-simd")]
mod race;
#[cfg(target_feature = "relaxed-simd")]
mod relaxed;
#[cfg(target_feature = "relaxed-simd")]
mod relaxed_pairs;
mod simd128;
mod tables;

use super::Backend;
use super::half::{HALVES, Narrow, Portable, Widen};
use std::arch::wasm32::*;

/// What this module has, the best first.
pub(super) fn available() -> Vec<Backend> {
    #[cfg(target_feature = "relaxed-simd")]
    let relaxed = race::faster_first([&relaxed::Relaxed, &relaxed_pairs::RelaxedPairs]);
    #[cfg(not(target_feature = "relaxed-simd"))]
    let relaxed: [Backend; 0] = [];
    relaxed.into_iter().chain([&simd128::Simd128 as Backend]).collect()
}

/// The sum of four 32-bit lanes.
#[inline]
fn lane_sum(v: v128) -> i32 {
    let v = i32x4_add(v, i32x4_shuffle::<2, 3, 0, 1>(v, v));
    i32x4_extract_lane::<0>(v) + i32x4_extract_lane::<1>(v)
}

/// A constant that V8 does not know: it would make one that it knows anew in each turn of a loop.
#[inline]
fn opaque(constant: v128) -> v128 {
    std::hint::black_box(constant)
}

/// f16 by explicit instructions: the compiler's own choice for the portable way is several times slower. Without infinity
/// and NaN, which would take twice the instructions.
#[derive(Debug)]
struct Half;

impl Widen for Half {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        for i in [0, 8] {
            // SAFETY: 8 values from index 0 or 8 lie inside the 16 of both arrays; wasm needs no alignment.
            unsafe {
                let h = v128_load(h.as_ptr().add(i).cast());
                v128_store(out.as_mut_ptr().add(i).cast(), widen(i32x4_extend_low_i16x8(h)));
                v128_store(out.as_mut_ptr().add(i + 4).cast(), widen(i32x4_extend_high_i16x8(h)));
            }
        }
        out
    }
}

impl Narrow for Half {
    #[inline(always)]
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES] {
        // SAFETY: the portable way needs nothing.
        unsafe { Portable::narrow(x) }
    }
}

/// Four sign-extended f16, as the portable way does it but with the sign where its extension leaves it.
#[inline(always)]
fn widen(h: v128) -> v128 {
    widen_times(h, 1.0)
}

/// The same times a power of two up to 1.
#[inline(always)]
fn widen_times(h: v128, power: f32) -> v128 {
    const EXPONENTS: f32 = f32::from_bits(0x7780_0000);
    f32x4_mul(v128_and(i32x4_shl(h, 13), u32x4_splat(0x8fff_e000)), f32x4_splat(EXPONENTS * power))
}
