//! A generation as an iterator over its text.

use super::{GenerateOptions, Session, Step, Summary};
use crate::Result;
use crate::constraint::Constraint;
use std::time::Duration;

/// The text of an answer, piece by piece, as [`Session::generate`] streams it.
pub struct Generation<'s> {
    session: &'s mut Session,
    summary: Option<Summary>,
    failed: bool,
}

impl Session {
    /// Begins a generation after `prompt`, as [`start`](Self::start) does, and streams its text. A caller that wants to look up
    /// between the layers of a prompt, or wants token ids, calls [`step`](Self::step) itself.
    ///
    /// # Errors
    /// Those of [`start`](Self::start); the iterator's are those of [`step`](Self::step).
    pub fn generate(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Generation<'_>> {
        self.start(prompt, options)?;
        Ok(Generation { session: self, summary: None, failed: false })
    }
}

impl Generation<'_> {
    /// The same with an answer that keeps to a form: [`Session::constrain`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn constrained(self, constraint: Box<dyn Constraint>) -> Result<Self> {
        self.session.constrain(constraint)?;
        Ok(self)
    }

    /// Why it ended, with counts and times; nothing before its end.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.summary.is_none() && !self.failed {
            let text = match self.session.step(Duration::MAX) {
                Ok(Step::Prefill { .. } | Step::Pass) => continue,
                Ok(Step::Token { text, .. }) => text,
                Ok(Step::Done(mut summary)) => {
                    let text = std::mem::take(&mut summary.text);
                    self.summary = Some(summary);
                    text
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            };
            // Empty inside a character or a possible stop string.
            if !text.is_empty() {
                return Some(Ok(text));
            }
        }
        None
    }
}
