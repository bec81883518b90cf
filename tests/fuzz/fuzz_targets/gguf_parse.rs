#![no_main]
use b158_fuzz::{gguf_parse, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(gguf_parse::seeds), |data: &[u8]| gguf_parse::run(data));
