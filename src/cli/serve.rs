//! `b158 serve`: the options of the server, and loading the model for it.

use super::load::{Context, Model};
use super::source::Source;
use super::values::{Seed, whole};
use super::{Outcome, terminal};
use crate::serve::engine::Limits;
use crate::serve::{self, Keys, Names, Origins, Ready, Settings};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment's key.
const KEY: &str = "B158_API_KEY";

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    /// Listen at this port; 0 takes any that is free.
    #[arg(long, value_name = "P", default_value = "8080", value_parser = whole::<u16>(0, "a number from 0 to 65535"))]
    port: u16,
    /// Listen at this address, 0.0.0.0 for all of this machine's: others can reach it then. May be repeated [default: 127.0.0.1 and
    /// ::1, which nobody but this machine reaches].
    #[arg(long = "host", value_name = "ADDRESS")]
    hosts: Vec<String>,
    /// Refuse requests without this key (`Authorization: Bearer KEY`). May be repeated. Other users of this machine can see it: the
    /// environment's B158_API_KEY is hidden from them.
    #[arg(long = "api-key", value_name = "KEY", value_parser = key)]
    api_keys: Vec<String>,
    /// Let pages of this origin use the server, as http://localhost:5173; * for pages of every site. May be repeated.
    #[arg(long = "cors", value_name = "ORIGIN", value_delimiter = ',', value_parser = serve::origin)]
    cors: Vec<String>,
    /// Answer under this name beside localhost and addresses, as behind a proxy that hands it on. With --host others than these are
    /// refused then too. May be repeated.
    #[arg(long = "allow-host", value_name = "NAME", value_delimiter = ',', value_parser = serve::name)]
    allow_hosts: Vec<String>,
    /// What the model is called in answers [default: the name in its file].
    #[arg(short = 'a', long, value_name = "NAME")]
    alias: Option<String>,
    /// Serve the page of this folder at / (www/dist/demo), instead of the one that the program was built with.
    #[arg(long, value_name = "FOLDER")]
    page: Option<PathBuf>,
    /// The seed of requests that name none; -1 takes another each time, and tells it in the log and in the header X-Seed.
    #[arg(short = 's', long, value_name = "S", default_value = "-1", allow_hyphen_values = true)]
    seed: Seed,
    /// Answers at a time.
    #[arg(long, value_name = "N", default_value = "4", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(1, "a number of answers, 1 or more"))]
    parallel: usize,
    /// Requests that may wait; the next is told to come again (429).
    #[arg(long = "queue", value_name = "N", default_value = "64", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(1, "a number of requests, 1 or more"))]
    queue: usize,
    /// Megabytes for the KV caches of answers under way and of talks that are kept, so that the next message of a talk need not read
    /// all that was said before.
    #[arg(long = "cache-ram", value_name = "MB", default_value = "2048", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<u64>(0, "a number of megabytes; 0 keeps no talk"))]
    cache_ram: u64,
    /// The largest body of a request, in megabytes.
    #[arg(long = "max-body", value_name = "MB", default_value = "8", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<u32>(1, "a number of megabytes, 1 or more"))]
    max_body: u32,
    /// Seconds for which a client may send nothing of a request that it has begun, or read nothing of its answer.
    #[arg(long, value_name = "S", default_value = "30", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<u32>(1, "a number of seconds, 1 or more"))]
    timeout: u32,
}

/// What can stand in a header.
fn key(text: &str) -> Result<String, &'static str> {
    let is_key = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if is_key { Ok(text.to_owned()) } else { Err("it is a word of letters, digits and signs, without spaces") }
}

impl Serve {
    pub(crate) fn run(self) -> Outcome {
        let mut keys = self.api_keys;
        if let Some(given) = std::env::var_os(KEY) {
            let given = given.to_str().map(key).and_then(Result::ok);
            // Who sets it means to close the server.
            keys.push(given.ok_or_else(|| format!("{KEY} is empty or not a word: give it a key, or unset it"))?);
        }
        let settings = Settings {
            hosts: self.hosts,
            port: self.port,
            keys: Keys::new(keys.iter().map(String::as_str)),
            origins: Origins {
                any: self.cors.iter().any(|origin| origin == "*"),
                named: self.cors.into_iter().filter(|origin| origin != "*").collect(),
            },
            names: Names::new(self.allow_hosts),
            page: self.page,
            seed: match self.seed {
                Seed::Random => None,
                Seed::Fixed(seed) => Some(seed),
            },
            most: (self.max_body as usize).saturating_mul(1_000_000),
            patience: Duration::from_secs(self.timeout.into()),
            quiet: self.model.quiet,
        };
        let (parallel, queue, memory) = (self.parallel, self.queue, self.cache_ram.saturating_mul(1_000_000));
        let (model, context, alias) = (self.model, self.context, self.alias);
        serve::run(settings, || {
            let loaded = model.load()?;
            let session = context.options(&loaded, &model);
            let named = alias.or_else(|| loaded.name.clone()).filter(|name| !name.trim().is_empty());
            let name = named.unwrap_or_else(|| match &model.model {
                Source::File(path) => terminal::path(path.file_stem().map_or(path, Path::new)),
                _ => loaded.model.config.architecture.clone(),
            });
            Ok(Ready { loaded, limits: Limits { parallel, queue, memory, session }, name })
        })
    }
}
