//! `b158 verify`: does this file, on this machine, give sense? Ten prompts, greedy, with measures that tell word salad and
//! loops from text, and a comparison with another run.
//!
//! ```text
//! prompts ──► Run (run.rs) ──► Measures (measures.rs) ──► results.txt, metrics.json, report.html (report.rs)
//! ```

mod measures;
mod report;
mod run;

use super::Outcome;
use super::load::{Context, Model, bar};
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The first five are those of the first published account of the model on rented hardware.
const PROMPTS: [&str; 10] = [
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
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tokens to generate for each prompt at most.
    #[arg(short = 'n', long = "predict", value_name = "N", default_value_t = 500)]
    predict: usize,
}

impl Verify {
    pub(crate) fn run(self) -> Outcome {
        let prompts = match &self.prompts {
            None => PROMPTS.map(str::to_owned).to_vec(),
            Some(path) => read(path)?.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        };
        if prompts.is_empty() {
            return Err("there are no prompts in the file".into());
        }
        let reference = match &self.reference {
            None => None,
            Some(path) => Some(serde_json::from_str(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))?),
        };
        std::fs::create_dir_all(&self.out).map_err(|e| format!("{}: {e}", self.out.display()))?;

        let sha256 = hash(&self.model.model, self.model.quiet)?;
        let loaded = self.model.load()?;
        let mut answers = Vec::new();
        for (i, prompt) in prompts.iter().enumerate() {
            if !self.model.quiet {
                eprintln!("{} of {}: {prompt}", i + 1, prompts.len());
            }
            let answer = run::answer(&loaded, &self.context, prompt, self.predict)?;
            let other = reference.as_ref().and_then(|run| run::find(run, prompt));
            answers.push(run::describe(&answer, measures::measure(&answer, &loaded.tokenizer), other));
        }
        let (config, compute) = (&loaded.model.config, &loaded.model.compute);
        let all = json!({
            "model": {
                "file": self.model.model.file_name().map(|name| name.to_string_lossy()),
                "sha256": sha256,
                "name": loaded.name,
                "architecture": config.architecture,
                "parameters": config.parameters(),
            },
            "machine": {
                "os": std::env::consts::OS,
                "processor": std::env::consts::ARCH,
                "backend": compute.backend.name(),
                "threads": compute.pool.threads(),
                "program": concat!("b158 ", env!("CARGO_PKG_VERSION")),
            },
            "kvCache": self.context.kv_cache.name(),
            "maxTokens": self.predict,
            "notes": loaded.notes,
            "prompts": answers,
        });
        for (name, text) in [
            ("results.txt", report::text(&all)),
            ("metrics.json", format!("{all:#}\n")),
            ("report.html", report::html(&all)),
        ] {
            let path = self.out.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        print!("{}", report::summary(&all));
        if !self.model.quiet {
            eprintln!("results.txt, metrics.json and report.html are in {}", self.out.display());
        }
        // Sound models loop too when they are greedy: that is told, and no failure.
        let bad = |p: &&Value| p["verdict"] == "salad" || p["verdict"] == "empty";
        match all["prompts"].as_array().into_iter().flatten().filter(bad).count() {
            0 => Ok(()),
            bad => Err(format!("{bad} of {} answers are no text: see report.html", prompts.len()).into()),
        }
    }
}

fn read(path: &Path) -> Outcome<String> {
    Ok(std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?)
}

/// SHA-256 of the model file; none where it is read from standard input.
fn hash(path: &Path, quiet: bool) -> Outcome<Value> {
    if path.as_os_str() == "-" {
        return Ok(Value::Null);
    }
    let mut file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let bar = bar(file.metadata().ok().map(|m| m.len()), quiet, "hashing");
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|e| format!("{}: {e}", path.display()))? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                bar.inc(n as u64);
            }
        }
    }
    bar.finish_and_clear();
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}
