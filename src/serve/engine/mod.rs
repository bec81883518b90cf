//! Who owns the model: one thread computes all talks, in turns. Others hand it jobs, and hear what comes of them.

mod job;
mod queue;
mod stats;
mod worker;

pub(crate) use job::{Answer, Busy, Embed, Embeddings, Event, Failure, Input, Job, Pending, Prompt, Why};
pub(crate) use stats::Stats;

use b158::model::Loaded;
use b158::session::SessionOptions;
use queue::{Queue, Work};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// What the engine may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Talks under way at a time, one at least.
    pub(crate) parallel: usize,
    /// Jobs that wait for their turn.
    pub(crate) queue: usize,
    /// Bytes of KV caches, of the talks under way and of those that are kept. Those under way are never cut for it.
    pub(crate) memory: u64,
    /// Of each talk.
    pub(crate) session: SessionOptions,
}

/// The engine's thread, from outside. Dropping it ends all jobs.
pub(crate) struct Engine {
    loaded: Arc<Loaded>,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Errors
    /// What a talk of these options can't be: a context of 0 or beyond what the model was trained for; no thread.
    pub(crate) fn new(loaded: Arc<Loaded>, limits: Limits) -> Result<Self, Failure> {
        loaded.model.config.context(limits.session.context)?;
        let queue = Arc::new(Queue::new(limits));
        let worker = worker::Worker::new(Arc::clone(&loaded), Arc::clone(&queue), limits);
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || worker.run());
        let thread = thread.map_err(|e| Failure::Fault(format!("there is no thread for the engine: {e}")))?;
        Ok(Engine { loaded, queue, thread: Some(thread) })
    }

    /// The model.
    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// Takes a job, or says when to come again.
    pub(crate) fn submit(&self, job: Job) -> Result<Answer, Busy> {
        let (sender, events) = mpsc::unbounded_channel();
        self.queue.push(Work::Answer(Box::new(job), sender))?;
        Ok(Answer { events })
    }

    /// Takes texts whose embeddings are wanted.
    pub(crate) fn embed(&self, job: Embed) -> Result<Pending<Embeddings>, Busy> {
        let (sender, whole) = oneshot::channel();
        self.queue.push(Work::Embed(job, sender))?;
        Ok(Pending { whole })
    }

    /// The tokens of a prompt, as a job of it would have them.
    pub(crate) fn tokenize(&self, prompt: Prompt) -> Result<Pending<Vec<u32>>, Busy> {
        let (sender, whole) = oneshot::channel();
        self.queue.push(Work::Tokenize(prompt, sender))?;
        Ok(Pending { whole })
    }

    /// How it stands. Never waits for what is being computed.
    pub(crate) fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Takes no more jobs, and returns when those taken have ended.
    pub(crate) async fn drain(&self) {
        self.queue.drain().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
