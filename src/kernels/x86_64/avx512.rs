//! AVX-512 VNNI: `vpdpbusd` multiplies 64 codes with 64 activations and adds fours of them into 32 bits.
//!
//! All four rows are masked in place, so their codes count 1, 4, 16 and 64 times.

use super::attention::Ymm;
use super::{CODES_AHEAD, HEAD_AHEAD, lane_sums, prefetch};
use crate::kernels::generic::float_pieces;
use crate::kernels::groups::group_pieces;
use crate::kernels::half::{HALVES, Narrow, Widen};
use crate::kernels::int8::{self, WideActivations};
use crate::kernels::layout::GROUP;
use crate::kernels::ternary::{Dots, Tile, walk};
use crate::kernels::{Kernels, sealed::Sealed};
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW and VNNI, and what comes before them.
#[derive(Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("f16c"))
        .then_some(Avx512(()))
    }
}

impl Sealed for Avx512 {}

impl Kernels for Avx512 {
    fn name(&self) -> &'static str {
        "avx512"
    }

    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]) {
        // SAFETY: `self` exists, so the processor has the features.
        unsafe { walk::<Avx512>(tile, tile.q(), sums) }
    }

    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
        // SAFETY: `self` exists, so the processor has the features.
        unsafe { int8_sums(codes, x) }
    }

    group_pieces!([target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")], super::groups::Sixteen);
    float_pieces!([target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")], Convert);
    float_pieces!(@attention [target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,f16c")], Ymm);
    // With wider registers the compiler scatters what AVX2 stores in a row, and takes three times as long.
    float_pieces!(@blocks [target_feature(enable = "avx2")]);
    float_pieces!(@repack [target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")], Convert);
}

/// f16 sixteen at a time, with AVX-512 F's own instructions.
struct Convert;

impl Widen for Convert {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        // SAFETY: AVX-512 F by the trait's contract; both arrays have 16 elements, and may be unaligned.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_cvtph_ps(_mm256_loadu_si256(h.as_ptr().cast()))) };
        out
    }
}

impl Narrow for Convert {
    #[inline(always)]
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES] {
        let mut out = [0; HALVES];
        // SAFETY: as above.
        unsafe {
            let h = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_loadu_ps(x.as_ptr()));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), h);
        }
        out
    }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
unsafe fn int8_sums(codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS] {
    let cols = int8::columns(&codes, x);
    let (mut high, mut low) = ([_mm512_setzero_si512(); int8::ROWS], [_mm512_setzero_si512(); int8::ROWS]);
    let mut col = 0;
    while col < cols {
        // SAFETY: col + 64 <= cols, both multiples of 64, and every slice has cols bytes.
        let (h, l) = unsafe {
            (_mm512_loadu_si512(x.high.as_ptr().add(col).cast()), _mm512_loadu_si512(x.low.as_ptr().add(col).cast()))
        };
        for r in 0..int8::ROWS {
            // SAFETY: as above.
            let row = unsafe { _mm512_loadu_si512(codes[r].as_ptr().add(col).cast()) };
            prefetch(codes[r].as_ptr().wrapping_add(col).cast(), HEAD_AHEAD);
            high[r] = _mm512_dpbusd_epi32(high[r], h, row);
            low[r] = _mm512_dpbusd_epi32(low[r], l, row);
        }
        col += 64;
    }
    int8::join(lane_sums(high.map(|v| halves(v))), lane_sums(low.map(|v| halves(v))))
}

/// The upper half added to the lower.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn halves(v: __m512i) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v))
}

impl Dots for Avx512 {
    type Q = i8;
    type Lanes = __m512i;
    // SAFETY: all bits zero are a register of zeros.
    const ZERO: __m512i = unsafe { std::mem::zeroed() };
    const TOKENS: usize = 4;
    const GROUPS: usize = 1;
    const SHIFT: [u32; GROUP] = [0, 2, 4, 6];

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[__m512i; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[i8]; T],
    ) {
        let cols = q[0].len();
        assert!(codes.iter().all(|c| c.len() == cols) && q.iter().all(|q| q.len() == cols) && cols.is_multiple_of(64));
        let masks = [0x03, 0x0c, 0x30, 0xc0u8].map(|mask| _mm512_set1_epi8(mask as i8));
        let mut totals = *lanes;
        let mut col = 0;
        while col < cols {
            let mut x = [_mm512_setzero_si512(); T];
            for t in 0..T {
                // SAFETY: col + 64 <= cols, both multiples of 64, and every slice has cols bytes.
                x[t] = unsafe { _mm512_loadu_si512(q[t].as_ptr().add(col).cast()) };
            }
            for g in 0..G {
                // SAFETY: as above.
                let v = unsafe { _mm512_loadu_si512(codes[g].as_ptr().add(col).cast()) };
                // With several tokens in step the products take longer than the memory.
                if T == 1 {
                    prefetch(codes[g].as_ptr().wrapping_add(col), CODES_AHEAD);
                }
                for r in 0..GROUP {
                    let row = _mm512_and_si512(v, masks[r]);
                    for t in 0..T {
                        totals[t][g][r] = _mm512_dpbusd_epi32(totals[t][g][r], row, x[t]);
                    }
                }
            }
            col += 64;
        }
        *lanes = totals;
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
    unsafe fn fold(lanes: &[__m512i; GROUP]) -> [i32; GROUP] {
        lane_sums(lanes.map(|v| halves(v)))
    }
}
