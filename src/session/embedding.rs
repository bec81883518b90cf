//! A text as one vector.

use super::{GenerateOptions, Session, Step};
use crate::allocate::try_copy;
use crate::model::{Pass, Pooling};
use crate::{Error, Result};
use std::time::Duration;

impl Session {
    /// The embedding of a text: its last token after the last norm, divided by its length, `[embedding]`. The tokenizer of
    /// an embedding model ends a text with its end token by itself. What was read before is forgotten.
    ///
    /// A caller that wants to look up in between calls [`start`](Self::start) with no tokens to generate, then
    /// [`step`](Self::step) up to [`Step::Done`], then [`embedding`](Self::embedding).
    ///
    /// # Errors
    /// Those of [`start`](Self::start), [`step`](Self::step) and [`embedding`](Self::embedding).
    pub fn embed(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.start(tokens, GenerateOptions { max_tokens: Some(0), ..Default::default() })?;
        while !matches!(self.step(Duration::MAX)?, Step::Done(_)) {}
        self.embedding()
    }

    /// The embedding of a text that has been read to its end, and no token generated.
    ///
    /// # Errors
    /// [`Error::UnsupportedPooling`] for a model that is trained to give another vector; [`Error::NotStarted`] where
    /// there is no such text since the last [`start`](Self::start); [`Error::NotFinite`] where it is none of numbers.
    pub fn embedding(&mut self) -> Result<Vec<f32>> {
        match self.pass.take() {
            None => Err(Error::NotStarted),
            Some(mut pass) => {
                let embedding = self.embedding_in(&mut pass);
                self.pass = Some(pass);
                embedding
            }
        }
    }

    /// The same where another pass has read the text.
    pub(super) fn embedding_in(&self, pass: &mut Pass) -> Result<Vec<f32>> {
        let model = &self.loaded.model;
        // A model of no embeddings gives what its last token knows.
        if !matches!(model.config.pooling, Pooling::None | Pooling::Last) {
            return Err(Error::UnsupportedPooling { pooling: model.config.pooling.name() });
        }
        let Some(read) = self.read.filter(|read| self.unread() == 0 && read.number == pass.number()) else {
            return Err(Error::NotStarted);
        };
        let hidden = pass.last_hidden(model, read.part)?;
        let length = hidden.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if !length.is_finite() {
            return Err(Error::NotFinite { layer: None, part: "the last norm" });
        }
        // A vector of zeros has no direction, and stays.
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        let mut embedding = try_copy(hidden, "an embedding")?;
        embedding.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
        Ok(embedding)
    }
}
