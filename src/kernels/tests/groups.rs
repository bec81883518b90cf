//! Matrices in blocks and activations in groups: the written order, every shape, every packing.

use super::repack::{IN_GROUPS, file_with};
use super::*;
use crate::blocks::decode_row;
use ::half::f16;

/// The type of a packing.
fn kind(packing: Packing) -> TensorType {
    TensorType::ALL.into_iter().find(|kind| Packing::of(*kind) == Some(packing)).unwrap()
}

/// Negative, subnormal and zero scales among others.
pub(super) fn scale(random: &mut Random) -> f16 {
    match random.below(8) {
        0 => f16::from_bits(random.next() as u16 & 0x83ff),
        1 => f16::from_f32(0.0 * random.unit()),
        2 => f16::from_f32(random.unit() * 65_504.0),
        _ => f16::from_f32(random.unit()),
    }
}

/// A code that the packing has.
pub(super) fn code(packing: Packing, code: usize) -> u8 {
    if packing == Packing::Q1 { 2 * (code as u8 & 1) } else { code as u8 % 3 }
}

/// A matrix out of a file's bytes.
pub(super) fn matrix(c: &Compute, packing: Packing, rows: usize, cols: usize, bytes: &[u8]) -> TernaryMatrix {
    let mut packer = TernaryPacker::new(rows, cols, packing).unwrap();
    let (first, rest) = bytes.split_at(bytes.len().min(packer.group_bytes()));
    assert_eq!((packer.push(c, first), packer.push(c, rest)), (Ok(()), Ok(())));
    packer.finish_groups()
}

/// The written order, from the bytes as they are in the file.
pub(super) fn reference(packing: Packing, cols: usize, bytes: &[u8], x: &[f32]) -> Vec<f32> {
    let (block, row_bytes) = (packing.block(), packing.row_bytes(cols));
    let mut y = Vec::new();
    for x in x.chunks_exact(cols) {
        let (mut q, mut d) = (Vec::new(), Vec::new());
        for x in x.chunks_exact(32) {
            let most = x.iter().fold(0f32, |most, x| most.max(x.abs()));
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            q.extend(x.iter().map(|x| (x * inverse).clamp(-128.0, 127.0).round_ties_even() as i32));
            d.push(f16::from_f32(most / 127.0).to_f32());
        }
        for row in bytes.chunks_exact(row_bytes) {
            let mut total = 0f32;
            for (b, bytes) in row.chunks_exact(packing.block_bytes()).enumerate() {
                let scale = &bytes[packing.scale_at()..];
                let s = f16::from_le_bytes([scale[0], scale[1]]).to_f32();
                // Codes are the weights of the same block with the scale 1.
                let mut plain = bytes.to_vec();
                plain[packing.scale_at()..][..2].copy_from_slice(&f16::ONE.to_le_bytes());
                let mut weights = vec![0.0; block];
                decode_row(kind(packing), &plain, &mut weights).unwrap();
                let mut t = 0f32;
                for (group, weights) in weights.chunks_exact(32).enumerate() {
                    let at = b * block + 32 * group;
                    let sum: i32 = weights.iter().zip(&q[at..]).map(|(w, q)| *w as i32 * q).sum();
                    t += sum as f32 * d[at / 32];
                }
                total += t * s;
            }
            y.push(total);
        }
    }
    y
}

pub(super) fn product(c: &Compute, w: &TernaryMatrix, x: &[f32]) -> Vec<f32> {
    let mut activations = Activations::new();
    activations.quantize_best(c, x, w.cols(), std::iter::once(w)).unwrap();
    let mut y = vec![f32::NAN; x.len() / w.cols() * w.rows()];
    ternary_matmul(c, w, &activations, &mut y);
    y
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_shape_and_packing_equals_the_reference() {
    let mut random = Random(11);
    let shapes = [
        (1, 128, 1),
        (2, 256, 2),
        (63, 384, 3),
        (64, 128, 4),
        (65, 640, 5),
        (130, 1152, 7),
        (7, 2048, 17),
        (200, 128, 33),
    ];
    for packing in IN_GROUPS {
        for (rows, cols, tokens) in shapes {
            let codes: Vec<u8> = (0..rows * cols).map(|_| code(packing, random.below(6))).collect();
            let bytes = file_with(packing, &codes, || scale(&mut random));
            let x = if tokens % 2 == 0 { random.wild_vec(tokens * cols) } else { random.vec(tokens * cols) };
            let expected = reference(packing, cols, &bytes, &x);
            for c in computes() {
                let w = matrix(&c, packing, rows, cols, &bytes);
                let what = format!("{rows} × {cols} of {packing:?}, {tokens} tokens");
                assert_bits(&what, c.backend, &product(&c, &w, &x), &expected);
            }
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn rows_are_those_of_the_file() {
    let mut random = Random(12);
    for packing in IN_GROUPS {
        for (rows, cols) in [(1, 128), (64, 256), (65, 1152), (200, 2048), (3, 6144)] {
            let codes: Vec<u8> = (0..rows * cols).map(|_| code(packing, random.below(6))).collect();
            let bytes = file_with(packing, &codes, || scale(&mut random));
            for c in computes() {
                let w = matrix(&c, packing, rows, cols, &bytes);
                assert_eq!(w.bytes() as u64, TernaryMatrix::bytes_of(packing, rows as u64, cols as u64));
                assert_eq!(w.memory().len(), w.bytes(), "scales are among the codes");
                let (mut expected, mut row) = (vec![0.0; cols], vec![0.0; cols]);
                for (i, bytes) in bytes.chunks_exact(packing.row_bytes(cols)).enumerate() {
                    decode_row(kind(packing), bytes, &mut expected).unwrap();
                    w.row(i, &mut row);
                    assert_bits(&format!("row {i} of {packing:?}"), c.backend, &row, &expected);
                    assert_eq!(w.row_codes(i), codes[i * cols..][..cols]);
                }
            }
        }
    }
}

/// Blocks of 64 may end in the middle of 128 columns.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn columns_are_whole_blocks_and_no_more() {
    let mut random = Random(13);
    for cols in [64, 320] {
        let codes: Vec<u8> = (0..5 * cols).map(|_| random.below(3) as u8).collect();
        let bytes = file_with(Packing::Q2, &codes, || scale(&mut random));
        let x = random.vec(3 * cols);
        let expected = reference(Packing::Q2, cols, &bytes, &x);
        for c in computes() {
            let w = matrix(&c, Packing::Q2, 5, cols, &bytes);
            assert_bits(&format!("{cols} columns"), c.backend, &product(&c, &w, &x), &expected);
        }
    }
    for packing in IN_GROUPS {
        for cols in [0, 32, 96, 129, MAX_COLS + 128] {
            assert!(matches!(TernaryPacker::new(4, cols, packing), Err(Error::BadValue { .. })), "{cols} columns");
        }
        assert!(matches!(TernaryPacker::new(usize::MAX, 1280, packing), Err(Error::OutOfMemory { .. })));
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn extremes_do_not_overflow() {
    // Every code and every activation at its limit, of one sign, and scales at theirs: as far as the sum is finite.
    for cols in [512, 6912, MAX_COLS] {
        for of in 0..3 {
            let codes = vec![of; 3 * cols];
            for largest in [f16::MAX, f16::MIN, f16::from_bits(1)] {
                let bytes = file_with(Packing::LongQ2, &codes, || largest);
                for value in [3.0, -8_000_000.0, 1e-7, -1e-38, 1e-45] {
                    let x = vec![value; 2 * cols];
                    let expected = reference(Packing::LongQ2, cols, &bytes, &x);
                    for c in computes() {
                        let w = matrix(&c, Packing::LongQ2, 3, cols, &bytes);
                        assert_bits(&format!("{cols} codes {of}"), c.backend, &product(&c, &w, &x), &expected);
                    }
                }
            }
        }
    }
}

/// -128 comes out of no group whose largest is a number that has an inverse, but a kernel must not count on that.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn minus_128_is_exact() {
    let codes: Vec<u8> = (0..8 * 1024).map(|i| if i / 1024 % 2 == 0 { 2 } else { 0 }).collect();
    let bytes = file_with(Packing::Ptq1, &codes, || f16::ONE);
    for backend in available() {
        let c = Compute { backend, pool: Pool::new(1) };
        let w = matrix(&c, Packing::Ptq1, 8, 1024, &bytes);
        let mut x = Activations::new();
        x.quantize_best(&c, &vec![0.0; 5 * 1024], 1024, std::iter::once(&w)).unwrap();
        x.groups_mut().fill(-128, 0.5);
        let mut y = vec![f32::NAN; 5 * 8];
        ternary_matmul(&c, &w, &x, &mut y);
        assert_bits("-128", backend, &y, &[-65_536.0, 65_536.0].repeat(4 * 5));
    }
}

/// What is not finite stays visible, whatever else is in the group.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn infinity_is_not_lost() {
    let bytes = file_with(Packing::Q2, &[2; 4 * 256], || f16::ONE);
    for c in computes() {
        let w = matrix(&c, Packing::Q2, 4, 256, &bytes);
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let mut x = vec![1.0; 256];
            x[77] = value;
            assert!(product(&c, &w, &x).iter().all(|y| !y.is_finite()), "{value} on {}", c.backend.name());
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn batching_does_not_change_a_token_and_kinds_mix() {
    let mut random = Random(14);
    let codes: Vec<u8> = (0..70 * 384).map(|_| random.below(3) as u8).collect();
    let bytes = file_with(Packing::Q2, &codes, || scale(&mut random));
    let by_row = ternary::packed(24, 384, &codes[..24 * 384]).finish_scaled(0.7);
    let x = random.vec(11 * 384);
    for c in computes() {
        let w = matrix(&c, Packing::Q2, 70, 384, &bytes);
        let together = product(&c, &w, &x);
        for (x, y) in x.chunks_exact(384).zip(together.chunks_exact(70)) {
            assert_bits("one token", c.backend, &product(&c, &w, x), y);
        }
        let mut activations = Activations::new();
        activations.quantize_best(&c, &x, 384, [&w, &by_row].into_iter()).unwrap();
        let (mut a, mut b) = (vec![f32::NAN; 11 * 70], vec![f32::NAN; 11 * 24]);
        ternary_matmuls(&c, &mut [(&w, &mut a), (&by_row, &mut b)], &activations);
        assert_bits("beside a matrix of one scale", c.backend, &a, &together);
        assert_bits("beside a matrix in blocks", c.backend, &b, &ternary::product(&c, &by_row, &x));
    }
}
