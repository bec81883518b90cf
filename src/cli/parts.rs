//! The files of a model on this machine, read at any place.

use super::source::Source;
use super::{Outcome, load, terminal};
use b158::convert::{Folder, Gguf};
use b158::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A model's file, or its parts as far as they are there.
pub(crate) struct PartFiles {
    list: Vec<(String, u64)>,
    files: Vec<File>,
    /// Why the next part could not be opened.
    missing: Option<String>,
}

impl PartFiles {
    /// Of a split model `first` is the first part.
    fn open(paths: &[PathBuf]) -> Outcome<Self> {
        let mut parts = PartFiles { list: Vec::new(), files: Vec::new(), missing: None };
        for (no, path) in paths.iter().enumerate() {
            let opened = open(path);
            // A whole model may have a part's name: whether there are more is known when the first is read.
            match opened {
                Ok((file, size)) => {
                    let name = path.file_name().map(|name| terminal::path(name.as_ref())).unwrap_or_default();
                    parts.list.push((name, size));
                    parts.files.push(file);
                }
                Err(reason) if no == 0 => return Err(reason.into()),
                Err(reason) => {
                    parts.missing =
                        Some(format!("{reason}; it is part {} of {} of the split model", no + 1, paths.len()));
                    break;
                }
            }
        }
        Ok(parts)
    }
}

fn open(path: &Path) -> std::result::Result<(File, u64), String> {
    let name = terminal::path(path);
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("{name}: it is a folder: give a GGUF file, which `b158 convert` makes of a checkpoint"));
    }
    if !metadata.is_file() {
        return Err(format!("{name}: it is no file that can be read at any place: save it as one first"));
    }
    Ok((file, metadata.len()))
}

/// Why a file could not be read where its size says that there is something.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            "it has become shorter since it was opened: does a download of it still run?".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The paths of a model's files, which must be on this machine.
pub(crate) fn paths(model: &Source) -> Outcome<Vec<PathBuf>> {
    match model {
        Source::File(path) if path.as_os_str() == "-" => {
            Err("standard input can't be read at any place: save it as a file first".into())
        }
        Source::File(path) => Ok(load::parts(path)),
        Source::Repository(_) => {
            let name = model.name();
            Err(format!("{name} is a checkpoint: `b158 convert` makes a GGUF of it").into())
        }
        Source::Address(_) => {
            let name = model.name();
            Err(format!("{name} is an address: `b158 pull` downloads it and prints where it lies").into())
        }
    }
}

/// Opens a model and reads its headers.
pub(crate) fn read(paths: &[PathBuf]) -> Outcome<Gguf<PartFiles>> {
    let parts = PartFiles::open(paths)?;
    let missing = parts.missing.clone();
    Gguf::open(parts).map_err(|error| match (error, missing) {
        (Error::MissingPart { .. }, Some(missing)) => missing.into(),
        (error @ Error::MissingPart { .. }, None) => {
            let first = paths.first().map_or(String::new(), |path| terminal::path(path));
            format!("{first}: {error}").into()
        }
        (error, _) => error.into(),
    })
}

impl Folder for PartFiles {
    fn files(&self) -> &[(String, u64)] {
        &self.list
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let at = self.list.iter().position(|(name, _)| name == file);
        let Some(handle) = at.and_then(|at| self.files.get_mut(at)) else {
            return Err(Error::Io { reason: "it is not open".to_owned() });
        };
        let read = handle.seek(SeekFrom::Start(offset)).and_then(|_| handle.read_exact(out));
        read.map_err(|error| Error::Io { reason: format!("{file}: {}", reason(&error)) })
    }
}
