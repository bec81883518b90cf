//! A head of its own against the embedding as head: the same products with other rows.

use crate::common::parts::Parts;
use crate::common::*;
use b158::Error;
use b158::gguf::TensorType;
use b158::kernels::{self, Backend, Compute};
use b158::model::{EmbeddingType, Estimator, KvType, Loaded, Loader, LoaderOptions, Model};
use b158::session::{Session, SessionOptions};
use b158::threads::Pool;
use std::sync::Arc;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// The model with its embedding in another type, in which its numbers are made up: every bit pattern is one.
fn in_type(file: &[u8], kind: TensorType) -> Parts {
    let mut parts = Parts::of(file);
    let (info, bytes) = parts.tensor(EMBEDDING);
    if info.kind != kind.into() {
        let size = kind.size_of(&info.dims).unwrap() as usize;
        let block = kind.block_bytes() as usize;
        // Small and finite, whatever the type: exponents of no field are at their end.
        *bytes = (0..size).map(|i| ((i * 37 + i / 251) % 47) as u8).collect();
        if kind == TensorType::Q6_K {
            bytes.chunks_exact_mut(block).for_each(|bytes| bytes[block - 2..].copy_from_slice(&[0, 0x20]));
        }
        info.kind = kind.into();
    }
    parts
}

/// Adds a head: the embedding's rows in the opposite order.
fn reverse_head(parts: &mut Parts) {
    let (mut info, bytes) = parts.tensor(EMBEDDING).clone();
    let row = bytes.len() / info.dims[1] as usize;
    info.name = HEAD.into();
    let reversed = bytes.rchunks_exact(row).flatten().copied().collect();
    parts.tensors.push((info, reversed));
}

fn reversed(mut logits: Vec<f32>, vocabulary: usize) -> Vec<f32> {
    logits.chunks_exact_mut(vocabulary).for_each(<[f32]>::reverse);
    logits
}

fn load_as(file: &[u8], backend: Backend, threads: usize, embedding: EmbeddingType, chunk: usize) -> Loaded {
    let options = LoaderOptions { file_size: Some(file.len() as u64), embedding, ..Default::default() };
    load_with(file, Compute { backend, pool: Pool::new(threads) }, options, chunk)
}

fn hash_of(loaded: &Loaded) -> u64 {
    hash(&logits(loaded, &ids(loaded.model.config.vocabulary, 9), KvType::F32, 9))
}

#[test]
fn a_head_of_reversed_rows_gives_reversed_logits_on_every_backend() {
    for (name, file) in [("C", C), ("stories", STORIES)] {
        let tied = Parts::of(file).file();
        let mut parts = Parts::of(file);
        reverse_head(&mut parts);
        let own = parts.file();
        for backend in backends() {
            for embedding in [EmbeddingType::Auto, EmbeddingType::File, EmbeddingType::Int8] {
                for &threads in thread_counts() {
                    let (a, b) = (
                        load_as(&tied, backend, threads, embedding, 4096),
                        load_as(&own, backend, threads, embedding, 4096),
                    );
                    let vocabulary = a.model.config.vocabulary;
                    let ids = ids(vocabulary, 20);
                    let expected = reversed(logits(&a, &ids, KvType::F16, 8), vocabulary);
                    let found = logits(&b, &ids, KvType::F16, 8);
                    assert!(found == expected, "{name} {} × {threads} {embedding:?}", backend.name());
                }
            }
        }
    }
}

#[test]
fn every_type_that_an_embedding_may_have() {
    for kind in
        [TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0, TensorType::Q4_0, TensorType::Q6_K]
    {
        let tied = in_type(C, kind);
        let mut own = in_type(C, kind);
        reverse_head(&mut own);
        for embedding in [EmbeddingType::File, EmbeddingType::Int8] {
            let (a, b) = (
                load_as(&tied.file(), kernels::detect(), 1, embedding, usize::MAX),
                load_as(&own.file(), kernels::detect(), 1, embedding, 77),
            );
            let vocabulary = a.model.config.vocabulary;
            let ids = ids(vocabulary, 5);
            let expected = reversed(logits(&a, &ids, KvType::F32, 5), vocabulary);
            assert!(expected.iter().any(|logit| *logit != 0.0), "{kind}");
            assert!(logits(&b, &ids, KvType::F32, 5) == expected, "{kind} {embedding:?}");
            let held = if embedding == EmbeddingType::File { kind.name() } else { "int8" };
            assert_eq!((b.model.weights.head().type_name(), b.model.weights.token_embd.type_name()), (held, held));
        }
    }
}

#[test]
fn a_head_of_another_type_than_the_embeddings() {
    let mut parts = Parts::of(C);
    let (info, bytes) = parts.tensor(EMBEDDING).clone();
    let wide = bytes.as_chunks().0.iter().map(|half| half::f16::from_le_bytes(*half).to_f32()).collect::<Vec<_>>();
    parts.add(HEAD, &info.dims, &wide);
    let loaded = load(&parts.file(), kernels::detect(), 1, 1000);
    let types = (loaded.model.weights.token_embd.type_name(), loaded.model.weights.head().type_name());
    assert_eq!(types, ("F16", "F32"));
    // The same numbers: f16 widens exactly.
    assert_eq!(hash_of(&loaded), hash_of(&load(C, kernels::detect(), 1, usize::MAX)));
}

#[test]
fn neither_chunks_nor_the_order_of_tensors_change_a_bit() {
    let mut parts = Parts::of(C);
    reverse_head(&mut parts);
    let expected = hash_of(&load(&parts.file(), kernels::detect(), 1, usize::MAX));
    assert_ne!(expected, hash_of(&load(C, kernels::detect(), 1, usize::MAX)));
    let count = parts.tensors.len();
    for turn in [0, 1, count / 2, count - 1] {
        parts.tensors.rotate_left(turn);
        let file = parts.file();
        for chunk in [1, 7, 4096] {
            for embedding in [EmbeddingType::File, EmbeddingType::Int8] {
                let whole = load_as(&file, kernels::detect(), 1, embedding, usize::MAX);
                let cut = load_as(&file, kernels::detect(), 1, embedding, chunk);
                assert_eq!(hash_of(&cut), hash_of(&whole), "turned by {turn}, chunks of {chunk}");
                if embedding == EmbeddingType::File {
                    assert_eq!(hash_of(&cut), expected, "turned by {turn}, chunks of {chunk}");
                }
            }
        }
    }
}

#[test]
fn a_head_equal_to_the_embedding_changes_no_logit_but_is_told_apart() {
    let mut parts = Parts::of(C);
    let (mut info, bytes) = parts.tensor(EMBEDDING).clone();
    info.name = HEAD.into();
    parts.tensors.insert(0, (info, bytes));
    let (tied, own) =
        (load(C, kernels::detect(), 1, usize::MAX), load(&parts.file(), kernels::detect(), 1, usize::MAX));
    assert_eq!(hash_of(&own), hash_of(&tied));
    let table = tied.model.weights.token_embd.bytes();
    assert_eq!(own.model.weights.bytes(), tied.model.weights.bytes() + table);
    let (rows, cols) = (tied.model.config.vocabulary as u64, tied.model.config.embedding as u64);
    assert_eq!(own.model.parameters(), tied.model.parameters() + rows * cols);
    // A token reads one of the two whole.
    let read = |model: &Model| model.weights.memory().iter().map(|memory| memory.len()).sum::<usize>();
    assert_eq!(read(&own.model), read(&tied.model));
}

#[test]
fn sessions_of_one_head_are_not_those_of_another() {
    let mut parts = Parts::of(C);
    reverse_head(&mut parts);
    let models =
        [Parts::of(C).file(), parts.file()].map(|file| Arc::new(load(&file, kernels::detect(), 1, usize::MAX)));
    assert_ne!(models[0].model.fingerprint(), models[1].model.fingerprint());
    let [tied, own] = models.map(|loaded| {
        let mut session = Session::new(loaded, SessionOptions::default()).unwrap();
        session
            .start(&[1, 2, 3], b158::session::GenerateOptions { max_tokens: Some(2), ..Default::default() })
            .unwrap();
        while !matches!(session.step(std::time::Duration::MAX).unwrap(), b158::session::Step::Done(_)) {}
        session
    });
    let (mut a, mut b) = (tied.try_clone().unwrap(), own.try_clone().unwrap());
    a.restore(&tied.save().unwrap()).unwrap();
    b.restore(&own.save().unwrap()).unwrap();
    assert!(matches!(a.restore(&own.save().unwrap()), Err(Error::ForeignSession { .. })));
    assert!(matches!(b.restore(&tied.save().unwrap()), Err(Error::ForeignSession { .. })));
}

#[test]
fn the_estimate_counts_it() {
    let mut parts = Parts::of(STORIES);
    reverse_head(&mut parts);
    let file = parts.file();
    for embedding in [EmbeddingType::Auto, EmbeddingType::File, EmbeddingType::Int8] {
        let options = LoaderOptions { file_size: Some(file.len() as u64), embedding, ..Default::default() };
        let mut estimator = Estimator::new(options.clone());
        assert!(estimator.push(&file).unwrap());
        let estimate = estimator.finish().unwrap();
        let loaded = load_with(&file, Compute::default(), options, 1 << 16);
        assert_eq!(estimate.weight_bytes, loaded.model.weights.bytes(), "{embedding:?}");
        assert_eq!(estimate.parameters(), loaded.model.parameters());
        assert_eq!(estimate.types, loaded.types);
        let told =
            loaded.notes.iter().any(|note| note.contains("the token embedding and the output head are held in 8"));
        assert_eq!(told, embedding == EmbeddingType::Int8, "{:?}", loaded.notes);
        let rounded = if told { "int8" } else { "F16" };
        assert_eq!(loaded.model.weights.head().type_name(), rounded);
    }
}

#[test]
fn a_head_of_another_shape_or_of_no_numbers_is_refused() {
    let refusal = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::of(C);
        reverse_head(&mut parts);
        change(&mut parts);
        let file = parts.file();
        [7, 4096, usize::MAX].map(|chunk| {
            let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
            file.chunks(chunk).try_for_each(|part| loader.push(part)).expect_err("it is refused")
        })
    };
    let dims = Parts::of(C).tensor(EMBEDDING).0.dims.clone();
    for found in [vec![1], vec![dims[0]], vec![dims[1], dims[0]], vec![dims[0], dims[1] - 1], vec![dims[0], dims[1], 1]]
    {
        for error in refusal(&|parts| {
            let (info, bytes) = parts.tensor(HEAD);
            info.dims.clone_from(&found);
            bytes.resize(found.iter().product::<u64>() as usize * 2, 0);
        }) {
            assert_eq!(error, Error::WrongShape { name: HEAD.into(), found: found.clone(), expected: dims.clone() });
        }
    }
    for error in refusal(&|parts| parts.tensor(HEAD).1[2000..2002].copy_from_slice(&0x7c00u16.to_le_bytes())) {
        assert!(
            matches!(&error, Error::BadTensorData { name, reason } if name == HEAD && reason.contains("element 1000"))
        );
    }
    for error in refusal(&|parts| {
        let (info, bytes) = parts.tensor(HEAD);
        info.kind = TensorType::I2S.into();
        bytes.resize(TensorType::I2S.size_of(&info.dims).unwrap() as usize, 0);
    }) {
        assert!(matches!(&error, Error::BadTensorData { name, .. } if name == HEAD), "{error}");
    }
    let mut parts = Parts::of(C);
    reverse_head(&mut parts);
    parts.add("output.bias", &[dims[1]], &vec![0.0; dims[1] as usize]);
    let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
    let error = loader.push(&parts.file()).unwrap_err();
    assert_eq!(error, Error::UnknownTensor { name: "output.bias".into() });
}
