//! Magic, version and the places where a file may end.

use super::file::{File, attack};
use super::{harmless, load, refuse, test};
use b158::Error;

#[test]
fn magic_and_version() {
    let version = |version| attack(|file| file.version = version);
    refuse! {
        "wrong magic", attack(|file| file.magic = *b"GGML") => Error::NotGguf { found: [b'G', b'G', b'M', b'L'] },
        "reversed magic", attack(|file| file.magic = *b"FUGG") => Error::BigEndian { offset: 0 },
        "version 0", version(0) => Error::UnsupportedVersion { found: 0 },
        "version 1, whose lengths have 32 bits", version(1) => Error::UnsupportedVersion { found: 1 },
        "version 4", version(4) => Error::UnsupportedVersion { found: 4 },
        "version 2^32-1", version(u32::MAX) => Error::UnsupportedVersion { found: u32::MAX },
        "version 3 of the other endianness", version(3 << 24) => Error::BigEndian { offset: 4 },
        "empty", Vec::new() => Error::Truncated { offset: 0, .. },
        "4 bytes", b"GGUF"[..] => Error::Truncated { offset: 4, .. },
        "a web page", b"<!doctype html><title>Log in</title>"[..] => Error::NotGguf { .. },
    }
    harmless("version 2, which is the same", &version(2));
}

#[test]
fn truncated_in_the_first_64_bytes() {
    let file = File::new().bytes();
    for length in 0..64 {
        let name = format!("{length} bytes");
        // Where the size is known, a count may be refused before the end is met.
        super::refused(&name, &file[..length], |error| match error {
            Error::Truncated { offset, .. } => *offset == length as u64,
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
        assert!(matches!(error, Error::Truncated { .. } | Error::BeyondEnd { .. }), "cut at {edge}: {error:?}");
        for chunk in [7, 4096] {
            assert_eq!(load(cut, chunk, Some(edge as u64)).err().as_ref(), Some(&error), "cut at {edge}");
            let unknown = load(cut, chunk, None).err().unwrap();
            assert!(matches!(unknown, Error::Truncated { offset, .. } if offset == edge as u64), "{edge}: {unknown:?}");
        }
    }
}
