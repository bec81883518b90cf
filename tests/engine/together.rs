//! Sessions that work together: each has the bits that it would have alone, whoever comes, goes or fails beside it.

mod talks;

use crate::common::parts::Parts;
use crate::common::{self, *};
use crate::constrained::toy::{Always, TEXTS, drawn, encode, greedy};
use b158::Error;
use b158::constraint::Next;
use b158::kernels;
use b158::model::{KvType, Loaded};
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step, Together, TogetherOptions};
use std::sync::Arc;
use std::time::Duration;
use talks::{Asked, Heard, all_at_once, alone, begun, step};

fn stories(threads: usize) -> Arc<Loaded> {
    Arc::new(common::load(STORIES, kernels::detect(), threads, usize::MAX))
}

fn together(loaded: &Arc<Loaded>, batch: usize) -> Together {
    Together::new(loaded.clone(), TogetherOptions { batch, ..Default::default() }).unwrap()
}

/// Talks of the story model that have as little as possible in common: prompts, past the first page too, types of the cache, contexts,
/// samplers, stops, forms.
fn mixed(loaded: &Loaded) -> Vec<Asked> {
    let prompt = |i: usize| encode(loaded, TOLD[i % TOLD.len()].0);
    let limit = |options: GenerateOptions, n: usize| GenerateOptions { max_tokens: Some(n), ..options };
    let stop = |word: &str| GenerateOptions { stop: vec![word.to_owned()], logprobs: true, ..greedy() };
    let plain = |i: usize, kv_type: KvType, options: GenerateOptions| Asked {
        prompt: prompt(i),
        options,
        kv_type,
        context: 128 + 16 * i,
        form: None,
    };
    let long: Vec<u32> = (0..8).flat_map(prompt).cycle().take(300).collect();
    let whole = encode(loaded, &(TOLD[0].0.to_owned() + TOLD[0].1));
    vec![
        plain(0, KvType::F16, limit(drawn(1), 20)),
        Asked { form: Some((TEXTS, 0)), ..plain(1, KvType::Q8_0, drawn(2)) },
        Asked { prompt: long, context: 512, ..plain(2, KvType::F32, limit(drawn(3), 7)) },
        plain(3, KvType::F16, stop("ball")),
        Asked { form: Some((TEXTS, 5)), ..plain(4, KvType::F32, limit(drawn(5), 30)) },
        plain(5, KvType::Q8_0, GenerateOptions { ignore_end: true, ..limit(stop("zebra"), 25) }),
        Asked { context: whole.len() + 3, prompt: whole, ..plain(6, KvType::F16, drawn(7)) },
        plain(7, KvType::F16, limit(greedy(), 0)),
    ]
}

#[test]
fn each_has_the_bits_that_it_would_have_alone() {
    let mut expected: Vec<Heard> = Vec::new();
    for backend in backends() {
        for &threads in thread_counts() {
            let loaded = Arc::new(common::load(STORIES, backend, threads, usize::MAX));
            let asked = mixed(&loaded);
            if expected.is_empty() {
                expected = asked.iter().map(|asked| alone(&loaded, asked)).collect();
                let tokens: Vec<usize> = expected.iter().map(|heard| heard.ids.len()).collect();
                assert!(tokens[..6].iter().all(|n| *n > 5) && tokens[6..] == [3, 0], "{tokens:?}");
                assert!(expected.iter().all(|heard| matches!(heard.end, Some(Ok(_)))));
            }
            // In batches of 3 they take turns.
            let full: &[(usize, Duration)] =
                &[(64, Duration::MAX), (64, Duration::ZERO), (17, Duration::ZERO), (3, Duration::MAX)];
            for &(batch, budget) in sizes(full, &[(64, Duration::ZERO), (3, Duration::MAX)]) {
                let mut together = together(&loaded, batch);
                for &n in sizes(&[1, 2, 3, 4, 5, 6, 7, 8], &[1, 3, 8]) {
                    let found = all_at_once(&mut together, &asked[..n], budget);
                    assert_eq!(found, expected[..n], "{n} on {} × {threads} by {batch}", backend.name());
                }
                let reversed: Vec<Asked> = asked.iter().rev().cloned().collect();
                let found = all_at_once(&mut together, &reversed, budget);
                assert!(found.iter().rev().eq(&expected), "{} × {threads} by {batch}", backend.name());
            }
        }
    }
}

/// Every graph and kind of head: their texts are no text, the numbers count.
#[test]
fn every_architecture_has_the_same_bits_together() {
    for (name, file) in [
        ("A", A),
        ("C", C),
        ("llama", LLAMA),
        ("qwen3", QWEN3),
        ("minicpm", MINICPM),
        ("longrope", LONGROPE),
        ("norms-in", NORMS_IN),
        ("Q1_0", Q1),
        ("Q2_0", Q2),
        ("PTQ1_0", PTQ1),
    ] {
        for backend in backends() {
            let loaded = Arc::new(common::load(file, backend, 1, usize::MAX));
            let config = &loaded.model.config;
            let ids = ids(config.vocabulary, 40);
            // Of longrope some contexts are short and others long.
            let asked: Vec<Asked> = [(5, KvType::F16), (17, KvType::Q8_0), (1, KvType::F32), (40, KvType::F16)]
                .into_iter()
                .enumerate()
                .map(|(i, (n, kv_type))| Asked {
                    prompt: ids[..n].to_vec(),
                    options: GenerateOptions { max_tokens: Some(4), ignore_end: true, ..drawn(i as u64) },
                    kv_type,
                    context: if i % 2 == 0 { config.context_length.min(48) } else { config.context_length },
                    form: None,
                })
                .collect();
            let expected: Vec<Heard> = asked.iter().map(|asked| alone(&loaded, asked)).collect();
            let found = all_at_once(&mut together(&loaded, 64), &asked, Duration::MAX);
            assert_eq!(found, expected, "{name} {}", backend.name());
            assert!(found.iter().all(|heard| heard.ids.len() == 4 && heard.logprobs.len() == 4));
        }
    }
}

/// Talks come, go, are cancelled, left out of a step and begun anew, at any moment.
#[test]
fn whoever_comes_and_goes_changes_no_bit_of_the_others() {
    let loaded = stories(*thread_counts().last().unwrap());
    let asked = mixed(&loaded);
    let expected: Vec<Heard> = asked.iter().map(|asked| alone(&loaded, asked)).collect();
    for seed in 0..*sizes(&[40], &[4]).first().unwrap() {
        let mut state = seed as u32 * 77 + 1;
        let mut random = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let mut together = together(&loaded, [64, 24, 5][random(3)]);
        let mut talks: Vec<Talk> = Vec::new();
        let mut whole = 0;
        for round in 0.. {
            // At last all come to their end.
            let is_over = round >= 200;
            if is_over && talks.is_empty() {
                break;
            }
            if !is_over && talks.len() < 6 && random(3) == 0 {
                let which = random(asked.len());
                let (session, heard) = begun(&together, &asked[which]);
                talks.push(Talk { which, session, heard });
            }
            if !is_over && !talks.is_empty() && random(12) == 0 {
                let at = random(talks.len());
                match random(3) {
                    0 => drop(talks.remove(at)),
                    1 => talks[at].session.cancel(),
                    _ => {
                        // The same session begins anew: nothing is left of a pass that it may be in.
                        let Talk { which, session, heard } = &mut talks[at];
                        session.reset();
                        asked[*which].start(session);
                        *heard = Heard::default();
                    }
                }
            }
            let left_out = random(20);
            let present: Vec<usize> = (0..talks.len()).filter(|i| is_over || *i != left_out).collect();
            let rest = talks.iter_mut().enumerate().filter(|(i, _)| present.contains(i));
            let mut sessions: Vec<&mut Session> = rest.map(|(_, talk)| &mut talk.session).collect();
            let budget = if is_over || random(2) == 0 { Duration::MAX } else { Duration::ZERO };
            let steps = together.step(&mut sessions, budget);
            for (i, step) in present.iter().zip(steps) {
                talks[*i].heard.hear(step);
            }
            talks.retain(|Talk { which, heard, .. }| {
                if heard.end.is_none() {
                    return true;
                }
                let theirs = &expected[*which];
                if matches!(heard.end, Some(Ok((FinishReason::Cancelled, _)))) {
                    assert_eq!(heard.ids, theirs.ids[..heard.ids.len()], "seed {seed}");
                    assert_eq!(heard.logprobs, theirs.logprobs[..heard.logprobs.len()], "seed {seed}");
                } else {
                    assert_eq!(heard, theirs, "seed {seed}");
                    whole += 1;
                }
                false
            });
        }
        assert!(whole > 3, "{whole} of seed {seed}");
    }
}

struct Talk {
    which: usize,
    session: Session,
    heard: Heard,
}

/// The story model with a token whose row overflows.
fn with_a_bad_token() -> Vec<u8> {
    let mut parts = Parts::of(STORIES);
    let (info, bytes) = parts.tensor("token_embd.weight");
    let wide = bytes.as_chunks().0.iter().map(|half| half::f16::from_le_bytes(*half).to_f32());
    let mut wide: Vec<f32> = wide.collect();
    let cols = info.dims[0] as usize;
    let dims = info.dims.clone();
    wide[BAD as usize * cols..][..cols].fill(1e30);
    parts.tensors.retain(|(info, _)| info.name != "token_embd.weight");
    parts.add("token_embd.weight", &dims, &wide);
    // Its logits would be infinite too.
    wide[BAD as usize * cols..][..cols].fill(0.0);
    parts.add("output.weight", &dims, &wide);
    parts.file()
}

const BAD: u32 = 700;

#[test]
fn one_that_fails_fails_alone() {
    let file = with_a_bad_token();
    for backend in backends() {
        for &threads in thread_counts() {
            let loaded = Arc::new(common::load(&file, backend, threads, usize::MAX));
            let good: Vec<Asked> =
                mixed(&loaded).into_iter().filter(|asked| asked.prompt.len() < 100).take(3).collect();
            let expected: Vec<Heard> = good.iter().map(|asked| alone(&loaded, asked)).collect();
            // In its prompt, and as the token that it chooses.
            let mut sampled = Asked { prompt: vec![1, 2, 3], form: None, ..good[0].clone() };
            sampled.options.sampler.logit_bias = vec![(BAD, 1e9)];
            let asked = |prompt: &[u32]| Asked { prompt: prompt.to_vec(), form: None, ..good[0].clone() };
            for bad in [asked(&[BAD]), asked(&[1, 2, 3, BAD, 4]), sampled] {
                let failed = alone(&loaded, &bad);
                assert!(matches!(failed.end, Some(Err(Error::NotFinite { layer: None, .. }))), "{failed:?}");
                for &at in sizes(&[0, 1, 2, 3], &[0, 2]) {
                    let mut all = good.clone();
                    all.insert(at, bad.clone());
                    let mut found = all_at_once(&mut together(&loaded, 64), &all, Duration::ZERO);
                    assert_eq!(found.remove(at), failed, "{}", backend.name());
                    assert_eq!(found, expected, "{} beside the one at {at}", backend.name());
                }
            }
        }
    }
}

#[test]
fn a_form_that_fails_ends_its_own_talk() {
    let loaded = stories(1);
    let good: Vec<Asked> = mixed(&loaded).into_iter().take(3).collect();
    let expected: Vec<Heard> = good.iter().map(|asked| alone(&loaded, asked)).collect();
    let own = Error::Constraint { reason: "too much work".into() };
    for fault in [Err(own), Ok(Next::Choice), Ok(Next::Certain(b"x".into()))] {
        let mut together = together(&loaded, 64);
        let mut talks: Vec<_> = good.iter().map(|asked| begun(&together, asked)).collect();
        let mut bad = begun(&together, &Asked { form: None, ..good[0].clone() });
        bad.0.constrain(Box::new(Always(fault, 0))).unwrap();
        talks.insert(1, bad);
        while talks.iter().any(|(_, heard)| heard.end.is_none()) {
            step(&mut together, &mut talks, Duration::ZERO);
        }
        let (mut session, heard) = talks.remove(1);
        assert!(matches!(heard.end, Some(Err(Error::Constraint { .. }))), "{heard:?}");
        assert!(talks.iter().map(|(_, heard)| heard).eq(&expected));
        // The session is usable.
        assert_eq!(together.step(&mut [&mut session], Duration::ZERO), [Err(Error::NotStarted)]);
        let again = Asked { kv_type: session.cache().kind(), context: session.context(), ..good[0].clone() };
        again.start(&mut session);
        let mut heard = Heard::default();
        while heard.hear(together.step(&mut [&mut session], Duration::ZERO).remove(0)) {}
        assert_eq!((heard.ids, heard.logprobs), (expected[0].ids.clone(), expected[0].logprobs.clone()));
    }
}

#[test]
fn a_budget_cuts_prompts_between_layers_and_a_stop_is_heard_there() {
    let loaded = stories(1);
    let layers = loaded.model.config.layers;
    let asked = mixed(&loaded);
    let expected = alone(&loaded, &asked[0]);
    for steps in 0..2 * layers {
        let mut together = together(&loaded, 64);
        let mut talks = vec![begun(&together, &asked[2]), begun(&together, &asked[0])];
        for _ in 0..steps {
            step(&mut together, &mut talks, Duration::ZERO);
            assert!(talks.iter().all(|(_, heard)| heard.end.is_none()));
        }
        talks[0].0.cancel();
        step(&mut together, &mut talks, Duration::ZERO);
        assert!(matches!(talks[0].1.end, Some(Ok((FinishReason::Cancelled, _)))), "after {steps} steps");
        while talks[1].1.end.is_none() {
            step(&mut together, &mut talks, Duration::ZERO);
        }
        assert_eq!(talks[1].1, expected, "after {steps} steps");
    }
}

/// They are told one by one before the next pass, which reads them all.
#[test]
fn certain_tokens_wait_for_no_pass() {
    let loaded = stories(1);
    let mut together = together(&loaded, 64);
    let asked = mixed(&loaded);
    let sure = Asked { form: Some((&TEXTS[..1], 0)), ..asked[1].clone() };
    let (mut one, mut other) = (begun(&together, &sure).0, begun(&together, &asked[5]).0);
    let (mut tokens, mut with_a_pass) = (0, 0);
    let certain = loop {
        let steps = together.step(&mut [&mut one, &mut other], Duration::MAX);
        match &steps[..] {
            [Ok(Step::Done(summary)), _] => break summary.constraint.unwrap().certain_tokens,
            [Ok(Step::Token { .. }), beside] => {
                tokens += 1;
                with_a_pass += usize::from(matches!(beside, Ok(Step::Token { .. })));
            }
            _ => {}
        }
    };
    // The first of some may be told with the pass that read what came before.
    assert!(certain > 10 && with_a_pass < certain / 4, "{tokens} tokens, {certain} certain, {with_a_pass} with a pass");
}

/// The earlier in the list, the sooner its prompt is read; whoever generates has a token in each pass.
#[test]
fn prompts_take_turns_and_hold_up_nobody_for_long() {
    let loaded = stories(1);
    let options = TogetherOptions { batch: 32, mixed: 9, ..Default::default() };
    let mut together = Together::new(loaded.clone(), options).unwrap();
    let asked = mixed(&loaded);
    let mut talks = vec![begun(&together, &asked[0])];
    while talks[0].1.ids.is_empty() {
        step(&mut together, &mut talks, Duration::MAX);
    }
    talks.push(begun(&together, &asked[2]));
    talks.push(begun(&together, &asked[3]));
    for pass in 1..10 {
        step(&mut together, &mut talks, Duration::MAX);
        assert_eq!((talks[0].1.ids.len(), talks[1].0.cache().len()), (1 + pass, 8 * pass));
        assert_eq!(talks[2].0.cache().len(), 0);
    }
}

#[test]
fn a_session_without_a_generation_is_told_so_and_the_others_go_on() {
    let loaded = stories(1);
    let mut together = together(&loaded, 64);
    let asked = mixed(&loaded);
    let (mut one, mut other) = (begun(&together, &asked[0]).0, together.session(SessionOptions::default()).unwrap());
    let steps = together.step(&mut [&mut other, &mut one], Duration::MAX);
    assert!(matches!(&steps[..], [Err(Error::NotStarted), Ok(Step::Token { .. })]), "{steps:?}");
    assert_eq!(together.step(&mut [], Duration::MAX), []);
}

/// With others and alone by turns; copied and saved in the middle.
#[test]
fn a_session_may_work_alone_in_between() {
    let loaded = stories(1);
    let asked = mixed(&loaded);
    for which in [0, 1, 2] {
        let expected = alone(&loaded, &asked[which]);
        for turn in 1..4 {
            let mut together = together(&loaded, 16);
            let (mut session, mut heard) = begun(&together, &asked[which]);
            let mut other = begun(&together, &asked[4]).0;
            for i in 0.. {
                let step = if i % (turn + 1) < turn {
                    together.step(&mut [&mut other, &mut session], Duration::MAX).remove(1)
                } else {
                    session.step(Duration::MAX)
                };
                if !heard.hear(step) {
                    break;
                }
                if i % 9 > 0 {
                    continue;
                }
                let (copy, mut restored) =
                    (session.try_clone().unwrap(), together.session(asked[which].session_options()).unwrap());
                restored.restore(&session.save().unwrap()).unwrap();
                assert_eq!((copy.tokens(), restored.tokens()), (session.tokens(), session.tokens()));
                // It has company again.
                asked[4].start(&mut other);
            }
            assert_eq!(heard, expected, "{which}, {turn}");
        }
    }
}

#[test]
fn an_embedding_is_the_same_together() {
    let loaded = stories(1);
    let prompts: Vec<Vec<u32>> = TOLD.iter().map(|(prompt, _)| encode(&loaded, prompt)).collect();
    let mut together = together(&loaded, 64);
    let mut sessions: Vec<Session> =
        prompts.iter().map(|_| together.session(SessionOptions::default()).unwrap()).collect();
    let expected: Vec<Vec<f32>> = prompts
        .iter()
        .map(|prompt| Session::new(loaded.clone(), SessionOptions::default()).unwrap().embed(prompt).unwrap())
        .collect();
    for (session, prompt) in sessions.iter_mut().zip(&prompts) {
        session.start(prompt, GenerateOptions { max_tokens: Some(0), ..Default::default() }).unwrap();
    }
    let mut found = vec![None; prompts.len()];
    while found.iter().any(Option::is_none) {
        let mut under_way: Vec<&mut Session> = sessions.iter_mut().collect();
        let steps = together.step(&mut under_way, Duration::ZERO);
        for ((session, found), step) in sessions.iter().zip(&mut found).zip(steps) {
            if matches!(step, Ok(Step::Done(_))) {
                *found = Some(together.embedding(session).unwrap());
            }
        }
    }
    assert!(found.iter().flatten().eq(&expected));
    // Another pass has been since.
    sessions[0].start(&prompts[0], greedy()).unwrap();
    together.step(&mut [&mut sessions[0]], Duration::MAX);
    assert_eq!(together.embedding(&sessions[1]), Err(Error::NotStarted));
    assert_eq!(sessions[1].embedding(), Err(Error::NotStarted), "it has no pass of its own");
}

/// What a kept talk costs besides its cache.
#[cfg(not(target_family = "wasm"))]
#[test]
fn a_session_of_together_has_no_buffers_of_its_own() {
    let loaded = stories(1);
    let mut together = together(&loaded, 64);
    let mut session = None;
    let options = SessionOptions { kv_type: Some(KvType::F16), ..Default::default() };
    let info = allocation_counter::measure(|| session = Some(together.session(options).unwrap()));
    assert!(info.bytes_total < 4096, "{info:?}");
    let mut session = session.unwrap();
    session.start(&encode(&loaded, PROMPT_ALONE), GenerateOptions { max_tokens: Some(3), ..greedy() }).unwrap();
    let mut first = together.session(options).unwrap();
    first.start(&encode(&loaded, PROMPT_ALONE), GenerateOptions { max_tokens: Some(3), ..greedy() }).unwrap();
    while first.tokens().len() < 3 {
        together.step(&mut [&mut first], Duration::MAX);
    }
    let info = allocation_counter::measure(|| {
        while !matches!(together.step(&mut [&mut session], Duration::MAX)[..], [Ok(Step::Done(_))]) {}
    });
    let kept = info.bytes_current - session.cache().bytes() as i64;
    assert!((-4096..4096).contains(&kept), "{kept} bytes besides the cache");
}

const PROMPT_ALONE: &str = TOLD[0].0;

#[test]
fn trying_numbers_of_threads_changes_no_word_together() {
    let loaded = stories(3);
    let asked = mixed(&loaded);
    let expected: Vec<Heard> = asked.iter().map(|asked| alone(&loaded, asked)).collect();
    let options = TogetherOptions { tune_threads: true, ..Default::default() };
    let mut together = Together::new(loaded.clone(), options).unwrap();
    for (asked, expected) in asked.iter().zip(&expected) {
        let found = all_at_once(&mut together, std::slice::from_ref(asked), Duration::MAX);
        assert_eq!(&found[0], expected);
    }
    assert_eq!(all_at_once(&mut together, &asked, Duration::MAX), expected);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn they_may_move_to_another_thread() {
    fn moves<T: Send>() {}
    moves::<Together>();
}
