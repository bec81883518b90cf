//! Bytes of downloads: pieces of shared vectors, hashed and read by threads beside the one that loads.

use b158::Error;
use b158::download::Bytes;
use futures::FutureExt;
use futures::executor::ThreadPool;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Some bytes of a vector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    /// Theirs, where somebody has taken it.
    sha256: Option<[u8; 32]>,
}

impl Piece {
    /// Them, where they lie.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    /// Its hash, on this thread.
    pub(super) fn sha256_here(&self) -> [u8; 32] {
        self.sha256.unwrap_or_else(|| Sha256::digest(self.bytes()).into())
    }

    /// With its hash taken, at once.
    pub(super) fn hashed(bytes: Vec<u8>) -> Self {
        let sha256 = Some(Sha256::digest(&bytes).into());
        Piece { sha256, ..bytes.into() }
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Piece { range: 0..bytes.len(), bytes: Arc::new(bytes), sha256: None }
    }
}

impl Bytes for Piece {
    fn room(len: usize) -> b158::Result<Self> {
        let mut bytes = room(len)
            .ok_or_else(|| Error::OutOfMemory { what: "a piece of a download".to_owned(), bytes: len as u64 })?;
        bytes.resize(len, 0);
        Ok(bytes.into())
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {} bytes", self.len());
        let from = self.range.start;
        Piece { bytes: self.bytes.clone(), range: from + range.start..from + range.end, sha256: None }
    }

    fn write(&mut self, at: usize, piece: &Self) {
        self.sha256 = None;
        let at = self.range.start + at;
        // Where somebody has a slice all the same, that keeps what it was.
        Arc::make_mut(&mut self.bytes)[at..][..piece.len()].copy_from_slice(piece.bytes());
    }

    fn read(&self, at: usize, out: &mut [u8]) {
        out.copy_from_slice(&self.bytes()[at..][..out.len()]);
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self.bytes())
    }

    async fn sha256(&self) -> [u8; 32] {
        if let Some(sha256) = self.sha256 {
            return sha256;
        }
        let piece = self.clone();
        beside(move || piece.sha256_here()).await
    }
}

/// Room for so many bytes, if there is the memory.
pub(super) fn room(len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    Some(bytes)
}

/// One takes the SHA-256 of 1.6 GB a second (Zen, SHA extensions): two are ahead of the repacking.
const THREADS: usize = 2;

static POOL: LazyLock<Option<ThreadPool>> =
    LazyLock::new(|| ThreadPool::builder().pool_size(THREADS).name_prefix("b158 cache ").create().ok());

/// Runs `job` beside whoever polls; in its place where the system gives no threads. Dropped before its turn, it is not run.
pub(crate) async fn beside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let Some(pool) = &*POOL else { return job() };
    let (job, result) = async move { job() }.remote_handle();
    pool.spawn_ok(job);
    result.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn a_piece_is_shared_and_never_changes_under_another() {
        let mut whole = Piece::room(8).unwrap();
        whole.write(2, &Piece::from(vec![1, 2, 3]).slice(1..3));
        let slice = whole.slice(1..5);
        assert_eq!(slice.bytes(), [0, 2, 3, 0]);
        whole.write(0, &Piece::from(vec![9; 4]));
        assert_eq!((slice.bytes(), whole.bytes()), (&[0, 2, 3, 0][..], &[9, 9, 9, 9, 0, 0, 0, 0][..]));
        let mut out = [7; 2];
        slice.slice(1..4).read(1, &mut out);
        assert_eq!((out, slice.slice(2..2).is_empty()), ([3, 0], true));
        assert!(matches!(Piece::room(usize::MAX), Err(Error::OutOfMemory { .. })));
    }

    #[test]
    fn hashes_are_those_of_the_bytes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let piece = Piece::from(bytes.clone());
        let (all, some) = block_on(futures::future::join(piece.sha256(), async { piece.slice(3..70).sha256().await }));
        let of = |bytes: &[u8]| <[u8; 32]>::from(Sha256::digest(bytes));
        assert_eq!((all, some), (of(&bytes), of(&bytes[3..70])));
        // Taken before, it is that of the whole piece as it was then.
        let mut piece = Piece::hashed(bytes.clone());
        assert_eq!(block_on(piece.slice(1..9).sha256()), of(&bytes[1..9]));
        assert_eq!(block_on(piece.clone().sha256()), of(&bytes));
        piece.write(0, &Piece::from(vec![77]));
        assert_ne!(block_on(piece.sha256()), of(&bytes));
    }
}
