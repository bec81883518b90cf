//! Rotary position embedding, as ggml computes its angles.

use super::{Config, Pairs};
use crate::Result;
use crate::allocate::{try_grow, try_with_capacity};
use crate::kernels::Compute;

/// Cosines and sines for the positions of a batch.
pub(crate) struct Rope {
    pairs: Pairs,
    /// The ratio of one pair's angle to that of the pair before.
    step: f32,
    /// What the angle of each pair is multiplied by.
    multipliers: Vec<f32>,
    magnitude: f32,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// `factors` divide the angle of each pair.
    pub(crate) fn new(config: &Config, factors: Option<&[f32]>) -> Result<Self> {
        let half = config.head_dim / 2;
        let mut multipliers = try_with_capacity(half, "rotary embedding")?;
        multipliers.extend((0..half).map(|j| config.rope_scaling.multiplier(j) / factors.map_or(1.0, |f| f[j])));
        Ok(Rope {
            pairs: config.rope_pairs,
            step: libm::pow(f64::from(config.rope_base), -2.0 / config.head_dim as f64) as f32,
            multipliers,
            magnitude: config.rope_scaling.magnitude,
            cos: Vec::new(),
            sin: Vec::new(),
        })
    }

    /// Computes the angles of `count` positions from `first` on.
    ///
    /// The angle is position · step^j, multiplied up in f32 as ggml does; its cosine and sine are those of the f32
    /// angle, rounded once, so that every platform has the same bits.
    pub(crate) fn prepare(&mut self, first: usize, count: usize) -> Result<()> {
        for values in [&mut self.cos, &mut self.sin] {
            try_grow(values, self.multipliers.len() * count, "rotary embedding")?;
            values.clear();
        }
        for position in first..first + count {
            let mut angle = position as f32;
            for multiplier in &self.multipliers {
                let theta = f64::from(angle * multiplier);
                self.cos.push(libm::cos(theta) as f32 * self.magnitude);
                self.sin.push(libm::sin(theta) as f32 * self.magnitude);
                angle *= self.step;
            }
        }
        Ok(())
    }

    /// Rotates the heads of a batch's tokens, `[token][width]`.
    pub(crate) fn apply(&self, compute: &Compute, heads: &mut [f32], width: usize) {
        let half = self.multipliers.len();
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
