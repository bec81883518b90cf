//! Eight or sixteen lanes a register.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::prefetch;
use crate::kernels::groups::{GroupActivations, Lanes};
use std::arch::x86_64::*;

/// 256 bits: `vpmaddubsw` adds pairs of products into 16 bits. A group is eight steps of two products of at most 8·128,
/// which stay within 2^15.
#[derive(Debug)]
pub(super) struct Eight;

impl Lanes for Eight {
    type Q = i8;
    type Masks = [__m256i; 2];
    type Sums = __m256i;
    type Floats = __m256;
    const LANES: usize = 8;
    const TOKENS: usize = 2;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; 4] = [0, 2, 0, 2];

    #[inline(always)]
    fn fetch(at: *const u8) {
        prefetch(at, 0);
    }

    #[inline(always)]
    fn activations(x: &GroupActivations) -> &[i8] {
        x.q()
    }

    #[inline(always)]
    unsafe fn masks() -> [__m256i; 2] {
        // SAFETY: AVX2 by the contract of `Lanes`.
        unsafe { [_mm256_set1_epi8(0x03), _mm256_set1_epi8(0x0c)] }
    }

    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        [low, high]: [__m256i; 2],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[__m256i; 4]; R]; T] {
        // SAFETY: AVX2, 32 bytes of codes every 64 and 32 activations by the contract of `Lanes`.
        unsafe {
            let mut sums = [[[_mm256_setzero_si256(); 4]; R]; T];
            for step in 0..steps {
                for r in 0..R {
                    let v = _mm256_loadu_si256(codes.add(64 * step + 32 * r).cast());
                    let upper = _mm256_srli_epi16::<4>(v);
                    let rows = [
                        _mm256_and_si256(v, low),
                        _mm256_and_si256(v, high),
                        _mm256_and_si256(upper, low),
                        _mm256_and_si256(upper, high),
                    ];
                    for t in 0..T {
                        let x = _mm256_set1_epi32(q[t].add(4 * step).cast::<i32>().read_unaligned());
                        for i in 0..4 {
                            sums[t][r][i] = _mm256_add_epi16(sums[t][r][i], _mm256_maddubs_epi16(rows[i], x));
                        }
                    }
                }
            }
            let ones = _mm256_set1_epi16(1);
            for t in 0..T {
                for r in 0..R {
                    for i in 0..4 {
                        let start = _mm256_set1_epi32(start[t] << Self::SHIFT[i]);
                        sums[t][r][i] = _mm256_add_epi32(_mm256_madd_epi16(sums[t][r][i], ones), start);
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: AVX2 by the contract of `Lanes`.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn scaled(sums: __m256i, d: f32) -> __m256 {
        // SAFETY: AVX2 by the contract of `Lanes`.
        unsafe { _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(d)) }
    }

    #[inline(always)]
    unsafe fn sum(a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX2 by the contract of `Lanes`.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn add_scaled(totals: *mut f32, t: __m256, scales: *const u8, factor: f32) {
        // SAFETY: AVX2 and F16C, eight totals and eight scales by the contract of `Lanes`.
        unsafe {
            let scales = _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128(scales.cast())), _mm256_set1_ps(factor));
            _mm256_storeu_ps(totals, _mm256_add_ps(_mm256_loadu_ps(totals), _mm256_mul_ps(t, scales)));
        }
    }
}

/// 512 bits: `vpdpbusd` adds fours of products into 32 bits, and takes the activations of four columns for all lanes.
#[derive(Debug)]
pub(super) struct Sixteen;

impl Lanes for Sixteen {
    type Q = i8;
    type Masks = [__m512i; 4];
    type Sums = __m512i;
    type Floats = __m512;
    const LANES: usize = 16;
    const TOKENS: usize = 4;
    /// All rows are masked in place.
    const SHIFT: [u32; 4] = [0, 2, 4, 6];

    #[inline(always)]
    fn fetch(at: *const u8) {
        prefetch(at, 0);
    }

    #[inline(always)]
    fn activations(x: &GroupActivations) -> &[i8] {
        x.q()
    }

    #[inline(always)]
    unsafe fn masks() -> [__m512i; 4] {
        // SAFETY: AVX-512 by the contract of `Lanes`.
        unsafe {
            [_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c), _mm512_set1_epi8(0x30), _mm512_set1_epi8(0xc0u8 as i8)]
        }
    }

    #[inline(always)]
    unsafe fn sums<const T: usize, const R: usize>(
        masks: [__m512i; 4],
        steps: usize,
        codes: *const u8,
        q: [*const i8; T],
        start: [i32; T],
    ) -> [[[__m512i; 4]; R]; T] {
        // SAFETY: AVX-512 with VNNI, 512 bytes of codes and 32 activations by the contract of `Lanes`.
        unsafe {
            assert_eq!(R, 1, "registers of a column's lanes");
            let mut sums = [[[_mm512_setzero_si512(); 4]; R]; T];
            for t in 0..T {
                for i in 0..4 {
                    sums[t][0][i] = _mm512_set1_epi32(start[t] << Self::SHIFT[i]);
                }
            }
            for step in 0..steps {
                let v = _mm512_loadu_si512(codes.add(64 * step).cast());
                let mut rows = [v; 4];
                for i in 0..4 {
                    rows[i] = _mm512_and_si512(v, masks[i]);
                }
                for t in 0..T {
                    let x = _mm512_set1_epi32(q[t].add(4 * step).cast::<i32>().read_unaligned());
                    for i in 0..4 {
                        sums[t][0][i] = _mm512_dpbusd_epi32(sums[t][0][i], rows[i], x);
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: AVX-512 by the contract of `Lanes`.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn scaled(sums: __m512i, d: f32) -> __m512 {
        // SAFETY: AVX-512 by the contract of `Lanes`.
        unsafe { _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(d)) }
    }

    #[inline(always)]
    unsafe fn sum(a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512 by the contract of `Lanes`.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn add_scaled(totals: *mut f32, t: __m512, scales: *const u8, factor: f32) {
        // SAFETY: AVX-512, sixteen totals and sixteen scales by the contract of `Lanes`.
        unsafe {
            let scales = _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(scales.cast())), _mm512_set1_ps(factor));
            _mm512_storeu_ps(totals, _mm512_add_ps(_mm512_loadu_ps(totals), _mm512_mul_ps(t, scales)));
        }
    }
}
