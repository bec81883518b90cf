//! A text as one vector: whatever the chunks and threads, and whatever the session has done before.

use crate::common::parts::Parts;
use crate::common::*;
use b158::Error;
use b158::gguf::Value;
use b158::kernels;
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn session(file: &[u8], threads: usize, batch: usize) -> Session {
    let loaded = Arc::new(load(file, kernels::detect(), threads, usize::MAX));
    Session::new(loaded, SessionOptions { batch, ..Default::default() }).unwrap()
}

fn bits(embedding: &[f32]) -> Vec<u32> {
    embedding.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn neither_passes_nor_threads_nor_what_went_before_change_a_bit() {
    let mut first = session(NORMS_IN, 1, 64);
    let text = ids(first.loaded().model.config.vocabulary, 40);
    let expected = first.embed(&text).unwrap();
    let length = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    for threads in thread_counts() {
        for batch in [1, 7, 64] {
            let mut session = session(NORMS_IN, *threads, batch);
            assert_eq!(bits(&session.embed(&text).unwrap()), bits(&expected), "{threads} threads, {batch} a pass");
            // A beginning of the text is in the cache, then all of it.
            session.embed(&text[..20]).unwrap();
            assert_eq!(bits(&session.embed(&text).unwrap()), bits(&expected));
            assert_eq!(bits(&session.embed(&text).unwrap()), bits(&expected));
        }
    }
}

/// As a caller does that looks up between steps.
#[test]
fn a_text_may_be_read_step_by_step() {
    let mut whole = session(NORMS_IN, 1, 8);
    let text = ids(whole.loaded().model.config.vocabulary, 40);
    let expected = whole.embed(&text).unwrap();
    let mut session = session(NORMS_IN, 1, 8);
    assert_eq!(session.embedding(), Err(Error::NotStarted));
    session.start(&text, GenerateOptions { max_tokens: Some(0), ..Default::default() }).unwrap();
    assert_eq!(session.embedding(), Err(Error::NotStarted));
    let mut steps = 0;
    while !matches!(session.step(Duration::ZERO).unwrap(), Step::Done(_)) {
        steps += 1;
        assert!(session.embedding().is_err() || steps >= 9, "after {steps} steps");
    }
    assert!(steps >= 9, "{steps}: two layers, five passes, of which the last step is the end");
    assert_eq!(bits(&session.embedding().unwrap()), bits(&expected));
    session.reset();
    assert_eq!(session.embedding(), Err(Error::NotStarted));
    session.restore(&whole.save().unwrap()).unwrap();
    assert_eq!(session.embedding(), Err(Error::NotStarted));
    assert_eq!(session.embed(&[]), Err(Error::EmptyPrompt));
}

#[test]
fn other_vectors_than_the_last_tokens_are_refused() {
    let mut parts = Parts::of(NORMS_IN);
    for (pooling, name) in
        [(1, Some("the mean of all tokens")), (2, Some("the first token")), (4, Some("a score")), (0, None)]
    {
        parts.metadata.insert("qwen3.pooling_type", Value::U32(pooling));
        let found = session(&parts.file(), 1, 64).embed(&[1, 2, 3]);
        match name {
            Some(pooling) => assert_eq!(found, Err(Error::UnsupportedPooling { pooling })),
            None => assert_eq!(found.unwrap().len(), 256),
        }
    }
}

/// Two lists of factors that differ: which of them turned a saved text's keys is told by its context.
#[test]
fn a_text_of_a_long_context_is_not_taken_into_a_short_one() {
    let mut parts = Parts::of(LONGROPE);
    parts.metadata.insert("minicpm.rope.scaling.original_context_length", Value::U32(64));
    let session = |file: &[u8], context| {
        let loaded = Arc::new(load(file, kernels::detect(), 1, usize::MAX));
        Session::new(loaded, SessionOptions { context: Some(context), ..Default::default() }).unwrap()
    };
    let text = [1, 2, 3, 4, 5];
    // One list twice is no difference.
    let same = parts.file();
    let (mut short, mut long) = (session(&same, 64), session(&same, 65));
    assert_eq!(bits(&short.embed(&text).unwrap()), bits(&long.embed(&text).unwrap()));
    short.restore(&long.save().unwrap()).unwrap();

    for bytes in parts.tensor("rope_factors_long.weight").1.as_chunks_mut::<4>().0 {
        *bytes = (2.0 * f32::from_le_bytes(*bytes)).to_le_bytes();
    }
    let differ = parts.file();
    let (mut short, mut long) = (session(&differ, 64), session(&differ, 65));
    assert_ne!(bits(&short.embed(&text).unwrap()), bits(&long.embed(&text).unwrap()));
    let saved = long.save().unwrap();
    let refused = short.restore(&saved);
    assert!(matches!(refused, Err(Error::ForeignSession { offset: 40, .. })), "{refused:?}");
    session(&differ, 512).restore(&saved).unwrap();
}
