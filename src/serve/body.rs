//! Bodies of requests: read whole within bounds of size and time, or read to their end and dropped, so that a client that is
//! still sending hears the answer.

use super::problem::Problem;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a client that has had its answer may go on sending, how long it may be silent in between, and how much it may send.
const REST_TIME: Duration = Duration::from_secs(10);
const REST_SILENCE: Duration = Duration::from_secs(2);
const REST_BYTES: usize = 256 << 20;

/// A body as a whole may take so many times the time that it may be silent.
const WHOLE: u32 = 10;

/// What all bodies that are being read hold, in pieces of this size.
const PIECE: usize = 64 << 10;

/// Bounds on bodies.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Bytes of one.
    pub(crate) most: usize,
    /// Without a byte of it.
    pub(crate) silence: Duration,
    memory: Arc<Semaphore>,
}

impl Bounds {
    pub(crate) fn new(most: usize, silence: Duration) -> Self {
        let pieces = most.div_ceil(PIECE).saturating_mul(8).clamp(1, Semaphore::MAX_PERMITS);
        Bounds { most, silence, memory: Arc::new(Semaphore::new(pieces)) }
    }
}

/// A body, with its share of the memory that all have together.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body of JSON. `ending` becomes true when the server goes down.
///
/// # Errors
/// 415 for what is not JSON, 413 for one that is too large, 408 for one that does not come, 503 where there is no room or the
/// server goes down.
pub(crate) async fn read(
    bounds: &Bounds,
    headers: &HeaderMap,
    mut body: Body,
    mut ending: watch::Receiver<bool>,
) -> Result<Whole, Problem> {
    if *ending.borrow() {
        return Err(Problem::ending());
    }
    check_type(headers)?;
    let too_large = || {
        let most = bounds.most;
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is over {most} bytes, which is the most taken here"),
        )
        .code("body_too_large")
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bounds.most as u64) {
        return Err(too_large());
    }
    let deadline = Instant::now() + bounds.silence.saturating_mul(WHOLE);
    let mut whole = Whole { bytes: Vec::new(), memory: None };
    loop {
        let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let frame = tokio::select! {
            frame = timeout_at(deadline, timeout(bounds.silence, next)) => frame,
            _ = ending.wait_for(|ending| *ending) => return Err(Problem::ending()),
        };
        let frame = match frame {
            Ok(Ok(None)) => {
                whole.skip_mark();
                return if *ending.borrow() { Err(Problem::ending()) } else { Ok(whole) };
            }
            Ok(Ok(Some(Ok(frame)))) => frame,
            Ok(Ok(Some(Err(_)))) => return Err(Problem::invalid("the body ends before its time")),
            Ok(Err(_)) | Err(_) => {
                let seconds = bounds.silence.as_secs_f64();
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format!("the body has not come: nothing for {seconds} s, or not all of it in {WHOLE} times that"),
                ));
            }
        };
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > bounds.most - whole.bytes.len() {
            return Err(too_large());
        }
        whole.push(&piece, bounds)?;
    }
}

impl Whole {
    /// Some programs put the mark of UTF-8 first, which JSON has not.
    fn skip_mark(&mut self) {
        if self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.bytes.drain(..3);
        }
    }

    fn push(&mut self, piece: &[u8], bounds: &Bounds) -> Result<(), Problem> {
        let no_room = || Problem::unavailable("other large requests take all the room for such: try again", 1);
        let needed = (self.bytes.len() + piece.len()).div_ceil(PIECE);
        let held = self.memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if needed > held {
            let more = u32::try_from(needed - held).map_err(|_| no_room())?;
            let more = Arc::clone(&bounds.memory).try_acquire_many_owned(more).map_err(|_| no_room())?;
            match &mut self.memory {
                Some(memory) => memory.merge(more),
                memory => *memory = Some(more),
            }
        }
        self.bytes.try_reserve(piece.len()).map_err(|_| no_room())?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

/// A form of a page goes to any server without leave; it is never JSON. Programs that say nothing of the type mean JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let wrong = |what: String| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        return wrong(format!("the body is compressed ({}): send it as it is", shown(encoding)));
    }
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = given.to_str().unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json");
    if is_json {
        return Ok(());
    }
    wrong(format!("the Content-Type is {}: send JSON, as application/json", shown(given)))
}

fn shown(value: &HeaderValue) -> String {
    value.to_str().unwrap_or("?").chars().take(100).collect()
}

/// A body whose rest is read when nobody wants it any more: a connection that is closed on bytes not read takes the answer with it.
pub(crate) struct Drained {
    body: Option<Body>,
    /// Whether the client sends without being asked to.
    comes: bool,
}

impl Drained {
    pub(crate) fn wrap(body: Body, headers: &HeaderMap) -> Body {
        let waits = headers.get(EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if body.is_end_stream() { body } else { Body::new(Drained { body: Some(body), comes: !waits }) }
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.comes = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = &polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.comes && !body.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(timeout(REST_TIME, drain(rest)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut left = REST_BYTES;
    let mut next = async || timeout(REST_SILENCE, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await;
    while let Ok(Some(Ok(frame))) = next().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn read_of(bounds: &Bounds, headers: &[(&'static str, &str)], body: Body) -> Result<Whole, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (_keep, ending) = watch::channel(false);
        runtime().block_on(read(bounds, &map, body, ending)).map_err(|problem| problem.refusal.status)
    }

    #[test]
    fn types() {
        let bounds = Bounds::new(10, Duration::from_secs(1));
        for kind in
            ["application/json", "Application/JSON; charset=utf-8", " application/json ;x", "application/ld+json"]
        {
            assert_eq!(read_of(&bounds, &[("content-type", kind)], "{}".into()).unwrap().bytes, b"{}", "{kind}");
        }
        assert_eq!(read_of(&bounds, &[], "{}".into()).unwrap().bytes, b"{}");
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            "json",
            "text/json+json",
        ] {
            assert_eq!(read_of(&bounds, &[("content-type", kind)], "{}".into()).err(), Some(415), "{kind}");
        }
        assert_eq!(read_of(&bounds, &[("content-encoding", "gzip")], "{}".into()).err(), Some(415));
    }

    #[test]
    fn a_mark_of_utf_8_is_passed_over() {
        let bounds = Bounds::new(10, Duration::from_secs(1));
        assert_eq!(read_of(&bounds, &[], "\u{feff}{}".into()).unwrap().bytes, b"{}");
    }

    #[test]
    fn sizes() {
        let bounds = Bounds::new(10, Duration::from_secs(1));
        assert_eq!(read_of(&bounds, &[], "0123456789".into()).unwrap().bytes.len(), 10);
        assert_eq!(read_of(&bounds, &[], "0123456789a".into()).err(), Some(413));
        assert_eq!(read_of(&bounds, &[("content-length", "11")], Body::empty()).err(), Some(413));
        assert_eq!(read_of(&bounds, &[("content-length", "18446744073709551615")], Body::empty()).err(), Some(413));
    }

    #[test]
    fn all_bodies_together_have_a_bound() {
        let bounds = Bounds::new(PIECE, Duration::from_secs(1));
        let whole = || read_of(&bounds, &[], vec![0; PIECE].into());
        let held: Vec<Whole> = (0..8).map(|_| whole().unwrap()).collect();
        assert_eq!(whole().err(), Some(503));
        drop(held);
        assert!(whole().is_ok());
    }

    #[test]
    fn a_body_that_does_not_come_is_given_up() {
        let bounds = Bounds::new(10, Duration::from_millis(10));
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_of(&bounds, &[], never).err(), Some(408));
        let broken = Body::from_stream(futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert_eq!(read_of(&bounds, &[], broken).err(), Some(400));
        let (end, ending) = watch::channel(false);
        end.send_replace(true);
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let bounds = Bounds::new(10, Duration::from_secs(3600));
        let given_up = runtime().block_on(read(&bounds, &HeaderMap::new(), never, ending));
        assert_eq!(given_up.err().map(|problem| problem.refusal.status), Some(503));
    }
}
