//! The same over TCP, against a server that breaks connections: a small client of HTTP in threads, as a terminal's is.

use crate::crash::Random;
use crate::engine::Engine;
use crate::memory::{Buffer, MemoryStore};
use crate::rig::{requested, tuning};
use crate::server::{random_file, sha256};
use b158::download::{
    Body, Clock, HttpRequest, HttpResponse, Place, StoreError, Transport, Tuning, Unreachable, download,
};
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use std::future::{Future, poll_fn};
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

// ---- the server --------------------------------------------------------------------------------------------------

struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<thread::JoinHandle<()>>,
}

struct State {
    file: Vec<u8>,
    random: Mutex<Random>,
    faults: AtomicUsize,
    asked: AtomicUsize,
    over: AtomicBool,
}

impl Server {
    fn new(file: Vec<u8>, faults: usize, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            file,
            random: Mutex::new(Random(seed)),
            faults: AtomicUsize::new(faults),
            asked: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let served = state.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if served.over.load(Ordering::SeqCst) {
                    return;
                }
                let state = served.clone();
                // A client that goes away is no matter.
                thread::spawn(move || stream.and_then(|stream| state.serve(stream)).ok());
            }
        });
        Server { address, state, accepting: Some(accepting) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl State {
    /// What goes wrong this time, as a number; none when all faults have been.
    fn fault(&self) -> Option<(usize, usize)> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return None;
        }
        self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).ok()?;
        let mut random = self.random.lock().unwrap();
        Some((random.below(11), random.below(4000)))
    }

    fn serve(&self, mut stream: TcpStream) -> Result<(), Error> {
        let mut range = None;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        for line in &mut lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("range: bytes=") {
                range = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse::<usize>().ok()? + 1)));
            }
        }
        let (start, end): (usize, usize) = range.unwrap_or((0, self.file.len()));
        let end = end.min(self.file.len());
        let body = &self.file[start..end];
        let all = self.file.len();
        let head = |status: &str, more: &str, length: usize| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n")
        };
        let partial = |range: &str, length: usize| {
            head("206 Partial Content", &format!("etag: \"1\"\r\ncontent-range: {range}\r\n"), length)
        };
        let own = format!("bytes {start}-{}/{all}", end - 1);
        let right = partial(&own, body.len());
        let (fault, at) = self.fault().unwrap_or((usize::MAX, 0));
        let at = at.min(body.len());
        match fault {
            // The connection is gone: with a reset where what came has not been read.
            0 => return stream.shutdown(Shutdown::Both),
            1 => stream.write_all(&right.as_bytes()[..at.min(right.len() - 1)])?,
            2 | 3 => {
                stream.write_all(right.as_bytes())?;
                stream.write_all(&body[..at])?;
            }
            // Nothing more comes, until the client has had enough.
            4 => {
                stream.write_all(right.as_bytes())?;
                stream.write_all(&body[..at])?;
                stream.read_to_end(&mut Vec::new())?;
            }
            5 => {
                let status = ["429 Too Many", "500 Internal", "502 Bad", "503 Unavailable", "408 Timeout"][at % 5];
                stream.write_all(head(status, "", 0).as_bytes())?;
            }
            6 => {
                let others = ["bytes 0-3999/400000", "bytes 1-2/3", "bytes 9-1/400000", "x", ""];
                stream.write_all(partial(others[at % 5], body.len()).as_bytes())?;
                stream.write_all(body)?;
            }
            7 => {
                stream.write_all(head("200 OK", "content-type: text/html\r\n", 6).as_bytes())?;
                stream.write_all(b"<html>")?;
            }
            8 => {
                stream.write_all(head("200 OK", "etag: \"1\"\r\n", all).as_bytes())?;
                stream.write_all(&self.file)?;
            }
            9 => {
                stream.write_all(partial(&own, at).as_bytes())?;
                stream.write_all(&body[..at])?;
            }
            10 => {
                let encoded = format!("etag: \"1\"\r\ncontent-encoding: gzip\r\ncontent-range: {own}\r\n");
                stream.write_all(head("206 Partial Content", &encoded, body.len()).as_bytes())?;
                stream.write_all(body)?;
            }
            _ => {
                stream.write_all(right.as_bytes())?;
                stream.write_all(body)?;
            }
        }
        stream.shutdown(Shutdown::Write)
    }
}

// ---- the client --------------------------------------------------------------------------------------------------

/// Each request has a thread.
struct Client(SocketAddr);

/// Ends the connection, and with it the thread that reads it.
struct Hang(Arc<Mutex<Option<TcpStream>>>);

impl Drop for Hang {
    fn drop(&mut self) {
        if let Some(stream) = &*self.0.lock().unwrap() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

struct Chunks {
    chunks: mpsc::Receiver<Result<Vec<u8>, Unreachable>>,
    _hang: Hang,
}

type Head = (u16, Vec<(String, String)>);

fn get(
    address: SocketAddr,
    request: &HttpRequest,
    stream: &Mutex<Option<TcpStream>>,
    head: oneshot::Sender<Result<Head, Unreachable>>,
    mut chunks: mpsc::Sender<Result<Vec<u8>, Unreachable>>,
) {
    let begin = || {
        let mut connection = TcpStream::connect(address)?;
        *stream.lock().unwrap() = Some(connection.try_clone()?);
        let path = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut text = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        connection.write_all(format!("{text}\r\n").as_bytes())?;
        let mut connection = BufReader::new(connection);
        let mut headers = Vec::new();
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        loop {
            line.clear();
            connection.read_line(&mut line)?;
            if line == "\r\n" {
                return Ok((connection, (status, headers)));
            }
            let (name, value) = line.trim_end().split_once(':').ok_or(ErrorKind::UnexpectedEof)?;
            headers.push((name.to_owned(), value.trim_start().to_owned()));
        }
    };
    let unreachable = |error: Error| Unreachable(error.to_string());
    let (mut connection, answer) = match begin() {
        Ok(begun) => begun,
        Err(error) => return drop(head.send(Err(unreachable(error)))),
    };
    let length = answer.1.iter().find(|(name, _)| name == "content-length").and_then(|(_, text)| text.parse().ok());
    let mut left: usize = length.unwrap_or(0);
    if head.send(Ok(answer)).is_err() {
        return;
    }
    let mut buffer = vec![0; 1500];
    while left > 0 {
        let wanted = left.min(buffer.len());
        let chunk = match connection.read(&mut buffer[..wanted]) {
            Ok(0) => Err(Unreachable("the connection was closed".to_owned())),
            Ok(read) => {
                left -= read;
                Ok(buffer[..read].to_vec())
            }
            Err(error) => Err(unreachable(error)),
        };
        let last = chunk.is_err();
        let sent = block_on(poll_fn(|context| chunks.poll_ready(context)));
        if sent.is_err() || chunks.start_send(chunk).is_err() || last {
            return;
        }
    }
}

impl Transport for Client {
    type Bytes = Buffer;
    type Body = Chunks;

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse<Chunks>, Unreachable> {
        let stream = Arc::new(Mutex::new(None));
        let hang = Hang(stream.clone());
        let (sender, head) = oneshot::channel();
        let (chunks, receiver) = mpsc::channel(1);
        let (address, asked) = (self.0, request.clone());
        thread::spawn(move || get(address, &asked, &stream, sender, chunks));
        let (status, headers) = head.await.map_err(|_| Unreachable("the thread is gone".to_owned()))??;
        let body = Chunks { chunks: receiver, _hang: hang };
        let (url, status_text) = (request.url.clone(), String::new());
        Ok(HttpResponse { url, status, status_text, headers, cross_origin: false, linked_etag: None, body })
    }
}

impl Body for Chunks {
    type Bytes = Buffer;

    async fn next(&mut self) -> Result<Option<Buffer>, Unreachable> {
        self.chunks.next().await.transpose().map(|chunk| chunk.map(Buffer::from))
    }
}

/// Real time, each sleep in a thread.
struct Real(Instant);

impl Clock for Real {
    async fn sleep(&self, ms: u64) {
        let (sender, ready) = oneshot::channel();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(ms));
            sender.send(()).ok()
        });
        let _ = ready.await;
    }

    fn now(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }

    fn since_1970(&self) -> u64 {
        crate::clock::START
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

struct Wire {
    client: Client,
    store: MemoryStore,
    clock: Real,
    tuning: Tuning,
}

impl Place for Wire {
    type Bytes = Buffer;
    type Transport = Client;
    type Store = MemoryStore;
    type Clock = Real;

    fn transport(&self) -> &Client {
        &self.client
    }

    async fn store(&self) -> Result<&MemoryStore, StoreError> {
        Ok(&self.store)
    }

    fn clock(&self) -> &Real {
        &self.clock
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }
}

#[test]
fn five_hundred_faults_over_tcp_end_with_the_same_bytes() {
    let file = random_file(400_000, 3);
    let server = Server::new(file.clone(), 500, 2026);
    let patient = Tuning { tries: 500, first_tries: 500, stall_ms: 40, most_backoff_ms: 2, ..tuning() };
    let store = MemoryStore::default();
    let wire = Wire { client: Client(server.address), store, clock: Real(Instant::now()), tuning: patient };
    let request = requested(|request| {
        request.url = format!("http://{}/model.gguf", server.address);
        request.origin = None;
        request.sha256 = Some(sha256(&file));
    });
    let mut engine = Engine::default();
    let done = block_on(async {
        let done = download(&wire, &request, &mut engine, &mut |_| ()).await.unwrap();
        let notes = done.notes.clone();
        done.keep().await;
        notes
    });
    assert_eq!(server.state.faults.load(Ordering::SeqCst), 0, "all of them have been");
    assert!(done.is_empty() && engine.bytes == file);
    assert!(wire.store.only().1.data == file);
}
