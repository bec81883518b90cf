//! Numbers of tensors and keys that no file holds (CVE-2024-21836, CVE-2024-23605, CVE-2025-0315).

use super::file::{File, attack};
use super::{refuse, refused, test};
use b158::Error;

const HUGE: [u64; 6] = [1 << 31, u32::MAX as u64, 1 << 32, 1 << 60, 1 << 63, u64::MAX];

#[test]
fn tensors() {
    for count in HUGE {
        refused(&format!("{count} tensors"), &attack(|file| file.tensor_count = Some(count)), |error| {
            matches!(error, Error::BeyondEnd { offset: 8, .. } | Error::OverLimit { offset: 8, .. })
        });
    }
    let tensors = File::new().tensors.len() as u64;
    refuse! {
        "no tensors", attack(|file| file.tensor_count = Some(0)) => Error::MissingTensor { name } if name == "token_embd.weight",
        "a table without an entry (CVE-2024-41130)", attack(|file| file.tensors.clear()) => Error::MissingTensor { .. },
        "one tensor fewer", attack(|file| file.tensor_count = Some(tensors - 1)) => Error::MissingTensor { name } if name == "blk.0.ffn_down.weight",
        "one tensor more", attack(|file| file.tensor_count = Some(tensors + 1)) => Error::BadTensorName { .. } | Error::BeyondEnd { .. },
    }
}

#[test]
fn keys() {
    for count in HUGE {
        refused(&format!("{count} keys"), &attack(|file| file.key_count = Some(count)), |error| {
            matches!(error, Error::BeyondEnd { offset: 16, .. } | Error::OverLimit { offset: 16, .. })
        });
    }
    let keys = File::new().keys.len() as u64;
    refuse! {
        "no keys", attack(|file| file.key_count = Some(0)) => Error::MissingKey { key } if key == "general.architecture",
        "one key more", attack(|file| file.key_count = Some(keys + 1)) => Error::UnknownValueType { .. } | Error::BeyondEnd { .. },
        "24 bytes that ask for gigabytes", [&b"GGUF\x03\0\0\0"[..], &60_000u64.to_le_bytes(), &4000u64.to_le_bytes()].concat()
            => Error::BeyondEnd { .. },
    }
}
