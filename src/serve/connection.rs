//! Connections: taken, served over HTTP/1.1, and ended when the server goes down or the client does not read.

use super::app::Front;
use super::places::{Place, Places};
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
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep, sleep};

/// When the server goes down: how long a connection may stay on which nothing is asked, for what was written to go out.
const LINGER: Duration = Duration::from_secs(3);

/// The same for one whose place is wanted: its client has had its time.
const LEAVE: Duration = Duration::from_millis(300);

/// A connection, as requests see it.
pub(crate) struct Peer {
    /// The address at which it was taken.
    pub(crate) at: IpAddr,
    pub(crate) from: SocketAddr,
    /// Requests under way on it.
    asked: AtomicUsize,
    /// Since when there have been none.
    quiet: Mutex<Instant>,
    /// Grows as bytes are written.
    written: AtomicUsize,
    /// Its place is wanted for another.
    leaving: AtomicBool,
    leave: Notify,
}

impl Peer {
    fn new(at: IpAddr, from: SocketAddr) -> Self {
        Peer {
            at,
            from,
            asked: AtomicUsize::new(0),
            quiet: Mutex::new(Instant::now()),
            written: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.asked.fetch_add(1, SeqCst);
    }

    /// Its answer has gone out.
    pub(crate) fn end(&self) {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.asked.fetch_sub(1, SeqCst);
    }

    /// Since when it could be asked to go.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let free = self.asked.load(SeqCst) == 0 && !self.leaving.load(SeqCst);
        free.then(|| *self.quiet.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is to go when nothing is asked on it.
    pub(super) fn send_away(&self) {
        self.leaving.store(true, SeqCst);
        self.leave.notify_one();
    }
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
    let places = Arc::new(Places::default());
    let taken = listeners.into_iter().map(|listener| {
        let (front, places, ending) = (Arc::clone(&front), Arc::clone(&places), ending.clone());
        tokio::spawn(take(listener, front, patience, places, ending))
    });
    for taking in taken.collect::<Vec<_>>() {
        let _ = taking.await;
    }
    places.all_free().await;
}

async fn take(
    listener: TcpListener,
    front: Arc<Front>,
    patience: Patience,
    places: Arc<Places>,
    mut ending: watch::Receiver<bool>,
) {
    let mut complained = false;
    loop {
        let taken = async {
            let (stream, from) = listener.accept().await?;
            let at = stream.local_addr().map_or(from.ip(), |at| at.ip());
            Ok((stream, places.take(Arc::new(Peer::new(at, from))).await))
        };
        let taken: io::Result<(TcpStream, Place)> = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return,
            taken = taken => taken,
        };
        match taken {
            Ok((stream, place)) => {
                tokio::spawn(converse(stream, place, Arc::clone(&front), patience, ending.clone()));
            }
            Err(error) => {
                // One that has gone again is none; where there is no room for more it gets better when others go.
                let of_one = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
                if !of_one.contains(&error.kind()) {
                    if !complained {
                        front.say(format!("note: connections can't be taken, and wait: {error}"));
                        complained = true;
                    }
                    places.make_room();
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse(
    stream: TcpStream,
    place: Place,
    front: Arc<Front>,
    patience: Patience,
    mut ending: watch::Receiver<bool>,
) {
    let peer = Arc::clone(place.peer());
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
    let linger = tokio::select! {
        // What a client does wrong with its connection is its own affair.
        _ = serving.as_mut() => return,
        () = gone.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => LINGER,
        () = peer.leave.notified() => LEAVE,
    };
    serving.as_mut().graceful_shutdown();
    // An answer under way ends as it would. Otherwise the client has not said what it wants, or has to read the end yet.
    let idle = async {
        let (mut since, mut written) = (Instant::now(), 0);
        while since.elapsed() < linger {
            sleep(linger / 30).await;
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
