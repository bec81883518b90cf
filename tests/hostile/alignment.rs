//! `general.alignment` (CVE-2025-0317: padding with 0; V-01: no upper bound, worst where sizes have 32 bits).

use super::file::{File, Key, U64, attack, string, u32};
use super::{harmless, refuse, refused, test};
use b158::Error;

const KEY: &str = "general.alignment";

#[test]
fn alignments_that_are_none() {
    for alignment in [0, 3, 31, 1 << 21, 1 << 31, u32::MAX] {
        let file = attack(|file| file.set(KEY, u32(alignment)));
        refused(
            &format!("alignment {alignment}"),
            &file,
            |error| matches!(error, Error::BadAlignment { found, .. } if *found == alignment.to_string()),
        );
    }
    refuse! {
        "alignment 2^32", attack(|file| file.set(KEY, (U64, (1u64 << 32).to_le_bytes().to_vec()))) => Error::BadAlignment { .. },
        "alignment of another type", attack(|file| file.set(KEY, string("32"))) => Error::BadAlignment { .. },
        "alignment given twice", attack(|file| {
            let (kind, value) = u32(32);
            let key = Key { name: KEY.into(), name_length: None, kind, value };
            file.keys.extend([key.clone(), key]);
        }) => Error::DuplicateKey { key, .. } if key == KEY,
        "alignment that the tensors do not keep", attack(|file| file.set(KEY, u32(4096))) => Error::MisalignedTensor { .. },
    }
}

#[test]
fn alignments_that_are_odd_and_right() {
    harmless("no alignment, which is 32", &File::new().bytes());
    for alignment in [1, 2, 1024] {
        let file = attack(|file| {
            file.alignment = alignment;
            file.set(KEY, u32(alignment as u32));
        });
        harmless(&format!("alignment {alignment}"), &file);
    }
}
