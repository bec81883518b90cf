//! Text to token ids and back, from the tables inside the GGUF.
//!
//! ```text
//! text ──► special tokens cut out ──► pieces (pre.rs) ──► byte alphabet ──► merges ──► ids     `gpt2`: bpe.rs
//!                                ──► spaces to ▁      ──► merges by score, byte fallback ──► ids  `llama`: spm.rs
//! ids ──► bytes ──► TextStream (stream.rs) ──► StopStrings (stop.rs) ──► text
//! ```
//!
//! The merging is our own (merge.rs): Hugging Face's `tokenizers` crate, whose ids ours are tested against, takes five
//! times as long to take Llama-3's vocabulary in and keeps every text several times. Whether special tokens may be found
//! is decided call by call: what a user types must not become a control token.
//!
//! Next: [`chat`](crate::chat), which makes a prompt of messages.

use crate::gguf::Metadata;
use crate::{Error, Result};
use aho_corasick::AhoCorasick;
use std::ops::Range;

mod alphabet;
mod bpe;
mod merge;
mod pre;
mod spm;
mod stop;
mod stream;
mod texts;
mod vocabulary;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use alphabet::{SPACE, byte_token, shown};
pub(crate) use pre::{Named, splitters};
pub use stop::StopStrings;
pub use stream::TextStream;
use vocabulary::{Kind, Vocabulary};

/// What [`Tokenizer::encode`] does about special tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// Whether the begin-of-text token goes first; `None` does as the file says.
    pub add_bos: Option<bool>,
    /// Whether the strings of control tokens (`<|eot_id|>` …) in the text become those tokens. Where it is
    /// false they are encoded as plain text. User-defined tokens are always found, as in llama.cpp.
    pub parse: bool,
}

impl Special {
    /// A whole prompt of plain text: begin-of-text as the file says, control strings as text.
    pub const TEXT: Self = Self { add_bos: None, parse: false };
    /// A whole prompt whose control strings count: begin-of-text as the file says.
    pub const PARSED: Self = Self { add_bos: None, parse: true };
    /// A piece of plain text from the middle: nothing added, nothing parsed.
    pub const PIECE: Self = Self { add_bos: Some(false), parse: false };
}

/// A vocabulary and its way of cutting text up.
///
/// Built once from a file's metadata; the tables there (`tokenizer.ggml.tokens`, `scores`, `token_type`,
/// `merges`) are not needed afterwards and may be removed.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    method: Method,
    /// Control, unknown and user-defined tokens by their text; the pattern's number indexes `specials`.
    specials: Specials,
    /// User-defined tokens alone, which plain text may hold too.
    user_defined: Specials,
    notes: Vec<String>,
}

/// How text between special tokens becomes pieces for the merges.
enum Method {
    /// `tokenizer.ggml.model` = `gpt2`.
    ByteLevel { model: bpe::Bpe, splitter: pre::Splitter },
    /// `tokenizer.ggml.model` = `llama`.
    SentencePiece {
        model: spm::Spm,
        /// Whether a space goes before text that begins a prompt or follows a special token.
        space_prefix: bool,
    },
}

/// Special tokens and the automaton that finds them, leftmost and longest.
struct Specials {
    automaton: Option<AhoCorasick>,
    ids: Vec<u32>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocabulary", &self.vocabulary())
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

pub(crate) fn bad(reason: impl Into<String>) -> Error {
    Error::BadTokenizer { reason: reason.into() }
}

impl Tokenizer {
    /// Builds the tokenizer that a file's metadata describes. What other readers pass over is a [note](Self::notes): ids of
    /// special tokens that are none, texts that two tokens have, merges of tokens that are not there.
    ///
    /// # Errors
    /// [`Error::MissingKey`] and [`Error::WrongType`] for the tables, [`Error::BadTokenizer`] where they
    /// contradict each other or name a method not known.
    pub fn from_metadata(m: &Metadata) -> Result<Self> {
        const MODEL: &str = "tokenizer.ggml.model";
        let kind = m.require_str(MODEL)?;
        let mut notes = Vec::new();
        let (vocabulary, method) = match kind {
            "gpt2" => {
                let splitter = pre::Splitter::from_metadata(m, &mut notes)?;
                let vocabulary = Vocabulary::byte_level(m, splitter.add_bos(), &mut notes)?;
                let model = bpe::Bpe::new(m, splitter.ignore_merges(), &mut notes)?;
                (vocabulary, Method::ByteLevel { model, splitter })
            }
            "llama" => {
                let vocabulary = Vocabulary::sentence_piece(m, &mut notes)?;
                let model = spm::Spm::new(m, &vocabulary, &mut notes)?;
                let space_prefix = m.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
                (vocabulary, Method::SentencePiece { model, space_prefix })
            }
            other => {
                return Err(bad(format!(
                    "`{MODEL}` is `{other}`; this engine knows gpt2 (byte-level BPE) and llama (SentencePiece)"
                )));
            }
        };
        let specials = Specials::new(&vocabulary, |k| matches!(k, Kind::Control | Kind::Unknown | Kind::UserDefined))?;
        let user_defined = Specials::new(&vocabulary, |k| k == Kind::UserDefined)?;
        Ok(Self { vocabulary, method, specials, user_defined, notes })
    }

    /// What a user should know about choices made for them, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> u32 {
        self.vocabulary.len()
    }

    /// Turns text into token ids. The empty text gives begin-of-text alone, or nothing. As in llama.cpp, a text that begins
    /// with begin-of-text itself then has two: see [`Tokenizer::encode_prompt`].
    ///
    /// # Errors
    /// [`Error::BadTokenizer`] if the tables cannot express the text; never for a file that
    /// [`Tokenizer::from_metadata`] accepted.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        if special.add_bos.unwrap_or(self.add_bos()) {
            ids.extend(self.bos());
        }
        self.encode_into(text, special.parse, &mut ids)?;
        Ok(ids)
    }

    /// A whole text's ids, as models of whole texts were trained with, such as those of embeddings: as [`Self::encode`],
    /// and end-of-text after it where the file says so (`tokenizer.ggml.add_eos_token`). A prompt that is to be continued
    /// has none.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_whole(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let mut ids = self.encode(text, special)?;
        if self.add_eos() {
            ids.extend(self.eos());
        }
        Ok(ids)
    }

    /// A prompt's ids: as [`Self::encode`], but a text that brings its own begin-of-text gets no second, with which the
    /// model was not trained.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_prompt(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let mut ids = self.encode(text, special)?;
        if special.add_bos.unwrap_or(self.add_bos()) && self.begins_twice(&ids) {
            ids.remove(0);
        }
        Ok(ids)
    }

    /// The ids of plain text that goes on in the middle of another: nothing is added, no space put before it, and nothing in it is a
    /// control token.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encode_text(text, false, &mut ids)?;
        Ok(ids)
    }

    /// Whether ids begin with begin-of-text and begin-of-text.
    pub fn begins_twice(&self, ids: &[u32]) -> bool {
        self.bos().is_some_and(|bos| ids.starts_with(&[bos, bos]))
    }

    /// Appends `text`'s ids without a begin-of-text.
    fn encode_into(&self, text: &str, parse: bool, ids: &mut Vec<u32>) -> Result<()> {
        if parse {
            let whole = 0..text.len();
            return self.encode_written(text, std::slice::from_ref(&whole), |_| true, ids);
        }
        self.encode_text(text, true, ids)
    }

    /// Appends the ids of a text in which control tokens lie only inside of `written`, and only where one `begins`. This
    /// is how [`crate::chat`] keeps a message's text from being read as control tokens.
    pub(crate) fn encode_written(
        &self,
        text: &str,
        written: &[Range<usize>],
        begins: impl Fn(usize) -> bool,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut after_special = true;
        self.specials.split(text, written, begins, |part| {
            match part {
                Part::Token(id) => ids.push(id),
                Part::Text(piece) => self.encode_text(piece, after_special, ids)?,
            }
            after_special = matches!(part, Part::Token(_));
            Ok(())
        })
    }

    /// Text without control tokens, which may hold user-defined ones.
    fn encode_text(&self, text: &str, mut after_special: bool, ids: &mut Vec<u32>) -> Result<()> {
        let whole = 0..text.len();
        self.user_defined.split(
            text,
            std::slice::from_ref(&whole),
            |_| true,
            |part| {
                match part {
                    Part::Token(id) => ids.push(id),
                    Part::Text(piece) => self.encode_plain(piece, after_special, ids)?,
                }
                after_special = matches!(part, Part::Token(_));
                Ok(())
            },
        )
    }

    /// Text without special tokens.
    fn encode_plain(&self, text: &str, after_special: bool, ids: &mut Vec<u32>) -> Result<()> {
        match &self.method {
            Method::ByteLevel { model, splitter } => model.encode(splitter, text, ids),
            Method::SentencePiece { model, space_prefix } => model.encode(text, *space_prefix && after_special, ids),
        }
    }

    /// The bytes that a token adds to the text: a token may be part of a UTF-8 character, see
    /// [`TextStream`]. Empty for control, unknown and unused tokens and for ids beyond the vocabulary.
    pub fn bytes(&self, id: u32) -> &[u8] {
        match self.vocabulary.kind(id) {
            Some(Kind::Normal | Kind::UserDefined | Kind::Byte) => self.vocabulary.bytes(id),
            _ => &[],
        }
    }

    /// As [`Self::bytes`], with control tokens spelled out (`<|eot_id|>`) where `special` is set.
    pub fn bytes_with(&self, id: u32, special: bool) -> &[u8] {
        if special { self.vocabulary.bytes(id) } else { self.bytes(id) }
    }

    /// A token as the file stores it (`Ġthe`, `▁the`, `<0x0A>`), or as far as it is text where it is not UTF-8.
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.texts().text(id).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// The id of a token by its text as the file stores it, the first of those that have it.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.texts().id(text.as_bytes())
    }

    fn texts(&self) -> &texts::Texts {
        match &self.method {
            Method::ByteLevel { model, .. } => &model.texts,
            Method::SentencePiece { model, .. } => &model.texts,
        }
    }

    /// Turns ids into text; `special` spells control tokens out. Bytes that are no UTF-8 become U+FFFD. What
    /// [`Self::encode`] of the `llama` kind put before the text, a space, is part of the result.
    pub fn decode(&self, ids: &[u32], special: bool) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.bytes_with(id, special));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A decoder for ids that come one at a time; it does not borrow the tokenizer.
    pub fn stream(&self) -> TextStream {
        TextStream::new()
    }

    /// Whether generation ends at this token: end of text, end of turn, or one named like them.
    pub fn is_end(&self, id: u32) -> bool {
        self.vocabulary.is_end(id)
    }

    /// The tokens at which generation ends, in order.
    pub fn ends(&self) -> &[u32] {
        self.vocabulary.stops()
    }

    /// Whether a token is a control token, which text never shows.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary.kind(id) == Some(Kind::Control)
    }

    /// The control token of that name (`<|eot_id|>`).
    pub(crate) fn control_id(&self, name: &str) -> Option<u32> {
        self.named(name).find(|&id| self.is_control(id))
    }

    /// The control or user-defined token of that name.
    pub(crate) fn special_id(&self, name: &str) -> Option<u32> {
        self.named(name).next()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = u32> {
        self.specials.ids.iter().copied().filter(move |&id| self.vocabulary.bytes(id) == name.as_bytes())
    }

    /// Whether it makes no difference that a piece which is a token is taken as a whole, or is not.
    pub(crate) fn merges_make_every_token(&self) -> bool {
        match &self.method {
            Method::ByteLevel { model, .. } => model.makes_every_token(&self.vocabulary),
            Method::SentencePiece { .. } => true,
        }
    }

    /// The begin-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.vocabulary.bos
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.vocabulary.eos
    }

    /// The end-of-turn token.
    pub fn eot(&self) -> Option<u32> {
        self.vocabulary.eot
    }

    /// Whether a prompt begins with begin-of-text unless the caller says otherwise.
    pub fn add_bos(&self) -> bool {
        self.vocabulary.add_bos
    }

    /// Whether a whole text ends with end-of-text: see [`Self::encode_whole`].
    pub fn add_eos(&self) -> bool {
        self.vocabulary.add_eos
    }
}

/// Bytes of all special tokens together. The automaton takes some 30 times as much; Llama 3 has 8 kB of them.
const MAX_SPECIAL_BYTES: usize = 1 << 20;

/// A stretch of text as [`Specials::split`] hands it out.
#[derive(Clone, Copy)]
enum Part<'t> {
    Token(u32),
    Text(&'t str),
}

impl Specials {
    fn new(vocabulary: &Vocabulary, wanted: impl Fn(Kind) -> bool) -> Result<Self> {
        let ids: Vec<u32> = (0..vocabulary.len())
            .filter(|&id| vocabulary.kind(id).is_some_and(&wanted) && !vocabulary.bytes(id).is_empty())
            .collect();
        let bytes: usize = ids.iter().map(|&id| vocabulary.bytes(id).len()).sum();
        if bytes > MAX_SPECIAL_BYTES {
            return Err(bad(format!(
                "{} special tokens have {bytes} bytes together, at most {MAX_SPECIAL_BYTES} are read",
                ids.len()
            )));
        }
        let automaton = if ids.is_empty() {
            None
        } else {
            // The contiguous automaton: a dense one takes too much for a file with thousands of them.
            let built = AhoCorasick::builder()
                .match_kind(aho_corasick::MatchKind::LeftmostLongest)
                .kind(Some(aho_corasick::AhoCorasickKind::ContiguousNFA))
                .build(ids.iter().map(|&id| vocabulary.bytes(id)));
            Some(built.map_err(|e| bad(format!("special tokens: {e}")))?)
        };
        Ok(Self { automaton, ids })
    }

    /// Hands out the text's parts. Tokens are found inside of the `written` stretches, which follow each other, and
    /// where `begins` agrees.
    fn split<'t>(
        &self,
        text: &'t str,
        written: &[Range<usize>],
        begins: impl Fn(usize) -> bool,
        mut each: impl FnMut(Part<'t>) -> Result<()>,
    ) -> Result<()> {
        let mut done = 0;
        for range in written {
            let Some(automaton) = &self.automaton else { break };
            let mut at = range.start;
            while let Some(found) = automaton.find(aho_corasick::Input::new(text).span(at..range.end)) {
                if !begins(found.start()) {
                    at = text.ceil_char_boundary(found.start() + 1);
                    continue;
                }
                // Patterns are whole UTF-8 strings, so both ends lie between characters.
                if let Some(before) = text.get(done..found.start()).filter(|t| !t.is_empty()) {
                    each(Part::Text(before))?;
                }
                each(Part::Token(self.ids[found.pattern().as_usize()]))?;
                (done, at) = (found.end(), found.end());
            }
        }
        match text.get(done..) {
            Some(rest) if !rest.is_empty() => each(Part::Text(rest)),
            _ => Ok(()),
        }
    }
}
