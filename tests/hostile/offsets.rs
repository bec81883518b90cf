//! Places of tensors (CVE-2025-53630, CVE-2026-27940: sums that wrap).

use super::file::{File, attack};
use super::{refuse, test};
use b158::Error;

/// The second tensor at this offset; its own is 37408.
fn offset(offset: u64) -> Vec<u8> {
    attack(|file| file.tensors[1].offset = Some(offset))
}

#[test]
fn places_that_can_not_be() {
    let right = File::new().tensors[0].data.len().next_multiple_of(32) as u64;
    refuse! {
        "unaligned", offset(right + 1) => Error::MisalignedTensor { .. },
        "overlap", offset(right - 32) => Error::BadTensorOffset { expected, .. } if *expected == right,
        "the same place", offset(0) => Error::BadTensorOffset { .. },
        "a gap", offset(right + 32) => Error::BadTensorOffset { .. },
        "past the end", offset(1 << 40) => Error::BadTensorOffset { .. },
        "wraps at 2^64", offset(u64::MAX - 31) => Error::BadTensorOffset { .. },
        "in the header", offset((-4096i64).cast_unsigned()) => Error::BadTensorOffset { .. },
        "wraps at 2^32", offset(right + (1 << 32)) => Error::BadTensorOffset { .. },
        "the first after the others", attack(|file| file.tensors[0].offset = Some(1 << 16)) => Error::BadTensorOffset { .. },
        "sizes that sum past 2^64", attack(|file| {
            for tensor in &mut file.tensors[..2] {
                (tensor.kind, tensor.dims) = (0, vec![1 << 60]);
            }
            file.tensors[1].offset = Some(1 << 62);
        }) => Error::BadShape { .. } | Error::BeyondEnd { .. },
    }
}

#[test]
fn data_that_ends_early() {
    let whole = File::new().bytes();
    refuse! {
        "the last tensor one byte short", whole[..whole.len() - 1] => Error::BeyondEnd { field, .. } if field.contains("blk.0.ffn_down.weight"),
        "I2_S without its scale", whole[..whole.len() - 32] => Error::BeyondEnd { .. },
        "I2_S with a part of its scale", whole[..whole.len() - 29] => Error::BeyondEnd { .. },
        "no data", whole[..whole.len() - 60_000] => Error::BeyondEnd { .. } | Error::Truncated { .. },
    }
}
