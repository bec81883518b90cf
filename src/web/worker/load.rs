//! From a source to a model, or to the memory that it would take.

use super::super::place::{Buffer, StreamBody, Tab};
use super::super::protocol::{Estimate, FromWorker, LoaderOptions, Part, PlainError, Source};
use super::page::PagePart;
use super::{Engine, Worker};
use crate::Error;
use crate::download::{self, Receiver, Request, Stream, Tuning, address};
use crate::kernels::{self, Compute};
use crate::model::{self, Estimator, Loader, WASM_LIMIT};
use crate::session::SessionOptions;
use crate::threads::Pool;
use std::rc::Rc;
use wasm_bindgen::JsCast;

/// Loads, and tells the page how that goes and how it ends.
pub(super) async fn load(worker: Rc<Worker>, source: Source, options: LoaderOptions) {
    let outcome = try_load(&worker, source, options).await;
    worker.post(&outcome.unwrap_or_else(FromWorker::LoadFailed));
}

/// Makes an estimate, and tells the page.
pub(super) async fn estimate(worker: Rc<Worker>, source: Source, options: LoaderOptions) {
    let outcome = try_estimate(&worker, source, options).await;
    worker.post(&outcome.unwrap_or_else(FromWorker::LoadFailed));
}

async fn try_load(worker: &Rc<Worker>, source: Source, options: LoaderOptions) -> Result<FromWorker, PlainError> {
    let parts = parts(worker, source)?;
    let place = Tab::new(Tuning::default(), worker.keepers.clone());
    let session = SessionOptions {
        context: options.context_length,
        kv_type: options.kv_cache,
        tune_threads: worker.threads.tuned,
        batch: 0,
    };
    let mut model = Model { options, threads: worker.threads.wanted, loader: None };
    let mut tell = |progress| worker.post(&FromWorker::Progress(progress));
    let loaded = download::load(&place, parts, &mut model, &mut tell).await?;
    let outcome = model.finish().and_then(|loaded| Engine::new(loaded, session));
    let (cached, notes, ready) = (loaded.cached, loaded.notes.clone(), loaded.ready());
    loaded.end(&outcome).await;
    let engine = outcome?;
    tell(ready);
    let info = engine.info(&worker.threads, cached, notes);
    worker.engine.replace(Some(engine));
    Ok(FromWorker::Loaded(info))
}

async fn try_estimate(worker: &Rc<Worker>, source: Source, options: LoaderOptions) -> Result<FromWorker, PlainError> {
    let parts = parts(worker, source)?;
    let place = Tab::new(Tuning::default(), None);
    let mut header = Headers { options, estimator: None, complete: false };
    let sizes = download::headers(&place, parts, &mut header).await?;
    let estimate = header.finish()?;
    let why = estimate.check(WASM_LIMIT).err().map(|error| error.to_string());
    Ok(FromWorker::Estimated(Estimate {
        file_bytes: sizes.into_iter().sum::<Option<u64>>().unwrap_or(estimate.file_bytes),
        architecture: estimate.config.architecture.clone(),
        name: estimate.name.clone(),
        parameters: estimate.parameters(),
        quantization: estimate.quantization(),
        context_length: estimate.context,
        trained_context_length: estimate.config.context_length,
        weight_bytes: estimate.weight_bytes,
        kv_cache_bytes: estimate.kv_cache_bytes,
        kv_cache: estimate.kv_type,
        wasm_bytes: estimate.wasm_bytes,
        fits: why.is_none(),
        why,
    }))
}

/// What is downloaded, and what the page has.
fn parts(worker: &Rc<Worker>, source: Source) -> Result<Vec<download::Part<Buffer>>, PlainError> {
    let mut parts = Vec::new();
    for (index, part) in source.parts.into_iter().enumerate() {
        match part {
            Part::Address { url, headers, credentials, redirect, referrer_policy } => {
                let url = address::resolve(&url, source.base.as_deref())?;
                let urls = if source.alone { address::parts(&url)? } else { vec![url] };
                parts.extend(urls.into_iter().map(|url| {
                    download::Part::Address(Request {
                        url: url.into(),
                        origin: source.origin.clone(),
                        headers: headers.clone(),
                        credentials: credentials.clone(),
                        redirect: redirect.clone(),
                        referrer_policy: referrer_policy.clone(),
                        cache: source.cache,
                        offline: source.offline,
                        connections: source.connections,
                        sha256: None,
                    })
                }));
            }
            Part::Blob { blob } => {
                let blob: web_sys::Blob = blob.0.unchecked_into();
                let body = StreamBody::new(&blob.stream()).map_err(unreadable)?;
                let size = Some(blob.size() as u64);
                parts.push(download::Part::Stream(Stream { size, total: size, ..Stream::of_body(body, unreadable) }));
            }
            Part::Page { total, file_size } => {
                let body = PagePart::new(Rc::clone(worker), index);
                let broken = |why| Error::Network {
                    reason: format!("the download broke off ({why}); check the connection and load again"),
                };
                parts.push(download::Part::Stream(Stream { size: file_size, total, ..Stream::of_body(body, broken) }));
            }
        }
    }
    if let Some(digests) = source.sha256 {
        if digests.len() != parts.len() {
            return Err(PlainError::new(
                "invalid-argument",
                format!(
                    "sha256 has {} digests for {} parts; give an array with one for each",
                    digests.len(),
                    parts.len()
                ),
            ));
        }
        for (part, digest) in parts.iter_mut().zip(digests) {
            match part {
                download::Part::Address(request) => request.sha256 = Some(digest),
                download::Part::Stream(stream) => stream.sha256 = Some(digest),
            }
        }
    }
    Ok(parts)
}

/// Browsers have different words for it: to Chromium it is a network error.
fn unreadable(why: download::Unreachable) -> Error {
    let reason =
        format!("the file can't be read any more ({why}): it may have changed, or be gone; choose the file again");
    Error::Io { reason }
}

fn loader_options(options: &LoaderOptions, file_size: Option<u64>) -> model::LoaderOptions {
    model::LoaderOptions {
        file_size,
        overrides: options.overrides.clone().unwrap_or_default(),
        hash: options.hash.unwrap_or_default(),
        embedding: options.token_embedding.unwrap_or_default(),
        context: options.context_length,
        kv_type: options.kv_cache,
        memory_limit: None,
        device_memory: options.device_memory,
    }
}

/// Nothing comes before `begin`.
fn not_begun() -> Error {
    Error::NotStarted
}

/// A model on its way in.
struct Model {
    options: LoaderOptions,
    threads: usize,
    loader: Option<Loader>,
}

impl Model {
    fn finish(&mut self) -> crate::Result<model::Loaded> {
        self.loader.take().ok_or_else(not_begun)?.finish()
    }
}

impl Receiver for Model {
    async fn begin(&mut self, size: Option<u64>) -> crate::Result<()> {
        // Before there is another: one of them fills the memory.
        self.loader = None;
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(self.threads) };
        self.loader = Some(Loader::new(compute, loader_options(&self.options, size)));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> crate::Result<()> {
        self.loader.as_mut().ok_or_else(not_begun)?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> crate::Result<()> {
        self.loader.as_mut().ok_or_else(not_begun)?.push(bytes)
    }

    fn is_last_part(&self) -> bool {
        self.loader.as_ref().is_some_and(Loader::is_last_part)
    }

    fn expected_size(&self) -> Option<u64> {
        self.loader.as_ref()?.expected_size()
    }
}

/// Headers alone.
struct Headers {
    options: LoaderOptions,
    estimator: Option<Estimator>,
    complete: bool,
}

impl Headers {
    fn finish(&mut self) -> crate::Result<model::Estimate> {
        self.estimator.take().ok_or_else(not_begun)?.finish()
    }
}

impl Receiver for Headers {
    async fn begin(&mut self, size: Option<u64>) -> crate::Result<()> {
        self.complete = false;
        self.estimator = Some(Estimator::new(loader_options(&self.options, size)));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> crate::Result<()> {
        self.complete = false;
        self.estimator.as_mut().ok_or_else(not_begun)?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> crate::Result<()> {
        self.complete = self.estimator.as_mut().ok_or_else(not_begun)?.push(bytes)?;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_last_part(&self) -> bool {
        self.complete && self.estimator.as_ref().is_some_and(Estimator::is_last_part)
    }

    fn expected_size(&self) -> Option<u64> {
        None
    }
}
