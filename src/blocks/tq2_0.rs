//! TQ2_0, llama.cpp's fast ternary format: 256 weights in 66 bytes, the `f16` scale last.
//!
//! Byte 32g+m holds elements 128g+m, +32, +64, +96, the first in its lowest two bits: I2_S with the fields of each
//! byte in reverse. Weight = (code - 1)·d. Source: `ggml-quants.c`, `dequantize_row_tq2_0`.

use half::f16;

use super::dequantise;

/// Weights in a block.
pub const BLOCK: usize = 256;
/// Bytes in a block.
pub const BYTES: usize = 66;

fn unpack(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> f16 {
    let (groups, codes) = (bytes.as_chunks::<32>().0, codes.as_chunks_mut::<128>().0);
    for (bytes, codes) in groups.iter().zip(codes) {
        for (m, &byte) in bytes.iter().enumerate() {
            codes[m] = byte & 3;
            codes[m + 32] = byte >> 2 & 3;
            codes[m + 64] = byte >> 4 & 3;
            codes[m + 96] = byte >> 6;
        }
    }
    f16::from_le_bytes([bytes[64], bytes[65]])
}

/// Codes 0, 1, 2 for -1, 0, +1, and the scale. `None` if a code is 3, which no writer produces.
pub fn decode(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> Option<f16> {
    let scale = unpack(bytes, codes);
    let threes = bytes[..64].iter().fold(0, |threes, &byte| threes | (byte & byte >> 1 & 0x55));
    (threes == 0).then_some(scale)
}

/// Dequantises as the reference does: a code 3 becomes 2·d.
#[inline(always)]
pub fn values(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let mut codes = [0; BLOCK];
    let d = unpack(bytes, &mut codes);
    dequantise(&codes, d, out);
}

/// The block of these codes (the low two bits of each count) and this scale.
pub fn encode(codes: &[u8; BLOCK], scale: f16) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, codes) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(codes.as_chunks::<128>().0) {
        for (m, byte) in bytes.iter_mut().enumerate() {
            *byte = codes[m] & 3 | (codes[m + 32] & 3) << 2 | (codes[m + 64] & 3) << 4 | codes[m + 96] << 6;
        }
    }
    bytes[64..].copy_from_slice(&scale.to_le_bytes());
    bytes
}
