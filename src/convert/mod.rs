//! Files of weights into GGUF files: of a checkpoint of Hugging Face's libraries, or of a GGUF that is to be smaller or in parts.
//!
//! A [`Converter`] gives the bytes of the GGUF that a checkpoint would become, front to back, in pieces. `b158 convert` writes them to a
//! file. Opening a checkpoint as it is pushes them into a [`Loader`](crate::model::Loader): so both ways give the same weights, bit for
//! bit, and nothing but this module knows checkpoints. A [`Rewriter`] does the same for a [`Gguf`].

mod checkpoint;
mod encode;
mod gguf;

pub use checkpoint::{Converter, INDEX, Options, WEIGHTS, check_config, shards};
pub use encode::{DenseType, LinearType, TernaryEncoder};
pub use gguf::{Gguf, Packed, Plan, Rewriter};

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

impl<F: Folder + ?Sized> Folder for &mut F {
    fn files(&self) -> &[(String, u64)] {
        (**self).files()
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        (**self).read(file, offset, out)
    }
}
