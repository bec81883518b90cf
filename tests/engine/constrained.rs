//! Answers that keep to a form: by a toy of a constraint, which allows some texts and no others, so that nothing here is judged by
//! the grammars that the engine uses.

pub(crate) mod toy;

use crate::common::{self, *};
use b158::Error;
use b158::constraint::{Constraint, Next, Tokens};
use b158::kernels::{self, Compute};
use b158::model::{EmbeddingType, KvType, LoaderOptions, State};
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step};
use b158::threads::Pool;
use std::sync::Arc;
use std::time::Duration;
use toy::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn an_answer_is_one_of_the_texts_and_the_same_everywhere() {
    let seeds = sizes(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], &[0, 1, 2, 3, 4, 5, 6, 7]);
    let mut expected: Vec<Said> = Vec::new();
    for backend in backends() {
        for &threads in thread_counts() {
            let loaded = Arc::new(common::load(STORIES, backend, threads, usize::MAX));
            // Certain tokens one at a time, and in one pass.
            for batch in [1, 64] {
                let mut session = session(&loaded, batch);
                let said = seeds.iter().map(|seed| {
                    let (said, summary) = answer(&mut session, drawn(*seed), Texts::new(&loaded, TEXTS));
                    assert!(TEXTS.contains(&said.text.as_str()), "{}", said.text);
                    assert_eq!(said.finish, FinishReason::Stop);
                    let stats = summary.constraint.unwrap();
                    assert!(stats.certain_tokens > 10 && stats.masks > 1, "{stats:?}");
                    assert!(stats.rows_computed > 0 && stats.rows_computed < 1024, "{stats:?}");
                    assert!(stats.median_mask_ms <= stats.slowest_mask_ms, "{stats:?}");
                    said
                });
                let said: Vec<Said> = said.collect();
                if expected.is_empty() {
                    expected.clone_from(&said);
                }
                assert_eq!(said, expected, "{} × {threads}, batches of {batch}", backend.name());
            }
        }
    }
    let found: std::collections::BTreeSet<&str> = expected.iter().map(|said| said.text.as_str()).collect();
    assert!(found.len() > 1, "{found:?}");
}

/// A constraint that tells nothing leaves the same texts, and a choice of one is not drawn either.
#[test]
fn what_is_certain_may_be_left_to_masks() {
    let loaded = stories();
    for seed in 0..8 {
        let mut texts = Texts::new(&loaded, TEXTS);
        texts.tells = false;
        let (said, _) = answer(&mut session(&loaded, 64), drawn(seed), texts);
        assert!(TEXTS.contains(&said.text.as_str()), "{}", said.text);
    }
    let one = [r#"["a", "b"]"#];
    let mut texts = Texts::new(&loaded, &one);
    texts.tells = false;
    let (said, summary) = answer(&mut session(&loaded, 64), greedy(), texts);
    assert_eq!((said.text.as_str(), summary.constraint.unwrap().masks), (one[0], said.ids.len()));
}

/// Certain text is as if it had been in the prompt: what is drawn after it is the same, with the same seed.
#[test]
fn certain_tokens_take_no_draw_and_change_no_bit() {
    let loaded = stories();
    let certain = " Pip went to the river, where he saw a duck and a";
    struct Then(String, bool);
    impl Constraint for Then {
        fn next(&mut self, taken: &[u32], _: &mut [u32]) -> b158::Result<Next> {
            self.1 |= !taken.is_empty();
            Ok(if self.1 { Next::Any } else { Next::Certain(self.0.clone().into_bytes()) })
        }
    }
    for batch in [1, 3, 64] {
        let mut session = session(&loaded, batch);
        let options = || GenerateOptions { max_tokens: Some(40), ..drawn(5) };
        let (said, summary) = answer(&mut session, options(), Then(certain.into(), false));
        let cut = summary.constraint.unwrap().certain_tokens;
        let ids = encode(&loaded, &(PROMPT.to_owned() + certain));
        let whole = ids.len() - encode(&loaded, PROMPT).len();
        assert_eq!(cut, whole - 1, "the last token may go on");
        assert!(said.logprobs[..cut].iter().all(|bits| *bits == (0, 0)));

        session.reset();
        let max_tokens = Some(40 - cut);
        session.start(&ids[..ids.len() - 1], GenerateOptions { max_tokens, ..drawn(5) }).unwrap();
        let (alone, _) = finish(&mut session).unwrap();
        assert_eq!((&said.ids[cut..], &said.logprobs[cut..]), (&alone.ids[..], &alone.logprobs[..]), "by {batch}");
        assert_eq!(said.ids[..cut], ids[ids.len() - 1 - cut..ids.len() - 1]);
    }
}

#[test]
fn any_tokens_come_as_if_there_were_no_form() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let prompt = encode(&loaded, PROMPT);
    session.start(&prompt, GenerateOptions { max_tokens: Some(30), ..drawn(3) }).unwrap();
    let (plain, summary) = finish(&mut session).unwrap();
    assert_eq!(summary.constraint, None);
    let free = || GenerateOptions { max_tokens: Some(30), ..drawn(3) };
    let (said, summary) = answer(&mut session, free(), Always(Ok(Next::Any), 0));
    assert_eq!((said, summary.constraint.unwrap().masks), (plain.clone(), 0));
    // The form begins later.
    let mut texts = Texts::new(&loaded, TEXTS);
    texts.free = 12;
    let (said, _) = answer(&mut session, drawn(3), texts);
    assert_eq!(said.ids[..12], plain.ids[..12]);
    let begun = loaded.tokenizer.decode(&said.ids[..12], false);
    assert!(TEXTS.iter().any(|text| said.text == begun.clone() + text), "{}", said.text);
}

/// In a thought that a form has to follow.
#[test]
fn an_answer_that_may_not_end_yet_does_not() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let biased = |bias: f32| {
        let mut options = GenerateOptions { max_tokens: Some(30), ..drawn(3) };
        options.sampler.logit_bias = loaded.tokenizer.ends().iter().map(|id| (*id, bias)).collect();
        options
    };
    let (ended, _) = answer(&mut session, biased(1e4), Always(Ok(Next::Any), 0));
    assert_eq!((ended.ids.len(), ended.finish), (0, FinishReason::Stop));
    // The same draws as where the end is ruled out by its bias.
    let (plain, _) = answer(&mut session, biased(f32::NEG_INFINITY), Always(Ok(Next::Any), 0));
    let (said, summary) = answer(&mut session, biased(1e4), Always(Ok(Next::AnyButEnd), 0));
    assert_eq!((said.ids.len(), said.finish), (30, FinishReason::Length));
    assert_eq!((&said.ids, summary.constraint.unwrap().masks), (&plain.ids, 0));
    // It is the end that is ruled out, not what the caller stops at.
    let options = GenerateOptions { ignore_end: true, ..biased(1e4) };
    assert_eq!(answer(&mut session, options, Always(Ok(Next::AnyButEnd), 0)).0.ids, said.ids);
}

#[test]
fn log_probabilities_are_those_of_the_tokens_that_may_follow() {
    let loaded = stories();
    let prompt = encode(&loaded, PROMPT);
    let few = ["a", "b", "c", "!"];
    let ids: Vec<u32> = few.iter().map(|text| loaded.tokenizer.token_id(text).unwrap()).collect();
    let all = logits(&loaded, &prompt, KvType::F16, 64);
    let last = &all[all.len() - loaded.model.config.vocabulary..];
    let shares: Vec<f64> = ids.iter().map(|id| f64::from(last[*id as usize]).exp()).collect();
    let total: f64 = shares.iter().sum();
    let mut seen = 0;
    for seed in 0..16 {
        let mut options = drawn(seed);
        options.sampler.repeat_penalty = 1.0;
        let mut session =
            Session::new(loaded.clone(), SessionOptions { kv_type: Some(KvType::F16), ..Default::default() }).unwrap();
        let (said, _) = answer(&mut session, options, Texts::new(&loaded, &few));
        let chosen = ids.iter().position(|id| *id == said.ids[0]).unwrap();
        let (log_probability, entropy) = (f64::from_bits(said.logprobs[0].0), f64::from_bits(said.logprobs[0].1));
        assert!((log_probability.exp() - shares[chosen] / total).abs() < 1e-6, "{log_probability}");
        let expected: f64 = shares.iter().map(|share| -(share / total) * (share / total).ln()).sum();
        assert!((entropy - expected).abs() < 1e-6, "{entropy}, not {expected}");
        seen |= 1 << chosen;
    }
    assert!(u32::count_ones(seen) > 1, "always the same");
}

#[test]
fn a_few_rows_of_the_head_have_the_bits_of_the_whole_on_every_backend() {
    for file in [STORIES, C, LLAMA, Q1, Q2, PTQ1] {
        for backend in backends() {
            for embedding in [EmbeddingType::File, EmbeddingType::Int8] {
                for &threads in thread_counts() {
                    let options = LoaderOptions { file_size: Some(file.len() as u64), embedding, ..Default::default() };
                    let compute = Compute { backend, pool: Pool::new(threads) };
                    let loaded = load_with(file, compute, options, usize::MAX);
                    let (model, vocabulary) = (&loaded.model, loaded.model.config.vocabulary);
                    let mut state = State::new(model, KvType::F32, 16, 16).unwrap();
                    state.begin(model, &ids(vocabulary, 5)).unwrap();
                    while !state.step(model).unwrap() {}
                    let whole = state.logits(model, 4).unwrap().to_vec();
                    let last = vocabulary as u32 - 1;
                    let some: Vec<u32> = (0..last).filter(|id| id * id % 7 == 2).collect();
                    for wanted in [&[][..], &[0], &[last], &[0, 1, 2, 3, last], &[last, 5, 0, 5], &some] {
                        let found = state.logits_of(model, 4, wanted).unwrap();
                        for (id, (found, whole)) in (0u32..).zip(found.iter().zip(&whole)) {
                            let expected = if wanted.contains(&id) { *whole } else { f32::NEG_INFINITY };
                            let name = (backend.name(), model.weights.head().type_name());
                            assert_eq!(found.to_bits(), expected.to_bits(), "{name:?} × {threads}, {id} of {wanted:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn bias_does_not_reach_what_may_not_follow() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let (plain, _) = answer(&mut session, drawn(1), Texts::new(&loaded, TEXTS));
    let bytes = |id: u32| loaded.tokenizer.bytes(id);
    // All that no text has in it.
    let foreign = |id: &u32| bytes(*id).iter().any(|byte| !TEXTS.iter().any(|text| text.as_bytes().contains(byte)));
    let ends: Vec<u32> = (0..1024).filter(|id| loaded.tokenizer.is_end(*id)).collect();
    let others: Vec<u32> = (0..1024).filter(foreign).chain(ends).collect();
    for bias in [f32::INFINITY, 1e30, 40.0, -1.0, f32::NEG_INFINITY] {
        let mut options = drawn(1);
        options.sampler.logit_bias = others.iter().map(|id| (*id, bias)).collect();
        assert_eq!(answer(&mut session, options, Texts::new(&loaded, TEXTS)).0, plain, "{bias}");
    }
    // Of those that may, it prefers one; infinitely too.
    for wanted in ["a", "b"] {
        let id = loaded.tokenizer.token_id(wanted).unwrap();
        for bias in [f32::INFINITY, 100.0] {
            let mut options = drawn(1);
            options.sampler.logit_bias = vec![(id, bias)];
            let (said, _) = answer(&mut session, options, Texts::new(&loaded, &["a", "b"]));
            assert_eq!(said.text, wanted);
        }
    }
    // And where it leaves none, it says so.
    for temperature in [0.0, 1.0] {
        let mut options = drawn(1);
        options.sampler.temperature = temperature;
        options.sampler.logit_bias = (0..1024).map(|id| (id, f32::NEG_INFINITY)).collect();
        session.start(&encode(&loaded, PROMPT), options).unwrap();
        session.constrain(Box::new(Texts::new(&loaded, TEXTS))).unwrap();
        let error = finish(&mut session).unwrap_err();
        assert!(matches!(&error, Error::Constraint { reason } if reason.contains("logit_bias")), "{error}");
        assert_eq!(session.step(Duration::ZERO), Err(Error::NotStarted));
        assert_eq!(answer(&mut session, drawn(1), Texts::new(&loaded, TEXTS)).0, plain);
    }
}

#[test]
fn limits_cut_an_answer_and_a_whole_one_is_not_called_cut() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let (whole, _) = answer(&mut session, drawn(2), Texts::new(&loaded, TEXTS));
    for n in 0..whole.ids.len() + 2 {
        let options = GenerateOptions { max_tokens: Some(n), ..drawn(2) };
        let (said, _) = answer(&mut session, options, Texts::new(&loaded, TEXTS));
        let cut = n < whole.ids.len();
        assert_eq!(said.ids, whole.ids[..n.min(whole.ids.len())]);
        assert_eq!(said.finish, if cut { FinishReason::Length } else { FinishReason::Stop }, "{n} tokens");
    }
    // The same with the end of the context.
    let prompt = encode(&loaded, PROMPT);
    for room in [0, 1, 5, whole.ids.len() - 1, whole.ids.len()] {
        let context = Some(prompt.len() + room);
        let mut session = Session::new(loaded.clone(), SessionOptions { context, ..Default::default() }).unwrap();
        let (said, _) = answer(&mut session, drawn(2), Texts::new(&loaded, TEXTS));
        assert_eq!(said.ids, whole.ids[..room]);
        assert_eq!(said.finish == FinishReason::Stop, room == whole.ids.len());
    }
    // Nothing is the whole answer: not a token, whatever the limit.
    for max_tokens in [Some(0), Some(1), None] {
        let (said, _) = answer(&mut session, GenerateOptions { max_tokens, ..greedy() }, Texts::new(&loaded, &[""]));
        assert_eq!((said.ids.len(), said.finish), (0, FinishReason::Stop));
    }
}

/// The last token that fits is left out where it would cut an answer that is whole without it.
#[test]
fn the_limit_leaves_an_answer_whole_where_it_can() {
    let loaded = stories();
    let no_end = |max_tokens: usize| {
        let mut options = GenerateOptions { max_tokens: Some(max_tokens), ..greedy() };
        options.sampler.logit_bias = loaded.tokenizer.ends().iter().map(|id| (*id, -1000.0)).collect();
        options
    };
    for texts in [&["once", "once upon a time"][..], &["once", "once upon", "once upon a time"], &["on", "once"]] {
        let form = || {
            let mut form = Texts::new(&loaded, texts);
            form.tells = false;
            form
        };
        let (whole, _) = answer(&mut session(&loaded, 64), no_end(100), form());
        assert_eq!((Some(&whole.text.as_str()), whole.finish), (texts.last(), FinishReason::Stop));
        let text = |tokens: usize| loaded.tokenizer.decode(&whole.ids[..tokens], false);
        let mut left_out = 0;
        for limit in 1..=whole.ids.len() {
            let leaves_out = !texts.contains(&text(limit).as_str()) && texts.contains(&text(limit - 1).as_str());
            left_out += usize::from(leaves_out);
            let expected = text(limit - usize::from(leaves_out));
            let reason = if limit == whole.ids.len() { FinishReason::Stop } else { FinishReason::Length };
            let (said, _) = answer(&mut session(&loaded, 64), no_end(limit), form());
            assert_eq!((&said.text, said.finish), (&expected, reason), "{limit} tokens");
            let context = Some(encode(&loaded, PROMPT).len() + limit);
            let mut small = Session::new(loaded.clone(), SessionOptions { context, ..Default::default() }).unwrap();
            let (said, _) = answer(&mut small, GenerateOptions { max_tokens: None, ..no_end(0) }, form());
            assert_eq!((&said.text, said.finish), (&expected, reason), "room for {limit} tokens");
        }
        assert!(left_out > 0 || texts[0] == "on", "{:?}", whole.ids);
    }
}

#[test]
fn an_end_token_ends_where_the_form_may_end_and_nowhere_else() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let ends: Vec<u32> = (0..1024).filter(|id| loaded.tokenizer.is_end(*id)).collect();
    let texts = ["once", "once upon", "once upon a time"];
    for (bias, expected) in [(1000.0, texts[0]), (-1000.0, texts[2])] {
        for (ignore_end, special) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut options = GenerateOptions { ignore_end, special, ..greedy() };
            options.sampler.logit_bias = ends.iter().map(|id| (*id, bias)).collect();
            let (said, _) = answer(&mut session, options, Texts::new(&loaded, &texts));
            assert_eq!(said.finish, FinishReason::Stop);
            let shown = said.text.strip_prefix(expected).unwrap();
            // The token that ends it is spelled out; where the form ends there is none.
            assert_eq!(shown.is_empty(), !special || bias < 0.0, "{}", said.text);
        }
    }
}

#[test]
fn stop_strings_stop_in_certain_text_too() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let options = GenerateOptions { stop: vec!["river".into()], ..greedy() };
    let texts = Texts::new(&loaded, &["We go to the river and then to the wood."]);
    let (said, _) = answer(&mut session, options, texts);
    assert_eq!((said.text.as_str(), said.finish), ("We go to the ", FinishReason::Stop));
    // One that never comes withholds nothing for good.
    let options = GenerateOptions { stop: vec!["wood.!".into()], ..greedy() };
    let texts = Texts::new(&loaded, &["We go to the wood."]);
    assert_eq!(answer(&mut session, options, texts).0.text, "We go to the wood.");
}

#[test]
fn a_stop_is_heard_between_layers_and_the_session_lives_on() {
    let loaded = stories();
    let mut session = session(&loaded, 8);
    let (expected, _) = answer(&mut session, drawn(4), Texts::new(&loaded, TEXTS));
    let prompt = encode(&loaded, PROMPT);
    let mut passes = 0;
    for steps in 0..200 {
        session.start(&prompt, drawn(4)).unwrap();
        session.constrain(Box::new(Texts::new(&loaded, TEXTS))).unwrap();
        let steps: Vec<Step> = (0..steps).map_while(|_| session.step(Duration::ZERO).ok()).collect();
        passes = steps.iter().filter(|step| matches!(step, Step::Pass)).count();
        if steps.iter().any(|step| matches!(step, Step::Done(_))) {
            break;
        }
        session.cancel();
        let Step::Done(summary) = session.step(Duration::ZERO).unwrap() else { panic!("not cancelled") };
        assert_eq!(summary.finish_reason, FinishReason::Cancelled);
        assert_eq!(answer(&mut session, drawn(4), Texts::new(&loaded, TEXTS)).0, expected);
    }
    // Batches of 8 tokens, and layers in each.
    let layers = loaded.model.config.layers;
    assert!(passes >= layers, "{passes} slices, {layers} layers");
}

#[test]
fn a_constraint_that_fails_ends_the_generation_with_its_error() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let expected = answer(&mut session, drawn(6), Texts::new(&loaded, TEXTS)).0;
    let own = Error::Constraint { reason: "too much work".into() };
    let faults: [(Always, &str); 3] = [
        (Always(Err(own), 0), "too much work"),
        (Always(Ok(Next::Choice), 0), "no token may follow"),
        // A byte is no token that nothing could follow: it is asked for a choice, again and again.
        (Always(Ok(Next::Certain(b"x".into())), 0), "gave none"),
    ];
    for (fault, says) in faults {
        session.start(&encode(&loaded, PROMPT), greedy()).unwrap();
        session.constrain(Box::new(fault)).unwrap();
        let error = finish(&mut session).unwrap_err();
        assert!(matches!(&error, Error::Constraint { reason } if reason.contains(says)), "{error}");
        assert_eq!(session.step(Duration::ZERO), Err(Error::NotStarted));
        let nobody = session.constrain(Box::new(Always(Ok(Next::Any), 0)));
        assert_eq!(nobody, Err(Error::NotStarted));
        assert_eq!(answer(&mut session, drawn(6), Texts::new(&loaded, TEXTS)).0, expected);
    }
    // Bits beyond the vocabulary mean nothing.
    let options = GenerateOptions { max_tokens: Some(20), ..drawn(6) };
    session.start(&encode(&loaded, PROMPT), options.clone()).unwrap();
    let plain = finish(&mut session).unwrap().0;
    let (said, summary) = answer(&mut session, options, Always(Ok(Next::Choice), u32::MAX));
    assert_eq!((said.ids, said.logprobs), (plain.ids, plain.logprobs));
    assert_eq!(summary.constraint.unwrap().rows_computed, 20 * 1024);
}

/// Certain bytes may end in the middle of a character, or be no text at all.
#[test]
fn halves_of_characters_are_left_to_masks() {
    let loaded = stories();
    for (texts, seeds) in [(["a 🦊 b", "a 🦋 c"], 8), (["日本語で", "日本誌を"], 8)] {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..seeds {
            let (said, _) = answer(&mut session(&loaded, 64), drawn(seed), Texts::new(&loaded, &texts));
            assert!(texts.contains(&said.text.as_str()), "{}", said.text);
            found.insert(said.text);
        }
    }
    let bytes = b"\xff\xfe\x80".to_vec();
    let mut texts = Texts::new(&loaded, &[]);
    texts.texts.push(bytes.clone());
    let (said, _) = answer(&mut session(&loaded, 64), greedy(), texts);
    let said: Vec<u8> = said.ids.iter().flat_map(|id| loaded.tokenizer.bytes(*id).to_vec()).collect();
    assert_eq!(said, bytes);
}

/// A session that is put away in the middle of an answer goes on as if it never had been: the prompt ends with what has come of it.
#[test]
fn an_answer_goes_on_in_a_session_that_was_saved() {
    let loaded = stories();
    let (whole, _) = answer(&mut session(&loaded, 64), greedy(), Texts::new(&loaded, TEXTS));
    let prompt = encode(&loaded, PROMPT);
    for cut in 0..whole.ids.len() {
        let mut first = session(&loaded, 64);
        let options = GenerateOptions { max_tokens: Some(cut), ..greedy() };
        answer(&mut first, options, Texts::new(&loaded, TEXTS));
        let mut copy = first.try_clone().unwrap();
        let mut second = session(&loaded, 64);
        second.restore(&first.save().unwrap()).unwrap();
        let begun: Vec<u8> = whole.ids[..cut].iter().flat_map(|id| loaded.tokenizer.bytes(*id).to_vec()).collect();
        for session in [&mut first, &mut copy, &mut second] {
            session.start(&[&prompt[..], &whole.ids[..cut]].concat(), greedy()).unwrap();
            let mut texts = Texts::new(&loaded, TEXTS);
            texts.done = begun.clone();
            session.constrain(Box::new(texts)).unwrap();
            let (said, _) = finish(session).unwrap();
            let said: Vec<u8> = said.ids.iter().flat_map(|id| loaded.tokenizer.bytes(*id).to_vec()).collect();
            assert_eq!([&begun[..], &said].concat(), whole.text.as_bytes(), "from token {cut} on");
        }
    }
}

#[test]
fn a_tokenizer_with_spaces_before_words_puts_none_into_an_answer() {
    let loaded = Arc::new(common::load(MINICPM, kernels::detect(), 1, usize::MAX));
    let texts = [r#"{"a b": " c"}"#, r#"{"a b": "d"}"#];
    for seed in 0..4 {
        let mut session = session(&loaded, 64);
        session.start(&[1, 5, 9], drawn(seed)).unwrap();
        session.constrain(Box::new(Texts::new(&loaded, &texts))).unwrap();
        let (said, _) = finish(&mut session).unwrap();
        assert!(texts.contains(&said.text.as_str()), "{}", said.text);
    }
}

#[test]
fn a_text_streams_in_its_form() {
    let loaded = stories();
    let mut session = session(&loaded, 64);
    let prompt = encode(&loaded, PROMPT);
    let mut pieces = session.generate(&prompt, greedy()).unwrap();
    pieces = pieces.constrained(Box::new(Texts::new(&loaded, TEXTS))).unwrap();
    let text: String = pieces.by_ref().map(Result::unwrap).collect();
    assert!(TEXTS.contains(&text.as_str()), "{text}");
    assert!(pieces.summary().unwrap().constraint.is_some());
}

/// What a grammar is told of a model: bytes of what text may show, and of no end.
#[test]
fn tokens_are_the_models_own() {
    for file in [STORIES, MINICPM] {
        let loaded = common::load(file, kernels::detect(), 1, usize::MAX);
        let (tokenizer, tokens) =
            (&loaded.tokenizer, Tokens::of(&loaded.tokenizer, loaded.model.config.vocabulary).unwrap());
        assert_eq!(tokens.bytes.len(), loaded.model.config.vocabulary);
        assert!(!tokens.ends.is_empty() && tokens.ends.iter().all(|id| tokenizer.is_end(*id)));
        for (id, bytes) in (0u32..).zip(&tokens.bytes) {
            let shown = if tokenizer.is_end(id) { &[] } else { tokenizer.bytes(id) };
            assert_eq!(bytes, shown, "{id}");
            let name = tokens.control.iter().find(|(control, _)| *control == id).map(|(_, name)| name.as_bytes());
            assert_eq!(name.is_some(), tokenizer.is_control(id), "{id}");
            assert!(name.is_none_or(|name| name == tokenizer.bytes_with(id, true)), "{id}");
        }
    }
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_session_may_move_to_another_thread() {
    fn moves<T: Send>() {}
    moves::<Session>();
}
