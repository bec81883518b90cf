//! The ternary product: exact sums, the written order of the floats, every shape.

use super::*;
use crate::blocks::i2_s;

/// Weights of -1, 0, +1 and one scale, beside their plain codes.
pub(super) fn matrix(rows: usize, cols: usize, mut code: impl FnMut(usize) -> u8) -> (TernaryPacker, Vec<u8>) {
    let codes: Vec<u8> = (0..rows * cols).map(&mut code).collect();
    (packed(rows, cols, &codes), codes)
}

/// Rows of codes, on the oracle.
pub(super) fn packed(rows: usize, cols: usize, codes: &[u8]) -> TernaryPacker {
    let mut packer = TernaryPacker::new(rows, cols, Packing::I2S).unwrap();
    let bytes: Vec<u8> = codes.as_chunks().0.iter().flat_map(i2_s::encode).collect();
    packer.push(&Compute { backend: &scalar::Scalar, pool: Pool::new(1) }, &bytes).unwrap();
    packer
}

/// bitnet.cpp's arithmetic, in the order that its documentation gives, from the codes as they are in the file.
pub(super) fn reference(codes: &[u8], cols: usize, scale: f32, x: &[f32]) -> Vec<f32> {
    let mut y = Vec::new();
    for x in x.chunks_exact(cols) {
        let m = x.iter().fold(1e-5f64, |m, x| m.max(f64::from(x.abs())));
        let s = (127.0 / m) as f32;
        let q: Vec<i64> = x.iter().map(|x| (x * s).round_ties_even().clamp(-128.0, 127.0) as i64).collect();
        let sum: i64 = q.iter().sum();
        for codes in codes.chunks_exact(cols) {
            let d: i64 = codes.iter().zip(&q).map(|(c, q)| i64::from(*c) * q).sum();
            y.push((d as f32 - sum as f32) / s * scale);
        }
    }
    y
}

/// By dots and by tables, which must agree.
pub(super) fn product(c: &Compute, w: &TernaryMatrix, x: &[f32]) -> Vec<f32> {
    let mut activations = Activations::new();
    let [dots, tables] = [Way::Dots, Way::Tables { rows: w.rows() }].map(|way| {
        activations.quantize_for(c, x, w.cols(), way).unwrap();
        let mut y = vec![f32::NAN; activations.rows() * w.rows()];
        ternary_matmul(c, w, &activations, &mut y);
        y
    });
    assert_bits("tables and dots", c.backend, &tables, &dots);
    dots
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_shape_equals_the_reference() {
    let mut random = Random(1);
    let shapes = [
        (1, 128, 1),
        (2, 128, 2),
        (3, 256, 3),
        (4, 384, 4),
        (5, 640, 5),
        (8, 128, 7),
        (9, 1152, 1),
        (12, 2560, 6),
        (63, 256, 2),
        (64, 128, 17),
        (65, 128, 33),
        (130, 256, 1),
        (7, 6912, 2),
    ];
    for (rows, cols, tokens) in shapes {
        let (packer, codes) = matrix(rows, cols, |_| random.below(3) as u8);
        let w = packer.finish_scaled(1.25);
        let x = random.vec(tokens * cols);
        let expected = reference(&codes, cols, 1.25, &x);
        for c in computes() {
            assert_bits(&format!("{rows} × {cols}, {tokens} tokens"), c.backend, &product(&c, &w, &x), &expected);
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn extremes_do_not_overflow() {
    // The widest matrix, every code and every activation at its limit, of one sign: the largest sums there are.
    for cols in [512, 6912, MAX_COLS] {
        for code in 0..3 {
            let (packer, codes) = matrix(8, cols, |_| code);
            let w = packer.finish_scaled(1.0);
            for sign in [1.0, -1.0] {
                let x = vec![sign * 3.0; 2 * cols];
                let expected = reference(&codes, cols, 1.0, &x);
                for c in computes() {
                    assert_bits(&format!("{cols} codes {code}"), c.backend, &product(&c, &w, &x), &expected);
                }
            }
        }
    }
}

/// -128 never comes out of [`Activations::quantize`], but a kernel must not count on that.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn minus_128_is_exact() {
    for backend in available() {
        let c = Compute { backend, pool: Pool::new(1) };
        let (packer, _) = matrix(8, 1024, |i| if i / 1024 % 2 == 0 { 2 } else { 1 });
        let w = packer.finish_scaled(1.0);
        let mut x = Activations::new();
        x.quantize(&c, &vec![0.0; 4096], 1024).unwrap();
        x.fill(-128);
        let mut y = vec![f32::NAN; 4 * 8];
        ternary_matmul(&c, &w, &x, &mut y);
        let s = (127.0 / 1e-5f64) as f32;
        let row = [-131_072.0 / s, 0.0].repeat(4);
        assert_bits("-128", backend, &y, &row.repeat(4));
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn block_scales_add_up_in_order() {
    let mut random = Random(2);
    for (rows, cols, block, tokens) in [(1, 256, 256, 1), (6, 1024, 256, 3), (70, 768, 256, 18), (5, 512, 128, 2)] {
        let (packer, codes) = matrix(rows, cols, |_| random.below(3) as u8);
        let scales: Vec<f32> = (0..rows * cols / block).map(|_| random.unit()).collect();
        let w = packer.finish_block_scaled(block, scales.clone());
        assert_eq!(w.bytes(), rows.div_ceil(4) * cols + 4 * scales.len());
        let x = random.vec(tokens * cols);
        let mut expected = Vec::new();
        for x in x.chunks_exact(cols) {
            let m = x.iter().fold(1e-5f64, |m, x| m.max(f64::from(x.abs())));
            let s = (127.0 / m) as f32;
            let q: Vec<i32> = x.iter().map(|x| (x * s).round_ties_even() as i32).collect();
            for (codes, scales) in codes.chunks_exact(cols).zip(scales.chunks_exact(cols / block)) {
                let mut total = 0.0f32;
                for ((codes, q), d) in codes.chunks_exact(block).zip(q.chunks_exact(block)).zip(scales) {
                    let dot: i32 = codes.iter().zip(q).map(|(c, q)| (i32::from(*c) - 1) * q).sum();
                    total += dot as f32 * d;
                }
                expected.push(total / s);
            }
        }
        for c in computes() {
            assert_bits(&format!("{rows} × {cols} in blocks"), c.backend, &product(&c, &w, &x), &expected);
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn one_block_scale_for_all_is_nearly_a_matrix_scale() {
    let mut random = Random(3);
    let (packer, codes) = matrix(9, 512, |_| random.below(3) as u8);
    let w = packer.finish_block_scaled(256, vec![0.5; 18]);
    let x = random.vec(512);
    let c = Compute::default();
    for (a, b) in product(&c, &w, &x).iter().zip(reference(&codes, 512, 0.5, &x)) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn rounding_is_half_to_even_and_nan_is_zero() {
    for backend in available() {
        let x =
            [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, 200.0, -200.0, -127.5, f32::NAN, -f32::NAN, f32::INFINITY, 1e-40];
        let mut q = [99; 14];
        backend.quantize(&x, 1.0, &mut q);
        assert_eq!(q, [0, 2, 2, 0, -2, -2, 126, 127, -128, -128, 0, 0, 127, 0], "{}", backend.name());
        assert_eq!(backend.max_abs(&[1.0, -3.0, f32::NAN, 2.0]), 3.0, "{}", backend.name());
        assert_eq!(backend.max_abs(&[]), 0.0, "{}", backend.name());
        let far: Vec<f32> = (0..40).map(|i| if i == 37 { -9.0 } else { 1.0 }).collect();
        assert_eq!(backend.max_abs(&far), 9.0, "{}", backend.name());
        assert_eq!(backend.sum(&[-128; 200]), -25_600, "{}", backend.name());
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn batching_does_not_change_a_token() {
    let mut random = Random(4);
    let (packer, _) = matrix(24, 384, |_| random.below(3) as u8);
    let w = packer.finish_scaled(0.7);
    let x = random.vec(11 * 384);
    for c in computes() {
        let together = product(&c, &w, &x);
        for (x, y) in x.chunks_exact(384).zip(together.chunks_exact(24)) {
            assert_bits("one token", c.backend, &product(&c, &w, x), y);
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn sizes_that_cannot_be_are_refused() {
    for cols in [0, 64, 100, 129, MAX_COLS + 128] {
        assert!(matches!(TernaryPacker::new(4, cols, Packing::I2S), Err(Error::BadValue { .. })), "{cols} columns");
    }
    for packing in [Packing::Tq1, Packing::Tq2] {
        assert!(matches!(TernaryPacker::new(4, 384, packing), Err(Error::BadValue { .. })), "half a block");
    }
    assert!(matches!(TernaryPacker::new(usize::MAX, 1280, Packing::I2S), Err(Error::OutOfMemory { .. })));
    assert!(matches!(TernaryPacker::new(usize::MAX / 64, 128, Packing::I2S), Err(Error::OutOfMemory { .. })));
}
