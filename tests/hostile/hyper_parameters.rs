//! Numbers of the model that contradict each other or the tensors (CVE-2024-8063: block_count of another type, divided by).

use super::file::{U64, attack, f32, string, u32};
use super::{harmless, refused, test};
use b158::Error;

#[track_caller]
fn bad_value(name: &str, value: (u32, Vec<u8>)) {
    let file = attack(|file| file.set_model(name, value));
    refused(name, &file, |error| matches!(error, Error::BadValue { .. }));
}

#[test]
fn counts() {
    for (name, values) in [
        ("block_count", &[0, 513, 1_000_000_000, u32::MAX][..]),
        ("embedding_length", &[0, 1, 127, u32::MAX]),
        ("feed_forward_length", &[0, u32::MAX]),
        ("attention.head_count", &[0, 3, 256, u32::MAX]),
        ("attention.head_count_kv", &[0, 3, 4, u32::MAX]),
        // Heads of an odd width have no pairs to rotate.
        ("attention.key_length", &[0, 63, 1 << 17, u32::MAX]),
        ("context_length", &[0, u32::MAX]),
        ("rope.dimension_count", &[0, 63, 128]),
    ] {
        for value in values {
            bad_value(name, u32(*value));
        }
    }
    for (name, value) in [("block_count", 2), ("feed_forward_length", 128)] {
        let file = attack(|file| file.set_model(name, u32(value)));
        refused(name, &file, |error| matches!(error, Error::WrongShape { .. } | Error::MissingTensor { .. }));
    }
    let odd = attack(|file| {
        file.set_model("attention.head_count", u32(128));
        file.set_model("attention.head_count_kv", u32(64));
    });
    refused("heads of one element", &odd, |error| matches!(error, Error::BadValue { .. }));
}

#[test]
fn floats() {
    for name in ["rope.freq_base", "attention.layer_norm_rms_epsilon"] {
        for value in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            bad_value(name, self::f32(value));
            bad_value(name, (12, f64::from(value).to_le_bytes().to_vec()));
        }
    }
    // Beyond f32, and 0 in it.
    for value in [1e39, 1e-60] {
        bad_value("attention.layer_norm_rms_epsilon", (12, f64::to_le_bytes(value).to_vec()));
    }
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        bad_value("rope.scaling.factor", self::f32(value));
    }
    // Angles that grow from pair to pair end beyond all numbers.
    for value in [1e-45, 0.99] {
        bad_value("rope.freq_base", self::f32(value));
    }
    harmless("a tiny epsilon", &attack(|file| file.set_model("attention.layer_norm_rms_epsilon", self::f32(1e-45))));
    harmless("the smallest base", &attack(|file| file.set_model("rope.freq_base", self::f32(1.0))));
    harmless(
        "a base in 64 bits",
        &attack(|file| file.set_model("rope.freq_base", (12, 1e4f64.to_le_bytes().to_vec()))),
    );
    harmless("a whole base", &attack(|file| file.set_model("rope.freq_base", u32(10_000))));
    // As llama.cpp has it: 0 is no factor, and none is taken where there is no scaling.
    harmless("a factor of 0", &attack(|file| file.set_model("rope.scaling.factor", self::f32(0.0))));
    harmless("positions halved", &attack(|file| file.set_model("rope.scaling.factor", self::f32(2.0))));
    harmless(
        "a factor without scaling",
        &attack(|file| {
            file.set_model("rope.scaling.type", string("none"));
            file.set_model("rope.scaling.factor", self::f32(4.0));
        }),
    );
}

#[test]
fn types() {
    for (name, value) in [
        ("block_count", string("1")),
        ("block_count", self::f32(1.0)),
        ("embedding_length", (7, vec![1])),
        ("attention.layer_norm_rms_epsilon", string("1e-5")),
        ("attention.layer_norm_rms_epsilon", u32((1 << 24) + 1)),
        ("rope.freq_base", string("10000")),
    ] {
        let file = attack(|file| file.set_model(name, value));
        refused(name, &file, |error| matches!(error, Error::WrongType { .. }));
    }
    for value in [(U64, u64::MAX.to_le_bytes().to_vec()), (11, (-1i64).to_le_bytes().to_vec())] {
        bad_value("block_count", value);
    }
    harmless("a count in 64 bits", &attack(|file| file.set_model("block_count", (U64, 1u64.to_le_bytes().to_vec()))));
}

#[test]
fn missing() {
    for name in ["context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"] {
        let key = format!("bitnet-b1.58.{name}");
        let file = attack(|file| file.remove(&key));
        refused(name, &file, |error| matches!(error, Error::MissingKey { key: found } if *found == key));
    }
    harmless("vocab_size, which the tokens tell", &attack(|file| file.remove("bitnet-b1.58.vocab_size")));
    for size in [0, 1, 262, 264, u32::MAX] {
        let loaded = harmless("a vocab_size from before", &attack(|file| file.set_model("vocab_size", u32(size))));
        let note = format!("`bitnet-b1.58.vocab_size` is {size}, there are 263 tokens");
        assert!(loaded.notes.iter().any(|found| found.contains(&note)), "{:?}", loaded.notes);
    }
    // The embedding must agree with the tokens.
    let file = attack(|file| {
        file.set_model("vocab_size", u32(262));
        file.set("tokenizer.ggml.tokens", super::file::strings(&[""; 262]));
    });
    refused("a row too many", &file, |error| matches!(error, Error::WrongShape { .. } | Error::BadTokenizer { .. }));
}

/// 2^24 positions of one layer are nothing that is taken before they are used.
#[test]
fn a_context_of_millions_is_no_memory_yet() {
    let file = attack(|file| file.set_model("context_length", u32(1 << 24)));
    assert_eq!(harmless("context of 2^24", &file).model.config.context_length, 1 << 24);
}
