#![no_main]
use b158_fuzz::{load_and_step, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(load_and_step::seeds), |data: &[u8]| load_and_step::run(data));
