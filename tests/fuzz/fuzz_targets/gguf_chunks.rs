#![no_main]
use b158_fuzz::{gguf_chunks, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(gguf_chunks::seeds), |data: &[u8]| gguf_chunks::run(data));
