//! The worker as a page sees it, over a channel of messages.

mod files;
mod forms;

use super::super::executor::spawn;
use super::super::port::{Endpoint, listen};
use super::serve;
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use gloo::events::EventListener;
use js_sys::{Array, JSON, Reflect, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Blob, MessageChannel, MessagePort};

const MODEL: &[u8] = include_bytes!("../../../tests/models/stories-I2_S.gguf");

/// The other end.
struct Page {
    port: MessagePort,
    heard: mpsc::UnboundedReceiver<JsValue>,
    _listener: EventListener,
}

impl Page {
    fn new() -> Self {
        Page::with_forms(None)
    }

    fn with_forms(forms: Option<js_sys::Function>) -> Self {
        let channel = MessageChannel::new().unwrap();
        let (sent, heard) = mpsc::unbounded();
        let port = channel.port1();
        let listener = listen(port.unchecked_ref::<Endpoint>(), move |message| sent.unbounded_send(message).unwrap());
        serve(channel.port2().unchecked_into(), 1, false, Some("a test".to_owned()), None, forms).unwrap();
        channel.port2().start();
        port.start();
        Page { port, heard, _listener: listener }
    }

    fn send(&self, json: &str) {
        self.port.post_message(&JSON::parse(json).unwrap()).unwrap();
    }

    /// A model of these parts.
    fn load(&self, parts: &Array) {
        self.port.post_message(&load_message(parts)).unwrap();
    }

    fn load_blob(&self, bytes: &[u8]) {
        let part = JSON::parse(r#"{"type":"blob","body":{}}"#).unwrap();
        Reflect::set(&field(&part, "body"), &"blob".into(), &blob(bytes)).unwrap();
        self.load(&Array::of1(&part));
    }

    /// The next message of this type, and the types of those before it.
    async fn hear(&mut self, wanted: &str) -> (JsValue, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let message = self.heard.next().await.unwrap();
            let kind = field(&message, "type").as_string().unwrap();
            if kind == wanted {
                return (field(&message, "body"), before);
            }
            assert!(!kind.ends_with("failed") && kind != "crashed", "{kind}: {}", text(&message));
            before.push(kind);
        }
    }

    /// With the small model.
    async fn loaded() -> Self {
        let mut page = Page::new();
        page.load_blob(MODEL);
        page.hear("loaded").await;
        page
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).unwrap()
}

fn load_message(parts: &Array) -> JsValue {
    let json = r#"{"type":"load","body":{"source":{"kind":"alone","cache":"off","offline":false,"connections":4},"options":{}}}"#;
    let message = JSON::parse(json).unwrap();
    let source = field(&field(&message, "body"), "source");
    Reflect::set(&source, &"parts".into(), parts).unwrap();
    message
}

fn field(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap()
}

fn text(value: &JsValue) -> String {
    JSON::stringify(value).unwrap().into()
}

#[wasm_bindgen_test]
async fn a_file_becomes_a_model_that_writes() {
    let mut page = Page::new();
    page.load_blob(MODEL);
    let (info, before) = page.hear("loaded").await;
    assert!(before.iter().all(|kind| kind == "progress") && before.len() >= 2, "{before:?}");
    assert_eq!(field(&info, "whySingleThreaded").as_string().unwrap(), "a test");
    assert!(field(&info, "cached").is_undefined());
    page.send(
        r#"{"type":"generate","body":{"id":7,"session":0,"request":{"prompt":"Once upon a time","temperature":0,"maxTokens":9}}}"#,
    );
    let mut said = 0;
    loop {
        let message = page.heard.next().await.unwrap();
        let body = field(&message, "body");
        assert_eq!(field(&body, "id").as_f64(), Some(7.0), "{}", text(&message));
        match field(&message, "type").as_string().unwrap().as_str() {
            "prefill" => {}
            "tokens" => said += field(&body, "tokens").unchecked_into::<Array>().length(),
            "done" => {
                assert_eq!(field(&body, "finishReason").as_string().unwrap(), "length");
                break;
            }
            _ => panic!("{}", text(&message)),
        }
    }
    assert_eq!(said, 9);
}

#[wasm_bindgen_test]
async fn the_page_is_asked_for_what_it_alone_can_open() {
    let mut page = Page::new();
    page.load(&Array::of1(&JSON::parse(r#"{"type":"page","body":{}}"#).unwrap()));
    let (asked, _) = page.hear("open-part").await;
    assert_eq!(field(&asked, "index").as_f64(), Some(0.0));
    page.send(r#"{"type":"part-opened","body":{}}"#);
    for piece in MODEL.chunks(400_000) {
        let message = JSON::parse(r#"{"type":"chunk","body":{}}"#).unwrap();
        Reflect::set(&field(&message, "body"), &"bytes".into(), &Uint8Array::from(piece)).unwrap();
        page.port.post_message(&message).unwrap();
        page.hear("taken").await;
    }
    page.send(r#"{"type":"part-end"}"#);
    page.hear("loaded").await;
}

#[wasm_bindgen_test]
async fn nonsense_is_refused_with_a_code() {
    let mut page = Page::new();
    page.load_blob(b"<html>");
    let (error, _) = page.hear("load-failed").await;
    assert_eq!(field(&error, "code").as_string().unwrap(), "format", "{}", text(&error));
}

#[wasm_bindgen_test]
async fn a_source_without_sense_is_refused() {
    let address = |url: &str| {
        let json = format!(r#"{{"type":"address","body":{{"url":"{url}","headers":[]}}}}"#);
        Array::of1(&JSON::parse(&json).unwrap())
    };
    for url in ["x.gguf", "hf:owner/file.gguf", "https://localhost/m-00002-of-00003.gguf"] {
        let mut page = Page::new();
        page.load(&address(url));
        let (error, _) = page.hear("load-failed").await;
        assert_eq!(field(&error, "code").as_string().unwrap(), "invalid-argument", "{}", text(&error));
    }
    let mut page = Page::new();
    let message = load_message(&address("https://localhost/x.gguf"));
    let source = field(&field(&message, "body"), "source");
    Reflect::set(&source, &"sha256".into(), &JSON::parse(r#"["ab", "cd"]"#).unwrap()).unwrap();
    page.port.post_message(&message).unwrap();
    let (error, _) = page.hear("load-failed").await;
    assert!(text(&error).contains("2 digests for 1 parts"), "{}", text(&error));
}

#[wasm_bindgen_test]
async fn what_is_asked_too_early_or_makes_no_sense_fails_alone() {
    let mut page = Page::new();
    page.send(r#"{"type":"call","body":{"id":1,"call":{"name":"memory"}}}"#);
    let (failed, _) = page.hear("failed").await;
    assert!(text(&failed).contains("no model yet"), "{}", text(&failed));
    page.send(r#"{"type":"generate","body":{"id":2,"session":0,"request":{"maxTokens":1e12}}}"#);
    let (failed, _) = page.hear("failed").await;
    assert!(text(&failed).contains("invalid-argument"), "{}", text(&failed));
    assert_eq!(field(&failed, "id").as_f64(), Some(2.0));
}

#[wasm_bindgen_test]
async fn a_cancel_is_heard_while_it_writes_and_while_it_waits() {
    let mut page = Page::loaded().await;
    for id in [1, 2] {
        page.send(&format!(
            r#"{{"type":"generate","body":{{"id":{id},"session":0,"request":{{"prompt":"Once upon"}}}}}}"#
        ));
    }
    page.send(r#"{"type":"cancel","body":{"id":2}}"#);
    let (first, _) = page.hear("done").await;
    assert_eq!(field(&first, "id").as_f64(), Some(2.0), "the one that waits");
    page.send(r#"{"type":"cancel","body":{"id":1}}"#);
    let (second, _) = page.hear("done").await;
    assert_eq!(field(&second, "finishReason").as_string().unwrap(), "cancelled");
}

#[wasm_bindgen_test]
async fn sessions_are_copied_saved_and_restored() {
    let mut page = Page::loaded().await;
    let call = |id: u32, call: &str| format!(r#"{{"type":"call","body":{{"id":{id},"call":{call}}}}}"#);
    page.send(
        r#"{"type":"generate","body":{"id":1,"session":0,"request":{"prompt":"Once upon a time","maxTokens":2}}}"#,
    );
    page.hear("done").await;
    page.send(&call(2, r#"{"name":"cloneSession","args":{"session":0}}"#));
    let (cloned, _) = page.hear("value").await;
    assert_eq!(text(&field(&cloned, "reply")), r#"{"name":"cloneSession","value":1}"#);
    page.send(&call(3, r#"{"name":"saveSession","args":{"session":1}}"#));
    let (saved, _) = page.hear("value").await;
    let bytes: Uint8Array = field(&field(&saved, "reply"), "value").unchecked_into();
    assert!(bytes.length() > 100);
    let message = JSON::parse(&call(4, r#"{"name":"restoreSession","args":{"session":1}}"#)).unwrap();
    let args = field(&field(&field(&message, "body"), "call"), "args");
    Reflect::set(&args, &"bytes".into(), &bytes).unwrap();
    page.port.post_message(&message).unwrap();
    let (restored, _) = page.hear("value").await;
    assert_eq!(field(&restored, "id").as_f64(), Some(4.0));
    page.send(&call(5, r#"{"name":"closeSession","args":{"session":1}}"#));
    page.hear("value").await;
    page.send(&call(6, r#"{"name":"resetSession","args":{"session":1}}"#));
    // Not by `hear`, which fails at it.
    let message = page.heard.next().await.unwrap();
    assert!(text(&message).contains("disposed"), "{}", text(&message));
}

#[wasm_bindgen_test]
async fn tokens_of_a_prompt_are_counted_beside_a_generation() {
    let mut page = Page::loaded().await;
    let request = r#"{"messages":[{"role":"user","content":"Is it warm?"}],"maxTokens":4}"#;
    page.send(&format!(r#"{{"type":"generate","body":{{"id":1,"session":0,"request":{request}}}}}"#));
    let call = format!(r#"{{"name":"countTokens","args":{{"request":{request}}}}}"#);
    page.send(&format!(r#"{{"type":"call","body":{{"id":2,"call":{call}}}}}"#));
    let (counted, before) = page.hear("value").await;
    assert!(!before.contains(&"done".to_owned()), "{before:?}");
    let (done, _) = page.hear("done").await;
    let read = field(&field(&done, "usage"), "promptTokens");
    assert_eq!(field(&field(&counted, "reply"), "value").as_f64(), read.as_f64());
}

#[wasm_bindgen_test]
async fn tasks_are_polled_until_they_end() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let (ring, rung) = oneshot::channel::<()>();
    let (end, ended) = oneshot::channel::<()>();
    let seen = Rc::clone(&order);
    spawn(async move {
        let _ = rung.await;
        seen.borrow_mut().push("rung");
        let inner = Rc::clone(&seen);
        spawn(async move {
            inner.borrow_mut().push("spawned by a task");
            let _ = end.send(());
        });
        seen.borrow_mut().push("done");
    });
    order.borrow_mut().push("first");
    ring.send(()).unwrap();
    ended.await.unwrap();
    assert_eq!(*order.borrow(), ["first", "rung", "done", "spawned by a task"]);
}
