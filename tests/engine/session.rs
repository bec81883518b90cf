//! Sessions: stopping, resuming, ends, and the reuse of what has been read.

use crate::common;
use b158::Error;
use b158::kernels;
use b158::model::{KvType, Loaded};
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step, Summary};
use b158::tokenizer::Special;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PROMPT: &str = common::TOLD[0].0;
const STORY: &str = common::TOLD[0].1;

fn stories() -> Arc<Loaded> {
    Arc::new(common::load(common::STORIES, kernels::detect(), 1, usize::MAX))
}

fn session(loaded: &Arc<Loaded>, context: usize) -> Session {
    Session::new(loaded.clone(), SessionOptions { context: Some(context), ..Default::default() }).unwrap()
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), sampler: SamplerOptions::greedy(), ..Default::default() }
}

fn encode(loaded: &Loaded, text: &str) -> Vec<u32> {
    loaded.tokenizer.encode(text, Special::PARSED).unwrap()
}

/// Runs to the end.
fn finish(session: &mut Session) -> (String, Vec<u32>, Summary) {
    let (mut text, mut ids) = (String::new(), Vec::new());
    loop {
        match session.step(Duration::ZERO).unwrap() {
            Step::Prefill { done, total } => assert!(done <= total),
            Step::Pass => panic!("nothing is certain"),
            Step::Token { id, text: piece, logprobs } => {
                assert!(logprobs.is_none(), "nobody asked");
                ids.push(id);
                text += &piece;
            }
            Step::Done(summary) => return (text + &summary.text, ids, summary),
        }
    }
}

#[test]
fn a_prompt_read_before_is_not_read_again() {
    let loaded = stories();
    let mut session = session(&loaded, 256);
    let prompt = encode(&loaded, PROMPT);
    assert_eq!(session.start(&prompt, greedy(20)).unwrap().cached_tokens, 0);
    let (text, ids, _) = finish(&mut session);
    assert!(STORY.starts_with(&text), "{text}");

    // The same prompt: all but its last token is there.
    assert_eq!(session.start(&prompt, greedy(20)).unwrap().cached_tokens, prompt.len() - 1);
    assert_eq!(finish(&mut session).1, ids);

    // A continuation of the conversation keeps prompt and answer but for the last token, which was never fed.
    let longer = [&prompt[..], &ids[..], &encode(&loaded, " Then")[1..]].concat();
    assert_eq!(session.start(&longer, greedy(20)).unwrap().cached_tokens, prompt.len() + ids.len() - 1);
    let (_, with_cache, _) = finish(&mut session);
    session.reset();
    assert_eq!(session.start(&longer, greedy(20)).unwrap().cached_tokens, 0);
    assert_eq!(finish(&mut session).1, with_cache);
}

#[test]
fn every_type_of_the_kv_cache_tells_the_story() {
    let loaded = stories();
    let prompt = encode(&loaded, PROMPT);
    for kv_type in [KvType::F16, KvType::F32, KvType::Q8_0] {
        let options =
            |batch| SessionOptions { context: Some(256), kv_type: Some(kv_type), batch, ..Default::default() };
        let told = [1, 5, 64].map(|batch| {
            let mut session = Session::new(loaded.clone(), options(batch)).unwrap();
            session.start(&prompt, greedy(24)).unwrap();
            finish(&mut session)
        });
        // 8 bits may choose another word where two are as good as each other.
        let sure = if kv_type == KvType::Q8_0 { 20 } else { told[0].0.len() };
        assert_eq!(told[0].0[..sure], STORY[..sure], "{}", kv_type.name());
        assert!(told.iter().all(|(_, ids, _)| *ids == told[0].1), "{}", kv_type.name());
    }
}

#[test]
fn cancelling_anywhere_leaves_a_session_that_answers_as_a_fresh_one() {
    let loaded = stories();
    let prompt = encode(&loaded, &PROMPT.repeat(12));
    let mut fresh = session(&loaded, 256);
    fresh.start(&prompt, greedy(12)).unwrap();
    let (_, expected, _) = finish(&mut fresh);
    let mut session = session(&loaded, 256);
    for steps in 0..60 {
        session.start(&prompt, greedy(12)).unwrap();
        let mut ended = false;
        for _ in 0..steps {
            ended = matches!(session.step(Duration::ZERO).unwrap(), Step::Done(_));
            if ended {
                break;
            }
        }
        if !ended {
            session.cancel();
            let Step::Done(summary) = session.step(Duration::ZERO).unwrap() else { panic!("not cancelled") };
            assert_eq!(summary.finish_reason, FinishReason::Cancelled);
        }
        if steps % 2 == 0 {
            session.reset();
        }
        session.start(&prompt, greedy(12)).unwrap();
        assert_eq!(finish(&mut session).1, expected, "after {steps} steps");
    }
}

#[test]
fn the_end_of_the_context_is_a_reason_to_finish() {
    let loaded = stories();
    let prompt = encode(&loaded, PROMPT);
    let mut session = session(&loaded, prompt.len() + 5);
    session.start(&prompt, GenerateOptions { max_tokens: None, ignore_end: true, ..greedy(0) }).unwrap();
    let (_, ids, summary) = finish(&mut session);
    assert_eq!((ids.len(), summary.finish_reason), (5, FinishReason::Length));
    session.start(&vec![1; prompt.len() + 5], greedy(1)).unwrap();
    assert_eq!(finish(&mut session).2.usage.completion_tokens, 0, "no place is left");
    session.start(&prompt, greedy(3)).unwrap();
    assert_eq!(finish(&mut session).2.usage.completion_tokens, 3);
}

#[test]
fn prompts_that_cannot_be_are_errors_and_change_nothing() {
    let loaded = stories();
    let mut session = session(&loaded, 16);
    assert_eq!(session.start(&[], greedy(1)), Err(Error::EmptyPrompt));
    assert_eq!(session.start(&[0; 17], greedy(1)), Err(Error::PromptTooLong { tokens: 17, context: 16 }));
    assert_eq!(session.start(&[1024], greedy(1)), Err(Error::BadToken { id: 1024, vocabulary: 1024 }));
    let bad = SamplerOptions { temperature: f32::NAN, ..Default::default() };
    let outcome = session.start(&[1], GenerateOptions { sampler: bad, ..Default::default() });
    assert!(matches!(outcome, Err(Error::BadOption { option: "temperature", .. })), "{outcome:?}");
    assert_eq!(session.step(Duration::ZERO), Err(Error::NotStarted));
    session.start(&[1, 2], greedy(2)).unwrap();
    assert_eq!(finish(&mut session).1.len(), 2);
    assert!(Session::new(loaded.clone(), SessionOptions { context: Some(0), ..Default::default() }).is_err());
    assert!(Session::new(loaded, SessionOptions { context: Some(513), ..Default::default() }).is_err());
}

#[test]
fn stop_strings_end_the_text_before_them() {
    let loaded = stories();
    let mut session = session(&loaded, 256);
    let prompt = encode(&loaded, PROMPT);
    // A word from the middle of what it says, which is longer than a token.
    let word = STORY.split_whitespace().skip(5).find(|w| w.len() > 4).unwrap();
    session.start(&prompt, GenerateOptions { stop: vec![word.into(), "zebra".into()], ..greedy(60) }).unwrap();
    let (text, _, summary) = finish(&mut session);
    assert_eq!((text.as_str(), summary.finish_reason), (STORY.split(word).next().unwrap(), FinishReason::Stop));
    // One that never comes withholds nothing for good.
    let never = format!("{}#", &STORY[..9]);
    session.start(&prompt, GenerateOptions { stop: vec![never], ..greedy(60) }).unwrap();
    assert_eq!(finish(&mut session).0, STORY);
}

#[test]
fn end_of_text_ends_and_can_be_ignored() {
    let loaded = stories();
    let end = loaded.tokenizer.eos().unwrap();
    let mut session = session(&loaded, 64);
    let bias = SamplerOptions { logit_bias: vec![(end, 1000.0)], ..SamplerOptions::greedy() };
    let options = GenerateOptions { sampler: bias, max_tokens: Some(3), ..Default::default() };
    session.start(&[1, 2, 3], options.clone()).unwrap();
    let (text, ids, summary) = finish(&mut session);
    assert_eq!((text.as_str(), ids.len(), summary.finish_reason), ("", 0, FinishReason::Stop));
    session.start(&[1, 2, 3], GenerateOptions { ignore_end: true, ..options }).unwrap();
    assert_eq!(finish(&mut session).1, [end; 3]);
}

#[test]
fn the_name_of_a_control_token_stops_at_the_token() {
    let loaded = stories();
    let [eot] = encode(&loaded, "<|eot_id|>")[1..] else { panic!("one token") };
    let mut session = session(&loaded, 64);
    let sampler = SamplerOptions { logit_bias: vec![(eot, 1000.0)], ..SamplerOptions::greedy() };
    let options = GenerateOptions { sampler, ignore_end: true, max_tokens: Some(3), ..Default::default() };
    let mut run = |stop: &[&str], special: bool, ignore_end: bool| {
        let stop = stop.iter().map(|&stop| stop.to_owned()).collect();
        session.start(&[1, 2, 3], GenerateOptions { stop, special, ignore_end, ..options.clone() }).unwrap();
        let (text, ids, summary) = finish(&mut session);
        (text, ids.len(), summary.finish_reason)
    };
    let spelled = "<|eot_id|>".to_owned();
    assert_eq!(run(&["<|eot_id|>"], false, true), (String::new(), 0, FinishReason::Stop));
    assert_eq!(run(&["zebra", "<|eot_id|>"], true, true), (spelled.clone(), 0, FinishReason::Stop));
    assert_eq!(run(&["<|begin_of_text|>", "<|eot_id", ""], false, true), (String::new(), 3, FinishReason::Length));
    assert_eq!(run(&[], true, true), (spelled.repeat(3), 3, FinishReason::Length));
    assert_eq!(run(&[], true, false), (spelled, 0, FinishReason::Stop));
}

#[test]
fn nothing_to_generate_reads_the_prompt() {
    let loaded = stories();
    let prompt = encode(&loaded, PROMPT);
    let mut session = session(&loaded, 256);
    session.start(&prompt, greedy(0)).unwrap();
    let (text, ids, summary) = finish(&mut session);
    assert_eq!((text.as_str(), ids.len(), summary.finish_reason), ("", 0, FinishReason::Length));
    assert_eq!(session.cache().len(), prompt.len());
    assert!(summary.timings.prefill_tokens_per_second > 0.0 && summary.timings.decode_tokens_per_second == 0.0);
    assert_eq!(summary.timings.time_to_first_token_ms, 0.0);
    assert_eq!(session.start(&prompt, greedy(60)).unwrap().cached_tokens, prompt.len() - 1);
    assert_eq!(finish(&mut session).0, STORY);
    // It can be cancelled on the way like any other.
    session.reset();
    session.start(&prompt, greedy(0)).unwrap();
    assert!(matches!(session.step(Duration::ZERO).unwrap(), Step::Prefill { .. }));
    session.cancel();
    assert_eq!(finish(&mut session).2.finish_reason, FinishReason::Cancelled);
}

#[test]
fn trying_numbers_of_threads_changes_no_word() {
    let loaded = Arc::new(common::load(common::STORIES, kernels::detect(), 3, usize::MAX));
    let said = |tune_threads: bool| {
        let options = SessionOptions { context: Some(512), tune_threads, ..Default::default() };
        let mut session = Session::new(loaded.clone(), options).unwrap();
        session.start(&encode(&loaded, PROMPT), GenerateOptions { ignore_end: true, ..greedy(200) }).unwrap();
        let (text, ids, summary) = finish(&mut session);
        (text, ids, summary.timings.decode_threads)
    };
    let threads = loaded.model.compute.pool.threads();
    let (fixed, tuned) = (said(false), said(true));
    assert_eq!((&fixed.0, &fixed.1, fixed.2), (&tuned.0, &tuned.1, threads));
    assert!((1..=threads).contains(&tuned.2), "{}", tuned.2);
}

#[test]
fn a_generation_streams_what_its_steps_say() {
    let loaded = stories();
    let prompt = encode(&loaded, PROMPT);
    let mut session = session(&loaded, 256);
    let mut generation = session.generate(&prompt, greedy(60)).unwrap();
    assert!(generation.summary().is_none());
    let pieces = generation.by_ref().collect::<b158::Result<Vec<_>>>().unwrap();
    assert_eq!(pieces.concat(), STORY);
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| !piece.is_empty()), "{pieces:?}");
    let summary = generation.summary().unwrap();
    assert_eq!((summary.finish_reason, summary.usage.completion_tokens), (FinishReason::Length, 60));
    assert!(generation.next().is_none());
    // What was held back as a possible stop string comes last.
    let stop = GenerateOptions { stop: vec![format!("{STORY} and")], ..greedy(60) };
    assert_eq!(session.generate(&prompt, stop).unwrap().collect::<b158::Result<Vec<_>>>().unwrap(), [STORY]);
    // One that is dropped in the middle leaves the session as it was to the next.
    assert!(session.generate(&prompt, greedy(60)).unwrap().next().is_some());
    assert_eq!(session.generate(&prompt, greedy(60)).unwrap().collect::<b158::Result<String>>().unwrap(), STORY);
    assert!(matches!(session.generate(&[], greedy(1)), Err(Error::EmptyPrompt)));
}
