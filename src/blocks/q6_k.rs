//! Q6_K: 256 weights in 210 bytes, as embeddings often are. Low nibbles (128 bytes), high bit pairs (64), a signed
//! scale for each 16 weights (16), the `f16` scale last. Weight = d·scale·(q - 32). Source: `ggml-quants.c`.

use half::f16;

use super::float::{dot, f16_to_f32, nearest};

/// Weights in a block.
pub const BLOCK: usize = 256;
/// Bytes in a block.
pub const BYTES: usize = 210;

/// The block's weights.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let (low, rest) = bytes.as_chunks::<64>().0.split_at(2);
    let (high, scales) = (rest[0].as_chunks::<32>().0, &bytes[192..208]);
    let d = f16_to_f32(u16::from_le_bytes([bytes[208], bytes[209]]));
    // Integers first, then floats: loops this simple become vector instructions.
    let mut q = [0; BLOCK];
    for ((low, high), q) in low.iter().zip(high).zip(q.as_chunks_mut::<128>().0) {
        for l in 0..32 {
            q[l] = low[l] & 15 | (high[l] & 3) << 4;
            q[l + 32] = low[l + 32] & 15 | (high[l] >> 2 & 3) << 4;
            q[l + 64] = low[l] >> 4 | (high[l] >> 4 & 3) << 4;
            q[l + 96] = low[l + 32] >> 4 | high[l] >> 6 << 4;
        }
    }
    let mut factors = [0.0; BLOCK];
    for (factors, &scale) in factors.as_chunks_mut::<16>().0.iter_mut().zip(scales) {
        *factors = [d * f32::from(scale as i8); 16];
    }
    for l in 0..BLOCK {
        out[l] = factors[l] * (f32::from(q[l]) - 32.0);
    }
}

/// A near block, by squared error: of some scales near that which its largest weight wants, each group of 16 takes the best. The
/// weights must be finite.
pub fn encode(values: &[f32; BLOCK]) -> [u8; BYTES] {
    let mut steps = [0f32; 16];
    for (step, group) in steps.iter_mut().zip(values.as_chunks().0) {
        *step = best_step(group);
    }
    let d = f16::from_f32(steps.iter().fold(0f32, |max, step| max.max(step.abs())) / 127.0);
    let mut bytes = [0; BYTES];
    bytes[208..].copy_from_slice(&d.to_le_bytes());
    let d = f16_to_f32(d.to_bits());
    if d == 0.0 {
        return bytes;
    }
    for (group, (step, values)) in steps.iter().zip(values.as_chunks::<16>().0).enumerate() {
        let scale = nearest(step / d).clamp(-127.0, 127.0);
        bytes[192 + group] = scale as i8 as u8;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / (d * scale) };
        let (half, quarter) = (group / 8, group % 8 / 2);
        for (i, v) in values.iter().enumerate() {
            let q = (nearest((v * inverse).clamp(-32.0, 31.0)) + 32.0) as u8;
            let l = 16 * (group % 2) + i;
            bytes[64 * half + 32 * (quarter & 1) + l] |= (q & 15) << (4 * (quarter >> 1));
            bytes[128 + 32 * half + l] |= q >> 4 << (2 * quarter);
        }
    }
    bytes
}

/// What a code counts in a group, so that the squares of the errors are few. The codes go to -32 on one side, which is where
/// the largest weight is.
fn best_step(group: &[f32; 16]) -> f32 {
    let largest = group.iter().fold(0f32, |largest, v| if v.abs() > largest.abs() { *v } else { largest });
    // Of such a number the inverse would be infinite, and the scale is 0 in f16.
    if largest.abs() < 1e-30 {
        return 0.0;
    }
    let (mut best, mut most) = (0.0, 0.0);
    for candidate in -6i8..=6 {
        let inverse = -(32.0 + 0.15 * f32::from(candidate)) / largest;
        let mut q = [0.0; 16];
        for (q, v) in q.iter_mut().zip(group) {
            *q = nearest((v * inverse).clamp(-32.0, 31.0));
        }
        // The step that suits these codes best takes as much as this of the squares of the weights.
        let (product, square) = (dot(&q, group), dot(&q, &q));
        if product * product > most * square {
            (best, most) = (product / square, product * product / square);
        }
    }
    best
}
