#![no_main]
use b158_fuzz::{openai_request, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(openai_request::seeds), |data: &[u8]| openai_request::run(data));
