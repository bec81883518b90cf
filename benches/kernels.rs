//! Every backend on the shapes of BitNet b1.58-2B-4T, one thread: `cargo bench --bench kernels`.
//!
//! Throughput is in multiply-accumulates (elements) a second. A matrix that is used again and again stays in the
//! cache; `layer` walks enough of them to read memory, as generation does.
#![allow(missing_docs)]

use b158::gguf::TensorType;
use b158::kernels::{
    Activations, Compute, DenseMatrix, TernaryMatrix, TernaryPacker, available, dense_matmul, ternary_matmul,
};
use b158::threads::Pool;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The seven matrices of a layer, rows × columns.
const LAYER: [(usize, usize); 7] =
    [(2560, 2560), (640, 2560), (640, 2560), (2560, 2560), (6912, 2560), (6912, 2560), (2560, 6912)];

fn matrix(rows: usize, cols: usize) -> TernaryMatrix {
    let codes: Vec<u8> = (0..rows * cols).map(|i| (i * 7 + i / 11) as u8 % 3).collect();
    let mut packer = TernaryPacker::new(rows, cols).expect("a bench has memory");
    packer.put(0, &codes);
    packer.finish_scaled(1.0)
}

fn wave(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.37).sin()).collect()
}

fn computes() -> impl Iterator<Item = Compute> {
    available().into_iter().map(|backend| Compute { backend, pool: Pool::new(1) })
}

fn activations(c: &Compute, tokens: usize, cols: usize) -> Activations {
    let mut x = Activations::new();
    x.quantize(c, &wave(tokens * cols), cols).expect("a bench has memory");
    x
}

fn ternary(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ternary 640 × 2560");
    let w = matrix(640, 2560);
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
    let layers: Vec<Vec<_>> = (0..8).map(|_| LAYER.map(|(rows, cols)| matrix(rows, cols)).into()).collect();
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

fn dense(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dense 4096 × 2560");
    group.throughput(Throughput::Elements(4096 * 2560));
    for kind in [TensorType::F16, TensorType::Q8_0, TensorType::Q6_K] {
        let bytes = 4096 * 2560 / kind.block() * kind.block_bytes();
        let w = DenseMatrix::new(kind, 4096, 2560, vec![0x11; bytes as usize]).expect("the sizes fit");
        let (x, mut y) = (wave(2560), vec![0.0; 4096]);
        for c in computes() {
            group.bench_function(BenchmarkId::new(c.backend.name(), kind.name()), |b| {
                b.iter(|| dense_matmul(&c, &w, &x, &mut y));
            });
        }
    }
    group.finish();
}

fn floats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floats");
    let (x, weight) = (wave(6912), wave(6912));
    let half: Vec<u16> = x.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
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
        group.bench_function(BenchmarkId::new(name, "softmax 4096"), |b| {
            y.copy_from_slice(&x);
            b.iter(|| k.softmax(&mut y[..4096]));
        });
        group.bench_function(BenchmarkId::new(name, "quantize 6912"), |b| {
            let mut activations = Activations::new();
            b.iter(|| activations.quantize(&c, &x, 6912));
        });
        group.bench_function(BenchmarkId::new(name, "dot_f16 128"), |b| b.iter(|| k.dot_f16(&half[..128], &x[..128])));
        group.bench_function(BenchmarkId::new(name, "add_scaled 128"), |b| {
            b.iter(|| k.add_scaled(&mut y[..128], 1e-3, &x[..128]));
        });
    }
    group.finish();
}

criterion_group!(benches, ternary, dense, floats);
criterion_main!(benches);
