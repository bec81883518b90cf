//! The gate of src/threads, the file itself, in every order of events that loom finds within its bounds. With --cfg loom
//! alone: `./build.sh test native`.
#![cfg(test)]
#![allow(dead_code)]

#[path = "../../src/threads/gate.rs"]
mod gate;
#[path = "../../src/threads/sync.rs"]
mod sync;

use gate::Gate;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Runs `body` with a gate and `workers` that live until it returns, in every order with at most three preemptions, of two
/// workers with two: there are far more orders.
fn model(workers: usize, body: impl Fn(&Gate) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(if workers > 1 { 2 } else { 3 });
    builder.check(move || {
        let gate = Arc::new(Gate::new());
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let gate = gate.clone();
                loom::thread::spawn(move || gate.work())
            })
            .collect();
        body(&gate);
        gate.quit();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// Runs a job whose tasks write without a lock what the caller reads afterwards: loom sees a race between them.
fn run(gate: &Gate, tasks: usize) {
    let done: Vec<_> = (0..tasks).map(|_| loom::cell::UnsafeCell::new(0)).collect();
    // SAFETY: each task has a cell of its own.
    let shared = Cells(&done);
    gate.run(tasks, &|i| shared.get(i).with_mut(|cell| unsafe { *cell += i + 1 }));
    // SAFETY: the job is over. loom checks both.
    done.iter().enumerate().for_each(|(i, cell)| cell.with(|cell| assert_eq!(unsafe { *cell }, i + 1)));
}

struct Cells<'a>(&'a [loom::cell::UnsafeCell<usize>]);
// SAFETY: no two tasks touch one cell.
unsafe impl Sync for Cells<'_> {}

impl Cells<'_> {
    fn get(&self, i: usize) -> &loom::cell::UnsafeCell<usize> {
        &self.0[i]
    }
}

#[test]
fn a_job_is_done_when_run_returns() {
    model(1, |gate| run(gate, 2));
    model(2, |gate| run(gate, 2));
}

#[test]
fn a_worker_is_never_in_the_job_before() {
    model(1, |gate| {
        run(gate, 2);
        run(gate, 3);
    });
}

#[test]
fn a_limit_holds_while_a_worker_waits() {
    model(1, |gate| {
        gate.limit(0, 1);
        run(gate, 2);
        gate.limit(1, 1);
        run(gate, 2);
    });
}

#[test]
fn a_second_caller_runs_its_tasks_by_itself() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        let other = {
            let gate = gate.clone();
            loom::thread::spawn(move || run(&gate, 2))
        };
        run(&gate, 2);
        other.join().unwrap();
    });
}

#[test]
fn workers_go_home_without_a_job() {
    model(2, |_| ());
}

#[test]
fn a_task_that_panics_reaches_the_caller_with_nobody_inside() {
    model(1, |gate| {
        let calls = AtomicUsize::new(0);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            gate.run(2, &|i| {
                calls.fetch_add(1, Relaxed);
                // Without the hook's message, which would come a thousand times.
                if i == 1 {
                    std::panic::resume_unwind(Box::new(()));
                }
            });
        }));
        assert!(outcome.is_err());
        run(gate, 2);
    });
}
