//! A server of files on this machine, in threads: HTTP/1.1 with ranges, and with whatever a test wants to go wrong.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What there is at a path.
#[derive(Clone)]
pub(crate) enum Page {
    File {
        bytes: Arc<Vec<u8>>,
        etag: String,
    },
    /// To another address, with this status.
    Redirect(u16, String),
    /// To another address, with the SHA-256 of what is there, as a hub does it.
    Linked(String, String),
    /// Nothing but a status, and more headers.
    Status(u16, &'static str),
    Html,
    /// Those who bring this header in its whole get the other page, others 401.
    With(&'static str, Box<Page>),
}

impl Page {
    pub(crate) fn file(bytes: &[u8]) -> Self {
        Page::File { bytes: Arc::new(bytes.to_vec()), etag: "\"1\"".to_owned() }
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

impl Asked {
    /// First byte and the one behind the last.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), last.parse::<u64>().unwrap() + 1))
    }
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    asked: Vec<Asked>,
    /// Bytes of files that may still go out, if not all.
    left: Option<u64>,
    /// Bytes of files that went out.
    sent: u64,
    gone: bool,
}

/// A certificate and its key, made for this: nobody but the tests trusts it.
pub(crate) const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/localhost.pem");

/// Ends with its value.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::start(None)
    }

    /// Over TLS.
    pub(crate) fn secure() -> Self {
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_file(CERTIFICATE).unwrap();
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Self::start(Some(Arc::new(config.with_single_cert(vec![certificate], key).unwrap())))
    }

    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Server { address: listener.local_addr().unwrap(), scheme, shared: Arc::default() };
        let shared = server.shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if shared.0.lock().unwrap().gone {
                    return;
                }
                let (shared, tls) = (shared.clone(), tls.clone());
                // A connection that breaks off is the client's business.
                std::thread::spawn(move || match tls {
                    None => serve(connection?, &shared),
                    Some(tls) => serve(StreamOwned::new(ServerConnection::new(tls).unwrap(), connection?), &shared),
                });
            }
        });
        server
    }

    pub(crate) fn with(self, path: &str, page: Page) -> Self {
        self.put(path, page);
        self
    }

    pub(crate) fn put(&self, path: &str, page: Page) {
        self.shared.0.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Its other name: another origin.
    pub(crate) fn other_url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// What has been asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.0.lock().unwrap().asked)
    }

    /// How many requests have come and not been looked at.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.0.lock().unwrap().asked.len()
    }

    /// Bytes of files that have gone out since the last call.
    pub(crate) fn sent(&self) -> u64 {
        std::mem::take(&mut self.shared.0.lock().unwrap().sent)
    }

    /// No more than so many bytes of files go out, of all answers together; or all.
    pub(crate) fn hold_after(&self, bytes: Option<u64>) {
        self.shared.0.lock().unwrap().left = bytes;
        self.shared.1.notify_all();
    }

    /// Waits until that is reached.
    pub(crate) fn wait_until_held(&self) {
        let state = self.shared.0.lock().unwrap();
        drop(self.shared.1.wait_while(state, |state| state.left != Some(0)).unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.0.lock().unwrap().gone = true;
        self.shared.1.notify_all();
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: impl Read + Write, shared: &(Mutex<State>, Condvar)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(()) };
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let asked = Asked { path, headers };
        let mut page = {
            let mut state = shared.0.lock().unwrap();
            if state.gone {
                return Ok(());
            }
            state.asked.push(asked.clone());
            let path = asked.path.split('?').next().unwrap();
            state.pages.get(path).cloned().unwrap_or(Page::Status(404, ""))
        };
        while let Page::With(authorization, inner) = page {
            let has = asked.headers.get("authorization").is_some_and(|given| given == authorization);
            page = if has { *inner } else { Page::Status(401, "") };
        }
        let stream = reader.get_mut();
        match page {
            Page::File { bytes, etag } => file(stream, shared, &asked, &bytes, &etag)?,
            Page::Redirect(status, to) => {
                write!(stream, "HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")?;
            }
            Page::Linked(to, sha256) => {
                let linked = format!("x-linked-etag: \"{sha256}\"\r\n");
                write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\n{linked}content-length: 0\r\n\r\n")?;
            }
            Page::Status(status, more) => {
                write!(stream, "HTTP/1.1 {status} So\r\n{more}content-length: 0\r\n\r\n")?;
            }
            Page::Html => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>")?;
            }
            Page::With(..) => unreachable!(),
        }
        stream.flush()?;
    }
}

fn file(
    stream: &mut impl Write,
    shared: &(Mutex<State>, Condvar),
    asked: &Asked,
    bytes: &[u8],
    etag: &str,
) -> std::io::Result<()> {
    let size = bytes.len() as u64;
    let fresh = asked.headers.get("if-range").is_none_or(|given| given == etag);
    let mut body = bytes;
    match asked.range().filter(|_| fresh) {
        Some((first, _)) if first >= size => {
            return write!(stream, "HTTP/1.1 416 No\r\ncontent-range: bytes */{size}\r\ncontent-length: 0\r\n\r\n");
        }
        Some((first, end)) => {
            body = &bytes[first as usize..end.min(size) as usize];
            let last = first + body.len() as u64 - 1;
            write!(stream, "HTTP/1.1 206 Some\r\ncontent-range: bytes {first}-{last}/{size}\r\n")?;
        }
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(stream, "etag: {etag}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    for chunk in body.chunks(16 << 10) {
        let mut chunk = chunk;
        while !chunk.is_empty() {
            let mut state = shared.0.lock().unwrap();
            state = shared.1.wait_while(state, |state| state.left == Some(0) && !state.gone).unwrap();
            if state.gone {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            let now = state.left.map_or(chunk.len(), |left| chunk.len().min(left as usize));
            state.left = state.left.map(|left| left - now as u64);
            state.sent += now as u64;
            shared.1.notify_all();
            drop(state);
            let (piece, rest) = chunk.split_at(now);
            stream.write_all(piece)?;
            chunk = rest;
        }
    }
    Ok(())
}
