//! `b158 bench`: tokens a second, for prompt and generation, by number of threads, and what the machine allows.

mod talks;

use super::Outcome;
use super::load::{KvCacheType, Model, backend, read, read_timed};
use super::source::{Fetch, Source};
use super::terminal::{self, say, tell};
use super::values::whole;
use b158::kernels::tables::{suits, turns};
use b158::kernels::{Activations, Compute, Roofline, Way, ternary_matmul};
use b158::model::{EmbeddingType, Linear, State};
use b158::threads::Pool;
use clap::Args;
use serde_json::json;
use std::time::Instant;

/// Positions that a KV cache can have.
const MAX_CONTEXT: usize = 1 << 24;

#[derive(Args)]
pub(crate) struct Bench {
    /// The GGUF file, or an address: hf:owner/repository/file.gguf or https://….
    #[arg(short = 'm', long = "model", value_name = "FILE", value_parser = Source::parser())]
    model: Source,
    #[command(flatten)]
    fetch: Fetch,
    /// Prompt tokens to read.
    #[arg(short = 'p', long = "n-prompt", value_name = "N", default_value = "128")]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens"))]
    prompt: usize,
    /// Tokens to generate.
    #[arg(short = 'n', long = "n-gen", value_name = "N", default_value = "64")]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens"))]
    generate: usize,
    /// Positions already in the cache before prompt and generation, parted by commas.
    #[arg(short = 'd', long, value_name = "N,N", value_delimiter = ',', default_value = "0")]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens"))]
    depth: Vec<usize>,
    /// Thread counts to measure, parted by commas.
    #[arg(short = 't', long, value_name = "T,T", value_delimiter = ',', default_value = "1")]
    #[arg(value_parser = whole::<usize>(1, "a number of threads"))]
    threads: Vec<usize>,
    /// Kernels [default: the fastest here].
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Runs of each; the median counts.
    #[arg(short = 'r', long, value_name = "N", default_value = "3")]
    #[arg(value_parser = whole::<usize>(1, "a number of runs"))]
    repetitions: usize,
    /// Prompt tokens per pass.
    #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "64")]
    #[arg(value_parser = whole::<usize>(1, "a number of tokens, 1 or more"))]
    batch_size: usize,
    /// Type of the KV cache: f16, f32, q8_0, or `auto`: f16, and q8_0 where the model would not fit this machine's memory with it.
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    kv_cache: KvCacheType,
    /// How the token embedding is held: auto, file or int8 [default: auto].
    #[arg(long, value_name = "TYPE")]
    token_embedding_type: Option<EmbeddingType>,
    /// Measure loading instead, each number of threads by turns: seconds of it, and of its parts, which overlap; of an address
    /// no more than the whole.
    #[arg(long)]
    load: bool,
    /// Measure talks side by side instead, so many at a time, by turns: tokens a second of all of them, and what a prompt costs that is
    /// read while they generate.
    #[arg(long, value_name = "N,N", value_delimiter = ',', conflicts_with_all = ["load", "depth"])]
    #[arg(value_parser = whole::<usize>(1, "a number of talks"))]
    talks: Vec<usize>,
    /// Tell how fast products are by dots and by tables, for a few numbers of tokens, and where the turn was found.
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Outcome {
        if self.load {
            return self.loading();
        }
        if !self.talks.is_empty() {
            return self.side_by_side();
        }
        let backend = backend(self.backend.as_deref())?;
        let options = self.options(false);
        let begun = Instant::now();
        let loaded = read(&options, || Compute { backend, pool: Pool::default() })?;
        let load_seconds = begun.elapsed().as_secs_f64();
        let run = self.prompt.saturating_add(self.generate);
        let context = self.depth.iter().max().unwrap_or(&0).saturating_add(run);
        if !(1..=MAX_CONTEXT).contains(&context) {
            return Err(format!("-p, -n and -d give {context} tokens of context: it has 1 to {MAX_CONTEXT}").into());
        }
        let kv_type = self.kv_cache.choose(&loaded, context, self.json);
        let mut model = loaded.model;
        let macs_per_token = model.weights.macs();
        // Any ids do: the work does not depend on them.
        let ids: Vec<u32> = (0..context).map(|i| (i * 7919 % model.config.vocabulary) as u32).collect();
        let mut rows = Vec::new();
        let mut out = terminal::out();
        if !self.json {
            tell!(
                out,
                "  depth  threads  prompt({}) tok/s  generation({}) tok/s  read GB/s  dot G MAC/s  table G MAC/s  generation of read  prompt of limit",
                self.prompt,
                self.generate
            )?;
        }
        let mut state = State::new(&model, kv_type, context, self.batch_size)?;
        for (&depth, &threads) in self.depth.iter().flat_map(|d| self.threads.iter().map(move |t| (d, t))) {
            if state.cache.len() < depth {
                model.compute.pool = Pool::new(self.threads.iter().copied().max().unwrap_or(1));
                let from = state.cache.len();
                read_prompt(&mut state, &model, &ids[from..depth])?;
            }
            model.compute.pool = Pool::new(threads);
            let bytes_per_token = self.bytes_per_token(&model, &state, depth);
            let before = Roofline::measure(&model.compute, &model.weights.memory());
            let (mut prompt, mut generation) = (Vec::new(), Vec::new());
            for _ in 0..self.repetitions {
                state.cache.truncate(depth);
                let (read, written) = ids[depth..depth + run].split_at(self.prompt);
                let begun = Instant::now();
                read_prompt(&mut state, &model, read)?;
                prompt.push(rate(self.prompt, begun));
                let begun = Instant::now();
                for id in written {
                    state.begin(&model, &[*id])?;
                    while !state.step(&model)? {}
                    state.last_logits(&model)?;
                }
                generation.push(rate(self.generate, begun));
            }
            let limits = before.max(Roofline::measure(&model.compute, &model.weights.memory()));
            let (prompt, generation) = (median(prompt), median(generation));
            let ways = if self.verbose { ways(&model)? } else { Vec::new() };
            let of_read = generation * bytes_per_token / limits.read_bytes_per_second;
            let of_dot = prompt * macs_per_token as f64 / limits.dot_macs_per_second;
            let of_limit = prompt * macs_per_token as f64 / limits.prompt_macs_per_second();
            if !self.json {
                tell!(
                    out,
                    "{depth:>7}  {:>7}  {:>17}  {:>20}  {:>9.1}  {:>11.1}  {:>13.1}  {:>18}  {:>15}",
                    model.compute.pool.threads(),
                    measured(prompt, 1),
                    measured(generation, 1),
                    limits.read_bytes_per_second / 1e9,
                    limits.dot_macs_per_second / 1e9,
                    limits.table_macs_per_second / 1e9,
                    measured(of_read, 2),
                    measured(of_limit, 2),
                )?;
            }
            if !self.json {
                for Rates { tokens, dots, tables } in &ways {
                    tell!(out, "         {tokens:>4} tokens: dots {dots:.1}, tables {tables:.1} G MAC/s")?;
                }
            }
            let ways: Vec<_> = ways
                .iter()
                .map(|w| json!({"tokens": w.tokens, "dotMacsPerSecond": w.dots * 1e9, "tableMacsPerSecond": w.tables * 1e9}))
                .collect();
            rows.push(json!({
                "depth": depth,
                "threads": model.compute.pool.threads(),
                "note": model.compute.pool.note(),
                "promptTokensPerSecond": prompt,
                "generationTokensPerSecond": generation,
                "bytesPerGeneratedToken": bytes_per_token,
                "readBytesPerSecond": limits.read_bytes_per_second,
                "readBytes": limits.read_bytes,
                "dotMacsPerSecond": limits.dot_macs_per_second,
                "tableMacsPerSecond": limits.table_macs_per_second,
                "generationOfReadLimit": of_read,
                "promptOfDotLimit": of_dot,
                "promptOfLimit": of_limit,
                "ways": ways,
            }));
        }
        let all = json!({
            "model": self.model.file_name(),
            "parameters": model.parameters(),
            "weightBytes": model.weights.bytes(),
            "macsPerPromptToken": macs_per_token,
            "backend": model.compute.backend.name(),
            "tokenEmbedding": model.weights.token_embd.type_name(),
            "outputHead": model.weights.head().type_name(),
            "kvCache": kv_type.name(),
            "promptTokens": self.prompt,
            "generatedTokens": self.generate,
            "repetitions": self.repetitions,
            "loadSeconds": load_seconds,
            "turns": turns(),
            "results": rows,
        });
        if self.json {
            out.json(&all)?;
        } else {
            say!(
                "backend {}, {:.1} MB of weights, loaded in {load_seconds:.1} s, median of {} runs",
                model.compute.backend.name(),
                model.weights.bytes() as f64 / 1e6,
                self.repetitions,
            );
            if self.verbose {
                turns().iter().for_each(|turn| say!("{turn}"));
            }
        }
        Ok(())
    }

    fn options(&self, hash: bool) -> Model {
        Model {
            model: self.model.clone(),
            fetch: self.fetch.clone(),
            threads: None,
            backend: None,
            override_kv: Vec::new(),
            quiet: self.json,
            token_embedding_type: self.token_embedding_type,
            hash,
        }
    }

    /// Loads the file with each number of threads, without and with its SHA-256, by turns.
    fn loading(&self) -> Outcome {
        let backend = backend(self.backend.as_deref())?;
        let kinds = || self.threads.iter().flat_map(|&threads| [false, true].map(|hash| (threads, hash)));
        let mut runs: Vec<[Vec<f64>; 4]> = kinds().map(|_| Default::default()).collect();
        for _ in 0..self.repetitions {
            for ((threads, hash), run) in kinds().zip(&mut runs) {
                let begun = Instant::now();
                let (loaded, spent) =
                    read_timed(&self.options(hash), || Compute { backend, pool: Pool::new(threads) })?;
                let all = begun.elapsed();
                // Giving the memory back is no part of it.
                drop(loaded);
                let parts = spent.map(|spent| [spent.reading, spent.hashing, spent.repacking]);
                let parts = parts.map_or([f64::NAN; 3], |parts| parts.map(|time| time.as_secs_f64()));
                for (seconds, time) in run.iter_mut().zip([all.as_secs_f64(), parts[0], parts[1], parts[2]]) {
                    seconds.push(time);
                }
            }
        }
        let mut out = terminal::out();
        if !self.json {
            tell!(out, "threads  sha256  seconds  reading  hashing  repacking")?;
        }
        let mut rows = Vec::new();
        for ((threads, hash), run) in kinds().zip(runs) {
            let [all, reading, hashing, repacking] = run.map(median);
            if !self.json {
                let sha256 = if hash { "yes" } else { "no" };
                let [reading, hashing, repacking] = [reading, hashing, repacking].map(|time| measured(time, 2));
                tell!(out, "{threads:>7}  {sha256:>6}  {all:>7.2}  {reading:>7}  {hashing:>7}  {repacking:>9}")?;
            }
            rows.push(json!({
                "threads": threads,
                "sha256": hash,
                "seconds": all,
                "readingSeconds": reading,
                "hashingSeconds": hashing,
                "repackingSeconds": repacking,
            }));
        }
        if self.json {
            out.json(&json!({
                "model": self.model.file_name(),
                "backend": backend.name(),
                "repetitions": self.repetitions,
                "results": rows,
            }))?;
            return Ok(());
        }
        let runs = self.repetitions;
        say!("backend {}, median of {runs} runs by turns; reading and hashing go on beside repacking", backend.name());
        Ok(())
    }

    /// What a generated token reads: all weights, and the cache as it is in the middle of the generation.
    fn bytes_per_token(&self, model: &b158::model::Model, state: &State, depth: usize) -> f64 {
        let position = (depth + self.prompt) as f64 + self.generate as f64 / 2.0;
        let cache = state.cache.bytes_when_full() as f64 / state.cache.context() as f64;
        model.weights.bytes() as f64 + cache * position
    }
}

/// How fast a product is, in G MAC/s.
struct Rates {
    tokens: usize,
    dots: f64,
    tables: f64,
}

/// Both ways of computing the widest ternary matrix of the first layer.
fn ways(model: &b158::model::Model) -> b158::Result<Vec<Rates>> {
    let linears = model.weights.layers.iter().flat_map(|layer| layer.linears());
    let matrices = linears.filter_map(|l| if let Linear::Ternary(matrix) = &l.linear { Some(matrix) } else { None });
    let Some(w) = matrices.filter(|w| suits(w)).take(7).max_by_key(|w| w.rows()) else { return Ok(Vec::new()) };
    let mut rates = Vec::new();
    for tokens in [1, 2, 4, 8, 16, 32, 64, 128] {
        let x: Vec<f32> = (0..tokens * w.cols()).map(|i| (i % 255) as f32 - 127.0).collect();
        let mut y = vec![0.0; tokens * w.rows()];
        let mut best = [f64::INFINITY; 2];
        let mut activations = Activations::new();
        for _ in 0..5 {
            for (best, way) in best.iter_mut().zip([Way::Dots, Way::Tables { rows: w.rows() }]) {
                let begun = Instant::now();
                activations.quantize_for(&model.compute, &x, w.cols(), way)?;
                ternary_matmul(&model.compute, w, &activations, &mut y);
                *best = best.min(begun.elapsed().as_secs_f64());
            }
        }
        let [dots, tables] = best.map(|seconds| (tokens * w.rows() * w.cols()) as f64 / seconds / 1e9);
        rates.push(Rates { tokens, dots, tables });
    }
    Ok(rates)
}

fn read_prompt(state: &mut State, model: &b158::model::Model, ids: &[u32]) -> b158::Result<()> {
    for batch in ids.chunks(state.batch()) {
        state.begin(model, batch)?;
        while !state.step(model)? {}
    }
    Ok(())
}

/// Tokens a second; not a number, which JSON has as null, where there were none.
fn rate(tokens: usize, begun: Instant) -> f64 {
    if tokens == 0 { f64::NAN } else { tokens as f64 / begun.elapsed().as_secs_f64() }
}

/// A figure of the table, `-` where there is none.
fn measured(figure: f64, decimals: usize) -> String {
    if figure.is_finite() { format!("{figure:.decimals$}") } else { "-".to_owned() }
}

/// Not a number where there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
