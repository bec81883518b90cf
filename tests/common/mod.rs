//! What several test binaries need: the golden models, loaded and run.
#![allow(dead_code)]

use b158::kernels::{Backend, Compute};
use b158::model::{KvType, Loaded, Loader, LoaderOptions, State};
use b158::threads::Pool;

pub(crate) const A: &[u8] = include_bytes!("../golden/A.gguf");
pub(crate) const B: &[u8] = include_bytes!("../golden/B.gguf");
pub(crate) const C: &[u8] = include_bytes!("../golden/C.gguf");
pub(crate) const STORIES: &[u8] = include_bytes!("../models/stories-I2_S.gguf");

/// What the story model goes on to say, greedy: prompt and the next 60 tokens as text. Pinned, on every backend.
pub(crate) const TOLD: [(&str, &str); 5] = [
    (
        "Once upon a time, there was a brave fox named Pip.",
        " Pip had a big red ball. He loved the ball very much. He played with it every day.\n\nOne day, Pip went to the park with the ball. He played for a long time, and when he stopped, the ball was gone! He beg",
    ),
    (
        "There was once a shy rabbit named Hazel.",
        " It was raining, and Hazel could not go out to play. He sat by the window. \"Rain, rain, go away,\" he said.\n\nThen Hazel saw Bella the rabbit outside. Bella was",
    ),
    (
        "One night, Sam was in bed. Then he heard a strange noise.",
        " Tap, tap, tap! Sam hid under the blanket. \"It is a monster!\" he thought.\n\nTap, tap, tap! There it was again. Sam held his balloon tight. He was scared, but he wanted",
    ),
    (
        "Once upon a time, there was a little girl named",
        " Lily. She loved to play outside in the sunshine. One day, she saw a big, red ball. The ball was red and had a long tail. Lily wanted to play with it, but she didn't know what to do.\nThen, Lily saw a big",
    ),
    (
        "Tom and his dog went to the park.",
        " They saw a big tree and a tree. The tree had a hole in it. Tom wanted to play with the tree, so he ran to the tree. He saw a big tree with a hole in it. He wanted to climb the tree, so he tried to climb the tree, but it",
    ),
];

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
            all.extend_from_slice(state.logits(model, row));
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
