//! Requests to servers, each in a thread of its own, which hands what comes over a short channel.

use super::bytes::Piece;
use crate::cli::Outcome;
use crate::cli::source::shown;
use b158::download::{Body, HttpRequest, HttpResponse, Transport, Unreachable};
use futures::channel::{mpsc, oneshot};
use futures::executor::block_on;
use futures::{SinkExt, StreamExt};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Response, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use url::Url;

/// How long a server may be silent until its thread ends. Whoever waits has given up before.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// Chunks that are read ahead.
const AHEAD: usize = 2;
const MOST_REDIRECTS: usize = 10;
/// Connections that are kept for later requests.
const IDLE: usize = 16;

/// A client of HTTP and HTTPS, through the proxy that the environment names.
pub(crate) struct Http {
    agent: Agent,
    /// The last status that said no; 0 for none.
    refused: AtomicU16,
}

impl Http {
    /// # Errors
    /// `SSL_CERT_FILE` cannot be read.
    pub(crate) fn new() -> Outcome<Self> {
        let tls = TlsConfig::builder().root_certs(roots()?).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("b158/", env!("CARGO_PKG_VERSION")))
            // A length and a range are then those of the file.
            .accept_encoding("identity")
            .http_status_as_error(false)
            // They are followed here, by the rules for tokens.
            .max_redirects(0)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .input_buffer_size(CHUNK)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .build();
        Ok(Http { agent: config.new_agent(), refused: AtomicU16::new(0) })
    }

    /// The last status that said no.
    pub(super) fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Relaxed)).filter(|status| *status != 0)
    }
}

/// Who may vouch for a server: Mozilla's list, which is compiled in, because the bare images of rented machines have none. Where
/// another is needed, as behind a proxy that reads along, `SSL_CERT_FILE` names it, as for OpenSSL and curl.
fn roots() -> Outcome<RootCerts> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let path = Path::new(&path);
    let name = crate::cli::terminal::path(path);
    let text = std::fs::read(path).map_err(|e| format!("SSL_CERT_FILE: {name}: {e}"))?;
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| format!("SSL_CERT_FILE: {name}: {e}"))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(format!("SSL_CERT_FILE: {name} has no certificate").into());
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

impl Transport for Http {
    type Bytes = Piece;
    type Body = Chunks;

    fn sees_redirects(&self) -> bool {
        true
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse<Chunks>, Unreachable> {
        let (told, head) = oneshot::channel();
        let (sender, chunks) = mpsc::channel(AHEAD);
        let aside = request.aside;
        let (agent, request) = (self.agent.clone(), request.clone());
        let work = move || match ask(&agent, request) {
            Ok(Followed { url, response, linked_etag }) => {
                let (head, body) = response.into_parts();
                let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let answer = HttpResponse {
                    url,
                    status: head.status.as_u16(),
                    status_text: head.status.canonical_reason().unwrap_or_default().to_owned(),
                    headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                    cross_origin: false,
                    linked_etag,
                    body: Chunks(chunks),
                };
                if told.send(Ok(answer)).is_ok() {
                    pump(body.into_reader(), sender);
                }
            }
            Err(why) => drop(told.send(Err(why))),
        };
        let thread = std::thread::Builder::new().name("b158 download".to_owned()).spawn(work);
        thread.map_err(|e| Unreachable(format!("the system gives no thread for a request: {e}")))?;
        let answer = head.await.unwrap_or_else(|_| Err(Unreachable("the request ended in a crash".to_owned())))?;
        if answer.status >= 400 && !aside {
            self.refused.store(answer.status, Relaxed);
        }
        Ok(answer)
    }
}

/// The last of some answers.
struct Followed {
    /// Where it came from.
    url: String,
    response: Response<ureq::Body>,
    /// As the origin that was asked first says it.
    linked_etag: Option<String>,
}

/// Sends a request and follows redirects.
fn ask(agent: &Agent, request: HttpRequest) -> Result<Followed, Unreachable> {
    let mut url = Url::parse(&request.url).map_err(|e| Unreachable(format!("{}: {e}", request.url)))?;
    let own = url.origin();
    let mut linked_etag = None;
    let mut headers = request.headers;
    for _ in 0..=MOST_REDIRECTS {
        let mut call = agent.get(url.as_str());
        for (name, value) in &headers {
            call = call.header(name, value);
        }
        let response = call.call().map_err(|e| Unreachable(words(&e)))?;
        if url.origin() == own {
            let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            linked_etag = response.headers().get("x-linked-etag").map(text).or(linked_etag);
        }
        let to = match (response.status().as_u16(), response.headers().get(header::LOCATION)) {
            (301 | 302 | 303 | 307 | 308, Some(to)) => String::from_utf8_lossy(to.as_bytes()).into_owned(),
            _ => {
                return not_compressed(response).map(|response| Followed { url: url.into(), response, linked_etag });
            }
        };
        let next = url.join(&to).map_err(|e| Unreachable(format!("it redirects to `{}`: {e}", shown(&to))))?;
        if !matches!((url.scheme(), next.scheme()), (_, "https") | ("http", "http")) {
            let next = shown(next.as_str());
            return Err(Unreachable(format!("it redirects to {next}, where anybody could read and change the file")));
        }
        if next.origin() != url.origin() {
            // As browsers do. Once away, it does not come back.
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        }
        url = next;
    }
    Err(Unreachable(format!("it redirects more than {MOST_REDIRECTS} times")))
}

/// Its length and its ranges would not be the file's.
fn not_compressed(response: Response<ureq::Body>) -> Result<Response<ureq::Body>, Unreachable> {
    match response.headers().get(header::CONTENT_ENCODING).map(|encoding| String::from_utf8_lossy(encoding.as_bytes()))
    {
        Some(encoding) if encoding != "identity" => {
            Err(Unreachable(format!("it sends the file compressed ({encoding}), which it was asked not to")))
        }
        _ => Ok(response),
    }
}

/// Hands a body over until it ends or nobody wants it any more.
fn pump(mut body: impl Read, mut sender: mpsc::Sender<Result<Piece, Unreachable>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => Ok(buffer[..n].to_vec().into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(Unreachable(words(&error.into()))),
        };
        let failed = chunk.is_err();
        if block_on(sender.send(chunk)).is_err() || failed {
            return;
        }
    }
}

/// The rest of an answer. Dropped, its thread ends at the next chunk.
pub(crate) struct Chunks(mpsc::Receiver<Result<Piece, Unreachable>>);

impl Body for Chunks {
    type Bytes = Piece;

    async fn next(&mut self) -> Result<Option<Piece>, Unreachable> {
        self.0.next().await.transpose()
    }
}

/// What a person can do something with.
fn words(error: &ureq::Error) -> String {
    let words = match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Rustls(error) => error.to_string(),
        ureq::Error::HostNotFound => "there is no host of this name, or no connection to ask".to_owned(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", SILENCE.as_secs()),
        other => other.to_string(),
    };
    // Rustls comes as itself or as the cause of another.
    let advice = if words.contains("certificate") { "; SSL_CERT_FILE names a list of those to trust" } else { "" };
    words + advice
}
