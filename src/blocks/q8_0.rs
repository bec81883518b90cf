//! Q8_0: 32 weights in 34 bytes, the `f16` scale first. Weight = q·d. Source: `ggml-quants.c`.

use half::f16;

use super::float::f16_to_f32;

/// Weights in a block.
pub const BLOCK: usize = 32;
/// Bytes in a block.
pub const BYTES: usize = 34;

/// The block's weights.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let [low, high, codes @ ..] = *bytes;
    let d = f16_to_f32(u16::from_le_bytes([low, high]));
    for (out, code) in out.iter_mut().zip(codes) {
        *out = f32::from(code as i8) * d;
    }
}

/// The nearest block: d = max|w| / 127, q = w/d rounded half away from zero. The weights must be finite.
pub fn encode(values: &[f32; BLOCK]) -> [u8; BYTES] {
    let d = values.iter().fold(0f32, |max, v| max.max(v.abs())) / 127.0;
    let inverse = if d > 0.0 { 1.0 / d } else { 0.0 };
    let mut bytes = [0; BYTES];
    bytes[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for (byte, v) in bytes[2..].iter_mut().zip(values) {
        *byte = libm::roundf(v * inverse) as i8 as u8;
    }
    bytes
}
