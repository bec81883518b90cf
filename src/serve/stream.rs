//! Answers as server-sent events, as they are made.

use super::answers::Answers;
use super::engine::Event;
use super::problem::Problem;
use super::ticket::Ticket;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a stream waits for an answer to begin before it begins by itself. What is refused until then has a status of its own;
/// proxies are patient for a minute.
const BEFORE: Duration = Duration::from_secs(15);

/// What proxies hear while a long prompt is read.
const ALIVE: Duration = Duration::from_secs(10);

/// What an answer's events are in JSON.
pub(crate) trait Chunks: Send + 'static {
    fn begin(&mut self, out: &mut Out);
    fn event(&mut self, index: usize, event: Event, out: &mut Out);
    fn end(&mut self, out: &mut Out);
}

/// What is to go out.
#[derive(Default)]
pub(crate) struct Out(VecDeque<String>);

impl Out {
    pub(crate) fn push(&mut self, chunk: &impl Serialize) {
        // Text and numbers can always be written.
        self.0.extend(serde_json::to_string(chunk));
    }
}

/// Streams answers. What fails before the first word is a status; later it is an event, and no `[DONE]` follows: a cut answer must
/// not look like a whole one.
pub(crate) async fn respond(
    mut answers: Answers,
    mut chunks: impl Chunks,
    ticket: Arc<Ticket>,
) -> Result<Response, Problem> {
    let mut out = Out::default();
    match timeout(BEFORE, answers.next()).await {
        Ok(Some((_, Event::Failed(failure)))) => return Err(failure.into()),
        Ok(Some((index, event))) => {
            chunks.begin(&mut out);
            chunks.event(index, event, &mut out);
        }
        Ok(None) => return Err(Problem::fault()),
        Err(_) => chunks.begin(&mut out),
    }
    let state = State { answers, chunks, ticket, out, over: false };
    let stream = futures::stream::unfold(state, |mut state| async move {
        let text = state.next().await?;
        Some((Ok::<_, Infallible>(sse::Event::default().data(text)), state))
    });
    let mut response = Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE).text("reading")).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would collect it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

struct State<C> {
    answers: Answers,
    chunks: C,
    ticket: Arc<Ticket>,
    out: Out,
    over: bool,
}

impl<C: Chunks> State<C> {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(text) = self.out.0.pop_front() {
                return Some(text);
            }
            if self.over {
                return None;
            }
            match self.answers.next().await {
                Some((_, Event::Failed(failure))) => {
                    self.ticket.failed();
                    self.out.push(&Problem::from(failure).refusal);
                    self.over = true;
                }
                Some((index, event)) => self.chunks.event(index, event, &mut self.out),
                None => {
                    self.chunks.end(&mut self.out);
                    self.out.0.push_back("[DONE]".to_owned());
                    self.over = true;
                }
            }
        }
    }
}
