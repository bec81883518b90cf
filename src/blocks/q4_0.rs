//! Q4_0: 32 weights in 18 bytes, the `f16` scale first. Byte j holds element j in its low half and element j+16 in its
//! high half. Weight = (q - 8)·d. Source: `ggml-quants.c`.

use half::f16;

use super::float::f16_to_f32;

/// Weights in a block.
pub const BLOCK: usize = 32;
/// Bytes in a block.
pub const BYTES: usize = 18;

/// The block's weights.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let d = f16_to_f32(u16::from_le_bytes([bytes[0], bytes[1]]));
    let (low, high) = out.split_at_mut(BLOCK / 2);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(&bytes[2..]) {
        *low = (f32::from(byte & 15) - 8.0) * d;
        *high = (f32::from(byte >> 4) - 8.0) * d;
    }
}

/// A near block: d is the weight of largest magnitude / -8, so that this one is exact. The weights must be finite.
pub fn encode(values: &[f32; BLOCK]) -> [u8; BYTES] {
    let largest = values.iter().fold(0f32, |max, &v| if v.abs() > max.abs() { v } else { max });
    let d = largest / -8.0;
    let inverse = if d != 0.0 { 1.0 / d } else { 0.0 };
    let quantise = |v: f32| (v * inverse + 8.5).clamp(0.0, 15.0) as u8;
    let mut bytes = [0; BYTES];
    bytes[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for (j, byte) in bytes[2..].iter_mut().enumerate() {
        *byte = quantise(values[j]) | quantise(values[j + BLOCK / 2]) << 4;
    }
    bytes
}
