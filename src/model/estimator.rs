//! A model's size and shape from the beginning of its file.

use super::header::Header;
use super::{Estimate, LoaderOptions};
use crate::gguf::Event;
use crate::{Error, Result};

/// Reads headers alone: push the first bytes of a file until [`push`](Self::push) says that they are enough, and of a
/// split model those of every part, with [`next_part`](Self::next_part) between them.
pub struct Estimator {
    header: Header,
    failed: Option<Error>,
}

impl Estimator {
    /// For a model that would be loaded with these options.
    pub fn new(options: LoaderOptions) -> Self {
        Estimator { header: Header::new(options), failed: None }
    }

    /// Takes the next bytes of the file; true as soon as its header is complete. More bytes then change nothing.
    ///
    /// # Errors
    /// Whatever is wrong with the header, as [`Loader::push`](super::Loader::push) finds it, but for the tokenizer's
    /// tables; the same error at every later call.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<bool> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while !self.is_complete() {
            match self.header.push(bytes).inspect_err(|error| self.failed = Some(error.clone()))? {
                (_, Event::NeedMore) => break,
                (taken, _) => bytes = &bytes[taken..],
            }
        }
        Ok(self.is_complete())
    }

    /// Whether the header of the part at hand is complete.
    pub fn is_complete(&self) -> bool {
        self.header.decoder().data_size().is_some()
    }

    /// Whether all headers are in: `false` while the next part of a split model is due.
    pub fn is_last_part(&self) -> bool {
        self.header.is_last_part()
    }

    /// Begins the next part of a split model, when the header of the one at hand is complete.
    ///
    /// # Errors
    /// [`Error::Truncated`] where it is not; [`Error::WrongPart`] after the last part.
    pub fn next_part(&mut self, file_size: Option<u64>) -> Result<()> {
        if !self.is_complete() {
            self.header.decoder().finish()?;
        }
        self.header.next_part(file_size)
    }

    /// What the headers say.
    ///
    /// # Errors
    /// [`Error::Truncated`] where bytes of a header are missing, [`Error::MissingPart`] where files are.
    pub fn finish(self) -> Result<Estimate> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.is_complete() {
            self.header.decoder().finish()?;
        }
        self.header.check_parts()?;
        self.header.estimate()
    }
}
