//! From a checkpoint of Hugging Face's libraries to a GGUF: its files in, the bytes of a GGUF out.
//!
//! ```text
//! config.json, tokenizer.json … ──► metadata, and what the graph is
//! headers of *.safetensors      ──► plan: each tensor of the GGUF, and where its values lie
//! plan, weights                 ──► bytes: header, then one tensor after the other
//! ```
//!
//! A [`Converter`] gives these bytes front to back, in pieces. `b158 convert` writes them to a file. Opening a checkpoint as it is
//! pushes them into a [`Loader`](crate::model::Loader): so both ways give the same weights, bit for bit, and nothing but this module
//! knows checkpoints. It holds one matrix at a time at most, and of the embedding a block of rows.

mod converter;
mod encode;
mod gguf;
mod pack;
mod plan;
mod rewrite;
mod split;
mod tensor;
mod ternary;
mod texts;
mod weights;

pub use converter::{Converter, Options};
pub use encode::{DenseType, LinearType, TernaryEncoder};
pub use gguf::Gguf;
pub use pack::Packed;
pub use rewrite::{Plan, Rewriter};
pub use weights::{INDEX, WEIGHTS, shards};

use crate::Result;

/// The files of a checkpoint, or of a GGUF's parts: names without folders, with sizes; read at any place.
pub trait Folder {
    /// All files, in any order: also those that no converter has use for, which it may have to speak of.
    fn files(&self) -> &[(String, u64)];

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it can't be read, or ends before.
    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()>;
}

/// Whether `config.json` tells of a model that this engine runs, before the weights are there.
///
/// # Errors
/// [`Error::BadCheckpoint`](crate::Error::BadCheckpoint), [`Error::UnsupportedCheckpoint`](crate::Error::UnsupportedCheckpoint), and
/// what `folder` gives.
pub fn check_config(mut folder: impl Folder) -> Result<()> {
    texts::Description::read(&mut folder).map(drop)
}

impl<F: Folder + ?Sized> Folder for &mut F {
    fn files(&self) -> &[(String, u64)] {
        (**self).files()
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        (**self).read(file, offset, out)
    }
}
