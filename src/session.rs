//! One conversation with a model: prompt in, tokens out, a step at a time.
//!
//! A step does a bounded piece of work and returns, so that one thread can both compute and listen: a browser's
//! worker looks at its messages between steps, and a stop is heard in the middle of a long prompt. What the KV
//! cache already holds of the next prompt is not computed again. [`Session::generate`] is the same as an iterator
//! over text, for callers with nothing else to do.
//!
//! Any number of sessions share one model, and nothing else, or [work together](Together), so that the weights are read once for
//! the next tokens of all. A session can be copied, and saved as bytes that another
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
// In a tab there is one talk at a time, and constraints stay on their thread.
#[cfg(not(target_family = "wasm"))]
mod together;

pub use constrained::ConstraintStats;
pub use generation::Generation;
pub use texts::shortened;
#[cfg(not(target_family = "wasm"))]
pub use together::{MIXED_BATCH, Together, TogetherOptions};

use crate::allocate::{try_copy, try_with_capacity};
use crate::model::{DEFAULT_BATCH, KvCache, KvType, Loaded, Model, Next, Pass};
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
    /// Keys and values of a beginning of the tokens.
    cache: KvCache,
    /// The buffers of its passes. One that works [together](Together) with others takes them only when it is stepped alone.
    pass: Option<Pass>,
    batch: usize,
    /// Prompt and answer.
    tokens: Vec<u32>,
    run: Option<Run>,
    /// Its part in the pass that read the newest token of the cache.
    read: Option<InPass>,
    /// How many threads generation has; all of them where absent.
    tuner: Option<Tuner>,
    note: Option<String>,
}

/// A part of a pass, of any there have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InPass {
    number: u64,
    part: usize,
}

/// What a session has to do next.
enum Due {
    /// To tell this.
    Told(Step),
    /// To read the tokens that are not in the cache.
    Read,
    /// To choose a token: all have been read.
    Choose,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; a context of 0 or beyond what the model was trained for.
    pub fn new(loaded: Arc<Loaded>, options: SessionOptions) -> Result<Self> {
        let mut session = Self::without_pass(loaded, options)?;
        session.pass = Some(session.own_pass()?);
        Ok(session)
    }

    /// One without buffers.
    fn without_pass(loaded: Arc<Loaded>, options: SessionOptions) -> Result<Self> {
        let context = loaded.model.config.context(options.context)?;
        let batch = if options.batch == 0 { DEFAULT_BATCH } else { options.batch };
        let (kv_type, note) = loaded.kv_cache(options.kv_type, context);
        let cache = KvCache::new(&loaded.model.config, kv_type, context);
        let tuner = options.tune_threads.then(|| Tuner::new(loaded.model.compute.pool.threads()));
        let batch = batch.clamp(1, context);
        Ok(Session { loaded, cache, pass: None, batch, tokens: Vec::new(), run: None, read: None, tuner, note })
    }

    fn own_pass(&self) -> Result<Pass> {
        Pass::new(&self.loaded.model, self.context(), self.batch)
    }

    /// What it had to decide by itself and a user should know.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The model and its tokenizer.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// The KV cache.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    /// What has been read: the tokens whose keys and values the cache holds.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens[..self.cache.len()]
    }

    /// Forgets everything read and generated.
    pub fn reset(&mut self) {
        (self.run, self.read) = (None, None);
        self.tokens.clear();
        self.cache.truncate(0);
    }

    /// A session of its own that has read what this one has. A generation under way is not copied.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Session {
            loaded: Arc::clone(&self.loaded),
            cache: self.cache.try_clone()?,
            pass: self.pass.as_ref().map(|_| self.own_pass()).transpose()?,
            batch: self.batch,
            tokens: try_copy(self.tokens(), TOKENS)?,
            run: None,
            read: None,
            tuner: self.tuner.as_ref().map(|_| Tuner::new(self.loaded.model.compute.pool.threads())),
            note: self.note.clone(),
        })
    }

    /// Begins a generation after `prompt`; one under way is dropped. What the cache holds of the prompt's beginning
    /// is kept.
    ///
    /// # Errors
    /// An empty prompt, one that does not fit the context, an unknown id, a sampling option out of range,
    /// [`Error::OutOfMemory`]. The session is then as it was.
    pub fn start(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Usage> {
        self.loaded.check_prompt(prompt, self.context())?;
        let mut run = Run::new(options, &self.loaded.tokenizer, self.loaded.model.config.vocabulary as u32)?;
        // The answer's too, so that no token of it waits for memory.
        let most = prompt.len().saturating_add(run.max_tokens).min(self.context());
        let mut tokens = try_with_capacity(most, TOKENS)?;
        tokens.extend_from_slice(prompt);
        let shared = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        // The last token is always computed: its logits are not kept.
        self.cache.truncate(shared.min(prompt.len() - 1));
        self.read = None;
        self.tokens = tokens;
        run.usage = Usage { prompt_tokens: prompt.len(), cached_tokens: self.cache.len(), completion_tokens: 0 };
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
        self.cache.context()
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
        let mut pass = match self.pass.take() {
            Some(pass) => pass,
            None => self.own_pass()?,
        };
        let step = self.advance(&mut run, &mut pass, budget);
        self.pass = Some(pass);
        let step = step?;
        if !matches!(step, Step::Done(_)) {
            self.run = Some(run);
        }
        Ok(step)
    }

    fn advance(&mut self, run: &mut Run, pass: &mut Pass, budget: Duration) -> Result<Step> {
        let loaded = Arc::clone(&self.loaded);
        let (model, pool) = (&loaded.model, &loaded.model.compute.pool);
        let mut single = None;
        loop {
            match self.due(run)? {
                Due::Told(step) => return Ok(step),
                Due::Read => {
                    let is_single = self.unread() == 1 && self.has_read_prompt(run);
                    // A prompt is arithmetic, and so are several tokens that were certain: all threads help.
                    let tuner = self.tuner.as_ref().filter(|_| is_single);
                    pool.set_active(tuner.map_or(pool.threads(), Tuner::threads));
                    run.threads = pool.active();
                    single = is_single.then(Instant::now);
                    let budget = (!is_single).then_some(budget);
                    if !self.pass(model, run, pass, budget)? || self.unread() > 0 {
                        return Ok(self.progress(run));
                    }
                }
                Due::Choose => {
                    // The pass that ended with the newest token: its last row has the logits.
                    let few = run.constrained.as_ref().and_then(Constrained::few);
                    let logits = match few {
                        Some(few) => pass.logits_of(model, pass.last_row(0), few)?,
                        None => pass.logits_after(model, pass.last_row(0))?,
                    };
                    if let Some((tuner, begun)) = self.tuner.as_mut().zip(single).filter(|_| few.is_none()) {
                        tuner.record(begun.elapsed());
                    }
                    return self.choose(run, logits);
                }
            }
        }
    }

    /// What comes next. Asked again, it says the same until tokens have been read or one has been told.
    fn due(&mut self, run: &mut Run) -> Result<Due> {
        let tokenizer = &self.loaded.tokenizer;
        if let Some(finish_reason) = run.finish {
            return Ok(Due::Told(Step::Done(run.summary(finish_reason))));
        }
        if !self.has_read_prompt(run) {
            return Ok(Due::Read);
        }
        let is_full = self.is_full(run);
        if let Some(answer) = &mut run.constrained {
            run.prefilled.get_or_insert_with(|| run.started.elapsed());
            match answer.turn(&self.tokens, tokenizer)? {
                Turn::End => return Ok(Due::Told(Step::Done(run.summary(FinishReason::Stop)))),
                Turn::Take(id) if !is_full && run.ends(id, tokenizer, true) => {
                    return Ok(Due::Told(Step::Done(run.end_at(id, &self.loaded.tokenizer))));
                }
                Turn::Take(id) if !is_full => {
                    let logprobs = run.logprobs.then_some(Logprobs::CERTAIN);
                    return Ok(Due::Told(self.take(run, id, logprobs)));
                }
                Turn::Take(_) | Turn::Choose => {}
            }
        }
        if is_full {
            // The prompt is read, and kept: that may be all that was wanted.
            run.prefilled.get_or_insert_with(|| run.started.elapsed());
            return Ok(Due::Told(Step::Done(run.summary(FinishReason::Length))));
        }
        Ok(if self.unread() > 0 { Due::Read } else { Due::Choose })
    }

    /// Takes the token that the logits say.
    fn choose(&mut self, run: &mut Run, logits: &mut [f32]) -> Result<Step> {
        let tokenizer = &self.loaded.tokenizer;
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

    /// Tokens that are not in the cache.
    fn unread(&self) -> usize {
        self.tokens.len() - self.cache.len()
    }

    fn has_read_prompt(&self, run: &Run) -> bool {
        self.cache.len() >= run.usage.prompt_tokens
    }

    /// What there is to tell while tokens are read.
    fn progress(&self, run: &Run) -> Step {
        match self.has_read_prompt(run) {
            true => Step::Pass,
            false => Step::Prefill { done: self.cache.len(), total: run.usage.prompt_tokens },
        }
    }

    /// Layers of the pass under way or the next one; true when it is complete.
    fn pass(&mut self, model: &Model, run: &mut Run, pass: &mut Pass, budget: Option<Duration>) -> Result<bool> {
        let begun = Instant::now();
        let own = |pass: &Pass| InPass { number: pass.number(), part: 0 };
        if run.in_pass != Some(own(pass)) {
            let tokens = self.unread().min(self.batch);
            self.cache.reserve(tokens)?;
            let tokens = &self.tokens[self.cache.len()..][..tokens];
            pass.begin(model, &[Next { cache: &self.cache, tokens }])?;
            run.in_pass = Some(own(pass));
        }
        loop {
            let is_complete = pass.step(model, &mut [Some(&mut self.cache)])?;
            if let Some(fault) = pass.fault(0) {
                return Err(fault.clone());
            }
            if is_complete {
                (self.read, run.in_pass) = (run.in_pass.take(), None);
                return Ok(true);
            }
            if budget.is_some_and(|budget| begun.elapsed() >= budget) {
                return Ok(false);
            }
        }
    }
}
