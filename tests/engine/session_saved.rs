//! Saved sessions: the same bits as never saved ones, and nothing believed of bytes from outside.

use crate::common;
use b158::Error;
use b158::kernels::{self, Backend};
use b158::model::{KvType, Loaded};
use b158::sampler::SamplerOptions;
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use twox_hash::XxHash3_128;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KINDS: [KvType; 3] = [KvType::F16, KvType::F32, KvType::Q8_0];
/// Positions of a page of the KV cache.
const PAGE: usize = 256;

fn load(file: &[u8], backend: Backend) -> Arc<Loaded> {
    Arc::new(common::load(file, backend, 1, usize::MAX))
}

fn session(loaded: &Arc<Loaded>, kv_type: KvType, context: usize) -> Session {
    Session::new(
        loaded.clone(),
        SessionOptions { context: Some(context), kv_type: Some(kv_type), ..Default::default() },
    )
    .unwrap()
}

/// Draws by chance, so that every bit of the logits counts, and says what the model thought of each token.
fn drawn(max_tokens: usize) -> GenerateOptions {
    let sampler = SamplerOptions { seed: 7, temperature: 1.0, ..Default::default() };
    GenerateOptions { max_tokens: Some(max_tokens), sampler, logprobs: true, ignore_end: true, ..Default::default() }
}

/// What a step gives that a bit could change.
type Said = Vec<(u32, u64, u64)>;

fn say(session: &mut Session, prompt: &[u32], max_tokens: usize) -> Said {
    session.start(prompt, drawn(max_tokens)).unwrap();
    let mut said = Said::new();
    loop {
        match session.step(Duration::MAX).unwrap() {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, logprobs, .. } => {
                let logprobs = logprobs.unwrap();
                said.push((id, logprobs.log_probability.to_bits(), logprobs.entropy.to_bits()));
            }
            Step::Done(_) => return said,
        }
    }
}

/// A session that holds the first `tokens` of the made-up text.
fn having_read(loaded: &Arc<Loaded>, kv_type: KvType, context: usize, tokens: usize) -> Session {
    let mut session = session(loaded, kv_type, context);
    if tokens > 0 {
        say(&mut session, &text(loaded, tokens), 1);
    }
    assert_eq!(session.cache().len(), tokens);
    session
}

fn text(loaded: &Loaded, tokens: usize) -> Vec<u32> {
    common::ids(loaded.model.config.vocabulary, tokens)
}

#[test]
fn restored_sessions_give_the_bits_of_unsaved_ones_on_every_backend() {
    for kind in KINDS {
        let mut first: Option<(Vec<u8>, Said)> = None;
        for backend in common::backends() {
            let loaded = load(common::STORIES, backend);
            let mut original = having_read(&loaded, kind, 400, PAGE + 3);
            let saved = original.save().unwrap();
            let mut restored = session(&loaded, kind, 300);
            // Not the first thing that its pages have held.
            say(&mut restored, &[5; 20], 2);
            restored.restore(&saved).unwrap();
            let longer = text(&loaded, PAGE + 8);
            let expected = say(&mut original, &longer, 12);
            assert_eq!(restored.start(&longer, drawn(12)).unwrap().cached_tokens, PAGE + 3);
            assert_eq!(say(&mut restored, &longer, 12), expected, "{} {}", kind.name(), backend.name());
            // The bytes of one backend are those of another.
            let (bytes, said) = first.get_or_insert((saved.clone(), expected.clone()));
            assert!(*bytes == saved, "{} {}: other bytes", kind.name(), backend.name());
            assert_eq!(*said, expected);
        }
    }
}

#[test]
fn a_session_can_be_saved_at_any_point() {
    let loaded = load(common::STORIES, kernels::detect());
    let prompt = text(&loaded, PAGE + 20);
    for kind in KINDS {
        let mut running = session(&loaded, kind, 400);
        let expected = say(&mut session(&loaded, kind, 400), &prompt, 10);
        running.start(&prompt, drawn(10)).unwrap();
        let (mut said, mut steps) = (Said::new(), 0);
        loop {
            // In the middle of passes too: a step without time is one layer.
            if steps % 9 == 0 {
                let saved = running.save().unwrap();
                let mut restored = session(&loaded, kind, 400);
                restored.restore(&saved).unwrap();
                assert!(restored.save().unwrap() == saved, "what is restored is what was saved");
                assert_eq!(restored.cache().len(), running.cache().len());
                assert_eq!(say(&mut restored, &prompt, 10), expected, "{} after {steps} steps", kind.name());
            }
            steps += 1;
            match running.step(Duration::ZERO).unwrap() {
                Step::Prefill { .. } | Step::Pass => {}
                Step::Token { id, logprobs, .. } => {
                    let logprobs = logprobs.unwrap();
                    said.push((id, logprobs.log_probability.to_bits(), logprobs.entropy.to_bits()));
                }
                Step::Done(_) => break,
            }
        }
        assert_eq!(said, expected, "saving changes nothing");
    }
}

#[test]
fn restoring_ends_what_is_under_way() {
    let loaded = load(common::A, kernels::detect());
    let saved = having_read(&loaded, KvType::F16, 64, 9).save().unwrap();
    let mut session = session(&loaded, KvType::F16, 64);
    session.start(&text(&loaded, 40), drawn(5)).unwrap();
    session.step(Duration::ZERO).unwrap();
    session.restore(&saved).unwrap();
    assert_eq!(session.step(Duration::ZERO), Err(Error::NotStarted));
    assert!(session.save().unwrap() == saved);
}

#[test]
fn copies_share_nothing_but_the_model() {
    let loaded = load(common::STORIES, kernels::detect());
    let (prompt, other) = (text(&loaded, PAGE + 5), vec![3; PAGE + 5]);
    for kind in KINDS {
        let mut original = having_read(&loaded, kind, 400, PAGE + 2);
        let saved = original.save().unwrap();
        let mut copy = original.try_clone().unwrap();
        assert!(Arc::ptr_eq(copy.loaded(), original.loaded()));
        assert!(copy.save().unwrap() == saved);
        let expected = say(&mut original, &prompt, 8);
        say(&mut original, &other, 8);
        assert!(copy.save().unwrap() == saved, "{}: the copy is as it was", kind.name());
        assert_eq!(copy.start(&prompt, drawn(8)).unwrap().cached_tokens, PAGE + 2);
        // One of a session at work takes what has been read.
        copy.step(Duration::ZERO).unwrap();
        let mut second = copy.try_clone().unwrap();
        assert_eq!(second.step(Duration::ZERO), Err(Error::NotStarted));
        assert!(second.save().unwrap() == saved);
        assert_eq!(say(&mut copy, &prompt, 8), expected);
        assert_eq!(say(&mut second, &prompt, 8), expected);
    }
}

// ---- hostile bytes ----

const VERSION_AT: usize = 8;
const TYPE_AT: usize = 12;
const LENGTH_AT: usize = 16;
const FINGERPRINT_AT: usize = 24;
const CONTEXT_AT: usize = 40;
const TOKENS_AT: usize = 44;
const IDS_AT: usize = 48;
const CHECKSUM: usize = 16;

/// Makes the checksum fit again: what somebody would do who means harm.
fn seal(bytes: &mut [u8]) {
    if let Some((body, checksum)) = bytes.split_last_chunk_mut::<CHECKSUM>() {
        *checksum = XxHash3_128::oneshot(body).to_le_bytes();
    }
}

fn with(saved: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = saved.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    seal(&mut bytes);
    bytes
}

/// The session says no, and is as it was.
fn refused(session: &mut Session, bytes: &[u8]) -> Error {
    let before = session.save().unwrap();
    let error = session.restore(bytes).unwrap_err();
    assert!(session.save().unwrap() == before, "changed, with {error}");
    error
}

fn field(error: &Error) -> (&'static str, u64) {
    match error {
        Error::BadSession { field, offset, .. } | Error::ForeignSession { field, offset, .. } => (field, *offset),
        other => panic!("{other}"),
    }
}

/// Every byte where tests run at full size, else one of seven, which meets each byte of a field of eight.
fn step() -> usize {
    if common::wide() { 1 } else { 7 }
}

#[test]
fn bytes_cut_short_or_with_one_changed_are_refused() {
    let loaded = load(common::A, kernels::detect());
    for kind in KINDS {
        let saved = having_read(&loaded, kind, 64, 3).save().unwrap();
        let mut session = having_read(&loaded, kind, 64, 2);
        for length in (0..saved.len()).step_by(step()) {
            let error = refused(&mut session, &saved[..length]);
            assert_eq!(field(&error).1, length as u64, "{error}");
            assert_eq!(error.code(), "format");
        }
        for at in (0..saved.len()).step_by(step()) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = saved.clone();
                bytes[at] ^= flip;
                let error = refused(&mut session, &bytes);
                assert!(matches!(error, Error::BadSession { .. }), "byte {at}: {error}");
            }
        }
        refused(&mut session, &[&saved[..], &[0]].concat());
        session.restore(&saved).unwrap();
    }
}

#[test]
fn bytes_changed_on_purpose_are_refused_or_hold_what_a_cache_may() {
    let loaded = load(common::A, kernels::detect());
    let prompt = text(&loaded, 6);
    for kind in KINDS {
        let saved = having_read(&loaded, kind, 64, 3).save().unwrap();
        let mut session = having_read(&loaded, kind, 64, 2);
        let before = session.save().unwrap();
        for at in (0..saved.len() - CHECKSUM).step_by(step()) {
            for flip in [0x01, 0x40, 0x80, 0xff] {
                let bytes = with(&saved, at, &[saved[at] ^ flip]);
                match session.restore(&bytes) {
                    Err(error) => {
                        assert!(session.save().unwrap() == before, "byte {at}: {error}");
                        assert!(!error.to_string().is_empty());
                    }
                    Ok(()) => {
                        // All but the context, which is the session's own.
                        let again = session.save().unwrap();
                        assert!(again[..CONTEXT_AT] == bytes[..CONTEXT_AT], "byte {at}");
                        assert!(again[TOKENS_AT..again.len() - CHECKSUM] == bytes[TOKENS_AT..bytes.len() - CHECKSUM]);
                        if (at / step()).is_multiple_of(16) {
                            assert_eq!(say(&mut session, &prompt, 3).len(), 3);
                        }
                        session.restore(&before).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn errors_name_the_field_and_its_place() {
    let loaded = load(common::A, kernels::detect());
    let vocabulary = loaded.model.config.vocabulary as u32;
    let saved = having_read(&loaded, KvType::F32, 64, 4).save().unwrap();
    let mut target = having_read(&loaded, KvType::F32, 32, 2);
    let first = (saved.len() - CHECKSUM - IDS_AT - 4 * 4) / 2 / 4 * 4 + IDS_AT + 4 * 4;
    for (at, value, expected) in [
        (0, &b"GGUF"[..], "magic"),
        (VERSION_AT, &2u32.to_le_bytes(), "version"),
        (TYPE_AT, &3u32.to_le_bytes(), "type of the KV cache"),
        (TYPE_AT, &0u32.to_le_bytes(), "type of the KV cache"),
        (LENGTH_AT, &47u64.to_le_bytes(), "length"),
        (FINGERPRINT_AT, &[0; 16], "fingerprint of the model"),
        (TOKENS_AT, &65u32.to_le_bytes(), "number of tokens"),
        (IDS_AT + 8, &vocabulary.to_le_bytes(), "token ids"),
        (IDS_AT + 8, &u32::MAX.to_le_bytes(), "token ids"),
        (first, &f32::NAN.to_le_bytes(), "keys and values"),
        (first, &f32::NEG_INFINITY.to_le_bytes(), "keys and values"),
    ] {
        let error = refused(&mut target, &with(&saved, at, value));
        assert_eq!(field(&error), (expected, at as u64), "{error}");
        assert!(error.to_string().contains(&format!("{expected} at byte {at}")), "{error}");
    }
    // Counts that the rest does not bear out.
    for tokens in [0u32, 3, 5] {
        let error = refused(&mut target, &with(&saved, TOKENS_AT, &tokens.to_le_bytes()));
        assert_eq!(field(&error), ("length", LENGTH_AT as u64), "{error}");
    }
    assert_eq!(field(&refused(&mut target, &with(&saved, LENGTH_AT, &u64::MAX.to_le_bytes()))).1, saved.len() as u64);
    let huge = with(&with(&saved, TOKENS_AT, &u32::MAX.to_le_bytes()), CONTEXT_AT, &u32::MAX.to_le_bytes());
    let error = refused(&mut target, &huge);
    assert_eq!(
        (error.code(), error),
        ("context-overflow", Error::SessionTooLong { offset: 44, tokens: 0xffff_ffff, context: 32 })
    );
    target.restore(&saved).unwrap();
}

#[test]
fn another_models_session_or_cache_is_refused() {
    let (a, b) = (load(common::A, kernels::detect()), load(common::B, kernels::detect()));
    let saved = having_read(&a, KvType::F16, 64, 5).save().unwrap();
    let error = refused(&mut session(&b, KvType::F16, 64), &saved);
    assert_eq!((field(&error).0, error.code()), ("fingerprint of the model", "invalid-argument"));
    for kind in [KvType::F32, KvType::Q8_0] {
        let error = refused(&mut session(&a, kind, 64), &saved);
        assert!(error.to_string().contains(&format!("is f16, here it is {}", kind.name())), "{error}");
    }
    let error = refused(&mut session(&a, KvType::F16, 4), &saved);
    assert_eq!(error, Error::SessionTooLong { offset: 44, tokens: 5, context: 4 });
    session(&a, KvType::F16, 5).restore(&saved).unwrap();
    // The same file in other pieces, for another backend, is the same model; with one weight changed it is not.
    let again = common::load(common::A, kernels::available().pop().unwrap(), 1, 1000);
    assert_eq!(again.model.fingerprint(), a.model.fingerprint());
    for share in [4, 3, 2] {
        let mut file = common::A.to_vec();
        let at = file.len() - file.len() / share;
        // Another code, but one there is: 0 to 2 in each pair of bits.
        file[at] = if file[at] & 3 == 0 { file[at] | 1 } else { file[at] & !3 };
        let other = load(&file, kernels::detect());
        assert_ne!(other.model.fingerprint(), a.model.fingerprint(), "byte {at}");
        refused(&mut session(&other, KvType::F16, 64), &saved);
    }
}

#[test]
fn any_bytes_are_an_error_or_a_session() {
    let loaded = load(common::A, kernels::detect());
    let saved = having_read(&loaded, KvType::Q8_0, 64, 3).save().unwrap();
    let edits = prop::collection::vec((0..saved.len(), any::<u8>()), 0..6);
    let lengths = prop_oneof![Just(saved.len()), 0..2 * saved.len()];
    let config = ProptestConfig {
        cases: if common::wide() { 2000 } else { 300 },
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(edits in edits, length in lengths, honest in any::<bool>())| {
        let mut bytes = saved.clone();
        for (at, value) in edits {
            bytes[at] = value;
        }
        bytes.resize(length, 0);
        if honest && length >= IDS_AT {
            bytes[LENGTH_AT..][..8].copy_from_slice(&(length as u64).to_le_bytes());
        }
        seal(&mut bytes);
        let mut session = session(&loaded, KvType::Q8_0, 64);
        if session.restore(&bytes).is_ok() {
            prop_assert_eq!(session.save().unwrap().len(), length);
            session.start(&[1, 2], drawn(1)).unwrap();
            // Forged scales may be so large that numbers end.
            let step = session.step(Duration::MAX);
            prop_assert!(matches!(step, Ok(_) | Err(Error::NotFinite { layer: Some(_), .. })), "{step:?}");
        }
    });
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_refusal_takes_no_memory() {
    let loaded = load(common::A, kernels::detect());
    loaded.model.fingerprint();
    let saved = having_read(&loaded, KvType::F16, 64, 5).save().unwrap();
    let mut session = session(&loaded, KvType::F16, 64);
    let most = u32::MAX.to_le_bytes();
    for bytes in [
        saved[..saved.len() - 1].to_vec(),
        with(&saved, TOKENS_AT, &most),
        with(&with(&saved, TOKENS_AT, &most), CONTEXT_AT, &most),
        with(&saved, LENGTH_AT, &u64::MAX.to_le_bytes()),
        with(&saved, IDS_AT, &most),
    ] {
        let taken = allocation_counter::measure(|| assert!(session.restore(&bytes).is_err()));
        assert!(taken.bytes_max < 2048, "{} bytes", taken.bytes_max);
    }
}
