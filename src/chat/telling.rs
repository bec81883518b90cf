//! An answer's tokens for somebody who reads it: each is told when it is certain whether it is content.

use super::{Piece, Reader};
use crate::session::FinishReason;
use std::collections::VecDeque;

/// Tells the tokens of one answer, in order.
pub struct Telling<T> {
    reader: Option<Reader>,
    /// Those of which it is not certain yet.
    waiting: VecDeque<T>,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What the last of the text came to.
    pub pieces: Vec<Piece>,
    /// Tools were called, and every call is whole.
    pub called: bool,
}

impl<T> Telling<T> {
    /// Without a reader a token is told at once, and nobody asks what it is.
    pub fn new(reader: Option<Reader>) -> Self {
        Telling { reader, waiting: VecDeque::new() }
    }

    /// Takes a token's text. `token` makes the token, with the pieces that came of it where somebody reads; `tell` is given the tokens
    /// that are certain, with whether some of each is content, where somebody reads.
    pub fn push(
        &mut self,
        text: &str,
        token: impl FnOnce(Option<Vec<Piece>>) -> T,
        mut tell: impl FnMut(T, Option<bool>),
    ) {
        let Some(reader) = &mut self.reader else { return tell(token(None), None) };
        let mut pieces = Vec::new();
        let told = reader.push_token(text, &mut pieces);
        self.waiting.push_back(token(Some(pieces)));
        self.settle(&told, tell);
    }

    /// Takes the end, and the text that was held back to it. Where somebody reads, what that comes to is given.
    pub fn finish(&mut self, text: &str, reason: FinishReason, tell: impl FnMut(T, Option<bool>)) -> Option<Told> {
        let reader = self.reader.as_mut()?;
        let mut pieces = Vec::new();
        reader.push(text, &mut pieces);
        let called = reader.finish(reason, &mut pieces);
        let rest = reader.rest_of_tokens();
        self.settle(&rest, tell);
        Some(Told { pieces, called })
    }

    /// Those that are not certain, for an answer that fails.
    pub fn rest(&mut self) -> impl Iterator<Item = T> {
        self.waiting.drain(..)
    }

    /// Of the tokens that wait, the first ones are certain: these are content, or not.
    fn settle(&mut self, told: &[bool], mut tell: impl FnMut(T, Option<bool>)) {
        for (token, in_content) in self.waiting.drain(..told.len().min(self.waiting.len())).zip(told) {
            tell(token, Some(*in_content));
        }
    }
}
