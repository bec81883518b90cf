//! What several test binaries need: the golden models, loaded and run.
#![allow(dead_code)]

pub(crate) mod checkpoint;
pub(crate) mod parts;
pub(crate) mod reference;

use b158::kernels::{Backend, Compute};
use b158::model::{KvType, Loaded, Loader, LoaderOptions, State};
use b158::threads::Pool;

pub(crate) const A: &[u8] = include_bytes!("../golden/A.gguf");
pub(crate) const B: &[u8] = include_bytes!("../golden/B.gguf");
pub(crate) const C: &[u8] = include_bytes!("../golden/C.gguf");
pub(crate) const LLAMA: &[u8] = include_bytes!("../golden/family/L1r.gguf");
pub(crate) const QWEN3: &[u8] = include_bytes!("../golden/family/F1y.gguf");
pub(crate) const MINICPM: &[u8] = include_bytes!("../golden/family/M1.gguf");
pub(crate) const LONGROPE: &[u8] = include_bytes!("../golden/family/M1l.gguf");
pub(crate) const NORMS_IN: &[u8] = include_bytes!("../golden/family/E1.gguf");
pub(crate) const Q1: &[u8] = include_bytes!("../golden/family/Q1y.gguf");
pub(crate) const Q2: &[u8] = include_bytes!("../golden/family/Q2y.gguf");
pub(crate) const PTQ1: &[u8] = include_bytes!("../golden/family/Q3p.gguf");
pub(crate) const STORIES: &[u8] = include_bytes!("../models/stories-I2_S.gguf");

/// What the story model goes on to say, greedy: prompt and the next 60 tokens as text. Pinned, on every backend.
pub(crate) const TOLD: [(&str, &str); 5] = [
    (
        "Once upon a time, there was a brave fox named Pip.",
        " Pip had a big fox. He loved to play with his friends, the birds, and the birds. One day, Pip went for a walk in the park. He saw a big tree and wanted to climb it. Pip was scared, but",
    ),
    (
        "There was once a shy rabbit named Hazel.",
        " Hazel could run very fast. One day, there was a big race in the valley. Hazel wanted to win the red ring, which was the prize.\n\nAll the animals stood in a lin",
    ),
    (
        "One night, Sam was in bed. Then he heard a strange noise.",
        " Tap, tap, tap! Sam hid under the blanket. \"It is a monster!\" he thought.\n\nTap, tap, tap! There it was again. Sam held his hat tight. He was scared, but he",
    ),
    (
        "Once upon a time, there was a little girl named",
        " Lily. She loved to play outside in the sun. One day, she saw a big, red ball. The ball was very high and had a long tail. Lily wanted to play with it, but the ball was too high for her.\nLily wanted to play with the ball. She said",
    ),
    (
        "Tom and his dog went to the park.",
        " They saw a big dog. The dog was big and had a big dog. Tom wanted to play with the dog, but he was too scared. He wanted to play with the dog.\nTom said, \"No, I want to play with you. I want to play with you.\" They played",
    ),
];

/// Whether tests run at full size, as `./build.sh test --all` has them: B158_WIDE is set. A page has no environment: there it
/// counts what was set at the build.
pub(crate) fn wide() -> bool {
    if cfg!(target_family = "wasm") {
        option_env!("B158_WIDE").is_some()
    } else {
        std::env::var_os("B158_WIDE").is_some()
    }
}

/// All of `full` where tests run at full size, else `sample`.
pub(crate) fn sizes<'t, T>(full: &'t [T], sample: &'t [T]) -> &'t [T] {
    if wide() { full } else { sample }
}

/// The backends that long work is tried on. In a browser scalar, which is plain Rust and was held against the others natively, is
/// left to the pinned bits of tests/engine/identity.rs and to the references of tests/engine/family.rs: it would take most of the
/// time there.
pub(crate) fn backends() -> impl Iterator<Item = Backend> {
    let slow = |backend: &Backend| cfg!(target_family = "wasm") && !wide() && backend.name() == "scalar";
    b158::kernels::available().into_iter().filter(move |backend| !slow(backend))
}

/// Numbers of threads that differ. The page of the wasm tests has one.
pub(crate) fn thread_counts() -> &'static [usize] {
    if cfg!(target_family = "wasm") { &[1] } else { &[1, 3] }
}

/// Loads a file in chunks of `chunk` bytes.
pub(crate) fn load(file: &[u8], backend: Backend, threads: usize, chunk: usize) -> Loaded {
    let options = LoaderOptions { file_size: Some(file.len() as u64), ..Default::default() };
    load_with(file, Compute { backend, pool: Pool::new(threads) }, options, chunk)
}

/// Loads a file with options.
pub(crate) fn load_with(file: &[u8], compute: Compute, options: LoaderOptions, chunk: usize) -> Loaded {
    let mut loader = Loader::new(compute, options);
    for part in file.chunks(chunk) {
        loader.push(part).unwrap();
    }
    loader.finish().unwrap()
}

/// Logits after every token, `[token][vocabulary]`, the text read `batch` tokens at a time.
pub(crate) fn logits(loaded: &Loaded, ids: &[u32], kind: KvType, batch: usize) -> Vec<f32> {
    let model = &loaded.model;
    let mut state = State::new(model, kind, ids.len(), batch).unwrap();
    let mut all = Vec::new();
    for part in ids.chunks(batch) {
        state.begin(model, part).unwrap();
        while !state.step(model).unwrap() {}
        for row in 0..part.len() {
            all.extend_from_slice(state.logits(model, row).unwrap());
        }
    }
    all
}

/// FNV-1a over the bits of the values.
pub(crate) fn hash(values: &[f32]) -> u64 {
    values
        .iter()
        .flat_map(|v| v.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Index of the largest value, the first of equals.
pub(crate) fn argmax(values: &[f32]) -> u32 {
    values.iter().enumerate().fold(0, |best, (i, v)| if *v > values[best] { i } else { best }) as u32
}

/// A made-up token sequence.
pub(crate) fn ids(vocabulary: usize, len: usize) -> Vec<u32> {
    (0..len).map(|i| ((i * i * 31 + i * 7919 + 1) % vocabulary) as u32).collect()
}
