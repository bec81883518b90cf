//! The second reference: pieces by Oniguruma, the engine of Hugging Face's `tokenizers` in Python, and merges by
//! rank as in tiktoken. Nothing here is shared with the engine, which splits with `regex` and merges by rank with a queue.

use crate::mode::Mode;
use crate::vocabulary::Vocabulary;
use onig::Regex;
use std::collections::HashMap;

const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const FALCON: &str = r"[\p{P}$+<=>^~|`]+";
const CJK: &str = "[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+";

impl Mode {
    /// One expression a pass, each of which cuts up what the pass before left.
    pub(crate) fn passes(self) -> &'static [&'static str] {
        match self {
            Self::Llama3 => &[
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ],
            Self::Default => &[r"[\p{P}$+<=>^~|]+", GPT_2, r"\p{N}+", r"[0-9]{3}"],
            Self::Qwen2 => &[
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ],
            Self::SmolLm => &[r"\p{N}", GPT_2],
            Self::Falcon => &[FALCON, GPT_2, r"[0-9]{3}"],
            Self::Falcon3 | Self::FalconE => &[FALCON, GPT_2, r"[0-9]"],
            Self::Gpt4o => &[
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ],
            Self::DeepSeekLlm => &[
                r"[\r\n]",
                DEEP_SEEK_LETTERS,
                "\\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+",
                r"\s+\z",
                CJK,
                r"\p{N}+",
            ],
            Self::DeepSeekCoder => &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
            Self::Gpt2 => &[GPT_2],
        }
    }

    /// Whether a piece that is a token is that token even where merges would not make it.
    pub(crate) fn whole_pieces(self) -> bool {
        matches!(self, Self::Llama3 | Self::FalconE)
    }
}

/// By number, as a second reading of that list.
const DEEP_SEEK_LETTERS: &str = concat!(
    "\\s?[A-Za-z",
    "\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}",
    "\u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}",
    "\u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}",
    "\u{13f8}-\u{13fd}\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}",
    "\u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}",
    "\u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}",
    "\u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}",
    "\u{210a}-\u{2113}\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}",
    "\u{2139}\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}",
    "\u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}",
    "\u{a78b}-\u{a78e}\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}",
    "\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}",
    "\u{118a0}-\u{118df}\u{1e900}-\u{1e943}",
    "]+"
);

/// A vocabulary as tiktoken has it: a token's id is its rank.
pub(crate) struct RankBpe {
    ranks: HashMap<Vec<u8>, u32>,
    passes: Vec<Regex>,
    whole_pieces: bool,
}

impl RankBpe {
    pub(crate) fn of(vocabulary: &Vocabulary, mode: Mode) -> Self {
        let bytes = byte_alphabet();
        let spelled = |token: &String| token.chars().map(|c| bytes[&c]).collect::<Vec<u8>>();
        let plain = (0..).zip(&vocabulary.tokens).zip(&vocabulary.control).filter(|(_, control)| !**control);
        let ranks = plain.map(|((id, token), _)| (spelled(token), id)).collect();
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

/// GPT-2's alphabet, a character a byte: Latin-1's printable ones stand for themselves, the rest count from U+0100.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let rest = (0..=255).filter(|byte| !printable(byte)).zip('\u{100}'..);
    (0..=255).filter(printable).map(|byte| (char::from(byte), byte)).chain(rest.map(|(byte, c)| (c, byte))).collect()
}
