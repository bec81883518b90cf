//! One answer under way.

use crate::Error;
use llguidance::{Matcher, TokenParser};

/// What may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// One of the tokens whose bits are set, those that end an answer among them where it may end here.
    Choice,
    /// These bytes, however they are cut into tokens; what follows them is not certain, and may share their last token.
    Certain(Vec<u8>),
    /// Nothing: the answer is whole.
    Whole,
}

/// An answer that keeps to its form, token by token.
#[derive(Clone)]
pub struct Answer {
    matcher: Matcher,
}

impl Answer {
    pub(crate) fn new(parser: TokenParser) -> Result<Self, Error> {
        let matcher = Matcher::new(Ok(parser));
        matcher.get_error().map_or(Ok(Answer { matcher }), |why| Err(Error(why)))
    }

    /// Takes the `taken` tokens, and says what may follow. `allowed` has a bit a token, 32 to a word, token 0 in the lowest of the
    /// first; it is written where the answer is a [`Next::Choice`].
    ///
    /// # Errors
    /// A token that was not allowed; a state that needs more work than the limits give it.
    pub fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next, Error> {
        if !taken.is_empty() {
            self.matcher.consume_tokens(taken).map_err(Error::new)?;
        }
        if self.matcher.is_stopped() {
            return match self.matcher.get_error() {
                Some(why) => Err(Error(why)),
                None => Ok(Next::Whole),
            };
        }
        let certain = self.matcher.compute_ff_bytes();
        if certain.len() > 1 {
            return Ok(Next::Certain(certain));
        }
        let mask = self.matcher.compute_mask().map_err(Error::new)?;
        allowed.copy_from_slice(&mask.as_slice()[..allowed.len()]);
        Ok(Next::Choice)
    }

    /// Whether the answer may end here.
    pub fn may_end(&mut self) -> bool {
        self.matcher.is_accepting().unwrap_or(false)
    }
}
