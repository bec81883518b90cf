//! Generations, embeddings, and calls that wait for those before them.

use super::super::protocol::{Call, EmbedRequest, FromWorker, GenerateRequest};
use super::Worker;
use crate::session::{FinishReason, Timings, Usage};
use futures::channel::oneshot;
use futures::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;

pub(super) enum Job {
    Generate { id: u32, session: u32, request: GenerateRequest },
    Embed { id: u32, request: EmbedRequest },
    Call { id: u32, call: Call },
}

impl Job {
    fn id(&self) -> u32 {
        match self {
            Job::Generate { id, .. } | Job::Embed { id, .. } | Job::Call { id, .. } => *id,
        }
    }
}

/// Calls that read or change what a generation uses, or measure the machine. The others are answered at once.
pub(super) fn waits(call: &Call) -> bool {
    match call {
        Call::CloneSession { .. }
        | Call::SaveSession { .. }
        | Call::RestoreSession { .. }
        | Call::ResetSession { .. }
        | Call::CloseSession { .. }
        | Call::Roofline => true,
        Call::Tokenize { .. }
        | Call::Detokenize { .. }
        | Call::CountTokens { .. }
        | Call::Memory
        | Call::OpenSession
        | Call::VerifyDefaults
        | Call::Report { .. } => false,
    }
}

#[derive(Default)]
pub(super) struct Jobs {
    waiting: RefCell<VecDeque<Job>>,
    under_way: Cell<bool>,
    /// The generation or embedding that runs.
    pub(super) running: Cell<Option<u32>>,
    /// It is to end.
    pub(super) cancelled: Cell<bool>,
    /// Hears that.
    bell: RefCell<Option<oneshot::Sender<()>>>,
}

impl Jobs {
    /// Whether somebody has to begin.
    pub(super) fn push(&self, job: Job) -> bool {
        self.waiting.borrow_mut().push_back(job);
        !self.under_way.replace(true)
    }

    pub(super) fn next(&self) -> Option<Job> {
        let job = self.waiting.borrow_mut().pop_front();
        self.under_way.set(job.is_some());
        job
    }

    /// What `work` gives, unless the job that runs is cancelled before.
    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (ring, rung) = oneshot::channel();
        self.bell.replace(Some(ring));
        match select(pin!(work), rung).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    fn remove(&self, id: u32) -> Option<Job> {
        let mut waiting = self.waiting.borrow_mut();
        let at = waiting.iter().position(|job| job.id() == id)?;
        waiting.remove(at)
    }
}

impl Worker {
    pub(super) fn cancel(&self, id: u32) {
        if self.jobs.running.get() == Some(id) {
            self.jobs.cancelled.set(true);
            if let Some(bell) = self.jobs.bell.take() {
                // Nobody waits any more where the tokens have begun.
                let _ = bell.send(());
            }
        } else if let Some(Job::Generate { id, .. }) = self.jobs.remove(id) {
            // Who has given up an embedding waits for nothing more.
            self.cancelled_before(id);
        }
    }

    /// Tells of a generation that it was cancelled before it began.
    pub(super) fn cancelled_before(&self, id: u32) {
        let (usage, timings) = (Usage::default(), Timings::default());
        let finish_reason = FinishReason::Cancelled;
        self.post(&FromWorker::Done { id, finish_reason, usage, timings, constraint: None, called: None });
    }
}
