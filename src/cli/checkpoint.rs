//! Checkpoints of this machine, read as the GGUF that each would become.

use super::Outcome;
use super::terminal::{self, say};
use b158::convert::{Converter, Folder, Options};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A checkpoint's files on this machine.
pub(crate) struct LocalFolder {
    files: Vec<(String, u64)>,
    /// Where each of them lies.
    paths: Vec<PathBuf>,
    /// The one that was read last.
    open: Option<(usize, File)>,
}

impl LocalFolder {
    /// The files of a folder; links count as what they lead to, and those that lead nowhere as missing.
    pub(crate) fn read(folder: &Path) -> Outcome<Self> {
        let failed = |e: &io::Error| format!("{}: {e}", terminal::path(folder));
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            if let Ok(name) = entry.file_name().into_string() {
                paths.push((name, entry.path()));
            }
        }
        paths.sort();
        Ok(Self::of(paths))
    }

    /// Files by their names in the checkpoint.
    pub(crate) fn of(named: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let mut folder = LocalFolder { files: Vec::new(), paths: Vec::new(), open: None };
        for (name, path) in named {
            if let Ok(found) = std::fs::metadata(&path)
                && found.is_file()
            {
                folder.files.push((name, found.len()));
                folder.paths.push(path);
            }
        }
        folder
    }

    /// Where its files lie.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    fn read_at(&mut self, no: usize, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = match &mut self.open {
            Some((open, file)) if *open == no => file,
            other => &mut other.insert((no, File::open(&self.paths[no])?)).1,
        };
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }
}

impl Folder for LocalFolder {
    fn files(&self) -> &[(String, u64)] {
        &self.files
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> b158::Result<()> {
        let failed = |reason: String| b158::Error::Io { reason: format!("{file}: {reason}") };
        let no = self.files.iter().position(|(name, _)| name == file);
        let no = no.ok_or_else(|| failed("there is no such file".to_owned()))?;
        self.read_at(no, offset, out).map_err(|e| failed(why(&e)))
    }
}

/// Why a file could not be read where its size says that there is something.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "it has become shorter since its size was read: does a download of it still run?".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What a user should know of a checkpoint, as far as it has been read.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// On standard error.
    pub(crate) fn say(&self) {
        self.take().iter().for_each(|note| say!("note: {note}"));
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, notes: &[String]) {
        notes.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The bytes of the GGUF that a checkpoint would become.
pub(crate) struct Converted {
    converter: Converter<LocalFolder>,
    piece: Vec<u8>,
    taken: usize,
    notes: Notes,
}

impl Converted {
    pub(crate) fn new(folder: LocalFolder) -> b158::Result<Self> {
        let converter = Converter::new(folder, Options::default())?;
        let notes = Notes::default();
        notes.set(converter.notes());
        Ok(Converted { converter, piece: Vec::new(), taken: 0, notes })
    }

    /// Bytes of it.
    pub(crate) fn size(&self) -> u64 {
        self.converter.size()
    }

    /// What a user should know: all of it when all has been read.
    pub(crate) fn notes(&self) -> Notes {
        self.notes.clone()
    }
}

impl Read for Converted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.piece.clear();
            self.taken = 0;
            match self.converter.next_bytes().map_err(io::Error::other)? {
                Some(bytes) => {
                    self.piece.try_reserve(bytes.len())?;
                    self.piece.extend_from_slice(bytes);
                }
                None => self.notes.set(self.converter.notes()),
            }
        }
        let len = out.len().min(self.piece.len() - self.taken);
        out[..len].copy_from_slice(&self.piece[self.taken..][..len]);
        self.taken += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_shrinks_is_named() {
        let path = std::env::temp_dir().join(format!("b158-shrinks-{}.json", std::process::id()));
        super::super::output::write(&path, b"{}").unwrap();
        let mut folder = LocalFolder::of([("config.json".to_owned(), path.clone())]);
        File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
        let said = folder.read("config.json", 0, &mut [0; 2]).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(said.contains("config.json: it has become shorter"), "{said}");
    }
}
