//! Some rows of a matrix have the bits of the whole product, in any order and number, on every backend.

use super::repack::{IN_GROUPS, file_with};
use super::*;
use crate::gguf::TensorType::*;

/// None, one, all, neighbours and strangers, in any order, some of them twice.
fn wanted(random: &mut Random, rows: usize) -> Vec<Vec<u32>> {
    let all = 0..rows as u32;
    let mut wanted = vec![vec![], vec![0], vec![rows as u32 - 1], all.clone().collect(), all.clone().rev().collect()];
    for step in [2, 5, 66] {
        wanted.push(all.clone().step_by(step).collect());
    }
    wanted.extend((1..40).map(|n| (0..n).map(|_| random.below(rows) as u32).collect()));
    wanted
}

fn same(what: &str, rows: usize, whole: &[f32], mut some: impl FnMut(&Compute, &[u32], &mut [f32])) {
    let mut random = Random(60);
    for c in computes() {
        for wanted in wanted(&mut random, rows) {
            let mut y = vec![f32::NAN; wanted.len()];
            some(&c, &wanted, &mut y);
            let expected: Vec<f32> = wanted.iter().map(|row| whole[*row as usize]).collect();
            assert_bits(&format!("{what}, rows {wanted:?}"), c.backend, &y, &expected);
        }
    }
}

fn oracle() -> Compute {
    Compute { backend: &scalar::Scalar, pool: Pool::new(1) }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn of_an_8_bit_matrix() {
    let mut random = Random(61);
    for (rows, cols) in [(1, 128), (3, 256), (67, 384), (131, 1280)] {
        let bytes: Vec<u8> = random.vec(rows * cols).iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let mut w = Int8Matrix::new(rows, cols).unwrap();
        w.push(&oracle(), F32, &bytes).unwrap();
        let mut x = WideActivations::new(cols).unwrap();
        x.quantize(&scalar::Scalar, &random.vec(cols));
        let mut whole = vec![f32::NAN; rows];
        int8_matmul(&oracle(), &w, std::slice::from_ref(&x), &mut whole);
        same(&format!("{rows} × {cols}"), rows, &whole, |c, rows, y| int8_rows(c, &w, rows, &x, y));
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn of_a_dense_matrix() {
    let mut random = Random(62);
    for kind in [F32, F16, BF16, Q8_0, Q4_K, Q6_K, TQ2_0] {
        for (rows, cols) in [(1, 256), (67, 1280)] {
            let w = dense::matrix(&mut random, kind, rows, cols);
            let x = random.vec(cols);
            let mut whole = vec![f32::NAN; rows];
            dense_matmul(&oracle(), &w, &x, &mut whole);
            same(&format!("{kind} {rows} × {cols}"), rows, &whole, |c, rows, y| dense_rows(c, &w, rows, &x, y));
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn of_a_ternary_matrix() {
    let mut random = Random(63);
    for (rows, cols) in [(1, 256), (3, 256), (67, 512), (130, 768)] {
        let x = random.vec(cols);
        let mut codes = || (0..rows * cols).map(|_| random.below(3) as u8).collect::<Vec<u8>>();
        let (a, b) = (codes(), codes());
        let scales = (0..rows * cols / 256).map(|_| random.unit()).collect();
        let mut matrices = vec![
            ("one scale", ternary::packed(rows, cols, &a).finish_scaled(1.25)),
            ("blocks", ternary::packed(rows, cols, &b).finish_block_scaled(256, scales)),
        ];
        for packing in IN_GROUPS {
            let codes: Vec<u8> = (0..rows * cols).map(|_| groups::code(packing, random.below(3))).collect();
            let bytes = file_with(packing, &codes, || groups::scale(&mut random));
            matrices.push(("groups", groups::matrix(&oracle(), packing, rows, cols, &bytes)));
        }
        for (what, w) in &matrices {
            let quantized = |c: &Compute| {
                let mut activations = Activations::new();
                activations.quantize_best(c, &x, cols, std::iter::once(w)).unwrap();
                activations
            };
            let mut whole = vec![f32::NAN; rows];
            ternary_matmul(&oracle(), w, &quantized(&oracle()), &mut whole);
            same(&format!("{what} {rows} × {cols}"), rows, &whole, |c, rows, y| {
                ternary_rows(c, w, rows, &quantized(c), y);
            });
        }
    }
}

/// What is beyond a matrix is no row of it.
#[cfg(not(target_family = "wasm"))]
#[test]
fn a_row_that_is_not_there_is_refused() {
    let refused = |work: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
    let mut random = Random(64);
    let x = random.vec(256);
    let c = oracle();
    let codes: Vec<u8> = vec![1; 5 * 256];
    let ternary = ternary::packed(5, 256, &codes).finish_scaled(1.0);
    let grouped = groups::matrix(&c, Packing::Q2, 5, 256, &file_with(Packing::Q2, &codes, || ::half::f16::ONE));
    for w in [&ternary, &grouped] {
        let mut activations = Activations::new();
        activations.quantize_best(&c, &x, 256, std::iter::once(w)).unwrap();
        assert!(refused(&|| ternary_rows(&c, w, &[4, 5], &activations, &mut [0.0; 2])));
        assert!(refused(&|| ternary_rows(&c, w, &[4], &activations, &mut [0.0; 2])));
    }
    let dense = dense::matrix(&mut random, F16, 5, 256);
    assert!(refused(&|| dense_rows(&c, &dense, &[5], &x, &mut [0.0])));
    let mut int8 = Int8Matrix::new(5, 256).unwrap();
    int8.push(&c, Q8_0, &vec![0; 5 * 256 / 32 * 34]).unwrap();
    let wide = WideActivations::new(256).unwrap();
    assert!(refused(&|| int8_rows(&c, &int8, &[5], &wide, &mut [0.0])));
    assert!(refused(&|| int8_rows(&c, &int8, &[u32::MAX], &wide, &mut [0.0])));
}
