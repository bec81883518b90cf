//! The `llama` kind: SentencePiece's BPE, where a pair merges if the result is a token. The best score goes first, of
//! equal ones the leftmost.

use super::alphabet::SPACE;
use super::bad;
use super::merge::{Symbol, Word};
use super::texts::Texts;
use super::vocabulary::{Kind, Vocabulary, scores};
use crate::Result;
use crate::allocate::try_with_capacity;
use crate::gguf::Metadata;

/// `tokenizer.ggml.tokens` and `tokenizer.ggml.scores`.
pub(super) struct Spm {
    pub(super) texts: Texts,
    /// What goes first among the tokens, the least one; [`NEVER`] for those that text does not become.
    ranks: Vec<u32>,
    /// The tokens `<0x00>` … `<0xFF>`.
    bytes: Box<[Option<u32>; 256]>,
    /// What characters become that have neither a token nor bytes.
    unknown: Option<u32>,
}

const NEVER: u32 = u32::MAX;

/// A number that is less where the score is higher.
fn rank(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits(); // which makes of both zeros one
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    (!ascending).min(NEVER - 1)
}

impl Spm {
    pub(super) fn new(m: &Metadata, vocabulary: &Vocabulary, notes: &mut Vec<String>) -> Result<Self> {
        let scores = scores(m, vocabulary.len() as usize, notes)?;
        let scores = scores.ok_or_else(|| crate::Error::MissingKey { key: "tokenizer.ggml.scores".to_owned() })?;
        let texts = Texts::new(m, notes)?;
        let mut ranks = try_with_capacity(texts.len(), "the tokenizer's scores")?;
        ranks.extend((0u32..).zip(scores.iter()).take(texts.len()).map(|(id, &score)| match vocabulary.kind(id) {
            Some(Kind::Normal | Kind::UserDefined | Kind::Unused) => rank(score),
            _ => NEVER,
        }));
        let mut bytes = Box::new([None; 256]);
        for (byte, token) in (0u8..=255).zip(bytes.iter_mut()) {
            *token = texts.id(format!("<{byte:#04X}>").as_bytes());
        }
        let unknown = vocabulary.unknown;
        if unknown.is_none() && bytes.contains(&None) {
            return Err(bad("neither the 256 byte tokens <0x00> … <0xFF> nor an unknown token are there"));
        }
        Ok(Self { texts, ranks, bytes, unknown })
    }

    /// Text without special tokens, appended to `ids`; `prefix` puts a space before it.
    pub(super) fn encode(&self, text: &str, prefix: bool, ids: &mut Vec<u32>) -> Result<()> {
        let spaces = text.bytes().filter(|&byte| byte == b' ').count() + usize::from(prefix);
        let mut spelled = String::with_capacity(text.len() + 2 * spaces + 1);
        if prefix {
            spelled.push(SPACE);
        }
        spelled.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        if u32::try_from(spelled.len()).is_err() {
            return Err(bad("a text of more than 4 GiB"));
        }
        let mut word = Word::default();
        for (at, c) in spelled.char_indices() {
            let end = at + c.len_utf8();
            word.push(self.token(&spelled[at..end]).unwrap_or(NEVER), end as u32);
        }
        let range = |symbol: &Symbol| symbol.start as usize..symbol.end as usize;
        word.merge(|first, second| {
            let id = self.token(&spelled[range(first).start..range(second).end])?;
            Some((self.ranks[id as usize], id))
        });
        let mut last_unknown = false;
        for symbol in word.symbols() {
            if symbol.id != NEVER {
                ids.push(symbol.id);
                last_unknown = false;
                continue;
            }
            let bytes = &spelled.as_bytes()[range(symbol)];
            let token = |byte: &u8| self.bytes[usize::from(*byte)];
            if bytes.iter().all(|byte| token(byte).is_some()) {
                ids.extend(bytes.iter().filter_map(token));
                last_unknown = false;
            } else {
                // One for a run of them, as in SentencePiece.
                ids.extend(self.unknown.filter(|_| !last_unknown));
                last_unknown = true;
            }
        }
        Ok(())
    }

    /// The token that a text becomes.
    fn token(&self, text: &str) -> Option<u32> {
        self.texts.id(text.as_bytes()).filter(|&id| self.ranks[id as usize] != NEVER)
    }
}
