//! `b158 serve`: a model for everybody whose tools speak OpenAI's API.
//!
//! ```text
//! listen ──► connection (time-outs) ──► app: door (names, origins, keys) ──► routes ──► body ──► b158::openai: what is asked
//!     ──► answers ──► engine: the thread that computes ──► chat, completion: whole or as a stream ──► ticket: log and metrics
//! ```
//!
//! All that goes wrong is a [`problem`], in the form of OpenAI's errors.

mod answers;
mod app;
mod body;
mod chat;
mod completion;
mod connection;
mod door;
pub(crate) mod engine;
mod listen;
mod log;
mod metrics;
mod page;
mod places;
mod problem;
mod routes;
mod stream;
mod ticket;
mod tokenize;

pub(crate) use door::{Keys, Names, Origins, name, origin};

use crate::cli::terminal::say;
use crate::cli::{Outcome, interrupt};
use app::{App, Front, Served};
use b158::model::Loaded;
use b158::openai::{About, Model};
use body::Bounds;
use connection::Patience;
use engine::{Engine, Limits};
use log::Log;
use page::Page;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How a server is to be.
pub(crate) struct Settings {
    /// Addresses to listen at; loopback where there are none.
    pub(crate) hosts: Vec<String>,
    pub(crate) port: u16,
    pub(crate) keys: Keys,
    pub(crate) origins: Origins,
    pub(crate) names: Names,
    /// Folder of the page, in place of the one that is built in.
    pub(crate) page: Option<PathBuf>,
    /// Of requests that name none; another one each time where it is absent.
    pub(crate) seed: Option<u64>,
    /// Bytes of a body.
    pub(crate) most: usize,
    /// How long a client may neither send nor read.
    pub(crate) patience: Duration,
    pub(crate) quiet: bool,
}

/// A model that is ready, what its talks may have, and what it is called.
pub(crate) struct Ready {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) limits: Limits,
    pub(crate) name: String,
}

/// Listens at once, answers when the model is loaded, and returns when it has been told to end and has done so.
///
/// # Errors
/// No place to listen, or no model.
pub(crate) fn run(settings: Settings, load: impl FnOnce() -> Outcome<Ready>) -> Outcome {
    let Settings { hosts, port, keys, origins, names, page, seed, most, patience, quiet } = settings;
    let page = Page::new(page.as_deref())?;
    let bound = listen::bind(&hosts, port)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("http")
        // Templates call themselves.
        .thread_stack_size(8 << 20)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|e| format!("the server's threads can't be started: {e}"))?;
    let (end, ending) = watch::channel(false);
    let (log, writer) = Log::new(quiet);
    let access = access(&bound.addresses, &keys, &origins);
    let app = Arc::new(App::new(
        (keys, origins, names),
        page,
        seed,
        Bounds::new(most, patience),
        log.clone(),
        ending.clone(),
    ));
    let server = {
        let _inside = runtime.enter();
        let listeners = bound.listeners.into_iter().map(TcpListener::from_std);
        let listeners = listeners.collect::<Result<Vec<_>, _>>().map_err(|e| format!("cannot listen: {e}"))?;
        let front = Arc::new(Front::new(Arc::clone(&app)));
        runtime.spawn(connection::serve(listeners, front, Patience::new(patience), ending))
    };
    if !quiet {
        bound.notes.iter().for_each(|note| say!("note: {note}"));
    }
    let Ready { loaded, limits, name } = load()?;
    let context = loaded.model.config.context(limits.session.context)?;
    let model = Model::new(name, About::of(&loaded, context));
    let engine = Engine::new(loaded, limits).map_err(|failure| failure.to_string())?;
    let engine = Arc::new(engine);
    // Before anything is said: whoever waits for the address asks at once.
    app.serve(Served { engine: Arc::clone(&engine), limits, model: model.clone() });
    if !quiet {
        engine.notes().iter().for_each(|note| say!("note: {note}"));
        say!(
            "serving `{}`: {context} tokens of context, {} answers at a time, {} more wait; {} MB for KV caches",
            model.id,
            limits.parallel,
            limits.queue,
            limits.memory / 1_000_000,
        );
        let threads = model.about.threads;
        say!(
            "backend {}, {threads} thread{}: {}",
            model.about.backend,
            if threads == 1 { "" } else { "s" },
            match limits.session.tune_threads {
                true => "one for each processor; answers take as many of them as make it fastest",
                false => "as --threads says",
            }
        );
        access.iter().for_each(|line| say!("{line}"));
        let places: Vec<String> = bound.addresses.iter().map(|address| format!("http://{address}")).collect();
        say!("listening at {} (base URL of the API: http://{}/v1)", places.join(" and "), bound.addresses[0]);
    }
    runtime.block_on(interrupt::pressed());
    log.line("ending: answers under way are finished, new ones refused; once more ends at once".to_owned());
    end.send_replace(true);
    // New requests are refused at the door. A request that was taken may have more for the engine.
    let ended = runtime.block_on(async {
        let ended = server.await;
        engine.drain().await;
        ended
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop((app, log));
    writer.end();
    ended.map_err(|e| format!("the server has a fault: {e}").into())
}

/// Who may come in, in plain words.
fn access(addresses: &[SocketAddr], keys: &Keys, origins: &Origins) -> Vec<String> {
    let is_open = addresses.iter().any(|address| !address.ip().to_canonical().is_loopback());
    let who = if is_open { "everybody who reaches this machine over the network" } else { "programs of this machine" };
    let mut lines = vec![if keys.are_needed() {
        format!("open to {who}, with a key")
    } else {
        format!("open to {who}, without a key")
    }];
    if is_open && !keys.are_needed() {
        lines.push(
            "warning: anyone on the network can use this model and its processor; --api-key closes it, and without --host it is \
             this machine's alone"
                .to_owned(),
        );
    }
    if is_open {
        lines.push(
            "note: keys and texts go over the network as they are: put a server with TLS in front, or a tunnel"
                .to_owned(),
        );
    }
    if origins.any {
        lines.push("note: pages of every site may use it (--cors *)".to_owned());
    } else if origins.are_some() {
        lines.push(format!("pages of {} may use it", origins.named.join(", ")));
    }
    lines
}
