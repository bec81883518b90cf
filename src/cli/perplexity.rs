//! `b158 perplexity`: how well a model expects a text, computed as llama.cpp's `llama-perplexity` does.
//!
//! The text is cut into windows of the context's length, each begins with the begin-of-text token (in place of its first
//! token), and the second half of each is scored: every scored token has at least half a context before it.

use super::load::{KvCacheType, Model};
use super::terminal::{self, say};
use super::values::whole;
use super::{Outcome, prompt};
use b158::model::State;
use b158::tokenizer::Special;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;

/// The window of llama-perplexity.
const DEFAULT_WINDOW: usize = 512;
/// The second half of a window is scored, but for its last token, after which nothing comes: here one token.
const LEAST_WINDOW: usize = 3;

#[derive(Args)]
pub(crate) struct Perplexity {
    #[command(flatten)]
    model: Model,
    /// The text to score.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: PathBuf,
    /// Tokens in a window; 0 takes the model's context [default: 512, or the model's context where that is shorter].
    #[arg(short = 'c', long = "ctx-size", value_name = "N", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens; 0 takes the model's own context"))]
    ctx_size: Option<usize>,
    /// Windows to score at most; -1 scores all, which is the default.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<i64>(-1, "a number of windows, or -1 for all"))]
    chunks: Option<i64>,
    /// Type of the KV cache: f16, f32, q8_0, or `auto`: f16, and q8_0 where the model would not fit this machine's memory with it.
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    kv_cache: KvCacheType,
    /// Tokens per pass; changes the speed, never the result.
    #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "64", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(1, "a number of tokens, 1 or more"))]
    batch_size: usize,
    /// Print JSON instead of a line.
    #[arg(long)]
    json: bool,
}

/// Negative log-likelihoods, in nats.
#[derive(Default)]
struct Score {
    tokens: u64,
    sum: f64,
    squares: f64,
}

impl Score {
    fn add(&mut self, nll: f64) {
        self.tokens += 1;
        self.sum += nll;
        self.squares += nll * nll;
    }

    fn nats(&self) -> f64 {
        self.sum / self.tokens as f64
    }

    fn perplexity(&self) -> f64 {
        self.nats().exp()
    }

    /// Standard error of [`nats`](Self::nats), scaled to the perplexity.
    fn error(&self) -> f64 {
        let variance = self.squares / self.tokens as f64 - self.nats() * self.nats();
        (variance.max(0.0) / (self.tokens as f64 - 1.0).max(1.0)).sqrt() * self.perplexity()
    }
}

impl Perplexity {
    pub(crate) fn run(self) -> Outcome {
        let path = terminal::path(&self.file);
        let text = prompt::file(&self.file)?;
        let loaded = self.model.load()?;
        let (model, tokenizer) = (&loaded.model, &loaded.tokenizer);
        let trained = model.config.context_length;
        let window = match self.ctx_size {
            None => trained.min(DEFAULT_WINDOW),
            Some(0) => trained,
            Some(tokens) => tokens,
        };
        if window < LEAST_WINDOW || window > trained {
            let range = format!("it has {LEAST_WINDOW} to {trained}, the model's own context");
            return Err(format!("a window of {window} tokens: {range}; set it with -c").into());
        }
        if self.chunks == Some(0) {
            return Err("0 windows (--chunks): there is nothing to score".into());
        }
        let ids = tokenizer.encode(&text, Special::TEXT)?;
        let windows =
            (ids.len() / window).min(self.chunks.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX));
        if windows == 0 {
            let short = format!("{path} has {} tokens, a window takes {window}: give a longer text, or -c", ids.len());
            return Err(short.into());
        }
        let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
        let bar = bar(windows as u64, self.model.quiet);
        let kv_type = self.kv_cache.choose(&loaded, window, self.model.quiet);
        let mut state = State::new(model, kv_type, window, self.batch_size)?;
        let mut score = Score::default();
        for ids in ids.chunks_exact(window).take(windows) {
            let mut ids = ids.to_vec();
            if let Some(bos) = bos {
                ids[0] = bos;
            }
            state.cache.truncate(0);
            for batch in ids.chunks(state.batch()) {
                let first = state.cache.len();
                state.begin(model, batch)?;
                while !state.step(model)? {}
                for row in 0..batch.len() {
                    let position = first + row;
                    if position >= window / 2 && position + 1 < window {
                        score.add(nll(state.logits(model, row)?, ids[position + 1]));
                    }
                }
            }
            bar.inc(1);
            bar.set_message(format!("perplexity {:.3}", score.perplexity()));
        }
        bar.finish_and_clear();
        if !score.perplexity().is_finite() {
            let (nats, tokens) = (score.nats(), score.tokens);
            let what = format!("the perplexity is no number: {nats} nats a token over {tokens} tokens");
            return Err(format!("{what}; the model does not know this text at all, or its file is damaged").into());
        }
        if self.json {
            let all = json!({
                "perplexity": score.perplexity(),
                "error": score.error(),
                "natsPerToken": score.nats(),
                "scoredTokens": score.tokens,
                "windows": windows,
                "window": window,
                "kvCache": kv_type.name(),
                "backend": model.compute.backend.name(),
                "threads": model.compute.pool.threads(),
            });
            terminal::out().json(&all)?;
        } else {
            terminal::out().line(&format!("{:.4} +/- {:.4}", score.perplexity(), score.error()))?;
        }
        if !self.model.quiet {
            say!("{:.4} nats a token over {} tokens of {windows} windows of {window}", score.nats(), score.tokens);
        }
        Ok(())
    }
}

/// -ln of the softmax of `logits` at `id`.
fn nll(logits: &[f32], id: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    total.ln() - f64::from(logits[id as usize] - most)
}

fn bar(windows: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = "{msg} {bar:30} {pos} of {len} windows, {eta} left";
    ProgressBar::new(windows)
        .with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_have_the_vocabulary_as_perplexity() {
        let mut score = Score::default();
        (0..10).for_each(|id| score.add(nll(&[3.0; 50], id)));
        assert!((score.perplexity() - 50.0).abs() < 1e-9 && score.error() < 1e-6, "{}", score.perplexity());
    }

    #[test]
    fn a_coin_that_falls_three_times_in_four() {
        // Probabilities 3/4 and 1/4, met as often.
        let logits = [3f32.ln(), 0.0];
        let mut score = Score::default();
        for id in [0, 0, 0, 1] {
            score.add(nll(&logits, id));
        }
        let nats = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((score.nats() - nats).abs() < 1e-6, "{} is not {nats}", score.nats());
        // Deviation ln 3 · √(3/16) over √3 degrees of freedom.
        let error = 3f64.ln() * 0.25 * nats.exp();
        assert!((score.error() - error).abs() < 1e-6, "{} is not {error}", score.error());
    }

    #[test]
    fn far_apart_logits_do_not_overflow() {
        assert_eq!(nll(&[1000.0, -1000.0], 0), 0.0);
        assert_eq!(nll(&[1000.0, -1000.0], 1), 2000.0);
    }
}
