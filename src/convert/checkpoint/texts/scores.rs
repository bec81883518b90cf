//! Scores of the `llama` kind from ranks of merges.
//!
//! SentencePiece merges two tokens where the result is a token, by the result's score; tokenizer.json lists the pairs. Its converters
//! list all pairs of tokens that make a token, each token's pairs together: then both ways are one.

use super::tables::Merges;
use super::tokenizer::{FILE, Tokens};
use crate::Result;
use crate::allocate::{try_with_capacity, try_zeroed};
use std::collections::{HashMap, HashSet};

/// The longest token whose halves are looked for.
const LONGEST: usize = 256;

/// The score of each token: minus the rank of the first merge that makes it, and below all of these where none does.
pub(super) fn by_rank(tokens: &Tokens, merges: &Merges, notes: &mut Vec<String>) -> Result<Vec<f32>> {
    let no_room = |_| crate::Error::OutOfMemory { what: FILE.to_owned(), bytes: 0 };
    let mut ids: HashMap<&[u8], u32> = HashMap::new();
    ids.try_reserve(tokens.texts.len()).map_err(no_room)?;
    for (id, text) in (0u32..).zip(tokens.texts.iter_bytes()) {
        ids.entry(text).or_insert(id);
    }
    const NEVER: u32 = u32::MAX;
    let mut ranks: Vec<u32> = try_with_capacity(tokens.texts.len(), FILE)?;
    ranks.resize(tokens.texts.len(), NEVER);
    let mut last: Vec<u32> = try_zeroed(tokens.texts.len(), FILE)?;
    let mut pairs: HashSet<(u32, u32)> = HashSet::new();
    pairs.try_reserve(merges.len()).map_err(no_room)?;
    let (mut joined, mut without, mut apart) = (Vec::new(), 0usize, 0usize);
    for (rank, (first, second)) in (0u32..).zip(merges.iter()) {
        joined.clear();
        joined.extend_from_slice(first);
        joined.extend_from_slice(second);
        let (Some(&a), Some(&b), Some(&whole)) = (ids.get(first), ids.get(second), ids.get(joined.as_slice())) else {
            without += 1;
            continue;
        };
        let whole = whole as usize;
        pairs.insert((a, b));
        if ranks[whole] == NEVER {
            ranks[whole] = rank;
        } else if last[whole] + 1 != rank {
            apart += 1;
        }
        last[whole] = rank;
    }
    let mut unlisted = 0usize;
    let mut example = None;
    for (id, text) in (0u32..).zip(tokens.texts.iter_bytes()) {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        // The work goes with the square of the length.
        if !tokens.is_normal(id) || text.len() > LONGEST {
            continue;
        }
        for (at, _) in text.char_indices().skip(1) {
            let (Some(&a), Some(&b)) = (ids.get(&text.as_bytes()[..at]), ids.get(&text.as_bytes()[at..])) else {
                continue;
            };
            if tokens.is_normal(a) && tokens.is_normal(b) && !pairs.contains(&(a, b)) {
                unlisted += 1;
                example.get_or_insert(text);
            }
        }
    }
    if let Some(example) = example {
        notes.push(format!(
            "{FILE}: {unlisted} pairs of tokens make a token, as `{}`, and are no merges: GGUF's kind `llama` merges them too",
            crate::tokenizer::shown(example)
        ));
    }
    if apart > 0 {
        notes.push(format!(
            "{FILE}: {apart} merges stand apart from others that make the same token: GGUF has one rank a token"
        ));
    }
    if without > 0 {
        notes
            .push(format!("{FILE}: {without} merges need tokens that the vocabulary does not have: they are left out"));
    }
    let mut scores = try_with_capacity(ranks.len(), FILE)?;
    scores.extend((0u32..).zip(&ranks).map(|(id, &rank)| match rank {
        NEVER => -((merges.len() as u64 + u64::from(id)) as f32),
        rank => -(rank as f32),
    }));
    Ok(scores)
}
