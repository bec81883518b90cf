//! The bytes of the GGUF that a checkpoint becomes.

use super::Folder;
use crate::Result;
use crate::gguf::{Metadata, TensorDeclaration};

/// What a checkpoint is made into. The default is what opening it takes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Options {}

/// A checkpoint, read as the GGUF that it would become.
pub struct Converter<F: Folder> {
    folder: F,
    metadata: Metadata,
    tensors: Vec<TensorDeclaration>,
    notes: Vec<String>,
    size: u64,
}

impl<F: Folder> Converter<F> {
    /// Reads the texts and the headers of the weights, and refuses all that they show to be wrong.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`](crate::Error::BadCheckpoint), [`Error::UnsupportedCheckpoint`](crate::Error::UnsupportedCheckpoint),
    /// and what `folder` gives.
    pub fn new(_folder: F, _options: Options) -> Result<Self> {
        Err(crate::Error::NotStarted)
    }

    /// What a user should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The GGUF's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The GGUF's tensors.
    pub fn tensors(&self) -> &[TensorDeclaration] {
        &self.tensors
    }

    /// Bytes of the whole GGUF.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes of the GGUF, some MB at most; `None` after the last.
    ///
    /// # Errors
    /// What is wrong with the weights, and what the folder gives. The converter stays in it.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        let _ = &mut self.folder;
        Ok(None)
    }
}
