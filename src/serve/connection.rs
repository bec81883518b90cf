//! Connections: taken, served over HTTP/1.1, and ended when the server goes down or the client does not read.

use super::app::Front;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time; more wait to be taken. Systems let a program have a thousand files.
const MOST: usize = 512;

/// When the server goes down: how long a connection may stay on which nothing is asked, for what was written to go out.
const LINGER: Duration = Duration::from_secs(3);

/// A connection, as requests see it.
pub(crate) struct Peer {
    /// The address at which it was taken.
    pub(crate) at: IpAddr,
    pub(crate) from: SocketAddr,
    /// Requests under way on it.
    pub(crate) asked: AtomicUsize,
    /// Grows as bytes are written.
    written: AtomicUsize,
}

/// How long a client may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Before a request, and until its head has come.
    pub(crate) head: Duration,
    /// While an answer waits to be read.
    pub(crate) write: Duration,
}

impl Patience {
    /// Proxies keep a connection for a minute, and are angry where it ends just when they ask: by default this is more.
    pub(crate) fn new(silence: Duration) -> Self {
        Patience { head: silence.saturating_mul(5) / 2, write: silence }
    }
}

/// Takes connections until `ending` is true, and returns when all have ended.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    front: Arc<Front>,
    patience: Patience,
    ending: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST));
    let taken = listeners.into_iter().map(|listener| {
        let (front, places, ending) = (Arc::clone(&front), Arc::clone(&places), ending.clone());
        tokio::spawn(take(listener, front, patience, places, ending))
    });
    for taking in taken.collect::<Vec<_>>() {
        let _ = taking.await;
    }
    let all = u32::try_from(MOST).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

async fn take(
    listener: TcpListener,
    front: Arc<Front>,
    patience: Patience,
    places: Arc<Semaphore>,
    mut ending: watch::Receiver<bool>,
) {
    let mut complained = false;
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (taken, place) = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return,
            taken = taken => taken,
        };
        let (Ok((stream, from)), Ok(place)) = (taken.as_ref().map(|(stream, from)| (stream, *from)), place) else {
            if let Err(error) = taken.as_ref() {
                // One that has gone again is none; where there is no room for more it gets better when others go.
                let of_one = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
                if !of_one.contains(&error.kind()) {
                    if !complained {
                        front.say(format!("note: connections can't be taken, and wait: {error}"));
                        complained = true;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
            continue;
        };
        let at = stream.local_addr().map_or(from.ip(), |at| at.ip());
        let peer = Arc::new(Peer { at, from, asked: AtomicUsize::new(0), written: AtomicUsize::new(0) });
        let Ok((stream, _)) = taken else { continue };
        tokio::spawn(converse(stream, peer, Arc::clone(&front), patience, place, ending.clone()));
    }
}

/// Serves one connection to its end.
async fn converse(
    stream: TcpStream,
    peer: Arc<Peer>,
    front: Arc<Front>,
    patience: Patience,
    _place: OwnedSemaphorePermit,
    mut ending: watch::Receiver<bool>,
) {
    // Tokens go out one by one, as they are made.
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let service = service_fn(|request: Request<Incoming>| {
        let answer = Arc::clone(&front).answer(request.map(Body::new), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let impatient =
        Impatient { stream: Arc::clone(&stream), peer: Arc::clone(&peer), patience: patience.write, stalled: None };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(impatient), service);
    let mut serving = pin!(serving);
    let mut gone = pin!(gone(&stream, &peer));
    tokio::select! {
        // What a client does wrong with its connection is its own affair.
        _ = serving.as_mut() => return,
        () = gone.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => serving.as_mut().graceful_shutdown(),
    }
    // An answer under way ends as it would. Otherwise the client has not said what it wants, or has to read the end yet.
    let idle = async {
        let (mut since, mut written) = (Instant::now(), 0);
        while since.elapsed() < LINGER {
            sleep(LINGER / 30).await;
            let now = peer.written.load(Relaxed);
            if peer.asked.load(SeqCst) > 0 || now != written {
                (since, written) = (Instant::now(), now);
            }
        }
    };
    tokio::select! {
        _ = serving => (),
        () = gone => (),
        () = idle => (),
    }
}

/// Ready when a client has gone that waits for an answer. Where there are more bytes behind the request, nobody reads them, and the end
/// behind them is not seen by reading.
async fn gone(stream: &TcpStream, peer: &Peer) {
    const LOOK: Duration = Duration::from_millis(200);
    loop {
        let closed = match stream.ready(Interest::READABLE).await {
            Ok(ready) => ready.is_read_closed(),
            Err(_) => true,
        };
        // What has come is read first.
        sleep(LOOK).await;
        if closed && peer.asked.load(SeqCst) > 0 {
            return;
        }
    }
}

/// A stream that fails where its reader does not read for long.
struct Impatient {
    stream: Arc<TcpStream>,
    peer: Arc<Peer>,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn write(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(context)?.is_ready() {
            match write(&self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => {
                    self.stalled = None;
                    self.peer.written.fetch_add(1, Relaxed);
                    return Poll::Ready(written);
                }
            }
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.stream.poll_read_ready(context)?.is_ready() {
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        Poll::Pending
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held back here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It is closed as soon as it is dropped, which is next.
        Poll::Ready(Ok(()))
    }
}
