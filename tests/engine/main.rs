//! The engine from the first byte of a file to the last token, with whole models: those of the golden vectors and the bundled one.

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../common/safetensors.rs"]
mod safetensors;

#[cfg(not(target_family = "wasm"))]
mod catalogue;
mod checkpoint_families;
mod checkpoint_texts;
mod checkpoint_tokenizers;
mod checkpoints;
mod constrained;
mod embedding;
mod estimate;
mod family;
mod golden;
mod identity;
mod loader;
mod numbers;
mod output_head;
mod pack;
mod session;
mod session_prefix;
mod session_saved;
mod split;
mod story_model;
#[cfg(not(target_family = "wasm"))]
mod together;
mod tokenizer;
#[cfg(feature = "cli")]
mod tools;

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
