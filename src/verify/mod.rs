//! Does this file, on this machine, give sense? Ten prompts, greedy, with measures that tell word salad and loops from text,
//! and comparisons with another run and with published answers.
//!
//! ```text
//! PROMPTS ──► a greedy Session with logprobs ──► Answer ──► Measures (measures.rs) ──► Report ──► text, page (report.rs)
//!                                                  └────► Comparison (compare.rs)
//! ```
//!
//! `b158 verify` and the page's button drive the sessions; what is said of the answers is said here.

mod answer;
mod compare;
mod measures;
mod metrics;
mod report;

pub use answer::Answer;
pub use compare::{Comparison, OFFICIAL_SHA256, PublishedComparison, Run};
pub use measures::{Measures, Verdict};
pub use metrics::{About, Entry, Machine, ModelFacts, Report};

use crate::sampler::SamplerOptions;
use crate::session::GenerateOptions;

/// The first five are those of the first published account of the model on rented hardware.
pub const PROMPTS: [&str; 10] = [
    "The capital of France is",
    "Microsoft Corporation is an American multinational",
    "In the year 2025, artificial intelligence",
    "The theory of relativity states that",
    "Once upon a time in a small village",
    "Water boils at a temperature of",
    "The three primary colors are",
    "A healthy breakfast begins with",
    "The old lighthouse keeper looked out over the sea and",
    "To write a good letter, one should",
];

/// Tokens to generate for each prompt, where nothing else is said.
pub const MAX_TOKENS: usize = 500;

/// Greedy, so that the answer depends on nothing but file and prompt.
pub fn options(max_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_tokens: Some(max_tokens),
        sampler: SamplerOptions::greedy(),
        logprobs: true,
        ..Default::default()
    }
}
