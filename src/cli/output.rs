//! Files that are there whole or not at all.

use super::{Outcome, interrupt, terminal};
use clap::Args;
use indicatif::ProgressBar;
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
    /// What has come there meanwhile stays.
    fresh: bool,
}

/// What may be replaced.
#[derive(Args, Clone, Copy)]
pub(crate) struct Replace {
    /// Replace what is there under the output's name.
    #[arg(long)]
    pub(crate) force: bool,
}

impl Replace {
    /// Refuses an output that is one of the inputs, by whatever name, and what must not be replaced. Said before any work is done.
    pub(crate) fn check<'a>(self, path: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Outcome {
        let name = || terminal::path(path);
        for input in inputs {
            // What can't be looked at can't be overwritten either.
            if same_file::is_same_file(path, input).unwrap_or(false) {
                let input = terminal::path(input);
                return Err(format!("{}: it is what is read ({input}): name another file", name()).into());
            }
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(format!("{}: it is a folder: name a file in it", name()).into()),
            Ok(found) if found.is_file() && !self.force => Err(exists(path).into()),
            Ok(_) => Ok(()),
            Err(_) if path.is_symlink() => Err(format!("{}: it is a link to nothing: remove it", name()).into()),
            Err(_) => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                    Err(format!("{}: there is no folder {}", name(), terminal::path(folder)).into())
                }
                _ => Ok(()),
            },
        }
    }
}

fn exists(path: &Path) -> String {
    format!("{}: it exists: name another file, or replace it with --force", terminal::path(path))
}

impl Output {
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        Ok(Self::open(path).map_err(|e| named(path, &e))?)
    }

    /// A file that replaces no other, unless it may. [`Replace::check`] comes first.
    pub(crate) fn create_as(path: &Path, replace: Replace) -> Outcome<Self> {
        // Before there is anything that would be left behind.
        interrupt::listen();
        let mut output = Self::create(path)?;
        output.place.fresh = !replace.force;
        Ok(output)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let existing = match fs::metadata(path) {
            Ok(found) if found.is_file() => Some(found),
            Ok(_) => {
                let file = File::options().write(true).open(path)?;
                return Ok(Self { file, place: Place { path: path.to_owned(), part: None, fresh: false } });
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
        let output = Self { file, place: Place { path, part: Some(part), fresh: false } };
        if let Some(existing) = existing {
            output.file.set_permissions(existing.permissions())?;
        }
        Ok(output)
    }

    /// Puts the file in its place.
    pub(crate) fn commit(self) -> Outcome {
        self.close().commit()
    }

    /// The same, when the disk has all of it: some say only then that they are full.
    pub(crate) fn commit_synced(self) -> Outcome {
        self.close_synced()?.commit()
    }

    /// Closes the file, for a place later on.
    pub(crate) fn close(self) -> Place {
        self.place
    }

    /// The same, when the disk has all of it.
    pub(crate) fn close_synced(self) -> Outcome<Place> {
        if self.place.part.is_some() {
            self.file.sync_all().map_err(|e| named(&self.place.path, &e))?;
        }
        Ok(self.close())
    }
}

impl Place {
    /// Puts the file there.
    pub(crate) fn commit(mut self) -> Outcome {
        if let Some(part) = &self.part {
            if self.fresh && self.path.exists() {
                return Err(exists(&self.path).into());
            }
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

/// Writes the bytes that `next` gives in pieces to a new file, until there are no more. Ctrl-C is an error.
pub(crate) fn stream<S>(
    source: &mut S,
    next: impl for<'a> Fn(&'a mut S) -> b158::Result<Option<&'a [u8]>>,
    output: &mut impl Write,
    bar: &ProgressBar,
) -> Outcome {
    while let Some(bytes) = next(source)? {
        output.write_all(bytes)?;
        bar.inc(bytes.len() as u64);
        if interrupt::take() {
            return Err("stopped".into());
        }
    }
    Ok(())
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
