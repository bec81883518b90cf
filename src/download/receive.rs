//! The two that take a model's bytes: a loader, and an estimator, each made anew as often as a download begins.

use super::model::Receiver;
use crate::model::{Estimate, Estimator, Loaded, Loader};
use crate::{Error, Result};

/// A model on its way into a loader.
pub struct Loading<F> {
    open: F,
    loader: Option<Loader>,
}

impl<F: AsyncFnMut(Option<u64>) -> Result<Loader>> Loading<F> {
    /// `open` makes a loader for a first part of so many bytes, where that is certain. It may wait for the engine's threads.
    pub fn new(open: F) -> Self {
        Loading { open, loader: None }
    }

    /// The model, when all bytes are in.
    ///
    /// # Errors
    /// Those of [`Loader::finish`].
    pub fn finish(self) -> Result<Loaded> {
        self.loader.ok_or(Error::EmptyFile)?.finish()
    }
}

impl<F: AsyncFnMut(Option<u64>) -> Result<Loader>> Receiver for Loading<F> {
    async fn begin(&mut self, size: Option<u64>) -> Result<()> {
        // First of all: two models at a time may be too many.
        self.loader = None;
        self.loader = Some((self.open)(size).await?);
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> Result<()> {
        self.loader.as_mut().ok_or(Error::EmptyFile)?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.loader.as_mut().ok_or(Error::EmptyFile)?.push(bytes)
    }

    fn is_last_part(&self) -> bool {
        self.loader.as_ref().is_some_and(Loader::is_last_part)
    }

    fn expected_size(&self) -> Option<u64> {
        self.loader.as_ref()?.expected_size()
    }
}

/// A model's headers on their way into an estimator.
pub struct Estimating<F> {
    open: F,
    estimator: Option<Estimator>,
}

impl<F: FnMut(Option<u64>) -> Estimator> Estimating<F> {
    /// `open` makes an estimator for a first part of so many bytes, where that is certain.
    pub fn new(open: F) -> Self {
        Estimating { open, estimator: None }
    }

    /// What the headers say, when all of them are in.
    ///
    /// # Errors
    /// Those of [`Estimator::finish`].
    pub fn finish(self) -> Result<Estimate> {
        self.estimator.ok_or(Error::EmptyFile)?.finish()
    }
}

impl<F: FnMut(Option<u64>) -> Estimator> Receiver for Estimating<F> {
    async fn begin(&mut self, size: Option<u64>) -> Result<()> {
        self.estimator = Some((self.open)(size));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> Result<()> {
        self.estimator.as_mut().ok_or(Error::EmptyFile)?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.estimator.as_mut().ok_or(Error::EmptyFile)?.push(bytes).map(drop)
    }

    fn is_complete(&self) -> bool {
        self.estimator.as_ref().is_some_and(Estimator::is_complete)
    }

    fn is_last_part(&self) -> bool {
        self.estimator.as_ref().is_some_and(Estimator::is_last_part)
    }

    fn expected_size(&self) -> Option<u64> {
        None
    }
}
