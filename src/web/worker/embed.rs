//! Texts to vectors: slices of reading, with a look at the messages in between.

use super::super::js::Js;
use super::super::port::post;
use super::super::protocol::{EmbedInput, EmbedRequest, Embeddings, FromWorker, PlainError};
use super::Worker;
use super::generate::SLICE;
use crate::session::{GenerateOptions, Session, Step, shortened};
use js_sys::Float32Array;
use wasm_bindgen::prelude::*;
use web_time::Instant;

pub(super) async fn embed(worker: &Worker, id: u32, request: EmbedRequest) -> Result<(), PlainError> {
    worker.jobs.cancelled.set(false);
    worker.jobs.running.set(Some(id));
    let ended = run(worker, request).await;
    worker.jobs.running.set(None);
    if let Some(embeddings) = ended? {
        let moved: Float32Array = embeddings.values.0.clone().unchecked_into();
        post(&worker.port, &FromWorker::Embedded { id, embeddings }, &[&moved.buffer()]);
    }
    Ok(())
}

/// Nothing where it has been cancelled.
async fn run(worker: &Worker, request: EmbedRequest) -> Result<Option<Embeddings>, PlainError> {
    let engine = worker.engine()?;
    // Apart from the others, whose texts stay where they are.
    let mut session = engine.session_apart()?;
    let (mut values, mut dimensions, mut prompt_tokens) = (Vec::new(), 0, 0);
    let mut slice = Instant::now();
    for (index, input) in request.inputs.into_iter().enumerate() {
        let of_input = |error: crate::Error| {
            let PlainError { code, message } = PlainError::from(error);
            PlainError { code, message: format!("text {}: {message}", index + 1) }
        };
        let ids = match input {
            EmbedInput::Text(text) => engine.loaded.text_to_embed(&text).map_err(of_input)?,
            EmbedInput::Ids(ids) => ids,
        };
        prompt_tokens += ids.len();
        session.start(&ids, GenerateOptions { max_tokens: Some(0), ..Default::default() }).map_err(of_input)?;
        if !read(worker, &mut session, &mut slice).await.map_err(of_input)? {
            return Ok(None);
        }
        let whole = session.embedding().map_err(of_input)?;
        let wanted = request.dimensions.unwrap_or(whole.len());
        let vector = shortened(whole, wanted)?;
        dimensions = vector.len();
        values.try_reserve(dimensions).map_err(|_| crate::Error::OutOfMemory {
            what: "the embeddings".to_owned(),
            bytes: (values.len() + dimensions) as u64 * size_of::<f32>() as u64,
        })?;
        values.extend(vector);
    }
    let values = Js(Float32Array::from(&values[..]).into());
    let notes = engine.loaded.embedding_note().map(str::to_owned).into_iter().collect();
    Ok(Some(Embeddings { values, dimensions, prompt_tokens, notes }))
}

/// The prompt, to its end; false where that was cancelled.
async fn read(worker: &Worker, session: &mut Session, slice: &mut Instant) -> crate::Result<bool> {
    loop {
        if worker.jobs.cancelled.take() {
            return Ok(false);
        }
        if slice.elapsed() >= SLICE {
            worker.breath.take().await;
            *slice = Instant::now();
        }
        if matches!(session.step(SLICE)?, Step::Done(_)) {
            return Ok(true);
        }
    }
}
