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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::answer::Expected;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn told(reader: Option<Reader>, texts: &[&str], held: &str) -> (Vec<(String, Option<bool>)>, Option<Told>) {
        let mut telling = Telling::new(reader);
        let mut tokens = Vec::new();
        for text in texts {
            telling.push(text, |_| (*text).to_owned(), |token, certain| tokens.push((token, certain)));
        }
        let end = telling.finish(held, FinishReason::Stop, |token, certain| tokens.push((token, certain)));
        assert_eq!(telling.rest().count(), 0);
        (tokens, end)
    }

    #[test]
    fn each_token_is_told_once_and_in_order() {
        let texts = ["<th", "ink>Hm", "m</think>", "\n", "Yes", "<tool"];
        let reader = || Reader::new(Expected { may_think: true, ..Expected::default() }, 0);
        let (tokens, end) = told(Some(reader()), &texts, ".");
        assert!(tokens.iter().map(|(text, _)| text).eq(texts));
        let in_content: Vec<bool> = tokens.iter().filter_map(|(_, certain)| *certain).collect();
        assert_eq!(in_content, [false, false, false, false, true, true]);
        assert!(!end.unwrap().called);
        // Nobody reads.
        let (tokens, end) = told(None, &texts, ".");
        assert!(tokens.iter().map(|(text, _)| text).eq(texts) && tokens.iter().all(|(_, certain)| certain.is_none()));
        assert_eq!(end, None);
    }

    #[test]
    fn what_is_not_certain_is_not_lost() {
        let mut telling = Telling::new(Some(Reader::new(Expected { may_think: true, ..Expected::default() }, 0)));
        telling.push("<thi", |_| 7, |_, _| panic!("it may begin a thought"));
        assert!(telling.rest().eq([7]));
    }
}
