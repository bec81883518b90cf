//! What a header alone says of a model's memory, against what a load then reports.

use crate::common::parts::Parts;
use crate::common::*;
use b158::gguf::{TensorType, Value};
use b158::kernels::Compute;
use b158::model::{EmbeddingType, Estimate, Estimator, KvType, Loader, LoaderOptions, WASM_LIMIT};
use b158::session::{Session, SessionOptions};
use b158::{Error, Result};
use std::sync::Arc;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn estimate(file: &[u8], options: LoaderOptions, chunk: usize) -> Result<Estimate> {
    let mut estimator = Estimator::new(options);
    for part in file.chunks(chunk) {
        if estimator.push(part)? {
            break;
        }
    }
    estimator.finish()
}

fn options(file: &[u8], context: Option<usize>, kv_type: KvType, embedding: EmbeddingType) -> LoaderOptions {
    LoaderOptions {
        file_size: Some(file.len() as u64),
        context,
        kv_type: Some(kv_type),
        embedding,
        ..Default::default()
    }
}

#[test]
fn an_estimate_is_what_the_load_then_reports() {
    let family = [
        ("llama", LLAMA),
        ("qwen3", QWEN3),
        ("norms-in", NORMS_IN),
        ("Q1_0", Q1),
        ("Q2_0", Q2),
        ("PTQ1_0", PTQ1),
        ("PQ2_0", include_bytes!("../golden/family/Q3p-q2_0-128.gguf")),
    ];
    for (name, file) in [("A", A), ("B", B), ("C", C), ("stories", STORIES)].into_iter().chain(family) {
        for embedding in [EmbeddingType::Auto, EmbeddingType::File, EmbeddingType::Int8] {
            for (kv_type, context) in [(KvType::F16, None), (KvType::F32, Some(1)), (KvType::Q8_0, Some(257))] {
                let options = options(file, context.filter(|_| name == "stories"), kv_type, embedding);
                let found = estimate(file, options.clone(), 4096).unwrap();
                let context = options.context;
                let loaded = load_with(file, Compute::default(), options, usize::MAX);
                let case = format!("{name} {embedding:?} {kv_type:?} {context:?}");
                assert_eq!(found.weight_bytes, loaded.model.weights.bytes(), "{case}");
                assert_eq!((&found.config, &found.name), (&loaded.model.config, &loaded.name), "{case}");
                assert_eq!(found.types, loaded.types, "{case}");
                let session = Session::new(
                    Arc::new(loaded),
                    SessionOptions { context, kv_type: Some(kv_type), ..Default::default() },
                );
                let session = session.unwrap();
                let cache = &session.cache();
                assert_eq!((found.context, found.kv_cache_bytes), (cache.context(), cache.bytes_when_full()), "{case}");
                assert!(found.wasm_bytes > found.weight_bytes + found.kv_cache_bytes, "{case}");
            }
        }
    }
}

/// Against the heap of a real load and a full context, natively: what the module itself takes comes on top in a tab.
#[cfg(not(target_family = "wasm"))]
#[test]
fn the_peak_is_what_loading_and_a_full_context_take() {
    let files = [("stories", STORIES), ("llama", LLAMA), ("norms-in", NORMS_IN), ("Q1_0", Q1), ("Q2_0", Q2)];
    for (name, file) in files {
        for embedding in [EmbeddingType::File, EmbeddingType::Int8] {
            let options = options(file, None, KvType::F16, embedding);
            let expected = estimate(file, options.clone(), 4096).unwrap();
            let (context, vocabulary) = (expected.context, expected.config.vocabulary);
            let expected = expected.wasm_bytes;
            let peak = allocation_counter::measure(|| {
                let loaded = load_with(file, Compute::default(), options, 1 << 20);
                let mut session = Session::new(Arc::new(loaded), SessionOptions::default()).unwrap();
                let prompt = ids(vocabulary, context - 12);
                session.start(&prompt, Default::default()).unwrap();
                while !matches!(session.step(std::time::Duration::MAX).unwrap(), b158::session::Step::Done(_)) {}
            })
            .bytes_max;
            // What the tokenizer takes is told from the header's length, and tables are counted for matrices without any.
            let (module, tables, roughly) = (3 << 20, 1 << 20, peak / 4);
            let near = peak <= expected && expected <= peak + module + tables + roughly;
            assert!(near, "{name} {embedding:?}: {peak} bytes, estimated {expected}");
        }
    }
}

#[test]
fn the_header_is_enough_and_chunks_change_nothing() {
    let whole = estimate(STORIES, LoaderOptions::default(), usize::MAX).unwrap();
    assert!(whole.file_bytes <= STORIES.len() as u64 && whole.file_bytes > STORIES.len() as u64 - 32);
    for chunk in [1, 7, 4096] {
        assert_eq!(estimate(STORIES, LoaderOptions::default(), chunk).unwrap(), whole, "chunks of {chunk}");
    }
    let mut estimator = Estimator::new(LoaderOptions::default());
    let needed = STORIES.iter().position(|byte| estimator.push(std::slice::from_ref(byte)).unwrap()).unwrap() + 1;
    assert!(needed < STORIES.len() / 20, "{needed} bytes");
    let early = estimate(&STORIES[..needed - 1], LoaderOptions::default(), usize::MAX).unwrap_err();
    assert!(matches!(early, Error::Truncated { .. }), "{early}");
    assert_eq!(estimate(&STORIES[..needed], LoaderOptions::default(), usize::MAX).unwrap(), whole);
}

#[test]
fn parts_of_a_split_model_add_up() {
    let parts = Parts::new();
    let whole = estimate(&parts.file(), LoaderOptions::default(), usize::MAX).unwrap();
    let files = parts.files(&[0, 5, parts.tensors.len() - 5]);
    let read = |files: &[Vec<u8>]| {
        let mut estimator = Estimator::new(LoaderOptions::default());
        for (i, file) in files.iter().enumerate() {
            if i > 0 {
                assert!(!estimator.is_last_part());
                estimator.next_part(Some(file.len() as u64))?;
            }
            assert!(estimator.push(file)?);
        }
        estimator.finish()
    };
    let found = read(&files).unwrap();
    assert_eq!(
        (found.weight_bytes, found.kv_cache_bytes, &found.types),
        (whole.weight_bytes, whole.kv_cache_bytes, &whole.types)
    );
    let last_padding = 32;
    assert!(found.file_bytes + 3 * last_padding >= files.iter().map(|file| file.len() as u64).sum());
    assert!(matches!(read(&files[..2]), Err(Error::MissingPart { .. })));
}

/// The story model's header with so many layers, a context, and an embedding of so many rows: nothing else is needed.
fn header(layers: u32, context: u32, rows: u64) -> Vec<u8> {
    let mut parts = Parts::of(STORIES);
    for (name, value) in [("block_count", layers), ("context_length", context), ("vocab_size", rows as u32)] {
        parts.metadata.insert(format!("bitnet-b1.58.{name}"), Value::U32(value));
    }
    let tensors = std::mem::take(&mut parts.tensors);
    for (mut tensor, _) in tensors {
        tensor.kind = TensorType::F32.into();
        if tensor.name == "token_embd.weight" {
            tensor.dims[1] = rows;
        }
        match tensor.name.strip_prefix("blk.0.").map(str::to_owned) {
            Some(rest) => (0..layers).for_each(|i| {
                tensor.name = format!("blk.{i}.{rest}");
                parts.tensors.push((tensor.clone(), Vec::new()));
            }),
            None if tensor.name.starts_with("blk.") => {}
            None => parts.tensors.push((tensor, Vec::new())),
        }
    }
    parts.header()
}

#[test]
fn a_context_that_does_not_fit_is_refused_before_the_weights_and_the_fitting_one_named() {
    let file = header(8, 1 << 24, 1024);
    let ask = |context: usize| {
        let options =
            LoaderOptions { context: Some(context), memory_limit: Some(WASM_LIMIT), ..LoaderOptions::default() };
        let mut loader = Loader::new(Compute::default(), options);
        loader.push(&file)
    };
    let Err(Error::DoesNotFit { needed, possible, context, kv_type, fitting: Some(fitting) }) = ask(1 << 22) else {
        panic!("a context of 2^22 fits?");
    };
    assert!(needed > possible && possible == WASM_LIMIT && context == 1 << 22 && kv_type == "q8_0");
    assert!(fitting > 1 << 18 && fitting < 1 << 22, "{fitting}");
    assert_eq!(ask(fitting), Ok(()));
    assert!(matches!(ask(fitting + 1), Err(Error::DoesNotFit { fitting: Some(same), .. }) if same == fitting));
    let error = ask(1 << 22).unwrap_err();
    assert_eq!(error.code(), "out-of-memory");
    assert!(error.to_string().contains("a KV cache of q8_0"), "{error}");
    for number in [needed, possible, fitting as u64] {
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
}

/// The memory that there is, told as a limit and as a guess, around what the model takes with each type.
#[test]
fn a_cache_is_f16_wherever_that_fits_and_8_bits_where_not() {
    let needed = |kv_type| estimate(STORIES, options(STORIES, None, kv_type, EmbeddingType::Auto), 4096).unwrap();
    let (f16, q8) = (needed(KvType::F16), needed(KvType::Q8_0));
    assert!(q8.wasm_bytes < f16.wasm_bytes);
    let cases = [
        (f16.wasm_bytes, KvType::F16),
        (f16.wasm_bytes - 1, KvType::Q8_0),
        (q8.wasm_bytes, KvType::Q8_0),
        (u64::MAX, KvType::F16),
    ];
    for (bytes, expected) in cases {
        for (memory_limit, device_memory) in [(Some(bytes), None), (None, Some(bytes)), (Some(bytes), Some(u64::MAX))] {
            let auto = LoaderOptions { memory_limit, device_memory, ..Default::default() };
            let found = estimate(STORIES, auto.clone(), 4096).unwrap();
            let fixed = if expected == KvType::F16 { &f16 } else { &q8 };
            assert_eq!(found.kv_type, expected, "{bytes}");
            assert_eq!((found.kv_cache_bytes, found.wasm_bytes), (fixed.kv_cache_bytes, fixed.wasm_bytes), "{bytes}");
            let loaded = Arc::new(load_with(STORIES, Compute::default(), auto, usize::MAX));
            let session = Session::new(loaded.clone(), SessionOptions::default()).unwrap();
            assert_eq!(session.cache().kind(), expected, "{bytes}");
            assert_eq!(session.note().is_some(), expected == KvType::Q8_0, "{:?}", session.note());
            assert!(session.note().is_none_or(|note| note.contains("q8_0") && note.contains("512 tokens")));
            assert_eq!(session.try_clone().unwrap().note(), session.note());
            // What is asked for is had, and is nobody's decision.
            for kv_type in [KvType::F16, KvType::F32, KvType::Q8_0] {
                let options = SessionOptions { kv_type: Some(kv_type), ..Default::default() };
                let session = Session::new(loaded.clone(), options).unwrap();
                assert_eq!((session.cache().kind(), session.note()), (kv_type, None), "{bytes}");
            }
        }
    }
}

#[test]
fn a_shorter_text_may_have_f16_where_a_longer_one_has_8_bits() {
    let whole = estimate(STORIES, options(STORIES, None, KvType::F16, EmbeddingType::Auto), 4096).unwrap();
    let device_memory = Some(whole.wasm_bytes - 1);
    let loaded =
        load_with(STORIES, Compute::default(), LoaderOptions { device_memory, ..Default::default() }, usize::MAX);
    assert_eq!([512, 256].map(|context| loaded.kv_cache(None, context).0), [KvType::Q8_0, KvType::F16]);
}

#[test]
fn a_guess_of_the_devices_memory_refuses_nothing() {
    let mut loader = Loader::new(Compute::default(), LoaderOptions { device_memory: Some(1), ..Default::default() });
    assert_eq!(loader.push(STORIES), Ok(()));
    assert!(loader.finish().is_ok());
}

#[test]
fn a_model_that_no_context_makes_fit_is_refused_before_the_weights() {
    // 8 layers of 2.75 MB in 2 bits are 45 MB each in f32.
    let file = header(512, 512, 1024);
    let limit = 1 << 30;
    let mut loader =
        Loader::new(Compute::default(), LoaderOptions { memory_limit: Some(limit), ..LoaderOptions::default() });
    let error = loader.push(&file).unwrap_err();
    assert!(matches!(error, Error::DoesNotFit { fitting: None, possible, .. } if possible == limit), "{error}");
    assert_eq!(loader.push(&[]), Err(error), "an error stays");
}

#[test]
fn a_context_beyond_the_models_own_is_refused_before_the_weights() {
    let mut loader = Loader::new(Compute::default(), options(STORIES, Some(513), KvType::F16, EmbeddingType::Auto));
    let header = STORIES.len() / 20;
    assert!(matches!(loader.push(&STORIES[..header]), Err(Error::BadOption { option: "context", .. })));
}
