//! What a model answered to one prompt.

use crate::session::{FinishReason, Timings, Usage};
use serde::{Deserialize, Serialize};

/// A greedy answer, with the logprobs of its tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Answer {
    /// The text that it goes on from.
    pub prompt: String,
    /// The answer alone.
    pub text: String,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// ln of the probability of each token.
    pub log_probabilities: Vec<f64>,
    /// Entropy of the distribution that each token was taken from, in nats.
    pub entropies: Vec<f64>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Token counts.
    pub usage: Usage,
    /// Times.
    pub timings: Timings,
}
