//! Ctrl-C ends the answer or the download, a second one the program.

use super::terminal::say;
use futures::task::AtomicWaker;
use std::future::{Future, poll_fn};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

static PRESSED: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();
static LISTENS: OnceLock<()> = OnceLock::new();
/// Who asks whether it was pressed. While nobody does, it ends the program.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);
static WAITING: AtomicWaker = AtomicWaker::new();

/// Starts listening, for a program that calls [`take`] from time to time.
pub(crate) fn listen() {
    LISTENS.get_or_init(|| {
        LISTENERS.fetch_add(1, SeqCst);
    });
    handle();
}

fn handle() {
    HANDLER.get_or_init(|| {
        let outcome = ctrlc::set_handler(|| {
            if PRESSED.swap(true, SeqCst) || LISTENERS.load(SeqCst) == 0 {
                say!("");
                std::process::exit(130);
            }
            WAITING.wake();
        });
        if let Err(error) = outcome {
            say!("note: Ctrl-C ends the program at once: {error}");
        }
    });
}

/// Whether Ctrl-C was pressed since the last call.
pub(crate) fn take() -> bool {
    PRESSED.swap(false, SeqCst)
}

/// Ready when Ctrl-C is pressed; it is listened to as long as somebody has this. One at a time waits.
pub(crate) fn pressed() -> impl Future<Output = ()> {
    struct Listening;
    impl Drop for Listening {
        fn drop(&mut self) {
            LISTENERS.fetch_sub(1, SeqCst);
        }
    }
    LISTENERS.fetch_add(1, SeqCst);
    handle();
    let listening = Listening;
    poll_fn(move |context| {
        let _ = &listening;
        WAITING.register(context.waker());
        if take() { Poll::Ready(()) } else { Poll::Pending }
    })
}
