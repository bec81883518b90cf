//! Storage formats: one file a block format, bytes to values and back. Layouts as llama.cpp's `ggml-quants.c` and
//! bitnet.cpp have them; tested bit for bit against both.
//!
//! A ternary format has two ways out. `decode` gives codes 0, 1, 2 for -1, 0, +1 and refuses what is not ternary: the
//! kernels take nothing else. `values` dequantises as the references do. All loops are plain, over fixed lengths, so
//! that the compiler vectorises them on every target.
//!
//! Next: [`model`](crate::model), whose loader repacks what comes out.

pub mod float;
pub mod i2_s;
mod join;
pub mod ptq1_0;
pub mod q1_0;
pub mod q2_0;
pub mod q4_0;
pub mod q4_k;
pub mod q5_k;
pub mod q6_k;
pub mod q8_0;
#[cfg(test)]
mod tests;
pub mod tq1_0;
pub mod tq2_0;

pub use join::BlockReader;

use crate::gguf::TensorType;
use crate::{Error, Result};
use half::f16;

/// Weights of a ternary block out of its codes and its scale, as the references compute them.
#[inline(always)]
fn dequantise(codes: &[u8], scale: f16, out: &mut [f32]) {
    let scale = float::f16_to_f32(scale.to_bits());
    for (out, code) in out.iter_mut().zip(codes) {
        *out = (f32::from(*code) - 1.0) * scale;
    }
}

/// Whether one of a byte's four codes is 3, which is no weight.
pub(crate) fn has_three(byte: u8) -> bool {
    byte & byte >> 1 & 0x55 != 0
}

/// What is wrong with a block of `len` weights that holds a code 3, `first` the index of the first.
pub(crate) fn not_ternary(first: u64, len: u64) -> String {
    format!("a code 3 among weights {first}..{}: codes are 0, 1 and 2; the file is damaged", first + len)
}

/// Decodes a row, or any whole number of blocks, into `f32`. I2_S gives -1, 0 and +1: its scale belongs to the tensor,
/// not to the row.
///
/// # Errors
/// [`Error::BadTensorData`], with the format as the name, if `bytes` is not what `out.len()` values take, or if an I2_S
/// row holds a code 3.
#[inline(always)]
pub fn decode_row(kind: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    let bad = |reason: String| Error::BadTensorData { name: format!("row of {kind}"), reason };
    let blocks = out.len() as u64 / kind.block();
    if !(out.len() as u64).is_multiple_of(kind.block()) || bytes.len() as u64 != blocks * kind.block_bytes() {
        return Err(bad(format!("{} bytes do not hold {} values", bytes.len(), out.len())));
    }
    // A macro, since a function handed over as a value stays a call: its loops would miss the caller's instruction set.
    macro_rules! each {
        ($decode:path) => {
            for (bytes, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
                $decode(bytes, out);
            }
        };
    }
    match kind {
        TensorType::F32 => float::decode_f32(bytes, out),
        TensorType::F16 => float::decode_f16(bytes, out),
        TensorType::BF16 => float::decode_bf16(bytes, out),
        TensorType::Q8_0 => each!(q8_0::decode),
        TensorType::Q4_0 => each!(q4_0::decode),
        TensorType::Q4_K => each!(q4_k::decode),
        TensorType::Q5_K => each!(q5_k::decode),
        TensorType::Q6_K => each!(q6_k::decode),
        TensorType::Q1_0 => each!(q1_0::values),
        TensorType::Q2_0 => each!(q2_0::values::<{ q2_0::BYTES }, { q2_0::BLOCK }>),
        TensorType::PQ2_0 => each!(q2_0::values::<{ q2_0::LONG_BYTES }, { q2_0::LONG_BLOCK }>),
        TensorType::PTQ1_0 => each!(ptq1_0::values),
        TensorType::TQ1_0 => each!(tq1_0::values),
        TensorType::TQ2_0 => each!(tq2_0::values),
        TensorType::I2S => {
            let mut codes = [0; i2_s::BLOCK];
            for (bytes, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut::<{ i2_s::BLOCK }>().0) {
                if !i2_s::decode(bytes, &mut codes) {
                    return Err(bad("a code is 3".to_owned()));
                }
                for (out, code) in out.iter_mut().zip(codes) {
                    *out = f32::from(code) - 1.0;
                }
            }
        }
    }
    Ok(())
}
