//! The page's end of the line: whatever has `postMessage` and `addEventListener`. In a browser that is the worker's own scope, in
//! Node.js `parentPort`, and a `MessagePort` anywhere.

use super::protocol::FromWorker;
use gloo::events::EventListener;
use js_sys::Array;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Sends and hears messages.
    #[wasm_bindgen(
        extends = web_sys::EventTarget,
        typescript_type = "{ postMessage(message: unknown, transfer: Transferable[]): void }"
    )]
    #[derive(Clone, Debug)]
    pub type Endpoint;

    #[wasm_bindgen(method, catch, js_name = postMessage)]
    fn post_message(this: &Endpoint, message: &JsValue, transfer: &Array) -> Result<(), JsValue>;
}

/// Sends a message. `transfer` is gone here afterwards.
///
/// One that can't be sent leaves the page without an answer for ever: that ends the worker, as a trap does.
pub(super) fn post(port: &Endpoint, message: &FromWorker, transfer: &[&JsValue]) {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    let transfer: Array = transfer.iter().collect();
    let sent = match message.serialize(&serializer) {
        Ok(message) => port.post_message(&message, &transfer),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = sent {
        wasm_bindgen::throw_val(error);
    }
}

/// Hears messages as long as it lives.
pub(super) fn listen(port: &Endpoint, mut hear: impl FnMut(JsValue) + 'static) -> EventListener {
    EventListener::new(port, "message", move |event| {
        hear(event.unchecked_ref::<web_sys::MessageEvent>().data());
    })
}

/// Goes back to the event loop, so that messages are heard. A timer would be held back in a tab that nobody sees.
pub(super) struct Breath {
    ports: [web_sys::MessagePort; 2],
    turn: Cell<usize>,
    done: Rc<RefCell<Option<futures::channel::oneshot::Sender<()>>>>,
    _heard: Closure<dyn FnMut()>,
}

impl Breath {
    pub(super) fn new() -> Result<Self, JsValue> {
        let channel = web_sys::MessageChannel::new()?;
        let done = Rc::new(RefCell::<Option<futures::channel::oneshot::Sender<()>>>::default());
        let heard = {
            let done = Rc::clone(&done);
            Closure::<dyn FnMut()>::new(move || {
                if let Some(done) = done.take() {
                    // Nobody waits where the generation was dropped.
                    let _ = done.send(());
                }
            })
        };
        let ports = [channel.port1(), channel.port2()];
        for port in &ports {
            port.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        }
        Ok(Breath { ports, turn: Cell::new(0), done, _heard: heard })
    }

    pub(super) async fn take(&self) {
        let (done, heard) = futures::channel::oneshot::channel();
        self.done.replace(Some(done));
        // To and fro: Node.js would read one port again and again before it looks at any other.
        let port = &self.ports[self.turn.replace(1 - self.turn.get())];
        if port.post_message(&JsValue::UNDEFINED).is_ok() {
            let _ = heard.await;
        }
    }
}
