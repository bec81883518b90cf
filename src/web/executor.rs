//! Futures of the worker's thread, polled in microtasks.
//!
//! Not `spawn_local` of wasm-bindgen-futures: in a module with shared memory it waits by `Atomics.waitAsync`, which Firefox has
//! since version 145, and without it by workers made of `data:` addresses, which a strict content security policy forbids. Here all
//! that wakes a future is on its own thread.

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(task: &Closure<dyn FnMut()>);
}

thread_local! {
    static TASKS: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>> = RefCell::default();
    /// Those that came while the others are polled, or before.
    static NEW: RefCell<Vec<LocalBoxFuture<'static, ()>>> = const { RefCell::new(Vec::new()) };
    static DUE: Cell<bool> = const { Cell::new(false) };
    static RUN: Closure<dyn FnMut()> = Closure::new(run);
}

/// Runs `task` to its end. What it throws or traps on is an uncaught exception of the worker, which the page hears of.
pub(super) fn spawn(task: impl Future<Output = ()> + 'static) {
    NEW.with_borrow_mut(|new| new.push(Box::pin(task)));
    schedule();
}

struct Bell;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        schedule();
    }
}

fn schedule() {
    if !DUE.replace(true) {
        RUN.with(queue_microtask);
    }
}

fn run() {
    DUE.set(false);
    let waker = Waker::from(Arc::new(Bell));
    TASKS.with_borrow_mut(|tasks| {
        loop {
            tasks.extend(NEW.take());
            while let std::task::Poll::Ready(Some(())) = tasks.poll_next_unpin(&mut Context::from_waker(&waker)) {}
            if NEW.with_borrow(Vec::is_empty) {
                break;
            }
        }
    });
}
