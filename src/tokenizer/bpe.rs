//! The `gpt2` kind: byte-level BPE with ranked merges.

use super::alphabet::{byte_char, shown};
use super::bad;
use super::pre::Splitter;
use super::vocabulary::{MAX_MERGE_BYTES, MAX_MERGES, tokens};
use crate::gguf::Metadata;
use crate::{Error, Result};
use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab};

/// Words kept with their merges: enough for a chat's vocabulary, a few hundred kilobytes.
const CACHED_WORDS: usize = 2048;

/// Tokens by text, each once.
pub(super) fn vocab(m: &Metadata) -> Result<Vocab> {
    let tokens = tokens(m)?;
    let mut vocab = Vocab::default();
    vocab.try_reserve(tokens.len()).map_err(|_| Error::OutOfMemory {
        what: "the tokenizer's vocabulary".to_owned(),
        bytes: tokens.len() as u64 * 32,
    })?;
    for (id, token) in (0u32..).zip(tokens.iter()) {
        if let Some(first) = vocab.insert(token.to_owned(), id) {
            return Err(bad(format!("tokens {first} and {id} are both `{}`", shown(token))));
        }
    }
    Ok(vocab)
}

/// The merging model of `tokenizer.ggml.tokens` and `tokenizer.ggml.merges`.
pub(super) fn model(m: &Metadata, ignore_merges: bool) -> Result<BPE> {
    const KEY: &str = "tokenizer.ggml.merges";
    let table = m.require_strings(KEY)?;
    if table.len() > MAX_MERGES {
        return Err(bad(format!("`{KEY}` has {} entries, at most {MAX_MERGES} are read", table.len())));
    }
    if table.iter().map(str::len).sum::<usize>() > MAX_MERGE_BYTES {
        return Err(bad(format!("`{KEY}` has more than {MAX_MERGE_BYTES} bytes: no real one does")));
    }
    let vocab = vocab(m)?;
    if let Some(byte) = (0..=255).find(|&b| !vocab.contains_key(byte_char(b).encode_utf8(&mut [0; 4]) as &str)) {
        return Err(bad(format!(
            "byte {byte:#04x} (`{}`) has no token: the byte alphabet is incomplete",
            byte_char(byte)
        )));
    }
    let mut merges = Vec::new();
    merges.try_reserve_exact(table.len()).map_err(|_| Error::OutOfMemory {
        what: "the tokenizer's merges".to_owned(),
        bytes: table.len() as u64 * size_of::<(String, String)>() as u64,
    })?;
    let mut joined = String::new();
    for (rank, merge) in table.iter().enumerate() {
        let halves = merge.split_once(' ');
        let Some((a, b)) = halves.filter(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains(' ')) else {
            return Err(bad(format!("merge {rank} `{}` is not two tokens and a space", shown(merge))));
        };
        joined.clear();
        joined.push_str(a);
        joined.push_str(b);
        if let Some(missing) = [a, b, &joined].into_iter().find(|t| !vocab.contains_key(*t)) {
            return Err(bad(format!("merge {rank} `{}` needs `{}`, which is no token", shown(merge), shown(missing))));
        }
        merges.push((a.to_owned(), b.to_owned()));
    }
    let builder = BPE::builder().vocab_and_merges(vocab, merges);
    let builder = builder.ignore_merges(ignore_merges).cache_capacity(CACHED_WORDS);
    builder.build().map_err(|e| bad(e.to_string()))
}

/// Text without special tokens, appended to `ids`.
pub(super) fn encode(model: &BPE, splitter: &Splitter, text: &str, ids: &mut Vec<u32>) -> Result<()> {
    let mut word = String::new();
    splitter.split(text, &mut |piece| {
        word.clear();
        word.extend(piece.bytes().map(byte_char));
        merge(model, &word, ids)
    })
}

/// One piece through the merges.
pub(super) fn merge(model: &BPE, word: &str, ids: &mut Vec<u32>) -> Result<()> {
    let tokens = model.tokenize(word).map_err(|e| bad(e.to_string()))?;
    ids.extend(tokens.iter().map(|t| t.id));
    Ok(())
}
