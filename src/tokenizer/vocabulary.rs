//! The tables of tokens: what each token's bytes are, what kind it is, and which ones begin and end a text.
//!
//! The merging model keeps the tokens as the file stores them; here they are as bytes of text, in one buffer.

use super::alphabet::{SPACE, byte_token, char_byte, shown};
use super::bad;
use crate::Result;
use crate::gguf::{Metadata, Strings};

/// Tokens in the largest vocabulary that is read: twice the largest in use.
const MAX_TOKENS: usize = 1 << 19;
/// Merges in the largest table that is read, and their bytes: Llama 3 has 280 147 of 2.5 MB. The merging model copies
/// them string by string, with an allocator that cannot fail gracefully in a browser.
pub(super) const MAX_MERGES: usize = 1 << 20;
pub(super) const MAX_MERGE_BYTES: usize = 64 << 20;
/// Bytes of all tokens together. Llama 3 has 1 MB.
const MAX_TEXT_BYTES: usize = 32 << 20;
/// The longest token that is read, as stored. Llama 3's longest has 256 bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// `tokenizer.ggml.token_type`, numbered as in llama.cpp's `llama_token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    fn from_id(id: i32) -> Option<Self> {
        Some(match id {
            0 | 1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// Names of tokens that end a turn, the likeliest first.
const END_OF_TURN: &[&str] = &["<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|eom_id|>"];
/// Names of tokens that end a text.
const END_OF_TEXT: &[&str] = &["<|end_of_text|>", "<|endoftext|>", "</s>"];

/// Every token's bytes and kind.
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token's bytes end in `bytes`.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    /// Tokens that end generation, sorted.
    stops: Vec<u32>,
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) eot: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) add_bos: bool,
}

/// `tokenizer.ggml.tokens`, within the limits.
pub(super) fn tokens(m: &Metadata) -> Result<&Strings> {
    const KEY: &str = "tokenizer.ggml.tokens";
    let tokens = m.require_strings(KEY)?;
    match tokens.len() {
        0 => Err(bad(format!("`{KEY}` is empty"))),
        n if n > MAX_TOKENS => Err(bad(format!("`{KEY}` has {n} entries, at most {MAX_TOKENS} are read"))),
        _ => Ok(tokens),
    }
}

/// `tokenizer.ggml.scores`, one a token.
pub(super) fn scores(m: &Metadata, tokens: usize) -> Result<Option<&[f32]>> {
    const KEY: &str = "tokenizer.ggml.scores";
    let scores = m.f32s(KEY)?;
    if let Some(scores) = scores {
        same_length(KEY, scores.len(), tokens)?;
    }
    Ok(scores)
}

fn same_length(key: &str, found: usize, tokens: usize) -> Result<()> {
    if found == tokens {
        return Ok(());
    }
    Err(bad(format!("`{key}` has {found} entries for {tokens} tokens")))
}

impl Vocabulary {
    /// The `gpt2` kind; `add_bos` holds where the file does not say.
    pub(super) fn byte_level(m: &Metadata, add_bos: bool) -> Result<Self> {
        scores(m, tokens(m)?.len())?; // not used by this kind, yet a wrong length means a broken file
        Self::new(m, add_bos, |token, kind, bytes| {
            match kind {
                Kind::Normal | Kind::Unused | Kind::Byte => {
                    for c in token.chars() {
                        match char_byte(c) {
                            Some(byte) => bytes.push(byte),
                            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                        }
                    }
                }
                _ => bytes.extend_from_slice(token.as_bytes()),
            }
            Ok(kind)
        })
    }

    /// The `llama` kind.
    pub(super) fn sentence_piece(m: &Metadata) -> Result<Self> {
        let typed = m.get(TYPES).is_some();
        let mut v = Self::new(m, true, |token, kind, bytes| {
            let byte = byte_token(token);
            match (kind, byte) {
                (Kind::Byte, None) => return Err(bad(format!("byte token `{}` is not <0xNN>", shown(token)))),
                (Kind::Byte, Some(byte)) => bytes.push(byte),
                (Kind::Normal, Some(byte)) if !typed => {
                    bytes.push(byte);
                    return Ok(Kind::Byte);
                }
                (Kind::Normal | Kind::Unused, _) => {
                    for part in token.split_inclusive(SPACE) {
                        match part.strip_suffix(SPACE) {
                            Some(part) => {
                                bytes.extend_from_slice(part.as_bytes());
                                bytes.push(b' ');
                            }
                            None => bytes.extend_from_slice(part.as_bytes()),
                        }
                    }
                }
                _ => bytes.extend_from_slice(token.as_bytes()),
            }
            Ok(kind)
        })?;
        let named = |name| position(m, name);
        v.bos = v.bos.or(named("<s>")?);
        v.eos = v.eos.or(named("</s>")?);
        v.unknown = v.unknown.or(named("<unk>")?);
        v.finish_kinds(typed);
        Ok(v)
    }

    /// Reads what both kinds have; `spell` appends a token's bytes.
    fn new(m: &Metadata, add_bos: bool, spell: impl Fn(&str, Kind, &mut Vec<u8>) -> Result<Kind>) -> Result<Self> {
        let tokens = tokens(m)?;
        let types = m.i32s(TYPES)?;
        if let Some(types) = &types {
            same_length(TYPES, types.len(), tokens.len())?;
        }
        let mut v = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(tokens.len()),
            kinds: Vec::with_capacity(tokens.len()),
            stops: Vec::new(),
            bos: None,
            eos: None,
            eot: None,
            unknown: None,
            add_bos: m.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(add_bos),
        };
        for (id, token) in tokens.iter().enumerate() {
            if token.len() > MAX_TOKEN_BYTES {
                return Err(bad(format!("token {id} has {} bytes, at most {MAX_TOKEN_BYTES} are read", token.len())));
            }
            let number = types.as_ref().map_or(1, |t| t[id]);
            let kind = Kind::from_id(number)
                .ok_or_else(|| bad(format!("`{TYPES}` of token {id} is {number}, expected 1 to 6")))?;
            let kind = spell(token, kind, &mut v.bytes)?;
            v.kinds.push(kind);
            if v.bytes.len() > MAX_TEXT_BYTES {
                return Err(bad(format!("the tokens have more than {MAX_TEXT_BYTES} bytes: no real vocabulary does")));
            }
            v.ends.push(v.bytes.len() as u32); // at most MAX_TEXT_BYTES
        }
        let id = |name: &str| -> Result<Option<u32>> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            match m.u32(&key)? {
                Some(id) if id as usize >= tokens.len() => {
                    Err(bad(format!("`{key}` is {id}, the vocabulary has {} tokens", tokens.len())))
                }
                id => Ok(id),
            }
        };
        id("padding")?;
        (v.bos, v.eos, v.unknown) = (id("bos")?, id("eos")?, id("unknown")?);
        v.eot = id("eot")?;
        v.stops.extend(id("eom")?);
        for name in END_OF_TURN.iter().chain(END_OF_TEXT) {
            v.stops.extend(position(m, name)?);
        }
        if v.eot.is_none() {
            for name in END_OF_TURN {
                v.eot = v.eot.or(position(m, name)?);
            }
        }
        v.finish_kinds(types.is_some());
        Ok(v)
    }

    /// Tokens that end or begin a text are control tokens even where the file calls them normal, as llama.cpp
    /// has it: they must neither be shown nor be typed. Without a table of types only names tell.
    fn finish_kinds(&mut self, typed: bool) {
        for &id in &self.stops {
            if let Some(kind @ Kind::Normal) = self.kinds.get_mut(id as usize) {
                *kind = Kind::Control;
            }
        }
        for id in [self.bos, self.eos, self.eot, self.unknown].into_iter().flatten() {
            match self.kinds.get_mut(id as usize) {
                Some(kind @ Kind::Normal) if !typed => *kind = Kind::Control,
                _ => {}
            }
        }
        self.stops.extend([self.eos, self.eot].into_iter().flatten());
        self.stops.sort_unstable();
        self.stops.dedup();
    }

    pub(super) fn len(&self) -> u32 {
        self.kinds.len() as u32 // at most MAX_TOKENS
    }

    pub(super) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// A token's bytes whatever its kind; none for an id beyond the vocabulary.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..end as usize]
    }

    pub(super) fn is_end(&self, id: u32) -> bool {
        self.stops.binary_search(&id).is_ok()
    }
}

const TYPES: &str = "tokenizer.ggml.token_type";

/// The id of a token by its text; the first of a kind.
fn position(m: &Metadata, text: &str) -> Result<Option<u32>> {
    Ok(tokens(m)?.iter().position(|t| t == text).map(|id| id as u32))
}
