//! A checkpoint's files into the engine, as the GGUF that they become.

use super::super::place::{Blobs, Timers};
use super::super::protocol::{Part, PlainError};
use super::Worker;
use crate::Result;
use crate::convert::{Converter, Options};
use crate::download::meter::{Meter, Phase};
use crate::download::{Clock, LoadProgress, Receiver};
use wasm_bindgen::JsCast;
use web_sys::Blob;

/// Pieces in which the engine takes it: between two of them messages are heard.
const PIECE_BYTES: usize = 1 << 20;

/// Reads what there is to read before the weights.
pub(super) fn open(parts: Vec<Part>) -> Result<Converter<Blobs>, PlainError> {
    let mut named: Vec<(String, Blob)> = Vec::new();
    for part in parts {
        let Part::Blob { blob, name: Some(name) } = part else {
            return Err(PlainError::new("invalid-argument", "a checkpoint is given as its files, each with its name"));
        };
        if named.iter().any(|(other, _)| *other == name) {
            let why = format!("two files are called {name}: give those of one folder");
            return Err(PlainError::new("invalid-argument", why));
        }
        named.push((name, blob.0.unchecked_into()));
    }
    Ok(Converter::new(Blobs::new(named)?, Options::default())?)
}

/// All of it into `receiver`, or as much as it wants; the bytes that it took.
pub(super) async fn push<R: Receiver>(
    worker: &Worker,
    converter: &mut Converter<Blobs>,
    receiver: &mut R,
    on_progress: &mut dyn FnMut(LoadProgress),
) -> Result<u64> {
    let size = converter.size();
    let clock = Timers::default();
    let mut meter = Meter::new();
    let mut loaded = 0;
    let mut tell =
        |phase, loaded| meter.update(clock.now(), phase, loaded, Some(size)).into_iter().for_each(&mut *on_progress);
    receiver.begin(Some(size)).await?;
    while let Some(bytes) = converter.next_bytes()? {
        for piece in bytes.chunks(PIECE_BYTES) {
            receiver.push(piece)?;
            loaded += piece.len() as u64;
            if receiver.is_complete() {
                return Ok(loaded);
            }
            tell(Phase::Download, loaded);
            worker.breath.take().await;
        }
    }
    tell(Phase::Load, loaded);
    Ok(loaded)
}
