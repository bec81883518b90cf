//! Models from this machine's files.

use super::{Loaded, Loader, LoaderOptions};
use crate::allocate::try_zeroed;
use crate::gguf::Split;
use crate::kernels::{self, Compute};
use crate::threads::Pool;
use crate::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

impl Loaded {
    /// Loads a GGUF file, of a split model the first, `name-00001-of-0000N.gguf`, with the fastest backend and a thread for
    /// each processor. [`Loader`] is for everything else.
    ///
    /// # Errors
    /// [`Error::Io`], and whatever is wrong with the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (mut file, file_size) = open(path)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(threads) };
        let mut loader = Loader::new(compute, LoaderOptions { file_size, ..Default::default() });
        loader.read(&mut file, |_, _| {})?;
        for part in path.to_str().and_then(Split::names).unwrap_or_default().iter().skip(1) {
            // A whole model may have such a name too.
            if loader.is_last_part() {
                break;
            }
            let (mut file, size) = open(Path::new(part))?;
            loader.next_part(size)?;
            loader.read(&mut file, |_, _| {})?;
        }
        loader.finish()
    }
}

impl Loader {
    /// Pushes all that `file` has, and tells `each` of every chunk that has gone in, by its length.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`push`](Self::push).
    pub fn read(&mut self, file: &mut impl Read, mut each: impl FnMut(&Self, usize)) -> Result<()> {
        let mut buffer = try_zeroed(CHUNK, "a chunk of the file")?;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.push(&buffer[..n])?;
                    each(self, n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io { reason: error.to_string() }),
            }
        }
    }
}

fn open(path: &Path) -> Result<(File, Option<u64>)> {
    let file = File::open(path).map_err(|error| Error::Io { reason: format!("{}: {error}", path.display()) })?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok((file, size))
}
