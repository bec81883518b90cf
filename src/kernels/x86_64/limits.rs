//! The dot instructions on registers alone, and plain reads.

use super::avx2::Avx2;
use super::avx512::Avx512;
use crate::kernels::roofline::{CODES, FIRST, Limits, STEP, Turn, read};
use std::arch::x86_64::*;
use std::hint::black_box;

const AVX2: Turn = Turn { chains: 6, lanes: 32, codes: 6 };
const AVX512: Turn = Turn { chains: 12, lanes: 64, codes: 2 };

impl Limits for Avx2 {
    fn turn(&self) -> Turn {
        AVX2
    }

    fn dots(&self, turns: u32) -> u16 {
        // SAFETY: `self` exists, so the processor has AVX2.
        unsafe { maddubs(turns) }
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        // SAFETY: `self` exists, so the processor has AVX2.
        unsafe { read_avx2(bytes) }
    }
}

impl Limits for Avx512 {
    fn turn(&self) -> Turn {
        AVX512
    }

    fn dots(&self, turns: u32) -> u16 {
        // SAFETY: `self` exists, so the processor has AVX-512 F, BW and VNNI.
        unsafe { dpbusd(turns) }
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        // SAFETY: `self` exists, so the processor has AVX2. For wider registers the compiler shuffles what it loads.
        unsafe { read_avx2(bytes) }
    }
}

#[target_feature(enable = "avx2")]
fn read_avx2(bytes: &[u8]) -> u64 {
    read(bytes)
}

/// Sums of 16 bits that wrap: widened now and then, as the kernel must, they would only be slower.
#[target_feature(enable = "avx2")]
fn maddubs(turns: u32) -> u16 {
    let step = twice(&STEP);
    let codes: [__m256i; AVX2.codes] = std::array::from_fn(|c| black_box(twice(&CODES[c])));
    let (mut q, mut totals) = (twice(&FIRST), [_mm256_setzero_si256(); AVX2.chains]);
    for _ in 0..turns {
        for c in 0..AVX2.chains {
            totals[c] = _mm256_add_epi16(totals[c], _mm256_maddubs_epi16(codes[c], q));
        }
        q = _mm256_add_epi8(q, step);
    }
    let mut sum = 0u16;
    for total in totals {
        // SAFETY: both types have 32 bytes and take any bits.
        let lanes: [u16; 16] = unsafe { std::mem::transmute(total) };
        sum = lanes.iter().fold(sum, |sum, lane| sum.wrapping_add(*lane));
    }
    sum
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dpbusd(turns: u32) -> u16 {
    let four = |x: &[i8; 16]| _mm512_broadcast_i32x4(once(x));
    let step = four(&STEP);
    let codes: [__m512i; AVX512.codes] = [black_box(four(&CODES[0])), black_box(four(&CODES[1]))];
    // Each chain begins at its number: two that began alike would be one to the compiler.
    let mut totals: [__m512i; AVX512.chains] = std::array::from_fn(|c| _mm512_set1_epi32(c as i32));
    let mut q = four(&FIRST);
    for _ in 0..turns {
        for c in 0..AVX512.chains {
            totals[c] = _mm512_dpbusd_epi32(totals[c], codes[c % AVX512.codes], q);
        }
        q = _mm512_add_epi8(q, step);
    }
    let mut sum = 0i32;
    for (c, total) in totals.into_iter().enumerate() {
        sum = sum.wrapping_add(_mm512_reduce_add_epi32(total)).wrapping_sub(16 * c as i32);
    }
    sum as u16
}

#[target_feature(enable = "avx2")]
fn once(x: &[i8; 16]) -> __m128i {
    // SAFETY: the array has the 16 bytes that are read, aligned or not.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn twice(x: &[i8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(once(x))
}
