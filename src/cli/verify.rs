//! `b158 verify`: ten prompts, greedy, and a report on whether the answers are text; see [`b158::verify`].

use super::load::{Context, Model};
use super::prompt::whole_file;
use super::terminal::{self, say};
use super::values::whole;
use super::{Outcome, interrupt, output};
use b158::session::{FinishReason, Session, Step};
use b158::tokenizer::Special;
use b158::verify::{About, Answer, MAX_TOKENS, PROMPTS, Report, Run, options};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    /// Prompts, one a line, instead of the ten built in.
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// metrics.json of another run to compare with.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Folder for results.txt, metrics.json and report.html; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "b158-verify")]
    out: PathBuf,
    /// Tokens to generate for each prompt at most.
    #[arg(short = 'n', long = "predict", value_name = "N", default_value_t = MAX_TOKENS, allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens"))]
    predict: usize,
}

impl Verify {
    pub(crate) fn run(mut self) -> Outcome {
        let prompts = match &self.prompts {
            None => PROMPTS.map(str::to_owned).to_vec(),
            Some(path) => whole_file(path)?.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        };
        if prompts.is_empty() {
            return Err("there are no prompts in the file".into());
        }
        let reference: Option<Run> = match &self.reference {
            None => None,
            Some(path) => {
                Some(serde_json::from_str(&whole_file(path)?).map_err(|e| format!("{}: {e}", terminal::path(path)))?)
            }
        };
        std::fs::create_dir_all(&self.out).map_err(|e| format!("{}: {e}", terminal::path(&self.out)))?;

        interrupt::listen();
        self.model.hash = true;
        let loaded = self.model.load()?;
        let mut session = self.context.session(loaded.clone(), &self.model)?;
        let mut answers = Vec::new();
        for (i, prompt) in prompts.iter().enumerate() {
            if !self.model.quiet {
                say!("{} of {}: {prompt}", i + 1, prompts.len());
            }
            answers.push(answer(&mut session, prompt, self.predict)?);
        }
        let about = About {
            file: self.model.model.file_name(),
            os: std::env::consts::OS.to_owned(),
            processor: processor(),
            max_tokens: self.predict,
            reference,
        };
        let report = Report::new(&loaded, session.cache().kind().name(), about, &answers);
        for (name, text) in [
            ("results.txt", report.text()),
            ("metrics.json", serde_json::to_string_pretty(&report)? + "\n"),
            ("report.html", report.html()),
        ] {
            output::write(&self.out.join(name), text.as_bytes())?;
        }
        terminal::unless_closed(terminal::out().lines(&report.summary()))?;
        if !self.model.quiet {
            say!("results.txt, metrics.json and report.html are in {}", terminal::path(&self.out));
        }
        match report.bad() {
            0 => Ok(()),
            bad => Err(format!("{bad} of {} answers are no text: see report.html", prompts.len()).into()),
        }
    }
}

/// One prompt's greedy answer, in an emptied session, so that its times are its own.
fn answer(session: &mut Session, prompt: &str, max_tokens: usize) -> Outcome<Answer> {
    let ids = session.loaded().tokenizer.encode(prompt, Special::TEXT)?;
    session.reset();
    session.start(&ids, options(max_tokens))?;
    let (mut ids, mut said, mut log_probabilities, mut entropies) = (Vec::new(), String::new(), Vec::new(), Vec::new());
    loop {
        if interrupt::take() {
            session.cancel();
        }
        match session.step(Duration::from_millis(20))? {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, text, logprobs } => {
                ids.push(id);
                said += &text;
                log_probabilities.extend(logprobs.map(|l| l.log_probability));
                entropies.extend(logprobs.map(|l| l.entropy));
            }
            Step::Done(summary) if summary.finish_reason == FinishReason::Cancelled => return Err("stopped".into()),
            Step::Done(summary) => {
                return Ok(Answer {
                    prompt: prompt.to_owned(),
                    text: said + &summary.text,
                    ids,
                    log_probabilities,
                    entropies,
                    finish_reason: summary.finish_reason,
                    usage: summary.usage,
                    timings: summary.timings,
                });
            }
        }
    }
}

/// The processor's name where Linux tells it, and its architecture.
fn processor() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    name.map_or(std::env::consts::ARCH.to_owned(), |name| format!("{name} ({})", std::env::consts::ARCH))
}
