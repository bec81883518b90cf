//! `b158 inspect`: what a file holds, from its header alone; with `--check` from its bytes.

use super::load::{Model, Part};
use super::source::{Fetch, Source};
use super::terminal::{self, tell};
use super::{Outcome, check, fetch, load};
use b158::download::Receiver;
use b158::gguf::{Array, Decoder, Event, Limits, Split, Value};
use b158::model::{Estimate, Estimator, LoaderOptions, WASM_LIMIT};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Inspect {
    /// The GGUF file, of a split model the first; of hf:owner/repository/file.gguf and https://… no more is downloaded than
    /// the header. Of a checkpoint, the folder or hf:owner/repository: what it is as a GGUF.
    #[arg(value_parser = Source::parser())]
    file: Source,
    #[command(flatten)]
    fetch: Fetch,
    /// Print JSON, arrays whole.
    #[arg(long)]
    json: bool,
    /// Read the whole file and check its I2_S tensors instead: damage, and the 64-weight groups that ARM builds of
    /// bitnet.cpp write since November 2025. Fails if it finds either.
    #[arg(long)]
    check: bool,
}

/// Elements of an array that a person is shown.
const SHOWN: usize = 4;

impl Inspect {
    pub(crate) fn run(self) -> Outcome {
        if self.check {
            return check::run(&self.file, &self.fetch, self.json);
        }
        let mut headers = Headers::default();
        headers.read(&self.file, &self.fetch, usize::MAX)?;
        let Headers { decoders, estimator, .. } = headers;
        let estimate = estimator.unwrap_or(Err(b158::Error::EmptyFile)).and_then(Estimator::finish);
        if self.json { print_json(&decoders, estimate.ok().as_ref()) } else { print_text(&decoders, estimate) }
    }
}

/// A model's header up to its first tensor, with overrides applied; of a split model that of the first part.
pub(crate) fn header(model: &Model) -> Outcome<Decoder> {
    let mut headers = Headers { overrides: model.override_kv.clone(), quiet: model.quiet, ..Headers::default() };
    headers.read(&model.model, &model.fetch, 1)?;
    headers.decoders.pop().ok_or_else(|| b158::Error::EmptyFile.into())
}

/// The headers of a model, of a split one those of all parts, and the memory that it needs with the loader's defaults.
#[derive(Default)]
struct Headers {
    overrides: Vec<String>,
    decoders: Vec<Decoder>,
    /// An error where this engine does not run it.
    estimator: Option<b158::Result<Estimator>>,
    complete: bool,
    quiet: bool,
}

impl Headers {
    /// Reads at most so many parts.
    fn read(&mut self, source: &Source, fetch: &Fetch, most: usize) -> Outcome {
        let failed = |path: &str, e: &dyn std::fmt::Display| format!("{path}: {e}");
        match source {
            Source::Address(address) => {
                let mut requests = fetch.requests(address)?;
                requests.truncate(most);
                fetch::headers(requests, self)?;
                self.end().map_err(|e| failed(&source.name(), &e))?;
            }
            Source::Repository(address) => {
                let part = load::open_repository(address, fetch, self.quiet)?;
                self.read_file(part, 0).map_err(|e| failed(address, &e))?;
            }
            Source::File(path) => {
                let parts = load::parts(path);
                for (no, path) in parts.iter().enumerate().take(most) {
                    // A whole model may bear a part's name.
                    if no > 0 && self.is_last_part() {
                        break;
                    }
                    let part = if no == 0 { load::open(path)? } else { load::open_part(path, no, parts.len())? };
                    let name = part.path.clone();
                    self.read_file(part, no).map_err(|e| failed(&name, &e))?;
                }
            }
        }
        Ok(())
    }

    fn read_file(&mut self, mut part: Part, no: usize) -> Outcome {
        if no == 0 {
            self.start(part.size)
        } else {
            self.next_part(part.size)?
        }
        let mut buffer = vec![0; 1 << 18];
        while !self.complete {
            let n = part.file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            self.push(&buffer[..n])?;
        }
        if let (Some(notes), false) = (part.notes, self.quiet) {
            notes.say();
        }
        Ok(self.end()?)
    }

    fn start(&mut self, size: Option<u64>) {
        self.decoders = vec![Decoder::new(Limits { file_size: size, ..Limits::default() })];
        self.estimator = Some(Ok(Estimator::new(LoaderOptions {
            file_size: size,
            memory_limit: Some(WASM_LIMIT),
            ..Default::default()
        })));
        self.complete = false;
    }

    /// What is wrong with a header that has not come whole.
    fn end(&self) -> b158::Result<()> {
        match self.decoders.last() {
            Some(decoder) if !self.complete => decoder.finish(),
            _ => Ok(()),
        }
    }

    fn estimate(&mut self, work: impl FnOnce(&mut Estimator) -> b158::Result<()>) {
        if let Some(Ok(estimator)) = &mut self.estimator
            && let Err(error) = work(estimator)
        {
            self.estimator = Some(Err(error));
        }
    }
}

impl Receiver for Headers {
    async fn begin(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.start(size);
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.end()?;
        let limits = Limits { file_size: size, ..Limits::default() };
        let first = self.decoders.first().map(|first| first.metadata().str("general.architecture"));
        self.decoders.push(match first.transpose().ok().flatten().flatten() {
            Some(architecture) => Decoder::of_part(limits, architecture),
            None => Decoder::new(limits),
        });
        self.complete = false;
        self.estimate(|estimator| estimator.next_part(size));
        Ok(())
    }

    fn push(&mut self, mut bytes: &[u8]) -> b158::Result<()> {
        self.estimate(|estimator| estimator.push(bytes).map(drop));
        while !self.complete {
            let Some(decoder) = self.decoders.last_mut() else { break };
            let (taken, event) = decoder.push(bytes)?;
            match event {
                Event::NeedMore => break,
                Event::Metadata => {
                    for text in &self.overrides {
                        decoder.metadata_mut().apply_override(text)?;
                    }
                }
                Event::Tensors => self.complete = true,
                _ => {}
            }
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_last_part(&self) -> bool {
        let split = self.decoders.first().and_then(|first| Split::from_metadata(first.metadata()).ok().flatten());
        split.is_none_or(|split| self.decoders.len() >= usize::from(split.count))
    }

    fn expected_size(&self) -> Option<u64> {
        self.decoders.last().and_then(Decoder::data_size)
    }
}

fn size(decoders: &[Decoder]) -> u64 {
    decoders.iter().filter_map(Decoder::data_size).sum()
}

fn print_text(decoders: &[Decoder], estimate: b158::Result<Estimate>) -> Outcome {
    let Some(first) = decoders.first() else { return Ok(()) };
    let mut out = terminal::out();
    let version = first.version().unwrap_or_default();
    let parts = if decoders.len() > 1 { format!(" in {} files", decoders.len()) } else { String::new() };
    tell!(out, "GGUF v{version}, {} bytes{parts}", size(decoders))?;
    tell!(out, "")?;
    tell!(out, "{} keys", first.metadata().len())?;
    for (key, value) in first.metadata().iter() {
        tell!(out, "  {key} = {}", shown(value))?;
    }
    for note in decoders.iter().flat_map(Decoder::notes) {
        tell!(out, "")?;
        tell!(out, "note: {note}")?;
    }
    let mut kinds: Vec<(&str, usize, u64)> = Vec::new();
    for (i, decoder) in decoders.iter().enumerate() {
        let part = if decoders.len() > 1 { format!(" in file {}", i + 1) } else { String::new() };
        let tensors = decoder.tensors();
        let from = decoder.data_offset().unwrap_or_default();
        tell!(out, "")?;
        tell!(out, "{} tensors{part}, data from byte {from}", tensors.len())?;
        for info in tensors {
            let dims = info.dims.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
            tell!(
                out,
                "  {:<32} {:<6} {dims:<16} {:>12} bytes at {}",
                info.name,
                info.kind.name(),
                info.size,
                info.offset
            )?;
            match kinds.iter_mut().find(|(name, ..)| *name == info.kind.name()) {
                Some((_, count, bytes)) => (*count, *bytes) = (*count + 1, *bytes + info.size),
                None => kinds.push((info.kind.name(), 1, info.size)),
            }
        }
    }
    tell!(out, "")?;
    for (name, count, bytes) in kinds {
        tell!(out, "  {name:<6} {count:>4} tensors {:>10.1} MB", bytes as f64 / 1e6)?;
    }
    match estimate {
        Ok(estimate) => {
            tell!(out, "")?;
            tell!(out, "{}", estimate.config.summary())?;
            let head = estimate.has_own_head().then(|| "an output head of its own".to_owned());
            for peculiarity in estimate.config.peculiarities().into_iter().chain(head) {
                tell!(out, "  {peculiarity}")?;
            }
            let [weights, cache, all] = [estimate.weight_bytes, estimate.kv_cache_bytes, estimate.wasm_bytes];
            let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
            let (kind, context) = (estimate.kv_type.name(), estimate.context);
            let weights = format!("memory: weights {}, KV cache {} ({context} tokens, {kind})", mb(weights), mb(cache));
            tell!(out, "")?;
            tell!(out, "{weights}; in a browser {} in all", mb(all))?;
            if let Err(error) = estimate.check(WASM_LIMIT) {
                tell!(out, "  not in a browser: {error}")?;
            }
        }
        Err(error) => {
            tell!(out, "")?;
            tell!(out, "this engine does not run it: {error}")?;
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(array) => {
            let items = to_json(array, SHOWN);
            let items: Vec<_> = items.iter().map(ToString::to_string).collect();
            let more = if array.len() > SHOWN { ", …" } else { "" };
            format!("[{}{more}] ({} items)", items.join(", "), array.len())
        }
        other => scalar(other).to_string(),
    }
}

fn scalar(value: &Value) -> serde_json::Value {
    match value {
        Value::U8(v) => json!(v),
        Value::I8(v) => json!(v),
        Value::U16(v) => json!(v),
        Value::I16(v) => json!(v),
        Value::U32(v) => json!(v),
        Value::I32(v) => json!(v),
        Value::U64(v) => json!(v),
        Value::I64(v) => json!(v),
        Value::F32(v) => json!(v),
        Value::F64(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::String(v) => json!(v),
        Value::Array(v) => json!(to_json(v, usize::MAX)),
    }
}

fn to_json(array: &Array, most: usize) -> Vec<serde_json::Value> {
    fn list<T: Copy + Into<serde_json::Value>>(items: &[T], most: usize) -> Vec<serde_json::Value> {
        items.iter().take(most).map(|&v| v.into()).collect()
    }
    match array {
        Array::U8(v) => list(v, most),
        Array::I8(v) => list(v, most),
        Array::U16(v) => list(v, most),
        Array::I16(v) => list(v, most),
        Array::U32(v) => list(v, most),
        Array::I32(v) => list(v, most),
        Array::U64(v) => list(v, most),
        Array::I64(v) => list(v, most),
        Array::F32(v) => list(v, most),
        Array::F64(v) => list(v, most),
        Array::Bool(v) => list(v, most),
        Array::Strings(v) => v.iter().take(most).map(|v| v.into_owned().into()).collect(),
    }
}

fn print_json(decoders: &[Decoder], estimate: Option<&Estimate>) -> Outcome {
    let Some(first) = decoders.first() else { return Ok(()) };
    let metadata: serde_json::Map<_, _> =
        first.metadata().iter().map(|(key, value)| (key.to_owned(), scalar(value))).collect();
    let mut tensors = Vec::new();
    for (part, decoder) in decoders.iter().enumerate() {
        tensors.extend(decoder.tensors().iter().map(|info| {
            json!({
                "name": info.name,
                "type": info.kind.name(),
                "dims": info.dims,
                "part": part,
                "offset": info.offset,
                "size": info.size,
            })
        }));
    }
    let all = json!({
        "version": first.version(),
        "parts": decoders.len(),
        "size": size(decoders),
        "dataOffset": first.data_offset(),
        "graph": estimate.map(|estimate| json!({
            "summary": estimate.config.summary(),
            "peculiarities": estimate.config.peculiarities(),
            "ownHead": estimate.has_own_head(),
        })),
        "memory": estimate.map(|estimate| json!({
            "context": estimate.context,
            "kvCache": estimate.kv_type.name(),
            "weightBytes": estimate.weight_bytes,
            "kvCacheBytes": estimate.kv_cache_bytes,
            "wasmBytes": estimate.wasm_bytes,
        })),
        "metadata": metadata,
        "tensors": tensors,
    });
    Ok(terminal::out().json(&all)?)
}
