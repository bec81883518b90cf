//! `b158 models`: what is in the cache.

use super::Outcome;
use super::fetch::size;
use super::place::Files;
use super::source::{Hub, Source};
use super::terminal::{self, say, tell, unless_closed};
use b158::download::{self, Cached, Catalog, Store};
use clap::Args;
use futures::executor::block_on;
use serde_json::json;
use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(crate) struct Models {
    /// Delete this one, by its key or its address; of a split model all parts. May be repeated.
    #[arg(long, value_name = "KEY|ADDRESS", conflicts_with_all = ["clear", "json"])]
    delete: Vec<String>,
    /// Delete all.
    #[arg(long, conflicts_with = "json")]
    clear: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(crate) fn run(self) -> Outcome {
        let files = Files::new(Files::folder()?);
        block_on(async {
            if self.clear {
                let keys = files.keys().await?;
                return delete(&files, keys).await;
            }
            let cached = download::list(&files).await?;
            if !self.delete.is_empty() {
                let mut keys = Vec::new();
                for given in &self.delete {
                    keys.extend(found(&cached, given)?);
                }
                return delete(&files, keys).await;
            }
            unless_closed(if self.json { print_json(&files, &cached) } else { print(&files, &cached).await })?;
            Ok(())
        })
    }
}

/// Keys of what a person names.
fn found(cached: &[Cached], given: &str) -> Outcome<Vec<String>> {
    let keys: Vec<String> = match Source::from(OsString::from(given)) {
        Source::File(_) => cached.iter().filter(|file| file.key == given).map(|file| file.key.clone()).collect(),
        Source::Repository(address) => {
            let any = Hub::from_environment()?.file(&address, "-")?;
            let all = any.as_str().trim_end_matches('-');
            let is_one = |file: &&Cached| file.url.starts_with(all);
            cached.iter().filter(is_one).map(|file| file.key.clone()).collect()
        }
        Source::Address(address) => {
            let urls = Hub::from_environment()?.parts(&address)?;
            let is_one = |file: &&Cached| urls.iter().any(|url| url.as_str() == file.url);
            cached.iter().filter(is_one).map(|file| file.key.clone()).collect()
        }
    };
    if keys.is_empty() {
        return Err(format!("{given} is not in the cache: `b158 models` shows what is").into());
    }
    Ok(keys)
}

/// All of them that can be; then what could not.
async fn delete(files: &Files, keys: Vec<String>) -> Outcome {
    files.check_writable()?;
    let mut failed = Vec::new();
    for key in keys {
        let bytes = files.size(&key);
        match download::delete(files, &key).await {
            Ok(true) => say!("deleted {key}, {}", size(bytes)),
            Ok(false) => {}
            Err(error) => failed.push(format!("{key} is still there: {error}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
}

fn print_json(files: &Files, cached: &[Cached]) -> std::io::Result<()> {
    let all: serde_json::Value = cached
        .iter()
        .map(|file| {
            json!({
                "key": file.key,
                "address": file.url,
                "path": files.data(&file.key).to_string_lossy(),
                "bytes": file.bytes,
                "total": file.total,
                "complete": file.complete,
                "lastUsed": file.last_used,
                "sha256": file.sha256,
            })
        })
        .collect();
    terminal::out().json(&all)
}

async fn print(files: &Files, cached: &[Cached]) -> std::io::Result<()> {
    let mut out = terminal::out();
    let rows = cached.iter().map(|file| {
        let state = match (file.complete, file.total) {
            (true, _) => "whole".to_owned(),
            (false, Some(total)) if total > 0 => format!("{} %", file.bytes * 100 / total),
            (false, _) => "begun".to_owned(),
        };
        [size(file.bytes), state, ago(file.last_used), file.key.clone(), file.url.clone()]
    });
    let head = ["size", "state", "last used", "key", "address"].map(str::to_owned);
    for [size, state, used, key, url] in std::iter::once(head).chain(rows) {
        tell!(out, "{size:>9}  {state:>5}  {used:>12}  {key:<32}  {url}")?;
    }
    let bytes = cached.iter().map(|file| file.bytes).sum();
    let room = files.room().await.map_or(String::new(), |room| format!("; the disk has room for {} more", size(room)));
    say!("{} files, {}, in {}{room}", cached.len(), size(bytes), terminal::path(files.path()));
    Ok(())
}

/// Milliseconds since 1970, as a person thinks of them.
fn ago(ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(ms / 1000) {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86400),
    }
}
