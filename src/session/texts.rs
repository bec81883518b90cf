//! Texts for embeddings, and what can be said of their vectors.

use crate::model::{Loaded, Pooling};
use crate::tokenizer::Special;
use crate::{Error, Result};

impl Loaded {
    /// The tokens of a text whose [embedding](crate::session::Session::embed) is wanted; special tokens in it are text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_whole`](crate::tokenizer::Tokenizer::encode_whole).
    pub fn text_to_embed(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode_whole(text, Special::TEXT)
    }

    /// Refuses a prompt that no session with this context can [start](crate::session::Session::start) with.
    ///
    /// # Errors
    /// An empty prompt, one that does not fit the context, an unknown id.
    pub fn check_prompt(&self, prompt: &[u32], context: usize) -> Result<()> {
        let vocabulary = self.model.config.vocabulary as u32;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() > context {
            return Err(Error::PromptTooLong { tokens: prompt.len(), context });
        }
        match prompt.iter().find(|id| **id >= vocabulary) {
            Some(&id) => Err(Error::BadToken { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// What a user of the embeddings should know: that the model is not made for them, where its file does not say so.
    pub fn embedding_note(&self) -> Option<&'static str> {
        (self.model.config.pooling == Pooling::None).then_some(
            "this is no embedding model, its file names no pooling: the state of each text's last token is taken, which \
             compares texts less well than a model that was trained for it",
        )
    }
}

/// The first so many numbers of an embedding, of length 1 again. It means something for models that were trained so.
///
/// # Errors
/// No dimensions, or more than there are.
pub fn shortened(mut embedding: Vec<f32>, dimensions: usize) -> Result<Vec<f32>> {
    if !(1..=embedding.len()).contains(&dimensions) {
        return Err(Error::BadOption {
            option: "dimensions",
            value: dimensions.to_string(),
            reason: "must be between 1 and the width of the model's embeddings",
        });
    }
    if dimensions < embedding.len() {
        embedding.truncate(dimensions);
        let length = embedding.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if length > 0.0 {
            embedding.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    }
    Ok(embedding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_vector_has_length_one_and_no_more_numbers_than_there_are() {
        let whole = vec![0.6, 0.0, 0.8];
        assert_eq!(shortened(whole.clone(), 3), Ok(whole.clone()));
        assert_eq!(shortened(whole.clone(), 2), Ok(vec![1.0, 0.0]));
        assert_eq!(shortened(vec![0.0, 1.0], 1), Ok(vec![0.0]));
        for bad in [0, 4] {
            assert!(matches!(shortened(whole.clone(), bad), Err(Error::BadOption { option: "dimensions", .. })));
        }
    }
}
