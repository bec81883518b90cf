//! One conversation with a model: prompt in, tokens out, a step at a time.
//!
//! A step does a bounded piece of work and returns, so that one thread can both compute and listen: a browser's
//! worker looks at its messages between steps, and a stop is heard in the middle of a long prompt. What the KV
//! cache already holds of the next prompt is not computed again. [`Session::generate`] is the same as an iterator
//! over text, for callers with nothing else to do.
//!
//! Any number of sessions share one model, and nothing else. A session can be copied, and saved as bytes that another
//! one takes, on any machine: see [`saved`].
//!
//! Next: [`sampler`](crate::sampler), which chooses each token.

mod constrained;
mod embedding;
mod generation;
mod prefix;
mod run;
pub mod saved;
mod texts;
mod together;

pub use constrained::ConstraintStats;
pub use generation::Generation;
pub use texts::shortened;
pub use together::{Together, TogetherOptions};

use crate::allocate::{try_copy, try_with_capacity};
use crate::model::{DEFAULT_BATCH, KvType, Loaded, Model, State};
use crate::sampler::{Logprobs, SamplerOptions};
use crate::threads::Tuner;
use crate::{Error, Result};
use constrained::{Constrained, Last, Turn};
use run::Run;
use std::sync::Arc;
use std::time::Duration;
use web_time::Instant;

/// How a session holds its context.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionOptions {
    /// Tokens that fit, prompt and answer; the model's own length, at most [`DEFAULT_CONTEXT`](crate::model::DEFAULT_CONTEXT), where absent.
    pub context: Option<usize>,
    /// Type of the KV cache; [chosen](Loaded::kv_cache) by the memory that there is where absent.
    pub kv_type: Option<KvType>,
    /// Let generation find out how many of the pool's threads make it fastest; all of them where false.
    pub tune_threads: bool,
    /// Prompt tokens per pass; 0 takes [`DEFAULT_BATCH`]. Does not change the result.
    pub batch: usize,
}

const TOKENS: &str = "the tokens of a session";

/// What to generate.
#[derive(Debug, Clone, Default)]
pub struct GenerateOptions {
    /// Tokens to generate at most; up to the end of the context where absent. With 0 the prompt is read and no more. An answer of a
    /// [form](Session::constrain) that is whole before the last of them is not cut for it.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampler: SamplerOptions,
    /// Text at which to stop; it is not part of the answer. The name of a control token (`<|eot_id|>`) stops at the token.
    pub stop: Vec<String>,
    /// Go on past the end-of-text and end-of-turn tokens, but not past the end of a [form](Session::constrain).
    pub ignore_end: bool,
    /// Spell control tokens out in the text, the one that ends it too.
    pub special: bool,
    /// Control tokens that are spelled out in the text even so, as a [`chat`](crate::chat) needs of those that its answers have parts by.
    pub spelled: Vec<u32>,
    /// Give each token's log-probability and the entropy of its distribution: where the answer has a [form](Session::constrain),
    /// among the tokens that may follow. Costs an exponential for each token of the vocabulary.
    pub logprobs: bool,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Part of the prompt was read.
    Prefill {
        /// Prompt tokens in the cache.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// Part of a pass over several tokens that were [certain](Session::constrain) was computed. There is nothing to tell of it.
    Pass,
    /// A token was generated.
    Token {
        /// Its id.
        id: u32,
        /// Text that is complete with it; empty inside a character or a possible stop string.
        text: String,
        /// Its log-probability, if that was asked for.
        logprobs: Option<Logprobs>,
    },
    /// Generation has ended.
    Done(Summary),
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum FinishReason {
    /// An end token, a stop string, or the end of the answer's form.
    Stop,
    /// `max_tokens`, or the end of the context.
    Length,
    /// [`Session::cancel`].
    Cancelled,
}

/// Counts of a finished generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, taken from the cache.
    pub cached_tokens: usize,
    /// Tokens generated.
    pub completion_tokens: usize,
}

/// Times of a finished generation.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Timings {
    /// Reading the prompt, to its last token's logits, in milliseconds.
    pub prefill_ms: f64,
    /// From the first token to the last, in milliseconds.
    pub decode_ms: f64,
    /// From the start to the first token, in milliseconds.
    pub time_to_first_token_ms: f64,
    /// Prompt tokens (without cached ones) a second.
    pub prefill_tokens_per_second: f64,
    /// Generated tokens (without the first) a second.
    pub decode_tokens_per_second: f64,
    /// Threads that the last token had.
    pub decode_threads: usize,
}

/// The end of a generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Text that was held back as a possible beginning of a stop string or an unfinished character.
    pub text: String,
    /// Token counts.
    pub usage: Usage,
    /// Times.
    pub timings: Timings,
    /// What the answer's form cost, if it had [one](Session::constrain).
    pub constraint: Option<ConstraintStats>,
}

/// A text in the making.
pub struct Session {
    loaded: Arc<Loaded>,
    state: State,
    /// Prompt and answer. The cache holds a beginning of it.
    tokens: Vec<u32>,
    run: Option<Run>,
    /// How many threads generation has; all of them where absent.
    tuner: Option<Tuner>,
    note: Option<String>,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; a context of 0 or beyond what the model was trained for.
    pub fn new(loaded: Arc<Loaded>, options: SessionOptions) -> Result<Self> {
        let context = loaded.model.config.context(options.context)?;
        let batch = if options.batch == 0 { DEFAULT_BATCH } else { options.batch };
        let (kv_type, note) = loaded.kv_cache(options.kv_type, context);
        let state = State::new(&loaded.model, kv_type, context, batch)?;
        let tuner = options.tune_threads.then(|| Tuner::new(loaded.model.compute.pool.threads()));
        Ok(Session { loaded, state, tokens: Vec::new(), run: None, tuner, note })
    }

    /// What it had to decide by itself and a user should know.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The model and its tokenizer.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// The KV cache and the buffers.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Forgets everything read and generated.
    pub fn reset(&mut self) {
        self.run = None;
        self.tokens.clear();
        self.state.cache.truncate(0);
        self.state.forget();
    }

    /// A session of its own that has read what this one has. A generation under way is not copied.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn try_clone(&self) -> Result<Self> {
        let (model, cache) = (&self.loaded.model, &self.state.cache);
        let mut state = State::new(model, cache.kind(), cache.context(), self.state.batch())?;
        state.cache = cache.try_clone()?;
        let tuner = self.tuner.as_ref().map(|_| Tuner::new(model.compute.pool.threads()));
        let tokens = try_copy(&self.tokens[..cache.len()], TOKENS)?;
        Ok(Session { loaded: Arc::clone(&self.loaded), state, tokens, run: None, tuner, note: self.note.clone() })
    }

    /// Begins a generation after `prompt`; one under way is dropped. What the cache holds of the prompt's beginning
    /// is kept.
    ///
    /// # Errors
    /// An empty prompt, one that does not fit the context, an unknown id, a sampling option out of range,
    /// [`Error::OutOfMemory`]. The session is then as it was.
    pub fn start(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Usage> {
        let vocabulary = self.loaded.model.config.vocabulary as u32;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() > self.context() {
            return Err(Error::PromptTooLong { tokens: prompt.len(), context: self.context() });
        }
        if let Some(&id) = prompt.iter().find(|&&id| id >= vocabulary) {
            return Err(Error::BadToken { id, vocabulary });
        }
        let mut run = Run::new(options, &self.loaded.tokenizer, vocabulary)?;
        // The answer's too, so that no token of it waits for memory.
        let most = prompt.len().saturating_add(run.max_tokens).min(self.context());
        let mut tokens = try_with_capacity(most, TOKENS)?;
        tokens.extend_from_slice(prompt);
        let shared = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        // The last token is always computed: its logits are not kept.
        self.state.cache.truncate(shared.min(prompt.len() - 1));
        self.state.forget();
        self.tokens = tokens;
        run.usage = Usage { prompt_tokens: prompt.len(), cached_tokens: self.state.cache.len(), completion_tokens: 0 };
        let usage = run.usage;
        self.run = Some(run);
        Ok(usage)
    }

    /// Ends the generation under way: the next step is its [`Step::Done`].
    pub fn cancel(&mut self) {
        if let Some(run) = &mut self.run {
            run.finish = Some(FinishReason::Cancelled);
        }
    }

    /// Tokens that fit.
    pub fn context(&self) -> usize {
        self.state.cache.context()
    }

    /// Works until a token is out, a pass over the prompt or over several certain tokens is complete, or, in such a pass, `budget` is
    /// used up (a layer is never cut).
    ///
    /// # Errors
    /// [`Error::NotStarted`] without a generation under way, [`Error::OutOfMemory`], [`Error::NotFinite`] where the model
    /// gives no numbers, [`Error::Constraint`] where the answer can't keep its form; the generation is then over and the session
    /// usable.
    pub fn step(&mut self, budget: Duration) -> Result<Step> {
        let mut run = self.run.take().ok_or(Error::NotStarted)?;
        let step = self.advance(&mut run, budget)?;
        if !matches!(step, Step::Done(_)) {
            self.run = Some(run);
        }
        Ok(step)
    }

    fn advance(&mut self, run: &mut Run, budget: Duration) -> Result<Step> {
        let loaded = Arc::clone(&self.loaded);
        let (model, tokenizer) = (&loaded.model, &loaded.tokenizer);
        if let Some(finish_reason) = run.finish {
            return Ok(Step::Done(run.summary(finish_reason)));
        }
        let prefill = run.prefilled.is_none();
        if prefill {
            // A prompt is arithmetic: all threads help.
            model.compute.pool.set_active(model.compute.pool.threads());
            run.threads = model.compute.pool.active();
            if !self.pass(model, run, Some(budget))? || self.state.cache.len() < self.tokens.len() {
                return Ok(Step::Prefill { done: self.state.cache.len(), total: run.usage.prompt_tokens });
            }
        }
        let is_full = self.is_full(run);
        if let Some(answer) = &mut run.constrained {
            run.prefilled.get_or_insert_with(|| run.started.elapsed());
            match answer.turn(&self.tokens, tokenizer)? {
                Turn::End => return Ok(Step::Done(run.summary(FinishReason::Stop))),
                Turn::Take(id) if !is_full && run.ends(id, tokenizer, true) => {
                    return Ok(Step::Done(run.end_at(id, tokenizer)));
                }
                Turn::Take(id) if !is_full => {
                    let logprobs = run.logprobs.then_some(Logprobs::CERTAIN);
                    return Ok(self.take(run, id, logprobs));
                }
                Turn::Take(_) | Turn::Choose => {}
            }
        }
        if is_full {
            // The prompt is read, and kept: that may be all that was wanted.
            run.prefilled.get_or_insert_with(|| run.started.elapsed());
            return Ok(Step::Done(run.summary(FinishReason::Length)));
        }
        let unread = self.tokens.len() - self.state.cache.len();
        let begun = Instant::now();
        if unread > 0 {
            let pool = &model.compute.pool;
            // Several tokens that were certain are arithmetic too.
            let tuner = self.tuner.as_ref().filter(|_| unread == 1);
            pool.set_active(tuner.map_or(pool.threads(), Tuner::threads));
            run.threads = pool.active();
            let budget = (unread > 1).then_some(budget);
            if !self.pass(model, run, budget)? || self.state.cache.len() < self.tokens.len() {
                return Ok(Step::Pass);
            }
        }
        // The pass that ended with the newest token: its last row has the logits.
        let few = run.constrained.as_ref().and_then(Constrained::few);
        let logits = match few {
            Some(few) => self.state.last_logits_of(model, few)?,
            None => self.state.last_logits(model)?,
        };
        if let Some(tuner) = self.tuner.as_mut().filter(|_| unread == 1 && few.is_none()) {
            tuner.record(begun.elapsed());
        }
        let restricted = run.constrained.as_mut().is_some_and(|answer| answer.restrict(logits, tokenizer));
        run.prefilled.get_or_insert_with(|| run.started.elapsed());
        let id = run.sampler.sample(logits, &self.tokens);
        let chosen = logits[id as usize];
        if restricted && (chosen.is_nan() || chosen == f32::NEG_INFINITY) {
            let reason = "logit_bias or a penalty rules out every token that may follow".to_owned();
            return Err(Error::Constraint { reason });
        }
        if run.ends(id, tokenizer, restricted) {
            return Ok(Step::Done(run.end_at(id, tokenizer)));
        }
        let logprobs = run.logprobs.then(|| Logprobs::of(logits, id));
        let is_last = run.usage.completion_tokens + 1 >= run.max_tokens || self.tokens.len() + 1 == self.context();
        let last = run.constrained.as_mut().filter(|answer| is_last && answer.may_end(tokenizer));
        let finish = match last.map(|answer| answer.after(id, tokenizer)).transpose()? {
            None => None,
            Some(Last::Whole) => Some(FinishReason::Stop),
            Some(Last::MayEnd) => Some(FinishReason::Length),
            // An answer that is whole is worth more than one token more.
            Some(Last::Cut) => return Ok(Step::Done(run.summary(FinishReason::Length))),
        };
        let step = self.take(run, id, logprobs);
        run.finish = run.finish.or(finish);
        Ok(step)
    }

    /// Whether no more tokens may come, or fit.
    fn is_full(&self, run: &Run) -> bool {
        run.usage.completion_tokens >= run.max_tokens || self.tokens.len() == self.context()
    }

    /// Adds a token to the text.
    fn take(&mut self, run: &mut Run, id: u32, logprobs: Option<Logprobs>) -> Step {
        run.note_time();
        self.tokens.push(id);
        run.usage.completion_tokens += 1;
        let text = run.text(id, &self.loaded.tokenizer);
        let (text, hit) = run.stop.push(&text);
        if hit {
            run.stopped = true;
            run.finish = Some(FinishReason::Stop);
        } else if let Some(answer) = &mut run.constrained {
            // At the limit of tokens too it is asked first whether the answer is whole.
            answer.took();
        } else if self.is_full(run) {
            run.finish = Some(FinishReason::Length);
        }
        Step::Token { id, text, logprobs }
    }

    /// Layers of the pass under way or the next one; true when it is complete.
    fn pass(&mut self, model: &Model, run: &mut Run, budget: Option<Duration>) -> Result<bool> {
        let begun = Instant::now();
        if !run.in_pass {
            let from = self.state.cache.len();
            let to = self.tokens.len().min(from + self.state.batch());
            self.state.begin(model, &self.tokens[from..to])?;
            run.in_pass = true;
        }
        loop {
            if self.state.step(model)? {
                run.in_pass = false;
                return Ok(true);
            }
            if budget.is_some_and(|budget| begun.elapsed() >= budget) {
                return Ok(false);
            }
        }
    }
}
