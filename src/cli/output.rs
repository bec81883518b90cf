//! Files that are there whole or not at all.

use super::{Outcome, terminal};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file being written under a name of its own beside the one it is for; [`commit`](Self::commit) gives it that.
/// Dropped before, it is removed, and what the name stood for is as it was.
///
/// A device or a pipe (`/dev/stdout`, `/dev/full`) is written to directly.
pub(crate) struct Output {
    file: File,
    place: Place,
}

/// Where a file is, complete, and where it is to be.
pub(crate) struct Place {
    path: PathBuf,
    part: Option<PathBuf>,
}

impl Output {
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        Ok(Self::open(path).map_err(|e| named(path, &e))?)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let existing = match fs::metadata(path) {
            Ok(found) if found.is_file() => Some(found),
            Ok(_) => {
                let file = File::options().write(true).open(path)?;
                return Ok(Self { file, place: Place { path: path.to_owned(), part: None } });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Of a link it is the target that is replaced.
        let path = if existing.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let create = || File::options().write(true).create_new(true).open(&part);
        let file = match create() {
            // Left by a process of this number that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&part)?;
                create()?
            }
            other => other?,
        };
        let output = Self { file, place: Place { path, part: Some(part) } };
        if let Some(existing) = existing {
            output.file.set_permissions(existing.permissions())?;
        }
        Ok(output)
    }

    /// Puts the file in its place.
    pub(crate) fn commit(self) -> Outcome {
        self.close().commit()
    }

    /// Closes the file, for a place later on.
    pub(crate) fn close(self) -> Place {
        self.place
    }
}

impl Place {
    /// Puts the file there.
    pub(crate) fn commit(mut self) -> Outcome {
        if let Some(part) = &self.part {
            fs::rename(part, &self.path).map_err(|e| named(&self.path, &e))?;
            self.part = None;
        }
        Ok(())
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let mut output = Output::create(path)?;
    output.write_all(bytes)?;
    output.commit()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", terminal::path(path)))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|e| named(&self.place.path, &e))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|e| named(&self.place.path, &e))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // What cannot be removed does no harm under this name.
            let _ = fs::remove_file(part);
        }
    }
}
