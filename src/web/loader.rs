//! Takes a model's bytes as they come from the network.

use super::{Engine, options, throw};
use crate::kernels::{self, Compute};
use crate::model::{self, EmbeddingType, KvType, LoaderOptions};
use crate::session::{Session, SessionOptions};
use crate::threads::Pool;
use serde::Deserialize;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    file_size: Option<f64>,
    context_length: Option<usize>,
    kv_cache: Option<String>,
    overrides: Vec<String>,
    hash: bool,
    token_embedding: Option<String>,
    threads: usize,
    tune_threads: bool,
}

/// A model on its way in.
#[wasm_bindgen]
pub struct Loader {
    loader: model::Loader,
    session: SessionOptions,
}

#[wasm_bindgen]
impl Loader {
    /// `{ fileSize?, contextLength?, kvCache?: "f16" | "f32" | "q8_0", overrides?: ["key=type:value"], hash?: boolean,
    /// tokenEmbedding?: "auto" | "file" | "int8", threads?: number, tuneThreads?: boolean }`. More threads
    /// than one are those of the workers that have joined the pool before; tuned, each token has as many of them as make it
    /// fastest.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: JsValue) -> Result<Loader, JsValue> {
        let settings: Options = options(settings)?;
        let kv_type = match settings.kv_cache.as_deref() {
            None => KvType::default(),
            Some(name) => name.parse().map_err(|error| throw(&error))?,
        };
        let embedding = match settings.token_embedding.as_deref() {
            None => EmbeddingType::default(),
            Some(name) => name.parse().map_err(|error| throw(&error))?,
        };
        let file_size = known(settings.file_size);
        let options = LoaderOptions { file_size, overrides: settings.overrides, hash: settings.hash, embedding };
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(settings.threads) };
        Ok(Loader {
            loader: model::Loader::new(compute, options),
            session: SessionOptions {
                context: settings.context_length,
                kv_type,
                tune_threads: settings.tune_threads,
                batch: 0,
            },
        })
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), JsValue> {
        self.loader.push(chunk).map_err(|error| throw(&error))
    }

    /// Begins the next part of a split model, when all bytes of the one at hand are in; its size where known.
    #[wasm_bindgen(js_name = nextPart)]
    pub fn next_part(&mut self, file_size: Option<f64>) -> Result<(), JsValue> {
        self.loader.next_part(known(file_size)).map_err(|error| throw(&error))
    }

    /// Bytes of the whole file at hand, as soon as its header is read.
    #[wasm_bindgen(js_name = expectedSize)]
    pub fn expected_size(&self) -> Option<f64> {
        self.loader.expected_size().map(|size| size as f64)
    }

    /// The engine, when all bytes are in.
    pub fn finish(self) -> Result<Engine, JsValue> {
        let loaded = self.loader.finish().map_err(|error| throw(&error))?;
        let session = Session::new(Arc::new(loaded), self.session).map_err(|error| throw(&error))?;
        Ok(Engine::new(session))
    }
}

/// A file's size, where there is one that makes sense.
fn known(size: Option<f64>) -> Option<u64> {
    size.filter(|size| *size >= 1.0).map(|size| size as u64)
}
