use super::Pool;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn every_task_runs_once_on_any_number_of_threads() {
    for threads in [0, 1, 2, 3, 8] {
        let pool = Pool::new(threads);
        for tasks in [0, 1, 2, 7, 1000] {
            let calls: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            pool.run(tasks, &|i| {
                calls[i].fetch_add(1, Relaxed);
            });
            assert!(calls.iter().all(|c| c.load(Relaxed) == 1), "{threads} threads, {tasks} tasks");
        }
    }
}

#[test]
fn many_short_jobs_lose_no_task() {
    let pool = Pool::new(3);
    let total = AtomicUsize::new(0);
    for round in 0..20_000 {
        pool.run(round % 5, &|_| {
            total.fetch_add(1, Relaxed);
        });
    }
    assert_eq!(total.load(Relaxed), 40_000);
}

#[test]
fn sleeping_workers_wake() {
    let pool = Pool::new(2);
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(5));
        let total = AtomicUsize::new(0);
        pool.run(64, &|_| {
            total.fetch_add(1, Relaxed);
        });
        assert_eq!(total.load(Relaxed), 64);
    }
}

#[test]
fn the_caller_sleeps_until_a_slow_worker_has_left() {
    let pool = Pool::new(3);
    let caller = std::thread::current().id();
    let total = AtomicUsize::new(0);
    for _ in 0..5 {
        pool.run(6, &|_| {
            // Far longer than anybody spins or yields.
            let ms = if std::thread::current().id() == caller { 1 } else { 40 };
            std::thread::sleep(std::time::Duration::from_millis(ms));
            total.fetch_add(1, Relaxed);
        });
    }
    assert_eq!(total.load(Relaxed), 30);
}

/// What a pool uses may change at any time; no task is lost, and none runs on more threads than wanted.
#[test]
fn a_pool_uses_as_many_threads_as_it_is_told() {
    let pool = Pool::new(4);
    assert_eq!((pool.threads(), pool.active()), (4, 4));
    for (round, wanted) in [1, 4, 2, 3, 1, 2, 0, 9, 4].into_iter().cycle().take(300).enumerate() {
        pool.set_active(wanted);
        let wanted = wanted.clamp(1, 4);
        assert_eq!(pool.active(), wanted);
        let (total, ids) = (AtomicUsize::new(0), std::sync::Mutex::new(std::collections::HashSet::new()));
        pool.run(40, &|_| {
            ids.lock().unwrap().insert(std::thread::current().id());
            total.fetch_add(1, Relaxed);
            if round % 8 == 0 {
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
        });
        assert_eq!(total.load(Relaxed), 40);
        let used = ids.into_inner().unwrap().len();
        assert!(used <= wanted, "{used} threads for {wanted}");
    }
}

#[test]
fn chunks_and_columns_cover_the_slice_once() {
    let pool = Pool::new(4);
    let mut data = vec![0u32; 1003];
    pool.chunks(&mut data, 10, |i, part| part.iter_mut().for_each(|x| *x += 1 + i as u32));
    assert!(data.iter().enumerate().all(|(i, x)| *x == 1 + i as u32 / 10));

    let mut matrix = vec![0usize; 7 * 45];
    pool.columns(&mut matrix, 45, 8, |part| {
        let range = part.range();
        for row in 0..7 {
            for (column, x) in range.clone().zip(part.row(row)) {
                *x += row * 45 + column + 1;
            }
        }
    });
    assert!(matrix.iter().enumerate().all(|(i, x)| *x == i + 1));
}

#[test]
fn a_call_inside_a_task_runs_by_itself() {
    let pool = Pool::new(2);
    let total = AtomicUsize::new(0);
    pool.run(4, &|_| {
        pool.run(5, &|_| {
            total.fetch_add(1, Relaxed);
        });
    });
    assert_eq!(total.load(Relaxed), 20);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let pool = Pool::new(2);
    for bad in 0..8 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(8, &|i| assert!(i != bad, "expected by the test"));
        }));
        assert!(outcome.is_err());
    }
    let total = AtomicUsize::new(0);
    pool.run(8, &|_| {
        total.fetch_add(1, Relaxed);
    });
    assert_eq!(total.load(Relaxed), 8);
}
