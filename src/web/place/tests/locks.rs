use super::super::locks::acquire;
use super::*;
use futures::{FutureExt, poll};
use std::pin::pin;
use wasm_bindgen_test::wasm_bindgen_test as test;

/// How many hold a lock, and how many wait for it.
async fn held_and_waiting(name: &str) -> (f64, f64) {
    let count = |which: &str| {
        format!("navigator.locks.query().then((all) => all.{which}.filter((lock) => lock.name === '{name}').length)")
    };
    (awaited(&count("held")).await.as_f64().unwrap(), awaited(&count("pending")).await.as_f64().unwrap())
}

/// A lock that is let go is free a moment later.
async fn until_free(name: &str) {
    while held_and_waiting(name).await != (0.0, 0.0) {}
}

#[test]
async fn one_holds_it_and_the_next_one_waits() {
    let first = acquire("test one").await.unwrap();
    let mut second = pin!(acquire("test one"));
    assert!(poll!(second.as_mut()).is_pending());
    assert_eq!(held_and_waiting("test one").await, (1.0, 1.0));
    drop(first);
    let second = second.await.unwrap();
    assert_eq!(held_and_waiting("test one").await, (1.0, 0.0));
    drop(second);
    until_free("test one").await;
}

#[test]
async fn who_waits_no_more_gets_none() {
    let unheard = Unheard::new();
    let first = acquire("test two").await.unwrap();
    assert!(acquire("test two").now_or_never().is_none());
    assert_eq!(held_and_waiting("test two").await, (1.0, 0.0));
    drop(first);
    // Dropped between the asking and the granting.
    for _ in 0..10 {
        assert!(acquire("test two").now_or_never().is_none());
    }
    drop(acquire("test two").await.unwrap());
    until_free("test two").await;
    assert_eq!(unheard.count().await, 0.0);
}

#[test]
async fn where_there_are_none_it_says_so() {
    for (path, value) in [
        ("navigator.locks", "undefined"),
        ("navigator", "undefined"),
        ("navigator.locks.request", "undefined"),
        ("navigator.locks.request", "() => { throw new DOMException('no locks here', 'SecurityError'); }"),
        ("navigator.locks.request", "async () => { throw new DOMException('no locks here', 'SecurityError'); }"),
        ("navigator.locks.request", "async () => undefined"),
        ("AbortController", "undefined"),
    ] {
        let _stub = Stub::new(path, &js(value));
        let error = acquire("test three").await.unwrap_err();
        assert!(!words(&error).is_empty(), "{path} is {value}");
        if value.contains("no locks here") {
            assert_eq!(words(&error), "no locks here");
        }
    }
}
