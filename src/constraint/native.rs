//! Constraints of the crate `b158-grammar`, which the native program is linked with.

use super::{Constraint, Next, ResponseFormat, Tokens};
use crate::model::Loaded;
use crate::{Error, Result};
use b158_grammar::{Kind, Vocabulary};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Whether a form can be kept, as far as that can be told without a model.
///
/// # Errors
/// [`Error::BadResponseFormat`].
pub fn check(format: &ResponseFormat) -> Result<()> {
    let (kind, text, what) = parts(format)?;
    b158_grammar::check(kind, text).map_err(refused(what))
}

/// The forms that a model's answers can have. What they all need of its vocabulary is made when the first one is asked for.
pub struct Grammars {
    loaded: Arc<Loaded>,
    vocabulary: OnceLock<Vocabulary>,
}

impl Grammars {
    /// For answers of this model.
    pub fn new(loaded: Arc<Loaded>) -> Self {
        Grammars { loaded, vocabulary: OnceLock::new() }
    }

    /// An answer of this form, for [`Session::constrain`](crate::session::Session::constrain). `begun` is what of it the prompt ends with
    /// already.
    ///
    /// # Errors
    /// [`Error::BadResponseFormat`]: a form that is none, that nothing meets, that asks for what can't be kept, or is too large; a
    /// beginning that no answer has. [`Error::OutOfMemory`].
    pub fn answer(&self, format: &ResponseFormat, begun: &str) -> Result<Answer> {
        let (kind, text, what) = parts(format)?;
        let vocabulary = self.vocabulary()?;
        let begins = Instant::now();
        let mut answer = vocabulary.answer(kind, text).map_err(refused(what))?;
        let compile_time = begins.elapsed();
        answer.begin(begun.as_bytes()).map_err(refused("text that the answer has begun with"))?;
        Ok(Answer { answer, compile_time })
    }

    fn vocabulary(&self) -> Result<&Vocabulary> {
        if let Some(vocabulary) = self.vocabulary.get() {
            return Ok(vocabulary);
        }
        let Tokens { bytes, control, ends } = Tokens::of(&self.loaded.tokenizer, self.loaded.model.config.vocabulary)?;
        let vocabulary = Vocabulary::new(&bytes, &control, &ends).map_err(refused("vocabulary of the model"))?;
        // Another thread may have been first.
        Ok(self.vocabulary.get_or_init(|| vocabulary))
    }
}

/// An answer that keeps to a form. A clone begins where this one is.
#[derive(Clone)]
pub struct Answer {
    answer: b158_grammar::Answer,
    compile_time: Duration,
}

impl Answer {
    /// What of the form's text was passed over though it may have been meant to limit the answer, in words.
    pub fn notes(&self) -> &[String] {
        self.answer.notes()
    }
}

impl Constraint for Answer {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next> {
        Ok(match self.answer.next(taken, allowed).map_err(failed)? {
            b158_grammar::Next::Choice => Next::Choice,
            b158_grammar::Next::Certain(bytes) => Next::Certain(bytes),
            b158_grammar::Next::Whole => Next::Whole,
        })
    }

    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        Ok(self.answer.try_begin(text).map_err(failed)?.is_none())
    }

    fn compile_time(&self) -> Duration {
        self.compile_time
    }
}

fn failed(why: b158_grammar::Error) -> Error {
    Error::Constraint { reason: why.to_string() }
}

fn refused(what: &'static str) -> impl Fn(b158_grammar::Error) -> Error {
    move |why| Error::BadResponseFormat { what, reason: why.to_string() }
}

/// The crate has each of the engine's types of forms.
fn parts(format: &ResponseFormat) -> Result<(Kind, &str, &'static str)> {
    let (name, text, what) = format.described();
    let kind = Kind::named(name).ok_or_else(|| Error::BadResponseFormat { what, reason: format!("no type {name}") })?;
    Ok((kind, text, what))
}
