//! `b158 inspect`: what a file holds, from its header alone; with `--check` from its bytes.

use super::load::Part;
use super::terminal::{self, tell};
use super::{Outcome, check, load};
use b158::gguf::{Array, Decoder, Event, Limits, Split, Value};
use b158::model::{Estimate, Estimator, LoaderOptions, WASM_LIMIT};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Inspect {
    /// The GGUF file, of a split model the first.
    file: PathBuf,
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
            return check::run(&self.file, self.json);
        }
        let decoders = headers(&self.file)?;
        let estimate = estimate(&self.file);
        if self.json { print_json(&decoders, estimate.ok().as_ref()) } else { print_text(&decoders, estimate) }
    }
}

/// Reads a file up to its first tensor, with overrides applied; of a split model the first.
pub(crate) fn header(path: &Path, overrides: &[String]) -> Outcome<Decoder> {
    read_header(load::open(path)?, overrides, Decoder::new)
}

/// Likewise all parts of a split model.
fn headers(path: &Path) -> Outcome<Vec<Decoder>> {
    let mut all: Vec<Decoder> = Vec::new();
    let parts = load::parts(path);
    for (no, part) in parts.iter().enumerate() {
        // A whole model may bear a part's name.
        if all.first().is_some_and(|first| !matches!(Split::from_metadata(first.metadata()), Ok(Some(_)))) {
            break;
        }
        let architecture = all.first().and_then(|first| first.metadata().str("general.architecture").ok().flatten());
        let part = if no == 0 { load::open(path)? } else { load::open_part(part, no, parts.len())? };
        let decoder = read_header(part, &[], |limits| match architecture {
            Some(architecture) => Decoder::of_part(limits, architecture),
            None => Decoder::new(limits),
        })?;
        all.push(decoder);
    }
    Ok(all)
}

fn read_header(mut part: Part, overrides: &[String], new: impl FnOnce(Limits) -> Decoder) -> Outcome<Decoder> {
    let path = part.path.clone();
    let failed = |e: &dyn std::fmt::Display| format!("{path}: {e}");
    let mut decoder = new(Limits { file_size: part.size, ..Limits::default() });
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = part.file.read(&mut buffer).map_err(|e| failed(&e))?;
        if n == 0 {
            decoder.finish().map_err(|e| failed(&e))?;
            return Ok(decoder);
        }
        let mut bytes = &buffer[..n];
        loop {
            let (taken, event) = decoder.push(bytes).map_err(|e| failed(&e))?;
            match event {
                Event::NeedMore => break,
                Event::Metadata => {
                    for text in overrides {
                        decoder.metadata_mut().apply_override(text)?;
                    }
                }
                Event::Tensors => return Ok(decoder),
                _ => {}
            }
            bytes = &bytes[taken..];
        }
    }
}

/// Memory that the model needs with the loader's defaults; an error where this engine does not run it.
fn estimate(path: &Path) -> Outcome<Estimate> {
    let mut estimator: Option<Estimator> = None;
    for path in load::parts(path) {
        if estimator.as_ref().is_some_and(Estimator::is_last_part) {
            break;
        }
        let mut part = load::open(&path)?;
        let estimator = match &mut estimator {
            Some(estimator) => {
                estimator.next_part(part.size)?;
                estimator
            }
            none => none.insert(Estimator::new(LoaderOptions { file_size: part.size, ..Default::default() })),
        };
        let mut buffer = vec![0; 1 << 18];
        loop {
            let n = part.file.read(&mut buffer)?;
            if n == 0 || estimator.push(&buffer[..n])? {
                break;
            }
        }
    }
    Ok(estimator.ok_or("no file")?.finish()?)
}

fn size(decoders: &[Decoder]) -> u64 {
    decoders.iter().filter_map(Decoder::data_size).sum()
}

fn print_text(decoders: &[Decoder], estimate: Outcome<Estimate>) -> Outcome {
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
