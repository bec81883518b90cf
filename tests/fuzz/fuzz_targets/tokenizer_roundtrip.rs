#![no_main]
use b158_fuzz::{seed, tokenizer_roundtrip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(tokenizer_roundtrip::seeds), |data: &[u8]| tokenizer_roundtrip::run(data));
