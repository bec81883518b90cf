//! Rotary position embedding, NEOX pairs (j, j + half), as ggml computes its angles.

use super::Config;
use crate::Result;
use crate::allocate::try_grow;

/// Cosines and sines for the positions of a batch.
#[derive(Default)]
pub(crate) struct Rope {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

impl Rope {
    /// Computes the angles of `count` positions from `first` on. `factors` divide the angle of each pair
    /// (`rope_freqs.weight`).
    ///
    /// The angle is position · step^j, multiplied up in f32 as ggml does; its cosine and sine are those of the f32
    /// angle, rounded once, so that every platform has the same bits.
    pub(crate) fn prepare(
        &mut self,
        config: &Config,
        factors: Option<&[f32]>,
        first: usize,
        count: usize,
    ) -> Result<()> {
        self.half = config.head_dim / 2;
        for values in [&mut self.cos, &mut self.sin] {
            try_grow(values, self.half * count, "rotary embedding")?;
            values.clear();
        }
        let step = libm::pow(f64::from(config.rope_base), -2.0 / config.head_dim as f64) as f32;
        for position in first..first + count {
            let mut angle = position as f32;
            for j in 0..self.half {
                let theta = f64::from(angle / factors.map_or(1.0, |f| f[j]));
                self.cos.push(libm::cos(theta) as f32);
                self.sin.push(libm::sin(theta) as f32);
                angle *= step;
            }
        }
        Ok(())
    }

    /// Cosines and sines of the batch's token `row`.
    pub(crate) fn row(&self, row: usize) -> (&[f32], &[f32]) {
        let range = row * self.half..(row + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}
