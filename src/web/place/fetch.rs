//! Requests by the global `fetch`, and bodies read by and by.

use super::Buffer;
use super::cross_origin_storage::{self, Writing};
use crate::download::{Body, HttpRequest, HttpResponse, Offer, Transport, Unreachable, address};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array, try_iter};
use std::cell::RefCell;
use std::ops::Range;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Blob, Headers, ReadableStream, ReadableStreamByobReader, ReadableStreamDefaultReader,
    RequestCache, RequestInit, Response, ResponseType,
};

#[wasm_bindgen]
extern "C" {
    /// The global one: there is a window in a page alone.
    #[wasm_bindgen(js_name = fetch, catch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// The browser's own client.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    /// The file of the sites' shared storage that was asked for last, by its SHA-256.
    stored: RefCell<Option<(String, Blob)>>,
    /// What that storage has wrongly under this name.
    distrusted: RefCell<Option<String>>,
}

/// Ends a request when it is dropped, its body too.
#[derive(Debug)]
struct Connection(AbortController);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Transport for Fetch {
    type Bytes = Buffer;
    type Body = StreamBody;

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse<StreamBody>, Unreachable> {
        let connection = Connection(AbortController::new()?);
        let init = init(request)?;
        init.set_signal(Some(&connection.0.signal()));
        let response = JsFuture::from(fetch(&request.url, &init)?).await?;
        let response: Response = response.dyn_into().map_err(|_| Unreachable("fetch gave no Response".to_owned()))?;
        let kind = response.type_();
        let mut status_text = response.status_text();
        // Nothing else can be told of these: their status is 0.
        if let Some(kind) = hidden(kind) {
            status_text = format!("({kind}: the browser hides its bytes from this page)");
        }
        let headers = pairs(&response.headers())?;
        let own = address::same_origin(&response.url(), &request.url);
        let linked_etag = headers.iter().find(|(name, _)| own && name == "x-linked-etag").map(|(_, etag)| etag.clone());
        let reader = response.body().map(|body| Reader::new(&body)).transpose()?;
        Ok(HttpResponse {
            url: response.url(),
            status: response.status(),
            status_text,
            headers,
            cross_origin: kind == ResponseType::Cors,
            linked_etag,
            body: StreamBody { reader, reading: None, connection: Some(connection) },
        })
    }

    async fn cross_origin_file(&self, sha256: &str, range: Option<Range<u64>>) -> Option<HttpResponse<StreamBody>> {
        if self.distrusted.borrow().as_deref() == Some(sha256) {
            return None;
        }
        let held = self.stored.borrow().as_ref().filter(|(held, _)| held == sha256).map(|(_, blob)| blob.clone());
        let blob = match held {
            Some(blob) => blob,
            None => {
                let blob = cross_origin_storage::find(sha256).await?;
                self.stored.replace(Some((sha256.to_owned(), blob.clone())));
                blob
            }
        };
        cross_origin_storage::answer(&blob, range)
    }

    fn distrust(&self, sha256: &str) {
        self.distrusted.replace(Some(sha256.to_owned()));
    }

    async fn offer(&self, sha256: &str, everyone: bool) -> Option<Box<dyn Offer<Bytes = Buffer>>> {
        Some(Box::new(Writing::begin(sha256, everyone).await?))
    }
}

fn init(request: &HttpRequest) -> Result<RequestInit, JsValue> {
    let init = RequestInit::new();
    // Not through the browser's own cache: it lets only one request for an address through at a time, and would keep a second copy.
    init.set_cache(RequestCache::NoStore);
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    init.set_headers(&headers);
    // In the page's own words, which the browser judges.
    let words = [
        ("credentials", &request.credentials),
        ("redirect", &request.redirect),
        ("referrerPolicy", &request.referrer_policy),
    ];
    for (property, word) in words {
        if let Some(word) = word {
            Reflect::set(&init, &property.into(), &word.into())?;
        }
    }
    Ok(init)
}

/// What fetch calls an answer that a page may not look into.
fn hidden(kind: ResponseType) -> Option<&'static str> {
    match kind {
        ResponseType::Opaque => Some("opaque"),
        ResponseType::Opaqueredirect => Some("opaqueredirect"),
        _ => None,
    }
}

fn pairs(headers: &Headers) -> Result<Vec<(String, String)>, JsValue> {
    let mut pairs = Vec::new();
    for pair in try_iter(headers)?.into_iter().flatten() {
        let pair: Array = pair?.unchecked_into();
        if let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

/// What a stream's bytes are read into at a time: as much as a part of a download has, so that the two use the same memory in turn.
const LANDING_BYTES: usize = 512 << 10;

/// Who reads a stream.
#[derive(Debug)]
enum Reader {
    /// Into memory that is there: what the browser would allocate for each chunk costs more than to read it.
    Into(ReadableStreamByobReader),
    /// Where the browser can't, or the stream is none of bytes.
    Any(ReadableStreamDefaultReader),
}

impl Reader {
    fn new(stream: &ReadableStream) -> Result<Self, JsValue> {
        match ReadableStreamByobReader::new(stream) {
            Ok(reader) => Ok(Reader::Into(reader)),
            Err(_) => Ok(Reader::Any(ReadableStreamDefaultReader::new(stream)?)),
        }
    }

    fn read(&self) -> Result<Promise, Unreachable> {
        match self {
            // The stream takes the memory away, and gives it back with the bytes.
            Reader::Into(reader) => {
                let landing = Buffer::unwritten(LANDING_BYTES).map_err(|error| Unreachable(error.to_string()))?;
                Ok(reader.read_with_array_buffer_view(landing.as_js()))
            }
            Reader::Any(reader) => Ok(reader.read()),
        }
    }

    fn taken(&self, bytes: Uint8Array) -> Buffer {
        match self {
            Reader::Into(_) => Buffer::landed(bytes),
            Reader::Any(_) => bytes.into(),
        }
    }

    fn cancel(&self) -> Promise {
        match self {
            Reader::Into(reader) => reader.cancel(),
            Reader::Any(reader) => reader.cancel(),
        }
    }
}

/// A stream of bytes: the body of an answer, or what a page has opened. Dropped, it is ended: the request, or the stream's source.
#[derive(Debug)]
pub(crate) struct StreamBody {
    /// There is none where an answer has no body.
    reader: Option<Reader>,
    /// What has been asked for. A future of `next` that is dropped loses nothing.
    reading: Option<JsFuture>,
    connection: Option<Connection>,
}

impl StreamBody {
    /// Of a stream that nobody else reads.
    pub(crate) fn new(stream: &ReadableStream) -> Result<Self, Unreachable> {
        Ok(StreamBody { reader: Some(Reader::new(stream)?), reading: None, connection: None })
    }
}

impl Body for StreamBody {
    type Bytes = Buffer;

    async fn next(&mut self) -> Result<Option<Buffer>, Unreachable> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => self.reading.insert(reader.read()?.into()),
        };
        let read = reading.await;
        self.reading = None;
        let read: Object = read?.unchecked_into();
        if Reflect::get(&read, &"done".into())?.is_truthy() {
            return Ok(None);
        }
        match Reflect::get(&read, &"value".into())?.dyn_into::<Uint8Array>() {
            Ok(bytes) => Ok(Some(reader.taken(bytes))),
            Err(_) => Err(Unreachable("the stream must give Uint8Array chunks".to_owned())),
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        if let (Some(reader), None) = (&self.reader, &self.connection) {
            // Waited for by nobody, but a refusal must have somebody who hears it.
            drop(JsFuture::from(reader.cancel()));
        }
    }
}
