//! Web Locks: one tab at a time writes a file. web-sys has them behind a flag of the compiler.

use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request, catch)]
    fn request(
        name: &str,
        options: &Object,
        granted: &Closure<dyn FnMut(JsValue) -> Promise>,
    ) -> Result<Promise, JsValue>;
}

/// A lock that is held until this is dropped. The browser gives it back when the worker ends in any other way.
#[derive(Debug)]
pub(super) struct Lock {
    release: Function,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The function that resolves a promise does not throw.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// Takes a request for a lock back. One that has been granted is not touched.
struct Waiting(AbortController);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a lock, however long; dropped, it waits no more. The error is what the browser threw.
pub(super) async fn acquire(name: &str) -> Result<Lock, JsValue> {
    let waiting = Waiting(AbortController::new()?);
    let options = Object::new();
    Reflect::set(&options, &"signal".into(), &waiting.0.signal())?;
    let mut release = None;
    let held = Promise::new(&mut |resolve, _| release = Some(resolve));
    // A lock that is granted when nobody waits any more is given back at once: `held` has been resolved by then.
    let lock = Lock { release: release.ok_or("a promise without an executor")? };
    let (tell, told) = oneshot::channel();
    let granted = Closure::once(move |_: JsValue| {
        let _ = tell.send(());
        held
    });
    let ended = JsFuture::from(request(name, &options, &granted)?);
    match select(told, ended).await {
        Either::Left((Ok(()), _)) => Ok(lock),
        Either::Right((Err(thrown), _)) => Err(thrown),
        Either::Left((Err(_), _)) | Either::Right((Ok(_), _)) => {
            Err("the browser ended a lock that it had not granted".into())
        }
    }
}
