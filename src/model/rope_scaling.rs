//! How the rotary angles of a model differ from position · base^(-2j/d): its `rope.scaling.*` keys.

use crate::gguf::Metadata;
use crate::{Error, Result};
use std::f64::consts::PI;

/// Checked `rope.scaling.*` keys.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeScaling {
    /// What positions are divided by: 1 without scaling.
    pub factor: f32,
    /// YaRN: pairs up to the first are not scaled, pairs from the second on are scaled in full, those between in part.
    pub ramp: Option<(f64, f64)>,
    /// What cosines and sines are multiplied by.
    pub magnitude: f32,
    /// longrope: each pair has its own divisor, of one list for contexts up to this length and of another for longer ones.
    pub short_context: Option<usize>,
}

impl RopeScaling {
    /// Angles as they are.
    pub const NONE: Self = RopeScaling { factor: 1.0, ramp: None, magnitude: 1.0, short_context: None };

    /// Reads the keys under `architecture`, for heads of `head_dim` and a base of `base`.
    ///
    /// # Errors
    /// A value that is no factor; kinds and keys that are not supported; keys that contradict each other.
    pub(super) fn from_metadata(
        m: &Metadata,
        architecture: &str,
        head_dim: usize,
        base: f32,
        context_length: usize,
    ) -> Result<Self> {
        let key = |name: &str| format!("{architecture}.rope.{name}");
        let bad = |name: &str, value: &dyn ToString, reason: &str| Error::BadValue {
            key: key(name),
            value: value.to_string(),
            reason: reason.to_owned(),
        };
        // As in llama.cpp, 0 is no factor.
        let number = |name: &str, default: f32| match m.f32(&key(name))? {
            None | Some(0.0) => Ok(default),
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(value) => Err(bad(name, &value, "must be above zero")),
        };
        // An old name of the same.
        let factor = number("scaling.factor", number("scale_linear", 1.0)?)?;
        let attention = number("scaling.attn_factor", 1.0)?;
        let original = match m.u32(&key("scaling.original_context_length"))? {
            None | Some(0) => context_length,
            Some(length) => length as usize,
        };
        let kind = m.str(&key("scaling.type"))?;
        let scaling = match kind {
            Some("none") => return Ok(Self::NONE),
            None | Some("linear") => RopeScaling { factor, ..Self::NONE },
            Some("yarn") => {
                for (name, only) in [
                    ("scaling.yarn_ext_factor", 1.0),
                    ("scaling.yarn_attn_factor", 1.0),
                    ("scaling.yarn_log_multiplier", 0.0),
                ] {
                    if let Some(value) = m.f32(&key(name))?.filter(|value| *value != only) {
                        return Err(bad(name, &value, &format!("YaRN is supported with {only} alone")));
                    }
                }
                let [fast, slow] = [("scaling.yarn_beta_fast", 32.0), ("scaling.yarn_beta_slow", 1.0)]
                    .map(|(name, default)| number(name, default));
                let (fast, slow) = (fast?, slow?);
                if base <= 1.0 {
                    return Err(bad("freq_base", &base, "YaRN needs a base above 1"));
                }
                let magnitude = if factor > 1.0 { 1.0 + 0.1 * libm::log(f64::from(factor)) } else { 1.0 };
                RopeScaling {
                    factor,
                    ramp: Some(ramp(head_dim, f64::from(base), original as f64, f64::from(fast), f64::from(slow))),
                    magnitude: magnitude as f32 * attention,
                    short_context: None,
                }
            }
            Some("longrope") if factor != 1.0 => {
                return Err(bad("scaling.factor", &factor, "longrope has its factors in tensors, and no other"));
            }
            Some("longrope") => RopeScaling { magnitude: attention, short_context: Some(original), ..Self::NONE },
            Some(other) => return Err(bad("scaling.type", &other, "known are none, linear, yarn and longrope")),
        };
        if attention != 1.0 && matches!(kind, None | Some("linear")) {
            return Err(bad("scaling.attn_factor", &attention, "supported with yarn and longrope alone"));
        }
        Ok(scaling)
    }

    /// What the frequency of pair `j` is multiplied by.
    pub(super) fn multiplier(&self, j: usize) -> f64 {
        let scaled = 1.0 / f64::from(self.factor);
        let share = self.ramp.map_or(1.0, |(low, high)| ((j as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0));
        scaled * share + (1.0 - share)
    }
}

/// The pairs between which YaRN's scaling begins and is complete: those that turn `fast` times and `slow` times over the
/// original context.
fn ramp(head_dim: usize, base: f64, original: f64, fast: f64, slow: f64) -> (f64, f64) {
    let pair = |turns: f64| head_dim as f64 * libm::log(original / (2.0 * PI * turns)) / (2.0 * libm::log(base));
    (pair(fast).floor().max(0.0), pair(slow).ceil().min(head_dim as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Value;

    fn scaling(keys: &[(&str, Value)]) -> Result<RopeScaling> {
        let mut m = Metadata::new();
        for (name, value) in keys {
            m.insert(format!("qwen3.rope.{name}"), value.clone());
        }
        RopeScaling::from_metadata(&m, "qwen3", 128, 1e6, 32_768)
    }

    fn text(value: &str) -> Value {
        Value::String(value.into())
    }

    /// The ends for heads of 128 at a base of a million, and the magnitude of a factor of 4.
    #[test]
    fn yarn_has_the_published_ends_and_magnitude() {
        for (original, ends) in [(8192, (17.0, 34.0)), (16_384, (20.0, 37.0))] {
            let yarn = scaling(&[
                ("scaling.type", text("yarn")),
                ("scaling.factor", Value::F32(4.0)),
                ("scaling.original_context_length", Value::U32(original)),
            ])
            .unwrap();
            assert_eq!(yarn.ramp, Some(ends));
            assert!((yarn.magnitude - 1.138_63).abs() < 1e-5);
            assert_eq!([0, 17, 37, 63].map(|j| yarn.multiplier(j))[..1], [1.0]);
            assert_eq!(yarn.multiplier(63), 0.25);
        }
    }

    #[test]
    fn without_scaling_angles_are_as_they_are() {
        for keys in [
            &[][..],
            &[("scaling.factor", Value::F32(0.0))],
            &[("scaling.type", text("none")), ("scaling.factor", Value::F32(4.0))],
        ] {
            assert_eq!(scaling(keys).unwrap(), RopeScaling::NONE);
        }
        assert_eq!(RopeScaling::NONE.multiplier(5), 1.0);
        for keys in [&[("scaling.factor", Value::F32(4.0))][..], &[("scale_linear", Value::F32(4.0))]] {
            let linear = scaling(keys).unwrap();
            assert_eq!((linear.multiplier(0), linear.multiplier(63), linear.magnitude), (0.25, 0.25, 1.0));
        }
    }

    #[test]
    fn refuses_what_it_would_compute_otherwise() {
        for (named, keys) in [
            ("scaling.type", &[("scaling.type", text("ntk"))][..]),
            ("scaling.factor", &[("scaling.factor", Value::F32(-1.0))]),
            ("scaling.factor", &[("scaling.factor", Value::F32(f32::NAN))]),
            ("scaling.factor", &[("scaling.type", text("longrope")), ("scaling.factor", Value::F32(4.0))]),
            ("scaling.attn_factor", &[("scaling.attn_factor", Value::F32(1.5))]),
            (
                "scaling.yarn_ext_factor",
                &[("scaling.type", text("yarn")), ("scaling.yarn_ext_factor", Value::F32(0.5))],
            ),
            ("scaling.yarn_beta_fast", &[("scaling.type", text("yarn")), ("scaling.yarn_beta_fast", Value::F32(-3.0))]),
        ] {
            let error = scaling(keys).unwrap_err();
            assert!(matches!(&error, Error::BadValue { key, .. } if *key == format!("qwen3.rope.{named}")), "{error}");
        }
    }
}
