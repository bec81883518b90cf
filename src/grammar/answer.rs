//! One answer under way.

use crate::Error;
use crate::keys::Keys;
use anyhow::ensure;
use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::INVALID_TOKEN;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

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
    /// As long as no token was taken: the parser before it was first asked, which text may still be put before.
    fresh: Option<Box<TokenParser>>,
    /// Where objects may have keys of any name, those that they have had.
    keys: Option<Keys>,
    quotes: Arc<Quotes>,
    notes: Vec<String>,
    /// The last [`Answer::next`] told bytes that are certain.
    told: bool,
    /// Why the answer can't go on.
    failed: Option<Error>,
}

/// The tokens with quotes in them, which alone can end a key.
#[derive(Debug, Default)]
pub(crate) struct Quotes {
    /// All of them.
    pub(crate) some: Vec<u32>,
    /// Those that may have two keys in themselves.
    pub(crate) many: Vec<u32>,
}

impl Answer {
    pub(crate) fn new(mut parser: TokenParser, keys: Option<Keys>, quotes: Arc<Quotes>, notes: Vec<String>) -> Self {
        parser.start_without_prompt();
        let fresh = Some(Box::new(parser.clone()));
        Answer { parser, fresh, keys, quotes, notes, told: false, failed: None }
    }

    /// What of the text was passed over though it may have been meant to limit the answer, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Begins with `text`, which stands already where the answer is to go on. Before the first token is taken.
    ///
    /// # Errors
    /// A text that no answer begins with, with the byte where it goes wrong. The answer is as it was then.
    pub fn begin(&mut self, text: &[u8]) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        self.check()?;
        let Some(fresh) = &self.fresh else { return Err(Error("an answer begins before its first token".into())) };
        let (mut begun, mut keys) = (fresh.clone(), self.keys.clone());
        catch_unwind(AssertUnwindSafe(|| {
            for (at, &byte) in text.iter().enumerate() {
                let known = keys.as_mut().is_none_or(|keys| keys.take(&[byte]));
                if !known || begun.parser.apply_token(&[byte], INVALID_TOKEN).is_err() {
                    anyhow::bail!("no answer begins with this text: byte {at} of {} can't stand there", text.len());
                }
            }
            Ok(())
        }))
        .map_err(Error::new)?;
        self.parser = (*begun).clone();
        self.fresh = Some(begun);
        self.keys = keys;
        self.told = false;
        Ok(())
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
        self.check()?;
        if !taken.is_empty() {
            self.take(taken)?;
        }
        if self.parser.stopped() {
            return Ok(Next::Whole);
        }
        if !std::mem::take(&mut self.told) {
            let certain = self.run(|parser| Ok(parser.force_bytes()))?;
            if certain.len() > 1 && self.keys.as_ref().is_none_or(|keys| !keys.repeats(&certain)) {
                self.told = true;
                return Ok(Next::Certain(certain));
            }
        }
        self.choice(allowed)
    }

    fn take(&mut self, taken: &[u32]) -> Result<(), Error> {
        self.told = false;
        self.fresh = None;
        let mut keys = self.keys.take();
        self.run(|parser| {
            for &token in taken {
                ensure!(!parser.stopped(), "token {token} follows an answer that is whole");
                if let Some(keys) = &mut keys {
                    let known = keys.take(parser.token_env.tok_trie().token(token));
                    ensure!(
                        known || parser.token_env.tok_trie().eos_tokens().contains(&token),
                        "token {token} brings a key twice"
                    );
                }
                let back = parser.consume_token(token).map_err(|why| match parser.stop_reason() {
                    StopReason::LexerTooComplex => why,
                    _ => anyhow::anyhow!("token {token} can't stand here"),
                })?;
                ensure!(back == 0, "token {token} would take back earlier ones");
                parser.check_stop()?;
            }
            Ok(())
        })?;
        self.keys = keys;
        Ok(())
    }

    fn choice(&mut self, allowed: &mut [u32]) -> Result<Next, Error> {
        let accepting = self.run(|parser| Ok(parser.is_accepting()))?;
        let mask = self.run(|parser| match parser.compute_mask() {
            Ok(mask) => Ok(Some(mask)),
            Err(_) if parser.stop_reason() == StopReason::NoExtensionBias => Ok(None),
            Err(why) => Err(why),
        })?;
        let trie = self.parser.token_env.tok_trie();
        let words = trie.vocab_size().div_ceil(32);
        let Some(front) = allowed.get_mut(..words) else {
            return Err(Error(format!("{} words of bits for a vocabulary that takes {words}", allowed.len())));
        };
        front.fill(0);
        if let Some(mask) = mask {
            let mask = mask.as_slice();
            let both = words.min(mask.len());
            front[..both].copy_from_slice(&mask[..both]);
        }
        if let Some(keys) = &self.keys {
            for &token in if keys.any() { &self.quotes.some } else { &self.quotes.many } {
                let (word, bit) = (token as usize / 32, 1 << (token % 32));
                if front[word] & bit != 0 && keys.repeats(trie.token(token)) {
                    front[word] &= !bit;
                }
            }
        }
        // Nothing but an end: the answer is whole.
        let ends: Vec<(usize, u32)> = trie
            .eos_tokens()
            .iter()
            .filter(|&&id| id != INVALID_TOKEN)
            .map(|id| (*id as usize / 32, 1 << (id % 32)))
            .collect();
        let text = front
            .iter()
            .enumerate()
            .any(|(n, &word)| ends.iter().filter(|(at, _)| *at == n).fold(word, |word, (_, bit)| word & !bit) != 0);
        if !text {
            if accepting {
                return Ok(Next::Whole);
            }
            let why = Error("the answer can't go on: no token of this model leads on here".into());
            self.failed = Some(why.clone());
            return Err(why);
        }
        allowed[words..].fill(0);
        Ok(Next::Choice)
    }

    /// Whether the answer may end here.
    pub fn may_end(&mut self) -> bool {
        self.check().is_ok() && (self.parser.stopped() || self.run(|parser| Ok(parser.is_accepting())).unwrap_or(false))
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Runs a step of the parser, which is never asked again after one that failed.
    fn run<T>(&mut self, step: impl FnOnce(&mut TokenParser) -> anyhow::Result<T>) -> Result<T, Error> {
        self.check()?;
        let parser = &mut self.parser;
        // What a panic leaves behind is not looked at again.
        catch_unwind(AssertUnwindSafe(|| step(parser))).map_err(|why| {
            let why = match self.parser.stop_reason() {
                StopReason::LexerTooComplex | StopReason::ParserTooComplex => Error(
                    "the form of the answer takes more work here than the limits give it: a simpler one is needed"
                        .into(),
                ),
                _ => Error::new(why),
            };
            self.failed = Some(why.clone());
            why
        })
    }
}

const _: () = {
    const fn send<T: Send>() {}
    send::<Answer>();
};
