//! A GGUF written again: smaller, in parts, or whole.

mod pack;
mod reader;
mod rewrite;
mod split;

pub use pack::Packed;
pub use reader::Gguf;
pub use rewrite::{Plan, Rewriter};
