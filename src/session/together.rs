//! Sessions that work together: one pass over the weights takes the next rows of all of them.

use super::{Session, SessionOptions, Step};
use crate::Result;
use crate::model::Loaded;
use std::sync::Arc;
use std::time::Duration;

/// How sessions work together.
#[derive(Debug, Clone, Copy, Default)]
pub struct TogetherOptions {
    /// Tokens a pass at most, of all sessions; 0 takes [`DEFAULT_BATCH`](crate::model::DEFAULT_BATCH). Does not change the result.
    pub batch: usize,
    /// Of these, prompt tokens at most while others generate, who wait for them; 0 takes as many as are worth a pass.
    pub prompt_beside: usize,
}

/// What sessions of one model have in common: the buffers of a pass.
pub struct Together {
    loaded: Arc<Loaded>,
}

impl Together {
    /// For sessions of this model.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(loaded: Arc<Loaded>, _options: TogetherOptions) -> Result<Self> {
        Ok(Together { loaded })
    }

    /// A session that uses these buffers, and costs its KV cache alone. `batch` and `tune_threads` of its options are not looked at.
    ///
    /// # Errors
    /// Those of [`Session::new`].
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::new(Arc::clone(&self.loaded), options)
    }

    /// A [step](Session::step) of each of the sessions, in their order: all that are under way, each time. They have the bits that
    /// they would have alone.
    ///
    /// # Errors
    /// Those of [`Session::step`], to each its own: the others go on.
    pub fn step(&mut self, sessions: &mut [&mut Session], budget: Duration) -> Vec<Result<Step>> {
        sessions.iter_mut().map(|session| session.step(budget)).collect()
    }
}
