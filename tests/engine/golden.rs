//! Against the references: logits and greedy ids of Hugging Face transformers and of bitnet.cpp. The vectors and the
//! tolerances are explained in tests/golden/README.md.

use crate::common::reference::Reference;
use crate::common::*;
use b158::kernels;
use b158::model::KvType;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn goldens() -> [Reference; 3] {
    let load = |file: &[u8]| load(file, kernels::detect(), 1, usize::MAX);
    [
        Reference::of("A", load(A), include_str!("../golden/A.json"), include_bytes!("../golden/A.f32")),
        Reference::of("B", load(B), include_str!("../golden/B.json"), include_bytes!("../golden/B.f32")),
        Reference::of("C", load(C), include_str!("../golden/C.json"), include_bytes!("../golden/C.f32")),
    ]
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
        for (layer, worst) in golden.states("hf_s7").into_iter().enumerate() {
            assert!(worst <= 1e-4, "{} layer {layer}: {worst}", golden.name);
        }
    }
}

#[test]
fn greedy_ids_are_those_of_the_references() {
    for golden in goldens() {
        let (prompts, parted) = golden.greedy(|_| true);
        assert!(prompts > 0 && parted <= 1, "{}: {parted} of {prompts} prompts part", golden.name);
    }
}
