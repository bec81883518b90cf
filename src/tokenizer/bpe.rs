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

/// What text can become.
pub(super) struct Table {
    /// Tokens by text. A text that two tokens have is the first of them, as in llama.cpp; no text is empty, or not UTF-8.
    pub(super) ids: Vocab,
    /// Tokens whose text another one has, and that one.
    pub(super) twins: Vec<(u32, u32)>,
}

/// The tokens of a file by their texts.
pub(super) fn table(m: &Metadata, notes: &mut Vec<String>) -> Result<Table> {
    let tokens = tokens(m)?;
    let mut ids = Vocab::default();
    ids.try_reserve(tokens.len()).map_err(|_| no_room(tokens.len()))?;
    let (mut twins, mut empty) = (Vec::new(), 0);
    for (id, token) in (0u32..).zip(tokens.iter_bytes()) {
        match std::str::from_utf8(token) {
            Ok("") => empty += 1,
            Ok(token) => match ids.get(token) {
                Some(&first) => {
                    twins.try_reserve(1).map_err(|_| no_room(tokens.len()))?;
                    twins.push((id, first));
                }
                None => {
                    ids.insert(token.to_owned(), id);
                }
            },
            // The decoder has said so.
            Err(_) => {}
        }
    }
    if let Some((id, first)) = twins.first() {
        let text = tokens.get(*id as usize).unwrap_or_default();
        notes.push(format!(
            "{} tokens have the text of one before them, as {id} that of {first} (`{}`): text becomes the first",
            twins.len(),
            shown(&text)
        ));
    }
    if empty > 0 {
        notes.push(format!("{empty} tokens are empty: no text becomes one of them"));
    }
    Ok(Table { ids, twins })
}

fn no_room(tokens: usize) -> Error {
    Error::OutOfMemory { what: "the tokenizer's vocabulary".to_owned(), bytes: tokens as u64 * 32 }
}

/// Whether a byte is in no UTF-8, so that no text needs a token for it.
fn in_no_text(byte: u8) -> bool {
    matches!(byte, 0xc0 | 0xc1 | 0xf5..)
}

/// The merging model of `tokenizer.ggml.tokens` and `tokenizer.ggml.merges`, and the tokens whose texts others have.
pub(super) fn model(m: &Metadata, ignore_merges: bool, notes: &mut Vec<String>) -> Result<(BPE, Vec<(u32, u32)>)> {
    const KEY: &str = "tokenizer.ggml.merges";
    let list = m.require_strings(KEY)?;
    if list.len() > MAX_MERGES {
        return Err(bad(format!("`{KEY}` has {} entries, at most {MAX_MERGES} are read", list.len())));
    }
    if list.iter_bytes().map(<[u8]>::len).sum::<usize>() > MAX_MERGE_BYTES {
        return Err(bad(format!("`{KEY}` has more than {MAX_MERGE_BYTES} bytes: no real one does")));
    }
    let Table { ids, twins } = table(m, notes)?;
    let missing = |byte: &u8| !ids.contains_key(byte_char(*byte).encode_utf8(&mut [0; 4]) as &str);
    if let Some(byte) = (0..=255).filter(|byte| !in_no_text(*byte)).find(missing) {
        return Err(bad(format!(
            "byte {byte:#04x} (`{}`) has no token: the byte alphabet is incomplete",
            byte_char(byte)
        )));
    }
    let mut merges = Vec::new();
    merges.try_reserve_exact(list.len()).map_err(|_| Error::OutOfMemory {
        what: "the tokenizer's merges".to_owned(),
        bytes: list.len() as u64 * size_of::<(String, String)>() as u64,
    })?;
    let mut left_out: Option<(usize, String)> = None;
    let mut joined = String::new();
    for (rank, merge) in list.iter_bytes().enumerate() {
        let text = std::str::from_utf8(merge).ok();
        let halves = text.and_then(|merge| merge.split_once(' '));
        let halves = halves.filter(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains(' '));
        let (a, b) = match halves {
            Some(halves) => halves,
            // It is a merge of tokens that no text becomes.
            None if text.is_none() => ("", ""),
            None => {
                let merge = String::from_utf8_lossy(merge);
                return Err(bad(format!("merge {rank} `{}` is not two tokens and a space", shown(&merge))));
            }
        };
        joined.clear();
        joined.push_str(a);
        joined.push_str(b);
        if [a, b, &joined].into_iter().all(|token| ids.contains_key(token)) {
            merges.push((a.to_owned(), b.to_owned()));
        } else {
            let merge = || shown(&String::from_utf8_lossy(merge));
            left_out = Some(left_out.map_or_else(|| (1, merge()), |(count, first)| (count + 1, first)));
        }
    }
    if let Some((count, first)) = left_out {
        notes.push(format!(
            "{count} of {} merges need tokens that the vocabulary does not have, the first `{first}`: they are left out",
            list.len()
        ));
    }
    let builder = BPE::builder().vocab_and_merges(ids, merges);
    let builder = builder.ignore_merges(ignore_merges).cache_capacity(CACHED_WORDS);
    Ok((builder.build().map_err(|e| bad(e.to_string()))?, twins))
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
