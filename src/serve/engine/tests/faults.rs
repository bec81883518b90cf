//! What fails in the engine's thread.

use super::super::prepare::caught;
use super::*;

#[test]
fn a_panic_ends_what_is_under_way_and_nothing_else() {
    let engine = engine(LIMITS);
    for _ in 0..3 {
        let held = Held::new(&engine);
        let panics = submit_odd(&engine, Odd::Panics);
        for told in [all(held.release()), all(panics)] {
            let failure = told.failed.unwrap();
            // What a panic says may be another's text.
            assert_eq!(failure, Failure::fault());
            assert!(!failure.to_string().contains("secret"));
        }
        let told = all(engine.submit(story("Tom and his dog went to the park.", 20)).unwrap());
        assert_eq!(told.usage().completion_tokens, 20);
    }
    let stats = engine.stats();
    assert_eq!((stats.done, stats.failed, stats.running), (3, 6, 0));
}

#[test]
fn a_panic_while_a_job_begins_is_its_own() {
    let engine = engine(Limits { parallel: 2, queue: 0, ..LIMITS });
    for _ in 0..3 {
        let told = all(submit_odd(&engine, Odd::PanicsAtOnce));
        assert_eq!((told.begun, told.failed), (false, Some(Failure::fault())));
        let told = all(engine.submit(story("Tom", 3)).unwrap());
        assert!(told.end.is_some());
    }
    block_on(engine.drain());
    assert_eq!((engine.stats().running, engine.stats().failed), (0, 3));
}

#[test]
fn a_panic_while_a_job_is_prepared_is_a_failure() {
    let failed = caught::<()>(|| panic!("no {}", "template"));
    assert_eq!(failed, Err(Failure::fault()));
}

#[test]
fn no_memory_is_a_failure_of_one_job() {
    let engine = engine(LIMITS);
    let held = Held::new(&engine);
    let no_memory = submit_odd(&engine, Odd::HasNoMemory);
    let (beside, failed) = (held.release(), all(no_memory));
    assert!(matches!(failed.failed, Some(Failure::Error(b158::Error::OutOfMemory { .. }))), "{failed:?}");
    assert!(all(beside).end.is_some());
}

#[test]
fn nobody_computes_with_the_lock() {
    let engine = engine(LIMITS);
    let held = Held::new(&engine);
    // The engine's thread is in the middle of a step.
    assert_eq!(engine.stats().running, 1);
    let other = engine.submit(story("Tom", 3)).unwrap();
    let refused = all(engine.submit(super::job(Prompt::Ids(vec![]), 3)).unwrap());
    assert!(refused.failed.is_some());
    assert!(all(held.release()).end.is_some() && all(other).end.is_some());
}
