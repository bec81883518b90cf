//! Rotary position embedding.

use super::{Config, Pairs};
use crate::Result;
use crate::allocate::{try_grow, try_with_capacity};
use crate::kernels::Compute;

const ROPE: &str = "rotary embedding";

/// Cosines and sines for the positions of a batch.
pub(crate) struct Rope {
    pairs: Pairs,
    /// Angle of each pair at position 1.
    frequencies: Vec<f64>,
    magnitude: f32,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// `factors` divide the frequency of each pair.
    pub(crate) fn new(config: &Config, factors: Option<&[f32]>) -> Result<Self> {
        let half = config.head_dim / 2;
        let frequency = |j: usize| {
            let exponent = -2.0 * j as f64 / config.head_dim as f64;
            let factor = factors.map_or(1.0, |factors| f64::from(factors[j]));
            libm::pow(f64::from(config.rope_base), exponent) * config.rope_scaling.multiplier(j) / factor
        };
        let mut frequencies = try_with_capacity(half, ROPE)?;
        frequencies.extend((0..half).map(frequency));
        Ok(Rope {
            pairs: config.rope_pairs,
            frequencies,
            magnitude: config.rope_scaling.magnitude,
            cos: Vec::new(),
            sin: Vec::new(),
        })
    }

    /// Computes the angles of `count` positions from `first` on.
    ///
    /// In `f64`, rounded once at the end: platforms have the same bits, and what is left of an error is a fraction of an f32's
    /// last place. In f32 an angle of 100 would be off by 1e-5, which is enough to tip many a rounding to int8.
    pub(crate) fn prepare(&mut self, first: usize, count: usize) -> Result<()> {
        for values in [&mut self.cos, &mut self.sin] {
            try_grow(values, self.frequencies.len() * count, ROPE)?;
            values.clear();
        }
        for position in first..first + count {
            for frequency in &self.frequencies {
                let angle = position as f64 * frequency;
                self.cos.push(libm::cos(angle) as f32 * self.magnitude);
                self.sin.push(libm::sin(angle) as f32 * self.magnitude);
            }
        }
        Ok(())
    }

    /// Rotates the heads of a batch's tokens, `[token][width]`.
    pub(crate) fn apply(&self, compute: &Compute, heads: &mut [f32], width: usize) {
        let half = self.frequencies.len();
        let angles = self.cos.chunks_exact(half).zip(self.sin.chunks_exact(half));
        for (row, (cos, sin)) in heads.chunks_exact_mut(width).zip(angles) {
            for head in row.chunks_exact_mut(2 * half) {
                match self.pairs {
                    Pairs::Halves => compute.backend.rope(head, cos, sin),
                    Pairs::Adjacent => compute.backend.rope_adjacent(head, cos, sin),
                }
            }
        }
    }
}
