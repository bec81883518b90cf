//! Keys and strings (CVE-2024-23496, CVE-2025-66960: lengths that wrap when one is added).

use super::file::{File, Key, STRING, U8, attack, string, text, u32};
use super::{harmless, refuse, refused, test};
use b158::Error;

const HUGE: [u64; 4] = [1 << 32, 1 << 63, u64::MAX - 7, u64::MAX];

/// One more key of these bytes, first of all.
fn key(name: &[u8]) -> Vec<u8> {
    attack(|file| file.keys.insert(0, Key { name: name.to_vec(), name_length: None, kind: U8, value: vec![0] }))
}

#[test]
fn names() {
    refuse! {
        "empty key", key(b"") => Error::BadKey { index: 0, offset: 24, .. },
        "key of more than 64 KiB", key(&[b'k'; 65_537]) => Error::BadKey { index: 0, offset: 24, .. },
        "NUL in a key, which ends it for a reader in C", key(b"general.name\0x") => Error::BadKey { index: 0, .. },
        "key given twice", attack(|file| file.keys.push(file.keys[3].clone())) => Error::DuplicateKey { .. },
        "architecture given twice", attack(|file| {
            let (kind, value) = string("llama");
            file.keys.push(Key { name: b"general.architecture".to_vec(), name_length: None, kind, value });
        }) => Error::DuplicateKey { key, .. } if key == "general.architecture",
        "key of an unknown type", attack(|file| file.keys[2].kind = 13) => Error::UnknownValueType { found: 13, .. },
        "key of type 2^32-1", attack(|file| file.keys[2].kind = u32::MAX) => Error::UnknownValueType { found: u32::MAX, .. },
    }
    harmless("key of 64 KiB", &key(&[b'k'; 65_536]));
}

#[test]
fn lengths() {
    let remaining = File::new().bytes().len() as u64 - 24 - 8;
    for length in HUGE.into_iter().chain([remaining + 1]) {
        let file = attack(|file| file.keys[0].name_length = Some(length));
        refused(&format!("key of {length} bytes"), &file, |error| {
            matches!(
                error,
                Error::BeyondEnd { offset: 24, .. } | Error::OverLimit { offset: 24, .. } | Error::BadKey { .. }
            )
        });
        let file = attack(|file| file.keys[0].value = [&length.to_le_bytes()[..], b"bitnet-b1.58"].concat());
        refused(&format!("string of {length} bytes"), &file, |error| {
            matches!(error, Error::BeyondEnd { .. } | Error::OverLimit { .. })
        });
    }
}

#[test]
fn values_of_strings_and_bools() {
    refuse! {
        "architecture that is a number", attack(|file| { file.set("general.architecture", u32(1)); })
            => Error::WrongType { key, .. } if key == "general.architecture",
        "architecture with a NUL", attack(|file| { file.set("general.architecture", string("bitnet-b1.58\0")); })
            => Error::UnsupportedArchitecture { .. },
        "architecture that is not UTF-8", attack(|file| file.keys[0].value = text(b"bitnet-b1.58\xff"))
            => Error::UnsupportedArchitecture { .. },
    }
    harmless("name with a NUL", &attack(|file| file.set("general.name", (STRING, text(b"a\0b")))));
    harmless("name of no bytes", &attack(|file| file.set("general.name", string(""))));
}
