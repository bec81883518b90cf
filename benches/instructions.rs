//! How many instructions the kernels take, counted by Callgrind: the same in every run, however busy the machine.
//!
//! `./build.sh test guard` compares the counts with those in `instructions.txt`. Valgrind knows no AVX-512, so it is
//! the avx2 backend that is counted.
#![allow(missing_docs)]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod inputs;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod avx2 {
    use crate::inputs::{activations, compute, dense, half_wave, int8, ternary, wave};
    use b158::gguf::TensorType;
    use b158::kernels::attention::{Page, Queries, Scratch, Stored, partial_len};
    use b158::kernels::{
        Activations, Backend, Compute, DenseMatrix, Int8Matrix, TernaryMatrix, WideActivations, by_name, dense_matmul,
        int8_matmul, ternary_matmul,
    };
    use gungraun::{Callgrind, prelude::*};

    const ROWS: usize = 256;
    const COLS: usize = 2560;
    /// The length of the widest vector of 2B-4T.
    const WIDE: usize = 6912;
    /// Attention: heads that share a KV head, the length of a head, and positions of the page.
    const HEADS: usize = 4;
    const HEAD: usize = 128;
    const SEEN: usize = 256;

    fn backend() -> Backend {
        by_name("avx2").expect("build.sh has seen to it that the processor has AVX2")
    }

    // A case returns what it was given: what it drops itself would be counted too.

    fn ternary_case(tokens: usize) -> (Compute, TernaryMatrix, Activations, Vec<f32>) {
        let c = compute(backend(), 1);
        let x = activations(&c, tokens, COLS);
        (c, ternary(ROWS, COLS), x, vec![0.0; tokens * ROWS])
    }

    #[library_benchmark(setup = ternary_case)]
    #[bench::tokens_1(1)]
    #[bench::tokens_4(4)]
    #[bench::tokens_16(16)]
    fn ternary_product(
        (c, w, x, mut y): (Compute, TernaryMatrix, Activations, Vec<f32>),
    ) -> (Compute, TernaryMatrix, Activations, Vec<f32>) {
        ternary_matmul(&c, &w, &x, &mut y);
        (c, w, x, y)
    }

    fn int8_case() -> (Compute, Int8Matrix, WideActivations, Vec<f32>) {
        let mut x = WideActivations::new(COLS).expect("a bench has memory");
        x.quantize(backend(), &wave(COLS));
        (compute(backend(), 1), int8(ROWS, COLS), x, vec![0.0; ROWS])
    }

    #[library_benchmark]
    #[bench::int8(int8_case())]
    fn head(
        (c, w, x, mut y): (Compute, Int8Matrix, WideActivations, Vec<f32>),
    ) -> (Compute, Int8Matrix, WideActivations, Vec<f32>) {
        int8_matmul(&c, &w, std::slice::from_ref(&x), &mut y);
        (c, w, x, y)
    }

    fn dense_case(kind: TensorType) -> (Compute, DenseMatrix, Vec<f32>, Vec<f32>) {
        (compute(backend(), 1), dense(kind, ROWS, COLS), wave(COLS), vec![0.0; ROWS])
    }

    #[library_benchmark(setup = dense_case)]
    #[bench::f16(TensorType::F16)]
    #[bench::q6_k(TensorType::Q6_K)]
    fn dense_product(
        (c, w, x, mut y): (Compute, DenseMatrix, Vec<f32>, Vec<f32>),
    ) -> (Compute, DenseMatrix, Vec<f32>, Vec<f32>) {
        dense_matmul(&c, &w, &x, &mut y);
        (c, w, x, y)
    }

    fn quantize_case() -> (Compute, Activations, Vec<f32>) {
        let c = compute(backend(), 1);
        let x = activations(&c, 1, WIDE);
        (c, x, wave(WIDE))
    }

    #[library_benchmark]
    #[bench::bits_8(quantize_case())]
    fn quantize((c, mut q, x): (Compute, Activations, Vec<f32>)) -> (Compute, Activations, Vec<f32>) {
        q.quantize(&c, &x, WIDE).expect("the room is there already");
        (c, q, x)
    }

    fn wide_case() -> (Backend, WideActivations, Vec<f32>) {
        (backend(), WideActivations::new(COLS).expect("a bench has memory"), wave(COLS))
    }

    #[library_benchmark]
    #[bench::bits_14(wide_case())]
    fn quantize_wide((k, mut q, x): (Backend, WideActivations, Vec<f32>)) -> (Backend, WideActivations, Vec<f32>) {
        q.quantize(k, &x);
        (k, q, x)
    }

    fn vectors(len: usize) -> (Backend, Vec<f32>, Vec<f32>, Vec<f32>) {
        (backend(), wave(len), wave(len), wave(len))
    }

    #[library_benchmark(setup = vectors)]
    #[bench::wide(WIDE)]
    fn rms_norm(
        (k, x, weight, mut y): (Backend, Vec<f32>, Vec<f32>, Vec<f32>),
    ) -> (Backend, Vec<f32>, Vec<f32>, Vec<f32>) {
        k.rms_norm(&x, &weight, 1e-5, &mut y);
        (k, x, weight, y)
    }

    #[library_benchmark(setup = vectors)]
    #[bench::wide(WIDE)]
    fn relu2_mul(
        (k, x, up, mut gate): (Backend, Vec<f32>, Vec<f32>, Vec<f32>),
    ) -> (Backend, Vec<f32>, Vec<f32>, Vec<f32>) {
        k.relu2_mul(&mut gate, &up);
        (k, x, up, gate)
    }

    // ── attention: four query heads of one token with a page of one KV head ──────────────────

    type Attention = (Backend, Vec<f32>, Vec<u16>, Vec<u16>, Scratch, Vec<f32>);

    fn attention_case() -> Attention {
        let stored = half_wave(SEEN * HEAD);
        (backend(), wave(HEADS * HEAD), stored.clone(), stored, Scratch::new(), vec![0.0; partial_len(HEADS, HEAD)])
    }

    #[library_benchmark]
    #[bench::f16(attention_case())]
    fn attention((k, q, keys, values, mut scratch, mut partial): Attention) -> Attention {
        let page = Page { stored: Stored::F16 { keys: &keys, values: &values }, width: HEAD, positions: SEEN };
        let seen = SEEN as isize;
        let queries = Queries { q: &q, tokens: 1, stride: HEADS * HEAD, heads: HEADS, dim: HEAD, seen };
        k.attend(&page, &queries, &mut scratch, &mut partial);
        (k, q, keys, values, scratch, partial)
    }

    library_benchmark_group!(
        name = kernels,
        benchmarks = [ternary_product, head, dense_product, quantize, quantize_wide, rms_norm, relu2_mul, attention]
    );
    main!(
        config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
        library_benchmark_groups = kernels
    );

    pub(crate) fn run() {
        main();
    }
}

fn main() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    avx2::run();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    println!("no instructions counted: made for Linux on x86-64");
}
