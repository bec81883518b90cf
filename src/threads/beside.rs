//! Work beside the caller, while that goes on: on a thread of its own natively, at once elsewhere.

#[cfg(not(target_family = "wasm"))]
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(not(target_family = "wasm"))]
use std::thread::JoinHandle;

/// Work that has been begun.
pub(crate) enum Beside<T> {
    /// It is done.
    Done(T),
    #[cfg(not(target_family = "wasm"))]
    Thread(JoinHandle<T>),
}

impl<T: Send + 'static> Beside<T> {
    /// Begins it. Where the system gives no thread, it is done when this comes back.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        // Whoever comes to it takes it: a thread that could not be started gives nothing back.
        let work = Arc::new(Mutex::new(Some(work)));
        let theirs = Arc::clone(&work);
        let take = move || theirs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let run = move || take().map(|work| work()).unwrap_or_else(|| unreachable!("nobody else takes the work"));
        match std::thread::Builder::new().name("b158 beside".to_owned()).spawn(run) {
            Ok(thread) => Beside::Thread(thread),
            Err(_) => {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                Beside::Done(work.map(|work| work()).unwrap_or_else(|| unreachable!("no thread has taken the work")))
            }
        }
    }

    /// Does it.
    #[cfg(target_family = "wasm")]
    pub(crate) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        Beside::Done(work())
    }

    /// Whether [`end`](Self::end) need not wait.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Beside::Done(_) => true,
            #[cfg(not(target_family = "wasm"))]
            Beside::Thread(thread) => thread.is_finished(),
        }
    }

    /// What it gives, when it is done. A panic in it reaches the caller.
    pub(crate) fn end(self) -> T {
        match self {
            Beside::Done(value) => value,
            #[cfg(not(target_family = "wasm"))]
            Beside::Thread(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_the_work_gives() {
        let works: Vec<_> = (0..4).map(|i| Beside::begin(move || i * i)).collect();
        assert_eq!(works.into_iter().map(Beside::end).collect::<Vec<_>>(), [0, 1, 4, 9]);
    }

    #[test]
    #[cfg(not(target_family = "wasm"))]
    fn a_panic_reaches_whoever_ends_it() {
        let work = Beside::begin(|| panic!("of the work"));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.end())).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"of the work"));
    }
}
