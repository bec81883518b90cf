//! Q2_0: 64 weights in 18 bytes, the `f16` scale first; and PQ2_0, the same of 128 weights in 34 bytes.
//!
//! Bits 2·(j mod 4) of byte j/4 are element j. Weight = (code - 1)·d, so that a code 3 would be +2: no ternary model has
//! it. Source: `ggml-quants.c`, `dequantize_row_q2_0`; PrismML's fork for the blocks of 128.

use half::f16;

use super::dequantise;

/// Weights in a block of Q2_0.
pub const BLOCK: usize = 64;
/// Bytes in a block of Q2_0.
pub const BYTES: usize = 18;
/// Weights in a block of PQ2_0.
pub const LONG_BLOCK: usize = 128;
/// Bytes in a block of PQ2_0.
pub const LONG_BYTES: usize = 34;

/// Bytes before the codes.
pub(crate) const SCALE: usize = 2;

#[inline(always)]
fn unpack<const B: usize, const N: usize>(bytes: &[u8; B], codes: &mut [u8; N]) -> f16 {
    const { assert!(SCALE + N / 4 == B) };
    for (codes, &byte) in codes.as_chunks_mut().0.iter_mut().zip(&bytes[SCALE..]) {
        *codes = [byte & 3, byte >> 2 & 3, byte >> 4 & 3, byte >> 6];
    }
    f16::from_le_bytes([bytes[0], bytes[1]])
}

/// Codes 0, 1, 2 for -1, 0, +1, and the scale. `None` if a code is 3.
#[inline(always)]
pub fn decode<const B: usize, const N: usize>(bytes: &[u8; B], codes: &mut [u8; N]) -> Option<f16> {
    let scale = unpack(bytes, codes);
    let threes = bytes[SCALE..].iter().fold(0, |threes, &byte| threes | (byte & byte >> 1 & 0x55));
    (threes == 0).then_some(scale)
}

/// Dequantises as the reference does: a code 3 becomes 2·d.
#[inline(always)]
pub fn values<const B: usize, const N: usize>(bytes: &[u8; B], out: &mut [f32; N]) {
    let mut codes = [0; N];
    let d = unpack(bytes, &mut codes);
    dequantise(&codes, d, out);
}

/// The block of these codes (the low two bits of each count) and this scale.
pub fn encode<const B: usize, const N: usize>(codes: &[u8; N], scale: f16) -> [u8; B] {
    const { assert!(SCALE + N / 4 == B) };
    let mut bytes = [0; B];
    bytes[..SCALE].copy_from_slice(&scale.to_le_bytes());
    for (byte, [a, b, c, d]) in bytes[SCALE..].iter_mut().zip(codes.as_chunks().0) {
        *byte = a & 3 | (b & 3) << 2 | (c & 3) << 4 | d << 6;
    }
    bytes
}
