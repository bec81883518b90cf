//! The same bits everywhere: every backend of this build, any number of threads, any chunking of file and prompt.
//!
//! The hashes are pinned, so that the same file, run natively, under emulation and in browsers, compares machines too;
//! `./build.sh test --all` prints them as a table. Without it, threads, prompts and chunks are a sample of theirs (`sizes`).

use crate::common::*;
use b158::kernels::{self, Compute};
use b158::model::{EmbeddingType, KvType, LoaderOptions};
use b158::threads::Pool;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Model, KV cache, hash of the logits of 70 positions.
const PINNED: [(&str, &[u8], KvType, u64); 20] = [
    ("A", A, KvType::F32, 0x19c5_7861_c253_a1e5),
    ("A", A, KvType::F16, 0x4047_f8da_bf43_13af),
    ("A", A, KvType::Q8_0, 0xb6d7_8ba3_e87b_2f4b),
    ("B", B, KvType::F32, 0x5f51_a095_1d9d_4591),
    ("B", B, KvType::F16, 0x6b41_a1be_ad14_a9de),
    ("B", B, KvType::Q8_0, 0xa563_6f4f_9928_5d69),
    ("C", C, KvType::F32, 0xe402_7f91_fc80_7bf7),
    ("C", C, KvType::F16, 0x1b66_fbe2_d5a5_d6c8),
    ("C", C, KvType::Q8_0, 0xdf30_6267_7a32_7bbb),
    ("stories", STORIES, KvType::F32, 0x9699_7c57_1e3a_a50f),
    ("stories", STORIES, KvType::F16, 0x2192_9740_8999_b77d),
    ("stories", STORIES, KvType::Q8_0, 0xf2bc_4b6a_3b9e_bce0),
    // A graph each.
    ("llama", LLAMA, KvType::F16, 0x0c75_97f9_9e81_f2cb),
    ("qwen3", QWEN3, KvType::F16, 0xbeb2_c084_e05a_f938),
    ("minicpm", MINICPM, KvType::F16, 0xab0c_0ad9_5f71_0280),
    ("norms-in", NORMS_IN, KvType::F16, 0xaaff_3308_6421_8471),
    ("Q1_0", Q1, KvType::F16, 0x5b66_c4bc_4663_9732),
    ("Q2_0", Q2, KvType::F16, 0x77d3_d493_f8fe_33af),
    ("PTQ1_0", PTQ1, KvType::F16, 0x945c_b2fb_3110_c244),
    ("longrope", LONGROPE, KvType::F16, 0x037d_139a_2726_0541),
];
const LENGTH: usize = 70;

#[test]
fn every_backend_has_the_pinned_bits() {
    let mut wrong = Vec::new();
    for backend in kernels::available() {
        let mut said = format!("bits {}", backend.name());
        for (name, file, kind, pinned) in PINNED {
            let loaded = load(file, backend, 1, 1 << 16);
            let ids = ids(loaded.model.config.vocabulary, LENGTH);
            let hash = hash(&logits(&loaded, &ids, kind, 32));
            if hash != pinned {
                wrong.push(format!("{name} {} {}: {hash:#018x}, pinned {pinned:#018x}", kind.name(), backend.name()));
            }
            said += &format!(" {name}.{}={hash:016x}", kind.name());
        }
        // build.sh gathers these lines from every machine into one table.
        say(&said);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn say(text: &str) {
    #[cfg(target_family = "wasm")]
    wasm_bindgen_test::console_log!("{text}");
    #[cfg(not(target_family = "wasm"))]
    println!("{text}");
}

/// The story model with its embedding held in 8 bits, f16 KV cache.
const PINNED_INT8: u64 = 0x0c9e_a12f_9e0e_cd30;

#[test]
fn every_backend_has_the_pinned_bits_with_an_8_bit_embedding() {
    for backend in kernels::available() {
        let compute = Compute { backend, pool: Pool::new(2) };
        let loaded =
            load_with(STORIES, compute, LoaderOptions { embedding: EmbeddingType::Int8, ..Default::default() }, 4097);
        let ids = ids(loaded.model.config.vocabulary, LENGTH);
        let found = hash(&logits(&loaded, &ids, KvType::F16, 32));
        assert_eq!(found, PINNED_INT8, "{}: {found:#018x}", backend.name());
    }
}

/// The page of the wasm tests has one thread. Those of a tab are compared in `tests/browser/threads.spec.js`.
#[test]
fn threads_change_no_bit() {
    for (name, file, kind, pinned) in PINNED {
        if kind != KvType::F16 && !wide() {
            continue;
        }
        for backend in backends() {
            for &threads in sizes(&[2, 3, 8], &[3]) {
                let many = load(file, backend, threads, usize::MAX);
                let ids = ids(many.model.config.vocabulary, LENGTH);
                let found = hash(&logits(&many, &ids, kind, 32));
                assert_eq!(found, pinned, "{name} {} {} × {threads}", kind.name(), backend.name());
            }
        }
    }
}

/// Past the first page of the KV cache, where pages are tasks. The pages of the wasm tests have one thread.
#[cfg(not(target_family = "wasm"))]
#[test]
fn threads_change_no_bit_of_a_long_text() {
    for kind in [KvType::F16, KvType::Q8_0] {
        let hashes = [1, 2, 3].map(|threads| {
            let loaded = load(A, kernels::detect(), threads, usize::MAX);
            let ids = ids(loaded.model.config.vocabulary, LONG);
            [1, 64].map(|batch| hash(&logits(&loaded, &ids, kind, batch)))
        });
        assert!(hashes.as_flattened().iter().all(|hash| *hash == hashes[0][0]), "{}: {hashes:x?}", kind.name());
    }
}

const MODELS: [(&str, &[u8]); 3] = [("A", A), ("B", B), ("C", C)];
/// Tokens of the longest prompt.
const LONG: usize = 300;

/// A prompt read whole is a matrix of that many rows: every size of the kernels' blocks and their tails. What follows a token
/// never changes what was computed for it, so a shorter prompt is the beginning of a longer one.
#[test]
fn prompts_of_any_length_have_the_same_bits() {
    for (name, file) in MODELS {
        let scalar = load(file, kernels::by_name("scalar").unwrap(), 1, usize::MAX);
        let ids = ids(scalar.model.config.vocabulary, LONG);
        let lengths = sizes(&[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, LONG], &[1, 2, 3, 5, 8, 17, 65]);
        let expected = logits(&scalar, &ids[..lengths[lengths.len() - 1]], KvType::F16, 1);
        let width = scalar.model.config.vocabulary;
        for backend in backends() {
            let loaded = load(file, backend, 1, usize::MAX);
            for &length in lengths {
                let found = logits(&loaded, &ids[..length], KvType::F16, length);
                assert_eq!(
                    hash(&found),
                    hash(&expected[..length * width]),
                    "{name} {}: {length} tokens",
                    backend.name()
                );
            }
        }
    }
}

#[test]
fn chunks_of_the_prompt_change_no_bit() {
    for (name, file) in MODELS {
        for backend in backends() {
            let loaded = load(file, backend, 1, usize::MAX);
            let ids = ids(loaded.model.config.vocabulary, *sizes(&[LONG], &[100]).first().unwrap());
            let full: &[(KvType, &[usize])] = &[(KvType::F16, &[1, 3, 31, 257]), (KvType::Q8_0, &[31])];
            for &(kind, batches) in sizes(full, &[(KvType::F16, &[31])]) {
                let expected = hash(&logits(&loaded, &ids, kind, ids.len()));
                for batch in batches {
                    let found = hash(&logits(&loaded, &ids, kind, *batch));
                    assert_eq!(found, expected, "{name} {} {} by {batch}", kind.name(), backend.name());
                }
            }
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
