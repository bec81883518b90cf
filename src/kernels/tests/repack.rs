//! Rows of a file in the kernels' layout: each backend against the oracle, and the oracle against plain code.

use super::*;
use crate::blocks::{self, i2_s, ptq1_0, q1_0, q2_0, tq1_0, tq2_0};
use ::half::f16;

pub(super) const IN_GROUPS: [Packing; 4] = [Packing::Q1, Packing::Q2, Packing::LongQ2, Packing::Ptq1];

pub(super) fn file(packing: Packing, codes: &[u8]) -> Vec<u8> {
    file_with(packing, codes, || f16::ONE)
}

/// Blocks of these codes, with a scale each.
pub(super) fn file_with(packing: Packing, codes: &[u8], mut scale: impl FnMut() -> f16) -> Vec<u8> {
    match packing {
        Packing::Q1 => codes.as_chunks().0.iter().flat_map(|codes| q1_0::encode(codes, scale())).collect(),
        Packing::Q2 => {
            let encode = |codes| q2_0::encode::<{ q2_0::BYTES }, { q2_0::BLOCK }>(codes, scale());
            codes.as_chunks().0.iter().flat_map(encode).collect()
        }
        Packing::LongQ2 => {
            let encode = |codes| q2_0::encode::<{ q2_0::LONG_BYTES }, { q2_0::LONG_BLOCK }>(codes, scale());
            codes.as_chunks().0.iter().flat_map(encode).collect()
        }
        Packing::Ptq1 => codes.as_chunks().0.iter().flat_map(|codes| ptq1_0::encode(codes, scale())).collect(),
        Packing::I2S => codes.as_chunks().0.iter().flat_map(i2_s::encode).collect(),
        Packing::Tq1 => codes.as_chunks().0.iter().flat_map(|codes| tq1_0::encode(codes, scale())).collect(),
        Packing::Tq2 => codes.as_chunks().0.iter().flat_map(|codes| tq2_0::encode(codes, scale())).collect(),
    }
}

/// Rows that fill no group, groups that fill no task, and enough of them for several threads.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn codes_survive_packing_in_pieces() {
    let mut random = Random(5);
    for packing in [Packing::I2S, Packing::Tq1, Packing::Tq2] {
        for (rows, cols) in [(1, 256), (3, 768), (4, 256), (7, 512), (640, 2560), (67, 6912)] {
            let codes: Vec<u8> = (0..rows * cols).map(|_| random.below(3) as u8).collect();
            let bytes = file(packing, &codes);
            for c in computes() {
                let what = format!("{rows} × {cols} of {packing:?} on {}", c.backend.name());
                let mut packer = TernaryPacker::new(rows, cols, packing).unwrap();
                let group = packer.group_bytes();
                let (first, rest) = bytes.split_at(bytes.len().min(group));
                assert_eq!((packer.push(&c, first), packer.push(&c, rest)), (Ok(()), Ok(())), "{what}");
                let w = packer.finish_scaled(1.0);
                assert_eq!((w.rows(), w.cols(), w.bytes()), (rows, cols, rows.div_ceil(4) * cols));
                for (row, codes) in codes.chunks_exact(cols).enumerate() {
                    assert_eq!(w.row_codes(row), codes, "row {row}, {what}");
                }
            }
        }
    }
}

/// Any bytes: the same from every backend, and a code 3 is seen wherever it is.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn a_code_3_is_seen_in_any_place() {
    let mut random = Random(6);
    let (rows, cols) = (5, 512);
    for packing in [Packing::I2S, Packing::Tq2, Packing::Q2, Packing::LongQ2] {
        let codes: Vec<u8> = (0..rows * cols).map(|_| random.below(3) as u8).collect();
        for backend in available() {
            for at in 0..codes.len() {
                let mut codes = codes.clone();
                codes[at] = 3;
                let mut packer = TernaryPacker::new(rows, cols, packing).unwrap();
                let c = Compute { backend, pool: Pool::new(1) };
                assert_eq!(packer.push(&c, &file(packing, &codes)), Err(CodeThree), "{at} of {packing:?}");
            }
        }
    }
    for packing in [Packing::I2S, Packing::Tq1, Packing::Tq2].into_iter().chain(IN_GROUPS) {
        let row_bytes = packing.row_bytes(cols);
        for _ in 0..100 {
            let bytes: Vec<u8> = (0..4 * row_bytes).map(|_| random.next() as u8).collect();
            let rows = std::array::from_fn(|i| &bytes[i * row_bytes..][..row_bytes]);
            let mut expected = vec![0; cols];
            let ternary = scalar::Scalar.pack_rows(packing, rows, &mut expected);
            assert_eq!(ternary, [Packing::Tq1, Packing::Ptq1, Packing::Q1].contains(&packing));
            for backend in available() {
                let mut out = vec![0xff; cols];
                assert_eq!(backend.pack_rows(packing, rows, &mut out), ternary);
                assert_eq!(out, expected, "{packing:?} on {}", backend.name());
            }
        }
    }
}

/// The row as the documentation has it, one weight after the other.
fn rounded(weights: &[f32]) -> (Vec<i8>, RoundedRow) {
    let largest = weights.iter().fold(0f32, |most, w| most.max(w.abs()));
    let inverse = if largest > 1e-36 { 127.0 / largest } else { 0.0 };
    let codes: Vec<i8> = weights.iter().map(|w| (w * inverse).round_ties_even().clamp(-128.0, 127.0) as i8).collect();
    let scale = if inverse > 0.0 { largest / 127.0 } else { 0.0 };
    let sum = codes.iter().map(|code| i32::from(*code)).sum();
    (codes, RoundedRow { scale, sum })
}

fn same_row(kind: TensorType, bytes: &[u8], cols: usize) {
    let mut weights = vec![0.0; cols];
    blocks::decode_row(kind, bytes, &mut weights).unwrap();
    let finite = weights.iter().all(|w| w.is_finite());
    let (expected, row) = rounded(&weights);
    for backend in available() {
        let mut codes = vec![0; cols];
        let found = backend.round_row(kind, bytes, &mut codes);
        assert_eq!(found, finite.then_some(row), "{kind} on {}", backend.name());
        assert!(!finite || codes == expected, "{kind} on {}", backend.name());
    }
}

/// All 65,536 of them, each beside others that make it large, small or middling in its row.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_f16_is_rounded_as_its_value_is() {
    let cols = 128;
    for largest in [0x0001u16, 0x03ff, 0x0400, 0x1234, 0x3c00, 0x7bff] {
        for first in (0..0x1_0000).step_by(cols - 1) {
            let mut halves: Vec<u16> = (first..first + cols as u32 - 1).map(|bits| bits as u16).collect();
            halves.push(largest | 0x8000);
            let bytes: Vec<u8> = halves.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            same_row(TensorType::F16, &bytes, cols);
        }
    }
    for backend in available() {
        let special = |bits: u16| {
            let bytes: Vec<u8> = [0x3c00, bits].iter().cycle().take(cols).flat_map(|b: &u16| b.to_le_bytes()).collect();
            backend.round_row(TensorType::F16, &bytes, &mut vec![0; cols])
        };
        for bits in 0..=u16::MAX {
            assert_eq!(special(bits).is_none(), bits & 0x7c00 == 0x7c00, "{bits:#x} on {}", backend.name());
        }
    }
}

/// Of every type, and of more columns than are decoded at a time.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn any_row_is_rounded_the_same_everywhere() {
    use TensorType::{BF16, F16, F32, PTQ1_0, Q4_0, Q4_K, Q5_K, Q6_K, Q8_0, TQ1_0, TQ2_0};
    let mut random = Random(7);
    for kind in [F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, TQ1_0, TQ2_0, PTQ1_0] {
        for cols in [256, 1280, 2560, 6912, 1 << 16] {
            let len = cols / kind.block() as usize * kind.block_bytes() as usize;
            for _ in 0..4 {
                // Any bits, and such as are small numbers in every float type.
                let wild: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                same_row(kind, &wild, cols);
                let tame: Vec<u8> = (0..len).map(|_| random.next() as u8 & 0xbb).collect();
                same_row(kind, &tame, cols);
            }
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn the_first_row_that_is_not_finite_is_told_and_none_is_kept() {
    let (rows, cols) = (100, 2560);
    for c in computes() {
        let mut w = Int8Matrix::new(2 * rows, cols).unwrap();
        let mut halves = vec![0x3c00u16; rows * cols];
        let bytes = |halves: &[u16]| -> Vec<u8> { halves.iter().flat_map(|bits| bits.to_le_bytes()).collect() };
        assert_eq!(w.push(&c, TensorType::F16, &bytes(&halves)), Ok(()));
        let before = w.clone();
        for row in [99, 41, 7] {
            halves[row * cols + row] = 0x7c00;
            assert_eq!(w.push(&c, TensorType::F16, &bytes(&halves)), Err(NotFinite { row }));
            assert_eq!(w, before);
        }
    }
}
