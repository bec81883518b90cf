//! A generation under way: its options, what it has said, and the clock.

use super::constrained::Constrained;
use super::{FinishReason, GenerateOptions, InPass, Summary, Timings, Usage};
use crate::Result;
use crate::sampler::Sampler;
use crate::tokenizer::{StopStrings, TextStream, Tokenizer};
use std::time::Duration;
use web_time::Instant;

/// A generation under way.
pub(super) struct Run {
    pub(super) sampler: Sampler,
    pub(super) stop: StopStrings,
    /// Control tokens that end the answer even where `ignore_end` is set.
    pub(super) stop_ids: Vec<u32>,
    pub(super) stream: TextStream,
    pub(super) max_tokens: usize,
    pub(super) ignore_end: bool,
    pub(super) special: bool,
    pub(super) spelled: Vec<u32>,
    pub(super) logprobs: bool,
    /// Where it keeps to a form.
    pub(super) constrained: Option<Constrained>,
    pub(super) usage: Usage,
    /// Its part in the pass under way.
    pub(super) in_pass: Option<InPass>,
    /// Passes of others that it has waited for.
    #[cfg(not(target_family = "wasm"))]
    pub(super) waited: u32,
    /// Threads of the last pass.
    pub(super) threads: usize,
    pub(super) finish: Option<FinishReason>,
    /// A stop string was met: what is withheld begins with it.
    pub(super) stopped: bool,
    pub(super) started: Instant,
    pub(super) prefilled: Option<Duration>,
    pub(super) first_token: Option<Duration>,
    pub(super) last_token: Duration,
}

impl Run {
    /// One that begins now.
    ///
    /// # Errors
    /// A sampling option out of range, [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn new(options: GenerateOptions, tokenizer: &Tokenizer, vocabulary: u32) -> Result<Self> {
        Ok(Run {
            sampler: Sampler::new(options.sampler, vocabulary)?,
            stop_ids: options.stop.iter().filter_map(|name| tokenizer.control_id(name)).collect(),
            stop: StopStrings::new(options.stop),
            stream: tokenizer.stream(),
            max_tokens: options.max_tokens.unwrap_or(usize::MAX),
            ignore_end: options.ignore_end,
            special: options.special,
            spelled: options.spelled,
            logprobs: options.logprobs,
            constrained: None,
            usage: Usage::default(),
            in_pass: None,
            #[cfg(not(target_family = "wasm"))]
            waited: 0,
            threads: 0,
            finish: None,
            stopped: false,
            started: Instant::now(),
            prefilled: None,
            first_token: None,
            last_token: Duration::ZERO,
        })
    }

    /// Whether the answer ends with this token, which is the form's end where it is `restricted`.
    pub(super) fn ends(&self, id: u32, tokenizer: &Tokenizer, restricted: bool) -> bool {
        tokenizer.is_end(id) && (restricted || !self.ignore_end) || self.stop_ids.contains(&id)
    }

    /// The end of an answer that this token ends.
    pub(super) fn end_at(&mut self, id: u32, tokenizer: &Tokenizer) -> Summary {
        self.note_time();
        let shown = if self.spells(id) { self.text(id, tokenizer) } else { String::new() };
        let mut summary = self.summary(FinishReason::Stop);
        summary.text += &shown;
        summary
    }

    pub(super) fn text(&mut self, id: u32, tokenizer: &Tokenizer) -> String {
        if self.spells(id) { self.stream.push_special(id, tokenizer) } else { self.stream.push(id, tokenizer) }
    }

    /// Whether it is shown though it be a control token.
    fn spells(&self, id: u32) -> bool {
        self.special || self.spelled.contains(&id)
    }

    /// A token has been found.
    pub(super) fn note_time(&mut self) {
        self.last_token = self.started.elapsed();
        self.first_token.get_or_insert(self.last_token);
    }

    pub(super) fn summary(&mut self, finish_reason: FinishReason) -> Summary {
        let mut text = String::new();
        if !self.stopped {
            text = self.stop.push(&self.stream.finish()).0;
            text += &self.stop.finish();
        }
        let prefill = self.prefilled.unwrap_or_else(|| self.started.elapsed());
        let first = self.first_token.unwrap_or_default();
        let decode = self.last_token.saturating_sub(first);
        let read = self.usage.prompt_tokens - self.usage.cached_tokens;
        let rate = |tokens: usize, time: Duration| {
            if tokens == 0 || time.is_zero() { 0.0 } else { tokens as f64 / time.as_secs_f64() }
        };
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Summary {
            finish_reason,
            text,
            usage: self.usage,
            timings: Timings {
                prefill_ms: ms(prefill),
                decode_ms: ms(decode),
                time_to_first_token_ms: ms(first),
                prefill_tokens_per_second: rate(read, prefill),
                decode_tokens_per_second: rate(self.usage.completion_tokens.saturating_sub(1), decode),
                decode_threads: self.threads,
            },
            constraint: self.constrained.as_mut().map(Constrained::stats),
        }
    }
}
