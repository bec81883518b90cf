//! Logits to one token: llama.cpp's order of samplers, with results that are equal on every platform.
//!
//! ```text
//! logits ─► logit bias ─► penalties ─► top-k ─► top-p ─► min-p ─► temperature ─► draw
//! ```
//!
//! Equal on every platform: exponentials come from the `libm` crate in `f64`, sums run in one written order,
//! candidates are ordered by logit, then id, and the generator is ChaCha8 (whose output `rand_chacha` fixes).
//!
//! Next: [`verify`](crate::verify), which tells whether the tokens make text.

use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How the next token is chosen. The defaults are those of llama-cli.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerOptions {
    /// Divides the logits, ≥ 0. 0 is greedy: the token with the greatest logit, the first of equal ones.
    pub temperature: f32,
    /// Keeps this many tokens with the greatest logits; 0 keeps all.
    pub top_k: u32,
    /// Keeps the fewest most probable tokens that together reach this probability, 0 to 1; 1 keeps all.
    pub top_p: f32,
    /// Keeps tokens at least this probable against the most probable one, 0 to 1; 0 keeps all.
    pub min_p: f32,
    /// Divides the positive and multiplies the other logits of tokens seen in the window, > 0; 1 is off.
    pub repeat_penalty: f32,
    /// How many of the last tokens the penalties look at; 0 none, -1 all.
    pub repeat_last_n: i32,
    /// Subtracted from the logit of a token in the window, -2 to 2; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from the logit of a token for each time it is in the window, -2 to 2; 0 is off.
    pub frequency_penalty: f32,
    /// Seed of the generator: the same seed, options and logits give the same tokens.
    pub seed: u64,
    /// Added to the logits of single tokens (id, bias); minus infinity bans a token.
    pub logit_bias: Vec<(u32, f32)>,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
            logit_bias: Vec::new(),
        }
    }
}

impl SamplerOptions {
    /// Greedy decoding, everything else off.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks every option's range.
    ///
    /// # Errors
    /// [`Error::BadOption`], or [`Error::BadToken`] for a bias on an id beyond the vocabulary.
    pub fn validate(&self, vocabulary: u32) -> Result<()> {
        let ranges: [(&'static str, f32, bool, &'static str); 6] = [
            ("temperature", self.temperature, self.temperature >= 0.0, "it is 0 (greedy) or greater"),
            ("top_p", self.top_p, (0.0..=1.0).contains(&self.top_p), "it lies between 0 and 1 (off)"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "it lies between 0 (off) and 1"),
            ("repeat_penalty", self.repeat_penalty, self.repeat_penalty > 0.0, "it is greater than 0; 1 is off"),
            (
                "presence_penalty",
                self.presence_penalty,
                (-2.0..=2.0).contains(&self.presence_penalty),
                "it lies between -2 and 2; 0 is off",
            ),
            (
                "frequency_penalty",
                self.frequency_penalty,
                (-2.0..=2.0).contains(&self.frequency_penalty),
                "it lies between -2 and 2; 0 is off",
            ),
        ];
        for (option, value, fits, reason) in ranges {
            if !fits || !value.is_finite() {
                return Err(Error::BadOption { option, value: value.to_string(), reason });
            }
        }
        if self.repeat_last_n < -1 {
            return Err(Error::BadOption {
                option: "repeat_last_n",
                value: self.repeat_last_n.to_string(),
                reason: "it is a number of tokens, 0 (off) or -1 (the whole context)",
            });
        }
        for &(id, bias) in &self.logit_bias {
            if id >= vocabulary {
                return Err(Error::BadToken { id, vocabulary });
            }
            if bias.is_nan() {
                return Err(Error::BadOption {
                    option: "logit_bias",
                    value: format!("{id}: {bias}"),
                    reason: "a bias is a number",
                });
            }
        }
        Ok(())
    }

    fn penalises(&self) -> bool {
        self.repeat_last_n != 0
            && (self.repeat_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0)
    }
}

/// A token that may still be chosen.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    logit: f32,
    id: u32,
}

impl Candidate {
    /// Greatest logit first, then smallest id: a total order, as no logit here is NaN.
    fn order(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// Chooses tokens one after the other.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplerOptions,
    generator: ChaCha8Rng,
    candidates: Vec<Candidate>,
    weights: Vec<f64>,
    window: Vec<u32>,
}

impl Sampler {
    /// A sampler for a vocabulary of that many tokens.
    ///
    /// # Errors
    /// As [`SamplerOptions::validate`], and [`Error::OutOfMemory`] for its scratch (16 bytes a token).
    pub fn new(options: SamplerOptions, vocabulary: u32) -> Result<Self> {
        options.validate(vocabulary)?;
        let (mut candidates, mut weights) = (Vec::new(), Vec::new());
        if options.temperature > 0.0 {
            let n = vocabulary as usize;
            let reserved = candidates.try_reserve_exact(n).and_then(|()| weights.try_reserve_exact(n));
            reserved.map_err(|_| Error::OutOfMemory {
                what: "the sampler's candidates".to_owned(),
                bytes: u64::from(vocabulary) * 16,
            })?;
        }
        Ok(Self {
            generator: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            candidates,
            weights,
            window: Vec::new(),
        })
    }

    /// The options it was made with.
    pub fn options(&self) -> &SamplerOptions {
        &self.options
    }

    /// Goes back to the seed.
    pub fn reset(&mut self) {
        self.generator = ChaCha8Rng::seed_from_u64(self.options.seed);
    }

    /// Chooses a token by its logit, which are overwritten. `recent` is the context so far, prompt included,
    /// oldest first; the penalties look at its end.
    ///
    /// NaN is never chosen, nor is minus infinity while there is anything else; without any candidate the
    /// answer is 0. What comes with minus infinity is ruled out, whatever its bias.
    pub fn sample(&mut self, logits: &mut [f32], recent: &[u32]) -> u32 {
        for &(id, bias) in &self.options.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize).filter(|logit| **logit > f32::NEG_INFINITY) {
                *logit += bias;
            }
        }
        if self.options.penalises() {
            self.penalise(logits, recent);
        }
        if self.options.temperature == 0.0 {
            return greatest(logits);
        }
        self.candidates.clear();
        let usable = (0u32..).zip(logits.iter()).filter(|(_, l)| **l > f32::NEG_INFINITY);
        self.candidates.extend(usable.map(|(id, &logit)| Candidate { logit, id }));
        if self.candidates.is_empty() {
            return 0;
        }
        self.top_k();
        self.top_p();
        self.min_p();
        self.draw()
    }

    fn penalise(&mut self, logits: &mut [f32], recent: &[u32]) {
        let o = &self.options;
        let n = usize::try_from(o.repeat_last_n).unwrap_or(usize::MAX).min(recent.len());
        self.window.clear();
        self.window.extend_from_slice(&recent[recent.len() - n..]);
        self.window.sort_unstable();
        for same in self.window.chunk_by(|a, b| a == b) {
            let Some(logit) = logits.get_mut(same[0] as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / o.repeat_penalty } else { *logit * o.repeat_penalty };
            *logit -= same.len() as f32 * o.frequency_penalty + o.presence_penalty;
        }
    }

    /// Leaves the `top_k` first candidates, in order; without a top-k all of them, by id.
    fn top_k(&mut self) {
        let k = self.options.top_k as usize;
        if k == 0 {
            return;
        }
        if k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(k - 1, Candidate::order);
            self.candidates.truncate(k);
        }
        self.candidates.sort_unstable_by(Candidate::order);
    }

    /// Leaves the first candidates that together reach `top_p`, in order.
    fn top_p(&mut self) {
        let p = f64::from(self.options.top_p);
        if p >= 1.0 {
            return;
        }
        let greatest = self.greatest_logit();
        let total: f64 = self.candidates.iter().map(|c| weight(c.logit, greatest, 1.0)).sum();
        // A few hundred candidates nearly always hold the whole of top-p: only they are sorted.
        let mut sorted = 0;
        let mut reached = 0.0;
        let mut next = 256;
        while sorted < self.candidates.len() {
            let rest = &mut self.candidates[sorted..];
            let n = rest.len().min(next);
            if n < rest.len() {
                rest.select_nth_unstable_by(n - 1, Candidate::order);
            }
            rest[..n].sort_unstable_by(Candidate::order);
            for (i, candidate) in rest[..n].iter().enumerate() {
                reached += weight(candidate.logit, greatest, 1.0);
                if reached >= p * total {
                    self.candidates.truncate(sorted + i + 1);
                    return;
                }
            }
            sorted += n;
            next *= 8;
        }
    }

    /// Leaves the candidates whose probability is at least `min_p` of the greatest.
    fn min_p(&mut self) {
        if self.options.min_p <= 0.0 {
            return;
        }
        let greatest = self.greatest_logit();
        let p = f64::from(self.options.min_p);
        self.candidates.retain(|c| weight(c.logit, greatest, 1.0) >= p);
    }

    fn draw(&mut self) -> u32 {
        let greatest = self.greatest_logit();
        let temperature = f64::from(self.options.temperature);
        self.weights.clear();
        let mut total = 0.0;
        for candidate in &self.candidates {
            total += weight(candidate.logit, greatest, temperature);
            self.weights.push(total);
        }
        // 53 bits make a number in [0, 1).
        let uniform = (self.generator.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        let target = uniform * total;
        // The first whose running sum passes the target has a weight of its own, greater than 0.
        let chosen = self.weights.partition_point(|&sum| sum <= target);
        let last = self.candidates.len().saturating_sub(1);
        self.candidates.get(chosen.min(last)).map_or(0, |c| c.id)
    }

    fn greatest_logit(&self) -> f32 {
        self.candidates.iter().map(|c| c.logit).fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Probability of a logit against that of the greatest one.
fn weight(logit: f32, greatest: f32, temperature: f64) -> f64 {
    if logit == greatest {
        return 1.0; // also where both are infinite
    }
    libm::exp((f64::from(logit) - f64::from(greatest)) / temperature)
}

/// The first index of the greatest number that is not NaN; 0 where there is none.
fn greatest(logits: &[f32]) -> u32 {
    let mut best = (0u32, f32::NEG_INFINITY);
    for (id, &logit) in (0u32..).zip(logits) {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    best.0
}

/// The log-probability of a chosen token, and the entropy of its distribution: after bias and penalties, before temperature
/// and truncation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logprobs {
    /// Natural logarithm of the token's probability.
    pub log_probability: f64,
    /// Entropy of the distribution, in nats.
    pub entropy: f64,
}

impl Logprobs {
    /// Of a token that had no other beside it.
    pub const CERTAIN: Self = Self { log_probability: 0.0, entropy: 0.0 };

    /// Over all of `logits`, in their order: equal on every platform.
    pub fn of(logits: &[f32], id: u32) -> Self {
        let most = logits[greatest(logits) as usize];
        // A bias may be infinite, and infinity less infinity is no number.
        let below = |logit: f32| if logit == most { 0.0 } else { f64::from(logit - most) };
        let (mut total, mut weighted) = (0.0, 0.0);
        for &logit in logits {
            let x = below(logit);
            let share = libm::exp(x);
            total += share;
            // A token that is ruled out has no share, and infinity times nothing is no number.
            weighted += if share > 0.0 { x * share } else { 0.0 };
        }
        let ln_total = libm::log(total);
        Self { log_probability: below(logits[id as usize]) - ln_total, entropy: ln_total - weighted / total }
    }
}

#[cfg(test)]
mod tests;
