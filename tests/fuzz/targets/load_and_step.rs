//! A small model with some of its bytes changed: it is refused, the same in any chunks, or it runs.

use super::file::File;
use super::gguf_chunks::chunks;
use arbitrary::{Arbitrary, Unstructured};
use b158::kernels::Compute;
use b158::model::{EmbeddingType, KvType, Loaded, Loader, LoaderOptions};
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use b158::tokenizer::Special;
use b158::{Error, Result};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[derive(Arbitrary, Debug)]
struct Input {
    model: u8,
    /// Roots of what the sizes of chunks have beyond 16: of all of the model's 40 kB, or nothing. Single bytes take 50 ms.
    chunks: [u8; 2],
    int8_embedding: bool,
    kv_type: u8,
    edits: Vec<Edit>,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    /// A field of the header becomes another number.
    Field { field: u16, value: u32 },
    /// Or one of 64 bits.
    Wide { field: u16, value: u64 },
    /// Or near what it was.
    Add { field: u16, value: i8 },
    /// A byte anywhere.
    Byte { at: u32, value: u8 },
    /// Four of them: a float of a tensor.
    Float { at: u32, value: f32 },
    /// The file ends here.
    End { at: u32 },
}

/// Files, and where their fields begin.
static MODELS: LazyLock<Vec<(Vec<u8>, Vec<usize>)>> = LazyLock::new(|| {
    let with = |kinds: &[(&str, u32)], mut file: File| {
        kinds.iter().for_each(|(name, kind)| file.retype(name, *kind));
        file.bytes_and_edges()
    };
    let (down, embedding, norm) = ("blk.0.ffn_down.weight", "token_embd.weight", "output_norm.weight");
    vec![
        with(&[], File::new()),
        with(&[], File::byte_level()),
        with(&[(down, 34), (embedding, 1)], File::new()),
        with(&[(down, 35), (embedding, 8), (norm, 1)], File::byte_level()),
        with(&[("blk.0.attn_q.weight", 0), ("blk.0.ffn_up.weight", 1), (down, 2), (embedding, 0)], File::new()),
        with(&[], File::of("llama")),
        with(&[], File::of("qwen3")),
        with(
            &[(embedding, 41), ("blk.0.attn_q.weight", 42), ("blk.0.ffn_up.weight", 143), (down, 142)],
            File::of("qwen3"),
        ),
        with(&[(down, 35)], File::of("minicpm")),
    ]
});

impl Input {
    fn file(&self) -> Vec<u8> {
        let (mut file, fields) = MODELS[usize::from(self.model) % MODELS.len()].clone();
        for edit in &self.edits {
            let field = |field: u16| fields[usize::from(field) % fields.len()];
            let place = |at: u32| at as usize % file.len().max(1);
            match *edit {
                Edit::Field { field: f, value } => put(&mut file, field(f), &value.to_le_bytes()),
                Edit::Wide { field: f, value } => put(&mut file, field(f), &value.to_le_bytes()),
                Edit::Add { field: f, value } => {
                    if let Some(byte) = file.get_mut(field(f)) {
                        *byte = byte.wrapping_add_signed(value);
                    }
                }
                Edit::Byte { at, value } => {
                    let at = place(at);
                    put(&mut file, at, &[value]);
                }
                Edit::Float { at, value } => {
                    let at = place(at) & !3;
                    put(&mut file, at, &value.to_le_bytes());
                }
                Edit::End { at } => {
                    let at = place(at);
                    file.truncate(at);
                }
            }
        }
        file
    }

    fn load<'a>(&self, chunks: impl Iterator<Item = &'a [u8]>, size: usize) -> Result<Loaded> {
        let embedding = if self.int8_embedding { EmbeddingType::Int8 } else { EmbeddingType::Auto };
        let options = LoaderOptions { file_size: Some(size as u64), embedding, ..Default::default() };
        let mut loader = Loader::new(Compute::default(), options);
        for chunk in chunks {
            loader.push(chunk)?;
        }
        loader.finish()
    }
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in file.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

pub fn run(input: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) else { return };
    let file = input.file();
    let whole = input.load([&file[..]].into_iter(), file.len());
    let sizes = input.chunks.map(|root| 16 + usize::from(root).pow(2));
    let cut = input.load(chunks(&file, sizes.to_vec()), file.len());
    assert_eq!(whole.as_ref().err(), cut.as_ref().err(), "in chunks of {sizes:?}");
    if let (Ok(whole), Ok(cut)) = (whole, cut) {
        assert_eq!(whole.model.fingerprint(), cut.model.fingerprint());
        assert_eq!(talk(&input, whole), talk(&input, cut));
    }
}

/// A prompt and some tokens.
fn talk(input: &Input, loaded: Loaded) -> Vec<u32> {
    let kv_type = [KvType::F16, KvType::F32, KvType::Q8_0][usize::from(input.kv_type % 3)];
    let prompt = loaded.tokenizer.encode("ab aaaa <s>", Special::PARSED).expect("the tables express every text");
    let options = SessionOptions { context: Some(8), kv_type: Some(kv_type), batch: 3, ..Default::default() };
    let Ok(mut session) = Session::new(Arc::new(loaded), options) else { return Vec::new() };
    let prompt = &prompt[..prompt.len().min(session.context() - 1)];
    let mut said = Vec::new();
    if session
        .start(prompt, GenerateOptions { max_tokens: Some(3), ignore_end: true, logprobs: true, ..Default::default() })
        .is_err()
    {
        return said;
    }
    loop {
        let step = match session.step(Duration::MAX) {
            Ok(step) => step,
            // Weights may be as large as they like; then this is what is said, whatever the chunks.
            Err(Error::NotFinite { layer, .. }) => {
                said.push(layer.map_or(u32::MAX, |layer| layer as u32));
                return said;
            }
            Err(error) => panic!("{error}"),
        };
        match step {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, logprobs, .. } => {
                let logprobs = logprobs.expect("asked for");
                assert!(!logprobs.log_probability.is_nan() && !logprobs.entropy.is_nan(), "NaN among the logits");
                said.push(id);
            }
            Step::Done(_) => return said,
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    // Unchanged, in chunks of 33 and 7 bytes; then any edits.
    let plain = (0..8u8).map(|model| vec![model, 33, 7, model & 1, model, 0]);
    let edited = (1..12u8).map(|step| (0..60u8).map(|i| i.wrapping_mul(step).wrapping_add(step)).collect());
    plain.chain(edited).collect()
}
