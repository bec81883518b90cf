//! `b158 pull`: a model into the cache, checked, and where it lies.

use super::place::Files;
use super::source::{Fetch, Hub, Source, shown};
use super::terminal::{self, tell, unless_closed};
use super::{Outcome, fetch, repository};
use b158::Error;
use b158::convert::{Converter, Folder, Options};
use b158::download::{self, CacheMode, Receiver};
use b158::gguf::{Decoder, Event, Limits, Split};
use clap::Args;
use futures::executor::block_on;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Pull {
    /// hf:owner/repository/file.gguf, hf:owner/repository@revision/file.gguf or https://…, of a split model the first part; or
    /// hf:owner/repository, a checkpoint, of which all files are downloaded that a model is made of.
    #[arg(value_parser = Source::parser())]
    address: Source,
    /// SHA-256 that the file must have; of a split model that of each part, parted by commas.
    #[arg(long, value_name = "HEX", value_delimiter = ',', value_parser = super::source::digest)]
    sha256: Vec<String>,
    /// Ask no server: check what is in the cache.
    #[arg(long)]
    offline: bool,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
}

impl Pull {
    pub(crate) fn run(self) -> Outcome {
        let fetch = Fetch { offline: self.offline, no_cache: false, sha256: self.sha256.clone() };
        let (parts, urls) = match &self.address {
            Source::File(_) => {
                let name = self.address.name();
                return Err(format!("{name} is no address: give hf:owner/repository/file.gguf or https://…").into());
            }
            Source::Address(address) => {
                let mut requests = fetch.requests(address)?;
                requests.iter_mut().for_each(|request| request.cache = CacheMode::Required);
                let urls: Vec<String> = requests.iter().map(|request| request.url.clone()).collect();
                (fetch::all(requests, self.quiet, Checker::default(), Checker::finish)?, urls)
            }
            Source::Repository(address) => self.checkpoint(address, &fetch)?,
        };
        let files = Files::new(Files::folder()?);
        let cached = block_on(download::list(&files))?;
        let mut all = Vec::new();
        for (part, url) in parts.iter().zip(&urls) {
            let file = cached.iter().find(|file| file.url == *url);
            let file = file.ok_or_else(|| format!("{}: another process has deleted it meanwhile", shown(url)))?;
            all.push((part, url, &file.key, files.data(&file.key)));
        }
        let mut out = terminal::out();
        if self.json {
            let parts: serde_json::Value = all.iter().map(|(part, url, key, path)| {
                json!({ "address": url, "key": key, "path": path.to_string_lossy(), "size": part.size, "sha256": part.sha256 })
            }).collect();
            return Ok(unless_closed(out.json(&parts))?);
        }
        for (part, _, _, path) in all {
            unless_closed(tell!(out, "path    {}", terminal::path(&path)))?;
            unless_closed(tell!(out, "size    {}", part.size))?;
            unless_closed(tell!(out, "sha256  {}", part.sha256))?;
        }
        Ok(())
    }
}

impl Pull {
    /// The files of a checkpoint, which must be one that this engine runs, and their addresses.
    fn checkpoint(&self, address: &str, fetch: &Fetch) -> Outcome<(Vec<CheckedPart>, Vec<String>)> {
        let folder = repository::folder(address, fetch, self.quiet)?;
        let hub = Hub::from_environment()?;
        let (mut parts, mut urls) = (Vec::new(), Vec::new());
        for ((name, size), path) in folder.files().iter().zip(folder.paths()) {
            let sha256 = hash(path).map_err(|e| format!("{}: {e}", terminal::path(path)))?;
            parts.push(CheckedPart { size: *size, sha256 });
            urls.push(hub.file(address, name)?.into());
        }
        Converter::new(folder, Options::default()).map_err(|e| format!("{address}: {e}"))?;
        Ok((parts, urls))
    }
}

/// SHA-256 of a file.
fn hash(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(in_hex(hash)),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn in_hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes a model's files as they are: each must be a whole GGUF, and they must belong together.
#[derive(Default)]
struct Checker {
    parts: Vec<CheckedPart>,
    decoder: Option<Decoder>,
    hash: Sha256,
    /// Of the part at hand.
    split: Option<Split>,
    architecture: Option<String>,
}

/// A file as it was received.
struct CheckedPart {
    size: u64,
    sha256: String,
}

impl Checker {
    fn start(&mut self, size: Option<u64>) {
        let limits = Limits { file_size: size, ..Limits::default() };
        self.decoder = Some(match &self.architecture {
            Some(architecture) => Decoder::of_part(limits, architecture),
            None => Decoder::new(limits),
        });
    }

    /// The part at hand is whole.
    fn end_part(&mut self) -> b158::Result<()> {
        let Some(decoder) = self.decoder.take() else { return Ok(()) };
        decoder.finish()?;
        let sha256 = in_hex(std::mem::take(&mut self.hash));
        self.parts.push(CheckedPart { size: decoder.position(), sha256 });
        Ok(())
    }

    fn read_metadata(&mut self) -> b158::Result<()> {
        let Some(decoder) = &self.decoder else { return Ok(()) };
        let metadata = decoder.metadata();
        let split = Split::from_metadata(metadata)?;
        let no = self.parts.len();
        let (found, count) = split.map_or((0, 1), |split| (usize::from(split.no), usize::from(split.count)));
        if found != no || self.split.is_some_and(|split| usize::from(split.count) != count) {
            let expected = format!("part {} of the model", no + 1);
            return Err(Error::WrongPart { expected, found: format!("part {} of {count}", found + 1) });
        }
        self.split = split;
        if no == 0 {
            self.architecture = Some(metadata.str("general.architecture")?.unwrap_or_default().to_owned());
        }
        Ok(())
    }

    fn finish(mut self) -> b158::Result<Vec<CheckedPart>> {
        self.end_part()?;
        match self.split {
            Some(split) if !self.is_last_part() => {
                let part = format!("part {} of {}", split.no + 2, split.count);
                let name = Split::name("", u32::from(split.no) + 1, split.count.into());
                Err(Error::MissingPart { part, name })
            }
            _ => Ok(self.parts),
        }
    }
}

impl Receiver for Checker {
    async fn begin(&mut self, size: Option<u64>) -> b158::Result<()> {
        *self = Checker::default();
        self.start(size);
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.end_part()?;
        self.start(size);
        Ok(())
    }

    fn push(&mut self, mut bytes: &[u8]) -> b158::Result<()> {
        self.hash.update(bytes);
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(()) };
            let (taken, event) = decoder.push(bytes)?;
            match event {
                Event::NeedMore => return Ok(()),
                Event::Metadata => self.read_metadata()?,
                _ => {}
            }
            bytes = &bytes[taken..];
        }
    }

    fn is_last_part(&self) -> bool {
        self.split.is_none_or(|split| split.no + 1 == split.count)
    }

    fn expected_size(&self) -> Option<u64> {
        self.decoder.as_ref().and_then(Decoder::data_size)
    }
}
