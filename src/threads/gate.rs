//! The protocol that one caller and its workers keep: a gate that opens for a job, and that nobody is waited for who has
//! not come in.

use super::sync::*;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::*;

/// How often a waiting thread looks at the gate before it yields or sleeps: some tens of microseconds. WebAssembly has no
/// pause instruction that would stretch a look. In a model one look stands for all.
const SPINS: u32 = match () {
    _ if cfg!(loom) => 1,
    _ if cfg!(target_family = "wasm") => 40_000,
    _ => 2_000,
};
/// How often the caller lets others run before it sleeps until the last worker leaves: some milliseconds, since beside a busy
/// program sleeping at once cost 7 % of a prompt's speed. In WebAssembly a yield does nothing.
const YIELDS: u32 = if cfg!(any(loom, target_family = "wasm")) { 1 } else { 20_000 };
/// State bit: a job is open and may be joined.
const OPEN: u64 = 1 << 63;
/// State bit: the pool is being dropped.
const QUIT: u64 = 1 << 62;
/// State bit: the caller sleeps until the last worker has left. Only while the gate is closed.
const AWAITED: u64 = 1 << 61;
/// State bits: how many workers are inside the job. The bits between count the jobs.
const INSIDE: u64 = 0xffff;
const JOB: u64 = 1 << 16;

type Task = dyn Fn(usize) + Sync;

struct Job {
    task: *const Task,
    tasks: usize,
}

/// What caller and workers share.
pub(super) struct Gate {
    state: AtomicU64,
    /// Somebody runs a job.
    busy: AtomicBool,
    job: UnsafeCell<Job>,
    next: AtomicUsize,
    panicked: AtomicBool,
    sleepers: AtomicUsize,
    /// How many workers may be inside a job.
    wanted: AtomicUsize,
    /// How many there are besides: they may sleep.
    unwanted: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    emptied: Condvar,
}

// SAFETY: `job` is written only by the one thread that holds `busy`, while the gate is closed and nobody is inside; it is
// read only by that thread and by those that entered through the open gate. The SeqCst operations on `state` order the two.
unsafe impl Sync for Gate {}
// SAFETY: the task pointer inside is only dereferenced between the opening and the emptying of the gate, during
// which `Gate::run` keeps the closure borrowed; the closure is Sync.
unsafe impl Send for Gate {}

impl Gate {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Gate {
                state: AtomicU64::new(0),
                busy: AtomicBool::new(false),
                job: UnsafeCell::new(Job { task: &|_| (), tasks: 0 }),
                next: AtomicUsize::new(0),
                panicked: AtomicBool::new(false),
                sleepers: AtomicUsize::new(0),
                wanted: AtomicUsize::new(usize::MAX),
                unwanted: AtomicUsize::new(0),
                lock: Mutex::new(()),
                wake: Condvar::new(),
                emptied: Condvar::new(),
            }
        }
    }

    /// What [`Pool::run`](super::Pool::run) promises, with the workers that are there.
    pub(super) fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks < 2 || self.wanted.load(Relaxed) == 0 || self.busy.swap(true, Acquire) {
            return (0..tasks).for_each(task);
        }
        // SAFETY: only the lifetime is erased. The pointer is used by this thread and by workers inside the gate, and
        // `Close` empties the gate before this function returns or unwinds, while `task` is still borrowed.
        let task = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(task) };
        // SAFETY: `busy` was free, so this thread alone may open the gate; the gate is closed and empty (`Close` of the
        // run before), so nobody reads `job`.
        self.job.with_mut(|job| unsafe { *job = Job { task, tasks } });
        self.next.store(0, Relaxed);
        let closing = Close { gate: self };
        self.state.fetch_add(JOB | OPEN, SeqCst);
        if self.sleepers.load(SeqCst) > self.unwanted.load(Relaxed) {
            self.rouse(&self.wake);
        }
        self.claim();
        drop(closing);
        if self.panicked.swap(false, Relaxed) {
            panic!("a task of the thread pool panicked");
        }
    }

    /// Lets no more than `wanted` of the `workers` into later jobs. The others are not woken for them.
    pub(super) fn limit(&self, wanted: usize, workers: usize) {
        self.wanted.store(wanted, Relaxed);
        self.unwanted.store(workers.saturating_sub(wanted), Relaxed);
    }

    /// A worker's life: until [`quit`](Self::quit).
    pub(super) fn work(&self) {
        let mut done = 0;
        while let Some(state) = self.wait(done) {
            if state & INSIDE >= self.wanted.load(Relaxed) as u64 {
                done = state & !INSIDE;
                continue;
            }
            if self.state.compare_exchange(state, state + 1, SeqCst, SeqCst).is_err() {
                continue;
            }
            done = state & !INSIDE;
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.claim()));
            if outcome.is_err() {
                self.panicked.store(true, Relaxed);
            }
            let before = self.state.fetch_sub(1, SeqCst);
            if before & AWAITED != 0 && before & INSIDE == 1 {
                self.rouse(&self.emptied);
            }
        }
    }

    /// Sends the workers home.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn quit(&self) {
        self.state.fetch_or(QUIT, SeqCst);
        self.rouse(&self.wake);
    }

    /// Wakes those who sleep on `condition`. Whoever has looked at the state before it changed holds the lock until it
    /// sleeps, so taking the lock once means that it does.
    fn rouse(&self, condition: &Condvar) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        condition.notify_all();
    }

    /// Takes tasks until none are left.
    fn claim(&self) {
        // SAFETY: the caller opened the gate or entered through it, so `job` is not written until it leaves, and the
        // closure behind the pointer is borrowed by `run` until the gate is empty.
        let (task, tasks) = self.job.with(|job| unsafe { (&*(*job).task, (*job).tasks) });
        loop {
            let i = self.next.fetch_add(1, Relaxed);
            if i >= tasks {
                break;
            }
            task(i);
        }
    }

    /// Waits for an open gate other than the job `done`; `None` when the pool ends.
    fn wait(&self, done: u64) -> Option<u64> {
        let ready = |state: u64| state & OPEN != 0 && state & !INSIDE != done;
        for _ in 0..SPINS {
            let state = self.state.load(SeqCst);
            if state & QUIT != 0 {
                return None;
            }
            if ready(state) {
                return Some(state);
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, SeqCst);
        let state = loop {
            let state = self.state.load(SeqCst);
            if state & QUIT != 0 || ready(state) {
                break state;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, SeqCst);
        (state & QUIT == 0).then_some(state)
    }

    fn is_empty(&self) -> bool {
        self.state.load(SeqCst) & INSIDE == 0
    }

    /// Returns when the last worker has left the closed gate.
    fn wait_until_empty(&self) {
        for _ in 0..SPINS {
            if self.is_empty() {
                return;
            }
            spin_loop();
        }
        // More threads than processors: let the one we wait for run.
        for _ in 0..YIELDS {
            if self.is_empty() {
                return;
            }
            yield_now();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that leaves after this sees the bit and rouses us; one that left before it is not counted any more.
        self.state.fetch_or(AWAITED, SeqCst);
        while !self.is_empty() {
            guard = self.emptied.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.state.fetch_and(!AWAITED, SeqCst);
    }
}

/// Closes the gate and waits until it is empty, also when the caller's own task unwinds.
struct Close<'a> {
    gate: &'a Gate,
}

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let gate = self.gate;
        // Nobody claims further tasks of a job whose caller has finished or panicked.
        gate.next.store(usize::MAX / 2, Relaxed);
        gate.state.fetch_and(!OPEN, SeqCst);
        gate.wait_until_empty();
        gate.busy.store(false, Release);
    }
}
