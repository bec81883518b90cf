//! Texts that went on, whole and in chunks.

use super::{Common, FinishReason, Usage};
use crate::sampler;
use crate::session::Timings;
use serde::Serialize;

/// Texts that went on, or in a stream the next pieces of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Completion<'a> {
    /// Whose, and when.
    #[serde(flatten)]
    pub common: &'a Common,
    /// `text_completion`
    pub object: &'static str,
    /// One a prompt; in a stream one, and none in the last chunk where usage was asked for.
    pub choices: Vec<CompletionChoice>,
    /// Of a whole answer, or in a stream where it was asked for: null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    /// Times: of a whole answer to one prompt, or in the chunk that has the finish reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

impl<'a> Completion<'a> {
    /// With neither counts nor times.
    pub fn new(common: &'a Common, choices: Vec<CompletionChoice>) -> Self {
        Self { common, object: "text_completion", choices, usage: None, timings: None }
    }
}

/// How one prompt went on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompletionChoice {
    /// Of the prompt, from 0.
    pub index: usize,
    /// The text, or the next piece of it.
    pub text: String,
    /// Null in all chunks but the last.
    pub finish_reason: Option<FinishReason>,
    /// Where they were asked for.
    pub logprobs: Option<CompletionLogprobs>,
}

impl CompletionChoice {
    /// Nothing yet. `logprobs`: they were asked for.
    pub fn new(index: usize, logprobs: bool) -> Self {
        Self { index, text: String::new(), finish_reason: None, logprobs: logprobs.then(CompletionLogprobs::default) }
    }

    /// The next token. `written`: characters of the whole text before it, and after.
    pub fn push(&mut self, text: &str, logprobs: Option<sampler::Logprobs>, written: &mut usize) {
        if let (Some(all), Some(logprobs)) = (&mut self.logprobs, logprobs) {
            all.push(text, logprobs, *written);
        }
        *written += text.chars().count();
        self.text += text;
    }
}

/// Probabilities of tokens, side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CompletionLogprobs {
    /// Their texts.
    pub tokens: Vec<String>,
    /// Natural logarithms.
    pub token_logprobs: Vec<f64>,
    /// Always null: alternatives are not offered.
    pub top_logprobs: Option<()>,
    /// Where each begins in the text, in characters.
    pub text_offset: Vec<usize>,
}

impl CompletionLogprobs {
    fn push(&mut self, text: &str, logprobs: sampler::Logprobs, offset: usize) {
        self.tokens.push(text.to_owned());
        self.token_logprobs.push(logprobs.log_probability);
        self.text_offset.push(offset);
    }
}
