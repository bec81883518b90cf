//! Takes a model's bytes as they come from the network.

use super::{Engine, object, options, throw};
use crate::kernels::{self, Compute};
use crate::model::{self, LoaderOptions, WASM_LIMIT};
use crate::session::SessionOptions;
use crate::threads::Pool;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
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

impl Options {
    fn loader(self) -> crate::Result<LoaderOptions> {
        Ok(LoaderOptions {
            file_size: known(self.file_size),
            overrides: self.overrides,
            hash: self.hash,
            embedding: parsed(self.token_embedding)?,
            context: self.context_length,
            kv_type: parsed(self.kv_cache)?,
            memory_limit: None,
        })
    }
}

/// An option's value by its name, the default where there is none.
fn parsed<T: FromStr<Err = crate::Error> + Default>(name: Option<String>) -> crate::Result<T> {
    name.map_or(Ok(T::default()), |name| name.parse())
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
        let (threads, tune_threads) = (settings.threads, settings.tune_threads);
        let options = settings.loader().map_err(|error| throw(&error))?;
        let session = SessionOptions { context: options.context, kv_type: options.kv_type, tune_threads, batch: 0 };
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(threads) };
        Ok(Loader { loader: model::Loader::new(compute, options), session })
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

    /// Whether the file at hand is all of the model, or its last part, whatever its name says: told by its header.
    #[wasm_bindgen(js_name = isLastPart)]
    pub fn is_last_part(&self) -> bool {
        self.loader.is_last_part()
    }

    /// Bytes of the whole file at hand, as soon as its header is read.
    #[wasm_bindgen(js_name = expectedSize)]
    pub fn expected_size(&self) -> Option<f64> {
        self.loader.expected_size().map(|size| size as f64)
    }

    /// The engine, when all bytes are in.
    pub fn finish(self) -> Result<Engine, JsValue> {
        self.loader.finish().and_then(|loaded| Engine::new(loaded, self.session)).map_err(|error| throw(&error))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Estimate<'a> {
    file_bytes: u64,
    architecture: &'a str,
    name: Option<&'a str>,
    parameters: u64,
    quantization: String,
    context_length: usize,
    trained_context_length: usize,
    weight_bytes: u64,
    kv_cache_bytes: u64,
    wasm_bytes: u64,
    fits: bool,
    why: Option<String>,
}

/// A model's header on its way in: how much memory the model would take.
#[wasm_bindgen]
pub struct Estimator(model::Estimator);

#[wasm_bindgen]
impl Estimator {
    /// The options of [`Loader`], as far as memory depends on them.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: JsValue) -> Result<Estimator, JsValue> {
        let settings: Options = options(settings)?;
        let options = settings.loader().map_err(|error| throw(&error))?;
        Ok(Estimator(model::Estimator::new(options)))
    }

    /// Takes the next bytes of the file; true as soon as its header is complete.
    pub fn push(&mut self, chunk: &[u8]) -> Result<bool, JsValue> {
        self.0.push(chunk).map_err(|error| throw(&error))
    }

    /// Begins the next part of a split model, when the header of the one at hand is complete; its size where known.
    #[wasm_bindgen(js_name = nextPart)]
    pub fn next_part(&mut self, file_size: Option<f64>) -> Result<(), JsValue> {
        self.0.next_part(known(file_size)).map_err(|error| throw(&error))
    }

    /// Whether the file at hand is all of the model, or its last part, whatever its name says: told by its header.
    #[wasm_bindgen(js_name = isLastPart)]
    pub fn is_last_part(&self) -> bool {
        self.0.is_last_part()
    }

    /// What the headers say, when all of them are in.
    pub fn finish(self) -> Result<JsValue, JsValue> {
        let estimate = self.0.finish().map_err(|error| throw(&error))?;
        let why = estimate.check(WASM_LIMIT).err().map(|error| error.to_string());
        object(&Estimate {
            file_bytes: estimate.file_bytes,
            architecture: &estimate.config.architecture,
            name: estimate.name.as_deref(),
            parameters: estimate.parameters(),
            quantization: estimate.quantization(),
            context_length: estimate.context,
            trained_context_length: estimate.config.context_length,
            weight_bytes: estimate.weight_bytes,
            kv_cache_bytes: estimate.kv_cache_bytes,
            wasm_bytes: estimate.wasm_bytes,
            fits: why.is_none(),
            why,
        })
    }
}

/// A file's size, where there is one that makes sense.
fn known(size: Option<f64>) -> Option<u64> {
    size.filter(|size| *size >= 1.0).map(|size| size as u64)
}
