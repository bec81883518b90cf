//! What a download needs of the place it runs in.

use super::request::{HttpRequest, HttpResponse, Tuning, Unreachable};
use crate::Result;
use futures::future::LocalBoxFuture;
use std::future::Future;
use std::ops::Range;

/// Bytes outside the engine's memory: in a browser a buffer of JavaScript's, elsewhere a vector.
pub trait Bytes: Clone + 'static {
    /// Room for so many, which may hold anything: for who writes over all of it before it is read.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    fn room(len: usize) -> Result<Self>;
    /// How many.
    fn len(&self) -> usize;
    /// None at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Some of them, which are shared and not copied.
    fn slice(&self, range: Range<usize>) -> Self;
    /// Writes `piece` over those from `at` on. Only while nobody else has a slice of them.
    fn write(&mut self, at: usize, piece: &Self);
    /// Copies `out.len()` of them, from `at` on.
    fn read(&self, at: usize, out: &mut [u8]);
    /// The bytes themselves, where they lie in the program's memory: nobody copies them then.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }
    /// Their SHA-256: of the browser, beside this thread, where it hashes. It begins when it is first polled.
    fn sha256(&self) -> impl Future<Output = [u8; 32]>;
}

/// The rest of an answer, as the file has it: what `content-encoding` names is undone. Dropped, it ends the connection.
#[allow(async_fn_in_trait)]
pub trait Body {
    /// What it comes in.
    type Bytes: Bytes;
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Self::Bytes>, Unreachable>;
}

/// Sends requests. A future that is dropped ends its request.
#[allow(async_fn_in_trait)]
pub trait Transport {
    /// What bodies come in.
    type Bytes: Bytes;
    /// The rest of an answer.
    type Body: Body<Bytes = Self::Bytes>;
    /// Redirects are followed, by the request's own rules.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse<Self::Body>, Unreachable>;
    /// Whether answers that redirect are seen, and so their `X-Linked-Etag`.
    fn sees_redirects(&self) -> bool {
        false
    }
    /// A range of the file with this SHA-256, or all of it, out of a storage that sites share, as its server would answer; `None` where
    /// there is no such storage, it has no such file, or it gives nobody here any.
    async fn cross_origin_file(&self, sha256: &str, range: Option<Range<u64>>) -> Option<HttpResponse<Self::Body>> {
        let _ = (sha256, range);
        None
    }
    /// What that storage gave was not the file: it is not asked for it again.
    fn distrust(&self, sha256: &str) {
        let _ = sha256;
    }
    /// Begins to put a file there, for sites of every origin or those of this site; `None` where it can't be.
    async fn offer(&self, sha256: &str, everyone: bool) -> Option<Box<dyn Offer<Bytes = Self::Bytes>>> {
        let _ = (sha256, everyone);
        None
    }
}

/// A file on its way into a storage that sites share. Dropped, it is as if it had not begun.
pub trait Offer {
    /// What it is written in.
    type Bytes: Bytes;
    /// The next bytes; false where no more are taken.
    fn write(&mut self, bytes: Self::Bytes) -> LocalBoxFuture<'_, bool>;
    /// The file is whole, and has been checked.
    fn finish(self: Box<Self>) -> LocalBoxFuture<'static, ()>;
}

/// Why a file can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no more room.
    #[error("{0}")]
    Quota(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Where files are kept: a folder of the disk, or the browser's private file system.
#[allow(async_fn_in_trait)]
pub trait Store {
    /// What files come in.
    type Bytes: Bytes;
    /// The place of one file.
    type Slot: Slot<Bytes = Self::Bytes>;
    /// Bytes that may still be written, as far as anybody says.
    async fn room(&self) -> Option<u64>;
    /// The place of the file with this key, 32 hexadecimal digits.
    async fn open(&self, key: &str) -> Result<Self::Slot, StoreError>;
}

/// A store that tells what it holds: for the terminal, where a page has its own ways.
#[allow(async_fn_in_trait)]
pub trait Catalog: Store {
    /// Of all files.
    async fn keys(&self) -> Result<Vec<String>, StoreError>;
    /// The journal of a file, whoever writes there; empty where there is none.
    async fn journal(&self, key: &str) -> Result<Vec<u8>, StoreError>;
}

/// The place of one file: its data and its journal. Closed when it is dropped.
#[allow(async_fn_in_trait)]
pub trait Slot {
    /// What is read and written.
    type Bytes: Bytes;
    /// False while somebody else writes there; what is finished can be read all the same.
    fn writable(&self) -> bool;
    /// Who that may be.
    fn occupant(&self) -> &'static str {
        "another tab or worker"
    }
    /// All of the journal.
    async fn read_journal(&self) -> Result<Vec<u8>, StoreError>;
    /// Writes at `at`; what lay behind it stays.
    fn write_journal(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError>;
    /// The journal ends at `len`.
    fn cut_journal(&self, len: u64) -> Result<(), StoreError>;
    /// Fewer bytes where the data ends before.
    async fn read(&self, at: u64, len: usize) -> Result<Self::Bytes, StoreError>;
    /// Writes at `at`, beside whoever polls where that can be, and gives the bytes' SHA-256; `sha256` where somebody has it already.
    /// Dropped, it may write all the same.
    async fn write(&self, at: u64, bytes: &Self::Bytes, sha256: Option<[u8; 32]>) -> Result<[u8; 32], StoreError>;
    /// The data ends at `len`.
    async fn cut(&self, len: u64) -> Result<(), StoreError>;
    /// What has been written is on the disk.
    async fn flush(&self) -> Result<(), StoreError>;
    /// The same of the journal.
    fn flush_journal(&self) -> Result<(), StoreError>;
    /// Nothing of it is left.
    async fn remove(self) -> Result<(), StoreError>;
}

/// Time, which a test may let pass faster.
#[allow(async_fn_in_trait)]
pub trait Clock {
    /// Ready after so many milliseconds.
    async fn sleep(&self, ms: u64);
    /// Milliseconds since some moment; never goes back.
    fn now(&self) -> f64;
    /// Milliseconds since 1970.
    fn since_1970(&self) -> u64;
}

/// All that a download needs of where it runs.
#[allow(async_fn_in_trait)]
pub trait Place {
    /// What bytes outside the engine are.
    type Bytes: Bytes;
    /// Sends requests.
    type Transport: Transport<Bytes = Self::Bytes>;
    /// Keeps files.
    type Store: Store<Bytes = Self::Bytes>;
    /// Tells the time.
    type Clock: Clock;
    /// Sends requests.
    fn transport(&self) -> &Self::Transport;
    /// Keeps files; an error where there is no place for them.
    async fn store(&self) -> Result<&Self::Store, StoreError>;
    /// Tells the time.
    fn clock(&self) -> &Self::Clock;
    /// Sizes and patience.
    fn tuning(&self) -> &Tuning;
}
