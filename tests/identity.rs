//! The same bits everywhere: every backend of this build, any number of threads, any chunking of file and prompt.
//!
//! The hashes are pinned, so that the same file, run natively and in a browser, compares machines too.

mod common;

use b158::kernels;
use b158::model::KvType;
use common::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Model, KV cache, hash of the logits of 70 positions.
const PINNED: [(&str, &[u8], KvType, u64); 8] = [
    ("A", A, KvType::F32, 0xabb1_95f7_22c9_2407),
    ("A", A, KvType::F16, 0xeb46_e43c_a92b_76bd),
    ("B", B, KvType::F32, 0x26ec_2303_8cb1_a96d),
    ("B", B, KvType::F16, 0x76f1_a14a_d309_33a3),
    ("C", C, KvType::F32, 0xda1e_11a8_e90e_4896),
    ("C", C, KvType::F16, 0xcfdd_3f99_8e17_8737),
    ("stories", STORIES, KvType::F32, 0x19e3_d985_c23f_67f7),
    ("stories", STORIES, KvType::F16, 0xd996_ef6d_4568_67d5),
];
const LENGTH: usize = 70;

#[test]
fn every_backend_has_the_pinned_bits() {
    let mut wrong = Vec::new();
    for (name, file, kind, pinned) in PINNED {
        for backend in kernels::available() {
            let loaded = load(file, backend, 1, 1 << 16);
            let ids = ids(loaded.model.config.vocabulary, LENGTH);
            let hash = hash(&logits(&loaded, &ids, kind, 32));
            if hash != pinned {
                wrong.push(format!("{name} {} {}: {hash:#018x}, pinned {pinned:#018x}", kind.name(), backend.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn threads_change_no_bit() {
    for backend in kernels::available() {
        let one = load(A, backend, 1, usize::MAX);
        let ids = ids(one.model.config.vocabulary, LENGTH);
        let expected = hash(&logits(&one, &ids, KvType::F16, 32));
        for threads in [2, 3, 8] {
            let many = load(A, backend, threads, usize::MAX);
            assert_eq!(hash(&logits(&many, &ids, KvType::F16, 32)), expected, "{} × {threads}", backend.name());
        }
    }
}

#[test]
fn chunks_of_the_prompt_change_no_bit() {
    for backend in kernels::available() {
        let loaded = load(B, backend, 1, usize::MAX);
        let ids = ids(loaded.model.config.vocabulary, 300);
        let expected = hash(&logits(&loaded, &ids, KvType::F16, 300));
        for batch in [1, 2, 3, 5, 31, 64, 257] {
            assert_eq!(hash(&logits(&loaded, &ids, KvType::F16, batch)), expected, "{} by {batch}", backend.name());
        }
    }
}

#[test]
fn chunks_of_the_file_change_no_bit() {
    let backend = kernels::detect();
    let expected = {
        let loaded = load(C, backend, 1, usize::MAX);
        hash(&logits(&loaded, &ids(loaded.model.config.vocabulary, 9), KvType::F32, 9))
    };
    for chunk in [1, 7, 33, 4096] {
        let loaded = load(C, backend, 1, chunk);
        let ids = ids(loaded.model.config.vocabulary, 9);
        assert_eq!(hash(&logits(&loaded, &ids, KvType::F32, 9)), expected, "chunks of {chunk}");
    }
}
