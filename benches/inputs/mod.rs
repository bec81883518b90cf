//! What the benches compute with: values without meaning, the same in every run.
#![allow(dead_code, missing_docs, unreachable_pub)]

use b158::gguf::TensorType;
use b158::kernels::{Activations, Backend, Compute, DenseMatrix, Int8Matrix, TernaryMatrix, TernaryPacker};
use b158::threads::Pool;

pub fn compute(backend: Backend, threads: usize) -> Compute {
    Compute { backend, pool: Pool::new(threads) }
}

pub fn codes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 11) as u8 % 3).collect()
}

pub fn wave(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.37).sin()).collect()
}

pub fn half_wave(len: usize) -> Vec<u16> {
    wave(len).iter().map(|x| half::f16::from_f32(*x).to_bits()).collect()
}

pub fn ternary(rows: usize, cols: usize) -> TernaryMatrix {
    let mut packer = TernaryPacker::new(rows, cols).expect("a bench has memory");
    packer.put(0, &codes(rows * cols));
    packer.finish_scaled(1.0)
}

/// Every byte of it is 0x11: no infinity, no NaN, no subnormal in any format.
pub fn dense(kind: TensorType, rows: usize, cols: usize) -> DenseMatrix {
    let bytes = (rows * cols) as u64 / kind.block() * kind.block_bytes();
    DenseMatrix::new(kind, rows, cols, vec![0x11; bytes as usize]).expect("the sizes fit")
}

pub fn int8(backend: Backend, rows: usize, cols: usize) -> Int8Matrix {
    let mut w = Int8Matrix::new(rows, cols).expect("a bench has memory");
    let row = wave(cols);
    (0..rows).for_each(|_| w.push_row(backend, &row));
    w
}

pub fn activations(c: &Compute, tokens: usize, cols: usize) -> Activations {
    let mut x = Activations::new();
    x.quantize(c, &wave(tokens * cols), cols).expect("a bench has memory");
    x
}
