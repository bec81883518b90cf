//! The tensor table: shapes (CVE-2024-21802, CVE-2026-33298), types and names.

use super::file::{File, TENSOR_F16, TENSOR_F32, TENSOR_I2_S, TENSOR_TQ2_0, attack};
use super::{harmless, refuse, refused, test};
use b158::Error;

const NAME: &str = "blk.0.ffn_up.weight";

fn tensor(change: impl FnOnce(&mut super::file::Tensor)) -> Vec<u8> {
    attack(|file| change(file.tensor(NAME)))
}

fn dims(dims: &[u64]) -> Vec<u8> {
    tensor(|tensor| tensor.dims = dims.to_vec())
}

#[test]
fn shapes_that_are_none() {
    for (name, file) in [
        ("no dimensions", dims(&[])),
        ("5 dimensions", dims(&[128, 2, 2, 2, 2])),
        ("2^32-1 dimensions", tensor(|tensor| tensor.dim_count = Some(u32::MAX))),
        ("a dimension of 0", dims(&[128, 0])),
        ("no rows", dims(&[0, 256])),
        ("negative", dims(&[128, u64::MAX])),
        ("product wraps at 2^64", dims(&[1 << 32, 1 << 32])),
        ("product wraps to 128", dims(&[1 << 33, 1 << 31, 1, 128])),
        ("bytes wrap at 2^64", tensor(|tensor| (tensor.kind, tensor.dims) = (TENSOR_F32, vec![1 << 61, 2]))),
        ("I2_S row that is no whole block", dims(&[64, 512])),
    ] {
        refused(name, &file, |error| matches!(error, Error::BadShape { tensor, .. } if tensor == NAME));
    }
    let tq = |row| tensor(move |tensor| (tensor.kind, tensor.dims) = (TENSOR_TQ2_0, vec![row, 256]));
    refuse! {
        "TQ row that is no whole block", tq(128) => Error::BadShape { tensor, .. } if tensor == NAME,
        "another shape of as many", dims(&[512, 64]) => Error::WrongShape { name, .. } if name == NAME,
        "transposed", dims(&[256, 128]) => Error::WrongShape { name, .. } if name == NAME,
        "another shape", dims(&[128, 128]) => Error::BadTensorOffset { .. },
        "a dimension above i32", dims(&[1 << 32, 1]) => Error::BadTensorOffset { .. },
        "one more dimension", dims(&[128, 256, 1]) => Error::WrongShape { .. },
        "a norm as a row", attack(|file| file.tensor("blk.0.ffn_norm.weight").dims.push(1)) => Error::WrongShape { .. },
    }
}

/// Where sizes have 32 bits, 2^32 elements or bytes are 0.
#[test]
fn sizes_that_wrap_at_32_bits() {
    for (name, shape, kind) in [
        ("2^32 elements", [1u64 << 16, 1 << 16], TENSOR_I2_S),
        ("2^32 elements and one block", [128, (1 << 25) + 1], TENSOR_I2_S),
        ("2^32 bytes", [1 << 15, 1 << 16], TENSOR_F16),
        ("2^34 bytes", [1 << 16, 1 << 16], TENSOR_F32),
    ] {
        let file = tensor(|tensor| (tensor.kind, tensor.dims, tensor.offset) = (kind, shape.to_vec(), None));
        refused(name, &file, |error| {
            matches!(error, Error::BeyondEnd { .. } | Error::WrongShape { .. } | Error::BadTensorOffset { .. })
        });
    }
    // Metadata that agrees with such a shape.
    let file = attack(|file| {
        file.set_model("feed_forward_length", super::file::u32(1 << 17));
        for (name, dims) in [("ffn_gate", [128, 1 << 17]), ("ffn_up", [128, 1 << 17]), ("ffn_down", [1 << 17, 128])] {
            file.tensor(&format!("blk.0.{name}.weight")).dims = dims.to_vec();
        }
        file.tensor("blk.0.ffn_sub_norm.weight").dims = vec![1 << 17];
    });
    refused("a width that no data follows", &file, |error| {
        matches!(error, Error::BeyondEnd { .. } | Error::BadTensorOffset { .. })
    });
}

#[test]
fn types_that_are_not_read() {
    for (id, name) in [
        (4, "number 4"),
        (10, "Q2_K"),
        (31, "Q4_0_4_4"),
        (32, "Q4_0_4_8"),
        (33, "Q4_0_8_8"),
        (37, "I8_S"),
        (38, "TL1"),
        // Upstream's MXFP4: the architecture decides which of the two it is.
        (39, "TL2"),
        (43, "STQ1_0"),
        (44, "number 44"),
        (u32::MAX, "number 4294967295"),
    ] {
        refused(
            &format!("type {id}"),
            &tensor(|tensor| tensor.kind = id),
            |error| matches!(error, Error::UnsupportedTensorType { tensor, kind, .. } if tensor == NAME && kind == name),
        );
    }
}

/// One scale for the tensor is not enough for rows that are read one by one.
#[test]
fn types_in_the_wrong_place() {
    for name in ["token_embd.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_sub_norm.weight"] {
        let file = attack(|file| file.retype(name, TENSOR_I2_S));
        refused(name, &file, |error| matches!(error, Error::BadTensorData { name: found, .. } if found == name));
    }
    harmless("a norm in TQ2_0", &attack(|file| file.retype("blk.0.ffn_sub_norm.weight", TENSOR_TQ2_0)));
    for kind in [TENSOR_F16, TENSOR_F32] {
        harmless("a matrix in floats", &attack(|file| file.retype(NAME, kind)));
    }
}

#[test]
fn names() {
    let named = |name: &[u8]| tensor(|tensor| tensor.name = name.to_vec());
    let length = |length: u64| tensor(move |tensor| tensor.name_length = Some(length));
    refuse! {
        "empty name", named(b"") => Error::BadTensorName { .. },
        "name of 64 bytes", named(&[b'n'; 64]) => Error::BadTensorName { .. },
        "name with a NUL", named(b"blk.0.ffn_up.weight\0") => Error::BadTensorName { .. },
        "name that is not UTF-8", named(b"blk.0.\xff") => Error::InvalidUtf8 { .. },
        "name of 2^64-1 bytes", length(u64::MAX) => Error::BeyondEnd { .. } | Error::OverLimit { .. },
        "name past the end", length(1 << 32) => Error::BeyondEnd { .. } | Error::BadTensorName { .. },
        "name given twice", named(b"blk.0.ffn_gate.weight") => Error::DuplicateTensor { tensor, .. } if tensor == "blk.0.ffn_gate.weight",
        "name missing", named(b"blk.0.ffn_upper.weight") => Error::UnknownTensor { name } if name == "blk.0.ffn_upper.weight",
        "a layer that is not there", named(b"blk.1.ffn_up.weight") => Error::UnknownTensor { .. },
        "a layer by another spelling", named(b"blk.00.ffn_up.weight") => Error::UnknownTensor { .. },
        "layer 2^64", named(b"blk.18446744073709551616.ffn_up.weight") => Error::UnknownTensor { .. },
        "a tensor that is missing", attack(|file| file.tensors.retain(|tensor| tensor.name != NAME.as_bytes()))
            => Error::MissingTensor { name } if name == NAME,
        "a tensor more", attack(|file| file.add("blk.0.ffn_up.bias", &[256], TENSOR_F32)) => Error::UnknownTensor { .. },
    }
    let mut many = File::new();
    for i in 0..1000 {
        many.add(&format!("t{i}"), &[1], TENSOR_F32);
    }
    refused("a thousand tensors more", &many.bytes(), |error| matches!(error, Error::UnknownTensor { .. }));
}
