//! What is fuzzed: for each target `run`, which panics where the engine breaks a promise, and `seeds`, inputs to begin
//! with. `fuzz_targets/` gives them to libFuzzer, `main.rs` replays the corpus in every `cargo test`.
#![allow(unreachable_pub, dead_code, missing_docs)]

pub mod chat_template;
pub mod checkpoint;
#[path = "../../hostile/file.rs"]
mod file;
pub mod gguf_chunks;
pub mod gguf_parse;
pub mod load_and_step;
pub mod openai_request;
pub mod response_format;
pub mod session_restore;
pub mod tokenizer_roundtrip;

/// A target: its name, its body, and its seeds.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),*) => {
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: $name::run, seeds: $name::seeds }),*];
    };
}
targets!(
    gguf_parse,
    gguf_chunks,
    checkpoint,
    tokenizer_roundtrip,
    chat_template,
    load_and_step,
    openai_request,
    response_format,
    session_restore
);

/// Writes a target's seeds to the folder that the environment names. libFuzzer reads its corpus after that.
pub fn seed(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os("B158_FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    for (i, bytes) in seeds().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i:03}")), bytes).expect("the folder for seeds can be written to");
    }
}
