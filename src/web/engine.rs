//! A loaded model and its one conversation.

use super::{object, options, throw, wasm_bytes};
use crate::chat::Message;
use crate::kernels::Roofline;
use crate::model::quantization;
use crate::sampler::SamplerOptions;
use crate::session::{FinishReason, GenerateOptions, Session, Step, Timings, Usage};
use crate::tokenizer::Special;
use crate::verify::{About, Answer, MAX_TOKENS, PROMPTS, Report};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use wasm_bindgen::prelude::*;

/// How long a prefill step may take before it returns: a layer is never cut.
const BUDGET: Duration = Duration::from_millis(8);

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

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    ids: Option<Vec<u32>>,
    parse_special: bool,
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    repeat_last_n: Option<i32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    seed: Option<f64>,
    log_probabilities: bool,
    stop: Vec<String>,
    /// Token ids are the object's keys, so they come as strings.
    logit_bias: BTreeMap<String, f32>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Event<'a> {
    Prefill { done: usize, total: usize },
    Token { id: u32, text: &'a str, log_probability: Option<f64>, entropy: Option<f64> },
    Done { finish_reason: FinishReason, text: &'a str, usage: Usage, timings: Timings },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    wasm_bytes: u64,
    weight_bytes: u64,
    kv_cache_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    read_bytes_per_second: f64,
    read_bytes: u64,
    dot_macs_per_second: f64,
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

/// A model ready to write.
#[wasm_bindgen]
pub struct Engine {
    session: Session,
}

impl Engine {
    pub(super) fn new(session: Session) -> Self {
        Engine { session }
    }

    fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        let loaded = self.session.loaded();
        let tokenizer = &loaded.tokenizer;
        if let Some(ids) = &request.ids {
            Ok(ids.clone())
        } else if let Some(messages) = &request.messages {
            loaded.template.encode(tokenizer, messages, true)
        } else {
            let special = Special { add_bos: None, parse: request.parse_special };
            tokenizer.encode(request.prompt.as_deref().unwrap_or_default(), special)
        }
    }
}

impl Request {
    fn options(self) -> Result<GenerateOptions> {
        let d = SamplerOptions::default();
        let mut logit_bias = Vec::new();
        for (id, bias) in self.logit_bias {
            let parsed = id.parse().map_err(|_| Error::BadOption {
                option: "logitBias",
                value: id,
                reason: "its keys are token ids",
            })?;
            logit_bias.push((parsed, bias));
        }
        Ok(GenerateOptions {
            max_tokens: self.max_tokens,
            sampler: SamplerOptions {
                temperature: self.temperature.unwrap_or(d.temperature),
                top_k: self.top_k.unwrap_or(d.top_k),
                top_p: self.top_p.unwrap_or(d.top_p),
                min_p: self.min_p.unwrap_or(d.min_p),
                repeat_penalty: self.repeat_penalty.unwrap_or(d.repeat_penalty),
                repeat_last_n: self.repeat_last_n.unwrap_or(d.repeat_last_n),
                presence_penalty: self.presence_penalty.unwrap_or(d.presence_penalty),
                frequency_penalty: self.frequency_penalty.unwrap_or(d.frequency_penalty),
                seed: self.seed.map_or(d.seed, |seed| seed as u64),
                logit_bias,
            },
            stop: self.stop,
            ignore_end: false,
            doubts: self.log_probabilities,
        })
    }
}

#[wasm_bindgen]
impl Engine {
    /// What was loaded and what computes it.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let loaded = self.session.loaded();
        let (config, compute, cache) = (&loaded.model.config, &loaded.model.compute, &self.session.state().cache);
        object(&Info {
            architecture: &config.architecture,
            name: loaded.name.as_deref(),
            parameters: config.parameters(),
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
        self.session.loaded().tokenizer.encode(text, special).map_err(|error| throw(&error))
    }

    /// The text of token ids; special tokens by their names.
    pub fn detokenize(&self, ids: &[u32]) -> String {
        self.session.loaded().tokenizer.decode(ids, true)
    }

    /// Begins a generation after a prompt, messages or ids; one under way is dropped.
    pub fn start(&mut self, request: JsValue) -> Result<JsValue, JsValue> {
        let request: Request = options(request)?;
        let usage = self
            .prompt(&request)
            .and_then(|prompt| self.session.start(&prompt, request.options()?))
            .map_err(|error| throw(&error))?;
        object(&usage)
    }

    /// Works for some milliseconds, or until a token is out.
    pub fn step(&mut self) -> Result<JsValue, JsValue> {
        match self.session.step(BUDGET).map_err(|error| throw(&error))? {
            Step::Prefill { done, total } => object(&Event::Prefill { done, total }),
            Step::Token { id, text, doubt } => object(&Event::Token {
                id,
                text: &text,
                log_probability: doubt.map(|d| d.log_probability),
                entropy: doubt.map(|d| d.entropy),
            }),
            Step::Done(s) => object(&Event::Done {
                finish_reason: s.finish_reason,
                text: &s.text,
                usage: s.usage,
                timings: s.timings,
            }),
        }
    }

    /// Ends the generation under way: the next step says so.
    pub fn cancel(&mut self) {
        self.session.cancel();
    }

    /// Forgets the conversation.
    pub fn reset(&mut self) {
        self.session.reset();
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
        let report = Report::new(self.session.loaded(), self.session.state().cache.kind().name(), about, &answers);
        object(&WrittenReport { text: report.text(), html: report.html(), metrics: &report })
    }

    /// What this machine allows, measured on the engine's threads for some tenths of a second: reads of memory over the
    /// model's own weights, and the backend's dot instruction on registers alone.
    pub fn roofline(&self) -> Result<JsValue, JsValue> {
        let model = &self.session.loaded().model;
        let limits = Roofline::measure(&model.compute, &model.weights.memory());
        object(&Limits {
            read_bytes_per_second: limits.read_bytes_per_second,
            read_bytes: limits.read_bytes,
            dot_macs_per_second: limits.dot_macs_per_second,
            macs_per_prompt_token: model.weights.macs(),
        })
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> Result<JsValue, JsValue> {
        object(&Memory {
            wasm_bytes: wasm_bytes(),
            weight_bytes: self.session.loaded().model.weights.bytes(),
            kv_cache_bytes: self.session.state().cache.bytes(),
        })
    }
}
