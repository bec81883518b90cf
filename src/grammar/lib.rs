//! What an answer may be: JSON schemas, regular expressions and Lark grammars become, token by token, the set of those that may
//! come next. The parsing is [llguidance](https://docs.rs/llguidance)'s; here is what it is handed, and what it is not.
//!
//! ```text
//! text of a schema ─► checked, keyword by keyword ─► llguidance's grammar ─┐
//! bytes of all tokens ─► Vocabulary ───────────────────────────────────────┴─► Answer: taken tokens ─► allowed ones
//! ```
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
