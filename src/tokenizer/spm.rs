//! The `llama` kind: SentencePiece's BPE, where a pair merges if the result is a token and the best score goes
//! first.
//!
//! As Hugging Face converts such vocabularies: every way to halve a token into two tokens is a merge, ranked by
//! the score of the whole. Against llama.cpp's own loop that differs only where two *different* tokens have
//! exactly one score (there the leftmost pair goes first), and where a token can be built only from characters
//! that are not tokens.

use super::alphabet::SPACE;
use super::bad;
use super::bpe::{Table, merge, table};
use super::vocabulary::{Kind, MAX_MERGE_BYTES, Vocabulary, scores, tokens};
use crate::Result;
use crate::gguf::Metadata;
use tokenizers::models::bpe::BPE;

/// The merging model of `tokenizer.ggml.tokens` and `tokenizer.ggml.scores`, and the tokens whose texts others have.
pub(super) fn model(m: &Metadata, vocabulary: &Vocabulary, notes: &mut Vec<String>) -> Result<(BPE, Vec<(u32, u32)>)> {
    let tokens = tokens(m)?;
    let scores = scores(m, tokens.len(), notes)?;
    let scores = scores.ok_or_else(|| crate::Error::MissingKey { key: "tokenizer.ggml.scores".to_owned() })?;
    let Table { ids: vocab, twins } = table(m, notes)?;
    let all_bytes = (0..=255u8).all(|b| vocab.contains_key(&format!("<{b:#04X}>")));
    // The text of a token, if text can become that token.
    let text = |id: u32| {
        let text = std::str::from_utf8(tokens.bytes(id as usize)?).ok()?;
        (vocab.get(text) == Some(&id)).then_some(text)
    };
    // Highest score first; of equal ones the lower id.
    let mut order: Vec<u32> = (0..vocabulary.len())
        .filter(|&id| matches!(vocabulary.kind(id), Some(Kind::Normal | Kind::UserDefined | Kind::Unused)))
        .collect();
    order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));

    let mut merges = Vec::new();
    let mut bytes = 0usize;
    for id in order {
        let Some(token) = text(id) else { continue };
        let mut halves: Vec<(u32, u32, usize)> = token
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| Some((*vocab.get(&token[..at])?, *vocab.get(&token[at..])?, at)))
            .collect();
        halves.sort_unstable();
        bytes = halves.len().saturating_mul(token.len() + 2 * size_of::<String>()).saturating_add(bytes);
        // A made-up vocabulary of long runs of one letter would ask for gigabytes.
        if bytes > MAX_MERGE_BYTES {
            return Err(bad("the vocabulary's merges would take more than 64 MB: no real one does"));
        }
        merges.extend(halves.iter().map(|&(_, _, at)| (token[..at].to_owned(), token[at..].to_owned())));
    }
    let unknown = vocabulary.unknown.and_then(|id| std::str::from_utf8(tokens.bytes(id as usize)?).ok());
    let unknown = unknown.filter(|text| vocab.contains_key(*text)).map(str::to_owned);
    // Words are whole messages here: caching them gains nothing.
    let mut builder = BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(0);
    builder = builder.byte_fallback(true).fuse_unk(true);
    match unknown {
        Some(unknown) => builder = builder.unk_token(unknown),
        None if all_bytes => {}
        None => return Err(bad("neither the 256 byte tokens <0x00> … <0xFF> nor an unknown token are there")),
    }
    Ok((builder.build().map_err(|e| bad(e.to_string()))?, twins))
}

/// Text without special tokens, appended to `ids`; `prefix` puts a space before it.
pub(super) fn encode(model: &BPE, text: &str, prefix: bool, ids: &mut Vec<u32>) -> Result<()> {
    let mut word = String::with_capacity(text.len() + 3);
    if prefix {
        word.push(SPACE);
    }
    word.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
    merge(model, &word, ids)
}
