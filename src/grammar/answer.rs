//! One answer under way.

use crate::keys::{self, Keys};
use crate::{Error, limits};
use anyhow::ensure;
use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::{INVALID_TOKEN, Recognizer, TokTrie, parse_numeric_token};
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
pub struct Answer {
    parser: TokenParser,
    /// As long as no token was taken: the parser before it was first asked, which text may still be put before.
    fresh: Option<Box<TokenParser>>,
    watch: Watch,
    quotes: Arc<Quotes>,
    notes: Vec<String>,
    /// The last [`Answer::next`] told bytes that are certain.
    told: bool,
    /// Why the answer can't go on.
    failed: Option<Error>,
}

/// Apart from the one it was made from: what that spends of its limits this one still has.
impl Clone for Answer {
    fn clone(&self) -> Self {
        Answer {
            parser: self.parser.deep_clone(),
            fresh: self.fresh.as_ref().map(|fresh| Box::new(fresh.deep_clone())),
            watch: self.watch.clone(),
            quotes: self.quotes.clone(),
            notes: self.notes.clone(),
            told: self.told,
            failed: self.failed.clone(),
        }
    }
}

/// What is seen to besides the grammar.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// Where objects may have keys of any name, those that they have had.
    pub(crate) keys: Option<Keys>,
    /// The keys keep to a form: it may come to no more of them being left.
    pub(crate) few_keys: bool,
    /// Bytes are not asked for that are certain: what is ignored between others may be so without end.
    pub(crate) uncertain: bool,
}

/// The tokens with quotes in them, which alone can end a key.
#[derive(Debug, Default)]
pub(crate) struct Quotes {
    /// All of them.
    pub(crate) some: Vec<u32>,
    /// Those that may have two keys in themselves.
    pub(crate) many: Vec<u32>,
    /// Those after which a key may have begun: with quotes or commas.
    pub(crate) before_keys: Vec<u32>,
}

impl Answer {
    pub(crate) fn new(mut parser: TokenParser, watch: Watch, quotes: Arc<Quotes>, notes: Vec<String>) -> Self {
        parser.start_without_prompt();
        let fresh = Some(Box::new(parser.clone()));
        Answer { parser, fresh, watch, quotes, notes, told: false, failed: None }
    }

    /// Whether there is a first token, found out by a copy; `allowed` is room for its work.
    pub(crate) fn begins(&self, allowed: &mut [u32]) -> Result<(), Error> {
        let fresh = self.fresh.clone();
        let Some(parser) = fresh else { return Ok(()) };
        let (watch, quotes) = (self.watch.clone(), self.quotes.clone());
        let mut copy =
            Answer { parser: *parser, fresh: None, watch, quotes, notes: Vec::new(), told: false, failed: None };
        copy.next(&[], allowed).map(drop)
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
        let wrong = self.try_begin(text)?;
        wrong.map_or(Ok(()), |at| {
            let length = text.len();
            Err(Error(format!("no answer begins with this text: byte {at} of {length} can't stand there")))
        })
    }

    /// As [`Self::begin`], where a text that no answer begins with is no error: the byte where it goes wrong.
    ///
    /// # Errors
    /// A failure of the parser, or an answer that can't begin any more.
    pub fn try_begin(&mut self, text: &[u8]) -> Result<Option<usize>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        self.check()?;
        let Some(fresh) = &self.fresh else { return Err(Error("an answer begins before its first token".into())) };
        let (mut begun, mut keys) = (fresh.clone(), self.watch.keys.clone());
        let wrong = catch_unwind(AssertUnwindSafe(|| {
            for (at, &byte) in text.iter().enumerate() {
                let known = keys.as_mut().is_none_or(|keys| keys.take(&[byte]));
                if !known || begun.parser.apply_token(&[byte], INVALID_TOKEN).is_err() {
                    return Ok(Some(at));
                }
            }
            Ok(None)
        }))
        .map_err(Error::new)?;
        if wrong.is_some() {
            return Ok(wrong);
        }
        self.parser = (*begun).clone();
        self.fresh = Some(begun);
        self.watch.keys = keys;
        self.told = false;
        Ok(None)
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
        if !std::mem::take(&mut self.told) && !self.watch.uncertain && !self.watch.few_keys {
            let mut certain = self.run(|parser| Ok(parser.force_bytes()))?;
            // Up to a control token, which is a choice of one.
            let text = certain.iter().position(|&byte| byte == TokTrie::SPECIAL_TOKEN_MARKER).unwrap_or(certain.len());
            certain.truncate(text.min(limits::CERTAIN));
            if certain.len() > 1 && self.watch.keys.as_ref().is_none_or(|keys| !keys.repeats(&certain)) {
                self.told = true;
                return Ok(Next::Certain(certain));
            }
        }
        self.choice(allowed)
    }

    fn take(&mut self, taken: &[u32]) -> Result<(), Error> {
        self.told = false;
        self.fresh = None;
        let mut keys = self.watch.keys.take();
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
                let back = parser.consume_token(token).map_err(|why| match why.to_string() {
                    text if text.contains("satisfy") => anyhow::anyhow!("token {token} can't stand here"),
                    _ => why,
                })?;
                ensure!(back == 0, "token {token} would take back earlier ones");
                parser.check_stop()?;
            }
            Ok(())
        })?;
        self.watch.keys = keys;
        Ok(())
    }

    fn choice(&mut self, allowed: &mut [u32]) -> Result<Next, Error> {
        let accepting = self.run(|parser| Ok(parser.is_accepting()))?;
        // A control token that is certain stands there as a mark and its number.
        let sure = match self.parser.parser.currently_forced_bytes().split_first() {
            Some((&TokTrie::SPECIAL_TOKEN_MARKER, number)) => parse_numeric_token(number).map(|(_, token)| token),
            _ => None,
        };
        let mask = self.run(|parser| match (sure, parser.token_env.clone()) {
            (Some(token), env) => Ok(Some(env.tok_trie().singleton_token_set(token))),
            (None, _) => match parser.compute_mask() {
                Ok(mask) => Ok(Some(mask)),
                Err(_) if parser.stop_reason() == StopReason::NoExtensionBias => Ok(None),
                Err(why) => Err(why),
            },
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
        if let Some(keys) = &self.watch.keys {
            for &token in if keys.any() { &self.quotes.some } else { &self.quotes.many } {
                let (word, bit) = (token as usize / 32, 1 << (token % 32));
                if front[word] & bit != 0 && keys.repeats(trie.token(token)) {
                    front[word] &= !bit;
                }
            }
        }
        if self.watch.few_keys {
            self.lead_to_keys(allowed)?;
        }
        let trie = self.parser.token_env.tok_trie();
        let front = &allowed[..words];
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
            // A grammar may ask for an end by its name.
            if front.iter().all(|&word| word == 0) {
                let why = Error("the answer can't go on: no token of this model leads on here".into());
                self.failed = Some(why.clone());
                return Err(why);
            }
        }
        allowed[words..].fill(0);
        Ok(Next::Choice)
    }

    /// Takes out tokens after which an object can have no key but those that it has.
    fn lead_to_keys(&mut self, allowed: &mut [u32]) -> Result<(), Error> {
        let Some(keys) = self.watch.keys.clone().filter(Keys::any) else { return Ok(()) };
        let env = self.parser.token_env.clone();
        let trie = env.tok_trie();
        let candidates: Vec<u32> = match keys.half() {
            // Half of a key goes on to be one that is there by the bytes of that. Several tokens may have the same bytes.
            Some((Some(half), used)) => {
                let rests: Vec<&[u8]> = used.iter().filter_map(|key| key.strip_prefix(half)).collect();
                let leads = |&id: &u32| {
                    let bytes = trie.token(id);
                    !bytes.is_empty() && rests.iter().any(|rest| rest.starts_with(bytes))
                };
                let set = |&id: &u32| allowed[id as usize / 32] & 1 << (id % 32) != 0;
                (0..trie.vocab_size() as u32).filter(set).filter(leads).collect()
            }
            _ => self.quotes.before_keys.clone(),
        };
        self.run(|parser| {
            for token in candidates {
                let (word, bit) = (token as usize / 32, 1 << (token % 32));
                if allowed[word] & bit == 0 {
                    continue;
                }
                let mut after = keys.clone();
                let bytes = trie.token(token);
                after.take(bytes);
                let Some((half, used)) = after.half() else { continue };
                let leads = parser.parser.with_recognizer(|parser| {
                    parser.trie_started("keys");
                    let mut pushed = bytes.iter().take_while(|&&byte| parser.try_push_byte(byte)).count();
                    let mut half = half.map(<[u8]>::to_vec);
                    while half.is_none() {
                        if parser.try_push_byte(b'"') {
                            half = Some(Vec::new());
                        } else if !parser.try_push_byte(b' ') {
                            break;
                        }
                        pushed += 1;
                    }
                    let leads = half.is_none_or(|mut half| keys::another(parser, &mut half, used));
                    parser.pop_bytes(pushed);
                    parser.trie_finished();
                    leads
                });
                if !leads {
                    allowed[word] &= !bit;
                }
            }
            Ok(())
        })
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
            let text = why.to_string();
            let why = if ["lexer error", "parser error", "too many", "Too many", "too big", "too complex", "items"]
                .iter()
                .any(|sign| text.contains(sign))
            {
                Error(
                    "the form of the answer takes more work here than the limits give it: a simpler one is needed"
                        .into(),
                )
            } else {
                Error::new(text)
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
