//! Files that a page has given, read at any place while this worker waits.

use super::words;
use crate::convert::Folder;
use crate::{Error, Result};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, FileReaderSync};

/// What is read at once: the browser makes fresh memory for each.
const PIECE_BYTES: usize = 4 << 20;

/// A folder's files.
pub(crate) struct Blobs {
    files: Vec<(String, u64)>,
    blobs: Vec<Blob>,
    reader: FileReaderSync,
}

impl Blobs {
    /// With the name of each.
    ///
    /// # Errors
    /// [`Error::Io`] where workers can't wait for files: everywhere but in a browser.
    pub(crate) fn new(named: Vec<(String, Blob)>) -> Result<Self> {
        let reader = FileReaderSync::new().map_err(|thrown| Error::Io {
            reason: format!(
                "a checkpoint can't be read here ({}): open it in a browser, or make a GGUF of it with `b158 convert`",
                words(&thrown)
            ),
        })?;
        let files = named.iter().map(|(name, blob)| (name.clone(), blob.size() as u64)).collect();
        Ok(Blobs { files, blobs: named.into_iter().map(|(_, blob)| blob).collect(), reader })
    }

    fn read_piece(&self, blob: &Blob, offset: u64, out: &mut [u8]) -> Result<(), JsValue> {
        let piece = blob.slice_with_f64_and_f64(offset as f64, offset as f64 + out.len() as f64)?;
        let bytes = Uint8Array::new(&self.reader.read_as_array_buffer(&piece)?.into());
        if bytes.length() as usize != out.len() {
            return Err("it ends before".into());
        }
        bytes.copy_to(out);
        Ok(())
    }
}

impl Folder for Blobs {
    fn files(&self) -> &[(String, u64)] {
        &self.files
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let unreadable = |why: &str| Error::Io {
            reason: format!(
                "{file} can't be read ({why}): it may have changed, or be gone; choose the checkpoint again"
            ),
        };
        let index = self.files.iter().position(|(name, _)| name == file).ok_or_else(|| unreadable("there is none"))?;
        let mut at = offset;
        for piece in out.chunks_mut(PIECE_BYTES) {
            self.read_piece(&self.blobs[index], at, piece).map_err(|thrown| unreadable(&words(&thrown)))?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}
