//! PTQ1_0, PrismML's small ternary format: 128 weights in 28 bytes, the `f16` scale last.
//!
//! Base-3 digits as in [`tq1_0`](super::tq1_0), in blocks of half as many: bytes 0..16 hold elements 16n+m, bytes 16..24
//! elements 80+8n+m, bytes 24..26 the last eight, 120+2n+m, with four digits and a 0 below them. Weight = (code - 1)·d.
//! Source: PrismML's fork of llama.cpp.

use half::f16;

use super::dequantise;
use super::tq1_0::{Section, pack, unpack};

/// Weights in a block.
pub const BLOCK: usize = 128;
/// Bytes in a block.
pub const BYTES: usize = 28;

const SECTIONS: [Section; 3] = [(0, 16, 0, 5), (16, 8, 80, 5), (24, 2, 120, 4)];

/// Codes 0, 1, 2 for -1, 0, +1, and the scale: the formula yields a digit for each of the 256 bytes, also for the 13 that no
/// writer produces.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> f16 {
    unpack(&SECTIONS, bytes, codes);
    f16::from_le_bytes([bytes[26], bytes[27]])
}

/// Dequantises as the reference does.
#[inline(always)]
pub fn values(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let mut codes = [0; BLOCK];
    let d = decode(bytes, &mut codes);
    dequantise(&codes, d, out);
}

/// The block of these codes, each at most 2, and this scale.
pub fn encode(codes: &[u8; BLOCK], scale: f16) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    pack(&SECTIONS, codes, &mut bytes);
    bytes[26..].copy_from_slice(&scale.to_le_bytes());
    bytes
}
