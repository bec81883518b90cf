//! A clock that stands still while anything can go on, and then jumps to the next thing that somebody waits for.

use b158::download::Clock;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// 1 October 2026.
pub(crate) const START: u64 = 1_790_812_800_000;

#[derive(Clone, Default)]
pub(crate) struct Virtual(Rc<State>);

#[derive(Default)]
struct State {
    now: Cell<u64>,
    next: Cell<u64>,
    alarms: RefCell<BTreeMap<(u64, u64), Waker>>,
}

impl Clock for Virtual {
    async fn sleep(&self, ms: u64) {
        let at = self.0.now.get().saturating_add(ms.max(1));
        let number = self.0.next.replace(self.0.next.get() + 1);
        let _taken_back = TakeBack(self, (at, number));
        poll_fn(|context| {
            if self.0.now.get() >= at {
                return Poll::Ready(());
            }
            self.0.alarms.borrow_mut().insert((at, number), context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn now(&self) -> f64 {
        self.0.now.get() as f64
    }

    fn since_1970(&self) -> u64 {
        START + self.0.now.get()
    }
}

struct TakeBack<'a>(&'a Virtual, (u64, u64));

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        self.0.0.alarms.borrow_mut().remove(&self.1);
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Virtual {
    /// Runs it to its end; a test fails where nothing would ever go on.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.run_for(future, usize::MAX).expect("it has as many turns as it likes")
    }

    /// Runs it for at most so many turns, and drops it then.
    pub(crate) fn run_for<T>(&self, future: impl Future<Output = T>, turns: usize) -> Option<T> {
        let mut future = pin!(future);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        for _ in 0..turns {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            if flag.0.swap(false, Ordering::SeqCst) {
                continue;
            }
            let next = self.0.alarms.borrow_mut().pop_first();
            let ((at, _), waker) = next.expect("nothing would ever wake it");
            self.0.now.set(at);
            waker.wake();
        }
        None
    }
}

/// Others come first.
pub(crate) async fn turn() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
