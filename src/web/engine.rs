//! A loaded model, which sessions are opened on.

use super::{Session, object, options, throw, wasm_bytes};
use crate::Result;
use crate::kernels::Roofline;
use crate::model::{KvCache, Loaded, quantization};
use crate::session::SessionOptions;
use crate::tokenizer::Special;
use crate::verify::{About, Answer, MAX_TOKENS, PROMPTS, Report};
use serde::Serialize;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    architecture: &'a str,
    name: Option<&'a str>,
    parameters: u64,
    layers: usize,
    embedding: usize,
    vocabulary: usize,
    context_length: usize,
    trained_context_length: usize,
    quantization: String,
    weight_bytes: u64,
    kv_cache_bytes: u64,
    kv_cache: &'static str,
    backend: &'static str,
    threads: usize,
    notes: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    wasm_bytes: u64,
    weight_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    read_bytes_per_second: f64,
    read_bytes: u64,
    dot_macs_per_second: f64,
    table_macs_per_second: f64,
    macs_per_prompt_token: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyDefaults {
    prompts: [&'static str; PROMPTS.len()],
    max_tokens: usize,
}

#[derive(Serialize)]
struct WrittenReport<'a> {
    metrics: &'a Report,
    text: String,
    html: String,
}

/// A model that is ready.
#[wasm_bindgen]
pub struct Engine {
    loaded: Arc<Loaded>,
    options: SessionOptions,
    context: usize,
}

impl Engine {
    pub(super) fn new(loaded: Loaded, options: SessionOptions) -> Result<Self> {
        let context = loaded.model.config.context(options.context)?;
        Ok(Engine { loaded: Arc::new(loaded), options, context })
    }
}

#[wasm_bindgen]
impl Engine {
    /// What was loaded and what computes it.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let loaded = &self.loaded;
        let (config, compute) = (&loaded.model.config, &loaded.model.compute);
        let cache = KvCache::new(config, self.options.kv_type, self.context);
        object(&Info {
            architecture: &config.architecture,
            name: loaded.name.as_deref(),
            parameters: loaded.model.parameters(),
            layers: config.layers,
            embedding: config.embedding,
            vocabulary: config.vocabulary,
            context_length: cache.context(),
            trained_context_length: config.context_length,
            quantization: quantization(&loaded.types),
            weight_bytes: loaded.model.weights.bytes(),
            kv_cache_bytes: cache.bytes_when_full(),
            kv_cache: cache.kind().name(),
            backend: compute.backend.name(),
            threads: compute.pool.threads(),
            notes: &loaded.notes,
        })
    }

    /// Token ids of a text, without the begin-of-text token.
    pub fn tokenize(&self, text: &str, parse_special: bool) -> Result<Vec<u32>, JsValue> {
        let special = Special { add_bos: Some(false), parse: parse_special };
        self.loaded.tokenizer.encode(text, special).map_err(|error| throw(&error))
    }

    /// The text of token ids; special tokens by their names.
    pub fn detokenize(&self, ids: &[u32]) -> String {
        self.loaded.tokenizer.decode(ids, true)
    }

    /// A session with a KV cache of its own.
    pub fn session(&self) -> Result<Session, JsValue> {
        Session::new(Arc::clone(&self.loaded), self.options).map_err(|error| throw(&error))
    }

    /// What `crate::verify` asks where nothing else is said: `{ prompts, maxTokens }`.
    #[wasm_bindgen(js_name = verifyDefaults)]
    pub fn verify_defaults(&self) -> Result<JsValue, JsValue> {
        object(&VerifyDefaults { prompts: PROMPTS, max_tokens: MAX_TOKENS })
    }

    /// What `crate::verify` makes of greedy answers: `{ metrics, text, html }`.
    pub fn report(&self, answers: JsValue, about: JsValue) -> Result<JsValue, JsValue> {
        let answers: Vec<Answer> = options(answers)?;
        let about: About = options(about)?;
        let report = Report::new(&self.loaded, self.options.kv_type.name(), about, &answers);
        object(&WrittenReport { text: report.text(), html: report.html(), metrics: &report })
    }

    /// What this machine allows, measured on the engine's threads for some tenths of a second: reads of memory over the
    /// model's own weights, and the backend's dot instruction on registers alone.
    pub fn roofline(&self) -> Result<JsValue, JsValue> {
        let model = &self.loaded.model;
        let limits = Roofline::measure(&model.compute, &model.weights.memory());
        object(&Limits {
            read_bytes_per_second: limits.read_bytes_per_second,
            read_bytes: limits.read_bytes,
            dot_macs_per_second: limits.dot_macs_per_second,
            table_macs_per_second: limits.table_macs_per_second,
            macs_per_prompt_token: model.weights.macs(),
        })
    }

    /// Memory in use, in bytes; that of the sessions, they say themselves.
    pub fn memory(&self) -> Result<JsValue, JsValue> {
        object(&Memory { wasm_bytes: wasm_bytes(), weight_bytes: self.loaded.model.weights.bytes() })
    }
}
