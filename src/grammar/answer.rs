//! One answer under way.

use crate::Error;
use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::INVALID_TOKEN;
use std::panic::AssertUnwindSafe;

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
    parser: TokenParser,
    notes: Vec<String>,
    /// The last [`Answer::next`] told bytes that are certain.
    told: bool,
    /// Why the answer can't go on.
    failed: Option<Error>,
}

impl Answer {
    pub(crate) fn new(mut parser: TokenParser, notes: Vec<String>) -> Result<Self, Error> {
        parser.start_without_prompt();
        let mut answer = Answer { parser, notes, told: false, failed: None };
        answer.run(|parser| parser.check_stop())?;
        Ok(answer)
    }

    /// What of the text was passed over though it may have been meant to limit the answer, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Begins with `text`, which stands already where the answer is to go on. Before the first [`Answer::next`].
    ///
    /// # Errors
    /// A text that no answer begins with, with the byte where it goes wrong.
    pub fn begin(&mut self, text: &[u8]) -> Result<(), Error> {
        self.run(|parser| {
            for (at, &byte) in text.iter().enumerate() {
                if parser.stopped() || parser.parser.apply_token(&[byte], INVALID_TOKEN).is_err() {
                    anyhow::bail!("no answer begins with this text: byte {at} of {} can't stand there", text.len());
                }
            }
            parser.check_stop()
        })
        .map(drop)
    }

    /// Takes the `taken` tokens, and says what may follow. `allowed` has a bit a token, 32 to a word, token 0 in the lowest of the
    /// first; it is written where the answer is a [`Next::Choice`], zero beyond the vocabulary.
    ///
    /// Where bytes are certain they are told once: the next call, if nothing was taken, tells the tokens that may come. These spell the
    /// bytes or a part of them, or go on beyond them.
    ///
    /// # Errors
    /// A token that was not allowed; a state that needs more work than the limits give it. The answer can't go on then.
    pub fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next, Error> {
        if !taken.is_empty() {
            self.told = false;
            self.run(|parser| {
                for &token in taken {
                    if parser.stopped() {
                        anyhow::bail!("token {token} follows an answer that is whole");
                    }
                    let back = parser.consume_token(token)?;
                    anyhow::ensure!(back == 0, "token {token} would take back earlier ones");
                    parser.check_stop()?;
                }
                Ok(())
            })?;
        }
        self.check()?;
        if self.parser.stopped() {
            return Ok(Next::Whole);
        }
        if !std::mem::replace(&mut self.told, true) {
            let certain = self.run(|parser| Ok(parser.force_bytes()))?;
            if certain.len() > 1 {
                return Ok(Next::Certain(certain));
            }
        }
        self.told = false;
        let mask = self.run(TokenParser::compute_mask)?;
        let words = mask.as_slice();
        let words = &words[..words.len().min(self.parser.token_env.tok_trie().vocab_size().div_ceil(32))];
        if allowed.len() < words.len() {
            return Err(Error(format!("{} words of bits for a vocabulary that takes {}", allowed.len(), words.len())));
        }
        let (front, rest) = allowed.split_at_mut(words.len());
        front.copy_from_slice(words);
        rest.fill(0);
        Ok(Next::Choice)
    }

    /// Whether the answer may end here.
    pub fn may_end(&mut self) -> bool {
        self.parser.stopped() || self.run(|parser| Ok(parser.is_accepting())).unwrap_or(false)
    }

    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(why) => Err(why.clone()),
            None if self.parser.stop_reason().is_ok() => Ok(()),
            None => Err(Error::new(reason(self.parser.stop_reason()))),
        }
    }

    /// Runs a step of the parser, which is never asked again after one that failed.
    fn run<T>(&mut self, step: impl FnOnce(&mut TokenParser) -> anyhow::Result<T>) -> Result<T, Error> {
        self.check()?;
        let parser = &mut self.parser;
        // What a panic leaves behind is not looked at again.
        catch_unwind(AssertUnwindSafe(|| step(parser))).map_err(|why| {
            let why = Error::new(why);
            self.failed = Some(why.clone());
            why
        })
    }
}

fn reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::LexerTooComplex | StopReason::ParserTooComplex => "the form of the answer takes too much work here",
        _ => "the answer can't go on",
    }
}

const _: () = {
    const fn send<T: Send>() {}
    send::<Answer>();
};
