//! Bytes in JavaScript's memory, where `fetch` and files leave them, and where WebCrypto takes them from.

use super::spare::{self, Memory};
use crate::allocate::try_zeroed;
use crate::download::Bytes;
use crate::{Error, Result};
use js_sys::{ArrayBuffer, Promise, Uint8Array};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

const WHAT: &str = "a download's buffer";
/// What goes through the engine's memory at a time: it never gives any back.
const PIECE_BYTES: usize = 16 << 10;

/// Part of a `Uint8Array` of its own memory: the engine's is shared between threads, and WebCrypto refuses that.
#[derive(Debug, Clone)]
pub(crate) struct Buffer {
    bytes: Uint8Array,
    /// Where they are, so that it is used again. `None`: somebody else has made it.
    memory: Option<Rc<Memory>>,
    /// Their hash, where somebody has taken it.
    sha256: Option<[u8; 32]>,
}

#[wasm_bindgen]
extern "C" {
    /// The constructor, which throws where there is no room.
    #[wasm_bindgen(js_name = Uint8Array)]
    type Allocated;
    #[wasm_bindgen(constructor, js_class = "Uint8Array", catch)]
    fn new(len: f64) -> Result<Allocated, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = digest, catch)]
    fn digest(algorithm: &str, bytes: &Uint8Array) -> Result<Promise, JsValue>;
}

impl Buffer {
    /// Whatever it may hold.
    pub(super) fn unwritten(len: usize) -> Result<Self> {
        if let Some(bytes) = spare::take(len) {
            return Ok(Buffer { bytes: bytes.clone(), memory: Some(Rc::new(Memory(bytes))), sha256: None });
        }
        let bytes: Uint8Array = Allocated::new(len as f64)
            .map_err(|_| Error::OutOfMemory { what: WHAT.to_owned(), bytes: len as u64 })?
            .unchecked_into();
        Ok(Buffer { bytes: bytes.clone(), memory: Some(Rc::new(Memory(bytes))), sha256: None })
    }

    /// What has been written to the beginning of a buffer's memory, which has come back under this name.
    pub(super) fn landed(bytes: Uint8Array) -> Self {
        let memory = Some(Rc::new(Memory(Uint8Array::new(&bytes.buffer()))));
        Buffer { bytes, memory, sha256: None }
    }

    /// With the hash that somebody has taken of them.
    pub(super) fn hashed(self, sha256: Option<[u8; 32]>) -> Self {
        Buffer { sha256, ..self }
    }

    /// Of bytes in the engine's memory, copied.
    pub(super) fn copied(bytes: &[u8]) -> Result<Self> {
        let buffer = Self::unwritten(bytes.len())?;
        buffer.bytes.copy_from(bytes);
        Ok(buffer)
    }

    /// The other way: for what is small.
    pub(crate) fn to_vec(&self) -> Result<Vec<u8>> {
        let mut bytes = try_zeroed(self.len(), WHAT)?;
        self.read(0, &mut bytes);
        Ok(bytes)
    }

    pub(super) fn as_js(&self) -> &Uint8Array {
        &self.bytes
    }

    /// `None` where this page may not hash: WebCrypto is for secure contexts.
    async fn sha256_by_browser(&self) -> Option<[u8; 32]> {
        let hash = JsFuture::from(digest("SHA-256", &self.bytes).ok()?).await.ok()?;
        let hash: ArrayBuffer = hash.dyn_into().ok()?;
        Uint8Array::new(&hash).to_vec().try_into().ok()
    }

    fn sha256_here(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut piece = [0; PIECE_BYTES];
        for at in (0..self.len()).step_by(PIECE_BYTES) {
            let piece = &mut piece[..PIECE_BYTES.min(self.len() - at)];
            self.read(at, piece);
            hasher.update(piece);
        }
        hasher.finalize().into()
    }
}

impl From<Uint8Array> for Buffer {
    fn from(array: Uint8Array) -> Self {
        Buffer { bytes: array, memory: None, sha256: None }
    }
}

impl Bytes for Buffer {
    fn room(len: usize) -> Result<Self> {
        Self::unwritten(len)
    }

    fn len(&self) -> usize {
        self.bytes.length() as usize
    }

    fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {} bytes", self.len());
        Buffer {
            bytes: self.bytes.subarray(range.start as u32, range.end as u32),
            memory: self.memory.clone(),
            sha256: None,
        }
    }

    fn write(&mut self, at: usize, piece: &Self) {
        assert!(at <= self.len() && piece.len() <= self.len() - at, "{} bytes at {at} of {}", piece.len(), self.len());
        self.sha256 = None;
        self.bytes.set(&piece.bytes, at as u32);
    }

    fn read(&self, at: usize, out: &mut [u8]) {
        self.slice(at..at + out.len()).bytes.copy_to(out);
    }

    async fn sha256(&self) -> [u8; 32] {
        if let Some(hash) = self.sha256 {
            return hash;
        }
        match self.sha256_by_browser().await {
            Some(hash) => hash,
            None => self.sha256_here(),
        }
    }
}
