//! Everything that was found: what metrics.json holds.

use super::answer::Answer;
use super::compare::{Comparison, OFFICIAL_SHA256, PublishedComparison, Run};
use super::measures::{Measures, Verdict};
use crate::model::Loaded;
use crate::session::FinishReason;
use serde::{Deserialize, Serialize};

/// What computed the answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Machine {
    /// Operating system, or the browser's name for itself.
    pub os: String,
    /// Processor.
    pub processor: String,
    /// Kernels in use.
    pub backend: &'static str,
    /// Threads in use.
    pub threads: usize,
    /// This program and its version.
    pub program: &'static str,
}

/// Which model answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ModelFacts {
    /// Its file's name.
    pub file: Option<String>,
    /// SHA-256 of the file, where it was taken.
    pub sha256: Option<String>,
    /// `general.name`.
    pub name: Option<String>,
    /// `general.architecture`.
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
}

/// One prompt's part of a [`Report`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Entry {
    /// The text that the answer goes on from.
    pub prompt: String,
    /// The answer.
    pub text: String,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// What the measures make of it.
    pub verdict: Verdict,
    /// The verdict's reason, for a person.
    pub why: String,
    /// What was measured.
    pub measures: Measures,
    /// The model ended by itself.
    pub ended: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub generated_tokens: usize,
    /// From the start to the first token.
    pub time_to_first_token_ms: f64,
    /// Rate of reading the prompt.
    pub prompt_tokens_per_second: f64,
    /// Rate of the answer without its first token.
    pub generation_tokens_per_second: f64,
    /// Against another run, where it has the prompt.
    pub reference: Option<Comparison>,
    /// Against what was published of the official file, where this is that file and the prompt is one of those.
    pub published: Option<PublishedComparison>,
}

/// Everything that was found. Serialized it is metrics.json, which [`Run`] reads back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Report {
    /// Which model.
    pub model: ModelFacts,
    /// On what.
    pub machine: Machine,
    /// Type of the KV cache.
    pub kv_cache: &'static str,
    /// Tokens that an answer could have.
    pub max_tokens: usize,
    /// What the loader had to decide.
    pub notes: Vec<String>,
    /// The answers.
    pub prompts: Vec<Entry>,
}

/// What a report needs besides model and answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct About {
    /// The model file's name.
    pub file: Option<String>,
    /// Operating system or browser.
    pub os: String,
    /// Processor.
    pub processor: String,
    /// Tokens that an answer could have.
    pub max_tokens: usize,
    /// Another run's metrics.json.
    #[cfg_attr(test, ts(type = "unknown", optional))]
    pub reference: Option<Run>,
}

impl Report {
    /// Measures answers of `loaded`.
    pub fn new(loaded: &Loaded, kv_cache: &'static str, about: About, answers: &[Answer]) -> Self {
        let (config, compute) = (&loaded.model.config, &loaded.model.compute);
        let official = loaded.sha256.as_deref() == Some(OFFICIAL_SHA256);
        let entry = |answer: &Answer| {
            let measures = Measures::of(answer, &loaded.tokenizer);
            let verdict = measures.verdict();
            Entry {
                prompt: answer.prompt.clone(),
                text: answer.text.clone(),
                ids: answer.ids.clone(),
                verdict,
                why: measures.why(verdict),
                measures,
                ended: answer.finish_reason == FinishReason::Stop,
                prompt_tokens: answer.usage.prompt_tokens,
                generated_tokens: answer.usage.completion_tokens,
                time_to_first_token_ms: answer.timings.time_to_first_token_ms,
                prompt_tokens_per_second: answer.timings.prefill_tokens_per_second,
                generation_tokens_per_second: answer.timings.decode_tokens_per_second,
                reference: about.reference.as_ref().and_then(|run| run.compare(answer)),
                published: if official { PublishedComparison::of(answer) } else { None },
            }
        };
        Self {
            model: ModelFacts {
                file: about.file.clone(),
                sha256: loaded.sha256.clone(),
                name: loaded.name.clone(),
                architecture: config.architecture.clone(),
                parameters: loaded.model.parameters(),
            },
            machine: Machine {
                os: about.os.clone(),
                processor: about.processor.clone(),
                backend: compute.backend.name(),
                threads: compute.pool.threads(),
                program: concat!("b158 ", env!("CARGO_PKG_VERSION")),
            },
            kv_cache,
            max_tokens: about.max_tokens,
            notes: loaded.notes.clone(),
            prompts: answers.iter().map(entry).collect(),
        }
    }

    /// Answers that are no text. Loops are not counted: sound models loop too when they are greedy.
    pub fn bad(&self) -> usize {
        self.prompts.iter().filter(|p| matches!(p.verdict, Verdict::Salad | Verdict::Empty)).count()
    }
}
