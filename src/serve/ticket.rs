//! What becomes of a request: a line of the log, and counts. Neither keys nor texts are in it.

use super::log::Log;
use super::metrics::{Metrics, Route};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, StatusCode};
use b158::session::{FinishReason, Summary, Timings, Usage};
use hyper::body::{Frame, SizeHint};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Where a client has gone before its answer was whole: nginx's number.
const GONE: u16 = 499;

/// A request under way. Handlers say what they know of it.
pub(crate) struct Ticket {
    from: IpAddr,
    method: Method,
    path: String,
    route: Route,
    began: Instant,
    details: Mutex<Details>,
}

#[derive(Default)]
struct Details {
    ignored: Vec<String>,
    notes: Vec<String>,
    /// Where the request named none.
    seed: Option<u64>,
    first_token: Option<Duration>,
    /// Of answers that have begun: tokens of the prompts, tokens so far.
    begun: Usage,
    /// Of answers that have ended.
    usage: Option<Usage>,
    /// Answers that have ended, each as it has.
    ended: Vec<(FinishReason, Timings)>,
    /// An answer has failed after its status had gone out.
    failed: bool,
}

impl Ticket {
    pub(crate) fn new(from: IpAddr, method: Method, path: &str, route: Route) -> Self {
        // As much of a path as a person reads.
        let path = path.chars().take(200).collect();
        Ticket { from, method, path, route, began: Instant::now(), details: Mutex::default() }
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ignored(&self, names: &[String]) {
        self.details().ignored = names.to_vec();
    }

    pub(crate) fn names_of_ignored(&self) -> String {
        self.details().ignored.join(", ")
    }

    pub(crate) fn seed(&self, seed: u64) {
        self.details().seed = Some(seed);
    }

    pub(crate) fn drawn(&self) -> Option<u64> {
        self.details().seed
    }

    pub(crate) fn took(&self, prompt_tokens: usize) {
        self.details().usage = Some(Usage { prompt_tokens, ..Usage::default() });
    }

    pub(crate) fn begun(&self, usage: &Usage) {
        let mut details = self.details();
        details.begun.prompt_tokens += usage.prompt_tokens;
        details.begun.cached_tokens += usage.cached_tokens;
    }

    pub(crate) fn token(&self) {
        let mut details = self.details();
        details.begun.completion_tokens += 1;
        details.first_token.get_or_insert_with(|| self.began.elapsed());
    }

    pub(crate) fn done(&self, summary: &Summary, notes: Vec<String>) {
        let mut details = self.details();
        details.notes.extend(notes);
        let sum = details.usage.get_or_insert_default();
        sum.prompt_tokens += summary.usage.prompt_tokens;
        sum.cached_tokens += summary.usage.cached_tokens;
        sum.completion_tokens += summary.usage.completion_tokens;
        details.ended.push((summary.finish_reason, summary.timings));
    }

    pub(crate) fn failed(&self) {
        self.details().failed = true;
    }

    fn line(&self, details: &Details, status: u16, whole: bool) -> String {
        let mut line = format!("{} {} {} {status}", self.from, self.method, self.path);
        let is_under_way = (!whole || details.failed) && details.begun != Usage::default();
        if let Some(usage) = if is_under_way { Some(&details.begun) } else { details.usage.as_ref() } {
            let _ = write!(line, ", {} tokens read", usage.prompt_tokens);
            if usage.cached_tokens > 0 {
                let _ = write!(line, " ({} kept)", usage.cached_tokens);
            }
            if usage.completion_tokens > 0 {
                let _ = write!(line, ", {} written", usage.completion_tokens);
            }
        }
        let _ = write!(line, ", {:.3} s", self.began.elapsed().as_secs_f64());
        if let Some(first) = details.first_token {
            let _ = write!(line, " ({:.3} s to the first token)", first.as_secs_f64());
        }
        if let Some(seed) = details.seed {
            let _ = write!(line, ", seed {seed}");
        }
        if details.failed {
            line += ", failed on the way";
        } else if !whole {
            line += ", the client has gone";
        }
        if !details.ignored.is_empty() {
            let _ = write!(line, ", ignored: {}", details.ignored.join(", "));
        }
        for note in &details.notes {
            let _ = write!(line, "; note: {note}");
        }
        line
    }
}

/// Tells what became of a request when it is dropped, which is when the last byte of the answer has been handed on.
pub(crate) struct Told {
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    /// None until there is an answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) whole: bool,
}

impl Drop for Told {
    fn drop(&mut self) {
        let details = self.ticket.details();
        let status = self.status.filter(|_| self.whole || details.failed).map_or(GONE, |status| status.as_u16());
        self.metrics.request(self.ticket.route, status, self.ticket.began.elapsed());
        if let Some(first) = details.first_token {
            self.metrics.first_token(first);
        }
        for (reason, timings) in &details.ended {
            self.metrics.answer(*reason, timings);
        }
        if !self.log.is_quiet() {
            let line = self.ticket.line(&details, self.status.map_or(GONE, |status| status.as_u16()), self.whole);
            drop(details);
            self.log.line(line);
        }
    }
}

/// The body of an answer, with all that lasts as long as it does.
pub(crate) struct Counted<T> {
    body: Body,
    told: Told,
    _held: T,
}

impl<T: Send + Unpin + 'static> Counted<T> {
    pub(crate) fn wrap(body: Body, told: Told, held: T) -> Body {
        Body::new(Counted { body, told, _held: held })
    }
}

impl<T: Unpin> HttpBody for Counted<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.told.whole = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        // Of a body of known length nobody asks whether there is more.
        self.told.whole |= self.body.is_end_stream();
    }
}
