//! `b158 inspect`: what a file holds, from its header alone; with `--check` from its bytes.

use super::{Outcome, check};
use b158::gguf::{Array, Decoder, Event, Limits, Value};
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write, stdout};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Inspect {
    /// The GGUF file.
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
        let decoder = header(&self.file, &[])?;
        if self.json { print_json(&decoder) } else { print_text(&decoder) }
    }
}

/// Reads a file up to its first tensor, with overrides applied.
pub(crate) fn header(path: &Path, overrides: &[String]) -> Outcome<Decoder> {
    let name = path.display();
    let mut file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
    let mut decoder = Decoder::new(Limits { file_size: size, ..Limits::default() });
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(|e| format!("{name}: {e}"))?;
        if n == 0 {
            decoder.finish().map_err(|e| format!("{name}: {e}"))?;
            return Ok(decoder);
        }
        let mut bytes = &buffer[..n];
        loop {
            let (taken, event) = decoder.push(bytes).map_err(|e| format!("{name}: {e}"))?;
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

fn print_text(decoder: &Decoder) -> Outcome {
    let mut out = stdout().lock();
    let version = decoder.version().unwrap_or_default();
    writeln!(out, "GGUF v{version}, {} bytes", decoder.data_size().unwrap_or_default())?;
    writeln!(out, "\n{} keys", decoder.metadata().len())?;
    for (key, value) in decoder.metadata().iter() {
        writeln!(out, "  {key} = {}", shown(value))?;
    }
    let tensors = decoder.tensors();
    writeln!(out, "\n{} tensors, data from byte {}", tensors.len(), decoder.data_offset().unwrap_or_default())?;
    for info in tensors {
        let dims = info.dims.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
        writeln!(
            out,
            "  {:<32} {:<6} {dims:<16} {:>12} bytes at {}",
            info.name,
            info.kind.name(),
            info.size,
            info.offset
        )?;
    }
    let mut kinds: Vec<(&str, usize, u64)> = Vec::new();
    for info in tensors {
        match kinds.iter_mut().find(|(name, ..)| *name == info.kind.name()) {
            Some((_, count, bytes)) => (*count, *bytes) = (*count + 1, *bytes + info.size),
            None => kinds.push((info.kind.name(), 1, info.size)),
        }
    }
    writeln!(out)?;
    for (name, count, bytes) in kinds {
        writeln!(out, "  {name:<6} {count:>4} tensors {:>10.1} MB", bytes as f64 / 1e6)?;
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
        Array::Strings(v) => v.iter().take(most).map(Into::into).collect(),
    }
}

fn print_json(decoder: &Decoder) -> Outcome {
    let metadata: serde_json::Map<_, _> =
        decoder.metadata().iter().map(|(key, value)| (key.to_owned(), scalar(value))).collect();
    let tensors: Vec<_> = decoder
        .tensors()
        .iter()
        .map(|info| {
            json!({ "name": info.name, "type": info.kind.name(), "dims": info.dims, "offset": info.offset, "size": info.size })
        })
        .collect();
    let all = json!({
        "version": decoder.version(),
        "size": decoder.data_size(),
        "dataOffset": decoder.data_offset(),
        "metadata": metadata,
        "tensors": tensors,
    });
    writeln!(stdout().lock(), "{}", serde_json::to_string_pretty(&all)?)?;
    Ok(())
}
