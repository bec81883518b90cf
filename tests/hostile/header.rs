//! Magic, version and the places where a file may end.

use super::file::{File, attack};
use super::{harmless, load, refuse, test};
use b158::Error;

#[test]
fn magic_and_version() {
    let version = |version| attack(|file| file.version = version);
    refuse! {
        "wrong magic", attack(|file| file.magic = *b"GGML") => Error::NotGguf { what } if what.contains("GGML"),
        "another magic", attack(|file| file.magic = *b"GGUE") => Error::NotGguf { what } if what.contains("begins with 47 47 55 45"),
        "reversed magic", attack(|file| file.magic = *b"FUGG") => Error::BigEndian { offset: 0 },
        "version 0", version(0) => Error::UnsupportedVersion { found: 0 },
        "version 1, whose lengths have 32 bits", version(1) => Error::UnsupportedVersion { found: 1 },
        "version 4", version(4) => Error::UnsupportedVersion { found: 4 },
        "version 2^32-1", version(u32::MAX) => Error::UnsupportedVersion { found: u32::MAX },
        "version 3 of the other endianness", version(3 << 24) => Error::BigEndian { offset: 4 },
        "empty", Vec::new() => Error::EmptyFile,
        "4 bytes", b"GGUF"[..] => Error::Truncated { offset: 4, .. },
    }
    harmless("version 2, which is the same", &version(2));
}

/// Other files under a model's name: short ones, and ones longer than what is looked at.
#[test]
fn files_that_are_something_else() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1187801280\n";
    let safetensors = [&19u64.to_le_bytes()[..], b"{\"__metadata__\":{}}"].concat();
    for (beginning, word) in [
        (&pointer[..], "Git LFS pointer"),
        (&safetensors, "safetensors"),
        (b"<!doctype html><title>Log in</title>", "web page"),
        (b"{\"error\":\"Invalid credentials\"}", "JSON"),
        (b"Entry not found", "text"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"PK\x03\x04\x14\0\0\0", "zip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh91AY", "bzip2"),
        (b"tjgg\x03\0\0\0", "ggjt"),
        (b"fmgg\x01\0\0\0", "ggmf"),
        (b"lmgg\0\x7d\0\0", "ggml"),
        (b"\x80\x02}q\0", "pickle"),
        (b"\x08\x07\x12\x07pytorch", "ONNX"),
    ] {
        for length in [beginning.len(), 511, 512, 513, 20_000] {
            let mut file = beginning.to_vec();
            // Text goes on as text.
            file.resize(length, if word.contains("page") || word == "text" { b' ' } else { 0 });
            if matches!(word, "JSON" | "Git LFS pointer") {
                file = [beginning, &b"\n".repeat(length - beginning.len())].concat();
            }
            let named = |error: &Error| matches!(error, Error::NotGguf { what } if what.contains(word));
            super::refused(&format!("{word} of {length} bytes"), &file, named);
        }
    }
}

#[test]
fn truncated_in_the_first_64_bytes() {
    let file = File::new().bytes();
    for length in 0..64 {
        let name = format!("{length} bytes");
        // Where the size is known, a count may be refused before the end is met.
        super::refused(&name, &file[..length], |error| match error {
            Error::EmptyFile => length == 0,
            Error::Truncated { offset, .. } => length > 0 && *offset == length as u64,
            Error::BeyondEnd { .. } => length >= 16,
            _ => false,
        });
    }
}

#[test]
fn truncated_at_every_edge() {
    let (file, edges) = File::new().bytes_and_edges();
    for edge in edges.into_iter().chain([file.len() - 32, file.len() - 29, file.len() - 1]) {
        let cut = &file[..edge];
        let error = load(cut, usize::MAX, Some(edge as u64)).err().unwrap();
        let empty = edge == 0 && error == Error::EmptyFile;
        let cut_short = matches!(error, Error::Truncated { .. } | Error::BeyondEnd { .. });
        assert!(empty || cut_short, "cut at {edge}: {error:?}");
        for chunk in [7, 4096] {
            assert_eq!(load(cut, chunk, Some(edge as u64)).err().as_ref(), Some(&error), "cut at {edge}");
            let unknown = load(cut, chunk, None).err().unwrap();
            let there = matches!(unknown, Error::Truncated { offset, .. } if offset == edge as u64);
            assert!(there || (empty && unknown == error), "{edge}: {unknown:?}");
        }
    }
}
