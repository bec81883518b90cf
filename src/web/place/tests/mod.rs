//! In a dedicated worker of a real browser. What a browser lacks or refuses is taken away from it by a [`Stub`].

mod buffer;
mod clock;
mod fetch;
mod folder;
mod locks;
mod opfs;

use super::*;
use crate::download::Clock;
use js_sys::{Function, Object, global};
use wasm_bindgen_futures::JsFuture;

/// What JavaScript says to `code`, which is an expression.
fn js(code: &str) -> JsValue {
    js_sys::eval(&format!("({code})")).unwrap_or_else(|error| panic!("{code}: {}", words(&error)))
}

async fn awaited(code: &str) -> JsValue {
    JsFuture::from(js(code).unchecked_into::<js_sys::Promise>())
        .await
        .unwrap_or_else(|error| panic!("{code}: {}", words(&error)))
}

fn called(function: &JsValue) -> JsValue {
    function.unchecked_ref::<Function>().call0(&JsValue::UNDEFINED).unwrap()
}

/// A property of a global object that is something else for a while, or missing.
struct Stub {
    object: Object,
    property: JsValue,
    before: JsValue,
}

impl Stub {
    /// The last of `path` is what is replaced.
    fn new(path: &str, value: &JsValue) -> Stub {
        let (of, property) = path.rsplit_once('.').unwrap_or(("globalThis", path));
        let object: Object = js(of).unchecked_into();
        let property = JsValue::from(property);
        let before = Object::get_own_property_descriptor(&object, &property);
        let descriptor = js("{ configurable: true, writable: true }");
        Reflect::set(&descriptor, &"value".into(), value).unwrap();
        assert!(Reflect::define_property(&object, &property, descriptor.unchecked_ref()).unwrap(), "{path} is fixed");
        Stub { object, property, before }
    }

    fn missing(path: &str) -> Stub {
        Stub::new(path, &JsValue::UNDEFINED)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if self.before.is_undefined() {
            Reflect::delete_property(&self.object, &self.property).unwrap();
        } else {
            Reflect::define_property(&self.object, &self.property, self.before.unchecked_ref()).unwrap();
        }
    }
}

/// Counts what nobody has heard of, from its making on.
struct Unheard(JsValue);

impl Unheard {
    fn new() -> Self {
        Unheard(js("(() => {
            const heard = { count: 0 };
            addEventListener('unhandledrejection', (event) => { heard.count++; event.preventDefault(); });
            return heard;
        })()"))
    }

    async fn count(&self) -> f64 {
        // The browser tells of them after the microtasks.
        Timers::default().sleep(0).await;
        Timers::default().sleep(0).await;
        Reflect::get(&self.0, &"count".into()).unwrap().as_f64().unwrap()
    }
}

#[wasm_bindgen_test::wasm_bindgen_test]
fn words_are_the_message_or_whatever_there_is() {
    for (thrown, said) in [
        ("new Error('no luck')", "no luck"),
        ("new DOMException('no place', 'QuotaExceededError')", "no place"),
        ("new DOMException('', 'AbortError')", "AbortError"),
        ("'a string'", "a string"),
        ("undefined", "undefined"),
        ("7", "7"),
        ("Symbol('s')", "Symbol(s)"),
        ("Object.create(null)", ""),
        ("new Proxy({}, { get() { throw new Error('in a getter'); } })", ""),
    ] {
        assert_eq!(words(&js(thrown)), said, "{thrown}");
    }
}

#[wasm_bindgen_test::wasm_bindgen_test]
async fn a_refusal_of_the_store_is_not_remembered() {
    if opfs::store().await.is_none() {
        return;
    }
    let tab = Tab::new(Tuning::default(), None);
    let stub = Stub::missing("navigator.locks");
    assert!(tab.store().await.is_err());
    drop(stub);
    let store: *const Opfs = tab.store().await.unwrap();
    let _stub = Stub::missing("navigator.locks");
    assert_eq!(tab.store().await.unwrap() as *const Opfs, store);
    assert!(global().is_object() && tab.tuning().part_bytes > 0 && tab.clock().now() >= 0.0);
}
