//! Sixteen or thirty-two tokens a register.

use super::avx2::Avx2;
use super::avx512::Avx512;
use super::prefetch;
use crate::kernels::tables::{Registers, Tables, table_pieces};
use std::arch::x86_64::*;

/// 256 bits.
#[derive(Debug, Clone, Copy)]
struct Ymm(__m256i);

impl Registers for Ymm {
    const LANES: usize = 16;
    const VECTORS: usize = 2;
    const TABLES: usize = 8;
    const STEP: usize = 4;
    const LEAST: usize = 9;

    #[inline(always)]
    fn fetch(at: *const u8) {
        prefetch(at, 0);
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: AVX2 by the contract of `Registers`.
        Ymm(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn load(sums: *const i16) -> Self {
        // SAFETY: AVX2 and 16 sums by the contract of `Registers`.
        Ymm(unsafe { _mm256_loadu_si256(sums.cast()) })
    }

    #[inline(always)]
    unsafe fn load_q(q: *const i8) -> Self {
        // SAFETY: AVX2 and 16 activations by the contract of `Registers`.
        Ymm(unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(q.cast())) })
    }

    #[inline(always)]
    unsafe fn store(self, sums: *mut i16) {
        // SAFETY: AVX2 and room for 16 sums by the contract of `Registers`.
        unsafe { _mm256_storeu_si256(sums.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: AVX2 by the contract of `Registers`.
        Ymm(unsafe { _mm256_add_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: AVX2 by the contract of `Registers`.
        Ymm(unsafe { _mm256_sub_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn add_to(self, sums: *mut i32, first: bool) {
        // SAFETY: AVX2 and 16 sums by the contract of `Registers`.
        unsafe {
            let halves = [_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0)];
            for (i, half) in halves.into_iter().enumerate() {
                let (wide, sums) = (_mm256_cvtepi16_epi32(half), sums.add(8 * i).cast());
                let wide = if first { wide } else { _mm256_add_epi32(wide, _mm256_loadu_si256(sums)) };
                _mm256_storeu_si256(sums, wide);
            }
        }
    }
}

/// 512 bits.
#[derive(Debug, Clone, Copy)]
struct Zmm(__m512i);

impl Registers for Zmm {
    const LANES: usize = 32;
    const VECTORS: usize = 1;
    const TABLES: usize = 8;
    const STEP: usize = 4;
    const LEAST: usize = 20;

    #[inline(always)]
    fn fetch(at: *const u8) {
        prefetch(at, 0);
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: AVX-512 F and BW by the contract of `Registers`.
        Zmm(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn load(sums: *const i16) -> Self {
        // SAFETY: AVX-512 F and BW and 32 sums by the contract of `Registers`.
        Zmm(unsafe { _mm512_loadu_si512(sums.cast()) })
    }

    #[inline(always)]
    unsafe fn load_q(q: *const i8) -> Self {
        // SAFETY: AVX-512 F and BW and 32 activations by the contract of `Registers`.
        Zmm(unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(q.cast())) })
    }

    #[inline(always)]
    unsafe fn store(self, sums: *mut i16) {
        // SAFETY: AVX-512 F and BW and room for 32 sums by the contract of `Registers`.
        unsafe { _mm512_storeu_si512(sums.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: AVX-512 F and BW by the contract of `Registers`.
        Zmm(unsafe { _mm512_add_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: AVX-512 F and BW by the contract of `Registers`.
        Zmm(unsafe { _mm512_sub_epi16(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn add_to(self, sums: *mut i32, first: bool) {
        // SAFETY: AVX-512 F and BW and 32 sums by the contract of `Registers`.
        unsafe {
            let halves = [_mm512_castsi512_si256(self.0), _mm512_extracti64x4_epi64::<1>(self.0)];
            for (i, half) in halves.into_iter().enumerate() {
                let (wide, sums) = (_mm512_cvtepi16_epi32(half), sums.add(16 * i));
                let wide = if first { wide } else { _mm512_add_epi32(wide, _mm512_loadu_si512(sums.cast())) };
                _mm512_storeu_si512(sums.cast(), wide);
            }
        }
    }
}

impl Tables for Avx2 {
    table_pieces!([target_feature(enable = "avx2")], Ymm);
}

impl Tables for Avx512 {
    table_pieces!([target_feature(enable = "avx512f,avx512bw,avx2")], Zmm);
}
