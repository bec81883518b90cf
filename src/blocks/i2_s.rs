//! I2_S, bitnet.cpp's ternary format: 128 weights in 32 bytes, one scale a tensor.
//!
//! Byte p of a block holds elements p, p+32, p+64, p+96, the first in its top two bits. A tensor of n weights is n/4
//! bytes of blocks, an `f32` scale, and 28 bytes of no meaning: the tail has the size of a block.
//! Source: `ggml-bitnet-mad.cpp` of microsoft/BitNet (the 128/32 layout, the only one in published files).

/// Weights in a block.
pub const BLOCK: usize = 128;
/// Bytes in a block, and in the tail that holds the scale.
pub const BYTES: usize = 32;

/// Codes 0, 1, 2 for -1, 0, +1. False if one of them is 3, which no writer produces.
pub fn decode(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> bool {
    let mut threes = 0;
    for (p, &byte) in bytes.iter().enumerate() {
        codes[p] = byte >> 6;
        codes[p + 32] = byte >> 4 & 3;
        codes[p + 64] = byte >> 2 & 3;
        codes[p + 96] = byte & 3;
        threes |= byte & byte >> 1 & 0x55;
    }
    threes == 0
}

/// The block of these codes (the low two bits of each count).
pub fn encode(codes: &[u8; BLOCK]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (p, byte) in bytes.iter_mut().enumerate() {
        *byte = codes[p] << 6 | (codes[p + 32] & 3) << 4 | (codes[p + 64] & 3) << 2 | codes[p + 96] & 3;
    }
    bytes
}

/// The tensor's scale, out of the 32 bytes after its last block. The caller refuses 0, NaN and infinity.
pub fn scale(tail: &[u8; BYTES]) -> f32 {
    f32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]])
}

/// The same, where it is one that a matrix can have; else what is wrong with it.
pub(crate) fn checked_scale(tail: &[u8; BYTES]) -> Result<f32, String> {
    let scale = scale(tail);
    if scale.is_finite() && scale != 0.0 {
        return Ok(scale);
    }
    Err(format!("its scale is {scale}; quantize again with one thread, more spoil an I2_S file"))
}

/// The 32 bytes after the last block.
pub fn tail(scale: f32) -> [u8; BYTES] {
    let mut tail = [0; BYTES];
    tail[..4].copy_from_slice(&scale.to_le_bytes());
    tail
}
