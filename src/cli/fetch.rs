//! Models from addresses: what their downloads say goes to standard error, and Ctrl-C ends them.

use super::place::Machine;
use super::source::shown;
use super::terminal::{self, say};
use super::{Outcome, interrupt};
use b158::Error;
use b158::download::meter::{LoadProgress, Phase};
use b158::download::{self, CacheMode, Part, Receiver, Request, address};
use futures::executor::block_on;
use futures::future::{Either, select};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Between two lines where standard error is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// All bytes of a model into `receiver`, of which `finish` makes what the caller wants. What that refuses is not kept.
pub(crate) fn all<R: Receiver, T>(
    requests: Vec<Request>,
    quiet: bool,
    receiver: R,
    finish: impl FnOnce(R) -> b158::Result<T>,
) -> Outcome<T> {
    all_to(&Machine::new()?, requests, quiet, receiver, finish)
}

/// A file, whatever it is, into the cache, and where it lies there; `None` if the server has none.
pub(crate) fn file(request: Request, quiet: bool) -> Outcome<Option<PathBuf>> {
    let machine = Machine::new()?;
    let (url, offline) = (request.url.clone(), request.offline);
    let files = machine.files()?;
    let find = || -> Outcome<_> {
        let cached = block_on(download::list(files))?;
        let found = cached.iter().find(|file| file.complete && file.url == url);
        Ok(found.map(|file| files.data(&file.key)))
    };
    if offline && find()?.is_none() {
        return Ok(None);
    }
    match all_to(&machine, vec![request], quiet, Anything, |_| Ok(())) {
        Ok(()) => {
            find()?.map(Some).ok_or_else(|| format!("{}: another process has deleted it meanwhile", shown(&url)).into())
        }
        Err(_) if machine.refused() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes that only the cache wants.
struct Anything;

impl Receiver for Anything {
    async fn begin(&mut self, _: Option<u64>) -> b158::Result<()> {
        Ok(())
    }
    fn next_part(&mut self, _: Option<u64>) -> b158::Result<()> {
        Ok(())
    }
    fn push(&mut self, _: &[u8]) -> b158::Result<()> {
        Ok(())
    }
    fn is_last_part(&self) -> bool {
        true
    }
    fn expected_size(&self) -> Option<u64> {
        None
    }
}

fn all_to<R: Receiver, T>(
    machine: &Machine,
    requests: Vec<Request>,
    quiet: bool,
    mut receiver: R,
    finish: impl FnOnce(R) -> b158::Result<T>,
) -> Outcome<T> {
    let keeps = requests.iter().all(|request| request.cache != CacheMode::Off);
    let urls: Vec<String> = requests.iter().map(|request| request.url.clone()).collect();
    let mut progress = Progress::new(urls.first().map_or("", String::as_str), quiet);
    let work = async {
        let parts = requests.into_iter().map(Part::Address).collect();
        let mut counted = Counted { receiver: &mut receiver, part: 0 };
        let loaded = download::load(machine, parts, &mut counted, &mut |report| progress.update(&report)).await;
        let part = counted.part;
        let loaded = loaded.map_err(|error| (error, part))?;
        let (bytes, cached, notes) = (loaded.bytes, loaded.cached, loaded.notes.clone());
        let outcome = finish(receiver);
        loaded.end(&outcome).await;
        outcome.map(|value| (value, bytes, cached, notes)).map_err(|error| (error, part))
    };
    let done = until_stopped(work);
    progress.clear();
    let (value, bytes, cached, notes) = match done {
        None if keeps => return Err("stopped; what has come is kept, and the same command goes on from there".into()),
        None => return Err("stopped".into()),
        Some(Err((error, part))) => return Err(named(error, urls.get(part), machine)),
        Some(Ok(done)) => done,
    };
    if !quiet {
        progress.end(bytes, cached == Some(true));
        notes.iter().for_each(|note| say!("note: {note}"));
    }
    Ok(value)
}

/// The headers of all parts into `receiver`, from the cache where it has them whole.
pub(crate) fn headers<R: Receiver>(requests: Vec<Request>, receiver: &mut R) -> Outcome {
    if requests.iter().any(|request| request.sha256.is_some()) {
        return Err("--sha256 needs the whole file, and this command reads no more than its header".into());
    }
    let machine = Machine::new()?;
    let urls: Vec<String> = requests.iter().map(|request| request.url.clone()).collect();
    let mut receiver = Counted { receiver, part: 0 };
    let work = async {
        if !requests.iter().all(|request| request.offline) && !in_cache(&machine, &requests).await {
            let parts = requests.into_iter().map(Part::Address).collect();
            return download::headers(&machine, parts, &mut receiver).await.map(drop);
        }
        for (no, request) in requests.into_iter().enumerate() {
            if no > 0 && receiver.is_last_part() {
                break;
            }
            let mut part = OnePart { receiver: &mut receiver, later: no > 0, begun: false, complete: Rc::default() };
            let complete = part.complete.clone();
            let enough = poll_fn(|_| if complete.get() { Poll::Ready(()) } else { Poll::Pending });
            let mut silent = |_| {};
            let all = pin!(download::load(&machine, vec![Part::Address(request)], &mut part, &mut silent));
            if let Either::Right((outcome, _)) = select(enough, all).await {
                outcome?.end(&Ok(())).await;
            }
        }
        Ok(())
    };
    match until_stopped(work) {
        None => Err("stopped".into()),
        Some(Err(error)) => Err(named(error, urls.get(receiver.part), &machine)),
        Some(Ok(())) => Ok(()),
    }
}

/// Whether every one of these files is whole in the cache.
async fn in_cache(machine: &Machine, requests: &[Request]) -> bool {
    let Ok(files) = machine.files() else { return false };
    let Ok(cached) = download::list(files).await else { return false };
    requests.iter().all(|request| cached.iter().any(|file| file.complete && file.url == request.url))
}

/// The outcome, unless Ctrl-C comes first: then all that was under way has ended.
fn until_stopped<T>(work: impl Future<Output = T>) -> Option<T> {
    block_on(async {
        match select(pin!(interrupt::pressed()), pin!(work)).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    })
}

/// An error with the address that it is about, and what to do about it here.
fn named(error: Error, url: Option<&String>, machine: &Machine) -> Box<dyn std::error::Error> {
    let refused = machine.refused();
    match &error {
        Error::Network { reason } => match refused {
            Some(401 | 403) => format!("{reason}; to Hugging Face b158 sends the token in HF_TOKEN").into(),
            _ => error.into(),
        },
        // They name it themselves.
        Error::WebPage { .. } | Error::BadAddress { .. } | Error::Integrity { .. } => error.into(),
        Error::Storage { .. } | Error::Quota { .. } => error.into(),
        _ => match url {
            Some(url) => format!("{}: {error}", shown(url)).into(),
            None => error.into(),
        },
    }
}

/// A receiver that knows which part it is at.
struct Counted<'a, R> {
    receiver: &'a mut R,
    part: usize,
}

impl<R: Receiver> Receiver for Counted<'_, R> {
    async fn begin(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.part = 0;
        self.receiver.begin(size).await
    }
    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.part += 1;
        self.receiver.next_part(size)
    }
    fn push(&mut self, bytes: &[u8]) -> b158::Result<()> {
        self.receiver.push(bytes)
    }
    fn is_complete(&self) -> bool {
        self.receiver.is_complete()
    }
    fn is_last_part(&self) -> bool {
        self.receiver.is_last_part()
    }
    fn expected_size(&self) -> Option<u64> {
        self.receiver.expected_size()
    }
}

/// One part of a model as if it were a model, until the receiver has enough of it.
struct OnePart<'a, R> {
    receiver: &'a mut R,
    later: bool,
    begun: bool,
    complete: Rc<Cell<bool>>,
}

impl<R: Receiver> Receiver for OnePart<'_, R> {
    async fn begin(&mut self, size: Option<u64>) -> b158::Result<()> {
        if !self.later {
            return self.receiver.begin(size).await;
        }
        if std::mem::replace(&mut self.begun, true) {
            return Err(Error::Network {
                reason: "a part changed on the server while it was read; try again".to_owned(),
            });
        }
        self.receiver.next_part(size)
    }
    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.receiver.next_part(size)
    }
    fn push(&mut self, bytes: &[u8]) -> b158::Result<()> {
        if !self.receiver.is_complete() {
            self.receiver.push(bytes)?;
        }
        self.complete.set(self.receiver.is_complete());
        Ok(())
    }
    fn is_last_part(&self) -> bool {
        true
    }
    fn expected_size(&self) -> Option<u64> {
        self.receiver.expected_size()
    }
}

/// What a person sees of a download: a bar on a terminal, a line from time to time elsewhere.
struct Progress {
    bar: ProgressBar,
    name: String,
    lines: bool,
    begun: Instant,
    /// Of the line before.
    said: Option<Instant>,
    has_total: Option<bool>,
}

impl Progress {
    fn new(url: &str, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let lines = !quiet && bar.is_hidden();
        let name = terminal::escaped(&address::file_name(url));
        Progress { bar, name, lines, begun: Instant::now(), said: None, has_total: None }
    }

    fn update(&mut self, report: &LoadProgress) {
        let what = match report.phase {
            Phase::Verify => "checking",
            Phase::Download => "downloading",
            Phase::Engine | Phase::Load | Phase::Formats | Phase::Ready => return,
        };
        let part = report.part.map_or(String::new(), |part| format!(" (part {} of {})", part.index + 1, part.count));
        let title = format!("{what} {}{part}", self.name);
        let mut far = size(report.loaded);
        if let Some(total) = report.total {
            far += &format!(" of {}", size(total));
        }
        if let Some(rate) = report.bytes_per_second {
            far += &format!(", {}/s", size(rate as u64));
        }
        if let Some(seconds) = report.seconds_left {
            far += &format!(", {} left", duration(seconds));
        }
        if self.lines {
            // What the cache has is there before anybody reads a line about it.
            let due = self.said.map_or(report.phase == Phase::Download, |at| at.elapsed() >= BETWEEN_LINES);
            if due {
                self.said = Some(Instant::now());
                say!("{title}: {far}");
            }
            return;
        }
        if self.has_total != Some(report.total.is_some()) {
            self.has_total = Some(report.total.is_some());
            let style = if report.total.is_some() { "{prefix} {wide_bar} {msg}" } else { "{prefix} {msg}" };
            self.bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        if let Some(total) = report.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(report.loaded);
        self.bar.set_prefix(title);
        self.bar.set_message(far);
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// In a line that stays.
    fn end(&self, bytes: u64, cached: bool) {
        let (name, size, time) = (&self.name, size(bytes), duration(self.begun.elapsed().as_secs_f64()));
        match cached {
            true => say!("{name}: {size}, from the cache"),
            false => say!("{name}: {size} in {time}"),
        }
    }
}

/// Bytes for a person.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} kB", bytes / 1e3),
    }
}

/// Seconds for a person.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}
