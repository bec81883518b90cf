//! What the worker has, and what it does with each message.

mod calls;
mod checkpoint;
mod embed;
mod engine;
mod forms;
mod generate;
mod jobs;
mod load;
mod page;
mod source;
#[cfg(test)]
mod tests;

use super::executor::spawn;
use super::port::{Breath, Endpoint, listen, post};
use super::protocol::{FromWorker, PlainError, ToWorker};
use engine::Engine;
use forms::Forms;
use jobs::{Job, Jobs};
use js_sys::{Function, Reflect};
use page::Inbox;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// How many threads compute.
struct Threads {
    wanted: usize,
    /// Let generation find out how many are fastest.
    tuned: bool,
    /// Why there are not more.
    why: Option<String>,
}

struct Worker {
    port: Endpoint,
    threads: Threads,
    breath: Breath,
    /// Starts a worker that keeps files, where there can be one.
    keepers: Option<Function>,
    /// What holds answers to a form.
    forms: Forms,
    /// What the page sends of its own streams.
    inbox: Inbox,
    loading: Cell<bool>,
    engine: RefCell<Option<Engine>>,
    jobs: Jobs,
}

thread_local! {
    /// For a panic, which has nothing else to hold on to.
    static PORT: RefCell<Option<Endpoint>> = const { RefCell::new(None) };
}

/// Serves a page at the other end of `port`: messages of `www/src/internal/protocol.ts`. With `threads`, those of the workers that
/// have joined the pool before and this one; `tuned`, each token has as many of them as make it fastest; `why` there are no more.
/// `keepers` gives a new worker that runs `www/src/internal/keeper.ts`, `forms` what `www/src/internal/load-grammar.ts` loads.
///
/// # Errors
/// What the browser throws where it has no message channels.
#[wasm_bindgen]
pub fn serve(
    port: Endpoint,
    threads: usize,
    tuned: bool,
    why: Option<String>,
    keepers: Option<Function>,
    forms: Option<Function>,
) -> Result<(), JsValue> {
    PORT.set(Some(port.clone()));
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        PORT.with_borrow(|port| {
            if let Some(port) = port {
                post(port, &FromWorker::Crashed { message: info.to_string() }, &[]);
            }
        });
    }));
    let worker = Rc::new(Worker {
        port: port.clone(),
        threads: Threads { wanted: threads, tuned, why },
        breath: Breath::new()?,
        keepers,
        forms: Forms::new(forms),
        inbox: Inbox::default(),
        loading: Cell::new(false),
        engine: RefCell::new(None),
        jobs: Jobs::default(),
    });
    listen(&port, move |message| receive(&worker, message)).forget();
    Ok(())
}

fn receive(worker: &Rc<Worker>, message: JsValue) {
    let message = match serde_wasm_bindgen::from_value(message.clone()) {
        Ok(message) => message,
        Err(error) => return refuse(worker, &message, &error.to_string()),
    };
    match message {
        ToWorker::Load { source, options } => {
            if !worker.loading.replace(true) {
                spawn(load::load(Rc::clone(worker), source, options));
            }
        }
        ToWorker::Estimate { source, options } => {
            if !worker.loading.replace(true) {
                spawn(load::estimate(Rc::clone(worker), source, options));
            }
        }
        ToWorker::PartOpened { stream } => worker.inbox.opened(stream),
        ToWorker::Chunk { bytes } => worker.inbox.chunk(bytes),
        ToWorker::PartEnd => worker.inbox.end(),
        ToWorker::Generate { id, session, request } => worker.enqueue(Job::Generate { id, session, request }),
        ToWorker::Embed { id, request } => worker.enqueue(Job::Embed { id, request }),
        ToWorker::Cancel { id } => worker.cancel(id),
        ToWorker::Call { id, call } if jobs::waits(&call) => worker.enqueue(Job::Call { id, call }),
        ToWorker::Call { id, call } => worker.answer(id, call),
    }
}

/// A message that does not say what it should: a number that is too large, for example, or a page of another version.
fn refuse(worker: &Worker, message: &JsValue, why: &str) {
    let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or_default();
    let error = PlainError::new("invalid-argument", why);
    match field(&field(message, "body"), "id").as_f64() {
        Some(id) => worker.post(&FromWorker::Failed { id: id as u32, error }),
        None => worker.post(&FromWorker::LoadFailed(error)),
    }
}

impl Worker {
    fn post(&self, message: &FromWorker) {
        post(&self.port, message, &[]);
    }

    fn enqueue(self: &Rc<Self>, job: Job) {
        if self.jobs.push(job) {
            let worker = Rc::clone(self);
            spawn(async move {
                while let Some(job) = worker.jobs.next() {
                    match job {
                        Job::Generate { id, session, request } => {
                            if let Err(error) = generate::generate(&worker, id, session, request).await {
                                worker.post(&FromWorker::Failed { id, error });
                            }
                        }
                        Job::Embed { id, request } => {
                            if let Err(error) = embed::embed(&worker, id, request).await {
                                worker.post(&FromWorker::Failed { id, error });
                            }
                        }
                        Job::Call { id, call } => worker.answer(id, call),
                    }
                }
            });
        }
    }
}
