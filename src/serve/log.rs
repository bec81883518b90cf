//! The way of lines to standard error, where somebody may be slow to read them, or nobody does: they wait for a thread of their own, in
//! bounds. What does not fit is counted.

use crate::cli::terminal::{say, say_line};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait.
const WAITING: usize = 4096;

/// How long the end of the program waits for the last lines.
const END: Duration = Duration::from_secs(1);

/// Where lines are left. Without a thread, nowhere.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Option<SyncSender<String>>,
    lost: Arc<AtomicU64>,
}

/// The thread that writes.
pub(crate) struct Writer(Option<Receiver<()>>);

impl Log {
    pub(crate) fn new(quiet: bool) -> (Self, Writer) {
        let lost = Arc::<AtomicU64>::default();
        if quiet {
            return (Log { lines: None, lost }, Writer(None));
        }
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let (done, ended) = sync_channel(1);
        let missing = Arc::clone(&lost);
        let write = move || {
            for line in waiting {
                say_line(&line);
                match missing.swap(0, Relaxed) {
                    0 => {}
                    lost => say!("note: {lost} lines of the log are lost: standard error was not read fast enough"),
                }
            }
            let _ = done.send(());
        };
        let started = std::thread::Builder::new().name("log".into()).spawn(write);
        (Log { lines: started.is_ok().then_some(lines), lost }, Writer(Some(ended)))
    }

    /// Never waits.
    pub(crate) fn line(&self, line: String) {
        if let Some(lines) = &self.lines {
            if lines.try_send(line).is_err() {
                self.lost.fetch_add(1, Relaxed);
            }
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.lines.is_none()
    }
}

impl Writer {
    /// When all logs are gone: waits for what they have said, but not for a reader that does not read.
    pub(crate) fn end(self) {
        if let Some(ended) = self.0 {
            let _ = ended.recv_timeout(END);
        }
    }
}
