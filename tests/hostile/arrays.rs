//! Arrays (CVE-2024-21825: a count times a size that wraps; PR #19856: elements past the end).

use super::file::{ARRAY, BOOL, STRING, U8, U32, U64, array, attack, strings};
use super::{harmless, refuse, refused, test};
use b158::Error;

/// One more key with this array.
fn with((kind, value): (u32, Vec<u8>)) -> Vec<u8> {
    attack(|file| file.set("unused", (kind, value)))
}

#[test]
fn counts_that_wrap() {
    for (name, kind, count) in [
        ("wraps at 2^64", U64, 1 << 61),
        ("wraps at 2^64 to 8 bytes", U64, (1 << 61) + 1),
        ("wraps at 2^32", U64, 1 << 29),
        ("wraps at 2^32 to 4 bytes", U32, (1 << 30) + 1),
        ("strings that wrap", STRING, 1 << 61),
        ("2^64-1 bytes", U8, u64::MAX),
        ("2^63 bools", BOOL, 1 << 63),
    ] {
        refused(name, &with(array(kind, count, &[0; 64])), |error| {
            matches!(error, Error::BeyondEnd { .. } | Error::OverLimit { .. })
        });
    }
}

#[test]
fn elements_past_the_end() {
    refuse! {
        "a count past the end of the file", with(array(U8, 1 << 20, &[0; 64])) => Error::BeyondEnd { .. },
        "strings past the end of the file", with(array(STRING, 1 << 16, &[0; 64])) => Error::BeyondEnd { .. },
        "a string past the end of the file", with(array(STRING, 1, &(1u64 << 20).to_le_bytes())) => Error::BeyondEnd { .. },
        "a string of 2^64-1 bytes", with(array(STRING, 1, &u64::MAX.to_le_bytes())) => Error::BeyondEnd { .. } | Error::OverLimit { .. },
    }
}

#[test]
fn element_types() {
    let nested = |depth: usize| {
        let mut value = array(U8, 1, &[0]).1;
        for _ in 0..depth {
            value = array(ARRAY, 1, &value).1;
        }
        with((ARRAY, value))
    };
    // Built from the inside out it would take the square of the depth.
    let deep = with((ARRAY, array(ARRAY, 1, &[]).1.repeat(10_000)));
    refuse! {
        "nested once", nested(1) => Error::NestedArray { key, .. } if key == "unused",
        "nested twice", nested(2) => Error::NestedArray { .. },
        "nested 10,000 deep", deep => Error::NestedArray { .. },
        "element type 13", with(array(13, 1, &[0; 8])) => Error::UnknownValueType { found: 13, .. },
        "element type 2^32-1", with(array(u32::MAX, 0, &[])) => Error::UnknownValueType { found: u32::MAX, .. },
        "tokens that are numbers", attack(|file| file.set("tokenizer.ggml.tokens", array(U32, 1, &[0; 4])))
            => Error::WrongType { key, .. } if key == "tokenizer.ggml.tokens",
        "scores that are strings", attack(|file| file.set("tokenizer.ggml.scores", strings(&["1"])))
            => Error::WrongType { key, .. } if key == "tokenizer.ggml.scores",
        "token types that are bools", attack(|file| file.set("tokenizer.ggml.token_type", array(BOOL, 1, &[0])))
            => Error::WrongType { key, .. } if key == "tokenizer.ggml.token_type",
        "a layer count for each layer", attack(|file| file.set_model("block_count", array(U32, 1, &[1, 0, 0, 0])))
            => Error::WrongType { .. },
    }
}

#[test]
fn empty_arrays() {
    for kind in (0..13).filter(|kind| *kind != ARRAY) {
        harmless(&format!("no elements of type {kind}"), &with(array(kind, 0, &[])));
    }
}
