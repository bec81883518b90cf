//! Q1_0: 128 weights in 18 bytes, the `f16` scale first. Bit j mod 8 of byte j/8 is element j: 1 for +d, 0 for -d; there is
//! no 0. Source: `ggml-quants.c`, `dequantize_row_q1_0`.

use half::f16;

use super::dequantise;

/// Weights in a block.
pub const BLOCK: usize = 128;
/// Bytes in a block.
pub const BYTES: usize = 18;

/// Bytes before the codes.
pub(crate) const SCALE: usize = 2;

/// Codes 0 and 2 for -1 and +1, and the scale.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> f16 {
    let [low, high, bits @ ..] = bytes;
    for (codes, byte) in codes.as_chunks_mut::<8>().0.iter_mut().zip(bits) {
        for (i, code) in codes.iter_mut().enumerate() {
            *code = (byte >> i & 1) << 1;
        }
    }
    f16::from_le_bytes([*low, *high])
}

/// Dequantises as the reference does.
#[inline(always)]
pub fn values(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let mut codes = [0; BLOCK];
    let d = decode(bytes, &mut codes);
    dequantise(&codes, d, out);
}

/// The block of these codes and this scale: what is not 2 becomes -1.
pub fn encode(codes: &[u8; BLOCK], scale: f16) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..SCALE].copy_from_slice(&scale.to_le_bytes());
    for (byte, codes) in bytes[SCALE..].iter_mut().zip(codes.as_chunks::<8>().0) {
        for (i, &code) in codes.iter().enumerate() {
            *byte |= u8::from(code == 2) << i;
        }
    }
    bytes
}
