//! One conversation with a model.

use super::{object, options, throw, thrown};
use crate::allocate::try_zeroed;
use crate::chat::{Message, Variables};
use crate::model::Loaded;
use crate::sampler::SamplerOptions;
use crate::session::{self, FinishReason, GenerateOptions, SessionOptions, Step, Timings, Usage};
use crate::tokenizer::Special;
use crate::{Error, Result};
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::prelude::*;

/// How long a prefill step may take before it returns: a layer is never cut.
const BUDGET: Duration = Duration::from_millis(8);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    chat_template_kwargs: Variables,
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
            special: false,
            logprobs: self.log_probabilities,
        })
    }
}

/// A text in the making, with a KV cache of its own.
#[wasm_bindgen]
pub struct Session {
    session: session::Session,
}

impl Session {
    pub(super) fn new(loaded: Arc<Loaded>, options: SessionOptions) -> Result<Self> {
        Ok(Session { session: session::Session::new(loaded, options)? })
    }

    fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        let loaded = self.session.loaded();
        let tokenizer = &loaded.tokenizer;
        if let Some(ids) = &request.ids {
            Ok(ids.clone())
        } else if let Some(messages) = &request.messages {
            loaded.template.encode_with(tokenizer, messages, true, &request.chat_template_kwargs)
        } else {
            let special = Special { add_bos: None, parse: request.parse_special };
            tokenizer.encode_prompt(request.prompt.as_deref().unwrap_or_default(), special)
        }
    }
}

#[wasm_bindgen]
impl Session {
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
            Step::Token { id, text, logprobs } => object(&Event::Token {
                id,
                text: &text,
                log_probability: logprobs.map(|l| l.log_probability),
                entropy: logprobs.map(|l| l.entropy),
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

    /// Bytes of the KV cache as it is now.
    #[wasm_bindgen(js_name = kvCacheBytes)]
    pub fn kv_cache_bytes(&self) -> f64 {
        self.session.state().cache.bytes() as f64
    }

    /// A session of its own that has read the same.
    #[wasm_bindgen(js_name = clone)]
    pub fn try_clone(&self) -> Result<Session, JsValue> {
        Ok(Session { session: self.session.try_clone().map_err(|error| throw(&error))? })
    }

    /// What has been read, as bytes for `restore`.
    pub fn save(&self) -> Result<Uint8Array, JsValue> {
        let bytes = self.session.save().map_err(|error| throw(&error))?;
        Ok(Uint8Array::from(&bytes[..]))
    }

    /// Takes what another session has saved, in place of all that this one has read.
    pub fn restore(&mut self, bytes: &JsValue) -> Result<(), JsValue> {
        // Not `&[u8]`: the glue would trap where there is no memory for it.
        let bytes: &Uint8Array =
            bytes.dyn_ref().ok_or_else(|| thrown("a saved session is a Uint8Array", "invalid-argument"))?;
        let restored = try_zeroed(bytes.length() as usize, "a saved session").and_then(|mut copy: Vec<u8>| {
            bytes.copy_to(&mut copy);
            self.session.restore(&copy)
        });
        restored.map_err(|error| throw(&error))
    }
}
