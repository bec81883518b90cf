//! What another session has read of the same text.

use super::Session;
use crate::Result;
use std::sync::Arc;

impl Session {
    /// Takes from `other` what it has read of the text that is being read here: keys and values are copied instead of computed, to
    /// the same bits. The last token of a prompt is computed in any case. Nothing is taken from a session of another model or with
    /// another context or type of KV cache. Gives how many tokens came so.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory); the session is then as it was.
    pub fn read_from(&mut self, other: &Session) -> Result<usize> {
        let (own, others) = (&self.cache, &other.cache);
        let alike = Arc::ptr_eq(&self.loaded, &other.loaded)
            && (own.kind(), own.context()) == (others.kind(), others.context());
        let before = own.len();
        let shared = self.tokens.iter().zip(other.tokens()).take_while(|(a, b)| a == b).count();
        let shared = shared.min(self.tokens.len().saturating_sub(1));
        let Some(run) = self.run.as_mut().filter(|_| alike && before < shared) else { return Ok(0) };
        if before >= run.usage.prompt_tokens {
            return Ok(0);
        }
        self.cache.copy_to(shared, others)?;
        run.in_pass = None;
        run.usage.cached_tokens += shared - before;
        Ok(shared - before)
    }

    /// Drops the generation under way and gives back memory that what has been read does not need.
    pub fn shrink(&mut self) {
        self.run = None;
        self.read = None;
        self.tokens.truncate(self.cache.len());
        self.tokens.shrink_to_fit();
        self.cache.shrink();
    }
}
