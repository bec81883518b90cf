//! Operating-system threads around one gate.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How often a waiting thread looks at the gate before it sleeps or yields: some tens of microseconds.
const SPINS: u32 = 2_000;
/// Gate bit: a job is open and may be joined.
const OPEN: u64 = 1 << 63;
/// Gate bit: the pool is being dropped.
const QUIT: u64 = 1 << 62;
/// Gate bits: how many workers are inside the job. The bits between count the jobs.
const INSIDE: u64 = 0xffff;
const JOB: u64 = 1 << 16;

type Task = dyn Fn(usize) + Sync;

struct Job {
    task: *const Task,
    tasks: usize,
}

struct Shared {
    gate: AtomicU64,
    job: UnsafeCell<Job>,
    next: AtomicUsize,
    panicked: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only by the one thread that holds `Pool::busy`, while the gate is closed and nobody is
// inside; it is read only by threads that entered through the open gate. The gate's SeqCst operations order the two.
unsafe impl Sync for Shared {}
// SAFETY: the task pointer inside is only dereferenced between the opening and the emptying of the gate, during
// which `Pool::run` keeps the closure borrowed; the closure is Sync.
unsafe impl Send for Shared {}

/// A fixed set of threads that run [`tasks`](Pool::run) together with the calling one.
pub struct Pool {
    shared: Arc<Shared>,
    busy: AtomicBool,
    workers: Vec<JoinHandle<()>>,
    note: Option<String>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).field("note", &self.note).finish()
    }
}

impl Default for Pool {
    /// A pool of the calling thread alone.
    fn default() -> Self {
        Pool::new(1)
    }
}

impl Pool {
    /// `threads` in all, the calling one among them. Where the system gives fewer, the pool works with those and
    /// [`note`](Self::note) says why.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(Job { task: &|_| (), tasks: 0 }),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Pool { shared, busy: AtomicBool::new(false), workers: Vec::new(), note: None };
        // 1024 is far below what the gate can count and above any processor this runs on.
        for i in 1..threads.clamp(1, 1024) {
            let shared = Arc::clone(&pool.shared);
            match std::thread::Builder::new().name(format!("b158-{i}")).spawn(move || shared.work()) {
                Ok(handle) => pool.workers.push(handle),
                Err(e) => {
                    pool.note = Some(format!("{} threads instead of {threads}: {e}", pool.workers.len() + 1));
                    break;
                }
            }
        }
        pool
    }

    /// How many threads take part, the calling one included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Why there are fewer threads than asked for.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Calls `task` with each of `0..tasks` once, on any thread, and returns when all calls have. A second caller
    /// at the same time runs its tasks by itself. A panic in a task reaches the caller.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || tasks < 2 || self.busy.swap(true, Acquire) {
            return (0..tasks).for_each(task);
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime is erased. The pointer is used by this thread and by workers inside the gate, and
        // `Close` empties the gate before this function returns or unwinds, while `task` is still borrowed.
        let task = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(task) };
        // SAFETY: `busy` was free, so this thread alone may open the gate; the gate is closed and empty (`Close` of the
        // run before), so nobody reads `job`.
        unsafe { *shared.job.get() = Job { task, tasks } };
        shared.next.store(0, Relaxed);
        let closing = Close { pool: self };
        shared.gate.fetch_add(JOB | OPEN, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            drop(shared.lock.lock().unwrap_or_else(PoisonError::into_inner));
            shared.wake.notify_all();
        }
        shared.claim();
        drop(closing);
        if shared.panicked.swap(false, Relaxed) {
            panic!("a task of the thread pool panicked");
        }
    }
}

/// Closes the gate and waits until it is empty, also when the caller's own task unwinds.
struct Close<'a> {
    pool: &'a Pool,
}

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let shared = &*self.pool.shared;
        // Nobody claims further tasks of a job whose caller has finished or panicked.
        shared.next.store(usize::MAX / 2, Relaxed);
        shared.gate.fetch_and(!OPEN, SeqCst);
        let mut spins = 0;
        while shared.gate.load(SeqCst) & INSIDE != 0 {
            if spins < SPINS {
                spins += 1;
                spin_loop();
            } else {
                // More threads than processors: let the one we wait for run.
                std::thread::yield_now();
            }
        }
        self.pool.busy.store(false, Release);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.gate.fetch_or(QUIT, SeqCst);
        drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Takes tasks until none are left.
    fn claim(&self) {
        // SAFETY: the caller opened the gate or entered through it, so `job` is not written until it leaves, and the
        // closure behind the pointer is borrowed by `Pool::run` until the gate is empty.
        let (task, tasks) = unsafe {
            let job = &*self.job.get();
            (&*job.task, job.tasks)
        };
        loop {
            let i = self.next.fetch_add(1, Relaxed);
            if i >= tasks {
                break;
            }
            task(i);
        }
    }

    /// A worker's life.
    fn work(&self) {
        let mut done = 0;
        while let Some(gate) = self.wait(done) {
            if self.gate.compare_exchange(gate, gate + 1, SeqCst, SeqCst).is_err() {
                continue;
            }
            done = gate & !INSIDE;
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.claim()));
            if outcome.is_err() {
                self.panicked.store(true, Relaxed);
            }
            self.gate.fetch_sub(1, SeqCst);
        }
    }

    /// Waits for an open gate other than the job `done`; `None` when the pool ends.
    fn wait(&self, done: u64) -> Option<u64> {
        let ready = |gate: u64| gate & OPEN != 0 && gate & !INSIDE != done;
        for _ in 0..SPINS {
            let gate = self.gate.load(SeqCst);
            if gate & QUIT != 0 {
                return None;
            }
            if ready(gate) {
                return Some(gate);
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, SeqCst);
        let gate = loop {
            let gate = self.gate.load(SeqCst);
            if gate & QUIT != 0 || ready(gate) {
                break gate;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, SeqCst);
        (gate & QUIT == 0).then_some(gate)
    }
}
