//! What a worker gives a download: `fetch`, the private file system of its origin, and timers.
//!
//! The same in a page's dedicated worker, in Node.js, in Deno and in Bun: whatever one of them lacks or refuses becomes an error with
//! the environment's own words, and a download goes on without it where it can.

mod buffer;
mod clock;
mod cross_origin_storage;
mod fetch;
mod folder;
mod keeper;
mod locks;
mod opfs;
mod spare;
#[cfg(test)]
mod tests;

pub(crate) use buffer::Buffer;
pub(crate) use clock::Timers;
pub(crate) use fetch::{Fetch, StreamBody};
pub(crate) use folder::Blobs;
pub(crate) use opfs::{Opfs, contents};

use crate::download::{Place, StoreError, Tuning, Unreachable};
use js_sys::{Function, Reflect};
use std::cell::OnceCell;
use wasm_bindgen::prelude::*;

/// A browser's tab, or rather a worker in it.
pub(crate) struct Tab {
    transport: Fetch,
    store: OnceCell<Opfs>,
    keepers: Option<Function>,
    clock: Timers,
    tuning: Tuning,
}

impl Tab {
    /// Touches nothing yet. `keepers` starts a worker that reads and writes a file; without it that is done here.
    pub(crate) fn new(tuning: Tuning, keepers: Option<Function>) -> Self {
        Tab { transport: Fetch::default(), store: OnceCell::new(), keepers, clock: Timers::default(), tuning }
    }
}

impl Place for Tab {
    type Bytes = Buffer;
    type Transport = Fetch;
    type Store = Opfs;
    type Clock = Timers;

    fn transport(&self) -> &Fetch {
        &self.transport
    }

    /// Opened by whoever asks first. A refusal is not remembered: the next one may be luckier.
    async fn store(&self) -> Result<&Opfs, StoreError> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let opened = Opfs::open(self.keepers.clone()).await?;
        Ok(self.store.get_or_init(|| opened))
    }

    fn clock(&self) -> &Timers {
        &self.clock
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String, catch)]
    fn string(value: &JsValue) -> Result<String, JsValue>;
}

/// What an exception says: its message, or whatever else was thrown.
pub(crate) fn words(thrown: &JsValue) -> String {
    text(thrown, "message").or_else(|| text(thrown, "name")).or_else(|| string(thrown).ok()).unwrap_or_default()
}

/// The kind of a `DOMException`.
fn name(thrown: &JsValue) -> Option<String> {
    text(thrown, "name")
}

fn text(thrown: &JsValue, property: &str) -> Option<String> {
    if !thrown.is_object() {
        return None;
    }
    Reflect::get(thrown, &property.into()).ok()?.as_string().filter(|text| !text.is_empty())
}

impl From<JsValue> for Unreachable {
    fn from(thrown: JsValue) -> Self {
        Unreachable(words(&thrown))
    }
}

impl From<JsValue> for StoreError {
    fn from(thrown: JsValue) -> Self {
        match name(&thrown).as_deref() {
            Some("QuotaExceededError") => StoreError::Quota(words(&thrown)),
            _ => StoreError::Other(words(&thrown)),
        }
    }
}

/// No memory for what is read.
impl From<crate::Error> for StoreError {
    fn from(error: crate::Error) -> Self {
        StoreError::Other(error.to_string())
    }
}
