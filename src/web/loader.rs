//! Takes a model's bytes as they come from the network.

use super::{Engine, options, throw};
use crate::Error;
use crate::kernels::{self, Compute};
use crate::model::{self, KvType, LoaderOptions};
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
    /// `q8_0`; as in the file where absent.
    token_embedding: Option<String>,
    threads: usize,
}

/// A model on its way in.
#[wasm_bindgen]
pub struct Loader {
    loader: model::Loader,
    session: SessionOptions,
}

#[wasm_bindgen]
impl Loader {
    /// `{ fileSize?, contextLength?, kvCache?: "f16" | "f32" | "q8_0", overrides?: ["key=type:value"],
    /// hash?: boolean, tokenEmbedding?: "file" | "q8_0", threads?: number }`. More threads than one are those of the workers that have joined
    /// the pool before.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: JsValue) -> Result<Loader, JsValue> {
        let settings: Options = options(settings)?;
        let kv_type = match settings.kv_cache.as_deref() {
            None => KvType::default(),
            Some(name) => name.parse().map_err(|error| throw(&error))?,
        };
        let q8_embedding = match settings.token_embedding.as_deref() {
            None | Some("file") => false,
            Some("q8_0") => true,
            Some(other) => {
                let reason = "it is `file` or `q8_0`";
                return Err(throw(&Error::BadOption { option: "tokenEmbedding", value: other.to_owned(), reason }));
            }
        };
        let file_size = settings.file_size.filter(|size| *size >= 1.0).map(|size| size as u64);
        let options = LoaderOptions { file_size, overrides: settings.overrides, hash: settings.hash, q8_embedding };
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(settings.threads) };
        Ok(Loader {
            loader: model::Loader::new(compute, options),
            session: SessionOptions { context: settings.context_length, kv_type, batch: 0 },
        })
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), JsValue> {
        self.loader.push(chunk).map_err(|error| throw(&error))
    }

    /// Bytes of the whole file, as soon as its header is read.
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
