//! Text from ids that come one at a time: a character is never cut.

use super::Tokenizer;

/// Decodes a stream of token ids. A token may end in the middle of a UTF-8 character; its bytes wait here for
/// the rest. What is pushed and finished, put together, is [`Tokenizer::decode`] of all the ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextStream {
    /// The beginning of a character, at most three bytes between calls.
    pending: Vec<u8>,
}

impl TextStream {
    /// A stream at its beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text that this token completes; empty where its character is not whole yet. Bytes that can never
    /// become a character give U+FFFD at once.
    pub fn push(&mut self, id: u32, tokenizer: &Tokenizer) -> String {
        self.push_bytes(tokenizer.bytes(id))
    }

    /// As [`Self::push`], with control tokens spelled out.
    pub fn push_special(&mut self, id: u32, tokenizer: &Tokenizer) -> String {
        self.push_bytes(tokenizer.bytes_with(id, true))
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut whole = self.pending.len();
        let mut chunks = self.pending.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            // Only at the very end can bytes be the beginning of something.
            if chunks.peek().is_none() && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none()) {
                whole -= invalid.len();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.pending.drain(..whole);
        text
    }

    /// Ends the stream: U+FFFD if a character was left unfinished, else nothing.
    pub fn finish(&mut self) -> String {
        if self.pending.is_empty() {
            return String::new();
        }
        self.pending.clear();
        char::REPLACEMENT_CHARACTER.to_string()
    }
}
