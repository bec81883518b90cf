//! `b158 run`: a prompt's continuation, streamed. The options and the loop serve `b158 chat` too.

use super::load::{Context, Model};
use super::{Outcome, interrupt, join_ids, parse_ids};
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, Step, Summary};
use b158::tokenizer::Special;
use clap::Args;
use std::io::{ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How tokens are chosen; the defaults are llama-cli's.
#[derive(Args, Clone)]
pub(crate) struct Sampling {
    /// Tokens to generate; -1 goes on until the model ends or the context is full.
    #[arg(short = 'n', long = "predict", value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    predict: i64,
    /// Temperature; 0 always takes the likeliest token.
    #[arg(long = "temp", value_name = "X", default_value_t = 0.8, allow_negative_numbers = true)]
    temperature: f32,
    /// Keep the K likeliest tokens; 0 keeps all.
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: u32,
    /// Keep the likeliest tokens that together have this probability; 1 keeps all.
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    top_p: f32,
    /// Drop tokens less likely than this share of the likeliest one's probability; 0 drops none.
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    min_p: f32,
    /// Divide the logits of recent tokens by this; 1 does nothing.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repeat_penalty: f32,
    /// How many recent tokens the penalties look at; -1 for all.
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true)]
    repeat_last_n: i32,
    /// Subtract this from the logits of recent tokens.
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Subtract this from the logits of recent tokens, once for each time they occur.
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// Seed of the draw; the same seed gives the same text on every machine.
    #[arg(short = 's', long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Add to a token's logit: ID+X or ID-X. May be repeated.
    #[arg(short = 'l', long = "logit-bias", value_name = "ID+X")]
    logit_bias: Vec<String>,
    /// Stop at this text. May be repeated.
    #[arg(short = 'r', long = "reverse-prompt", alias = "stop", value_name = "TEXT")]
    stop: Vec<String>,
    /// Go on past the end-of-text token.
    #[arg(long)]
    ignore_eos: bool,
}

impl Sampling {
    pub(crate) fn options(&self) -> Outcome<GenerateOptions> {
        Ok(GenerateOptions {
            max_tokens: usize::try_from(self.predict).ok(),
            sampler: SamplerOptions {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                repeat_penalty: self.repeat_penalty,
                repeat_last_n: self.repeat_last_n,
                presence_penalty: self.presence_penalty,
                frequency_penalty: self.frequency_penalty,
                seed: self.seed,
                logit_bias: self.logit_bias.iter().map(|text| parse_bias(text)).collect::<Outcome<_>>()?,
            },
            stop: self.stop.clone(),
            ignore_end: self.ignore_eos,
            special: false,
            doubts: false,
        })
    }
}

/// llama-cli's `29905+1` and `29905-1`.
fn parse_bias(text: &str) -> Outcome<(u32, f32)> {
    let parsed = text.find(['+', '-']).and_then(|at| {
        let (id, bias) = text.split_at(at);
        Some((id.parse().ok()?, bias.parse().ok()?))
    });
    Ok(parsed.ok_or_else(|| format!("logit bias `{text}` is not ID+X or ID-X"))?)
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    sampling: Sampling,
    /// The text to continue.
    #[arg(short = 'p', long, value_name = "TEXT", required_unless_present_any = ["file", "prompt_ids"])]
    prompt: Option<String>,
    /// Read the text to continue from a file.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "prompt")]
    file: Option<PathBuf>,
    /// The prompt as token ids, taken as they are.
    #[arg(long, value_name = "IDS", conflicts_with_all = ["prompt", "file"])]
    prompt_ids: Option<String>,
    /// Take what an earlier run has read from this file, if there is one, and leave there what this run has: a prompt that begins
    /// the same is not read again.
    #[arg(long, value_name = "FILE")]
    prompt_cache: Option<PathBuf>,
    /// Print the prompt before its continuation.
    #[arg(long)]
    echo: bool,
    /// Print token ids instead of text.
    #[arg(long)]
    ids: bool,
}

impl Run {
    pub(crate) fn run(self) -> Outcome {
        interrupt::listen();
        let loaded = self.model.load()?;
        let mut session = self.context.session(loaded.clone(), &self.model)?;
        let text = match (&self.prompt, &self.file) {
            (Some(text), _) => text.clone(),
            (None, Some(file)) => std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?,
            (None, None) => String::new(),
        };
        let tokenizer = &loaded.tokenizer;
        let prompt = match &self.prompt_ids {
            Some(ids) => parse_ids(ids)?,
            None => tokenizer.encode(&text, Special::PARSED)?,
        };
        if let Some(path) = &self.prompt_cache {
            restore(&mut session, path)?;
        }
        let mut out = stdout().lock();
        if self.echo {
            let shown = if self.ids { join_ids(&prompt) + " " } else { tokenizer.decode(&prompt, false) };
            write!(out, "{shown}")?;
            out.flush()?;
        }
        session.start(&prompt, self.sampling.options()?)?;
        let mut first = true;
        let summary = stream(&mut session, |id, text| {
            if self.ids {
                write!(out, "{}{id}", if first { "" } else { " " })?;
                first = false;
            } else {
                write!(out, "{text}")?;
            }
            Ok(out.flush()?)
        })?;
        if self.ids {
            writeln!(out)?;
        } else {
            writeln!(out, "{}", summary.text)?;
        }
        if !self.model.quiet {
            report(&summary);
        }
        match &self.prompt_cache {
            Some(path) => save(&session, path),
            None => Ok(()),
        }
    }
}

fn restore(session: &mut Session, path: &Path) -> Outcome {
    match std::fs::read(path) {
        Ok(bytes) => Ok(session.restore(&bytes).map_err(|e| format!("{}: {e}", path.display()))?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// Under another name first: whatever ends the program, the file is a whole one.
fn save(session: &Session, path: &Path) -> Outcome {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, session.save()?).and_then(|()| std::fs::rename(&part, path));
    Ok(written.map_err(|e| format!("{}: {e}", path.display()))?)
}

/// Runs the generation that was started, calling `token` for each token; Ctrl-C cancels it.
pub(crate) fn stream(session: &mut Session, mut token: impl FnMut(u32, &str) -> Outcome) -> Outcome<Summary> {
    loop {
        if interrupt::take() {
            session.cancel();
        }
        match session.step(Duration::from_millis(20))? {
            Step::Prefill { .. } => {}
            Step::Token { id, text, .. } => token(id, &text)?,
            Step::Done(summary) => return Ok(summary),
        }
    }
}

/// One line on standard error.
pub(crate) fn report(summary: &Summary) {
    let (usage, timings) = (summary.usage, summary.timings);
    let why = match summary.finish_reason {
        FinishReason::Stop => "the model ended",
        FinishReason::Length => "length reached",
        FinishReason::Cancelled => "stopped",
    };
    eprintln!(
        "prompt {} tokens{} at {:.1} tok/s; generated {} at {:.1} tok/s with {} thread{}; first token after {:.0} ms; {why}",
        usage.prompt_tokens,
        if usage.cached_tokens > 0 { format!(" ({} cached)", usage.cached_tokens) } else { String::new() },
        timings.prefill_tokens_per_second,
        usage.completion_tokens,
        timings.decode_tokens_per_second,
        timings.decode_threads,
        if timings.decode_threads == 1 { "" } else { "s" },
        timings.time_to_first_token_ms,
    );
}
