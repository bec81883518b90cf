//! `b158 bench --talks`: several talks in one pass over the weights.

use super::super::Outcome;
use super::super::load::{backend, read};
use super::super::terminal::{self, say, tell};
use super::{Bench, measured, median};
use b158::kernels::Compute;
use b158::model::{DEFAULT_BATCH, Loaded};
use b158::sampler::SamplerOptions;
use b158::session::{GenerateOptions, MIXED_BATCH, Session, SessionOptions, Step, Together, TogetherOptions};
use b158::threads::Pool;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was measured with a number of talks, of each run.
#[derive(Default)]
struct Runs {
    /// Tokens a second of all talks.
    rate: Vec<f64>,
    /// Seconds in which one of them reads a prompt and the others have a token a pass: in one pass with its tokens, and in a pass of
    /// their own after each of its own.
    beside: Vec<f64>,
    apart: Vec<f64>,
}

impl Bench {
    /// Each number of talks with each number of threads, by turns.
    pub(super) fn side_by_side(&self) -> Outcome {
        if self.prompt == 0 || self.generate == 0 {
            return Err("--talks measures prompts and generation: -p and -n are 1 or more".into());
        }
        let backend = backend(self.backend.as_deref())?;
        let mut loaded = Arc::new(read(&self.options(false), || Compute { backend, pool: Pool::default() })?);
        // The others' answers too, while a prompt is read.
        let context = self.prompt.saturating_mul(2).saturating_add(self.generate).saturating_add(1);
        let kv_type = self.kv_cache.choose(&loaded, context, self.json);
        let mut out = terminal::out();
        if !self.json {
            tell!(
                out,
                "threads  talks  generation({}) tok/s in all  of one  a prompt({}) beside, s  apart, s",
                self.generate,
                self.prompt
            )?;
        }
        let mut rows = Vec::new();
        for &threads in &self.threads {
            // No session is left that has a share in it.
            let model = &mut Arc::get_mut(&mut loaded).ok_or("the model is in use")?.model;
            model.compute.pool = Pool::new(threads);
            let most = self.talks.iter().copied().max().unwrap_or(1);
            let mut talks = Talks::new(
                &loaded,
                most,
                SessionOptions { context: Some(context), kv_type: Some(kv_type), ..Default::default() },
            )?;
            let mut runs: Vec<Runs> = self.talks.iter().map(|_| Runs::default()).collect();
            for _ in 0..self.repetitions {
                for (&n, runs) in self.talks.iter().zip(&mut runs) {
                    runs.rate.push((n * self.generate) as f64 / talks.generate(self, n)?);
                    if n > 1 {
                        runs.beside.push(talks.prompt(self, n, true)?);
                        runs.apart.push(talks.prompt(self, n, false)?);
                    }
                }
            }
            let runs: Vec<_> = runs.into_iter().map(|runs| [runs.rate, runs.beside, runs.apart].map(median)).collect();
            let one = self.talks.iter().zip(&runs).find_map(|(n, [rate, ..])| (*n == 1).then_some(*rate));
            for (n, [rate, beside, apart]) in self.talks.iter().zip(runs) {
                let of_one = rate / one.unwrap_or(f64::NAN);
                if !self.json {
                    tell!(
                        out,
                        "{threads:>7}  {n:>5}  {:>27}  {:>6}  {:>22}  {:>8}",
                        measured(rate, 1),
                        measured(of_one, 2),
                        measured(beside, 2),
                        measured(apart, 2),
                    )?;
                }
                rows.push(json!({
                    "threads": loaded.model.compute.pool.threads(),
                    "talks": n,
                    "generationTokensPerSecond": rate,
                    "generationOfOne": of_one,
                    "promptBesideSeconds": beside,
                    "promptApartSeconds": apart,
                }));
            }
        }
        if self.json {
            out.json(&json!({
                "model": self.model.file_name(),
                "backend": backend.name(),
                "kvCache": kv_type.name(),
                "promptTokens": self.prompt,
                "generatedTokens": self.generate,
                "tokensOfAMixedPass": MIXED_BATCH,
                "repetitions": self.repetitions,
                "results": rows,
            }))?;
            return Ok(());
        }
        let runs = self.repetitions;
        say!(
            "backend {}, median of {runs} runs by turns; beside others' a prompt fills {MIXED_BATCH} tokens a pass",
            backend.name()
        );
        Ok(())
    }
}

/// Sessions that take part.
struct Talks {
    loaded: Arc<Loaded>,
    together: Together,
    sessions: Vec<Session>,
}

impl Talks {
    fn new(loaded: &Arc<Loaded>, most: usize, options: SessionOptions) -> b158::Result<Self> {
        let batch = most.max(DEFAULT_BATCH);
        let together = Together::new(loaded.clone(), TogetherOptions { batch, ..Default::default() })?;
        let sessions = (0..most).map(|_| together.session(options)).collect::<b158::Result<_>>()?;
        Ok(Talks { loaded: loaded.clone(), together, sessions })
    }

    /// Starts a talk whose prompt differs from the others'; what it had read of it before is kept.
    fn start(&mut self, bench: &Bench, talk: usize) -> b158::Result<()> {
        let prompt: Vec<u32> =
            (0..bench.prompt).map(|i| ((i + 31 * talk) * 7919 % self.loaded.model.config.vocabulary) as u32).collect();
        let sampler = SamplerOptions::greedy();
        let options = GenerateOptions { sampler, ignore_end: true, ..Default::default() };
        self.sessions[talk].start(&prompt, options).map(drop)
    }

    /// Starts `n` talks and lets them go on until each has begun to answer.
    fn begin(&mut self, bench: &Bench, n: usize) -> b158::Result<()> {
        for talk in 0..n {
            self.start(bench, talk)?;
            while !generates(step(&mut self.together, &mut self.sessions[talk..=talk])?.first()) {}
        }
        Ok(())
    }

    /// Seconds in which each of `n` talks generates its tokens.
    fn generate(&mut self, bench: &Bench, n: usize) -> b158::Result<f64> {
        self.begin(bench, n)?;
        let begun = Instant::now();
        for _ in 0..bench.generate {
            step(&mut self.together, &mut self.sessions[..n])?;
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Seconds in which one of `n` talks reads its prompt, and the others generate a token a pass.
    fn prompt(&mut self, bench: &Bench, n: usize, beside: bool) -> b158::Result<f64> {
        self.begin(bench, n - 1)?;
        self.sessions[n - 1].reset();
        // As many at a time as have room beside the others'.
        let batch = (MIXED_BATCH + 1).saturating_sub(n).max(1);
        let mut alone = Together::new(self.loaded.clone(), TogetherOptions { batch, ..Default::default() })?;
        self.start(bench, n - 1)?;
        let begun = Instant::now();
        loop {
            let is_read = if beside {
                generates(step(&mut self.together, &mut self.sessions[..n])?.last())
            } else {
                let steps = step(&mut alone, &mut self.sessions[n - 1..n])?;
                step(&mut self.together, &mut self.sessions[..n - 1])?;
                generates(steps.last())
            };
            if is_read {
                return Ok(begun.elapsed().as_secs_f64());
            }
        }
    }
}

fn step(together: &mut Together, sessions: &mut [Session]) -> b158::Result<Vec<Step>> {
    let mut sessions: Vec<&mut Session> = sessions.iter_mut().collect();
    together.step(&mut sessions, Duration::MAX).into_iter().collect()
}

fn generates(step: Option<&Step>) -> bool {
    matches!(step, Some(Step::Token { .. } | Step::Done(_)))
}
