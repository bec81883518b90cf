//! Which path is whose. Those of the API are there with and without /v1, since base addresses are.

use super::app::{App, Served};
use super::body;
use super::engine::{Embed, Input as EngineInput};
use super::metrics::{self, Now};
use super::page::Page;
use super::problem::Problem;
use super::ticket::Ticket;
use super::{chat, completion, tokenize};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use b158::openai::{EmbeddingRequest, Embeddings, Input, Models, Read, Refusal};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// Those of the API.
pub(crate) const PATHS: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/tokenize",
    "/v1/health",
    "/v1/metrics",
];

pub(crate) fn all(page: &Page) -> Router<Arc<App>> {
    let api = Router::new()
        .route("/chat/completions", post(chat::answer))
        .route("/completions", post(completion::answer))
        .route("/embeddings", post(embeddings))
        .route("/models", get(models))
        .route("/models/{*id}", get(model))
        .route("/tokenize", post(tokenize::answer))
        .route("/health", get(health))
        .route("/metrics", get(metrics_page));
    Router::new().nest("/v1", api.clone()).merge(api).merge(page.routes()).fallback(elsewhere)
}

/// Whether a path is one of the API, or looks like one.
pub(crate) fn is_api(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    PATHS.iter().any(|path| path.split('/').any(|part| part == first && !part.is_empty()))
}

/// An answer in JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, Problem> {
    Ok(json_text(serde_json::to_vec(value).map_err(|_| Problem::fault())?))
}

/// The same, written already.
pub(crate) fn json_text(text: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Reads a request of JSON, and says which of its fields nobody heeds.
pub(crate) async fn read<T: Send + 'static>(
    app: &App,
    ticket: &Ticket,
    request: Request,
    parse: fn(&[u8]) -> Result<Read<T>, Refusal>,
) -> Result<T, Problem> {
    /// What is parsed before anybody notices.
    const SHORT: usize = 64 << 10;
    let (parts, body) = request.into_parts();
    let whole = body::read(&app.bounds, &parts.headers, body, app.ending.clone()).await?;
    let read =
        if whole.bytes.len() < SHORT { parse(&whole.bytes) } else { apart(app, move || parse(&whole.bytes)).await? };
    let Read { request, ignored } = read?;
    ticket.ignored(&ignored);
    Ok(request)
}

/// Does what takes a while, and room, where nobody waits for it; few at a time.
pub(crate) async fn apart<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = Arc::clone(&app.large).acquire_owned().await.map_err(|_| Problem::fault())?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(|_| Problem::fault())
}

/// Each prompt or text of one request takes its own work and its own part of the answer.
const MOST_INPUTS: usize = 2048;

/// # Errors
/// More of them than a request may have.
pub(crate) fn bounded(field: &str, inputs: &[Input]) -> Result<(), Problem> {
    if inputs.len() <= MOST_INPUTS {
        return Ok(());
    }
    let message = format!("{field} holds {} texts; it may hold {MOST_INPUTS} at most", inputs.len());
    Err(Problem::invalid(message).param(field))
}

async fn models(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    json(&Models::one(app.served()?.model.clone()))
}

async fn model(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let model = &app.served()?.model;
    if id == model.id {
        return json(model);
    }
    let id: String = id.chars().take(100).collect();
    let message = format!("there is no model `{id}` here: this server has `{}`", model.id);
    Err(Problem::new(StatusCode::NOT_FOUND, message).code("model_not_found"))
}

/// Whether it lives and takes requests; 503 before the model is loaded, and when it goes down.
async fn health(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Served { engine, limits, model } = app.served()?;
    let stats = engine.stats();
    if app.is_ending() || stats.ending {
        return Err(Problem::ending());
    }
    json(&json!({
        "status": "ok",
        "model": model.id,
        "slots": limits.parallel,
        "slots_busy": stats.running,
        "queue_limit": limits.queue,
        "queue_length": stats.waiting,
    }))
}

async fn metrics_page(State(app): State<Arc<App>>) -> Response {
    let now = app.served().ok().map(|Served { engine, limits, model }| Now {
        version: env!("CARGO_PKG_VERSION"),
        model: &model.id,
        backend: &model.about.backend,
        slots: limits.parallel,
        queue: limits.queue,
        memory: limits.memory,
        stats: engine.stats(),
    });
    let mut response = Response::new(Body::from(app.metrics.text(now.as_ref())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

async fn embeddings(
    State(app): State<Arc<App>>,
    Extension(ticket): Extension<Arc<Ticket>>,
    request: Request,
) -> Result<Response, Problem> {
    let served = app.served()?;
    let asked = read(&app, &ticket, request, EmbeddingRequest::read).await?;
    if served.engine.loaded().embedding_note().is_some() {
        let message = format!("`{}` is no embedding model: serve one for vectors of texts", served.model.id);
        return Err(Problem::invalid(message).param("model").code("no_embedding_model"));
    }
    bounded("input", &asked.inputs)?;
    let inputs = asked.inputs.into_iter().map(|input| match input {
        Input::Text(text) => EngineInput::Text(text),
        Input::Ids(ids) => EngineInput::Ids(ids),
    });
    let job = Embed { inputs: inputs.collect(), dimensions: asked.dimensions };
    let made = served.engine.embed(job)?.wait().await?;
    ticket.took(made.prompt_tokens);
    json(&Embeddings::new(made.vectors, asked.encoding, &*served.model.id, made.prompt_tokens, Vec::new()))
}

/// What is a path of neither the API nor the page.
async fn elsewhere(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("there is nothing at {method} {path}: the API is at {}", PATHS.join(", "));
    Problem::new(StatusCode::NOT_FOUND, message).code("not_found").into_response()
}
