//! Against the references, the architectures besides BitNet's own: logits, residual streams, greedy ids and embeddings of
//! Hugging Face transformers and of llama.cpp. The vectors and the tolerances are explained in tests/golden/README.md.

use crate::common::parts::Parts;
use crate::common::reference::{Difference, Reference};
use crate::common::*;
use Rounding::{Float, Groups, Tokens};
use b158::blocks::decode_row;
use b158::gguf::TensorType;
use b158::kernels::{self, Backend, Compute};
use b158::model::{EmbeddingType, KvType, Loaded, LoaderOptions};
use b158::session::{Session, SessionOptions};
use b158::threads::Pool;
use half::f16;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// How a model's matrices take activations, which tells the reference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// As they are: `hf_f32`.
    Float,
    /// In 8 bits, a scale a token: `hf_int8`.
    Tokens,
    /// In 8 bits, a scale a group of 32: `hf_q8_0`, and llama.cpp itself.
    Groups,
}

pub(crate) struct Model {
    pub(crate) name: &'static str,
    rounding: Rounding,
    pub(crate) file: Cow<'static, [u8]>,
    pub(crate) json: &'static str,
    data: &'static [u8],
}

macro_rules! model {
    ($name:literal, $rounding:expr, $answers:literal, $file:expr) => {
        Model {
            name: $name,
            rounding: $rounding,
            file: $file,
            json: include_str!(concat!("../golden/family/", $answers, ".json")),
            data: include_bytes!(concat!("../golden/family/", $answers, ".f32")),
        }
    };
    ($name:literal, $rounding:expr, $answers:literal) => {
        model!($name, $rounding, $answers, Cow::Borrowed(include_bytes!(concat!("../golden/family/", $name, ".gguf"))))
    };
}

/// A row a file; several have the answers of one.
pub(crate) fn models() -> Vec<Model> {
    vec![
        model!("L1", Tokens, "L1"),
        model!("L1-i2s", Tokens, "L1"),
        model!("L1 in F16", Float, "L1", Cow::Owned(in_floats(L1))),
        model!("L1r", Tokens, "L1r"),
        model!("F1y", Float, "F1y"),
        model!("M1", Tokens, "M1"),
        model!("M1l", Tokens, "M1l"),
        model!("M2", Tokens, "M2"),
        model!("Q1y", Groups, "Q1y"),
        model!("Q2y", Groups, "Q2y"),
        model!("Q3p", Groups, "Q3p"),
        model!("Q3p-q2_0-128", Groups, "Q3p"),
        model!("Q4p", Groups, "Q4p"),
    ]
}

/// The answers to [`NORMS_IN`].
pub(crate) const NORMS_IN_JSON: &str = include_str!("../golden/family/E1.json");

const L1: &[u8] = include_bytes!("../golden/family/L1.gguf");

/// The same model with its TQ2_0 matrices in F16, which holds each of their weights exactly.
fn in_floats(file: &[u8]) -> Vec<u8> {
    let mut parts = Parts::of(file);
    for (info, bytes) in parts.tensors.iter_mut().filter(|(info, _)| info.kind.id == TensorType::TQ2_0.id()) {
        let mut values = vec![0.0; info.dims.iter().product::<u64>() as usize];
        decode_row(TensorType::TQ2_0, bytes, &mut values).unwrap();
        info.kind = TensorType::F16.into();
        *bytes = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
    }
    parts.file()
}

fn load_as_in_file(file: &[u8], backend: Backend) -> Loaded {
    let options = LoaderOptions { embedding: EmbeddingType::File, ..Default::default() };
    load_with(file, Compute { backend, pool: Pool::new(1) }, options, 1 << 16)
}

fn for_each(check: impl Fn(&Reference, Rounding)) {
    for Model { name, rounding, file, json, data } in models() {
        for backend in kernels::available() {
            println!("{name} on {}", backend.name());
            check(&Reference::of(name, load_as_in_file(&file, backend), json, data), rounding);
        }
    }
}

const SHORT: [&str; 3] = ["s1", "s7", "s33"];

#[test]
fn without_rounding_logits_are_those_of_transformers() {
    for_each(|model, rounding| {
        if rounding != Float {
            return;
        }
        for (sequence, tolerance) in SHORT.map(|sequence| (sequence, 5e-4)).into_iter().chain([("s130", 2e-3)]) {
            let margins = model.json["margin_hf_f32"][sequence].as_array().unwrap();
            model.pairs("hf_f32", sequence, KvType::F32, &mut |pair| {
                let (position, distance) = (pair.position, pair.distance());
                assert!(distance <= tolerance, "{} {sequence} {position}: {distance}", model.name);
                assert!(
                    pair.same_argmax() || margins[position].as_f64().unwrap() <= 4e-3,
                    "{} {sequence} {position}: another first choice",
                    model.name
                );
            });
            let d = model.compare("hf_f32", sequence, KvType::F16);
            assert!(d.worst() <= 0.15 && d.mean_kl() <= 5e-5, "{} {sequence} with an f16 cache: {d}", model.name);
        }
        for (layer, worst) in model.states("hf_f32_s7").into_iter().enumerate() {
            assert!(worst <= 2e-4, "{} layer {layer}: {worst}", model.name);
        }
        let (prompts, parted) = model.greedy(|entry| entry["mode"] == "hf_f32");
        assert!(prompts > 0 && parted == 0, "{}: {parted} of {prompts} prompts part", model.name);
    });
}

/// Positions where no activation of the references lay on a rounding edge.
fn is_stable(model: &Reference, sequence: &str, mode: &str, position: usize) -> bool {
    model.json["stable"][sequence][mode][position].as_bool().unwrap()
}

/// Where nothing lay on an edge, as near as floats; elsewhere a step of int8 away. The difference of all positions, and of
/// the stable ones.
fn compare(model: &Reference, source: &str, mode: &str, sequence: &str) -> (Difference, Difference) {
    let (mut all, mut stable) = (Difference::default(), Difference::default());
    model.pairs(source, sequence, KvType::F32, &mut |pair| {
        all.add(&pair);
        if !is_stable(model, sequence, mode, pair.position) {
            return;
        }
        stable.add(&pair);
        if SHORT.contains(&sequence) {
            let (name, position, distance) = (model.name, pair.position, pair.distance());
            assert!(distance <= 1e-3, "{name} {sequence} {position} against {source}: {distance}");
            assert!(pair.same_argmax() || pair.margin() <= 2e-3, "{name} {sequence} {position}: another first choice");
        }
    });
    println!("{} {sequence} against {source}: {all}", model.name);
    (all, stable)
}

#[test]
fn with_a_scale_a_token_logits_are_those_of_transformers() {
    let stepped = RefCell::new(BTreeSet::new());
    for_each(|model, rounding| {
        if rounding != Tokens {
            return;
        }
        for sequence in SHORT {
            compare(model, "hf_int8", "int8", sequence);
        }
        let (all, stable) = compare(model, "hf_int8", "int8", "s130");
        let near = all.worst() <= 1.0 && all.mean_kl() <= 5e-3 && all.same_argmax() >= 0.95;
        assert!(near, "{} s130: {all}; stable {stable}", model.name);
        if all.mean_kl() > 2e-3 || stable.median() > 1e-3 {
            stepped.borrow_mut().insert(model.name);
        }
        let (prompts, parted) = model.greedy(|entry| entry["mode"] == "hf_int8");
        assert!(prompts > 0 && parted <= 1, "{}: {parted} of {prompts} prompts part", model.name);
    });
    // A step of int8 at an early token, on an edge that was none for the references, is seen by all that follow.
    assert!(stepped.borrow().len() <= 1, "{stepped:?}");
}

#[test]
fn with_a_scale_a_group_logits_are_those_of_transformers_and_llama_cpp() {
    for_each(|model, rounding| {
        if rounding != Groups {
            return;
        }
        for (source, mode, sequences) in
            [("hf_q8_0", "q8_0", &["s1", "s7", "s33", "s130"][..]), ("cpp", "cpp", &["s7", "s33"])]
        {
            if model.json["logits"][source].is_null() {
                continue;
            }
            for sequence in sequences {
                let (all, _) = compare(model, source, mode, sequence);
                let near = all.worst() <= 0.8 && all.mean_kl() <= 3e-3 && all.same_argmax() >= 0.9;
                assert!(near, "{} {sequence} against {source}: {all}", model.name);
            }
        }
        let agreed = |entry: &serde_json::Value| entry["agree"].as_array().unwrap().contains(&"hf_q8_0".into());
        let (prompts, parted) = model.greedy(agreed);
        assert!(prompts > 0 && parted <= 1, "{}: {parted} of {prompts} prompts part", model.name);
    });
}

#[test]
fn embeddings_are_those_of_transformers() {
    for backend in kernels::available() {
        let loaded = load_as_in_file(NORMS_IN, backend);
        let width = loaded.model.config.embedding;
        let model = Reference::of(
            "E1",
            load_as_in_file(NORMS_IN, backend),
            NORMS_IN_JSON,
            include_bytes!("../golden/family/E1.f32"),
        );
        let options = SessionOptions { kv_type: Some(KvType::F32), ..Default::default() };
        let mut session = Session::new(Arc::new(loaded), options).unwrap();
        let mut far = 0;
        let sequences = model.json["sequences"].as_object().unwrap();
        for name in sequences.keys() {
            let ours = session.embed(&model.sequence(name)).unwrap();
            let theirs = model.numbers(&model.json["embeddings"]["hf_int8"][name], width);
            let distance = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let cosine: f32 = ours.iter().zip(theirs).map(|(a, b)| a * b).sum();
            println!("E1 {name}: max {distance:.1e}, cosine {cosine}");
            far += usize::from(distance > 1e-4);
            assert!(distance <= 1e-2 && cosine >= 0.999, "{name} on {}: {distance}, {cosine}", backend.name());
        }
        assert!(sequences.len() == 8 && far <= 1, "{far} embeddings differ on {}", backend.name());
    }
}
