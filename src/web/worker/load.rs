//! From a source to a model, or to the memory that it would take.

use super::super::place::Tab;
use super::super::protocol::{Estimate, FromWorker, LoaderOptions, ModelInfo, PlainError, Source};
use super::source::Given;
use super::{Engine, Worker, checkpoint};
use crate::Error;
use crate::download::{self, CacheMode, LoadProgress, Receiver, Tuning};
use crate::kernels::{self, Compute};
use crate::model::{self, Estimator, Loader, WASM_LIMIT};
use crate::session::SessionOptions;
use crate::threads::Pool;
use std::rc::Rc;

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
    let place = Tab::new(Tuning::default(), worker.keepers.clone());
    let folder = source.folder.clone();
    let given = Given::new(worker, &place, source).await?;
    let session = SessionOptions {
        context: options.context_length,
        kv_type: options.kv_cache,
        tune_threads: worker.threads.tuned,
        batch: 0,
    };
    let prepared = options.prepare_formats.unwrap_or_default().then(|| Ok(Rc::clone(worker)));
    if prepared.is_some() {
        worker.fetch_forms();
    }
    let mut model = Model { options, threads: worker.threads.wanted, loader: None, prepared };
    let mut tell = |progress| worker.post(&FromWorker::Progress(progress));
    let (engine, cached, mut notes, ready);
    match given {
        Given::Parts(parts, mut known) => {
            let loaded = download::load(&place, parts, &mut model, &mut tell).await?;
            let outcome = model.finish().and_then(|loaded| Engine::new(loaded, session));
            let more = loaded.notes.iter().filter(|note| !known.contains(note)).cloned().collect::<Vec<_>>();
            known.extend(more);
            (cached, notes, ready) = (loaded.cached, known, loaded.ready());
            loaded.end(&outcome).await;
            engine = outcome?;
        }
        Given::Checkpoint(mut converter) => {
            let bytes = checkpoint::push(worker, &mut converter, &mut model, &mut tell).await?;
            (cached, notes, ready) = (None, converter.notes().to_vec(), LoadProgress::ready(bytes, false));
            // Its memory is the cache's from here on.
            drop(converter);
            engine = Engine::new(model.finish()?, session)?;
        }
    }
    let unprepared = match model.prepared {
        Some(Ok(worker)) => worker.forms_of_load(&engine.loaded).await.err(),
        Some(Err(error)) => Some(error),
        None => None,
    };
    notes.extend(unprepared.map(|error| format!("answers of a form are not prepared: {}", error.message)));
    tell(ready);
    let info = engine.info(&worker.threads, cached, notes);
    let info = ModelInfo { name: info.name.or(folder), ..info };
    worker.engine.replace(Some(engine));
    Ok(FromWorker::Loaded(info))
}

async fn try_estimate(worker: &Rc<Worker>, source: Source, options: LoaderOptions) -> Result<FromWorker, PlainError> {
    let place = Tab::new(Tuning::default(), None);
    let mut header = Headers { options, estimator: None, complete: false };
    // As for the model itself, nothing comes from the cache and nothing stays there.
    let source = Source { cache: CacheMode::Off, ..source };
    let folder = source.folder.clone();
    let sizes = match Given::new(worker, &place, source).await? {
        Given::Parts(parts, _) => download::headers(&place, parts, &mut header).await?,
        Given::Checkpoint(mut converter) => {
            checkpoint::push(worker, &mut converter, &mut header, &mut |_| {}).await?;
            vec![Some(converter.size())]
        }
    };
    let estimate = header.finish()?;
    let why = estimate.check(WASM_LIMIT).err().map(|error| error.to_string());
    Ok(FromWorker::Estimated(Estimate {
        file_bytes: sizes.into_iter().sum::<Option<u64>>().unwrap_or(estimate.file_bytes),
        architecture: estimate.config.architecture.clone(),
        name: estimate.name.clone().or(folder),
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
    /// Whose forms are to have the model's tokens as soon as there are any, or why they don't.
    prepared: Option<Result<Rc<Worker>, PlainError>>,
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
        if let Some(Ok(worker)) = &self.prepared {
            worker.forget_vocabulary();
        }
        let compute = Compute { backend: kernels::detect(), pool: Pool::new(self.threads) };
        self.loader = Some(Loader::new(compute, loader_options(&self.options, size)));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> crate::Result<()> {
        self.loader.as_mut().ok_or_else(not_begun)?.next_part(size)
    }

    fn push(&mut self, bytes: &[u8]) -> crate::Result<()> {
        let loader = self.loader.as_mut().ok_or_else(not_begun)?;
        loader.push(bytes)?;
        if let Some(Ok(worker)) = &self.prepared
            && let Some((tokenizer, logits)) = loader.tokenizer()
            && let Err(error) = worker.take_vocabulary(tokenizer, logits)
        {
            self.prepared = Some(Err(error));
        }
        Ok(())
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
