//! Random blocks of Q4_K, for `b158 synth` alone: the engine does not read the format, llama.cpp is measured with it.
//!
//! 256 weights in 144 bytes: `f16` scale d and `f16` minimum scale, eight pairs of a 6-bit scale and a 6-bit minimum, then
//! 4 bits a weight. Weight = d·scale·q - minimum scale·minimum. Source: `ggml-quants.c`.

use b158::gguf::Storage;
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;

pub(super) const STORAGE: Storage = Storage { id: 12, name: "Q4_K", block: 256, block_bytes: BYTES as u64, tail: 0 };
const BYTES: usize = 144;

/// Standard deviation of q when all 16 are equally likely.
const SPREAD: f32 = 4.61;
/// What the scales below are on average, as a root mean square.
const MEAN_SCALE: f32 = 48.4;

/// Weights around 0 whose standard deviation is `scale`: any nibbles, scales from 32 to 63, and minima that put 0 in the
/// middle of each group.
pub(super) fn random_block(rng: &mut ChaCha8Rng, scale: f32) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    rng.fill_bytes(&mut bytes[16..]);
    let mut scales = [0; 8];
    rng.fill_bytes(&mut scales);
    let scales = scales.map(|byte| 32 + byte % 32);

    let d = scale / (SPREAD * MEAN_SCALE);
    bytes[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    // With 7.5·d for the minima, a group's minimum is its scale.
    bytes[2..4].copy_from_slice(&f16::from_f32(7.5 * d).to_le_bytes());
    let (low, high) = scales.split_at(4);
    for (i, (low, high)) in low.iter().zip(high).enumerate() {
        bytes[4 + i] = low | high >> 4 << 6;
        bytes[8 + i] = low | high >> 4 << 6;
        bytes[12 + i] = high & 15 | (high & 15) << 4;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    /// As `dequantize_row_q4_K` and `get_scale_min_k4` of llama.cpp tell it.
    fn values(bytes: &[u8; BYTES]) -> Vec<f32> {
        let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32();
        let packed = &bytes[4..16];
        let pair = |j: usize| match j {
            0..4 => (packed[j] & 63, packed[j + 4] & 63),
            _ => (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4),
        };
        let mut out = Vec::new();
        for (j, nibbles) in bytes[16..].chunks(32).enumerate() {
            for (group, shift) in [(2 * j, 0), (2 * j + 1, 4)] {
                let (scale, minimum) = pair(group);
                let value = |byte: &u8| {
                    half(0) * f32::from(scale) * f32::from(byte >> shift & 15) - half(2) * f32::from(minimum)
                };
                out.extend(nibbles.iter().map(value));
            }
        }
        out
    }

    #[test]
    fn weights_have_the_wanted_spread_around_zero() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let weights: Vec<f32> = (0..400).flat_map(|_| values(&random_block(&mut rng, 0.028))).collect();
        let mean = weights.iter().sum::<f32>() / weights.len() as f32;
        let spread = (weights.iter().map(|w| w * w).sum::<f32>() / weights.len() as f32).sqrt();
        assert!(mean.abs() < 0.001 && (spread / 0.028 - 1.0).abs() < 0.02, "{mean} {spread}");
        // Every group is centred: its ends are as far from 0.
        let largest = weights.iter().fold(0f32, |a, w| a.max(w.abs()));
        assert!(largest < 0.028 * 7.5 / SPREAD * 63.0 / MEAN_SCALE * 1.01, "{largest}");
    }
}
