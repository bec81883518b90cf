//! One text, and the pass that reads it.

use super::forward::{Next, Pass};
use super::{KvCache, KvType, Model};
use crate::Result;

/// What one text needs besides the model: its KV cache and the buffers of a pass.
pub struct State {
    /// Keys and values of the tokens read so far.
    pub cache: KvCache,
    pass: Pass,
}

impl State {
    /// A state for texts of at most `context` tokens, read `batch` at a time.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(model: &Model, kind: KvType, context: usize, batch: usize) -> Result<Self> {
        let pass = Pass::new(model, context, batch.clamp(1, context.max(1)))?;
        Ok(State { cache: KvCache::new(&model.config, kind, context), pass })
    }

    /// Tokens that one pass may take.
    pub fn batch(&self) -> usize {
        self.pass.batch()
    }

    /// Starts a pass over `tokens`, which follow those in the cache. An earlier pass that was not finished is
    /// dropped, and leaves no trace.
    ///
    /// # Errors
    /// An id beyond the vocabulary; more tokens than the context holds;
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory). There is no pass then.
    pub fn begin(&mut self, model: &Model, tokens: &[u32]) -> Result<()> {
        self.cache.reserve(tokens.len())?;
        self.pass.begin(model, &[Next { cache: &self.cache, tokens }])
    }

    /// Runs one layer; true when the pass is complete and its tokens are in the cache.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory);
    /// [`Error::NotFinite`](crate::Error::NotFinite) where an activation is no number any more. The pass is then over, and
    /// the next may begin.
    pub fn step(&mut self, model: &Model) -> Result<bool> {
        let done = self.pass.step(model, &mut [Some(&mut self.cache)])?;
        match self.pass.fault(0) {
            Some(fault) => Err(fault.clone()),
            None => Ok(done),
        }
    }

    /// Logits of token `row` of the pass that was completed last: `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) where they, or what they come from, are no numbers.
    pub fn logits(&mut self, model: &Model, row: usize) -> Result<&mut [f32]> {
        self.pass.logits_after(model, row)
    }

    /// The same with minus infinity for all but the tokens `ids`, for which alone the head is computed. Fastest where these are in
    /// order. Panics on one beyond the vocabulary.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn logits_of(&mut self, model: &Model, row: usize, ids: &[u32]) -> Result<&mut [f32]> {
        self.pass.logits_of(model, row, ids)
    }

    /// Logits after the last token of the pass that was completed last.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn last_logits(&mut self, model: &Model) -> Result<&mut [f32]> {
        self.logits(model, self.pass.last_row(0))
    }

    /// The residual stream after the last step: `[token][embedding]`.
    pub fn residual(&self) -> &[f32] {
        self.pass.residual()
    }
}
