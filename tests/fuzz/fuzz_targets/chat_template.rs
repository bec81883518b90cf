#![no_main]
use b158_fuzz::{chat_template, seed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seed(chat_template::seeds), |data: &[u8]| chat_template::run(data));
