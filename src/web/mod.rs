//! What JavaScript sees, from inside a module Web Worker: [`Loader`], then [`Engine`], then any number of [`Session`]s; or
//! [`Estimator`] alone.
//!
//! Errors are thrown as `Error` objects with a `code` (see [`crate::Error::code`]). Nothing here waits: a step of the
//! engine takes milliseconds, and the worker reads its messages between steps.

mod engine;
mod loader;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the worker's loop will use it"))]
mod place;
mod session;

pub use engine::Engine;
pub use loader::{Estimator, Loader};
pub use session::Session;

use crate::kernels;
use js_sys::Reflect;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Runs once when the module is instantiated: a panic, should one slip through, says where in the console.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Names of the kernels in this module, the one in use first.
#[wasm_bindgen]
pub fn backends() -> Vec<String> {
    kernels::available().iter().map(|backend| backend.name().to_owned()).collect()
}

/// Counts the calling web worker into the pool of threads, which shares this module's memory. False: it has come too late.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = joinPool)]
pub fn join_pool() -> bool {
    crate::threads::join()
}

/// What a web worker does that has joined the pool: it takes tasks, and never returns.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = workInPool)]
pub fn work_in_pool() {
    crate::threads::work();
}

/// A JavaScript `Error` with the message and the code.
fn throw(error: &crate::Error) -> JsValue {
    thrown(&error.to_string(), error.code())
}

fn thrown(message: &str, code: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    // Setting a property of a fresh object cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// A plain object with the fields of `value`.
fn object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| thrown(&error.to_string(), "invalid-argument"))
}

/// The fields of an options object; absent ones take their defaults.
fn options<T: serde::de::DeserializeOwned + Default>(value: JsValue) -> Result<T, JsValue> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(value).map_err(|error| thrown(&format!("options: {error}"), "invalid-argument"))
}

/// Bytes of this module's memory: it grows, and never shrinks.
fn wasm_bytes() -> u64 {
    core::arch::wasm32::memory_size::<0>() as u64 * 65_536
}
