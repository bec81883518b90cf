//! The model that the demo opens with: what it says, and that it is the model which was trained.

use crate::common::*;
use b158::kernels;
use b158::model::KvType;
use b158::sampler::SamplerOptions;
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use b158::tokenizer::Special;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn says_what_it_said_on_every_backend() {
    // The same with the ids, which the tests in browsers compare with.
    let pinned: serde_json::Value = serde_json::from_str(include_str!("../models/greedy.json")).unwrap();
    let mut wrong = Vec::new();
    for backend in backends() {
        let loaded = Arc::new(load(STORIES, backend, 1, usize::MAX));
        let mut session = Session::new(loaded.clone(), SessionOptions::default()).unwrap();
        for (n, (prompt, told)) in TOLD.iter().enumerate() {
            let ids = loaded.tokenizer.encode(prompt, Special::TEXT).unwrap();
            let sampler = SamplerOptions::greedy();
            session.start(&ids, GenerateOptions { max_tokens: Some(60), sampler, ..Default::default() }).unwrap();
            let mut said = String::new();
            let mut said_ids = Vec::new();
            loop {
                match session.step(Duration::MAX).unwrap() {
                    Step::Prefill { .. } | Step::Pass => {}
                    Step::Token { id, text, .. } => {
                        said += &text;
                        said_ids.push(id);
                    }
                    Step::Done(summary) => break said += &summary.text,
                }
            }
            if said != *told {
                wrong.push(format!("{}: {prompt:?}\n    says {said:?}\n  pinned {told:?}", backend.name()));
            }
            let said = serde_json::json!({ "prompt": prompt, "text": said, "ids": said_ids });
            if said != pinned[n] {
                wrong.push(format!("{}: tests/models/greedy.json has {}, not {said}", backend.name(), pinned[n]));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Logits of PyTorch in float32 (tests/models/train/check.py). Where an activation lay on a rounding edge of int8 they
/// part by a step, so the median of the positions is held tight and the worst loosely: see tests/golden/README.md.
#[test]
fn has_the_logits_of_the_training_framework() {
    let loaded = load(STORIES, kernels::detect(), 1, usize::MAX);
    let index: serde_json::Value = serde_json::from_str(include_str!("../models/logits.json")).unwrap();
    let bytes: &[u8] = include_bytes!("../models/logits.f32");
    let expected: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let mut rows = expected.chunks_exact(loaded.model.config.vocabulary);
    let mut differences = Vec::new();
    for sequence in index["sequences"].as_array().unwrap() {
        let ids: Vec<u32> = sequence.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        let ours = logits(&loaded, &ids, KvType::F32, ids.len());
        for (ours, expected) in ours.chunks_exact(loaded.model.config.vocabulary).zip(&mut rows) {
            assert_eq!(argmax(ours), argmax(expected));
            differences.push(ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max));
        }
    }
    assert!(rows.next().is_none() && differences.len() > 40, "{} positions", differences.len());
    differences.sort_by(f32::total_cmp);
    let (median, worst) = (differences[differences.len() / 2], differences[differences.len() - 1]);
    assert!(median <= 1e-3 && worst <= 0.6, "median {median:.1e}, largest {worst:.1e}");
}
