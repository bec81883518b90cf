//! Files that must be refused: each with its error, in every chunking. Groups as in the advisories against other
//! GGUF readers.

use super::*;
use crate::Error;

/// Refuses with the size of the file unknown, and with it known.
#[track_caller]
fn refused(name: &str, raw: &Raw, expected: impl Fn(&Error) -> bool) {
    let error = read_in_every_chunking(&raw.0, &Limits::default()).expect_err(name);
    assert!(expected(&error), "{name}: {error:?}");
    let known = Limits { file_size: Some(raw.len()), ..Limits::default() };
    read_in_every_chunking(&raw.0, &known).expect_err(name);
}

macro_rules! refuse {
    ($($name:expr, $raw:expr => $pattern:pat $(if $guard:expr)?,)*) => {
        $(refused(&$name.to_string(), &$raw, |error| matches!(error, $pattern $(if $guard)?));)*
    };
}

const HUGE: [u64; 6] = [1 << 31, u32::MAX as u64, 1 << 32, 1 << 60, 1 << 63, u64::MAX];

#[test]
fn headers() {
    let version = |version: u32| Raw::default().bytes(b"GGUF").u32(version).u64(0).u64(0);
    refuse! {
        "empty", Raw::default() => Error::EmptyFile,
        "4 bytes", Raw::default().bytes(b"GGUF") => Error::Truncated { offset: 4, .. },
        "a page", Raw::default().bytes(b"<!doctype html>") => Error::NotGguf { what } if what.contains("web page"),
        "reversed magic", Raw::default().bytes(b"FUGG\0\0\0\x03") => Error::BigEndian { offset: 0 },
        "big-endian", version(3u32.swap_bytes()) => Error::BigEndian { offset: 4 },
        "version 0", version(0) => Error::UnsupportedVersion { found: 0 },
        "version 1", version(1) => Error::UnsupportedVersion { found: 1 },
        "version 4", version(4) => Error::UnsupportedVersion { found: 4 },
        "version 2^32-1", version(u32::MAX) => Error::UnsupportedVersion { found: u32::MAX },
    }
}

#[test]
fn counts() {
    for n in HUGE {
        refuse! {
            format!("{n} tensors"), Raw::header(n, 0) => Error::OverLimit { offset: 8, found, .. } if *found == n,
            format!("{n} keys"), Raw::header(0, n) => Error::OverLimit { offset: 16, found, .. } if *found == n,
        }
        for raw in [Raw::header(n, 0), Raw::header(0, n)] {
            let known = Limits { file_size: Some(raw.len()), ..Limits::default() };
            let error = read_in_every_chunking(&raw.0, &known).unwrap_err();
            assert!(matches!(error, Error::BeyondEnd { needed, .. } if needed >= n), "{error}");
        }
    }
    refuse! {
        "a tensor that is not there", Raw::header(1, 0) => Error::Truncated { offset: 24, .. },
        "a key that is not there", Raw::header(0, 1) => Error::Truncated { offset: 24, .. },
    }
}

#[test]
fn keys_and_strings() {
    let key = |bytes: &[u8]| Raw::header(0, 1).u64(bytes.len() as u64).bytes(bytes).u32(0).u8(0);
    refuse! {
        "empty key", key(b"") => Error::BadKey { index: 0, offset: 24, .. },
        "key of 64 KiB + 1", key(&[b'k'; 65_537]) => Error::BadKey { index: 0, offset: 24, .. },
        "NUL in a key", key(b"a\0b") => Error::BadKey { index: 0, offset: 32, .. },
        "duplicate key", Raw::header(0, 2).string("k").u32(0).u8(0).string("k").u32(4).u32(0)
            => Error::DuplicateKey { key, offset: 46 } if key == "k",
        "string longer than the file", Raw::one_key("k").u32(8).u64(3).bytes(b"ab") => Error::Truncated { offset: 47, .. },
        "value type 13", Raw::one_key("k").u32(13) => Error::UnknownValueType { offset: 33, found: 13, .. },
        "value type 2^32-1", Raw::one_key("k").u32(u32::MAX) => Error::UnknownValueType { found: u32::MAX, .. },
    }
    for n in HUGE {
        refuse! {
            format!("key of {n}"), Raw::header(0, 1).u64(n) => Error::OverLimit { offset: 24, .. },
            format!("string of {n}"), Raw::one_key("k").u32(8).u64(n) => Error::OverLimit { offset: 37, found, .. } if *found == n,
            format!("token of {n}"), Raw::one_key("k").u32(9).u32(8).u64(1).u64(n) => Error::OverLimit { offset: 49, found, .. } if *found == n,
        }
    }
    let raw = Raw::one_key("k").u32(8).u64(3).bytes(b"ab");
    let known = Limits { file_size: Some(raw.len()), ..Limits::default() };
    let error = read_in_every_chunking(&raw.0, &known).unwrap_err();
    let field = "the length of `k`".to_owned();
    assert_eq!(error, Error::BeyondEnd { field, offset: 37, needed: 3, remaining: 2 });
    assert!(read_in_every_chunking(&key(&[b'k'; 65_536]).0, &Limits::default()).is_ok());
}

#[test]
fn arrays() {
    let array = |kind: u32, count: u64| Raw::one_key("k").u32(9).u32(kind).u64(count);
    for n in HUGE {
        // 2^61 elements of 8 bytes wrap at 2^64, 2^29 at 2^32.
        for kind in [0, 5, 7, 8, 10] {
            let name = format!("{n} elements of type {kind}");
            refused(&name, &array(kind, n), |e| matches!(e, Error::OverLimit { offset: 41, .. }));
        }
    }
    refuse! {
        "wraps at 2^64", array(10, 1 << 61) => Error::OverLimit { offset: 41, .. },
        "wraps at 2^32", array(10, 1 << 29) => Error::OverLimit { offset: 41, .. },
        "past the end", array(0, 10).bytes(&[0; 9]) => Error::Truncated { field, .. } if field == "`k`[9]",
        "nested", array(9, 1) => Error::NestedArray { offset: 37, .. },
        "nested deeply", (0..10_000).fold(Raw::one_key("k").u32(9), |raw, _| raw.u32(9).u64(1)) => Error::NestedArray { .. },
        "element type 13", array(13, 0) => Error::UnknownValueType { offset: 37, found: 13, .. },
    }
    for kind in (0..13).filter(|&kind| kind != 9) {
        assert!(read_in_every_chunking(&array(kind, 0).0, &Limits::default()).is_ok(), "an empty array is none");
    }
}

#[test]
fn alignments() {
    let alignment = |v: u32| Raw::one_key("general.alignment").u32(4).u32(v);
    for v in [0, 3, 31, 1 << 21, 1 << 31, u32::MAX] {
        let name = format!("alignment {v}");
        refused(
            &name,
            &alignment(v),
            |e| matches!(e, Error::BadAlignment { offset: 53, found, .. } if *found == v.to_string()),
        );
    }
    refuse! {
        "of type u64", Raw::one_key("general.alignment").u32(10).u64(32) => Error::BadAlignment { offset: 49, .. },
        "of type string", Raw::one_key("general.alignment").u32(8).string("32") => Error::BadAlignment { offset: 49, .. },
        "given twice", Raw::header(0, 2).string("general.alignment").u32(4).u32(32).string("general.alignment").u32(4).u32(32)
            => Error::DuplicateKey { .. },
    }
    for v in [1, 2, 32, 1 << 20] {
        assert!(read_in_every_chunking(&alignment(v).0, &Limits::default()).is_ok(), "alignment {v}");
    }
}

#[test]
fn shapes_and_names() {
    let shape = |kind: u32, dims: &[u64]| Raw::bitnet(1).tensor("t", dims, kind, 0);
    let bad = |e: &Error| matches!(e, Error::BadShape { tensor, offset: 85, .. } if tensor == "t");
    refused("no dimensions", &shape(0, &[]), bad);
    refused("5 dimensions", &shape(0, &[1; 5]), bad);
    refused("2^32-1 dimensions", &Raw::bitnet(1).string("t").u32(u32::MAX).bytes(&[1; 99]), bad);
    refused("dimension 0", &shape(0, &[0]), bad);
    refused("outer dimension 0", &shape(0, &[32, 0]), bad);
    refused("negative dimension", &shape(0, &[u64::MAX]), bad);
    refused("product wraps at 2^64", &shape(0, &[1 << 32, 1 << 32]), bad);
    refused("product wraps to little", &shape(0, &[1 << 32, 1 << 32, 1, 1]), bad);
    refused("product of 2^63", &shape(0, &[1 << 32, 1 << 31]), bad);
    refused("bytes wrap", &shape(0, &[1 << 62]), bad);
    for (kind, block) in [(36, 128), (34, 256), (35, 256), (14, 256), (8, 32), (2, 32)] {
        refused("row of half blocks", &shape(kind, &[block / 2, 2]), bad);
    }
    // 2^32 bytes are nothing special where sizes have 64 bits: only the end of the file refuses them.
    let wraps_in_wasm = shape(0, &[1 << 16, 1 << 14]).bytes(&[0; 64]);
    refused("product wraps at 2^32", &wraps_in_wasm, |e| matches!(e, Error::Truncated { .. }));
    let known = Limits { file_size: Some(wraps_in_wasm.len()), ..Limits::default() };
    let error = read(&wraps_in_wasm.0, &known, &[9]).unwrap_err();
    assert!(matches!(error, Error::BeyondEnd { offset: 128, needed: 0x1_0000_0000, .. }), "{error:?}");

    let name = |bytes: &[u8]| Raw::bitnet(1).u64(bytes.len() as u64).bytes(bytes).u32(1).u64(1).u32(0).u64(0);
    refuse! {
        "empty name", name(b"") => Error::BadTensorName { index: 0, offset: 76, .. },
        "name of 64", name(&[b'n'; 64]) => Error::BadTensorName { index: 0, offset: 76, .. },
        "NUL in a name", name(b"a\0") => Error::BadTensorName { offset: 84, .. },
        "name not UTF-8", name(b"\xff") => Error::InvalidUtf8 { offset: 84, .. },
        "name of 2^64-1", Raw::bitnet(1).u64(u64::MAX) => Error::OverLimit { offset: 76, .. },
        "duplicate name", Raw::bitnet(2).tensor("t", &[8], 0, 0).tensor("t", &[8], 0, 32)
            => Error::DuplicateTensor { tensor, offset: 117 } if tensor == "t",
        "one tensor fewer than announced", Raw::bitnet(2).tensor("t", &[8], 0, 0) => Error::Truncated { .. },
    }
    let longest = name(&[b'n'; 63]).bytes(&[0; 64]);
    assert!(read_in_every_chunking(&longest.0, &Limits::default()).is_ok());
}

#[test]
fn types() {
    let of = |architecture: &str, kind: u32| {
        let raw = Raw::header(1, 1).string("general.architecture").u32(8).string(architecture);
        read_in_every_chunking(&raw.tensor("t", &[256], kind, 0).bytes(&[0; 1100]).0, &Limits::default())
    };
    for architecture in ["bitnet-b1.58", "bitnet-25", "bitnet", "llama", "qwen3"] {
        for kind in TensorType::ALL.into_iter().filter(|kind| ![36, 41, 42].contains(&kind.id())) {
            assert_eq!(of(architecture, kind.id()).unwrap().tensors[0].kind, kind);
        }
        for (kind, name) in [(31, "Q4_0_4_4"), (37, "I8_S"), (38, "TL1"), (43, "STQ1_0"), (10, "Q2_K")] {
            let error = of(architecture, kind).unwrap_err();
            assert!(matches!(&error, Error::UnsupportedTensorType { kind, .. } if kind == name), "{error}");
            assert_eq!(error.code(), "unsupported-model");
        }
    }
    for (kind, name) in [(39, "MXFP4"), (4, "number 4"), (99, "number 99"), (u32::MAX, "number 4294967295")] {
        let error = of("llama", kind).unwrap_err();
        assert!(matches!(&error, Error::UnsupportedTensorType { kind, .. } if kind == name), "{error}");
    }
    let error = of("bitnet", 39).unwrap_err();
    assert!(matches!(&error, Error::UnsupportedTensorType { kind, .. } if kind == "TL2"), "{error}");
}

/// A file of matrices of 1024 × 4 weights with these numbers of types, which take so many bytes, and a vector behind them.
fn of_sizes(tensors: &[(u32, u64)]) -> Raw {
    let mut raw = Raw::header(tensors.len() as u64 + 1, 0);
    let mut offset = 0u64;
    for (i, &(id, bytes)) in tensors.iter().enumerate() {
        raw = raw.tensor(&i.to_string(), &[1024, 4], id, offset);
        offset += bytes.next_multiple_of(32);
    }
    let raw = raw.tensor("norm", &[8], 0, offset);
    let start = raw.0.len().next_multiple_of(32);
    let fill = start - raw.0.len() + offset as usize + 32;
    raw.bytes(&vec![0; fill])
}

#[test]
fn a_number_of_several_types_is_told_by_sizes() {
    use TensorType::*;
    let types = |tensors: &[(u32, u64)]| {
        let file = read_in_every_chunking(&of_sizes(tensors).0, &Limits::default())?;
        Ok(file.tensors.iter().map(|t| (t.kind, t.size)).take(tensors.len()).collect::<Vec<_>>())
    };
    for (id, kind) in [(36, I2S), (41, Q1_0), (42, Q2_0), (42, PQ2_0), (42, I2S), (142, PQ2_0), (143, PTQ1_0)] {
        let size = kind.size_of(&[1024, 4]).unwrap();
        assert_eq!(types(&[(id, size)]), Ok(vec![(kind, size)]), "{id} as {kind}");
        assert_eq!(types(&[(id, size), (0, 16384), (id, size)]), Ok(vec![(kind, size), (F32, 16384), (kind, size)]));
    }
    for (id, bytes, name) in [
        (36, 2304, "IQ4_NL_4_4"),
        (40, 2304, "NVFP4"),
        (40, 768, "Q1_0 in groups of 32"),
        (41, 768, "Q1_0 in groups of 32"),
        (42, 672, "STQ1_0"),
        (43, 672, "STQ1_0"),
    ] {
        let error = types(&[(0, 16384), (id, bytes)]).unwrap_err();
        let told = matches!(&error, Error::UnsupportedTensorType { tensor, kind, .. } if tensor == "1" && kind == name);
        assert!(told, "{id} of {bytes}: {error}");
    }
    // No type has so many bytes, and one file has no two types under a number.
    for tensors in [&[(42, 1280)][..], &[(42, 1152), (42, 1088)], &[(36, 1152)]] {
        let error = types(tensors).unwrap_err();
        assert!(matches!(&error, Error::BadTensorOffset { .. }), "{tensors:?}: {error}");
    }
}

#[test]
fn the_last_tensor_is_told_by_the_others_or_by_the_end_of_the_file() {
    use TensorType::*;
    let last = |raw: Raw, bytes: u64, known: bool| {
        let start = raw.0.len().next_multiple_of(32);
        let fill = start - raw.0.len() + bytes as usize;
        let bytes = raw.bytes(&vec![0; fill]).0;
        let limits = Limits { file_size: known.then_some(bytes.len() as u64), ..Limits::default() };
        read_in_every_chunking(&bytes, &limits).map(|file| file.tensors.last().unwrap().kind)
    };
    let one = || Raw::header(1, 0).tensor("t", &[1024, 4], 42, 0);
    for kind in [Q2_0, PQ2_0, I2S] {
        let size = kind.size_of(&[1024, 4]).unwrap();
        for padded in [size, size.next_multiple_of(32)] {
            assert_eq!(last(one(), padded, true), Ok(kind));
            let two = Raw::header(2, 0).tensor("a", &[1024, 4], 42, 0);
            let two = two.tensor("b", &[1024, 4], 42, size.next_multiple_of(32));
            assert_eq!(last(two, size.next_multiple_of(32) + padded, false), Ok(kind));
        }
    }
    for (raw, bytes, known) in [
        // Nothing tells.
        (one(), 1152, false),
        // More behind it than padding.
        (one(), 2000, true),
        // All three end in the same 32 bytes.
        (Raw::header(1, 0).tensor("t", &[128], 42, 0), 64, true),
        // As many as a type has that is not read: whether the size is known or not, no file may be read in two ways.
        (one(), 672, true),
    ] {
        let error = last(raw, bytes, known).unwrap_err();
        let told =
            matches!(&error, Error::UnsupportedTensorType { tensor, kind, .. } if tensor == "t" && kind.contains("or"));
        assert!(told, "{error}");
    }
    let error = last(one(), 500, true).unwrap_err();
    assert!(matches!(error, Error::BeyondEnd { .. } | Error::UnsupportedTensorType { .. }), "{error}");
    // No row has whole blocks of a type that is read.
    let error =
        read_in_every_chunking(&Raw::header(1, 0).tensor("t", &[32, 4], 42, 0).0, &Limits::default()).unwrap_err();
    assert!(matches!(&error, Error::BadShape { .. }), "{error}");
}

#[test]
fn offsets() {
    let two = |second: u64| Raw::bitnet(2).tensor("a", &[9], 0, 0).tensor("b", &[8], 0, second).bytes(&[0; 500]);
    assert!(read_in_every_chunking(&two(64).0, &Limits::default()).is_ok());
    refuse! {
        "first not at 0", Raw::bitnet(1).tensor("a", &[9], 0, 32) => Error::BadTensorOffset { found: 32, expected: 0, .. },
        "unaligned", two(36) => Error::MisalignedTensor { tensor, found: 36, alignment: 32, .. } if tensor == "b",
        "overlap", two(32) => Error::BadTensorOffset { tensor, found: 32, expected: 64, .. } if tensor == "b",
        "the same place", two(0) => Error::BadTensorOffset { found: 0, expected: 64, .. },
        "gap", two(96) => Error::BadTensorOffset { found: 96, expected: 64, .. },
        "wraps", two(u64::MAX - 31) => Error::BadTensorOffset { expected: 64, .. },
        "sizes sum past 2^63", Raw::bitnet(2).tensor("a", &[1 << 60], 0, 0).tensor("b", &[1 << 60], 0, 1 << 62)
            => Error::BadShape { tensor, .. } if tensor == "b",
    }
    // The last tensor one byte short; the data section begins at 128.
    let short = Raw::bitnet(1).tensor("a", &[9], 0, 0);
    let short = short.clone().bytes(&vec![0; 128 + 35 - short.0.len()]);
    refused(
        "last byte missing",
        &short,
        |e| matches!(e, Error::Truncated { field, offset: 163 } if field == "tensor `a`"),
    );
    let known = Limits { file_size: Some(163), ..Limits::default() };
    let error = read(&short.0, &known, &[50]).unwrap_err();
    assert_eq!(error, Error::BeyondEnd { field: "tensor `a`".to_owned(), offset: 128, needed: 36, remaining: 35 });

    let unscaled = Raw::bitnet(1).tensor("a", &[128], 36, 0);
    let unscaled = unscaled.clone().bytes(&vec![0; 128 + 32 - unscaled.0.len()]);
    refused("I2_S without its scale", &unscaled, |e| matches!(e, Error::Truncated { offset: 160, .. }));
}

#[test]
fn limits_are_kept() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let text = Raw::one_key("k").u32(8).string("four").0;
    let numbers = Raw::one_key("k").u32(9).u32(0).u64(4).bytes(&[0; 4]).0;
    let keys = Raw::header(0, 2).string("a").u32(0).u8(0).string("b").u32(0).u8(0).0;
    let tensors = Raw::bitnet(2).tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 32).bytes(&[0; 128]).0;
    type Change = fn(&mut Limits);
    let cases: [(&[u8], Change, Change); 5] = [
        (&text, |l| l.max_string = 4, |l| l.max_string = 3),
        (&numbers, |l| l.max_array = 4, |l| l.max_array = 3),
        (&keys, |l| l.max_keys = 2, |l| l.max_keys = 1),
        (&tensors, |l| l.max_tensors = 2, |l| l.max_tensors = 1),
        (&text, |l| l.max_metadata = 49, |l| l.max_metadata = 48),
    ];
    for (i, (bytes, enough, less)) in cases.into_iter().enumerate() {
        assert!(read_in_every_chunking(bytes, &limits(enough)).is_ok(), "case {i}");
        let error = read_in_every_chunking(bytes, &limits(less)).unwrap_err();
        assert!(matches!(error, Error::OverLimit { .. }), "case {i}: {error:?}");
    }
}
