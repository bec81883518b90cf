//! x86-64, chosen at run time.

mod attention;
mod avx2;
mod avx512;
mod groups;
mod limits;
mod tables;

use super::Backend;
use super::half::{HALVES, Narrow, Widen};
use std::arch::x86_64::*;
use std::sync::LazyLock;

static AVX512: LazyLock<Option<avx512::Avx512>> = LazyLock::new(avx512::Avx512::new);
static AVX2: LazyLock<Option<avx2::Avx2>> = LazyLock::new(avx2::Avx2::new);

/// What this processor has, the best first.
pub(super) fn available() -> impl Iterator<Item = Backend> {
    let avx512 = AVX512.as_ref().map(|b| b as Backend);
    let avx2 = AVX2.as_ref().map(|b| b as Backend);
    avx512.into_iter().chain(avx2)
}

/// f16 by the F16C instructions, which every processor with AVX2 has but the detection asks for.
#[derive(Debug)]
struct F16c;

impl Widen for F16c {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        for i in [0, 8] {
            // SAFETY: F16C by the trait's contract; 8 values from index 0 or 8 lie inside the 16 of both arrays, and
            // unaligned accesses are used.
            unsafe {
                let h = _mm_loadu_si128(h.as_ptr().add(i).cast());
                _mm256_storeu_ps(out.as_mut_ptr().add(i), _mm256_cvtph_ps(h));
            }
        }
        out
    }
}

impl Narrow for F16c {
    #[inline(always)]
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES] {
        let mut out = [0; HALVES];
        for i in [0, 8] {
            // SAFETY: as above.
            unsafe {
                let h = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(x.as_ptr().add(i)));
                _mm_storeu_si128(out.as_mut_ptr().add(i).cast(), h);
            }
        }
        out
    }
}

/// How far ahead of the loads weights are asked for, which memory has and no cache: of a row of the head, of a stream of codes.
const HEAD_AHEAD: usize = 1024;
const CODES_AHEAD: usize = 3072;

/// Asks for the cache line `ahead` bytes behind `at`. The processor's own prefetchers end with each page of 4 KB.
///
/// It may lie beyond all there is: nothing is read, and an address that nobody has is no error.
#[inline(always)]
fn prefetch(at: *const u8, ahead: usize) {
    // SAFETY: SSE, which has the instruction, is a part of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(ahead).cast()) };
}

/// The four sums of the 32-bit lanes of four vectors.
#[target_feature(enable = "avx2")]
fn lane_sums([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    // Each 128-bit half of the last result holds one partial sum of a, b, c, d.
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
    let mut out = [0; 4];
    // SAFETY: `out` has room for 16 bytes; the store may be unaligned.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
    out
}
