//! Ctrl-C ends the answer, a second one the program.

use super::terminal::say;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

static PRESSED: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// Starts listening.
pub(crate) fn listen() {
    HANDLER.get_or_init(|| {
        let outcome = ctrlc::set_handler(|| {
            if PRESSED.swap(true, SeqCst) {
                say!("");
                std::process::exit(130);
            }
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
