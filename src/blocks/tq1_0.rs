//! TQ1_0, llama.cpp's small ternary format: 256 weights in 54 bytes, the `f16` scale last.
//!
//! Five base-3 digits a byte, the first the most significant; the digits' number v (below 243) is stored as
//! ceil(v·256/243), so that multiplying by 3 moves one digit after the other out at the top. Bytes 0..32 hold elements
//! 32n+m, bytes 32..48 elements 160+16n+m, bytes 48..52 the last sixteen, 240+4n+m, with four digits and a 0 below them.
//! Weight = (code - 1)·d. Source: `ggml-quants.c`, `dequantize_row_tq1_0`.

use half::f16;

use super::dequantise;

/// Weights in a block.
pub const BLOCK: usize = 256;
/// Bytes in a block.
pub const BYTES: usize = 54;

const POWERS: [u8; 5] = [1, 3, 9, 27, 81];

/// First byte, bytes, first element and digits of a section.
pub(super) type Section = (usize, usize, usize, usize);

const SECTIONS: [Section; 3] = [(0, 32, 0, 5), (32, 16, 160, 5), (48, 4, 240, 4)];

#[inline(always)]
pub(super) fn unpack(sections: &[Section; 3], bytes: &[u8], codes: &mut [u8]) {
    for &(from, width, element, digits) in sections {
        let bytes = &bytes[from..from + width];
        for (n, power) in POWERS.into_iter().enumerate().take(digits) {
            let codes = &mut codes[element + n * width..][..width];
            for (code, byte) in codes.iter_mut().zip(bytes) {
                *code = ((u16::from(byte.wrapping_mul(power)) * 3) >> 8) as u8;
            }
        }
    }
}

pub(super) fn pack(sections: &[Section; 3], codes: &[u8], bytes: &mut [u8]) {
    for &(from, width, element, digits) in sections {
        for (m, byte) in bytes[from..from + width].iter_mut().enumerate() {
            let digit = |n: usize| if n < digits { u16::from(codes[element + n * width + m].min(2)) } else { 0 };
            let number = (0..5).fold(0, |number, n| number * 3 + digit(n));
            *byte = (number * 256).div_ceil(243) as u8;
        }
    }
}

/// Codes 0, 1, 2 for -1, 0, +1, and the scale. Never `None`: the formula yields a digit for each of the 256 bytes, also
/// for the 13 that no writer produces.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], codes: &mut [u8; BLOCK]) -> Option<f16> {
    unpack(&SECTIONS, bytes, codes);
    Some(f16::from_le_bytes([bytes[52], bytes[53]]))
}

/// Dequantises as the reference does.
#[inline(always)]
pub fn values(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let mut codes = [0; BLOCK];
    let d = decode(bytes, &mut codes).unwrap_or(f16::ZERO);
    dequantise(&codes, d, out);
}

/// The block of these codes, each at most 2, and this scale.
pub fn encode(codes: &[u8; BLOCK], scale: f16) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    pack(&SECTIONS, codes, &mut bytes);
    bytes[52..].copy_from_slice(&scale.to_le_bytes());
    bytes
}
