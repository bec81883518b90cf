//! Q4_K: 256 weights in 144 bytes, as embeddings often are. `f16` factors d of the scales and dmin of the minima, eight
//! pairs of a 6-bit scale and a 6-bit minimum (12 bytes), and nibbles: of each 32 bytes first the low ones, then the high
//! ones. Weight = d·scale·q - dmin·minimum of its 32. Source: `ggml-quants.c`, `dequantize_row_q4_K`.

use half::f16;

use super::float::{dot, f16_to_f32, nearest};

/// Weights in a block.
pub const BLOCK: usize = 256;
/// Bytes in a block.
pub const BYTES: usize = 144;

/// Weights that share a scale.
const GROUP: usize = 32;
/// Groups of a block.
const GROUPS: usize = BLOCK / GROUP;
/// Bytes before the codes: both factors, scales and minima.
pub(super) const HEAD: usize = 16;

/// The block's weights.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let (head, codes) = bytes.split_first_chunk().expect("a block is longer than its head");
    let mut q = [0; BLOCK];
    unpack_nibbles(codes, &mut q);
    scale(head, &q, out);
}

/// A near block, by squared error: each group of 32 has its own range, from 0 or less. The weights must be finite.
pub fn encode(values: &[f32; BLOCK]) -> [u8; BYTES] {
    let (head, q) = quantise(values, 15);
    let mut bytes = [0; BYTES];
    bytes[..HEAD].copy_from_slice(&head);
    pack_nibbles(&q, &mut bytes[HEAD..]);
    bytes
}

#[inline(always)]
pub(super) fn unpack_nibbles(bytes: &[u8], q: &mut [u8; BLOCK]) {
    for (q, bytes) in q.as_chunks_mut::<{ 2 * GROUP }>().0.iter_mut().zip(bytes.as_chunks::<GROUP>().0) {
        for l in 0..GROUP {
            q[l] = bytes[l] & 15;
            q[l + GROUP] = bytes[l] >> 4;
        }
    }
}

pub(super) fn pack_nibbles(q: &[u8; BLOCK], bytes: &mut [u8]) {
    for (q, bytes) in q.as_chunks::<{ 2 * GROUP }>().0.iter().zip(bytes.as_chunks_mut::<GROUP>().0) {
        for l in 0..GROUP {
            bytes[l] = q[l] & 15 | q[l + GROUP] << 4;
        }
    }
}

/// Weights out of codes, with the scales and minima of the head.
#[inline(always)]
pub(super) fn scale(head: &[u8; HEAD], q: &[u8; BLOCK], out: &mut [f32; BLOCK]) {
    let half = |at: usize| f16_to_f32(u16::from_le_bytes([head[at], head[at + 1]]));
    let (d, dmin, packed) = (half(0), half(2), &head[4..]);
    for (j, (out, q)) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(q.as_chunks::<GROUP>().0).enumerate() {
        let (scale, minimum) = match j {
            0..4 => (packed[j] & 63, packed[j + 4] & 63),
            _ => (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4),
        };
        let (scale, minimum) = (d * f32::from(scale), dmin * f32::from(minimum));
        for l in 0..GROUP {
            out[l] = scale * f32::from(q[l]) - minimum;
        }
    }
}

/// Head and codes up to `most` of weights.
pub(super) fn quantise(values: &[f32; BLOCK], most: u8) -> ([u8; HEAD], [u8; BLOCK]) {
    let groups = values.as_chunks::<GROUP>().0;
    let (mut steps, mut minima) = ([0f32; GROUPS], [0f32; GROUPS]);
    for (i, group) in groups.iter().enumerate() {
        (steps[i], minima[i]) = best_range(group, most.into());
    }
    let factor = |of: &[f32]| f16::from_f32(of.iter().fold(0f32, |max, &v| max.max(v)) / 63.0);
    let (d, dmin) = (factor(&steps), factor(&minima));
    let part = |of: f32, factor: f16| {
        if factor.to_f32() > 0.0 { nearest((of / factor.to_f32()).clamp(0.0, 63.0)) as u8 } else { 0 }
    };
    let mut head = [0; HEAD];
    head[..2].copy_from_slice(&d.to_le_bytes());
    head[2..4].copy_from_slice(&dmin.to_le_bytes());
    let mut q = [0; BLOCK];
    for (j, (q, group)) in q.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups).enumerate() {
        let (scale, minimum) = (part(steps[j], d), part(minima[j], dmin));
        let packed = &mut head[4..];
        if j < 4 {
            packed[j] |= scale;
            packed[j + 4] |= minimum;
        } else {
            packed[j + 4] |= scale & 15 | (minimum & 15) << 4;
            packed[j - 4] |= scale >> 4 << 6;
            packed[j] |= minimum >> 4 << 6;
        }
        let (scale, minimum) = (d.to_f32() * f32::from(scale), dmin.to_f32() * f32::from(minimum));
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        for (q, v) in q.iter_mut().zip(group) {
            *q = nearest(((v + minimum) * inverse).clamp(0.0, f32::from(most))) as u8;
        }
    }
    (head, q)
}

/// What a code counts in a group, and what is taken off, 0 or more, so that the squares of the errors are few.
fn best_range(group: &[f32; GROUP], most: f32) -> (f32, f32) {
    const ONES: [f32; GROUP] = [1.0; GROUP];
    let low = group.iter().fold(0f32, |low, &v| low.min(v));
    let high = group.iter().fold(f32::NEG_INFINITY, |high, &v| high.max(v));
    let range = high - low;
    // All are alike, or the inverse would be infinite.
    if range < 1e-30 {
        return (0.0, -low);
    }
    let sum = dot(group, &ONES);
    let (mut best, mut least) = ((range / most, -low), f32::INFINITY);
    for candidate in -5i8..=5 {
        let inverse = (most + 0.2 * f32::from(candidate)) / range;
        let mut q = [0.0; GROUP];
        for (q, v) in q.iter_mut().zip(group) {
            *q = nearest(((v - low) * inverse).clamp(0.0, most));
        }
        // The straight line that suits these codes best, or the best through 0 where that would begin above.
        let (codes, squares, products) = (dot(&q, &ONES), dot(&q, &q), dot(&q, group));
        let count = GROUP as f32;
        let determinant = count * squares - codes * codes;
        if determinant <= 0.0 {
            continue;
        }
        let mut step = (count * products - sum * codes) / determinant;
        let mut begin = (squares * sum - codes * products) / determinant;
        if begin > 0.0 {
            (step, begin) = (products / squares, 0.0);
        }
        let mut errors = [0.0; GROUP];
        for l in 0..GROUP {
            errors[l] = step * q[l] + begin - group[l];
        }
        let error = dot(&errors, &errors);
        if step > 0.0 && error < least {
            (best, least) = ((step, -begin), error);
        }
    }
    best
}
