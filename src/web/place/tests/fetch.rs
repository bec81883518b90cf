use super::*;
use crate::download::{Body, HttpRequest, HttpResponse, Transport};
use futures::{FutureExt, poll};
use std::pin::pin;
use wasm_bindgen_test::wasm_bindgen_test as test;
use web_sys::ReadableStream;

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        url: url.to_owned(),
        headers: Vec::new(),
        credentials: None,
        redirect: None,
        referrer_policy: None,
        aside: false,
    }
}

async fn send(url: &str) -> HttpResponse<StreamBody> {
    Fetch::default().send(&request(url)).await.unwrap()
}

async fn refusal(request: &HttpRequest) -> String {
    Fetch::default().send(request).await.unwrap_err().0
}

async fn all(body: &mut StreamBody) -> Result<Vec<u8>, Unreachable> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        bytes.extend(chunk.to_vec().unwrap());
    }
    Ok(bytes)
}

/// The page of the tests comes from a server of theirs.
fn here(path: &str) -> String {
    js("location.origin").as_string().unwrap() + path
}

/// `fetch` is a function that keeps what it was called with, in `asked`, and answers with `answer`, an expression.
fn answering(answer: &str) -> Stub {
    Stub::new("fetch", &js(&format!("(url, init) => {{ globalThis.asked = {{ url, init }}; return {answer}; }}")))
}

fn asked(expression: &str) -> String {
    string(&js(&format!("asked.{expression}"))).unwrap()
}

#[test]
async fn a_server_answers() {
    let HttpResponse { url, status, headers, cross_origin, mut body, .. } = send(&here("/")).await;
    assert_eq!((url, status, cross_origin), (here("/"), 200, false));
    assert!(
        headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/html")),
        "{headers:?}"
    );
    let page = all(&mut body).await.unwrap();
    assert!(String::from_utf8_lossy(&page).contains("<script"));
    // After the end, still the end.
    assert_eq!(body.next().await.unwrap().map(|_| ()), None);
    assert_eq!(send(&here("/nothing-here")).await.status, 404);
    let HttpResponse { mut body, .. } = send("data:,some%20text").await;
    assert_eq!(all(&mut body).await.unwrap(), b"some text");
}

#[test]
async fn a_blob_answers_until_it_is_revoked() {
    let url = js("URL.createObjectURL(new Blob(['bytes']))").as_string().unwrap();
    assert_eq!(all(&mut send(&url).await.body).await.unwrap(), b"bytes");
    js(&format!("URL.revokeObjectURL('{url}')"));
    assert!(!refusal(&request(&url)).await.is_empty());
}

#[test]
async fn what_is_asked_for_reaches_fetch() {
    let _stub = answering(
        "Promise.resolve(new Response('x', { status: 206, statusText: 'Partial Content', headers: { ETag: '\"e\"' } }))",
    );
    let HttpResponse { status, status_text, headers, .. } = Fetch::default()
        .send(&HttpRequest {
            headers: vec![
                ("range".to_owned(), "bytes=0-9".to_owned()),
                ("authorization".to_owned(), "Bearer t".to_owned()),
            ],
            credentials: Some("include".to_owned()),
            redirect: Some("error".to_owned()),
            referrer_policy: Some("no-referrer".to_owned()),
            ..request("https://example.com/m.gguf")
        })
        .await
        .unwrap();
    assert_eq!((status, status_text.as_str()), (206, "Partial Content"));
    assert!(headers.contains(&("etag".to_owned(), "\"e\"".to_owned())), "{headers:?}");
    assert_eq!(asked("url"), "https://example.com/m.gguf");
    assert_eq!(asked("init.cache"), "no-store");
    assert_eq!(asked("init.headers.get('Range')"), "bytes=0-9");
    assert_eq!(asked("init.headers.get('authorization')"), "Bearer t");
    let words = ["credentials", "redirect", "referrerPolicy"].map(|word| asked(&format!("init.{word}")));
    assert_eq!(words, ["include", "error", "no-referrer"]);
    // What is not said is the browser's choice.
    send("https://example.com/m.gguf").await;
    assert_eq!(asked("init.credentials"), "undefined");
}

#[test]
async fn kinds_of_answers_are_told_apart() {
    let of_kind = |kind: &str, status: u16| {
        format!(
            "Promise.resolve(Object.defineProperties(new Response('x'), {{ type: {{ value: '{kind}' }}, status: {{ value: {status} }} }}))"
        )
    };
    for (kind, cross_origin) in [("basic", false), ("default", false), ("cors", true)] {
        let _stub = answering(&of_kind(kind, 200));
        let response = send("https://example.com/").await;
        assert_eq!((response.cross_origin, response.status_text.as_str()), (cross_origin, ""), "{kind}");
    }
    for kind in ["opaque", "opaqueredirect"] {
        let _stub = answering(&of_kind(kind, 0));
        let HttpResponse { status, status_text, .. } = send("https://example.com/").await;
        assert_eq!((status, status_text), (0, format!("({kind}: the browser hides its bytes from this page)")));
    }
}

#[test]
async fn a_request_is_ended_with_its_future() {
    let _stub = answering(
        "new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)))",
    );
    let unheard = Unheard::new();
    {
        let mut sending = pin!(async { send("https://example.com/").await });
        assert!(poll!(sending.as_mut()).is_pending());
        assert_eq!(asked("init.signal.aborted"), "false");
    }
    assert_eq!(asked("init.signal.aborted"), "true");
    assert_eq!(unheard.count().await, 0.0);
}

#[test]
async fn a_request_is_ended_with_its_body() {
    let _stub = answering(
        "Promise.resolve(new Response(new ReadableStream({ start(c) { init.signal.onabort = () => c.error(init.signal.reason); } })))",
    );
    let unheard = Unheard::new();
    let mut body = send("https://example.com/").await.body;
    assert!(body.next().now_or_never().is_none());
    assert_eq!(asked("init.signal.aborted"), "false");
    drop(body);
    assert_eq!(asked("init.signal.aborted"), "true");
    assert_eq!(unheard.count().await, 0.0);
}

#[test]
async fn an_absent_body_is_empty() {
    let _stub = answering("Promise.resolve(new Response(null, { status: 204 }))");
    assert_eq!(all(&mut send("https://example.com/").await.body).await.unwrap(), b"");
}

#[test]
async fn what_fails_says_why() {
    // Nobody listens there.
    assert!(!refusal(&request("http://127.0.0.1:9/")).await.is_empty());
    assert!(!refusal(&request("https://")).await.is_empty());
    let with = |name: &str, value: &str| HttpRequest {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..request(&here("/"))
    };
    assert!(!refusal(&with("bad name", "x")).await.is_empty());
    assert!(!refusal(&with("x-value", "two\nlines")).await.is_empty());
    assert!(
        !refusal(&HttpRequest { credentials: Some("sometimes".to_owned()), ..request(&here("/")) }).await.is_empty()
    );
    for (answer, said) in [
        ("Promise.reject(new TypeError('the cable is out'))", "the cable is out"),
        ("(() => { throw new TypeError('refused by a policy'); })()", "refused by a policy"),
        ("Promise.resolve({ status: 200 })", "fetch gave no Response"),
        ("Promise.resolve(undefined)", "fetch gave no Response"),
    ] {
        let _stub = answering(answer);
        assert_eq!(refusal(&request("https://example.com/")).await, said);
    }
    for missing in ["fetch", "AbortController", "Headers"] {
        let _stub = Stub::missing(missing);
        assert!(!refusal(&request(&here("/"))).await.is_empty(), "{missing}");
    }
    let locked = "(() => { const response = new Response('x'); response.body.getReader(); return Promise.resolve(response); })()";
    let _stub = answering(locked);
    assert!(!refusal(&request("https://example.com/")).await.is_empty());
}

fn stream(source: &str) -> StreamBody {
    StreamBody::new(&js(&format!("new ReadableStream({source})")).unchecked_into()).unwrap()
}

#[test]
async fn streams_of_a_page_are_read() {
    let mut body = stream(
        "{ start(c) { for (const text of ['one ', '', 'two']) c.enqueue(new TextEncoder().encode(text)); c.close(); } }",
    );
    assert_eq!(all(&mut body).await.unwrap(), b"one two");
    for chunk in ["'text'", "[1, 2]", "new ArrayBuffer(3)", "new Int8Array(3)", "undefined", "null"] {
        let mut body = stream(&format!("{{ start(c) {{ c.enqueue(new Uint8Array(2)); c.enqueue({chunk}); }} }}"));
        assert!(body.next().await.unwrap().is_some());
        assert_eq!(body.next().await.unwrap_err().0, "the stream must give Uint8Array chunks", "{chunk}");
    }
}

#[test]
async fn streams_that_break_say_why() {
    let mut body =
        stream("{ start(c) { c.enqueue(new Uint8Array(2)); }, pull() { throw new Error('the tape is torn'); } }");
    // Before or after its first chunk, as the browser likes.
    assert_eq!(all(&mut body).await.unwrap_err().0, "the tape is torn");
    let taken: ReadableStream =
        js("(() => { const stream = new ReadableStream(); stream.getReader(); return stream; })()").unchecked_into();
    assert!(!StreamBody::new(&taken).unwrap_err().0.is_empty());
}

#[test]
async fn a_dropped_stream_is_cancelled() {
    let unheard = Unheard::new();
    for cancel in
        ["() => { globalThis.cancelled = true; }", "() => { globalThis.cancelled = true; throw new Error('no'); }"]
    {
        js("globalThis.cancelled = false");
        let mut body = stream(&format!("{{ cancel: {cancel} }}"));
        assert!(body.next().now_or_never().is_none());
        drop(body);
        assert_eq!(js("cancelled"), true);
    }
    // One that has failed already can't be cancelled.
    drop(stream("{ start(c) { c.error(new Error('failed')); } }"));
    assert_eq!(unheard.count().await, 0.0);
}

#[test]
async fn a_read_that_is_not_waited_for_loses_nothing() {
    let mut body = stream("{ start(c) { globalThis.source = c; } }");
    for text in ["first", "second"] {
        assert!(body.next().now_or_never().is_none());
        assert!(body.next().now_or_never().is_none());
        js(&format!("source.enqueue(new TextEncoder().encode('{text}'))"));
        assert_eq!(body.next().await.unwrap().unwrap().to_vec().unwrap(), text.as_bytes());
    }
}
