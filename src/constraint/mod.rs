//! What an answer may be, as a [`session`](crate::session) sees it: after each token, which ones may follow.
//!
//! Who tells is not linked with the engine: natively the crate `b158-grammar` is (feature `cli`), in a browser it is a module of its
//! own that is fetched when an answer first has to have a form. Both sit behind [`Constraint`]. A form may begin later in the answer:
//! see [`Opening`].

#[cfg(all(feature = "cli", not(target_family = "wasm")))]
mod native;
mod tokens;
mod trigger;

#[cfg(all(feature = "cli", not(target_family = "wasm")))]
pub use native::{Answer, Grammars, check};
pub use tokens::Tokens;
pub use trigger::{Opening, Spell, Spelled, Trigger};
pub(crate) use trigger::{THINK, THOUGHT};

use crate::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ResponseFormat {
    /// Any JSON object.
    JsonObject,
    /// A JSON value that the schema, a JSON text, describes.
    JsonSchema {
        /// The JSON text.
        schema: String,
    },
    /// A text that the regular expression matches from its first to its last character.
    Regex {
        /// In JavaScript's syntax.
        pattern: String,
    },
    /// A text of a grammar.
    Lark {
        /// In Lark's form, as llguidance reads it.
        grammar: String,
    },
    /// Texts, control tokens and values of schemas in a row: calls of [tools](crate::chat::Tools).
    Parts {
        /// A JSON text: what stands `before` a choice, the `choices`, what stands `after` it and, where another may follow, before it
        /// `again`. Each is a list of parts: `{"text": …}`, which may be `"optional": true`, `{"token": …}`, a control token's name, or
        /// `{"schema": …}`; a choice has a `name` for errors and its `parts`.
        parts: String,
    },
}

impl ResponseFormat {
    /// The name of its type, its text, and what messages call it.
    pub fn described(&self) -> (&'static str, &str, &'static str) {
        match self {
            Self::JsonObject => ("json_object", "", "form json_object"),
            Self::JsonSchema { schema } => ("json_schema", schema, "JSON schema"),
            Self::Regex { pattern } => ("regex", pattern, "regular expression"),
            Self::Lark { grammar } => ("lark", grammar, "grammar"),
            Self::Parts { parts } => ("parts", parts, "tools"),
        }
    }
}

/// What may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Any token: the part that has a form has not begun.
    Any,
    /// Any token but those that end an answer: what comes before the part that has a form has to end first.
    AnyButEnd,
    /// One of the tokens whose bits are set, those that end an answer among them where it may end here.
    Choice,
    /// These bytes, however they are cut into tokens; what follows them is not certain, and may share their last token.
    Certain(Vec<u8>),
    /// Nothing: the answer is whole.
    Whole,
}

/// Keeps one answer to its form.
pub trait Constraint: Portable {
    /// Takes the tokens that have come since the last call, and says what may follow. `allowed` has a bit a token, 32 to a word, token 0
    /// in the lowest of the first; it is written where this is a [`Next::Choice`].
    ///
    /// Certain bytes may make no token, or none that what follows can't be part of. Asked again after [`Next::Certain`] with nothing
    /// taken, it gives the choice.
    ///
    /// # Errors
    /// [`Error::Constraint`](crate::Error::Constraint): a token that was not allowed, or a state that takes too much work.
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next>;

    /// Begins with a text that stands already where the answer is to go on, before anything is taken. False, and nothing is changed,
    /// where no answer begins with it.
    ///
    /// # Errors
    /// [`Error::Constraint`](crate::Error::Constraint): a failure, which says nothing of the text.
    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        Ok(text.is_empty())
    }

    /// How long it took to make it of the text that describes the form.
    fn compile_time(&self) -> Duration {
        Duration::ZERO
    }
}

/// `Send` where a session may move from thread to thread. In a browser a constraint is an object of JavaScript, which stays where
/// it is.
#[cfg(not(target_family = "wasm"))]
pub trait Portable: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send> Portable for T {}
/// `Send` where a session may move from thread to thread. In a browser a constraint is an object of JavaScript, which stays where
/// it is.
#[cfg(target_family = "wasm")]
pub trait Portable {}
#[cfg(target_family = "wasm")]
impl<T> Portable for T {}
