//! Models from this machine's files.

use super::{Loaded, Loader, LoaderOptions};
use crate::allocate::try_zeroed;
use crate::gguf::Split;
use crate::kernels::{self, Compute};
use crate::threads::Pool;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::AddAssign;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;
/// Chunks that are read ahead, the one at hand among them.
const AHEAD: usize = 4;

impl Loaded {
    /// Loads a GGUF file, of a split model the first, `name-00001-of-0000N.gguf`, with the fastest backend and a thread for
    /// each processor. [`Loader`] is for everything else.
    ///
    /// # Errors
    /// [`Error::Io`], and whatever is wrong with the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (file, file_size) = open(path)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(threads) };
        let mut loader = Loader::new(compute, LoaderOptions { file_size, ..Default::default() });
        loader.read(file, |_, _| {})?;
        for part in path.to_str().and_then(Split::names).unwrap_or_default().iter().skip(1) {
            // A whole model may have such a name too.
            if loader.is_last_part() {
                break;
            }
            let (file, size) = open(Path::new(part))?;
            loader.next_part(size)?;
            loader.read(file, |_, _| {})?;
        }
        loader.finish()
    }
}

/// Where the time of [`Loader::read`] went: reading and hashing go on beside repacking, so the three overlap.
#[derive(Debug, Default, Clone, Copy)]
pub struct Spent {
    /// In the system's hands: the disk, or copying out of its cache.
    pub reading: Duration,
    /// SHA-256, where it was asked for.
    pub hashing: Duration,
    /// Parsing, the tokenizer, and weights on their way to the kernels' layout.
    pub repacking: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.reading += other.reading;
        self.hashing += other.hashing;
        self.repacking += other.repacking;
    }
}

impl Loader {
    /// Pushes all that `file` has, and tells `each` of every chunk that has gone in, by its length. A thread reads ahead and
    /// takes the hash; where the system gives none, this one does it all.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`push`](Self::push). The loader stays in them. A read that waits for a pipe at that
    /// moment is not waited for.
    pub fn read(&mut self, file: impl Read + Send + 'static, mut each: impl FnMut(&Self, usize)) -> Result<Spent> {
        let mut repacking = Duration::ZERO;
        let source = Arc::new(Mutex::new(Source { file, hasher: self.hasher.take(), spent: Spent::default() }));
        let (empty, emptied) = mpsc::channel();
        let (full, filled) = mpsc::channel();
        let reader = Arc::clone(&source);
        let thread = std::thread::Builder::new().name("b158-read".to_owned()).spawn(move || {
            let mut source = reader.lock().unwrap_or_else(PoisonError::into_inner);
            for buffer in emptied {
                let piece = source.next(buffer);
                let last = !matches!(piece, Piece::Bytes { .. });
                if full.send(piece).is_err() || last {
                    break;
                }
            }
        });
        let chunk = || try_zeroed(CHUNK, "a chunk of the file");
        let mut own = None;
        match &thread {
            // Whether anybody takes them is found out below.
            Ok(_) => (0..AHEAD).try_for_each(|_| chunk().map(|buffer| drop(empty.send(buffer))))?,
            Err(_) => own = Some(chunk()?),
        }
        loop {
            let piece = match own.take() {
                Some(buffer) => source.lock().unwrap_or_else(PoisonError::into_inner).next(buffer),
                None => {
                    filled.recv().unwrap_or_else(|_| Piece::Failed("the thread that reads it has ended".to_owned()))
                }
            };
            match piece {
                Piece::Bytes { buffer, len } => {
                    let begun = Instant::now();
                    self.push(&buffer[..len])?;
                    repacking += begun.elapsed();
                    each(self, len);
                    match &thread {
                        Ok(_) => drop(empty.send(buffer)),
                        Err(_) => own = Some(buffer),
                    }
                }
                Piece::End { hasher, spent } => {
                    self.hasher = hasher;
                    return Ok(Spent { repacking, ..spent });
                }
                Piece::Failed(reason) => return Err(self.fail(Error::Io { reason })),
            }
        }
    }
}

/// A file on its way in.
struct Source<R> {
    file: R,
    hasher: Option<Sha256>,
    spent: Spent,
}

/// What a read came to.
enum Piece {
    Bytes { buffer: Vec<u8>, len: usize },
    End { hasher: Option<Sha256>, spent: Spent },
    Failed(String),
}

impl<R: Read> Source<R> {
    fn next(&mut self, mut buffer: Vec<u8>) -> Piece {
        let begun = Instant::now();
        let read = loop {
            match self.file.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.spent.reading += begun.elapsed();
        match read {
            Ok(0) => Piece::End { hasher: self.hasher.take(), spent: self.spent },
            Ok(len) => {
                if let Some(hasher) = &mut self.hasher {
                    let begun = Instant::now();
                    hasher.update(&buffer[..len]);
                    self.spent.hashing += begun.elapsed();
                }
                Piece::Bytes { buffer, len }
            }
            Err(error) => Piece::Failed(error.to_string()),
        }
    }
}

fn open(path: &Path) -> Result<(File, Option<u64>)> {
    let file = File::open(path).map_err(|error| Error::Io { reason: format!("{}: {error}", path.display()) })?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok((file, size))
}
