//! AVX2: `vpmaddubsw` multiplies 32 codes with 32 activations and adds pairs into 16 bits.

use super::attention::Ymm;
use super::{CODES_AHEAD, F16c, HEAD_AHEAD, lane_sums, prefetch};
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and F16C.
#[derive(Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c")).then_some(Avx2(()))
    }
}

impl Sealed for Avx2 {}

impl Kernels for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: `self` exists, so the processor has AVX2.
        unsafe { walk::<Avx2>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: `self` exists, so the processor has AVX2.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([target_feature(enable = "avx2,f16c")], super::groups::Eight);
    float_pieces!([target_feature(enable = "avx2,f16c")], F16c);
    float_pieces!(@attention [target_feature(enable = "avx2,f16c")], Ymm);
    float_pieces!(@blocks [target_feature(enable = "avx2,f16c")]);
    float_pieces!(@repack [target_feature(enable = "avx2,f16c")], F16c);
}

/// Pairs of products of at most 127·127 fit 16 bits, but not two pairs: each is widened at once.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn int8_sums(codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
    let cols = int8::columns(&codes, x);
    let ones = _mm256_set1_epi16(1);
    let (mut high, mut low) = ([_mm256_setzero_si256(); int8::ROWS], [_mm256_setzero_si256(); int8::ROWS]);
    let mut col = 0;
    while col < cols {
        // SAFETY: col + 32 <= cols, both multiples of 32, and every slice has cols bytes.
        let (h, l) = unsafe {
            (_mm256_loadu_si256(x.high.as_ptr().add(col).cast()), _mm256_loadu_si256(x.low.as_ptr().add(col).cast()))
        };
        for r in 0..int8::ROWS {
            // SAFETY: as above.
            let row = unsafe { _mm256_loadu_si256(codes[r].as_ptr().add(col).cast()) };
            prefetch(codes[r].as_ptr().wrapping_add(col).cast(), HEAD_AHEAD);
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(_mm256_maddubs_epi16(h, row), ones));
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(_mm256_maddubs_epi16(l, row), ones));
        }
        col += 32;
    }
    int8::join(lane_sums(high), lane_sums(low))
}

/// Columns until the 16-bit sums are widened: 16 steps of two products of at most 8·128 reach -2^15 and no further.
const WIDEN: usize = 16 * 32;
impl Dots for Avx2 {
    type Q = i8;
    type Lanes = __m256i;
    // SAFETY: all bits zero are a register of zeros.
    const ZERO: __m256i = unsafe { std::mem::zeroed() };
    const TOKENS: usize = 2;
    const GROUPS: usize = 1;
    /// Rows 1 and 3 are masked in place.
    const SHIFT: [u32; GROUP] = [0, 2, 0, 2];

    #[target_feature(enable = "avx2")]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[__m256i; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(32));
        let (low, high) = (_mm256_set1_epi8(0x03), _mm256_set1_epi8(0x0c));
        let ones = _mm256_set1_epi16(1);
        let mut totals = *lanes;
        let mut start = 0;
        while start < cols {
            let end = cols.min(start + WIDEN);
            let mut sums = [[[_mm256_setzero_si256(); GROUP]; G]; T];
            let mut col = start;
            while col < end {
                let mut x = [_mm256_setzero_si256(); T];
                for t in 0..T {
                    // SAFETY: col + 32 <= cols, both multiples of 32, and every slice has cols bytes.
                    x[t] = unsafe { _mm256_loadu_si256(q[t].as_ptr().add(col).cast()) };
                }
                for g in 0..G {
                    // SAFETY: as above.
                    let v = unsafe { _mm256_loadu_si256(codes[g].as_ptr().add(col).cast()) };
                    // With several tokens in step the products take longer than the memory.
                    if T == 1 {
                        prefetch(codes[g].as_ptr().wrapping_add(col), CODES_AHEAD);
                    }
                    let upper = _mm256_srli_epi16::<4>(v);
                    let rows = [
                        _mm256_and_si256(v, low),
                        _mm256_and_si256(v, high),
                        _mm256_and_si256(upper, low),
                        _mm256_and_si256(upper, high),
                    ];
                    for t in 0..T {
                        for r in 0..GROUP {
                            sums[t][g][r] = _mm256_add_epi16(sums[t][g][r], _mm256_maddubs_epi16(rows[r], x[t]));
                        }
                    }
                }
                col += 32;
            }
            for t in 0..T {
                for g in 0..G {
                    for r in 0..GROUP {
                        totals[t][g][r] = _mm256_add_epi32(totals[t][g][r], _mm256_madd_epi16(sums[t][g][r], ones));
                    }
                }
            }
            start = end;
        }
        *lanes = totals;
    }

    #[target_feature(enable = "avx2")]
    unsafe fn fold(lanes: &[__m256i; GROUP]) -> [i32; GROUP] {
        lane_sums(*lanes)
    }
}
