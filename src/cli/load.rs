//! Loading a model file with a progress bar.

use super::checkpoint::{Converted, LocalFolder, Notes};
use super::source::{Fetch, Source};
use super::terminal::{self, say};
use super::values::whole;
use super::{Outcome, fetch, repository};
use b158::download::Receiver;
use b158::gguf::Split;
use b158::kernels::{self, Backend, Compute};
use b158::model::{Config, EmbeddingType, KvType, Loaded, Loader, LoaderOptions, Spent};
use b158::session::{Session, SessionOptions};
use b158::threads::Pool;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which model, on what.
#[derive(Args, Clone)]
pub(crate) struct Model {
    /// The GGUF file, of a split model the first, name-00001-of-0000N.gguf; `-` reads standard input; hf:owner/repository/file.gguf
    /// and https://… are downloaded, and kept in a cache. Or the folder of a checkpoint (safetensors), or hf:owner/repository.
    #[arg(short = 'm', long = "model", value_name = "FILE", value_parser = Source::parser())]
    pub(crate) model: Source,
    #[command(flatten)]
    pub(crate) fetch: Fetch,
    /// Threads [default: all processors for the prompt, as many as make it fastest for each token].
    #[arg(short = 't', long, value_name = "T", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<i64>(-1, "a number of threads, or -1 for as many as are best"))]
    pub(crate) threads: Option<i64>,
    /// Kernels: scalar, avx2, avx512, neon … [default: the fastest here].
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// Change a metadata value: key=type:value, type int, float, bool or str. May be repeated.
    #[arg(long = "override-kv", value_name = "K=T:V")]
    pub(crate) override_kv: Vec<String>,
    /// How the token embedding is held, which is the output head too: as in the `file`, in `int8` (half of f16's memory,
    /// faster, logits a little off), or `auto`: int8 where it is large [default: auto; of `logits`: file].
    #[arg(long, value_name = "TYPE")]
    pub(crate) token_embedding_type: Option<EmbeddingType>,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Take the file's SHA-256.
    #[arg(skip)]
    pub(crate) hash: bool,
}

/// How the context is held.
#[derive(Args, Clone)]
pub(crate) struct Context {
    /// Tokens of context, prompt and answer; 0 takes all that the model was trained for [default: that, at most 4096].
    #[arg(short = 'c', long = "ctx-size", value_name = "N", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(0, "a number of tokens; 0 takes the model's own"))]
    ctx_size: Option<usize>,
    /// Type of the KV cache: f16, f32, q8_0, or `auto`: f16, and q8_0 where the model would not fit this machine's memory with it.
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    pub(crate) kv_cache: KvCacheType,
    /// Prompt tokens per pass; changes the speed, never the result.
    #[arg(short = 'b', long = "batch-size", value_name = "N", default_value = "64", allow_hyphen_values = true)]
    #[arg(value_parser = whole::<usize>(1, "a number of tokens, 1 or more"))]
    pub(crate) batch_size: usize,
}

/// What a KV cache may be asked to be; `auto` is for the memory to decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KvCacheType(Option<KvType>);

impl std::str::FromStr for KvCacheType {
    type Err = b158::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" { Ok(KvCacheType(None)) } else { text.parse().map(|kind| KvCacheType(Some(kind))) }
    }
}

impl KvCacheType {
    /// For a text of so many tokens. What had to be decided is said on standard error.
    pub(crate) fn choose(self, loaded: &Loaded, context: usize, quiet: bool) -> KvType {
        let (kind, note) = loaded.kv_cache(self.0, context);
        if let (Some(note), false) = (note, quiet) {
            say!("note: {note}");
        }
        kind
    }
}

impl Context {
    /// A session whose generation finds out how many threads it should have, unless the user has said.
    pub(crate) fn session(&self, loaded: Arc<Loaded>, model: &Model) -> Outcome<Session> {
        let options = self.options(&loaded, model);
        let session = Session::new(loaded, options)?;
        if let (Some(note), false) = (session.note(), model.quiet) {
            say!("note: {note}");
        }
        Ok(session)
    }

    /// What such a session is made with.
    pub(crate) fn options(&self, loaded: &Loaded, model: &Model) -> SessionOptions {
        let tune_threads = model.asked_threads().is_none();
        let context = self.tokens(&loaded.model.config);
        SessionOptions { context, kv_type: self.kv_cache.0, tune_threads, batch: self.batch_size }
    }

    /// Tokens that were asked for.
    pub(crate) fn tokens(&self, config: &Config) -> Option<usize> {
        self.ctx_size.map(|tokens| if tokens == 0 { config.context_length } else { tokens })
    }
}

impl Model {
    /// Threads asked for, or one a processor.
    pub(crate) fn threads(&self) -> usize {
        self.asked_threads().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn settings(&self, file_size: Option<u64>) -> LoaderOptions {
        LoaderOptions {
            file_size,
            overrides: self.override_kv.clone(),
            hash: self.hash,
            embedding: self.token_embedding_type.unwrap_or_default(),
            device_memory: installed_memory(),
            ..Default::default()
        }
    }

    fn asked_threads(&self) -> Option<usize> {
        self.threads.and_then(|threads| usize::try_from(threads).ok()).filter(|threads| *threads > 0)
    }

    /// Loads the file and says on standard error what will compute it.
    pub(crate) fn load(&self) -> Outcome<Arc<Loaded>> {
        let backend = backend(self.backend.as_deref())?;
        let loaded = Arc::new(read(self, || Compute { backend, pool: Pool::new(self.threads()) })?);
        let threads = loaded.model.compute.pool.threads();
        if !self.quiet {
            for note in &loaded.notes {
                say!("note: {note}");
            }
            let (config, weights) = (&loaded.model.config, &loaded.model.weights);
            say!(
                "{}: {} layers, {:.1} M parameters, {:.1} MB of weights; backend {}, {threads} thread{}",
                loaded.name.as_deref().unwrap_or(&config.architecture),
                config.layers,
                loaded.model.parameters() as f64 / 1e6,
                weights.bytes() as f64 / 1e6,
                backend.name(),
                if threads == 1 { "" } else { "s" },
            );
        }
        Ok(loaded)
    }
}

/// The backend of that name, or the fastest.
pub(crate) fn backend(name: Option<&str>) -> Outcome<Backend> {
    Ok(match name {
        Some(name) => kernels::by_name(name)?,
        None => kernels::detect(),
    })
}

/// Reads the file, or all parts of a split model, through the loader, for a model that will run on what `compute` makes.
pub(crate) fn read(options: &Model, compute: impl Fn() -> Compute) -> Outcome<Loaded> {
    Ok(read_timed(options, compute)?.0)
}

/// The same, and where the time went, of a file.
pub(crate) fn read_timed(options: &Model, compute: impl Fn() -> Compute) -> Outcome<(Loaded, Option<Spent>)> {
    match &options.model {
        Source::File(path) => {
            let part = open(path)?;
            read_parts(options, part, &parts(path), compute()).map(|(loaded, spent)| (loaded, Some(spent)))
        }
        Source::Repository(address) => {
            let part = open_repository(address, &options.fetch, options.quiet)?;
            read_parts(options, part, &[], compute()).map(|(loaded, spent)| (loaded, Some(spent)))
        }
        Source::Address(address) => {
            let receiver = Loading { options: options.settings(None), compute, loader: None };
            let requests = options.fetch.requests(address)?;
            Ok((fetch::all(requests, options.quiet, receiver, Loading::finish)?, None))
        }
    }
}

/// A loader that may begin anew.
struct Loading<C> {
    options: LoaderOptions,
    compute: C,
    loader: Option<Loader>,
}

impl<C: Fn() -> Compute> Loading<C> {
    fn begun(&mut self) -> b158::Result<&mut Loader> {
        self.loader.as_mut().ok_or(b158::Error::NotStarted)
    }

    fn finish(self) -> b158::Result<Loaded> {
        self.loader.ok_or(b158::Error::NotStarted)?.finish()
    }
}

impl<C: Fn() -> Compute> Receiver for Loading<C> {
    async fn begin(&mut self, file_size: Option<u64>) -> b158::Result<()> {
        // Two at a time may not fit.
        self.loader = None;
        self.loader = Some(Loader::new((self.compute)(), LoaderOptions { file_size, ..self.options.clone() }));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.begun()?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> b158::Result<()> {
        self.begun()?.push(bytes)
    }

    fn is_last_part(&self) -> bool {
        self.loader.as_ref().is_none_or(Loader::is_last_part)
    }

    fn expected_size(&self) -> Option<u64> {
        self.loader.as_ref().and_then(Loader::expected_size)
    }
}

/// `part` is the first one, `paths` has those of all.
fn read_parts(options: &Model, mut part: Part, paths: &[PathBuf], compute: Compute) -> Outcome<(Loaded, Spent)> {
    let notes = part.notes.take();
    let digest = match options.fetch.sha256.as_slice() {
        [] => None,
        [digest] if paths.len() == 1 && notes.is_none() => Some(digest),
        _ => return Err("--sha256 is for one file or for an address: sha256sum tells that of others".into()),
    };
    // Whether the others belong to it is known when its metadata is.
    let later = paths.iter().skip(1).map(|path| std::fs::metadata(path).map(|m| m.len()).ok());
    let size = later.chain([part.size]).sum::<Option<u64>>();
    let bar = bar(size.or(part.size), options.quiet, "loading");
    let mut settings = options.settings(part.size);
    settings.hash |= digest.is_some();
    let mut loader = Loader::new(compute, settings);
    let mut spent = Spent::default();
    let mut later = paths.iter().enumerate().skip(1);
    loop {
        let failed = |e| format!("{}: {e}", part.path);
        let tell = |loader: &Loader, n| {
            bar.inc(n as u64);
            if let (None, Some(size)) = (bar.length(), loader.expected_size()) {
                bar.set_length(size);
            }
        };
        spent += loader.read(part.file, tell).map_err(failed)?;
        if loader.is_last_part() {
            break;
        }
        let Some((no, path)) = later.next() else { break };
        let next = open_part(path, no, paths.len())?;
        loader.next_part(next.size).map_err(failed)?;
        part = next;
    }
    bar.finish_and_clear();
    let mut loaded = loader.finish().map_err(|e| format!("{}: {e}", part.path))?;
    loaded.notes.splice(0..0, notes.iter().flat_map(Notes::take));
    match (digest, &loaded.sha256) {
        (Some(digest), Some(found)) if digest != found => {
            Err(format!("{} has the SHA-256 {found}, not {digest}", part.path).into())
        }
        _ => Ok((loaded, spent)),
    }
}

/// The files that a model may have: one, or where its name ends in `-00001-of-0000N.gguf`, N. A whole model may have such a
/// name too.
pub(crate) fn parts(model: &Path) -> Vec<PathBuf> {
    match model.to_str().and_then(Split::names) {
        Some(names) => names.into_iter().map(PathBuf::from).collect(),
        None => vec![model.to_owned()],
    }
}

/// Opens part `no`, from 0, of a split model.
pub(crate) fn open_part(path: &Path, no: usize, count: usize) -> Outcome<Part> {
    open(path).map_err(|e| format!("{e}; it is part {} of {count} of the split model", no + 1).into())
}

/// An open file, or a checkpoint, which reads as the GGUF that it would become.
pub(crate) struct Part {
    pub(crate) path: String,
    pub(crate) file: Box<dyn Read + Send>,
    pub(crate) size: Option<u64>,
    /// Of a checkpoint.
    pub(crate) notes: Option<Notes>,
}

impl Part {
    fn of_checkpoint(name: String, folder: LocalFolder) -> Outcome<Self> {
        let converted = Converted::new(folder).map_err(|e| format!("{name}: {e}"))?;
        let (size, notes) = (Some(converted.size()), Some(converted.notes()));
        Ok(Part { path: name, file: Box::new(converted), size, notes })
    }
}

/// Opens a file, or the folder of a checkpoint; `-` is standard input.
pub(crate) fn open(path: &Path) -> Outcome<Part> {
    let name = terminal::path(path);
    if path.as_os_str() == "-" {
        return Ok(Part { path: name, file: Box::new(std::io::stdin()), size: None, notes: None });
    }
    let file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
    let metadata = file.metadata().ok();
    if metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
        return match gguf_in(path) {
            Some(file) => Err(format!("{name}: it is a folder: give the GGUF file in it, as {file}").into()),
            None => Part::of_checkpoint(name, LocalFolder::read(path)?),
        };
    }
    let size = metadata.filter(std::fs::Metadata::is_file).map(|m| m.len());
    Ok(Part { path: name, file: Box::new(file), size, notes: None })
}

/// Opens a checkpoint of the hub, by way of the cache.
pub(crate) fn open_repository(address: &str, fetch: &Fetch, quiet: bool) -> Outcome<Part> {
    Part::of_checkpoint(address.to_owned(), repository::folder(address, fetch, quiet)?)
}

/// The GGUF file of a folder that is no checkpoint.
fn gguf_in(folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.path()).collect();
    names.sort();
    let is_gguf = |path: &&PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    let is_checkpoint = names.iter().any(|path| path.file_name().is_some_and(|name| name == "config.json"));
    names.iter().find(is_gguf).filter(|_| !is_checkpoint).map(|path| terminal::path(path))
}

/// A bar of bytes on standard error; nothing where that is no terminal.
pub(crate) fn bar(size: Option<u64>, quiet: bool, what: &'static str) -> ProgressBar {
    let bar = match size {
        _ if quiet => ProgressBar::hidden(),
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::no_length(),
    };
    let style = "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}

/// Bytes of memory that this machine has, where the system says so without more ado. What is free at the moment would make
/// the choice of the KV cache, and so the answers, another one each time.
fn installed_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
