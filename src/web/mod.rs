//! The worker of the npm package: what runs in it beside the page, from the first message to the last token.
//!
//! JavaScript fetches the module, starts the workers of further threads, and hands a port to [`serve`]. From there on page and
//! worker speak the messages of [`protocol`]: a [source](worker) becomes a model or an estimate, generations run one after the other,
//! calls are answered in between.
//!
//! Nothing here waits for the event loop to stand still: downloads and the page's streams are futures, polled in
//! [microtasks](executor), and a generation goes back to the event loop every few milliseconds, so that a cancel is heard within one
//! token and between two layers of a prompt.
//!
//! What goes wrong is a message with a [code](crate::Error::code). A trap or a panic ends the worker: its memory can't be trusted any
//! more, and the page is told.

#![cfg_attr(not(target_family = "wasm"), allow(dead_code))] // all but the messages

#[cfg(target_family = "wasm")]
mod executor;
mod js;
#[cfg(target_family = "wasm")]
mod place;
#[cfg(target_family = "wasm")]
mod port;
mod protocol;
#[cfg(target_family = "wasm")]
mod worker;

#[cfg(target_family = "wasm")]
pub use exports::*;

#[cfg(target_family = "wasm")]
mod exports {
    pub use super::port::Endpoint;
    pub use super::worker::serve;
    use crate::kernels;
    use wasm_bindgen::prelude::*;

    /// Names of the kernels in this module, the one in use first.
    #[wasm_bindgen]
    pub fn backends() -> Vec<String> {
        kernels::available().iter().map(|backend| backend.name().to_owned()).collect()
    }

    /// Runs once when the module is instantiated: a panic, should one slip through, says where in the console.
    #[wasm_bindgen(start)]
    fn start() {
        console_error_panic_hook::set_once();
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
}
