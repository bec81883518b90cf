//! The 8-bit head: exact sums, and how near the product is to the one in floats.

use super::*;

fn matrix(rows: usize, cols: usize, weights: &[f32]) -> Int8Matrix {
    let mut w = Int8Matrix::new(rows, cols).unwrap();
    w.push(&Compute { backend: &scalar::Scalar, pool: Pool::new(1) }, TensorType::F32, &bytes(weights)).unwrap();
    w
}

fn bytes(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

fn activations(x: &[f32]) -> WideActivations {
    let mut wide = WideActivations::new(x.len()).unwrap();
    wide.quantize(&scalar::Scalar, x);
    wide
}

fn same_everywhere(what: &str, w: &Int8Matrix, x: &WideActivations) -> Vec<f32> {
    let scalar = Compute { backend: &scalar::Scalar, pool: Pool::new(1) };
    let mut expected = vec![f32::NAN; w.rows()];
    int8_matmul(&scalar, w, std::slice::from_ref(x), &mut expected);
    for c in computes() {
        let mut y = vec![f32::NAN; w.rows()];
        int8_matmul(&c, w, std::slice::from_ref(x), &mut y);
        assert_bits(what, c.backend, &y, &expected);
    }
    expected
}

/// Rows that do not fill a task or the backend's four, columns on both sides of where sums are emptied.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn a_product_is_near_the_floats_and_the_same_everywhere() {
    let mut random = Random(30);
    for (rows, cols) in
        [(1, 128), (2, 256), (3, 2560), (64, 128), (65, 384), (131, 1280), (5, 4096), (5, 4224), (2, 9088)]
    {
        let (weights, x) = (random.vec(rows * cols), random.vec(cols));
        let (w, wide) = (matrix(rows, cols, &weights), activations(&x));
        assert_eq!((w.rows(), w.cols(), w.bytes()), (rows, cols, rows * (cols + 8)));
        let y = same_everywhere(&format!("{rows} × {cols}"), &w, &wide);
        for (y, row) in y.iter().zip(weights.chunks_exact(cols)) {
            let (exact, noise) = row.iter().zip(&x).fold((0.0, 0.0), |(sum, noise), (w, x)| {
                (sum + f64::from(w * x), noise + f64::from(x.abs()) / 254.0 + f64::from(w.abs()) / 16382.0)
            });
            // Were every rounding as far off as it can be, and in the same direction.
            assert!((f64::from(*y) - exact).abs() <= 1.01 * noise, "{rows} × {cols}: {y}, {exact} ± {noise}");
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn tokens_together_have_the_bits_of_each_alone() {
    let mut random = Random(31);
    for (rows, cols) in [(1, 128), (3, 2560), (65, 384), (131, 1280)] {
        let w = matrix(rows, cols, &random.vec(rows * cols));
        let wide: Vec<_> = (0..9).map(|_| activations(&random.vec(cols))).collect();
        let alone: Vec<f32> = wide.iter().flat_map(|x| same_everywhere("alone", &w, x)).collect();
        for c in computes() {
            for tokens in 0..=wide.len() {
                let mut y = vec![f32::NAN; tokens * rows];
                int8_matmul(&c, &w, &wide[..tokens], &mut y);
                assert_bits(&format!("{tokens} tokens, {rows} × {cols}"), c.backend, &y, &alone[..tokens * rows]);
            }
        }
    }
}

/// The largest sums there can be: where a backend's lanes would run over, they do here.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn the_largest_sums_are_exact() {
    for cols in [128, 4096, 8192, 1 << 16] {
        for (weight, value) in [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (0.0, 1.0), (1.0, 0.0)] {
            let (w, x) = (matrix(4, cols, &vec![weight; 4 * cols]), activations(&vec![value; cols]));
            let y = same_everywhere("ones", &w, &x);
            let exact = weight * value * cols as f32;
            assert!(y.iter().all(|y| (y - exact).abs() <= exact.abs() * 3e-7), "{cols} × {weight} × {value}: {y:?}");
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn rows_come_back_within_half_a_step() {
    let mut random = Random(31);
    let cols = 256;
    for c in computes() {
        let weights = random.wild_vec(7 * cols);
        let mut w = Int8Matrix::new(7, cols).unwrap();
        w.push(&c, TensorType::F32, &bytes(&weights)).unwrap();
        assert_eq!(w, matrix(7, cols, &weights), "{}", c.backend.name());
        let mut out = vec![0.0; cols];
        for (i, row) in weights.chunks_exact(cols).enumerate() {
            w.row(i, &mut out);
            let most = row.iter().fold(0f32, |most, w| most.max(w.abs()));
            assert!(row.iter().zip(&out).all(|(w, out)| (w - out).abs() <= most / 253.9), "row {i}");
        }
    }
    // Nothing, nearly nothing, and what has no number.
    let ones = matrix(1, 128, &[1.0; 128]);
    for x in [0.0, 1e-42, f32::NAN] {
        assert_eq!(same_everywhere("nothing", &ones, &activations(&[x; 128])), [0.0]);
    }
    assert!(same_everywhere("too much", &ones, &activations(&[f32::INFINITY; 128]))[0].is_nan());
    let w = matrix(2, 128, &[[0.0; 128], [1e-42; 128]].concat());
    assert_eq!(same_everywhere("no weights", &w, &activations(&[1.0; 128])), [0.0, 0.0]);
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn odd_columns_are_refused() {
    for cols in [0, 64, 129, (1 << 16) + 128] {
        assert!(Int8Matrix::new(1, cols).is_err(), "{cols}");
    }
    assert!(matches!(Int8Matrix::new(usize::MAX / 64, 128), Err(Error::OutOfMemory { .. })));
}
