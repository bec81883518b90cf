//! The `gpt2` kind: byte-level BPE with ranked merges.

use super::alphabet::{byte_char, shown};
use super::bad;
use super::merge::Word;
use super::pre::Splitter;
use super::texts::Texts;
use super::vocabulary::{Kind, MAX_MERGE_BYTES, MAX_MERGES, Vocabulary};
use crate::Result;
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::gguf::Metadata;

/// `tokenizer.ggml.tokens` and `tokenizer.ggml.merges`.
pub(super) struct Bpe {
    pub(super) texts: Texts,
    /// The token of each byte, or [`NONE`].
    bytes: Box<[u32; 256]>,
    merges: Merges,
    /// A piece that is a token as a whole is taken as such, whatever the merges would make of it.
    ignore_merges: bool,
}

/// Two tokens, by the first and then the second.
struct Merges {
    /// Where each first token's merges begin, and where the last one's end.
    starts: Vec<u32>,
    merges: Vec<Merge>,
}

struct Merge {
    second: u32,
    rank: u32,
    whole: u32,
}

/// No token: it merges with nothing.
const NONE: u32 = u32::MAX;

/// The token of each byte. Published vocabularies lack bytes that were not in what they were made from, such as Falcon's.
fn bytes(texts: &Texts, notes: &mut Vec<String>) -> Result<[u32; 256]> {
    let mut bytes = [NONE; 256];
    let mut missing: Option<(u8, usize)> = None;
    for (byte, token) in (0u8..=255).zip(&mut bytes) {
        match texts.id(byte_char(byte).encode_utf8(&mut [0; 4]).as_bytes()) {
            Some(id) => *token = id,
            // They are in no UTF-8.
            None if matches!(byte, 0xc0 | 0xc1 | 0xf5..) => {}
            None if matches!(byte, b'\n' | b' '..=b'~') => {
                return Err(bad(format!(
                    "byte {byte:#04x} (`{}`) has no token: the byte alphabet is incomplete",
                    byte_char(byte)
                )));
            }
            None => missing = Some(missing.map_or((byte, 1), |(first, count)| (first, count + 1))),
        }
    }
    if let Some((first, count)) = missing {
        notes.push(format!(
            "no token for {count} of the 256 bytes, the first {first:#04x}: a text that holds them loses them, as with \
             other readers"
        ));
    }
    Ok(bytes)
}

impl Bpe {
    pub(super) fn new(m: &Metadata, ignore_merges: bool, notes: &mut Vec<String>) -> Result<Self> {
        let texts = Texts::new(m, notes)?;
        let bytes = Box::new(bytes(&texts, notes)?);
        let merges = Merges::new(m, &texts, notes)?;
        Ok(Self { texts, bytes, merges, ignore_merges })
    }

    /// Text without special tokens, appended to `ids`.
    pub(super) fn encode(&self, splitter: &Splitter, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let (mut word, mut spelled) = (Word::default(), String::new());
        splitter.split(text, &mut |piece| {
            if self.ignore_merges {
                spelled.clear();
                spelled.extend(piece.bytes().map(byte_char));
                if let Some(id) = self.texts.id(spelled.as_bytes()) {
                    ids.push(id);
                    return;
                }
            }
            self.merge(piece.as_bytes(), &mut word);
            ids.extend(word.symbols().map(|symbol| symbol.id).filter(|&id| id != NONE));
        })
    }

    fn merge(&self, piece: &[u8], word: &mut Word) {
        word.clear();
        for (&byte, end) in piece.iter().zip(1..) {
            word.push(self.bytes[usize::from(byte)], end);
        }
        word.merge(|first, second| self.merges.get(first.id, second.id));
    }

    /// Whether the merges alone make of every normal token's bytes that token: then taking a piece that is one as a whole
    /// changes nothing.
    pub(super) fn makes_every_token(&self, vocabulary: &Vocabulary) -> bool {
        let mut word = Word::default();
        (0..vocabulary.len()).filter(|&id| vocabulary.kind(id) == Some(Kind::Normal)).all(|id| {
            self.merge(vocabulary.bytes(id), &mut word);
            word.symbols().map(|symbol| symbol.id).eq([id])
        })
    }
}

impl Merges {
    fn new(m: &Metadata, texts: &Texts, notes: &mut Vec<String>) -> Result<Self> {
        const KEY: &str = "tokenizer.ggml.merges";
        const WHAT: &str = "the tokenizer's merges";
        let list = m.require_strings(KEY)?;
        if list.len() > MAX_MERGES {
            return Err(bad(format!("`{KEY}` has {} entries, at most {MAX_MERGES} are read", list.len())));
        }
        if list.iter_bytes().map(<[u8]>::len).sum::<usize>() > MAX_MERGE_BYTES {
            return Err(bad(format!("`{KEY}` has more than {MAX_MERGE_BYTES} bytes: no real one does")));
        }
        // The two tokens in one number, the rank, the whole.
        let mut found: Vec<(u64, u32, u32)> = try_with_capacity(list.len(), WHAT)?;
        let mut left_out: Option<(usize, String)> = None;
        let mut joined = Vec::new();
        for (rank, merge) in (0u32..).zip(list.iter_bytes()) {
            let ids = match halves(merge) {
                Some((first, second)) => {
                    joined.clear();
                    joined.extend_from_slice(first);
                    joined.extend_from_slice(second);
                    texts.id(first).zip(texts.id(second)).zip(texts.id(&joined))
                }
                // It is a merge of tokens that no text becomes.
                None if std::str::from_utf8(merge).is_err() => None,
                None => {
                    let merge = String::from_utf8_lossy(merge);
                    return Err(bad(format!("merge {rank} `{}` is not two tokens and a space", shown(&merge))));
                }
            };
            match ids {
                Some(((first, second), whole)) => {
                    found.push((u64::from(first) << 32 | u64::from(second), rank, whole));
                }
                None => {
                    let merge = || shown(&String::from_utf8_lossy(merge));
                    left_out = Some(left_out.map_or_else(|| (1, merge()), |(count, first)| (count + 1, first)));
                }
            }
        }
        if let Some((count, first)) = left_out {
            notes.push(format!(
                "{count} of {} merges need tokens that the vocabulary does not have, the first `{first}`: they are left out",
                list.len()
            ));
        }
        found.sort_unstable();
        // Of two that are equal the first counts.
        found.dedup_by_key(|(pair, ..)| *pair);
        let mut starts: Vec<u32> = try_zeroed(texts.len() + 1, WHAT)?;
        let mut merges = try_with_capacity(found.len(), WHAT)?;
        for (pair, rank, whole) in found {
            starts[(pair >> 32) as usize + 1] += 1;
            merges.push(Merge { second: pair as u32, rank, whole }); // the low half
        }
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        Ok(Self { starts, merges })
    }

    /// The rank of two tokens, and what they become.
    fn get(&self, first: u32, second: u32) -> Option<(u32, u32)> {
        let first = first as usize;
        let [start, end] = *self.starts.get(first..first + 2)? else { return None };
        let merges = &self.merges[start as usize..end as usize];
        let at = merges.binary_search_by_key(&second, |merge| merge.second).ok()?;
        Some((merges[at].rank, merges[at].whole))
    }
}

/// Two tokens and the space between them.
fn halves(merge: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = merge.split(|&byte| byte == b' ');
    let (first, second) = (halves.next()?, halves.next()?);
    (!first.is_empty() && !second.is_empty() && halves.next().is_none()).then_some((first, second))
}
