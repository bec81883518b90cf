//! Who owns the model: one thread computes all talks, in turns. Others hand it jobs, and hear what comes of them.

mod job;
mod kept;
mod prepare;
mod queue;
mod stats;
mod talk;
mod worker;

pub(crate) use job::{Answer, Busy, Embed, Event, Failure, Input, Job, Prompt, Why};
pub(crate) use stats::Stats;

use b158::model::Loaded;
use b158::session::SessionOptions;
use job::{Embeddings, Pending};
use prepare::Preparer;
use queue::{Queue, Raw};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::oneshot;
use worker::Worker;

/// What the engine may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Talks under way at a time, one at least.
    pub(crate) parallel: usize,
    /// Jobs that wait for their turn.
    pub(crate) queue: usize,
    /// Bytes of KV caches: of the talks under way, and of those that are kept, which go first. No job begins beside others whose
    /// prompt has no room in it; answers that grow may pass it, and are not cut. With 0 no talk is kept, and no job waits for memory.
    pub(crate) memory: u64,
    /// Of each talk.
    pub(crate) session: SessionOptions,
}

/// The engine, from outside. Dropping it ends all jobs.
pub(crate) struct Engine {
    loaded: Arc<Loaded>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    notes: Vec<String>,
}

impl Engine {
    /// Starts its threads.
    ///
    /// # Errors
    /// What a talk of these options can't be: a context of 0 or beyond what the model was trained for; no threads.
    pub(crate) fn new(loaded: Arc<Loaded>, limits: Limits) -> Result<Self, Failure> {
        let limits = Limits { parallel: limits.parallel.max(1), ..limits };
        let context = loaded.model.config.context(limits.session.context)?;
        let queue = Arc::new(Queue::new(limits));
        let worker = Worker::new(Arc::clone(&loaded), Arc::clone(&queue), limits)?;
        let preparer = Preparer::new(Arc::clone(&loaded), Arc::clone(&queue), context);
        let notes = worker.notes();
        // What has been started ends with it.
        let mut engine = Engine { loaded, queue, threads: Vec::new(), notes };
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = Builder::new().name(name.into()).stack_size(prepare::STACK).spawn(work);
            thread.map_err(|e| Failure::Fault(format!("there is no thread for it: {e}")))
        };
        for _ in 0..prepare::THREADS {
            let preparer = Arc::clone(&preparer);
            engine.threads.push(start("prepare", Box::new(move || preparer.run()))?);
        }
        engine.threads.push(start("engine", Box::new(move || worker.run()))?);
        Ok(engine)
    }

    /// What had to be decided and a user should know, one sentence each.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The model.
    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// Takes a job, or says when to come again.
    pub(crate) fn submit(&self, job: Job) -> Result<Answer, Busy> {
        let (events, answer) = Answer::channel();
        self.queue.push(Raw::Answer(Box::new(job), events))?;
        Ok(answer)
    }

    /// Takes texts whose embeddings are wanted.
    pub(crate) fn embed(&self, job: Embed) -> Result<Pending<Embeddings>, Busy> {
        let (sender, whole) = oneshot::channel();
        self.queue.push(Raw::Embed(job, sender))?;
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
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
