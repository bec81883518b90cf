//! The files of a model on this machine, read at any place.

use super::checkpoint::LocalFolder;
use super::source::Source;
use super::{Outcome, load, terminal};
use b158::Error;
use b158::convert::Gguf;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A model's file, or its parts as far as they are there, and why the next could not be opened.
fn folder(paths: &[PathBuf]) -> Outcome<(LocalFolder, Option<String>)> {
    let mut parts = Vec::new();
    let mut missing = None;
    for (no, path) in paths.iter().enumerate() {
        // A whole model may have a part's name: whether there are more is known when the first is read.
        match check(path) {
            Ok(name) => parts.push((name, path.clone())),
            Err(reason) if no == 0 => return Err(reason.into()),
            Err(reason) => {
                missing = Some(format!("{reason}; it is part {} of {} of the split model", no + 1, paths.len()));
                break;
            }
        }
    }
    Ok((LocalFolder::of(parts), missing))
}

/// The name of a file that can be read at any place.
fn check(path: &Path) -> Result<String, String> {
    let name = terminal::path(path);
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("{name}: it is a folder: give a GGUF file, which `b158 convert` makes of a checkpoint"));
    }
    if !metadata.is_file() {
        return Err(format!("{name}: it is no file that can be read at any place: save it as one first"));
    }
    Ok(path.file_name().map(|name| terminal::path(name.as_ref())).unwrap_or_default())
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
pub(crate) fn read(paths: &[PathBuf]) -> Outcome<Gguf<LocalFolder>> {
    let (parts, missing) = folder(paths)?;
    Gguf::open(parts).map_err(|error| match (error, missing) {
        (Error::MissingPart { .. }, Some(missing)) => missing.into(),
        (error @ Error::MissingPart { .. }, None) => {
            let first = paths.first().map_or(String::new(), |path| terminal::path(path));
            format!("{first}: {error}").into()
        }
        (error, _) => error.into(),
    })
}
