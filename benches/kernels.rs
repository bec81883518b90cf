//! Kernels of every backend, and blocks, on the shapes of BitNet b1.58-2B-4T, one thread: `cargo bench -p b158-benches --bench kernels`.
//!
//! Throughput is in multiply-accumulates (elements) a second. A matrix that is used again and again stays in the
//! cache; `layer` walks enough of them to read memory, as generation does.
#![allow(missing_docs)]

mod inputs;

use b158::blocks::{i2_s, tq1_0, tq2_0};
use b158::gguf::TensorType;
use b158::kernels::{
    Activations, Compute, Int8Matrix, Packing, TernaryPacker, WideActivations, available, dense_matmul, int8_matmul,
    ternary_matmul,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use inputs::{activations, codes, compute, dense, half_wave, int8, ternary, wave};
use std::hint::black_box;
use std::slice::from_ref;

/// The seven matrices of a layer, rows × columns.
const LAYER: [(usize, usize); 7] =
    [(2560, 2560), (640, 2560), (640, 2560), (2560, 2560), (6912, 2560), (6912, 2560), (2560, 6912)];

fn computes() -> impl Iterator<Item = Compute> {
    available().into_iter().map(|backend| compute(backend, 1))
}

fn ternary_products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ternary 640 × 2560");
    let w = ternary(640, 2560);
    for c in computes() {
        for tokens in [1, 4, 16] {
            let x = activations(&c, tokens, 2560);
            let mut y = vec![0.0; tokens * 640];
            group.throughput(Throughput::Elements((tokens * 640 * 2560) as u64));
            let id = BenchmarkId::new(c.backend.name(), format!("{tokens} tokens"));
            group.bench_function(id, |b| b.iter(|| ternary_matmul(&c, &w, &x, &mut y)));
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("layer, 1 token");
    group.sample_size(20);
    let layers: Vec<Vec<_>> = (0..8).map(|_| LAYER.map(|(rows, cols)| ternary(rows, cols)).into()).collect();
    let elements: usize = LAYER.iter().map(|(rows, cols)| rows * cols).sum();
    group.throughput(Throughput::Elements(elements as u64));
    for c in computes() {
        let (x, wide) = (activations(&c, 1, 2560), activations(&c, 1, 6912));
        let mut y = vec![0.0; 6912];
        let mut next = layers.iter().cycle();
        group.bench_function(c.backend.name(), |b| {
            b.iter_batched(
                || next.next().expect("a cycle"),
                |layer| {
                    for w in layer {
                        let x = if w.cols() == 2560 { &x } else { &wide };
                        ternary_matmul(&c, w, x, &mut y[..w.rows()]);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head 4096 × 2560");
    group.throughput(Throughput::Elements(4096 * 2560));
    let (x, mut y) = (wave(2560), vec![0.0; 4096]);
    for kind in [TensorType::F16, TensorType::Q8_0, TensorType::Q6_K] {
        let w = dense(kind, 4096, 2560);
        for c in computes() {
            group.bench_function(BenchmarkId::new(c.backend.name(), kind.name()), |b| {
                b.iter(|| dense_matmul(&c, &w, &x, &mut y));
            });
        }
    }
    for c in computes() {
        let w = int8(4096, 2560);
        let mut wide = WideActivations::new(2560).expect("a bench has memory");
        wide.quantize(c.backend, &x);
        group.bench_function(BenchmarkId::new(c.backend.name(), "int8"), |b| {
            b.iter(|| int8_matmul(&c, &w, from_ref(&wide), &mut y));
        });
    }
    group.finish();
}

/// What loading does with each weight: bytes of the file to codes, codes to the kernels' layout. No backend has its own.
fn blocks(criterion: &mut Criterion) {
    const ROWS: usize = 64;
    const COLS: usize = 2560;
    let codes = codes(ROWS * COLS);
    let mut group = criterion.benchmark_group("blocks 64 × 2560");
    group.throughput(Throughput::Elements((ROWS * COLS) as u64));
    macro_rules! formats {
        ($name:literal, $format:ident, $packing:expr, $encode:expr) => {
            let encoded: Vec<_> = codes.as_chunks::<{ $format::BLOCK }>().0.iter().map($encode).collect();
            let mut decoded = [0; $format::BLOCK];
            group.bench_function(concat!($name, ", decode"), |b| {
                b.iter(|| {
                    for bytes in &encoded {
                        black_box($format::decode(bytes, black_box(&mut decoded)));
                    }
                });
            });
            let encoded = encoded.concat();
            for c in computes() {
                group.bench_function(format!("{}, to the layout of {}", $name, c.backend.name()), |b| {
                    b.iter_batched_ref(
                        || TernaryPacker::new(ROWS, COLS, $packing).expect("a bench has memory"),
                        |packer| packer.push(&c, black_box(&encoded)),
                        BatchSize::LargeInput,
                    );
                });
            }
        };
    }
    formats!("I2_S", i2_s, Packing::I2S, i2_s::encode);
    formats!("TQ1_0", tq1_0, Packing::Tq1, |codes| tq1_0::encode(codes, half::f16::ONE));
    formats!("TQ2_0", tq2_0, Packing::Tq2, |codes| tq2_0::encode(codes, half::f16::ONE));
    for (kind, row) in [
        (TensorType::F16, half_wave(COLS).iter().flat_map(|h| h.to_le_bytes()).collect()),
        (TensorType::Q6_K, vec![0x11; COLS / 256 * 210]),
    ] {
        let rows: Vec<u8> = std::iter::repeat_n(row, ROWS).flatten().collect();
        for c in computes() {
            group.bench_function(format!("{kind}, to 8 bits on {}", c.backend.name()), |b| {
                b.iter_batched_ref(
                    || Int8Matrix::new(ROWS, COLS).expect("a bench has memory"),
                    |matrix| matrix.push(&c, kind, black_box(&rows)),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

fn floats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floats");
    let (x, weight) = (wave(6912), wave(6912));
    let half = half_wave(6912);
    let mut y = x.clone();
    for c in computes() {
        let (k, name) = (c.backend, c.backend.name());
        group.bench_function(BenchmarkId::new(name, "rms_norm 6912"), |b| {
            b.iter(|| k.rms_norm(&x, &weight, 1e-5, &mut y));
        });
        group.bench_function(BenchmarkId::new(name, "relu2_mul 6912"), |b| {
            y.copy_from_slice(&x);
            b.iter(|| k.relu2_mul(&mut y, &weight));
        });
        group.bench_function(BenchmarkId::new(name, "quantize 6912"), |b| {
            let mut activations = Activations::new();
            b.iter(|| activations.quantize(&c, &x, 6912));
        });
        group.bench_function(BenchmarkId::new(name, "quantize, 14 bits, 2560"), |b| {
            let mut wide = WideActivations::new(2560).expect("a bench has memory");
            b.iter(|| wide.quantize(k, &x[..2560]));
        });
        group.bench_function(BenchmarkId::new(name, "dot 128"), |b| b.iter(|| k.dot(&x[..128], &weight[..128])));
        group.bench_function(BenchmarkId::new(name, "dot_f16 128"), |b| b.iter(|| k.dot_f16(&half[..128], &x[..128])));
        group.bench_function(BenchmarkId::new(name, "add_scaled 128"), |b| {
            b.iter(|| k.add_scaled(&mut y[..128], 1e-3, &x[..128]));
        });
    }
    group.finish();
}

criterion_group!(benches, ternary_products, heads, floats, blocks);
criterion_main!(benches);
