//! Models whose numbers leave their range: an error that says in which layer, on every backend alike, and never a talk of
//! one token.

use crate::common::parts::Parts;
use crate::common::*;
use b158::Error;
use b158::blocks::i2_s;
use b158::gguf::Value;
use b158::kernels;
use b158::model::{EmbeddingType, KvType, Loaded, LoaderOptions, State};
use b158::sampler::SamplerOptions;
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use b158::threads::Pool;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ATTENTION: &str = "the attention";
const FEED_FORWARD: &str = "the feed-forward network";
const HEAD: &str = "the output head";
const EMBEDDING: &str = "the token embedding";

/// Every number of an f32 tensor becomes another.
fn fill(parts: &mut Parts, name: &str, value: f32) {
    let bytes = &mut parts.tensor(name).1;
    *bytes = value.to_le_bytes().repeat(bytes.len() / 4);
}

/// All weights 1, and this scale: whatever goes in, the sum is large.
fn ones(parts: &mut Parts, name: &str, scale: f32) {
    let bytes = &mut parts.tensor(name).1;
    let end = bytes.len() - i2_s::BYTES;
    bytes[..end].fill(0b10_10_10_10);
    bytes[end..].copy_from_slice(&i2_s::tail(scale));
}

type Spoil = fn(&mut Parts);

/// What is spoiled, and where its numbers end.
const CASES: [(&str, Spoil, Option<usize>, &str); 12] = [
    ("output_norm", |p| fill(p, "output_norm.weight", 3e38), None, HEAD),
    ("norm before attention", |p| fill(p, "blk.3.attn_norm.weight", f32::MAX), Some(3), ATTENTION),
    ("norm in attention", |p| fill(p, "blk.3.attn_sub_norm.weight", f32::MAX), Some(3), ATTENTION),
    ("norm before the feed-forward network", |p| fill(p, "blk.5.ffn_norm.weight", f32::MAX), Some(5), FEED_FORWARD),
    ("norm in the feed-forward network", |p| fill(p, "blk.5.ffn_sub_norm.weight", f32::MAX), Some(5), FEED_FORWARD),
    ("the same in the last layer", |p| fill(p, "blk.7.ffn_sub_norm.weight", f32::MAX), Some(7), FEED_FORWARD),
    ("keys", |p| ones(p, "blk.0.attn_k.weight", f32::MAX), Some(0), ATTENTION),
    ("values", |p| ones(p, "blk.7.attn_v.weight", f32::MAX), Some(7), ATTENTION),
    ("queries", |p| ones(p, "blk.2.attn_q.weight", f32::MAX), Some(2), ATTENTION),
    ("the attention's output", |p| ones(p, "blk.2.attn_output.weight", f32::MAX), Some(2), ATTENTION),
    (
        "gate and up",
        |p| {
            ones(p, "blk.1.ffn_gate.weight", 1e30);
            ones(p, "blk.1.ffn_up.weight", 1e30);
        },
        Some(1),
        FEED_FORWARD,
    ),
    ("down", |p| ones(p, "blk.6.ffn_down.weight", f32::MAX), Some(6), FEED_FORWARD),
];

fn spoiled(spoil: Spoil) -> Vec<u8> {
    let mut parts = Parts::of(STORIES);
    spoil(&mut parts);
    parts.file()
}

fn generate(session: &mut Session, prompt: &[u32]) -> Result<Vec<u32>, Error> {
    let sampler = SamplerOptions::greedy();
    session.start(prompt, GenerateOptions { max_tokens: Some(5), sampler, ignore_end: true, ..Default::default() })?;
    let mut said = Vec::new();
    loop {
        match session.step(Duration::MAX)? {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, .. } => said.push(id),
            Step::Done(_) => return Ok(said),
        }
    }
}

/// The error of a pass, or of the logits after it.
fn outcome(loaded: &Loaded, kind: KvType, batch: usize) -> Result<(), Error> {
    let model = &loaded.model;
    let ids = ids(model.config.vocabulary, 6);
    let mut state = State::new(model, kind, 16, batch)?;
    for part in ids.chunks(batch) {
        state.begin(model, part)?;
        while !state.step(model)? {}
        state.last_logits(model)?;
    }
    Ok(())
}

#[test]
fn the_error_says_where_numbers_end_on_every_backend() {
    for (name, spoil, layer, part) in CASES {
        let file = spoiled(spoil);
        let expected = Error::NotFinite { layer, part };
        for backend in backends() {
            for (threads, embedding) in [(1, EmbeddingType::File), (3, EmbeddingType::Int8)] {
                let compute = kernels::Compute { backend, pool: Pool::new(threads) };
                let options = LoaderOptions { embedding, ..Default::default() };
                let loaded = load_with(&file, compute, options, usize::MAX);
                for (kind, batch) in [(KvType::F16, 6), (KvType::F32, 1), (KvType::Q8_0, 2)] {
                    let found = outcome(&loaded, kind, batch);
                    assert_eq!(found, Err(expected.clone()), "{name} {} × {threads} {kind:?}", backend.name());
                }
            }
        }
        let said = expected.to_string();
        assert!(said.contains("infinite or NaN") && expected.code() == "format", "{said}");
        assert!(layer.is_none_or(|layer| said.contains(&format!("of layer {layer} (blk.{layer})"))), "{said}");
    }
}

#[test]
fn a_sound_model_is_not_suspected() {
    for file in [A, B, C, STORIES] {
        let loaded = load(file, kernels::detect(), 1, usize::MAX);
        assert_eq!(outcome(&loaded, KvType::F16, 6), Ok(()));
    }
}

/// One token whose row overflows: other texts are none of its business, before and after.
#[test]
fn the_session_is_usable_afterwards() {
    let mut parts = Parts::of(STORIES);
    let (info, bytes) = parts.tensor("token_embd.weight");
    let wide = bytes.as_chunks().0.iter().map(|half| half::f16::from_le_bytes(*half).to_f32());
    let mut wide: Vec<f32> = wide.collect();
    let (cols, bad) = (info.dims[0] as usize, 700);
    wide[bad * cols..][..cols].fill(1e30);
    let dims = info.dims.clone();
    parts.tensors.retain(|(info, _)| info.name != "token_embd.weight");
    parts.add("token_embd.weight", &dims, &wide);
    // Its logits would be infinite too: the head is the embedding as it was.
    wide[bad * cols..][..cols].fill(0.0);
    parts.add("output.weight", &dims, &wide);

    let loaded = Arc::new(load(&parts.file(), kernels::detect(), 2, usize::MAX));
    let prompt = [1, 2, 3, 4, 5];
    let mut fresh = Session::new(loaded.clone(), SessionOptions::default()).unwrap();
    let expected = generate(&mut fresh, &prompt).unwrap();
    let mut session = Session::new(loaded, SessionOptions::default()).unwrap();
    for prompt_with in [vec![700], vec![1, 2, 700], vec![1, 2, 3, 4, 5, 700, 6], vec![700; 40]] {
        let error = generate(&mut session, &prompt_with).unwrap_err();
        assert_eq!(error, Error::NotFinite { layer: None, part: EMBEDDING });
        assert_eq!(session.step(Duration::ZERO), Err(Error::NotStarted), "the generation is over");
        let saved = session.save().unwrap();
        session.restore(&saved).unwrap();
        assert_eq!(generate(&mut session, &prompt).unwrap(), expected);
    }
}

/// What a person would see: the same error, not the first token for ever.
#[test]
fn a_generation_ends_with_the_error() {
    for (name, spoil, layer, part) in CASES {
        let loaded = Arc::new(load(&spoiled(spoil), kernels::detect(), 1, usize::MAX));
        let mut session = Session::new(loaded, SessionOptions::default()).unwrap();
        assert_eq!(generate(&mut session, &[1, 2, 3]), Err(Error::NotFinite { layer, part }), "{name}");
    }
}

/// Numbers that are only large stay numbers.
#[test]
fn large_numbers_are_no_error() {
    let mut parts = Parts::of(STORIES);
    // 2^40 times as much in front of a norm changes but its epsilon.
    for layer in 0..8 {
        parts.scale(&format!("blk.{layer}.attn_v.weight"), |scale| scale * 1024.0);
        parts.scale(&format!("blk.{layer}.ffn_up.weight"), |scale| scale * 1e9);
    }
    parts.metadata.insert("bitnet-b1.58.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    let loaded = load(&parts.file(), kernels::detect(), 1, usize::MAX);
    assert_eq!(outcome(&loaded, KvType::F32, 6), Ok(()));
}
