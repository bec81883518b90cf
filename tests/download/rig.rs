//! A place to download in, all in memory.

use crate::clock::{START, Virtual};
use crate::engine::Engine;
use crate::memory::{Buffer, MemoryStore};
use crate::server::{Fetch, ORIGIN, Server, Storage, URL, random_file};
use b158::Error;
use b158::download::{CacheMode, Clock, Downloaded, Failure, Place, Progress, Request, StoreError, Tuning, download};

pub(crate) const PART: usize = 1000;

/// 25 parts and a half.
pub(crate) fn file() -> Vec<u8> {
    random_file(25_500, 1)
}

pub(crate) fn tuning() -> Tuning {
    Tuning {
        part_bytes: PART,
        run_parts: 4,
        stall_ms: 60,
        ask_ms: 60,
        tries: 4,
        first_tries: 2,
        backoff_ms: 1,
        most_backoff_ms: 4,
        longest_wait_ms: 1500,
    }
}

pub(crate) fn request() -> Request {
    Request {
        url: URL.to_owned(),
        origin: Some(ORIGIN.to_owned()),
        headers: Vec::new(),
        credentials: None,
        redirect: None,
        referrer_policy: None,
        cache: CacheMode::Auto,
        offline: false,
        connections: 4,
        size: None,
        sha256: None,
        hub: false,
        cross_origin_storage: false,
    }
}

/// Of a request with all as usual but this.
pub(crate) fn requested(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = request();
    change(&mut request);
    request
}

pub(crate) struct Rig {
    pub(crate) clock: Virtual,
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) transport: Fetch,
    pub(crate) tuning: Tuning,
}

impl Place for Rig {
    type Bytes = Buffer;
    type Transport = Fetch;
    type Store = MemoryStore;
    type Clock = Virtual;

    fn transport(&self) -> &Fetch {
        &self.transport
    }

    async fn store(&self) -> Result<&MemoryStore, StoreError> {
        Ok(&self.store)
    }

    fn clock(&self) -> &Virtual {
        &self.clock
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }
}

/// A whole load, the engine content with what it got.
pub(crate) struct Done {
    pub(crate) engine: Engine,
    pub(crate) bytes: u64,
    pub(crate) cached: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) progress: Vec<Progress>,
}

impl Rig {
    /// With [`file`] at [`URL`].
    pub(crate) fn new() -> Self {
        let clock = Virtual::default();
        let server = Server::new(&clock);
        server.put(URL, file());
        let transport = Fetch { server: server.clone(), origin: Some(ORIGIN.to_owned()), storage: Storage::default() };
        Rig { clock, server, store: MemoryStore::default(), transport, tuning: tuning() }
    }

    pub(crate) fn load(&self, request: &Request) -> Result<Done, Failure> {
        self.load_into(request, Engine::default())
    }

    pub(crate) fn load_into(&self, request: &Request, engine: Engine) -> Result<Done, Failure> {
        let done = self.clock.run(self.loading(request, engine));
        assert_eq!((self.store.writers(), self.server.open()), (0, 0), "locks and connections");
        done
    }

    /// It is dropped when the engine has got so many parts: requests end with it.
    pub(crate) fn killed_after(&self, parts: usize, request: &Request) {
        let engine = Engine { silent_after: Some(parts), ..Engine::default() };
        let turns = self.clock.run(async {
            let stopped = engine.stopped.clone();
            let loading = std::pin::pin!(self.loading(request, engine));
            let stopping = std::pin::pin!(async move {
                while !stopped.get() {
                    self.clock.sleep(1).await;
                }
            });
            matches!(futures::future::select(loading, stopping).await, futures::future::Either::Right(_))
        });
        assert!(turns, "it was over before");
        assert_eq!((self.store.writers(), self.server.open()), (0, 0), "locks and connections");
    }

    pub(crate) async fn loading(&self, request: &Request, mut engine: Engine) -> Result<Done, Failure> {
        let mut progress = Vec::new();
        let done: Downloaded<Rig> = download(self, request, &mut engine, &mut |report| progress.push(report)).await?;
        let (bytes, cached, notes) = (done.bytes, done.cached, done.notes.clone());
        done.keep().await;
        Ok(Done { engine, bytes, cached, notes, progress })
    }

    /// Milliseconds that have passed.
    pub(crate) fn passed(&self) -> u64 {
        self.clock.since_1970() - START
    }
}

/// The error, which it must be.
pub(crate) fn error_of<T>(result: Result<T, Failure>) -> Error {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(Failure::Error(error)) => error,
        Err(changed) => panic!("{changed}"),
    }
}

pub(crate) fn is_changed<T>(result: Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Changed { url }) if url == URL)
}
