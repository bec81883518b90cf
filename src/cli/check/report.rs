//! What the check says, to a person or as JSON.

use super::super::terminal::{Out, tell};
use super::statistics::{Evidence, Layout, TELLS, Verdict};
use super::tally::Tally;
use serde_json::json;
use std::io;

/// What was found in one I2_S tensor.
pub(super) struct TensorReport {
    name: String,
    zeros: f64,
    invalid: u64,
    scale: f32,
    damage: Option<String>,
    oddity: Option<String>,
}

impl TensorReport {
    pub(super) fn new(name: &str, tally: &Tally) -> Self {
        Self {
            name: name.to_owned(),
            zeros: tally.zeros(),
            invalid: tally.invalid,
            scale: tally.scale,
            damage: tally.damage(),
            oddity: tally.oddity(),
        }
    }
}

/// What was found in a file.
pub(super) struct Report {
    /// The I2_S tensors, in file order.
    pub(super) tensors: Vec<TensorReport>,
    /// Layers that gave evidence.
    pub(super) layers: usize,
    pub(super) groups128: Evidence,
    pub(super) groups64: Evidence,
    pub(super) verdict: Verdict,
}

impl Report {
    /// The verdict as JSON has it.
    fn layout(&self) -> &'static str {
        match self.verdict {
            _ if self.tensors.is_empty() => "none",
            Verdict::Told(Layout::Groups128) => "official",
            Verdict::Told(Layout::Groups64) => "groups64",
            Verdict::Neither | Verdict::Both | Verdict::Nothing => "unknown",
        }
    }

    /// The verdict in a sentence.
    fn sentence(&self) -> &'static str {
        match self.verdict {
            _ if self.tensors.is_empty() => "nothing to check: the file has no I2_S tensors",
            Verdict::Told(Layout::Groups128) => "the published one, 128 weights in 32 bytes",
            Verdict::Told(Layout::Groups64) => {
                "64 weights in 16 bytes, as ARM builds of bitnet.cpp write it since November 2025"
            }
            Verdict::Neither => {
                "cannot be told: the channels' order shows in neither reading (random or hardly trained weights, a very small model, or a third layout)"
            }
            Verdict::Both => {
                "cannot be told: both readings fit, so neighbouring channels are alike for a reason of their own"
            }
            Verdict::Nothing => {
                "cannot be told: no layer has ffn_down with ffn_gate or ffn_up in I2_S, of channels that differ"
            }
        }
    }

    /// Why the check fails, and what to do, if it does.
    pub(super) fn failure(&self) -> Option<String> {
        let damaged = self.tensors.iter().filter(|tensor| tensor.damage.is_some()).count();
        let damage = (damaged > 0).then(|| {
            format!(
                "{damaged} of {} I2_S tensors are damaged: fetch the file again, or quantize again with one thread",
                self.tensors.len()
            )
        });
        let foreign = (self.verdict == Verdict::Told(Layout::Groups64)).then(|| {
            "its I2_S is in groups of 64 weights, which loads and gives word salad: convert the model again with an x86 build of bitnet.cpp or with its Python converter".to_owned()
        });
        let reasons: Vec<String> = damage.into_iter().chain(foreign).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    pub(super) fn print_text(&self, out: &mut Out) -> io::Result<()> {
        if self.tensors.is_empty() {
            tell!(out, "{}", self.sentence())?;
            return Ok(());
        }
        let shares = self.tensors.iter().map(|tensor| tensor.zeros);
        let (least, most) = shares.fold((1.0f64, 0.0f64), |(least, most), share| (least.min(share), most.max(share)));
        let (least, most) = (100.0 * least, 100.0 * most);
        tell!(out, "{} I2_S tensors, {least:.1} to {most:.1} % zeros", self.tensors.len())?;
        for tensor in &self.tensors {
            if let Some(damage) = &tensor.damage {
                tell!(out, "  damaged: {}: {damage}", tensor.name)?;
            }
            if let Some(oddity) = &tensor.oddity {
                tell!(out, "  note: {}: {oddity}", tensor.name)?;
            }
        }
        tell!(out, "layout: {}", self.sentence())?;
        for (name, evidence) in [("128", self.groups128), ("64", self.groups64)] {
            if let (Some(z), Evidence { chi2, freedom }) = (evidence.deviate(), evidence) {
                tell!(out, "  read in groups of {name:>3}: z = {z:6.2}  (chi-squared {chi2:.1}, {freedom} expected)")?;
            }
        }
        if self.layers > 0 {
            let plural = if self.layers == 1 { "" } else { "s" };
            let layers = self.layers;
            tell!(
                out,
                "  over {layers} layer{plural}; a wrong reading has z near 0; {TELLS} or more, and twice the other, tells"
            )?;
        }
        Ok(())
    }

    pub(super) fn print_json(&self, out: &mut Out) -> io::Result<()> {
        let tensors: Vec<_> = self
            .tensors
            .iter()
            .map(|tensor| {
                json!({
                    "name": tensor.name,
                    "zeros": tensor.zeros,
                    "invalidCodes": tensor.invalid,
                    "scale": tensor.scale,
                    "damage": tensor.damage,
                    "note": tensor.oddity,
                })
            })
            .collect();
        let evidence = |evidence: Evidence| json!({ "z": evidence.deviate(), "chiSquared": evidence.chi2, "freedom": evidence.freedom });
        let all = json!({
            "layout": self.layout(),
            "reason": self.sentence(),
            "layers": self.layers,
            "groups128": evidence(self.groups128),
            "groups64": evidence(self.groups64),
            "tensors": tensors,
            "failure": self.failure(),
        });
        out.json(&all)
    }
}
