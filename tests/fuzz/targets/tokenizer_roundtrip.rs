//! Text to tokens and back, with the tables of two small models and with any others that are taken for a vocabulary.
//!
//! Input: a byte that says which tables; for the models' own the rest is the text.

use super::file::File;
use arbitrary::{Arbitrary, Unstructured};
use b158::gguf::{Array, Decoder, Event, Limits, Metadata, Strings, Value};
use b158::tokenizer::{Special, Tokenizer};
use std::sync::LazyLock;

pub(super) static BYTE_LEVEL: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(&metadata(&File::byte_level())));
/// What the tables are added to; to make it anew each time took most of the time.
static METADATA: LazyLock<[Metadata; 2]> =
    LazyLock::new(|| [File::new(), File::byte_level()].map(|file| metadata(&file)));
static SENTENCE_PIECE: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(&metadata(&File::new())));

pub(super) fn metadata(file: &File) -> Metadata {
    let bytes = file.bytes();
    let (mut decoder, mut rest) = (Decoder::new(Limits::default()), &bytes[..]);
    loop {
        let (used, event) = decoder.push(rest).expect("a sound file");
        if event == Event::Metadata {
            return decoder.metadata().clone();
        }
        rest = &rest[used..];
    }
}

fn tokenizer(metadata: &Metadata) -> Tokenizer {
    Tokenizer::from_metadata(metadata).expect("sound tables")
}

pub fn run(input: &[u8]) {
    let Some((&tables, rest)) = input.split_first() else { return };
    match tables % 3 {
        0 => {
            let text = String::from_utf8_lossy(rest);
            let ids = encode(&BYTE_LEVEL, &text, Special::PIECE);
            assert_eq!(BYTE_LEVEL.decode(&ids, false), text);
            // Also where tokens are spelled in the text.
            let ids = encode(&BYTE_LEVEL, &text, Special { add_bos: Some(false), parse: true });
            assert_eq!(BYTE_LEVEL.decode(&ids, true), text);
        }
        1 => {
            let text = String::from_utf8_lossy(rest);
            let ids = encode(&SENTENCE_PIECE, &text, Special::PIECE);
            let prefix = if text.is_empty() { "" } else { " " };
            // The mark that stands for a space can't be told from one.
            assert_eq!(SENTENCE_PIECE.decode(&ids, false), format!("{prefix}{}", text.replace('\u{2581}', " ")));
            encode(&SENTENCE_PIECE, &text, Special::PARSED);
        }
        _ => {
            let Ok(own) = Tables::arbitrary_take_rest(Unstructured::new(rest)) else { return };
            let Ok(tokenizer) = Tokenizer::from_metadata(&own.metadata()) else { return };
            for special in [Special::TEXT, Special::PARSED] {
                encode(&tokenizer, own.text, special);
            }
        }
    }
}

/// Encodes, which no text may make fail, and sees that a stream of the tokens is the text of all of them.
fn encode(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<u32> {
    let ids = tokenizer.encode(text, special).expect("the tables express every text");
    assert!(ids.iter().all(|&id| id < tokenizer.vocabulary()), "an id beyond the vocabulary");
    let mut stream = tokenizer.stream();
    let mut streamed: String = ids.iter().map(|&id| stream.push(id, tokenizer)).collect();
    streamed += &stream.finish();
    assert_eq!(streamed, tokenizer.decode(&ids, false));
    ids
}

/// Tables that are added to those of a model, or put in their place.
#[derive(Arbitrary)]
struct Tables<'a> {
    byte_level: bool,
    splitter: Option<u8>,
    /// Without the 256 tokens of bytes.
    bare: bool,
    add_bos: Option<bool>,
    space_prefix: Option<bool>,
    tokens: Vec<(&'a str, i8, f32)>,
    types: bool,
    merges: Vec<(u16, u16)>,
    merge: Option<&'a str>,
    ids: [Option<u16>; 4],
    text: &'a str,
}

impl Tables<'_> {
    fn metadata(&self) -> Metadata {
        let mut metadata = METADATA[usize::from(self.byte_level)].clone();
        let mut tokens: Vec<String> = Vec::new();
        let (mut types, mut scores) = (Vec::new(), Vec::new());
        if !self.bare {
            let own = metadata.strings("tokenizer.ggml.tokens").ok().flatten().expect("a model has tokens");
            tokens = own.iter().map(Into::into).collect();
            types = metadata.i32s("tokenizer.ggml.token_type").ok().flatten().expect("and their types").into_owned();
            scores = vec![0.0; tokens.len()];
        }
        for &(token, kind, score) in &self.tokens {
            tokens.push(token.to_owned());
            types.push(i32::from(kind));
            scores.push(score);
        }
        let name = |id: u16| tokens.get(usize::from(id) % tokens.len().max(1)).map_or("", String::as_str);
        let merges: Vec<String> = self.merges.iter().map(|&(a, b)| format!("{} {}", name(a), name(b))).collect();
        let merges = strings(merges.iter().map(String::as_str).chain(self.merge));
        metadata.insert("tokenizer.ggml.merges", merges);
        metadata.insert("tokenizer.ggml.tokens", strings(tokens.iter().map(String::as_str)));
        metadata.insert("tokenizer.ggml.scores", Value::Array(Array::F32(scores)));
        if self.types {
            metadata.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
        } else {
            metadata.remove("tokenizer.ggml.token_type");
        }
        if let Some(splitter) = self.splitter {
            let name = ["llama-bpe", "default", "gpt-2", "falcon3", "unknown"][usize::from(splitter % 5)];
            metadata.insert("tokenizer.ggml.pre", Value::String(name.into()));
        }
        for (key, value) in [("add_bos_token", self.add_bos), ("add_space_prefix", self.space_prefix)] {
            if let Some(value) = value {
                metadata.insert(format!("tokenizer.ggml.{key}"), Value::Bool(value));
            }
        }
        for (key, id) in ["bos", "eos", "eot", "unknown"].into_iter().zip(self.ids) {
            if let Some(id) = id {
                metadata.insert(format!("tokenizer.ggml.{key}_token_id"), Value::U32(id.into()));
            }
        }
        metadata
    }
}

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> Value {
    let mut strings = Strings::new();
    values.for_each(|value| strings.push(value));
    Value::Array(Array::Strings(strings))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let texts =
        ["", "ab aaaa", "<s>ab</s>  ab\n", "a\u{301}\u{1F98A}\u{2581}<0x0A>", "It's 2026:\t100,000 \u{4f60}\u{597d}"];
    let mut seeds: Vec<Vec<u8>> =
        texts.iter().flat_map(|text| [0u8, 1].map(|tables| [&[tables], text.as_bytes()].concat())).collect();
    // No meaning, only enough bytes for every field.
    seeds.extend([1u8, 7].map(|step| (0..200).map(|i: u8| if i == 0 { 2 } else { i.wrapping_mul(step) }).collect()));
    seeds
}
