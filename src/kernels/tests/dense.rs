//! Dense matrices: one order for every format.

use super::*;
use crate::gguf::TensorType;

/// A matrix of random bytes in `kind`, with block scales that are ordinary numbers.
pub(super) fn matrix(random: &mut Random, kind: TensorType, rows: usize, cols: usize) -> DenseMatrix {
    let blocks = rows * cols / kind.block() as usize;
    let size = kind.block_bytes() as usize;
    let mut bytes: Vec<u8> = (0..blocks * size).map(|_| random.next() as u8).collect();
    let scale = ::half::f16::from_f32(0.01).to_bits().to_le_bytes();
    for block in bytes.chunks_exact_mut(size) {
        match kind {
            TensorType::F32 => block.copy_from_slice(&random.unit().to_le_bytes()),
            TensorType::F16 => block.copy_from_slice(&::half::f16::from_f32(random.unit()).to_bits().to_le_bytes()),
            TensorType::BF16 => block.copy_from_slice(&random.unit().to_le_bytes()[2..]),
            TensorType::Q8_0 | TensorType::Q4_0 => block[..2].copy_from_slice(&scale),
            _ => block[size - 2..].copy_from_slice(&scale),
        }
    }
    DenseMatrix::new(kind, rows, cols, bytes).unwrap()
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn a_product_is_the_dot_product_of_the_decoded_row() {
    let mut random = Random(20);
    let scalar: Backend = &scalar::Scalar;
    use TensorType::*;
    for kind in [F32, F16, BF16, Q8_0, Q4_K, Q5_K, Q6_K, Q4_0, TQ1_0, TQ2_0] {
        for (rows, cols, tokens) in [(1, 256, 1), (3, 1280, 2), (70, 256, 1), (5, 2560, 9)] {
            let w = matrix(&mut random, kind, rows, cols);
            assert_eq!((w.rows(), w.cols(), w.kind()), (rows, cols, kind));
            let x = random.vec(tokens * cols);
            let mut row = vec![0.0; cols];
            let mut expected = vec![0.0; tokens * rows];
            for i in 0..rows {
                w.row(i, &mut row);
                for (t, x) in x.chunks_exact(cols).enumerate() {
                    expected[t * rows + i] = scalar.dot(&row, x);
                }
            }
            for c in computes() {
                let mut y = vec![f32::NAN; tokens * rows];
                dense_matmul(&c, &w, &x, &mut y);
                assert_bits(&format!("{} {rows} × {cols}", kind.name()), c.backend, &y, &expected);
            }
        }
    }
}

/// Rows need not be whole lanes in the formats without blocks.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn odd_columns_are_allowed() {
    let mut random = Random(21);
    for kind in [TensorType::F32, TensorType::F16, TensorType::BF16] {
        let w = matrix(&mut random, kind, 2, 37);
        let x = random.vec(37);
        let mut row = vec![0.0; 37];
        w.row(1, &mut row);
        for c in computes() {
            let mut y = [0.0; 2];
            dense_matmul(&c, &w, &x, &mut y);
            assert_bits("odd columns", c.backend, &y[1..], &[c.backend.dot(&row, &x)]);
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn wrong_sizes_are_refused() {
    let refused = |kind, rows, cols, len| DenseMatrix::new(kind, rows, cols, vec![0; len]).is_err();
    assert!(refused(TensorType::F16, 2, 8, 31));
    assert!(refused(TensorType::F16, 2, 8, 33));
    assert!(refused(TensorType::Q8_0, 1, 33, 34));
    assert!(refused(TensorType::I2S, 1, 128, 32));
    assert!(refused(TensorType::F32, usize::MAX / 2, 4, 0));
    assert!(refused(TensorType::F32, 0, 0, 0));
    assert!(!refused(TensorType::Q6_K, 2, 256, 420));
}
