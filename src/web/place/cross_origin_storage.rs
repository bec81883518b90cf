//! The storage that a browser's sites share, cross-origin storage: a file by its SHA-256, whoever has put it there.
//!
//! <https://wicg.github.io/cross-origin-storage/>. No browser has it of its own yet, and its method has had three names. Whatever it
//! refuses is no error: the file then comes from its server.

use super::Buffer;
use super::fetch::StreamBody;
use crate::download::{HttpResponse, Offer};
use futures::future::{FutureExt, LocalBoxFuture};
use js_sys::{Array, Function, Object, Promise, Reflect, global};
use std::ops::Range;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

const NAMES: [&str; 2] = ["getFileHandle", "requestFileHandle"];
/// It takes and gives arrays.
const NAME_OF_SEVERAL: &str = "requestFileHandles";

/// A handle of the file with this SHA-256: of one that is there, or of one that is to be written for these.
async fn handle(sha256: &str, origins: Option<Origins>) -> Option<JsValue> {
    let navigator = Reflect::get(&global(), &"navigator".into()).ok()?;
    let storage = Reflect::get(&navigator, &"crossOriginStorage".into()).ok().filter(JsValue::is_object)?;
    let hash = object(&[("algorithm", "SHA-256".into()), ("value", sha256.into())])?;
    let options = match origins {
        None => Object::new(),
        Some(Origins::SameSite) => object(&[("create", JsValue::TRUE)])?,
        Some(Origins::Everyone) => object(&[("create", JsValue::TRUE), ("origins", "*".into())])?,
    };
    if let Some(method) = NAMES.iter().find_map(|name| method(&storage, name)) {
        return settled(method.call2(&storage, &hash, &options)).await;
    }
    let handles = settled(method(&storage, NAME_OF_SEVERAL)?.call2(&storage, &Array::of1(&hash), &options)).await?;
    Reflect::get_u32(&handles, 0).ok().filter(JsValue::is_object)
}

/// Who may read a file.
#[derive(Clone, Copy)]
enum Origins {
    SameSite,
    Everyone,
}

/// The file, if it is there.
pub(super) async fn find(sha256: &str) -> Option<Blob> {
    let handle = handle(sha256, None).await?;
    settled(method(&handle, "getFile")?.call0(&handle)).await?.dyn_into().ok()
}

/// A range of it, or all, as a server answers.
pub(super) fn answer(blob: &Blob, range: Option<Range<u64>>) -> Option<HttpResponse<StreamBody>> {
    let size = blob.size() as u64;
    let (status, header, piece) = match range {
        None => (200, ("content-length", size.to_string()), blob.clone()),
        Some(Range { start, .. }) if start >= size => (416, ("content-range", format!("bytes */{size}")), blob.clone()),
        Some(Range { start, end }) => {
            let end = end.min(size);
            let piece = blob.slice_with_f64_and_f64(start as f64, end as f64).ok()?;
            (206, ("content-range", format!("bytes {start}-{}/{size}", end.saturating_sub(1))), piece)
        }
    };
    let (name, value) = header;
    Some(HttpResponse {
        url: String::new(),
        status,
        status_text: String::new(),
        headers: vec![(name.to_owned(), value)],
        cross_origin: false,
        linked_etag: None,
        body: StreamBody::new(&piece.stream()).ok()?,
    })
}

/// A file on its way there.
pub(super) struct Writing {
    /// Until it is closed.
    stream: Option<JsValue>,
}

impl Writing {
    pub(super) async fn begin(sha256: &str, everyone: bool) -> Option<Self> {
        let origins = if everyone { Origins::Everyone } else { Origins::SameSite };
        let handle = handle(sha256, Some(origins)).await?;
        let stream = settled(method(&handle, "createWritable")?.call0(&handle)).await?;
        Some(Writing { stream: Some(stream) })
    }
}

impl Offer for Writing {
    type Bytes = Buffer;

    fn write(&mut self, bytes: Buffer) -> LocalBoxFuture<'_, bool> {
        async move {
            let Some(stream) = &self.stream else { return false };
            let Some(write) = method(stream, "write") else { return false };
            settled(write.call1(stream, bytes.as_js())).await.is_some()
        }
        .boxed_local()
    }

    fn finish(mut self: Box<Self>) -> LocalBoxFuture<'static, ()> {
        async move {
            if let Some(stream) = self.stream.take()
                && let Some(close) = method(&stream, "close")
            {
                settled(close.call0(&stream)).await;
            }
        }
        .boxed_local()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream
            && let Some(abort) = method(stream, "abort")
            && let Ok(aborting) = abort.call0(stream)
            && let Ok(aborting) = aborting.dyn_into::<Promise>()
        {
            // Waited for by nobody, but a refusal must have somebody who hears it.
            drop(JsFuture::from(aborting));
        }
    }
}

fn method(of: &JsValue, name: &str) -> Option<Function> {
    Reflect::get(of, &name.into()).ok()?.dyn_into().ok()
}

/// What a call gives, if it does, and its promise too.
async fn settled(called: Result<JsValue, JsValue>) -> Option<JsValue> {
    match called.ok()?.dyn_into::<Promise>() {
        Ok(promise) => JsFuture::from(promise).await.ok(),
        Err(value) => Some(value),
    }
}

fn object(properties: &[(&str, JsValue)]) -> Option<Object> {
    let object = Object::new();
    for (name, value) in properties {
        Reflect::set(&object, &(*name).into(), value).ok()?;
    }
    Some(object)
}
