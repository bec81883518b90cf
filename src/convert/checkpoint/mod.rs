//! A checkpoint of Hugging Face's libraries, read as the GGUF that it would become.
//!
//! ```text
//! config.json, tokenizer.json … ──► texts: metadata, and what the graph is
//! headers of *.safetensors      ──► weights: where each tensor lies ──► plan: each tensor of the GGUF, and what its values are made of
//! plan, weights                 ──► tensor: rows, as floats or, by ternary, as codes ──► bytes
//! ```
//!
//! It holds one matrix at a time at most, and of the embedding a block of rows.

mod converter;
mod plan;
mod tensor;
mod ternary;
mod texts;
mod weights;

pub use converter::{Converter, Options};
pub use weights::{INDEX, WEIGHTS, shards};

use super::Folder;
use crate::Result;

/// Whether `config.json` tells of a model that this engine runs, before the weights are there.
///
/// # Errors
/// [`Error::BadCheckpoint`](crate::Error::BadCheckpoint), [`Error::UnsupportedCheckpoint`](crate::Error::UnsupportedCheckpoint), and
/// what `folder` gives.
pub fn check_config(mut folder: impl Folder) -> Result<()> {
    texts::Description::read(&mut folder).map(drop)
}
