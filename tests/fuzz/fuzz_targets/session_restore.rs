#![no_main]
use b158_fuzz::{seed, session_restore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(session_restore::seeds), |data: &[u8]| session_restore::run(data));
