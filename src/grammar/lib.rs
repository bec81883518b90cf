//! What an answer may be: JSON schemas, regular expressions and Lark grammars become, token by token, the set of those that may
//! come next.
//!
//! ```text
//! schema ─► keywords checked, each kept or refused ─► rules ─┐
//! expression, read as ECMAScript's ──────────────────────────┤
//! calls of tools: texts and schemas ─────────────────────────┼─► Lark ─► llguidance ─► Answer: taken tokens ─► allowed ones
//! Lark grammar, looked through, its schemas made rules ──────┘              ▲            and no key twice
//! bytes of all tokens ─► Vocabulary (a trie) ────────────────────────────────┘
//! ```
//!
//! [llguidance](https://docs.rs/llguidance) follows a grammar over a vocabulary. What it is handed is made here: a schema's keyword is
//! kept as JSON Schema says, narrowed so that no value breaks it, or refused by name before the first token; nothing is passed over
//! but annotations. Narrowed are: white space (one space after a comma and a colon, none elsewhere), numbers without bounds (15 digits
//! before the point and after it), the characters of `\d`, `\w`, `\s` and the dot (those that all readers agree on), formats (a part
//! of what their standards allow), and keys and values that readers would understand differently. All that a text may ask for has
//! bounds, in `limits.rs`.
//!
//! A crate of its own, since in a browser it is a module of its own, fetched when an answer first has to have a form. Natively the
//! program `b158` is linked with it. It knows nothing of models: a token is bytes.

mod answer;
mod error;
mod formats;
mod json;
mod keys;
mod lark;
mod limits;
mod number;
mod parts;
mod pattern;
mod schema;
mod vocabulary;
#[cfg(target_family = "wasm")]
mod web;

pub use answer::{Answer, Next};
pub use error::Error;
pub use vocabulary::{Kind, Vocabulary, check};

#[cfg(test)]
mod tests;
