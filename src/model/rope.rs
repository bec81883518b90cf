//! Rotary position embedding.

use super::weights::RopeFactors;
use super::{Angles, Config, Pairs};
use crate::Result;
use crate::allocate::{try_grow, try_with_capacity};
use crate::kernels::Backend;

const ROPE: &str = "rotary embedding";

/// Cosines and sines for the positions of a pass.
pub(crate) struct Rope {
    pairs: Pairs,
    frequencies: Frequencies,
    /// For texts in long contexts, where they differ.
    long: Option<Frequencies>,
    short_context: Option<usize>,
    magnitude: f32,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// The angles of a head's pairs at position 1.
enum Frequencies {
    Exact(Vec<f64>),
    /// Each is the one before times `step`; then it is divided.
    Stepped {
        step: f32,
        divisors: Vec<f32>,
    },
}

impl Frequencies {
    /// `factors` divide the frequency of each pair.
    fn new(config: &Config, factors: Option<&[f32]>) -> Result<Self> {
        fn each<T>(config: &Config, of: impl Fn(usize) -> T) -> Result<Vec<T>> {
            let half = config.head_dim / 2;
            let mut values = try_with_capacity(half, ROPE)?;
            values.extend((0..half).map(of));
            Ok(values)
        }
        let power = |exponent: f64| libm::pow(f64::from(config.rope_base), exponent / config.head_dim as f64);
        let multiplier = |j: usize| config.rope_scaling.multiplier(j);
        let factor = |j: usize| factors.map_or(1.0, |factors| f64::from(factors[j]));
        Ok(match config.rope_angles {
            Angles::Exact => Self::Exact(each(config, |j| power(-2.0 * j as f64) * multiplier(j) / factor(j))?),
            Angles::Stepped => Self::Stepped {
                step: power(-2.0) as f32,
                divisors: each(config, |j| (factor(j) / multiplier(j)) as f32)?,
            },
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Exact(frequencies) => frequencies.len(),
            Self::Stepped { divisors, .. } => divisors.len(),
        }
    }

    fn angles(&self, position: usize, mut each: impl FnMut(f64)) {
        match self {
            Self::Exact(frequencies) => frequencies.iter().for_each(|frequency| each(position as f64 * frequency)),
            Self::Stepped { step, divisors } => {
                let mut angle = position as f32;
                for divisor in divisors {
                    each(f64::from(angle / divisor));
                    angle *= step;
                }
            }
        }
    }
}

impl Rope {
    /// `factors` divide the frequency of each pair.
    pub(crate) fn new(config: &Config, factors: Option<&RopeFactors>) -> Result<Self> {
        let long = factors.and_then(|factors| factors.long.as_deref());
        Ok(Rope {
            pairs: config.rope_pairs,
            frequencies: Frequencies::new(config, factors.map(|factors| &factors.short[..]))?,
            long: long.map(|long| Frequencies::new(config, Some(long))).transpose()?,
            short_context: config.rope_scaling.short_context,
            magnitude: config.rope_scaling.magnitude,
            cos: Vec::new(),
            sin: Vec::new(),
        })
    }

    /// Computes the angles of so many rows, each at a position of a text in a context.
    ///
    /// Cosine and sine are taken in `f64` and rounded once, so that every platform has the same bits.
    pub(crate) fn prepare(&mut self, count: usize, rows: impl Iterator<Item = Place>) -> Result<()> {
        let Rope { frequencies, long, short_context, magnitude, cos, sin, .. } = self;
        for values in [&mut *cos, &mut *sin] {
            try_grow(values, frequencies.len() * count, ROPE)?;
            values.clear();
        }
        for Place { position, context } in rows.take(count) {
            let long = long.as_ref().filter(|_| is_long(*short_context, context));
            long.unwrap_or(frequencies).angles(position, |angle| {
                cos.push(libm::cos(angle) as f32 * *magnitude);
                sin.push(libm::sin(angle) as f32 * *magnitude);
            });
        }
        Ok(())
    }

    /// Turns a head of the pass's token `row`.
    pub(crate) fn turn(&self, backend: Backend, row: usize, head: &mut [f32]) {
        let half = self.frequencies.len();
        let (cos, sin) = (&self.cos[row * half..][..half], &self.sin[row * half..][..half]);
        match self.pairs {
            Pairs::Halves => backend.rope(head, cos, sin),
            Pairs::Adjacent => backend.rope_adjacent(head, cos, sin),
        }
    }
}

/// Where a token stands.
pub(crate) struct Place {
    pub(crate) position: usize,
    /// Tokens that fit its text.
    pub(crate) context: usize,
}

/// Whether a context is longer than those with the factors for short ones.
pub(crate) fn is_long(short_context: Option<usize>, context: usize) -> bool {
    short_context.is_some_and(|short| context > short)
}
