#![no_main]
use b158_fuzz::{checkpoint, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(checkpoint::seeds), |data: &[u8]| checkpoint::run(data));
