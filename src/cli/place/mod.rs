//! What a download has in a terminal: a client, a folder, a clock.

mod bytes;
mod clock;
mod files;
mod http;

use bytes::Piece;
pub(crate) use files::Files;

use super::Outcome;
use b158::download::{Place, StoreError, Tuning};
use clock::SystemClock;
use http::Http;

/// This machine.
pub(crate) struct Machine {
    http: Http,
    files: Result<Files, StoreError>,
    clock: SystemClock,
    tuning: Tuning,
}

impl Machine {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Machine {
            http: Http::new()?,
            files: Files::folder().map(Files::new),
            clock: SystemClock::new(),
            tuning: Tuning::default(),
        })
    }

    /// The last status by which a server said no.
    pub(crate) fn refused(&self) -> Option<u16> {
        self.http.refused()
    }

    /// The cache, where there is a place for it.
    pub(crate) fn files(&self) -> Result<&Files, StoreError> {
        self.files.as_ref().map_err(Clone::clone)
    }
}

impl Place for Machine {
    type Bytes = Piece;
    type Transport = Http;
    type Store = Files;
    type Clock = SystemClock;

    fn transport(&self) -> &Http {
        &self.http
    }

    async fn store(&self) -> Result<&Files, StoreError> {
        self.files()
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }
}
