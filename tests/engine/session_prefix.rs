//! What a session takes over from another one is what it would have computed.

use crate::common::*;
use b158::kernels;
use b158::model::{KvType, Loaded};
use b158::session::{GenerateOptions, Session, SessionOptions, Step, Usage};
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KINDS: [KvType; 3] = [KvType::F16, KvType::F32, KvType::Q8_0];

fn stories() -> Arc<Loaded> {
    Arc::new(load(STORIES, kernels::detect(), 1, usize::MAX))
}

fn session(loaded: &Arc<Loaded>, kv_type: KvType, context: usize) -> Session {
    let options = SessionOptions { kv_type: Some(kv_type), context: Some(context), ..Default::default() };
    Session::new(Arc::clone(loaded), options).unwrap()
}

fn options() -> GenerateOptions {
    GenerateOptions { max_tokens: Some(8), logprobs: true, ignore_end: true, ..Default::default() }
}

/// Ids and the bits of their log-probabilities, which any bit of a key or value would change.
fn rest(session: &mut Session) -> (Vec<(u32, u64)>, Usage) {
    let mut told = Vec::new();
    loop {
        match session.step(Duration::MAX).unwrap() {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, logprobs, .. } => told.push((id, logprobs.unwrap().entropy.to_bits())),
            Step::Done(summary) => return (told, summary.usage),
        }
    }
}

#[test]
fn what_is_taken_is_what_would_be_computed() {
    let loaded = stories();
    let text = ids(loaded.model.config.vocabulary, 320);
    for kind in KINDS {
        // Of a page, of its end and its beginning, and of several.
        for shared in [1, 5, 255, 256, 257, 300] {
            let mut prompt = text[..shared].to_vec();
            prompt.extend([7, 8, 9]);
            let mut alone = session(&loaded, kind, 400);
            alone.start(&prompt, options()).unwrap();
            let (told, usage) = rest(&mut alone);

            let mut other = session(&loaded, kind, 400);
            other.start(&text, options()).unwrap();
            let others = rest(&mut other);
            let mut taking = session(&loaded, kind, 400);
            taking.start(&prompt, options()).unwrap();
            assert_eq!(taking.read_from(&other), Ok(shared));
            assert_eq!(taking.tokens(), &text[..shared]);
            assert_eq!(taking.read_from(&other), Ok(0));
            let (told_so, usage_so) = rest(&mut taking);
            assert_eq!(told_so, told, "{kind:?} {shared}");
            assert_eq!(usage_so, Usage { cached_tokens: shared, ..usage });
            // The other one is as it was.
            other.start(&text, options()).unwrap();
            assert_eq!(rest(&mut other).0, others.0);
        }
    }
}

#[test]
fn more_can_be_taken_later_and_in_the_middle_of_a_pass() {
    let loaded = stories();
    let text = ids(loaded.model.config.vocabulary, 300);
    let mut alone = session(&loaded, KvType::F16, 400);
    alone.start(&text, options()).unwrap();
    let (told, _) = rest(&mut alone);
    let mut other = session(&loaded, KvType::F16, 400);
    other.start(&text, options()).unwrap();
    let mut taking = session(&loaded, KvType::F16, 400);
    taking.start(&text, options()).unwrap();
    let mut taken = 0;
    while other.tokens().len() < text.len() {
        other.step(Duration::MAX).unwrap();
        // A layer of a pass of its own, which is dropped.
        taking.step(Duration::ZERO).unwrap();
        taken += taking.read_from(&other).unwrap();
    }
    // The last token is computed in any case.
    assert_eq!(taking.tokens().len(), text.len() - 1);
    let (told_so, usage) = rest(&mut taking);
    assert_eq!((told_so, usage.cached_tokens), (told, taken));
}

#[test]
fn nothing_is_taken_of_another_text_or_kind() {
    let loaded = stories();
    let text = ids(loaded.model.config.vocabulary, 40);
    let mut other = session(&loaded, KvType::F16, 400);
    other.start(&text, options()).unwrap();
    rest(&mut other);
    let started = |loaded: &Arc<Loaded>, kind, context, prompt: &[u32]| {
        let mut session = session(loaded, kind, context);
        session.start(prompt, options()).unwrap();
        session
    };
    assert_eq!(started(&loaded, KvType::F16, 400, &text[1..]).read_from(&other), Ok(0));
    assert_eq!(started(&loaded, KvType::F32, 400, &text).read_from(&other), Ok(0));
    assert_eq!(started(&loaded, KvType::F16, 401, &text).read_from(&other), Ok(0));
    assert_eq!(started(&stories(), KvType::F16, 400, &text).read_from(&other), Ok(0));
    // Without a generation, and in the middle of an answer.
    assert_eq!(session(&loaded, KvType::F16, 400).read_from(&other), Ok(0));
    let mut answering = started(&loaded, KvType::F16, 400, &text[..4]);
    while !matches!(answering.step(Duration::MAX).unwrap(), Step::Token { .. }) {}
    assert_eq!(answering.read_from(&other), Ok(0));
}

#[test]
fn what_is_not_needed_is_given_back() {
    let loaded = stories();
    let text = ids(loaded.model.config.vocabulary, 300);
    let mut session = session(&loaded, KvType::F16, 400);
    session.start(&text, options()).unwrap();
    rest(&mut session);
    let full = session.cache().bytes();
    session.start(&text[..20], options()).unwrap();
    assert_eq!(session.cache().bytes(), full);
    session.shrink();
    assert_eq!((session.tokens(), session.cache().bytes()), (&text[..19], session.cache().bytes_for(19)));
    assert!(session.cache().bytes() < full);
    // It is used as any other.
    session.start(&text, options()).unwrap();
    assert_eq!(rest(&mut session).1.cached_tokens, 19);
    assert_eq!(session.cache().bytes(), full);
}
