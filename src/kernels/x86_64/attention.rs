//! Eight f32 in an AVX register. 512 bits are not used: attention to long texts waits for memory.

use crate::kernels::attention::{COLUMN, EIGHT, Vector};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Ymm(__m256);

impl Vector for Ymm {
    const LANES: usize = EIGHT;
    const F16_UNIT: f32 = 1.0;
    type Constants = ();

    #[inline(always)]
    unsafe fn constants() {}

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        Ymm(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        Ymm(unsafe { _mm256_loadu_ps(x) })
    }

    #[inline(always)]
    unsafe fn load_f16(x: *const u16, (): ()) -> Self {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        Ymm(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(x.cast())) })
    }

    #[inline(always)]
    unsafe fn load_i8(x: *const i8) -> Self {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        Ymm(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(x.cast()))) })
    }

    #[inline(always)]
    unsafe fn store(self, out: *mut f32) {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { _mm256_storeu_ps(out, self.0) };
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        Ymm(unsafe { _mm256_add_ps(self.0, _mm256_mul_ps(a.0, b.0)) })
    }

    #[inline(always)]
    unsafe fn fold(lanes: &[[f32; EIGHT]; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe {
            let mut halves = [_mm_setzero_ps(); 4];
            for (half, lanes) in halves.iter_mut().zip(lanes) {
                *half = _mm_add_ps(_mm_loadu_ps(lanes.as_ptr()), _mm_loadu_ps(lanes.as_ptr().add(4)));
            }
            let [a, b, c, d] = halves;
            let ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)));
        }
        out
    }

    type Codes = __m256i;
    type Sums = __m256i;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn load_codes(x: *const i8) -> __m256i {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn dot_add(sums: __m256i, codes: __m256i, q: *const i16) -> __m256i {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(codes, _mm256_loadu_si256(q.cast()))) }
    }

    #[inline(always)]
    unsafe fn totals(sums: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: AVX2 and F16C, and the elements at any pointer, by the contract of `Vector`; accesses may be unaligned.
        unsafe { super::lane_sums(sums) }
    }
}

const _: () = assert!(COLUMN == 16);
