//! A server in memory that can do everything wrong: cuts, stalls, lies, other versions, web pages.

use crate::clock::{Virtual, turn};
use crate::memory::Buffer;
use b158::download::{Body, Clock, HttpRequest, HttpResponse, Offer, Transport, Unreachable};
use futures::future::{FutureExt, LocalBoxFuture};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

pub(crate) const ORIGIN: &str = "https://models.example";
pub(crate) const URL: &str = "https://models.example/model.gguf";
pub(crate) const MODIFIED: &str = "Thu, 01 Oct 2026 00:00:00 GMT";

/// What is wrong with one answer. Without any it is right: ranges, a strong ETag, the true length.
#[derive(Clone, Default)]
pub(crate) struct Fault {
    /// This status and nothing more.
    pub(crate) status: Option<u16>,
    /// Besides, or instead.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// To this address.
    pub(crate) redirect: Option<String>,
    /// No answer that a page may see.
    pub(crate) unreachable: bool,
    /// A web page, with status 200.
    pub(crate) html: bool,
    /// The whole file, with status 200.
    pub(crate) ignore_range: bool,
    /// Nobody says how long it is.
    pub(crate) no_length: bool,
    /// It says that it is so long.
    pub(crate) content_length: Option<u64>,
    /// Compressed on its way; the length is that of what is sent.
    pub(crate) gzip: bool,
    /// Another one, or none.
    pub(crate) etag: Option<Option<String>>,
    /// Another one, or none.
    pub(crate) last_modified: Option<Option<String>>,
    /// Another one, or none.
    pub(crate) content_range: Option<Option<String>>,
    /// The connection breaks after so many bytes of the body.
    pub(crate) cut_after: Option<usize>,
    /// Nothing comes after so many bytes of the body.
    pub(crate) stall_after: Option<usize>,
    /// Not even a head comes.
    pub(crate) silent: bool,
    /// The body ends so much early, and says so.
    pub(crate) short_by: usize,
    /// Junk behind the body.
    pub(crate) more: usize,
    /// So many bytes at a time, a millisecond apart.
    pub(crate) drip: Option<usize>,
    /// Before the head.
    pub(crate) delay_ms: u64,
    /// Another file.
    pub(crate) file: Option<Rc<Vec<u8>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Start and end of the bytes that were asked for, the end not included.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        let (start, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse().ok()?, last.parse::<u64>().ok()? + 1))
    }
}

type Script = dyn FnMut(&Asked, usize) -> Fault;

#[derive(Clone)]
pub(crate) struct Server(Rc<State>);

struct State {
    clock: Virtual,
    files: RefCell<BTreeMap<String, Rc<Vec<u8>>>>,
    requests: RefCell<Vec<Asked>>,
    script: RefCell<Box<Script>>,
    open: Cell<usize>,
    most_open: Cell<usize>,
}

/// Bytes that look like nothing, but begin as a GGUF file does; the same for the same seed.
pub(crate) fn random_file(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut bytes: Vec<u8> = (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for (byte, magic) in bytes.iter_mut().zip(b"GGUF") {
        *byte = *magic;
    }
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's own, where no fault gives another.
pub(crate) fn etag(file: &[u8]) -> String {
    format!("\"{}\"", &sha256(file)[..16])
}

fn origin(url: &str) -> &str {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    &url[..end]
}

impl Server {
    pub(crate) fn new(clock: &Virtual) -> Self {
        Server(Rc::new(State {
            clock: clock.clone(),
            files: RefCell::default(),
            requests: RefCell::default(),
            script: RefCell::new(Box::new(|_, _| Fault::default())),
            open: Cell::new(0),
            most_open: Cell::new(0),
        }))
    }

    pub(crate) fn put(&self, url: &str, file: Vec<u8>) {
        self.0.files.borrow_mut().insert(url.to_owned(), Rc::new(file));
    }

    /// Is asked for each request what is to be wrong with its answer.
    pub(crate) fn script(&self, script: impl FnMut(&Asked, usize) -> Fault + 'static) {
        *self.0.script.borrow_mut() = Box::new(script);
    }

    pub(crate) fn right(&self) {
        self.script(|_, _| Fault::default());
    }

    pub(crate) fn always(&self, fault: Fault) {
        self.script(move |_, _| fault.clone());
    }

    /// What it was asked; forgotten with that.
    pub(crate) fn take_requests(&self) -> Vec<Asked> {
        self.0.requests.take()
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.0.requests.borrow().clone()
    }

    pub(crate) fn wanted(&self) -> Vec<Option<(u64, u64)>> {
        self.0.requests.borrow().iter().map(Asked::range).collect()
    }

    /// Answers that are neither read to their end nor dropped.
    pub(crate) fn open(&self) -> usize {
        self.0.open.get()
    }

    pub(crate) fn most_open(&self) -> usize {
        self.0.most_open.get()
    }

    fn fault_of(&self, asked: Asked) -> Fault {
        let index = self.0.requests.borrow().len();
        self.0.requests.borrow_mut().push(asked.clone());
        (self.0.script.borrow_mut())(&asked, index)
    }
}

/// What a browser does between a page and a server.
pub(crate) struct Fetch {
    pub(crate) server: Server,
    /// Of the page; absent in a terminal.
    pub(crate) origin: Option<String>,
    /// Of the browser; a terminal has none.
    pub(crate) storage: Storage,
}

impl Transport for Fetch {
    type Bytes = Buffer;
    type Body = Reading;

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse<Reading>, Unreachable> {
        let HttpRequest { url, headers, .. } = request;
        let mut url = url.clone();
        let mut headers = headers.clone();
        let mut linked_etag = None;
        turn().await;
        let (fault, open) = loop {
            let fault = self.server.fault_of(Asked { url: url.clone(), headers: headers.clone() });
            let open = Open::new(&self.server);
            if fault.silent {
                std::future::pending::<()>().await;
            }
            self.server.0.clock.sleep(fault.delay_ms.max(1)).await;
            if fault.unreachable {
                return Err(Unreachable("Failed to fetch".to_owned()));
            }
            let linked = fault.headers.iter().find(|(name, _)| *name == "x-linked-etag");
            let seen = fault.redirect.is_none() || self.sees_redirects();
            if let Some((_, etag)) = linked.filter(|_| seen && origin(&url) == origin(&request.url)) {
                linked_etag = Some(etag.clone());
            }
            let Some(to) = &fault.redirect else { break (fault, open) };
            if origin(to) != origin(&url) {
                headers.retain(|(name, _)| name != "authorization");
            }
            url.clone_from(to);
        };
        let cross_origin = self.origin.as_deref().is_some_and(|page| page != origin(&url));
        let (status, headers, body) = self.server.answer(&Asked { url: url.clone(), headers }, &fault);
        let body = Reading { body, at: 0, fault, clock: self.server.0.clock.clone(), _open: open };
        Ok(HttpResponse { url, status, status_text: String::new(), headers, cross_origin, linked_etag, body })
    }

    fn sees_redirects(&self) -> bool {
        self.origin.is_none()
    }

    async fn cross_origin_file(&self, sha256: &str, range: Option<Range<u64>>) -> Option<HttpResponse<Reading>> {
        turn().await;
        let file = self.storage.find(sha256)?;
        let size = file.len() as u64;
        let range = range.unwrap_or(0..size);
        let end = range.end.min(size);
        let body = file[range.start as usize..end as usize].to_vec();
        let headers = vec![("content-range".to_owned(), format!("bytes {}-{}/{size}", range.start, end - 1))];
        let fault = Fault { cut_after: self.storage.0.borrow().cut_after, ..Fault::default() };
        let (clock, _open) = (self.server.0.clock.clone(), Open::new(&self.server));
        let body = Reading { body, at: 0, fault, clock, _open };
        let (url, status_text) = (String::new(), String::new());
        Some(HttpResponse { url, status: 206, status_text, headers, cross_origin: false, linked_etag: None, body })
    }

    fn distrust(&self, sha256: &str) {
        self.storage.0.borrow_mut().distrusted.push(sha256.to_owned());
    }

    async fn offer(&self, sha256: &str, everyone: bool) -> Option<Box<dyn Offer<Bytes = Buffer>>> {
        self.storage.answer(0).await;
        let mut all = self.storage.0.borrow_mut();
        let room = all.room?;
        all.begun += 1;
        let (sha256, bytes) = (sha256.to_owned(), Vec::new());
        Some(Box::new(Offered { storage: self.storage.clone(), sha256, everyone, bytes, room }))
    }
}

/// A storage that sites share.
#[derive(Clone, Default)]
pub(crate) struct Storage(pub(crate) Rc<RefCell<StoredFiles>>);

#[derive(Default)]
pub(crate) struct StoredFiles {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Of those that have been put there, whether it was for everyone.
    pub(crate) offered: Vec<(String, bool)>,
    /// Files that were begun.
    pub(crate) begun: usize,
    /// Bytes of one that it takes; none: it takes no file.
    pub(crate) room: Option<usize>,
    /// It never answers from here on: 0 where a file is offered, 1 where it is written, 2 where it is finished.
    pub(crate) silent: Option<usize>,
    /// The file is gone after so many look-ups.
    pub(crate) left: Option<usize>,
    /// Reading it breaks off after so many bytes.
    pub(crate) cut_after: Option<usize>,
    distrusted: Vec<String>,
}

impl Storage {
    async fn answer(&self, step: usize) {
        turn().await;
        if self.0.borrow().silent.is_some_and(|silent| silent <= step) {
            std::future::pending::<()>().await;
        }
    }

    fn find(&self, sha256: &str) -> Option<Vec<u8>> {
        let mut all = self.0.borrow_mut();
        if let Some(left) = &mut all.left {
            *left = left.checked_sub(1)?;
        }
        all.files.get(sha256).filter(|_| !all.distrusted.iter().any(|other| other == sha256)).cloned()
    }
}

struct Offered {
    storage: Storage,
    sha256: String,
    everyone: bool,
    bytes: Vec<u8>,
    room: usize,
}

impl Offer for Offered {
    type Bytes = Buffer;

    fn write(&mut self, bytes: Buffer) -> LocalBoxFuture<'_, bool> {
        async move {
            self.storage.answer(1).await;
            self.bytes.extend(bytes.to_vec());
            self.bytes.len() <= self.room
        }
        .boxed_local()
    }

    fn finish(self: Box<Self>) -> LocalBoxFuture<'static, ()> {
        async move {
            let Offered { storage, sha256: hash, everyone, bytes, .. } = *self;
            assert_eq!(sha256(&bytes), hash, "what is offered is right");
            storage.answer(2).await;
            let mut all = storage.0.borrow_mut();
            all.files.insert(hash.clone(), bytes);
            all.offered.push((hash, everyone));
        }
        .boxed_local()
    }
}

impl Server {
    fn answer(&self, asked: &Asked, fault: &Fault) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut headers: Vec<(String, String)> =
            fault.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut set = |name: &str, value: String| {
            if !headers.iter().any(|(other, _)| other == name) {
                headers.push((name.to_owned(), value));
            }
        };
        if let Some(status) = fault.status {
            return (status, headers, b"no".to_vec());
        }
        if fault.html {
            set("content-type", "text/html; charset=utf-8".to_owned());
            return (200, headers, b"<!doctype html><title>Log in</title>".to_vec());
        }
        let file = fault.file.clone().or_else(|| self.0.files.borrow().get(&asked.url).cloned());
        let Some(file) = file else { return (404, headers, b"not found".to_vec()) };
        let etag = fault.etag.clone().unwrap_or_else(|| Some(etag(&file)));
        let modified = fault.last_modified.clone().unwrap_or_else(|| Some(MODIFIED.to_owned()));
        let condition = asked.header("if-range");
        let current = condition.is_none() || condition == etag.as_deref() || condition == modified.as_deref();
        if let Some(etag) = etag {
            set("etag", etag);
        }
        if let Some(modified) = modified {
            set("last-modified", modified);
        }
        set("content-type", "application/octet-stream".to_owned());
        let mut status = 200;
        let mut body = file.to_vec();
        let all = file.len() as u64;
        if let Some((start, end)) = asked.range().filter(|_| current && !fault.ignore_range) {
            if start >= all {
                set("content-range", format!("bytes */{all}"));
                return (416, headers, Vec::new());
            }
            let end = end.min(all);
            body = file[start as usize..end as usize].to_vec();
            status = 206;
            let range = format!("bytes {start}-{}/{all}", end - 1);
            if let Some(range) = fault.content_range.clone().unwrap_or(Some(range)) {
                set("content-range", range);
            }
        }
        body.truncate(body.len().saturating_sub(fault.short_by));
        body.extend(std::iter::repeat_n(7, fault.more));
        let sent = if fault.gzip { body.len() / 2 } else { body.len() };
        if fault.gzip {
            set("content-encoding", "gzip".to_owned());
        }
        if !fault.no_length {
            set("content-length", fault.content_length.unwrap_or(sent as u64).to_string());
        }
        (status, headers, body)
    }
}

/// Counts an answer.
struct Open(Server);

impl Open {
    fn new(server: &Server) -> Self {
        let open = server.0.open.get() + 1;
        server.0.open.set(open);
        server.0.most_open.set(server.0.most_open.get().max(open));
        Open(server.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.set(self.0.0.open.get() - 1);
    }
}

pub(crate) struct Reading {
    body: Vec<u8>,
    at: usize,
    fault: Fault,
    clock: Virtual,
    _open: Open,
}

/// What comes at a time, when nobody says.
const CHUNK: usize = 700;

impl Body for Reading {
    type Bytes = Buffer;

    async fn next(&mut self) -> Result<Option<Buffer>, Unreachable> {
        match self.fault.drip {
            Some(_) => self.clock.sleep(1).await,
            None => turn().await,
        }
        let Fault { cut_after, stall_after, drip, content_length, .. } = self.fault;
        let stop = cut_after.or(stall_after).filter(|stop| *stop < self.body.len());
        let end = stop.unwrap_or(self.body.len()).min(self.at + drip.unwrap_or(CHUNK));
        if self.at < end {
            let chunk = self.body[self.at..end].to_vec();
            self.at = end;
            return Ok(Some(chunk.into()));
        }
        if stop.is_some() && cut_after.is_none() {
            std::future::pending::<()>().await;
        }
        // Of a body that ends before its length a client says so.
        if stop.is_some() || content_length.is_some_and(|length| length > self.body.len() as u64) {
            return Err(Unreachable("connection reset".to_owned()));
        }
        Ok(None)
    }
}
