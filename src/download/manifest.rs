//! The manifest of a split model: a file of JSON beside its parts, which names them in order, with sizes and hashes.
//!
//! ```json
//! { "format": "b158-split", "version": 1, "files": [{ "name": "m-00001-of-00002.gguf", "size": 123, "sha256": "…" }, …] }
//! ```
//!
//! `b158 split` writes it. What it says is checked before a part is asked for, and each part is held against it: its size as soon as
//! that is known, its hash at its end. Other keys are left for later versions.

use super::Sink;
use super::address::{COMPONENT, shown};
use super::place::{Bytes, Place};
use super::request::{Failure, Request};
use super::run::download;
use super::scratch::Scratch;
use crate::gguf::Split;
use crate::{Error, Result};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use url::Url;

/// Of a manifest: ten thousand parts take so much.
const MOST_BYTES: usize = 1 << 20;
/// As many as `split.count` can say.
const MOST_FILES: usize = u16::MAX as usize;
/// Of a name; what most file systems take.
const LONGEST_NAME: usize = 255;

const FORMAT: &str = "b158-split";
const VERSION: u32 = 1;

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    #[serde(default = "format")]
    format: String,
    #[serde(default = "version")]
    version: u32,
    /// The parts in order.
    pub files: Vec<ManifestFile>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Of the file, which lies beside the manifest.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

fn format() -> String {
    FORMAT.to_owned()
}

fn version() -> u32 {
    VERSION
}

impl Manifest {
    /// Of these parts, in order.
    pub fn new(files: Vec<ManifestFile>) -> Self {
        Manifest { format: format(), version: version(), files }
    }

    /// Whether an address is that of a manifest: its path ends in `.json`.
    pub fn is_at(url: &Url) -> bool {
        url.path().rsplit('.').next().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    }

    /// Of the text that `file` has, which is named in errors.
    ///
    /// # Errors
    /// [`Error::BadManifest`].
    pub fn read(text: &[u8], file: &str) -> Result<Self> {
        let bad = |reason: String| Error::BadManifest { file: file.to_owned(), reason };
        if text.len() > MOST_BYTES {
            return Err(too_large(file));
        }
        let mut manifest: Manifest = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
            .map_err(|error| {
                bad(format!("{error}; it must be {{\"files\": [{{\"name\", \"size\", \"sha256\"}}, …]}}"))
            })?;
        manifest.check().map_err(bad)?;
        for ManifestFile { sha256, .. } in &mut manifest.files {
            sha256.make_ascii_lowercase();
        }
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its `format` is {:?}, not {FORMAT:?}", self.format));
        }
        if self.version != VERSION {
            let found = self.version;
            return Err(format!(
                "its `version` is {found}, this engine reads {VERSION}: use a newer one, or split again"
            ));
        }
        let count = self.files.len();
        if !(1..=MOST_FILES).contains(&count) {
            return Err(format!("it names {count} files, a model has 1 to {MOST_FILES}"));
        }
        let mut names = HashSet::new();
        let mut all = 0_u64;
        for (index, ManifestFile { name, size, sha256 }) in self.files.iter().enumerate() {
            let of = |what: &str| format!("file {}, {name:?}, {what}", index + 1);
            if !is_plain(name) {
                return Err(of("must have the name of a file beside the manifest, without folders"));
            }
            if !names.insert(name) {
                return Err(of("is named twice"));
            }
            if sha256.len() != 64 || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(of("must have a `sha256` of 64 hexadecimal digits"));
            }
            all = all.checked_add(*size).filter(|_| *size > 0).ok_or_else(|| of("has a `size` that no file has"))?;
        }
        // What the names say is known before anything is downloaded.
        let first = self.files.first().map_or("", |file| &file.name);
        match Split::names(first) {
            Some(parts) if !parts.iter().eq(self.files.iter().map(|file| &file.name)) => Err(format!(
                "{first:?} is the first of {} files, and the manifest names {count} that are not those in order",
                parts.len()
            )),
            _ => Ok(()),
        }
    }

    /// What is to be asked for: the parts beside `base`, each as `request` asks for the manifest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] where nothing lies beside `base`.
    pub fn requests(&self, base: &Url, request: &Request) -> Result<Vec<Request>> {
        let folder = base.path().rsplit_once('/').map(|(folder, _)| folder).filter(|_| !base.cannot_be_a_base());
        let folder = folder.ok_or_else(|| Error::BadAddress {
            reason: format!("no files lie beside {}: give the manifest a base with a path", shown(base.as_str())),
        })?;
        let mut folder_url = base.clone();
        folder_url.set_query(None);
        folder_url.set_fragment(None);
        let requests = self.files.iter().map(|ManifestFile { name, size, sha256 }| {
            let mut url = folder_url.clone();
            url.set_path(&format!("{folder}/{}", utf8_percent_encode(name, COMPONENT)));
            Request { url: url.into(), size: Some(*size), sha256: Some(sha256.clone()), ..request.clone() }
        });
        Ok(requests.collect())
    }
}

/// Whether it leads nowhere else.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST_NAME
        && !name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

fn too_large(file: &str) -> Error {
    Error::BadManifest { file: file.to_owned(), reason: format!("it has more than {MOST_BYTES} bytes") }
}

/// The manifest at an address, by way of the cache, and what a person should know.
///
/// # Errors
/// Those of [`download`], and [`Error::BadManifest`]; it is not kept then.
pub async fn manifest<P: Place>(place: &P, request: &Request) -> Result<(Manifest, Vec<String>)> {
    let file = shown(&request.url);
    let mut text = Text { file: &file, bytes: Vec::new(), scratch: Scratch::default() };
    let done = download(place, request, &mut text, &mut |_| {}).await.map_err(|failure| match failure {
        Failure::Error(error) => error,
        Failure::Changed { .. } => {
            Error::Network { reason: format!("{file} changed on the server while it was read; load again") }
        }
    })?;
    let notes = done.notes.clone();
    match Manifest::read(&text.bytes, &file) {
        Ok(manifest) => {
            done.keep().await;
            Ok((manifest, notes))
        }
        Err(error) => {
            done.discard().await;
            Err(error)
        }
    }
}

/// All of a small file.
struct Text<'a> {
    file: &'a str,
    bytes: Vec<u8>,
    scratch: Scratch,
}

impl Sink for Text<'_> {
    async fn begin(&mut self, _size: Option<u64>) -> Result<()> {
        self.bytes.clear();
        Ok(())
    }

    async fn push<B: Bytes>(&mut self, bytes: &B) -> Result<()> {
        let Text { file, bytes: all, scratch } = self;
        scratch.read(bytes, |piece| {
            if piece.len() > MOST_BYTES - all.len() {
                return Err(too_large(file));
            }
            let no_room = |_| Error::OutOfMemory { what: "the manifest".to_owned(), bytes: piece.len() as u64 };
            all.try_reserve(piece.len()).map_err(no_room)?;
            all.extend_from_slice(piece);
            Ok(())
        })
    }

    fn expected_size(&self) -> Option<u64> {
        None
    }
}
