//! What a page has given, as what is loaded: parts of a GGUF, or a checkpoint.

use super::super::place::{Blobs, Buffer, StreamBody, Tab, contents};
use super::super::protocol::{Part, PlainError, Source, SourceKind};
use super::Worker;
use super::checkpoint;
use super::page::PagePart;
use crate::convert::Converter;
use crate::download::{self, Manifest, ManifestFile, Request, Stream, address};
use crate::{Error, Result};
use std::rc::Rc;
use url::Url;
use wasm_bindgen::JsCast;
use web_sys::Blob;

/// What is there to be loaded.
pub(super) enum Given {
    /// Of a GGUF, with what a person should know.
    Parts(Vec<download::Part<Buffer>>, Vec<String>),
    /// A folder's files.
    Checkpoint(Box<Converter<Blobs>>),
}

impl Given {
    /// Manifests are read, and the headers of a checkpoint.
    pub(super) async fn new(worker: &Rc<Worker>, place: &Tab, source: Source) -> Result<Self, PlainError> {
        if source.kind == SourceKind::Checkpoint {
            if source.sha256.is_some() {
                let why = "sha256 is that of a GGUF file, and a checkpoint has many files: leave it out";
                return Err(PlainError::new("invalid-argument", why));
            }
            return Ok(Given::Checkpoint(Box::new(checkpoint::open(source.parts)?)));
        }
        let digests = source.sha256.clone();
        let mut reader = Reader { worker, place, source: &source, parts: Vec::new(), notes: Vec::new() };
        match local_manifest(&source.parts) {
            Some((file, blob)) => reader.local(file, blob).await?,
            None => {
                for (index, part) in source.parts.iter().enumerate() {
                    reader.part(index, part).await?;
                }
            }
        }
        let Reader { mut parts, notes, .. } = reader;
        if let Some(digests) = digests {
            check_digests(&mut parts, digests)?;
        }
        Ok(Given::Parts(parts, notes))
    }
}

struct Reader<'a> {
    worker: &'a Rc<Worker>,
    place: &'a Tab,
    source: &'a Source,
    parts: Vec<download::Part<Buffer>>,
    notes: Vec<String>,
}

impl Reader<'_> {
    async fn part(&mut self, index: usize, part: &Part) -> Result<()> {
        match part {
            Part::Address { url, manifest, .. } => {
                let url = address::resolve(url, self.source.base.as_deref())?;
                let requests = self.requests(part, url, manifest.as_deref()).await?;
                self.parts.extend(requests.into_iter().map(download::Part::Address));
            }
            Part::Blob { blob, .. } => self.parts.push(download::Part::Stream(of_blob(blob.0.unchecked_ref())?)),
            Part::Page { total, file_size } => {
                let body = PagePart::new(Rc::clone(self.worker), index);
                let broken = |why| Error::Network {
                    reason: format!("the download broke off ({why}); check the connection and load again"),
                };
                let stream = Stream { size: *file_size, total: *total, ..Stream::of_body(body, broken) };
                self.parts.push(download::Part::Stream(stream));
            }
        }
        Ok(())
    }

    /// For one address, or the files that it stands for.
    async fn requests(&mut self, part: &Part, url: Url, manifest: Option<&str>) -> Result<Vec<Request>> {
        let request = |url: &Url| request(self.source, part, url);
        if let Some(text) = manifest {
            return Manifest::read(text.as_bytes(), "the source")?.requests(&url, &request(&url));
        }
        if self.source.kind != SourceKind::Alone {
            return Ok(vec![request(&url)]);
        }
        if Manifest::is_at(&url) {
            // It is small, and git holds it.
            let request = request(&url);
            let asked = Request { hub: false, ..request.clone() };
            let (manifest, notes) = download::manifest(self.place, &asked).await?;
            self.notes.extend(notes);
            return manifest.requests(&url, &request);
        }
        Ok(address::parts(&url)?.iter().map(request).collect())
    }

    /// Files of this computer, and a manifest among them: it has their order, and what they must be.
    async fn local(&mut self, file: &str, blob: &Blob) -> Result<()> {
        let text = contents(blob.array_buffer()).await.map_err(|thrown| unreadable(thrown.into()))?;
        let manifest = Manifest::read(&Buffer::from(text).to_vec()?, file)?;
        let blobs = || self.source.parts.iter().filter_map(named);
        let parts = manifest.files.iter().map(|ManifestFile { name, size, sha256 }| {
            let bad = |reason: String| Error::Integrity { reason };
            let (_, blob) = blobs()
                .find(|(other, _)| other == name)
                .ok_or_else(|| bad(format!("{file} names {name}, which is not among the files: choose all of them")))?;
            let stream = of_blob(blob)?;
            if stream.size != Some(*size) {
                let found = blob.size();
                return Err(bad(format!(
                    "{name} has {found} bytes, {file} says {size}: it is another file, or was cut"
                )));
            }
            Ok(download::Part::Stream(Stream { sha256: Some(sha256.clone()), ..stream }))
        });
        self.parts = parts.collect::<Result<_>>()?;
        let unused = blobs().filter(|(name, _)| *name != file && !manifest.files.iter().any(|part| part.name == *name));
        self.notes.extend(unused.map(|(name, _)| format!("{name} is not used: {file} does not name it")));
        Ok(())
    }
}

/// Among several files, the one that is a manifest.
fn local_manifest(parts: &[Part]) -> Option<(&str, &Blob)> {
    let mut manifests = parts.iter().filter_map(named).filter(|(name, _)| name.to_ascii_lowercase().ends_with(".json"));
    manifests.next().filter(|_| parts.len() > 1)
}

fn named(part: &Part) -> Option<(&str, &Blob)> {
    match part {
        Part::Blob { blob, name: Some(name) } => Some((name, blob.0.unchecked_ref())),
        _ => None,
    }
}

fn request(source: &Source, part: &Part, url: &Url) -> Request {
    let mut request = Request {
        url: url.to_string(),
        origin: source.origin.clone(),
        headers: Vec::new(),
        credentials: None,
        redirect: None,
        referrer_policy: None,
        cache: source.cache,
        offline: source.offline,
        connections: source.connections,
        size: None,
        sha256: None,
        hub: address::is_on_hub(url.as_str()),
        cross_origin_storage: source.cross_origin_storage,
    };
    if let Part::Address { headers, credentials, redirect, referrer_policy, .. } = part {
        request.headers.clone_from(headers);
        request.credentials.clone_from(credentials);
        request.redirect.clone_from(redirect);
        request.referrer_policy.clone_from(referrer_policy);
    }
    request
}

fn of_blob(blob: &Blob) -> Result<Stream<Buffer>> {
    let body = StreamBody::new(&blob.stream()).map_err(unreadable)?;
    let size = Some(blob.size() as u64);
    Ok(Stream { size, total: size, ..Stream::of_body(body, unreadable) })
}

/// Browsers have different words for it: to Chromium it is a network error.
fn unreadable(why: download::Unreachable) -> Error {
    let reason =
        format!("the file can't be read any more ({why}): it may have changed, or be gone; choose the file again");
    Error::Io { reason }
}

/// The parts must have these, and a manifest may have said the same before.
fn check_digests(parts: &mut [download::Part<Buffer>], digests: Vec<String>) -> Result<(), PlainError> {
    if digests.len() != parts.len() {
        return Err(PlainError::new(
            "invalid-argument",
            format!("sha256 has {} digests for {} parts; give an array with one for each", digests.len(), parts.len()),
        ));
    }
    for (index, (part, digest)) in parts.iter_mut().zip(digests).enumerate() {
        let sha256 = match part {
            download::Part::Address(request) => &mut request.sha256,
            download::Part::Stream(stream) => &mut stream.sha256,
        };
        if sha256.as_ref().is_some_and(|sha256| *sha256 != digest) {
            let part = index + 1;
            let why =
                format!("the manifest has another SHA-256 for part {part} than sha256; leave sha256 out, or check it");
            return Err(PlainError::new("integrity", why));
        }
        *sha256 = Some(digest);
    }
    Ok(())
}
