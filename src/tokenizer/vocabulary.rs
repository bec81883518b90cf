//! The tables of tokens: what each token's bytes are, what kind it is, and which ones begin and end a text.
//!
//! The merging model keeps the tokens as the file stores them; here they are as bytes of text, in one buffer.

use super::alphabet::{SPACE, byte_token, char_byte, shown};
use super::bad;
use crate::Result;
use crate::gguf::{Metadata, Strings};
use std::borrow::Cow;

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
const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<end_of_turn>",
    "<|end|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<end_of_utterance>",
];
/// Names of tokens that end a text, or one file of several. These and those above are llama.cpp's.
const END_OF_TEXT: &[&str] = &[
    "<|end_of_text|>",
    "<|endoftext|>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "<|fim_pad|>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

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
    pub(super) add_eos: bool,
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

/// `tokenizer.ggml.scores`, one a token at the least.
pub(super) fn scores<'m>(m: &'m Metadata, tokens: usize, notes: &mut Vec<String>) -> Result<Option<Cow<'m, [f32]>>> {
    const KEY: &str = "tokenizer.ggml.scores";
    let scores = m.f32s(KEY)?;
    match scores.as_ref().map_or(tokens, |scores| scores.len()) {
        // What goes before what can't be guessed.
        found if found < tokens => return Err(bad(format!("`{KEY}` has {found} entries for {tokens} tokens"))),
        found if found > tokens => notes.push(other_length(KEY, found, tokens)),
        _ => {}
    }
    Ok(scores)
}

fn other_length(key: &str, found: usize, tokens: usize) -> String {
    let taken =
        if found > tokens { "those beyond are not used" } else { "the tokens beyond are taken for normal ones" };
    format!("`{key}` has {found} entries for {tokens} tokens: {taken}")
}

impl Vocabulary {
    /// The `gpt2` kind; `add_bos` holds where the file does not say.
    pub(super) fn byte_level(m: &Metadata, add_bos: bool, notes: &mut Vec<String>) -> Result<Self> {
        let (mut v, typed) = Self::new(m, add_bos, notes, |token, kind, bytes| {
            match kind {
                Some(Kind::Unknown | Kind::Control | Kind::UserDefined) => bytes.extend_from_slice(token),
                _ => {
                    for chunk in token.utf8_chunks() {
                        for c in chunk.valid().chars() {
                            match char_byte(c) {
                                Some(byte) => bytes.push(byte),
                                None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                            }
                        }
                        bytes.extend_from_slice(chunk.invalid());
                    }
                }
            }
            Ok(kind.unwrap_or(Kind::Normal))
        })?;
        v.finish_kinds(typed);
        Ok(v)
    }

    /// The `llama` kind.
    pub(super) fn sentence_piece(m: &Metadata, notes: &mut Vec<String>) -> Result<Self> {
        let (mut v, typed) = Self::new(m, true, notes, |token, kind, bytes| {
            match (kind, byte_token(token)) {
                (Some(Kind::Byte), None) => {
                    let token = String::from_utf8_lossy(token);
                    return Err(bad(format!("byte token `{}` is not <0xNN>", shown(&token))));
                }
                (Some(Kind::Byte) | None, Some(byte)) => {
                    bytes.push(byte);
                    return Ok(Kind::Byte);
                }
                (None | Some(Kind::Normal | Kind::Unused), _) => {
                    for chunk in token.utf8_chunks() {
                        for c in chunk.valid().chars() {
                            let c = if c == SPACE { ' ' } else { c };
                            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                        bytes.extend_from_slice(chunk.invalid());
                    }
                }
                _ => bytes.extend_from_slice(token),
            }
            Ok(kind.unwrap_or(Kind::Normal))
        })?;
        let named = |name| Ok::<_, crate::Error>(positions(m, name)?.next());
        v.bos = v.bos.or(named("<s>")?);
        v.eos = v.eos.or(named("</s>")?);
        v.unknown = v.unknown.or(named("<unk>")?);
        v.finish_kinds(typed);
        Ok(v)
    }

    /// Reads what both kinds have, and whether there is a table of types; `spell` appends a token's bytes, and is told its
    /// kind where the file says it.
    fn new(
        m: &Metadata,
        add_bos: bool,
        notes: &mut Vec<String>,
        spell: impl Fn(&[u8], Option<Kind>, &mut Vec<u8>) -> Result<Kind>,
    ) -> Result<(Self, bool)> {
        let tokens = tokens(m)?;
        let types = m.i32s(TYPES)?.unwrap_or_default();
        if m.get(TYPES).is_some() && types.len() != tokens.len() {
            notes.push(other_length(TYPES, types.len(), tokens.len()));
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
            add_eos: m.bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false),
        };
        let (mut likeliest, mut end_of_turn) = (usize::MAX, None);
        for (id, token) in tokens.iter_bytes().enumerate() {
            if token.len() > MAX_TOKEN_BYTES {
                return Err(bad(format!("token {id} has {} bytes, at most {MAX_TOKEN_BYTES} are read", token.len())));
            }
            let kind = match types.get(id) {
                None => None,
                Some(&number) => Some(
                    Kind::from_id(number)
                        .ok_or_else(|| bad(format!("`{TYPES}` of token {id} is {number}, expected 1 to 6")))?,
                ),
            };
            let kind = spell(token, kind, &mut v.bytes)?;
            v.kinds.push(kind);
            let name = END_OF_TURN.iter().chain(END_OF_TEXT).position(|name| name.as_bytes() == token);
            if let Some(name) = name {
                v.stops.push(id as u32); // below MAX_TOKENS
                if name < END_OF_TURN.len() && name < likeliest {
                    (likeliest, end_of_turn) = (name, Some(id as u32));
                }
            }
            if v.bytes.len() > MAX_TEXT_BYTES {
                return Err(bad(format!("the tokens have more than {MAX_TEXT_BYTES} bytes: no real vocabulary does")));
            }
            v.ends.push(v.bytes.len() as u32); // at most MAX_TEXT_BYTES
        }
        let count = v.len();
        note_ids(m, count, notes);
        let id = |name: &str| special_id(m, name, count);
        (v.bos, v.eos, v.eot, v.unknown) = (id("bos")?, id("eos")?, id("eot")?, id("unknown")?);
        v.stops.extend(id("eom")?);
        v.eot = v.eot.or(end_of_turn);
        Ok((v, !types.is_empty()))
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

    pub(super) fn stops(&self) -> &[u32] {
        &self.stops
    }

    pub(super) fn is_end(&self, id: u32) -> bool {
        self.stops.binary_search(&id).is_ok()
    }
}

const TYPES: &str = "tokenizer.ggml.token_type";

/// The token that a key names. An id beyond the vocabulary, as 2^32 - 1 for "none", is none.
fn special_id(m: &Metadata, name: &str, tokens: u32) -> Result<Option<u32>> {
    match m.u32(&format!("tokenizer.ggml.{name}_token_id")) {
        Err(crate::Error::BadValue { .. }) => Ok(None),
        id => Ok(id?.filter(|id| *id < tokens)),
    }
}

/// Says which special tokens are none: those that are not read here too, as a reader of the file may wonder.
fn note_ids(m: &Metadata, tokens: u32, notes: &mut Vec<String>) {
    let ids = m.iter().filter(|(key, _)| key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id"));
    for (key, value) in ids {
        match value.as_integer() {
            Some(id) if (0..i128::from(tokens)).contains(&id) => {}
            Some(id) => notes.push(format!("`{key}` is {id}, which is none of the {tokens} tokens: it is not used")),
            None => notes.push(format!("`{key}` is {}, not the number of a token: it is not used", value.type_name())),
        }
    }
}

/// The tokens of a text.
fn positions(m: &Metadata, text: &str) -> Result<impl Iterator<Item = u32>> {
    let tokens = (0u32..).zip(tokens(m)?.iter_bytes());
    Ok(tokens.filter(move |(_, token)| *token == text.as_bytes()).map(|(id, _)| id))
}
