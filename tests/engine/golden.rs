//! Against the references: logits and greedy ids of Hugging Face transformers and of bitnet.cpp. The vectors and the
//! tolerances are explained in tests/golden/README.md.

use crate::common::*;
use b158::kernels;
use b158::model::{KvType, Loaded, State};
use serde_json::Value;

struct Golden {
    name: &'static str,
    loaded: Loaded,
    json: Value,
    data: Vec<f32>,
}

fn goldens() -> Vec<Golden> {
    let of = |name, file: &[u8], json: &str, data: &[u8]| Golden {
        name,
        loaded: load(file, kernels::detect(), 1, usize::MAX),
        json: serde_json::from_str(json).unwrap(),
        data: data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    };
    vec![
        of("A", A, include_str!("../golden/A.json"), include_bytes!("../golden/A.f32")),
        of("B", B, include_str!("../golden/B.json"), include_bytes!("../golden/B.f32")),
        of("C", C, include_str!("../golden/C.json"), include_bytes!("../golden/C.f32")),
    ]
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

impl Golden {
    fn sequence(&self, name: &str) -> Vec<u32> {
        numbers(&self.json["sequences"][name])
    }

    /// Positions and their reference rows.
    fn reference(&self, source: &str, sequence: &str) -> Vec<(usize, &[f32])> {
        let entry = &self.json["logits"][source][sequence];
        let (offset, width) = (entry["offset"].as_u64().unwrap() as usize / 4, self.loaded.model.config.vocabulary);
        let rows = self.data[offset..].chunks_exact(width);
        numbers(&entry["positions"]).into_iter().map(|p| p as usize).zip(rows).collect()
    }

    fn compare(&self, source: &str, sequence: &str, kind: KvType) -> Difference {
        let width = self.loaded.model.config.vocabulary;
        let ours = logits(&self.loaded, &self.sequence(sequence), kind, 32);
        let mut d = Difference::default();
        for (position, reference) in self.reference(source, sequence) {
            let ours = &ours[position * width..][..width];
            d.max.push(ours.iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max));
            d.kl.push(divergence(reference, ours));
            d.top1.push(argmax(ours) == argmax(reference));
        }
        println!("{} {sequence} against {source}, {} cache: {d}", self.name, kind.name());
        d
    }
}

/// One entry a position.
#[derive(Default)]
struct Difference {
    max: Vec<f32>,
    kl: Vec<f64>,
    top1: Vec<bool>,
}

impl Difference {
    fn worst(&self) -> f32 {
        self.max.iter().copied().fold(0.0, f32::max)
    }

    fn median(&self) -> f32 {
        let mut sorted = self.max.clone();
        sorted.sort_by(f32::total_cmp);
        sorted[sorted.len() / 2]
    }

    fn mean_kl(&self) -> f64 {
        self.kl.iter().sum::<f64>() / self.kl.len() as f64
    }

    fn same_argmax(&self) -> f64 {
        self.top1.iter().filter(|same| **same).count() as f64 / self.top1.len() as f64
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (worst, median, kl, top1) = (self.worst(), self.median(), self.mean_kl(), self.same_argmax());
        write!(f, "max {worst:.2e}, median {median:.2e}, mean KL {kl:.1e}, same argmax {top1:.3}")
    }
}

fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let log_sum = |x: &[f32]| {
        let max = x.iter().copied().fold(f32::MIN, f32::max);
        f64::from(max) + x.iter().map(|v| f64::from(v - max).exp()).sum::<f64>().ln()
    };
    let (lp, lq) = (log_sum(p), log_sum(q));
    p.iter().zip(q).map(|(&a, &b)| (f64::from(a) - lp).exp() * (f64::from(a) - lp - f64::from(b) + lq)).sum()
}

#[test]
fn short_sequences_agree_with_transformers() {
    for golden in goldens() {
        for sequence in ["s1", "s7", "z5"] {
            let d = golden.compare("hf", sequence, KvType::F32);
            assert!(d.worst() <= 1e-3 && d.same_argmax() == 1.0, "{} {sequence}: {d}", golden.name);
        }
    }
}

#[test]
fn short_sequences_agree_with_bitnet_cpp() {
    for golden in goldens() {
        // The one-row head of bitnet.cpp rounds its input to f16.
        for (sequence, tolerance) in [("s1", 5e-3), ("s7", 1e-3), ("z5", 1e-3)] {
            let d = golden.compare("cpp_f32", sequence, KvType::F32);
            assert!(d.worst() <= tolerance && d.same_argmax() == 1.0, "{} {sequence}: {d}", golden.name);
        }
    }
}

#[test]
fn longer_sequences_agree_but_for_rounding_edges() {
    let mut medians_over = 0;
    for golden in goldens() {
        for source in ["hf", "cpp_f32"] {
            let d = golden.compare(source, "s33", KvType::F32);
            medians_over += usize::from(d.median() > 1e-3);
            assert!(d.worst() <= 0.6 && d.mean_kl() <= 2e-3 && d.same_argmax() >= 0.95, "{} s33: {d}", golden.name);
            let d = golden.compare(source, "s130", KvType::F32);
            assert!(d.worst() <= 1.2 && d.mean_kl() <= 5e-3 && d.same_argmax() >= 0.95, "{} s130: {d}", golden.name);
        }
    }
    assert!(medians_over <= 1, "the median difference of s33 is over 1e-3 in {medians_over} comparisons");
}

#[test]
fn the_f16_cache_stays_near_that_of_bitnet_cpp() {
    for golden in goldens() {
        for sequence in ["s7", "s33", "z5"] {
            let d = golden.compare("cpp_f16", sequence, KvType::F16);
            let near = d.mean_kl() <= 0.02 && d.worst() <= 1.5 && d.same_argmax() >= 0.85;
            assert!(near, "{} {sequence}: {d}", golden.name);
        }
    }
}

#[test]
fn the_residual_stream_agrees_in_every_layer() {
    for golden in goldens() {
        let model = &golden.loaded.model;
        let states = &golden.json["states"]["hf_s7"];
        let offset = states["offset"].as_u64().unwrap() as usize / 4;
        let ids = golden.sequence("s7");
        let size = ids.len() * model.config.embedding;
        let mut state = State::new(model, KvType::F32, ids.len(), ids.len()).unwrap();
        state.begin(model, &ids).unwrap();
        for (layer, reference) in
            golden.data[offset..][..size * (model.config.layers + 1)].chunks_exact(size).enumerate()
        {
            let worst = state.residual().iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{} layer {layer}: max {worst:.2e}", golden.name);
            assert!(worst <= 1e-4, "{} layer {layer}: {worst}", golden.name);
            state.step(model).unwrap();
        }
    }
}

#[test]
fn greedy_ids_are_those_of_the_references() {
    for golden in goldens() {
        let model = &golden.loaded.model;
        let mut parted = 0;
        for entry in golden.json["greedy"].as_array().unwrap() {
            let (prompt, expected) = (numbers(&entry["prompt"]), numbers(&entry["ids"]));
            let mut state = State::new(model, KvType::F32, prompt.len() + expected.len(), prompt.len()).unwrap();
            let mut next = prompt;
            let ours: Vec<u32> = (0..expected.len())
                .map(|_| {
                    state.begin(model, &next).unwrap();
                    while !state.step(model).unwrap() {}
                    let id = argmax(state.last_logits(model).unwrap());
                    next = vec![id];
                    id
                })
                .collect();
            parted += usize::from(ours != expected);
        }
        println!("{}: {parted} prompts part from the references", golden.name);
        assert!(parted <= 1, "{}: {parted} prompts part", golden.name);
    }
}
