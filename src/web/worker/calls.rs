//! Calls that give one value back.

use super::super::js::Js;
use super::super::port::post;
use super::super::protocol::{Call, FromWorker, PlainError, Reply, Roofline, VerifyDefaults, WrittenReport};
use super::Worker;
use super::generate::asked;
use crate::allocate::try_zeroed;
use crate::kernels;
use crate::tokenizer::Special;
use crate::verify::{MAX_TOKENS, PROMPTS, Report};
use js_sys::{Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

impl Worker {
    pub(super) fn answer(&self, id: u32, call: Call) {
        match self.reply(call) {
            Ok(reply) => {
                // The one large value: it goes to the page and is gone here.
                let moved = match &reply {
                    Reply::SaveSession(Js(bytes)) => Some(bytes.unchecked_ref::<Uint8Array>().buffer()),
                    _ => None,
                };
                let transfer: Vec<&JsValue> = moved.iter().map(AsRef::as_ref).collect();
                post(&self.port, &FromWorker::Value { id, reply }, &transfer);
            }
            Err(error) => self.post(&FromWorker::Failed { id, error }),
        }
    }

    fn reply(&self, call: Call) -> Result<Reply, PlainError> {
        let engine = self.engine()?;
        let tokenizer = &engine.loaded.tokenizer;
        Ok(match call {
            Call::Tokenize { text, parse_special } => {
                let special = Special { add_bos: Some(false), parse: parse_special };
                let ids = tokenizer.encode(&text, special)?;
                Reply::Tokenize(Js(Uint32Array::from(&ids[..]).into()))
            }
            Call::Detokenize { ids } => Reply::Detokenize(tokenizer.decode(&ids, true)),
            Call::CountTokens { request } => Reply::CountTokens(asked(&engine.loaded, &request)?.prompt.len()),
            Call::Memory => Reply::Memory(engine.memory()),
            Call::OpenSession => Reply::OpenSession(engine.open()?),
            Call::CloneSession { session } => {
                let copy = engine.session(session)?.borrow().try_clone()?;
                Reply::CloneSession(engine.keep(copy))
            }
            Call::SaveSession { session } => {
                let bytes = engine.session(session)?.borrow().save()?;
                Reply::SaveSession(Js(Uint8Array::from(&bytes[..]).into()))
            }
            Call::RestoreSession { session, bytes } => {
                let session = engine.session(session)?;
                let bytes: Uint8Array = bytes
                    .0
                    .dyn_into()
                    .map_err(|_| PlainError::new("invalid-argument", "a saved session is a Uint8Array"))?;
                // Not as a vector of the message: there the module would trap where it has no memory for it.
                let mut copy: Vec<u8> = try_zeroed(bytes.length() as usize, "a saved session")?;
                bytes.copy_to(&mut copy);
                session.borrow_mut().restore(&copy)?;
                Reply::RestoreSession(())
            }
            Call::ResetSession { session } => {
                engine.session(session)?.borrow_mut().reset();
                Reply::ResetSession(())
            }
            Call::CloseSession { session } => {
                engine.close(session);
                Reply::CloseSession(())
            }
            Call::Roofline => {
                let model = &engine.loaded.model;
                let limits = kernels::Roofline::measure(&model.compute, &model.weights.memory());
                Reply::Roofline(Roofline {
                    read_bytes_per_second: limits.read_bytes_per_second,
                    read_bytes: limits.read_bytes,
                    dot_macs_per_second: limits.dot_macs_per_second,
                    table_macs_per_second: limits.table_macs_per_second,
                    macs_per_prompt_token: model.weights.macs(),
                })
            }
            Call::VerifyDefaults => {
                Reply::VerifyDefaults(VerifyDefaults { prompts: PROMPTS.to_vec(), max_tokens: MAX_TOKENS })
            }
            Call::Report { answers, about } => {
                let metrics = Report::new(&engine.loaded, engine.kv_type.name(), about, &answers);
                let (text, html) = (metrics.text(), metrics.html());
                Reply::Report(Box::new(WrittenReport { metrics, text, html }))
            }
        })
    }
}
