//! A model's tokens as a constraint takes them.

use crate::Result;
use crate::allocate::{try_copy, try_with_capacity};
use crate::tokenizer::Tokenizer;

/// What each token of a model means to an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The bytes of each, by id; none for those that text never shows, and for those that end an answer.
    pub bytes: Vec<Vec<u8>>,
    /// The control tokens with their names, which a grammar may ask for.
    pub control: Vec<(u32, String)>,
    /// The tokens that end an answer.
    pub ends: Vec<u32>,
}

impl Tokens {
    /// Those of a model that has so many logits.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn of(tokenizer: &Tokenizer, count: usize) -> Result<Self> {
        const WHAT: &str = "the tokens of a form";
        let mut tokens = Tokens { bytes: try_with_capacity(count, WHAT)?, ..Default::default() };
        for id in 0..count as u32 {
            let is_end = tokenizer.is_end(id);
            if is_end {
                tokens.ends.push(id);
            }
            tokens.bytes.push(if is_end { Vec::new() } else { try_copy(tokenizer.bytes(id), WHAT)? });
            let name = tokenizer.bytes_with(id, true);
            if let Ok(name) = std::str::from_utf8(name)
                && tokenizer.is_control(id)
                && !name.is_empty()
            {
                tokens.control.push((id, name.to_owned()));
            }
        }
        Ok(tokens)
    }
}
