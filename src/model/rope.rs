//! Rotary position embedding.

use super::{Angles, Config, Pairs};
use crate::Result;
use crate::allocate::{try_grow, try_with_capacity};
use crate::kernels::Backend;

const ROPE: &str = "rotary embedding";

/// Cosines and sines for the positions of a batch.
pub(crate) struct Rope {
    pairs: Pairs,
    angles: Angles,
    /// Angle of the second pair at position 1.
    step: f64,
    /// What the angle of each pair is divided by, beyond step^-j.
    divisors: Vec<f64>,
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
        let power = |exponent: f64| libm::pow(f64::from(config.rope_base), exponent / config.head_dim as f64);
        let factor = |j: usize| factors.map_or(1.0, |factors| f64::from(factors[j]));
        let mut divisors = try_with_capacity(half, ROPE)?;
        divisors.extend((0..half).map(|j| factor(j) / config.rope_scaling.multiplier(j)));
        let mut frequencies = try_with_capacity(half, ROPE)?;
        frequencies.extend((0..half).map(|j| power(-2.0 * j as f64) * config.rope_scaling.multiplier(j) / factor(j)));
        Ok(Rope {
            pairs: config.rope_pairs,
            angles: config.rope_angles,
            step: power(-2.0),
            divisors,
            frequencies,
            magnitude: config.rope_scaling.magnitude,
            cos: Vec::new(),
            sin: Vec::new(),
        })
    }

    /// Computes the angles of `count` positions from `first` on.
    ///
    /// Cosine and sine are taken in `f64` and rounded once, so that every platform has the same bits.
    pub(crate) fn prepare(&mut self, first: usize, count: usize) -> Result<()> {
        for values in [&mut self.cos, &mut self.sin] {
            try_grow(values, self.frequencies.len() * count, ROPE)?;
            values.clear();
        }
        for position in first..first + count {
            let mut stepped = position as f32;
            for (frequency, divisor) in self.frequencies.iter().zip(&self.divisors) {
                let angle = match self.angles {
                    Angles::Exact => position as f64 * frequency,
                    Angles::Stepped => f64::from(stepped / *divisor as f32),
                };
                stepped *= self.step as f32;
                self.cos.push(libm::cos(angle) as f32 * self.magnitude);
                self.sin.push(libm::sin(angle) as f32 * self.magnitude);
            }
        }
        Ok(())
    }

    /// Turns a head of the batch's token `row`.
    pub(crate) fn turn(&self, backend: Backend, row: usize, head: &mut [f32]) {
        let half = self.frequencies.len();
        let (cos, sin) = (&self.cos[row * half..][..half], &self.sin[row * half..][..half]);
        match self.pairs {
            Pairs::Halves => backend.rope(head, cos, sin),
            Pairs::Adjacent => backend.rope_adjacent(head, cos, sin),
        }
    }
}
