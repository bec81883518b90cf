//! `b158 run`: a prompt's continuation, streamed. The options and the loop serve `b158 chat` too.

use super::form::FormOptions;
use super::load::{Context, Model};
use super::terminal::{self, say};
use super::values::{ANY, Seed, real, whole};
use super::{Outcome, interrupt, join_ids, output, parse_ids, prompt};
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, Step, Summary};
use b158::tokenizer::Special;
use clap::Args;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How tokens are chosen; the defaults are llama-cli's.
#[derive(Args, Clone)]
pub(crate) struct Sampling {
    /// Tokens to generate; 0 reads the prompt alone, -1 and -2 go on until the model ends or the context is full.
    #[arg(short = 'n', long = "predict", alias = "n-predict", value_name = "N", default_value = "-1")]
    #[arg(allow_hyphen_values = true, value_parser = whole::<i64>(-2, "a number of tokens, or -1 to go on to the end"))]
    predict: i64,
    /// Temperature; 0 or less always takes the likeliest token.
    #[arg(long = "temp", alias = "temperature", value_name = "X", default_value = "0.8")]
    #[arg(allow_hyphen_values = true, value_parser = real(ANY, "a number; 0 or less always takes the likeliest token"))]
    temperature: f32,
    /// Keep the K likeliest tokens; 0 or less keeps all.
    #[arg(long, value_name = "K", default_value = "40")]
    #[arg(allow_hyphen_values = true, value_parser = whole::<i64>(i64::MIN, "a number of tokens; 0 or less keeps all"))]
    top_k: i64,
    /// Keep the likeliest tokens that together have this probability; 1 keeps all.
    #[arg(long, value_name = "P", default_value = "0.95")]
    #[arg(allow_hyphen_values = true, value_parser = real(0.0..=1.0, "a number between 0 and 1, which keeps all"))]
    top_p: f32,
    /// Drop tokens less likely than this share of the likeliest one's probability; 0 drops none.
    #[arg(long, value_name = "P", default_value = "0.05")]
    #[arg(allow_hyphen_values = true, value_parser = real(0.0..=1.0, "a number between 0, which keeps all, and 1"))]
    min_p: f32,
    /// Divide the logits of recent tokens by this; 1 does nothing.
    #[arg(long, value_name = "X", default_value = "1")]
    #[arg(allow_hyphen_values = true, value_parser = real(f32::MIN_POSITIVE..=f32::MAX, "a number greater than 0; 1 does nothing"))]
    repeat_penalty: f32,
    /// How many recent tokens the penalties look at; -1 for all.
    #[arg(long, value_name = "N", default_value = "64")]
    #[arg(allow_hyphen_values = true, value_parser = whole::<i32>(-1, "a number of tokens, or -1 for all"))]
    repeat_last_n: i32,
    /// Subtract this from the logits of recent tokens.
    #[arg(long, value_name = "X", default_value = "0")]
    #[arg(allow_hyphen_values = true, value_parser = real(-2.0..=2.0, "a number between -2 and 2; 0 does nothing"))]
    presence_penalty: f32,
    /// Subtract this from the logits of recent tokens, once for each time they occur.
    #[arg(long, value_name = "X", default_value = "0")]
    #[arg(allow_hyphen_values = true, value_parser = real(-2.0..=2.0, "a number between -2 and 2; 0 does nothing"))]
    frequency_penalty: f32,
    /// Seed of the draw; the same seed gives the same text on every machine. -1 takes any, and says which.
    #[arg(short = 's', long, value_name = "S", default_value = "0", allow_hyphen_values = true)]
    seed: Seed,
    /// Add to a token's logit: ID+X or ID-X. May be repeated.
    #[arg(short = 'l', long = "logit-bias", value_name = "ID+X", value_parser = parse_bias)]
    logit_bias: Vec<(u32, f32)>,
    /// Stop at this text, or at this control token. May be repeated.
    #[arg(short = 'r', long = "reverse-prompt", alias = "stop", value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Go on past the end-of-text token.
    #[arg(long)]
    ignore_eos: bool,
    /// Spell control tokens out in the text.
    #[arg(long)]
    special: bool,
    /// Read \n, \r, \t, \', \", \\ and \x41 in prompts and in the texts of -r as what they stand for: the default.
    #[arg(short = 'e', long, overrides_with = "no_escape")]
    escape: bool,
    /// Take prompts and the texts of -r as they are.
    #[arg(long, overrides_with = "escape")]
    no_escape: bool,
    #[command(flatten)]
    pub(crate) form: FormOptions,
}

impl Sampling {
    /// For the library; says which seed was taken where any would do.
    pub(crate) fn options(&self, quiet: bool) -> Outcome<GenerateOptions> {
        let seed = match self.seed {
            Seed::Fixed(seed) => seed,
            Seed::Random => {
                // As long as llama.cpp's, for people who copy it.
                let seed = RandomState::new().hash_one(std::process::id()) >> 32;
                if !quiet {
                    say!("seed {seed}");
                }
                seed
            }
        };
        let stop = self.stop.iter().map(|text| self.unescape("-r", text)).collect::<Outcome<_>>()?;
        Ok(GenerateOptions {
            max_tokens: usize::try_from(self.predict).ok(),
            sampler: SamplerOptions {
                temperature: self.temperature.max(0.0),
                top_k: u32::try_from(self.top_k.max(0)).unwrap_or(u32::MAX),
                top_p: self.top_p,
                min_p: self.min_p,
                repeat_penalty: self.repeat_penalty,
                repeat_last_n: self.repeat_last_n,
                presence_penalty: self.presence_penalty,
                frequency_penalty: self.frequency_penalty,
                seed,
                logit_bias: self.logit_bias.clone(),
            },
            stop,
            ignore_end: self.ignore_eos,
            special: self.special,
            spelled: Vec::new(),
            logprobs: false,
        })
    }

    /// An option's text with its escape sequences read, unless that is off.
    pub(crate) fn unescape(&self, option: &str, text: &str) -> Outcome<String> {
        if self.no_escape {
            return Ok(text.to_owned());
        }
        Ok(prompt::unescape(text).map_err(|reason| format!("{option}: {reason}"))?)
    }
}

/// llama-cli's `29905+1` and `29905-1`.
fn parse_bias(text: &str) -> Result<(u32, f32), &'static str> {
    let parsed = text.find(['+', '-']).and_then(|at| {
        let (id, bias) = text.split_at(at);
        Some((id.parse().ok()?, bias.parse().ok()?))
    });
    parsed.ok_or("it is a token's id and a number with its sign: 29905+1 or 29905-inf")
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    sampling: Sampling,
    /// The text to continue. Begin-of-text goes first if the model wants it and the text has none.
    #[arg(short = 'p', long, value_name = "TEXT", required_unless_present_any = ["file", "prompt_ids"])]
    #[arg(allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Read the text to continue from a file, without the line feed at its end.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "prompt")]
    file: Option<PathBuf>,
    /// What of the answer the prompt ends with already, where it has a form.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    begun: String,
    /// The prompt as token ids, taken as they are.
    #[arg(long, value_name = "IDS", conflicts_with_all = ["prompt", "file"])]
    prompt_ids: Option<String>,
    /// Take what an earlier run has read from this file, if there is one, and leave there what this run has: a prompt that begins
    /// the same is not read again.
    #[arg(long, value_name = "FILE")]
    prompt_cache: Option<PathBuf>,
    /// Take from the prompt cache, and leave it as it is.
    #[arg(long, requires = "prompt_cache")]
    prompt_cache_ro: bool,
    /// Print the prompt before its continuation.
    #[arg(long, alias = "display-prompt", overrides_with = "no_display_prompt")]
    echo: bool,
    /// Print the continuation alone: the default.
    #[arg(long, overrides_with = "echo")]
    no_display_prompt: bool,
    /// Print token ids instead of text.
    #[arg(long)]
    ids: bool,
}

impl Run {
    pub(crate) fn run(self) -> Outcome {
        interrupt::listen();
        let quiet = self.model.quiet;
        let text = match (&self.prompt, &self.file) {
            (Some(text), _) => self.sampling.unescape("-p", text)?,
            (None, Some(file)) => self.sampling.unescape("-f", &prompt::file(file)?)?,
            (None, None) => String::new(),
        };
        let form = self.sampling.form.form()?;
        let begun = self.sampling.unescape("--begun", &self.begun)?;
        if form.is_none() && !begun.is_empty() {
            return Err("--begun is for answers of a form: --json-schema, --grammar or --regex".into());
        }
        let loaded = self.model.load()?;
        let mut session = self.context.session(loaded.clone(), &self.model)?;
        let tokenizer = &loaded.tokenizer;
        let prompt = match &self.prompt_ids {
            Some(ids) => parse_ids(ids)?,
            None => tokenizer.encode_prompt(&text, Special::PARSED)?,
        };
        if let Some(path) = &self.prompt_cache {
            restore(&mut session, path, quiet)?;
        }
        if !tokenizer.decode(&prompt, true).ends_with(&begun) {
            return Err("--begun: the prompt does not end with this text".into());
        }
        let answer = form.map(|form| form.answer(&loaded, &begun, quiet)).transpose()?;
        let mut out = terminal::out();
        if self.echo {
            let special = self.sampling.special;
            out.text(&if self.ids { join_ids(&prompt) + " " } else { tokenizer.decode(&prompt, special) })?;
        }
        session.start(&prompt, self.sampling.options(quiet)?)?;
        if let Some(answer) = answer {
            session.constrain(Box::new(answer))?;
        }
        let mut first = true;
        let summary = stream(&mut session, |id, text| {
            if self.ids {
                out.text(&if first { id.to_string() } else { format!(" {id}") })?;
                first = false;
            } else {
                out.text(text)?;
            }
            Ok(())
        })?;
        out.text(&if self.ids { "\n".to_owned() } else { summary.text.clone() + "\n" })?;
        if !quiet {
            report(&summary);
        }
        match &self.prompt_cache {
            Some(path) if !self.prompt_cache_ro => output::write(path, &session.save()?),
            _ => Ok(()),
        }
    }
}

/// What an earlier run has left. As in llama-cli an empty file begins anew, and one that cannot be used is not touched.
fn restore(session: &mut Session, path: &Path, quiet: bool) -> Outcome {
    let name = terminal::path(path);
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => {
            if !quiet {
                say!("note: {name} is empty: a new session begins");
            }
            Ok(())
        }
        Ok(bytes) => {
            let advice = "delete the file, or name another, to begin anew";
            Ok(session.restore(&bytes).map_err(|e| format!("{name}: {e}; {advice}"))?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{name}: {error}").into()),
    }
}

/// Runs the generation that was started, calling `token` for each token; Ctrl-C cancels it.
pub(crate) fn stream(session: &mut Session, mut token: impl FnMut(u32, &str) -> Outcome) -> Outcome<Summary> {
    loop {
        if interrupt::take() {
            session.cancel();
        }
        match session.step(Duration::from_millis(20))? {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, text, .. } => token(id, &text)?,
            Step::Done(summary) => return Ok(summary),
        }
    }
}

/// Counts and speeds, in one line on standard error. What took no time that could be measured has no speed.
pub(crate) fn report(summary: &Summary) {
    let (usage, timings) = (summary.usage, summary.timings);
    let why = match summary.finish_reason {
        // By its form, or by a stop string.
        FinishReason::Stop if summary.constraint.is_some() => "the answer ended",
        FinishReason::Stop => "the model ended",
        FinishReason::Length => "length reached",
        FinishReason::Cancelled => "stopped",
    };
    let mut line = format!("prompt {} tokens", usage.prompt_tokens);
    if usage.cached_tokens > 0 {
        line += &format!(" ({} cached)", usage.cached_tokens);
    }
    if timings.prefill_tokens_per_second > 0.0 {
        line += &format!(" at {:.1} tok/s", timings.prefill_tokens_per_second);
    }
    line += &format!("; generated {}", usage.completion_tokens);
    if timings.decode_tokens_per_second > 0.0 {
        let (rate, threads) = (timings.decode_tokens_per_second, timings.decode_threads);
        line += &format!(" at {rate:.1} tok/s with {threads} thread{}", if threads == 1 { "" } else { "s" });
    }
    if timings.time_to_first_token_ms > 0.0 {
        line += &format!("; first token after {:.0} ms", timings.time_to_first_token_ms);
    }
    if let Some(form) = &summary.constraint {
        if form.certain_tokens > 0 {
            line += &format!("; {} of them certain", form.certain_tokens);
        }
        if form.masks > 0 {
            let (median, slowest) = (form.median_mask_ms, form.slowest_mask_ms);
            line += &format!("; masks in {median:.2} ms, the slowest in {slowest:.2}");
        }
    }
    say!("{line}; {why}");
}
