//! What all requests share, and the way of each: from the connection past the door to its handler, and back as one answer that is told.

use super::body::{Bounds, Drained};
use super::connection::Peer;
use super::door::{self, Keys, Names, Origins};
use super::engine::{Engine, Limits};
use super::log::Log;
use super::metrics::{Metrics, Route};
use super::page::Page;
use super::problem::Problem;
use super::routes;
use super::ticket::{Counted, Ticket, Told};
use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use b158::openai::Model;
use b158::session::GenerateOptions;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

/// Names of fields that nobody has heeded.
pub(crate) const IGNORED: HeaderName = HeaderName::from_static("x-ignored-fields");

/// The seed that a request which named none was answered with.
const SEED: HeaderName = HeaderName::from_static("x-seed");

/// What all requests share.
pub(crate) struct App {
    /// Of requests that name none.
    seed: Option<u64>,
    served: OnceLock<Served>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) keys: Keys,
    pub(crate) origins: Origins,
    pub(crate) names: Names,
    pub(crate) page: Page,
    pub(crate) bounds: Bounds,
    pub(crate) log: Log,
    /// Large requests that are taken apart at a time: in parts they take many times their room.
    pub(crate) large: Arc<Semaphore>,
    /// True as soon as the server goes down.
    pub(crate) ending: watch::Receiver<bool>,
}

/// A model that answers.
pub(crate) struct Served {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: Limits,
    pub(crate) model: Model,
}

impl App {
    pub(crate) fn new(
        (keys, origins, names): (Keys, Origins, Names),
        page: Page,
        seed: Option<u64>,
        bounds: Bounds,
        log: Log,
        ending: watch::Receiver<bool>,
    ) -> Self {
        App {
            seed,
            served: OnceLock::new(),
            metrics: Arc::default(),
            keys,
            origins,
            names,
            page,
            bounds,
            log,
            large: Arc::new(Semaphore::new(2)),
            ending,
        }
    }

    /// From here on there are answers.
    pub(crate) fn serve(&self, served: Served) {
        let _ = self.served.set(served);
    }

    /// # Errors
    /// 503 while the model is being loaded.
    pub(crate) fn served(&self) -> Result<&Served, Problem> {
        let loading = || Problem::unavailable("the model is being loaded: try again", 1).code("loading");
        self.served.get().ok_or_else(loading)
    }

    /// A request that names no seed has another answer each time, or that of the seed which the server was started with. Which one it is
    /// is told, so that it can be asked for. Where nothing is drawn it is the same.
    pub(crate) fn draw(&self, options: &mut GenerateOptions, seeded: bool, ticket: &Ticket) {
        if !seeded && options.sampler.temperature > 0.0 {
            // As large as a request may name.
            let any = || RandomState::new().hash_one(SystemTime::now()) >> 11;
            options.sampler.seed = self.seed.unwrap_or_else(any);
            ticket.seed(options.sampler.seed);
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

/// The way in.
pub(crate) struct Front {
    app: Arc<App>,
    router: TowerToHyperService<Router>,
}

impl Front {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let mut router = routes::all(&app.page).layer(from_fn_with_state(Arc::clone(&app), enter));
        if app.origins.are_some() {
            router = router.layer(cors(&app.origins));
        }
        let router = router.layer(CatchPanicLayer::custom(Problem::panicked)).with_state(Arc::clone(&app));
        Front { app, router: TowerToHyperService::new(router) }
    }

    pub(crate) fn say(&self, line: String) {
        self.app.log.line(line);
    }

    /// Answers a request; whatever happens, there is one.
    pub(crate) async fn answer(self: Arc<Self>, request: Request, peer: Arc<Peer>) -> Response {
        let under_way = UnderWay::new(Arc::clone(&peer));
        let (mut parts, body) = request.into_parts();
        parts.uri = normal(&parts.uri);
        let method = parts.method.clone();
        let path = parts.uri.path();
        let ticket = Arc::new(Ticket::new(peer.from.ip(), method.clone(), path, route(path)));
        let metrics = Arc::clone(&self.app.metrics);
        let mut told =
            Told { ticket: Arc::clone(&ticket), metrics, log: self.app.log.clone(), status: None, whole: false };
        parts.extensions.insert(Arc::clone(&ticket));
        parts.extensions.insert(peer);
        let body = Drained::wrap(body, &parts.headers);
        let answered: Result<Response, Infallible> = self.router.call(Request::from_parts(parts, body)).await;
        let Ok(mut response) = answered;
        if is_bare(&response) {
            let (parts, _) = response.into_parts();
            response = Problem::of_status(parts.status, &method, parts.headers.get(ALLOW)).into_response();
            // The page has to be able to read it.
            let kept =
                |(name, _): &(&HeaderName, &HeaderValue)| name.as_str().starts_with("access-control-") || *name == VARY;
            for (name, value) in parts.headers.iter().filter(kept) {
                response.headers_mut().append(name, value.clone());
            }
        }
        let ignored = ticket.names_of_ignored();
        if let (false, Ok(value)) = (ignored.is_empty(), HeaderValue::try_from(ignored)) {
            response.headers_mut().insert(IGNORED, value);
        }
        if let Some(seed) = ticket.drawn() {
            response.headers_mut().insert(SEED, seed.into());
        }
        let nosniff = HeaderValue::from_static("nosniff");
        response.headers_mut().insert(HeaderName::from_static("x-content-type-options"), nosniff);
        told.status = Some(response.status());
        // Of HEAD nothing is asked but the head.
        told.whole = method == Method::HEAD || response.body().is_end_stream();
        response.map(|body| Counted::wrap(body, told, under_way))
    }
}

/// An error that has another form than ours.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    (status.is_client_error() || status.is_server_error()) && !kind.starts_with(b"application/json")
}

/// Counts a request among those of its connection as long as it lives.
struct UnderWay(Arc<Peer>);

impl UnderWay {
    fn new(peer: Arc<Peer>) -> Self {
        peer.begin();
        UnderWay(peer)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The door: who is not let in hears why.
async fn enter(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(app: &App, request: &Request) -> Result<(), Problem> {
    let (uri, headers, method) = (request.uri(), request.headers(), request.method());
    if let Some(peer) = request.extensions().get::<Arc<Peer>>() {
        app.names.check(uri, headers, request.version(), peer.at)?;
    }
    door::check_origin(&app.origins, method, headers)?;
    let is_read = method == Method::GET || method == Method::HEAD;
    // Whether the server lives, and the page, which asks for the key.
    let path = uri.path();
    let is_open = matches!(path, "/health" | "/v1/health") || app.page.has(path) || !routes::is_api(path);
    if is_read && is_open { Ok(()) } else { app.keys.check(headers) }
}

/// Leave for pages of other origins.
fn cors(origins: &Origins) -> CorsLayer {
    let named = origins.named.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(if origins.any { AllowOrigin::any() } else { AllowOrigin::list(named) })
        .allow_methods(AllowMethods::list([Method::GET, Method::HEAD, Method::POST]))
        // A star does not stand for Authorization, and clients have headers of their own.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::list([IGNORED, RETRY_AFTER, SEED]))
        .allow_private_network(true)
        .max_age(Duration::from_secs(600))
}

/// A path without doubled slashes and without one at the end: base addresses have them.
fn normal(uri: &Uri) -> Uri {
    let path = uri.path();
    if !path.contains("//") && (path == "/" || !path.ends_with('/')) {
        return uri.clone();
    }
    let mut plain = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        plain.push('/');
        plain += part;
    }
    if plain.is_empty() {
        plain.push('/');
    }
    if let Some(query) = uri.query() {
        plain.push('?');
        plain += query;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(plain).ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// The path for the counts, which must not be as many as clients can think of.
fn route(path: &str) -> Route {
    let is_it = |known: &Route| *known == path || known.strip_prefix("/v1") == Some(path);
    let found = routes::PATHS.into_iter().chain(["/"]).find(is_it);
    found.unwrap_or(if routes::is_api(path) { "/v1/…" } else { "other" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        for (path, plain) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions/", "/v1/chat/completions"),
            ("//v1///chat/completions//", "/v1/chat/completions"),
            ("/v1/models/?a=b//c", "/v1/models?a=b//c"),
            ("/", "/"),
            ("//", "/"),
            ("//?x", "/?x"),
            ("http://localhost//v1/models/", "http://localhost/v1/models"),
        ] {
            assert_eq!(normal(&path.parse().unwrap()).to_string(), plain, "{path}");
        }
        assert_eq!(normal(&Uri::from_static("*")).to_string(), "*");
    }

    #[test]
    fn a_panic_is_an_answer_too() {
        async fn panics() {
            panic!("made to fail");
        }
        let router = Router::new().route("/", axum::routing::get(panics));
        let service: TowerToHyperService<Router> =
            TowerToHyperService::new(router.layer(CatchPanicLayer::custom(Problem::panicked)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(response) = runtime.block_on(service.call(Request::new(axum::body::Body::empty())));
        assert_eq!(response.status(), 500);
        assert!(!is_bare(&response));
    }

    #[test]
    fn paths_of_the_counts_are_few() {
        assert_eq!(route("/v1/chat/completions"), "/v1/chat/completions");
        assert_eq!(route("/chat/completions"), "/v1/chat/completions");
        assert_eq!(route("/v1/models/a/b"), "/v1/…");
        assert_eq!(route("/wp-login.php"), "other");
    }
}
