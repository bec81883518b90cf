//! The second reference: pieces by Oniguruma, the engine of Hugging Face's `tokenizers` in Python, and merges by
//! rank as in tiktoken. Nothing here is shared with the engine, which splits with `fancy-regex` and merges with
//! the `tokenizers` crate.

use onig::Regex;
use std::collections::HashMap;

/// A way of cutting text up, as the references name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Llama-3's own: one regular expression, and a piece that is a token is taken whole.
    Llama3,
    /// What bitnet.cpp falls back to for a file without `tokenizer.ggml.pre`: four passes, merges alone.
    Default,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Llama3, Self::Default];

    /// The value of `tokenizer.ggml.pre`.
    pub(crate) fn pre(self) -> &'static str {
        match self {
            Self::Llama3 => "llama-bpe",
            Self::Default => "default",
        }
    }

    /// One expression a pass, each of which cuts up what the pass before left.
    pub(crate) fn passes(self) -> &'static [&'static str] {
        match self {
            Self::Llama3 => &[
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ],
            Self::Default => &[
                r"[\p{P}$+<=>^~|]+",
                r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
                r"\p{N}+",
                r"[0-9]{3}",
            ],
        }
    }

    /// Whether a piece that is a token is that token even where merges would not make it.
    pub(crate) fn whole_pieces(self) -> bool {
        self == Self::Llama3
    }
}

/// A vocabulary as tiktoken has it: a token's id is its rank.
pub(crate) struct RankBpe {
    ranks: HashMap<Vec<u8>, u32>,
    passes: Vec<Regex>,
    whole_pieces: bool,
}

impl RankBpe {
    pub(crate) fn new(ranks: HashMap<Vec<u8>, u32>, mode: Mode) -> Self {
        let passes = mode.passes().iter().map(|pass| Regex::new(pass).unwrap()).collect();
        Self { ranks, passes, whole_pieces: mode.whole_pieces() }
    }

    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut pieces = vec![text];
        for pass in &self.passes {
            pieces = pieces.into_iter().flat_map(|piece| cut(pass, piece)).collect();
        }
        pieces.into_iter().flat_map(|piece| self.merge(piece.as_bytes())).collect()
    }

    /// Merges neighbours, the lowest rank first and of equal ones the leftmost, while any two make a token.
    pub(crate) fn merge(&self, piece: &[u8]) -> Vec<u32> {
        if self.whole_pieces
            && let Some(&id) = self.ranks.get(piece)
        {
            return vec![id];
        }
        // Where each part begins, and the rank of it with the next one; one entry more for the end.
        let mut parts: Vec<(usize, u32)> = (0..=piece.len()).map(|at| (at, u32::MAX)).collect();
        let rank = |parts: &[(usize, u32)], i: usize| match parts.get(i + 2) {
            Some(&(end, _)) => self.ranks.get(&piece[parts[i].0..end]).copied().unwrap_or(u32::MAX),
            None => u32::MAX,
        };
        for i in 0..parts.len() {
            parts[i].1 = rank(&parts, i);
        }
        while let Some((i, &(_, lowest))) = parts.iter().enumerate().min_by_key(|(_, part)| part.1) {
            if lowest == u32::MAX {
                break;
            }
            parts.remove(i + 1);
            for changed in i.saturating_sub(1)..=i {
                parts[changed].1 = rank(&parts, changed);
            }
        }
        parts.windows(2).map(|w| self.ranks[&piece[w[0].0..w[1].0]]).collect()
    }
}

/// The matches of a pass and what lies between them.
fn cut<'t>(pass: &Regex, text: &'t str) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut done = 0;
    for (start, end) in pass.find_iter(text) {
        pieces.extend([&text[done..start], &text[start..end]]);
        done = end;
    }
    pieces.push(&text[done..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
