//! Bytes of tensors that no writer produces.

use super::file::{
    TENSOR_F16, TENSOR_F32, TENSOR_PQ2_0, TENSOR_PTQ1_0, TENSOR_Q1_0, TENSOR_Q2_0, TENSOR_Q4_0, TENSOR_Q8_0,
    TENSOR_TQ1_0, TENSOR_TQ2_0, attack, i2_s_tail,
};
use super::{harmless, refused, test};
use b158::Error;

const NAME: &str = "blk.0.ffn_down.weight";
/// Not the last, whose type another follows to tell.
const INNER: &str = "blk.0.ffn_up.weight";

/// This many bytes from the end of a tensor become others.
fn at_end(name: &str, from: usize, bytes: &[u8]) -> Vec<u8> {
    attack(|file| {
        let data = &mut file.tensor(name).data;
        let at = data.len() - from;
        data[at..at + bytes.len()].copy_from_slice(bytes);
    })
}

/// The tensor in another type, changed.
fn other(name: &str, kind: u32, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    attack(|file| {
        file.retype(name, kind);
        change(&mut file.tensor(name).data);
    })
}

#[track_caller]
fn bad_data(name: &str, tensor: &str, file: &[u8]) {
    refused(name, file, |error| matches!(error, Error::BadTensorData { name, .. } if name == tensor));
}

#[test]
fn scales() {
    for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0] {
        bad_data(&format!("I2_S scale {scale}"), NAME, &at_end(NAME, 32, &i2_s_tail(scale)));
    }
    for scale in [-1.0, f32::MIN_POSITIVE / 8.0, f32::MAX] {
        harmless(&format!("I2_S scale {scale:e}"), &at_end(NAME, 32, &i2_s_tail(scale)));
    }
    for (kind, name) in [(TENSOR_TQ1_0, "TQ1_0"), (TENSOR_TQ2_0, "TQ2_0")] {
        for (scale, bits) in [("NaN", 0x7e00u16), ("infinity", 0x7c00)] {
            let file = other(NAME, kind, |data| {
                data.last_chunk_mut().map(|end: &mut [u8; 2]| *end = bits.to_le_bytes()).unwrap()
            });
            bad_data(&format!("{name} scale {scale}"), NAME, &file);
        }
        // Each block its own scale.
        harmless(
            &format!("{name} scales 0 and 1"),
            &other(NAME, kind, |data| data.last_chunk_mut().map(|end: &mut [u8; 2]| *end = [0; 2]).unwrap()),
        );
    }
}

/// Blocks of 64 and 128, in a matrix and in the embedding, which is held as it is.
#[test]
fn scales_of_short_blocks() {
    for (kind, bytes, at) in
        [(TENSOR_Q1_0, 18, 0), (TENSOR_Q2_0, 18, 0), (TENSOR_PQ2_0, 34, 0), (TENSOR_PTQ1_0, 28, 26)]
    {
        for name in [INNER, "token_embd.weight"] {
            harmless(&format!("type {kind}"), &other(name, kind, |_| {}));
            for bits in [0x7e00u16, 0x7c00, 0xfc00] {
                let file = other(name, kind, |data| data[3 * bytes + at..][..2].copy_from_slice(&bits.to_le_bytes()));
                refused(
                    &format!("type {kind}, scale {bits:#x}"),
                    &file,
                    |error| matches!(error, Error::BadTensorData { name: found, reason } if found == name && reason.contains("block 3")),
                );
            }
            for bits in [0u16, 0x8000, 1, 0x83ff, 0xbc00, 0x7bff] {
                let file = other(name, kind, |data| data[3 * bytes + at..][..2].copy_from_slice(&bits.to_le_bytes()));
                harmless(&format!("type {kind}, scale {bits:#x}"), &file);
            }
        }
    }
}

/// A factor beside a matrix, and the divisors of angles.
#[test]
fn factors() {
    let with = |name: &str, dims: &[u64], values: &[f32]| {
        attack(|file| {
            file.add(name, dims, TENSOR_F32);
            file.tensor(name).data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        })
    };
    let (scale, angles) = ("blk.0.ffn_up.scale", "rope_freqs.weight");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0] {
        bad_data(&format!("a factor of {value}"), scale, &with(scale, &[1], &[value]));
        let mut values = [1.0; 32];
        values[7] = value;
        bad_data(&format!("a divisor of {value}"), angles, &with(angles, &[32], &values));
    }
    harmless("a negative factor", &with(scale, &[1], &[-1.0]));
    harmless("a divisor that stops a pair", &with(angles, &[32], &[f32::MAX; 32]));
}

#[test]
fn codes() {
    bad_data("I2_S code 3", NAME, &at_end(NAME, 100, &[0b1100_0000]));
    bad_data("I2_S codes all 3", NAME, &at_end(NAME, 8224, &[0xff; 8192]));
    bad_data("TQ2_0 code 3", NAME, &other(NAME, TENSOR_TQ2_0, |data| data[9] = 0b0011_0000));
    for (kind, name) in [(TENSOR_Q2_0, INNER), (TENSOR_PQ2_0, NAME), (TENSOR_Q2_0, "token_embd.weight")] {
        bad_data("Q2_0 code 3", name, &other(name, kind, |data| data[9] = 0b0011_0000));
    }
    harmless("PTQ1_0, any bytes", &other(NAME, TENSOR_PTQ1_0, |data| (0..26).for_each(|i| data[i] = 230 + i as u8)));
    harmless("Q1_0, any bits", &other(NAME, TENSOR_Q1_0, |data| data[2..18].fill(0xff)));
    harmless(
        "TQ1_0 bytes 243 to 255",
        &other(NAME, TENSOR_TQ1_0, |data| {
            (243..=255).for_each(|byte: u8| data[usize::from(byte - 243)] = byte);
        }),
    );
    harmless("I2_S codes all -1", &at_end(NAME, 8224, &[0; 8192]));
}

#[test]
fn floats() {
    let nan = 0x7e00u16.to_le_bytes();
    let norm = "blk.0.attn_sub_norm.weight";
    bad_data("F32 NaN in a norm", norm, &at_end(norm, 4, &f32::NAN.to_le_bytes()));
    bad_data("F32 infinity in a norm", norm, &at_end(norm, 4, &f32::INFINITY.to_le_bytes()));
    bad_data("F16 NaN in a norm", norm, &other(norm, TENSOR_F16, |data| data[2..4].copy_from_slice(&nan)));
    let embedding = "token_embd.weight";
    bad_data(
        "F16 NaN in the embedding",
        embedding,
        &other(embedding, TENSOR_F16, |data| data[200..202].copy_from_slice(&nan)),
    );
    harmless("embedding of zeros", &attack(|file| file.tensor(embedding).data.fill(0)));
    harmless("norm of zeros", &attack(|file| file.tensor(norm).data.fill(0)));
}

/// A block format has scales of its own, and an embedding is read row by row.
#[test]
fn scales_inside_blocks() {
    let name = "token_embd.weight";
    for (kind, block, at) in [(TENSOR_Q4_0, 18, 0), (TENSOR_Q8_0, 34, 0)] {
        for (scale, bits) in [("NaN", 0x7e00u16), ("infinity", 0x7c00), ("negative infinity", 0xfc00)] {
            let file = other(name, kind, |data| data[3 * block + at..][..2].copy_from_slice(&bits.to_le_bytes()));
            refused(
                &format!("type {kind}, scale {scale}"),
                &file,
                |error| matches!(error, Error::BadTensorData { name: found, reason } if found == name && reason.contains("element 96")),
            );
        }
    }
}
