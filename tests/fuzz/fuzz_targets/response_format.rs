#![no_main]
use b158_fuzz::{response_format, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(response_format::seeds), |data: &[u8]| response_format::run(data));
