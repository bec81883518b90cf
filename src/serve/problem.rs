//! What a client is told in place of an answer: JSON in the form of OpenAI's errors, whatever went wrong.

use super::engine::{Busy, Failure, Why};
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use b158::openai::Refusal;
use std::any::Any;

/// A refusal, and headers that go with it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) refusal: Refusal,
    headers: Vec<(HeaderName, HeaderValue)>,
}

const SERVER_ERROR: &str = "server_error";

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = if status.is_server_error() { SERVER_ERROR } else { "invalid_request_error" };
        Refusal { status: status.as_u16(), kind, ..Refusal::invalid(message) }.into()
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.refusal.code = Some(code);
        self
    }

    /// The field at fault.
    pub(crate) fn param(mut self, name: &str) -> Self {
        self.refusal.param = Some(name.to_owned());
        self
    }

    fn kind(mut self, kind: &'static str) -> Self {
        self.refusal.kind = kind;
        self
    }

    fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The server does not take requests at the moment.
    pub(crate) fn unavailable(message: impl Into<String>, retry_after: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).header(RETRY_AFTER, retry_after)
    }

    pub(crate) fn ending() -> Self {
        Self::unavailable("the server is going down: ask again when it is back, or another one", 5).code("ending")
    }

    /// Neither the key that was sent nor the one that is wanted is repeated.
    pub(crate) fn unauthorized(given: bool) -> Self {
        let message = match given {
            true => "the key in the header Authorization is not this server's",
            false => "this server wants a key, in the header `Authorization: Bearer KEY`",
        };
        Self::new(StatusCode::UNAUTHORIZED, message)
            .code("invalid_api_key")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// A fault of ours.
    pub(crate) fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server has a fault, which its log tells; other requests go on",
        )
    }

    /// Of a panic, whose message has gone to the log.
    pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
        Self::fault().into_response()
    }

    /// A status that axum has set by itself.
    pub(crate) fn of_status(status: StatusCode, method: &Method, allow: Option<&HeaderValue>) -> Self {
        let allowed = allow.and_then(|allow| allow.to_str().ok());
        let message = match (status, allowed) {
            (StatusCode::METHOD_NOT_ALLOWED, Some(allowed)) => {
                format!("the method {method} is not for this path: it takes {}", allowed.replace(',', ", "))
            }
            _ => status.canonical_reason().unwrap_or("the request cannot be answered").to_owned(),
        };
        let problem = Self::new(status, message);
        match allow {
            Some(allow) => problem.header(ALLOW, allow.clone()),
            None => problem,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Problem { refusal, headers: Vec::new() }
    }
}

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        match busy.why {
            Why::Ending => Self::ending(),
            Why::QueueIsFull { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, busy.to_string())
                .kind("rate_limit_error")
                .code("rate_limit_exceeded")
                .header(RETRY_AFTER, busy.retry_after.as_secs().max(1)),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Error(error) => Refusal::from(error).into(),
            Failure::Stopped => Self::ending(),
            Failure::Fault(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self.refusal).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(self.headers);
        response
    }
}
