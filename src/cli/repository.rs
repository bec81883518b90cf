//! Checkpoints on Hugging Face: their files into the cache, and read from there.

use super::checkpoint::LocalFolder;
use super::source::{Fetch, Hub};
use super::{Outcome, fetch};
use b158::convert;
use std::path::PathBuf;

/// What a checkpoint may have besides its weights; the first there must be.
const TEXTS: [&str; 7] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "README.md",
];

/// All files of `hf:owner/repository` or `hf:owner/repository@revision` that a converter may want.
pub(crate) fn folder(address: &str, fetch: &Fetch, quiet: bool) -> Outcome<LocalFolder> {
    if fetch.no_cache {
        return Err("the files of a checkpoint are read from the cache, more than once: leave out --no-cache".into());
    }
    if !fetch.sha256.is_empty() {
        return Err("--sha256 is for one file, a checkpoint has several".into());
    }
    let mut files = Repository { hub: Hub::from_environment()?, address, fetch, quiet, found: Vec::new() };
    for (no, name) in TEXTS.into_iter().enumerate() {
        if !files.add(name)? && no == 0 {
            return Err(format!(
                "{address}: it has no config.json: give a checkpoint, or a GGUF file as hf:owner/repository/file.gguf"
            )
            .into());
        }
    }
    // What is no model for this engine is not downloaded.
    convert::check_config(LocalFolder::of(files.found.clone())).map_err(|e| format!("{address}: {e}"))?;
    // In the order of transformers.
    if !files.add(convert::WEIGHTS)? && files.add(convert::INDEX)? {
        let shards = convert::shards(LocalFolder::of(files.found.clone())).map_err(|e| format!("{address}: {e}"))?;
        for shard in shards {
            // One that is missing the converter misses too, in its own words.
            files.add(&shard)?;
        }
    }
    Ok(LocalFolder::of(files.found))
}

struct Repository<'a> {
    hub: Hub,
    address: &'a str,
    fetch: &'a Fetch,
    quiet: bool,
    /// Names, and where the files lie.
    found: Vec<(String, PathBuf)>,
}

impl Repository<'_> {
    /// Brings a file into the cache, if there is one of the name.
    fn add(&mut self, name: &str) -> Outcome<bool> {
        let url = self.hub.file(self.address, name)?;
        let path = fetch::file(self.fetch.kept(&self.hub, url), self.quiet)?;
        let is_there = path.is_some();
        self.found.extend(path.map(|path| (name.to_owned(), path)));
        Ok(is_there)
    }
}
