//! What the benches compute with: values without meaning, the same in every run.
#![allow(dead_code, missing_docs, unreachable_pub)]

use b158::blocks::i2_s;
use b158::gguf::TensorType;
use b158::kernels::{Activations, Backend, Compute, DenseMatrix, Int8Matrix, Packing, TernaryMatrix, TernaryPacker};
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
    let mut packer = TernaryPacker::new(rows, cols, Packing::I2S).expect("a bench has memory");
    let bytes: Vec<u8> = codes(rows * cols).as_chunks().0.iter().flat_map(i2_s::encode).collect();
    packer.push(&Compute::default(), &bytes).expect("codes 0 to 2");
    packer.finish_scaled(1.0)
}

/// Every byte of it is 0x11: no infinity, no NaN, no subnormal in any format.
pub fn dense(kind: TensorType, rows: usize, cols: usize) -> DenseMatrix {
    let bytes = (rows * cols) as u64 / kind.block() * kind.block_bytes();
    DenseMatrix::new(kind, rows, cols, vec![0x11; bytes as usize]).expect("the sizes fit")
}

pub fn int8(rows: usize, cols: usize) -> Int8Matrix {
    let mut w = Int8Matrix::new(rows, cols).expect("a bench has memory");
    let row: Vec<u8> = wave(cols).iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let c = Compute::default();
    (0..rows).for_each(|_| w.push(&c, TensorType::F32, &row).expect("finite weights"));
    w
}

pub fn activations(c: &Compute, tokens: usize, cols: usize) -> Activations {
    let mut x = Activations::new();
    x.quantize(c, &wave(tokens * cols), cols).expect("a bench has memory");
    x
}
