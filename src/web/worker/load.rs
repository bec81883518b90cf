//! From a source to a model, or to the memory that it would take.

use super::super::protocol::{FromWorker, Js, LoaderOptions, Part, PlainError, Source};
use super::page::{self, Broken};
use super::{Engine, Worker};
use crate::kernels::{self, Compute};
use crate::model::{self, Loader};
use crate::session::SessionOptions;
use crate::threads::Pool;
use std::rc::Rc;

enum Fault {
    Plain(PlainError),
    Page(wasm_bindgen::JsValue),
}
impl<E: Into<PlainError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::Plain(error.into())
    }
}

pub(super) async fn load(worker: Rc<Worker>, source: Source, options: LoaderOptions) {
    match run(&worker, source, options).await {
        Ok(engine) => {
            let info = engine.info(&worker.threads, None, Vec::new());
            worker.engine.replace(Some(engine));
            worker.post(&FromWorker::Loaded(info));
        }
        Err(Fault::Plain(error)) => worker.post(&FromWorker::LoadFailed(error)),
        Err(Fault::Page(reason)) => worker.post(&FromWorker::StreamFailed { reason: Js(reason) }),
    }
}

async fn run(worker: &Rc<Worker>, source: Source, options: LoaderOptions) -> Result<Engine, Fault> {
    let (context, kv_type) = (options.context_length, options.kv_cache.unwrap_or_default());
    let session = SessionOptions { context, kv_type, tune_threads: worker.threads.tuned, batch: 0 };
    let compute = Compute { backend: kernels::detect(), pool: Pool::new(worker.threads.wanted) };
    let mut loader = Loader::new(compute, loader_options(options));
    let mut scratch = vec![0; 1 << 16];
    for (index, part) in source.parts.iter().enumerate() {
        let opened = match part {
            Part::Blob { blob } => page::of_blob(&blob.0),
            Part::Page { .. } => page::of_page(worker, index).await.unwrap(),
            Part::Address { .. } => return Err(PlainError::new("network", "not yet").into()),
        };
        if index > 0 {
            loader.next_part(None)?;
        }
        let mut stream = opened.stream;
        loop {
            match stream.next().await {
                Ok(Some(bytes)) => {
                    let mut at = 0;
                    while at < bytes.length() {
                        let end = bytes.length().min(at + scratch.len() as u32);
                        let piece = &mut scratch[..(end - at) as usize];
                        bytes.subarray(at, end).copy_to(piece);
                        loader.push(piece)?;
                        at = end;
                    }
                }
                Ok(None) => break,
                Err(Broken::Page(reason)) => return Err(Fault::Page(reason)),
                Err(Broken::File(why)) => return Err(PlainError::new("io", why).into()),
            }
        }
    }
    Ok(Engine::new(loader.finish()?, session)?)
}

fn loader_options(options: LoaderOptions) -> model::LoaderOptions {
    model::LoaderOptions {
        file_size: None,
        overrides: options.overrides.unwrap_or_default(),
        hash: options.hash.unwrap_or_default(),
        embedding: options.token_embedding.unwrap_or_default(),
        context: options.context_length,
        kv_type: options.kv_cache.unwrap_or_default(),
        memory_limit: None,
    }
}

pub(super) async fn estimate(worker: Rc<Worker>, _source: Source, _options: LoaderOptions) {
    worker.post(&FromWorker::LoadFailed(PlainError::new("network", "not yet")));
}
