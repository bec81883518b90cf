//! What bitnet.cpp's `ggml_mul_mat` returned for I2_S matrices (tests/golden/README.md), bit for bit.

use super::*;

const CASES: &[u8] = include_bytes!("../../../tests/golden/i2s_ops.cases.bin");
const RESULTS: &[u8] = include_bytes!("../../../tests/golden/i2s_ops.y.f32");

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Takes the next `n` bytes.
fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, rest) = bytes.split_at(n);
    *bytes = rest;
    head
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn products_equal_bitnet_cpp() {
    let (mut cases, mut results, mut seen) = (CASES, RESULTS, 0);
    let count = u32::from_le_bytes(take(&mut cases, 4).try_into().unwrap());
    while !cases.is_empty() {
        let shape: Vec<usize> =
            take(&mut cases, 12).as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
        let (cols, rows, tokens) = (shape[0], shape[1], shape[2]);
        let weights = take(&mut cases, cols * rows / 4);
        // 128 elements in 32 bytes: element j in byte j mod 32, the first 32 in the top bits.
        let codes: Vec<u8> = weights
            .as_chunks::<32>()
            .0
            .iter()
            .flat_map(|block| (0..128).map(|j| block[j % 32] >> (6 - 2 * (j / 32)) & 3))
            .collect();
        let scale = f32s(take(&mut cases, 32))[0];
        let x = f32s(take(&mut cases, 4 * cols * tokens));
        let expected = f32s(take(&mut results, 4 * rows * tokens));
        let w = ternary::packed(rows, cols, &codes).finish_scaled(scale);
        for c in computes() {
            let mut activations = Activations::new();
            activations.quantize(&c, &x, cols).unwrap();
            let mut y = vec![0.0; rows * tokens];
            ternary_matmul(&c, &w, &activations, &mut y);
            assert_bits(&format!("case {seen}"), c.backend, &y, &expected);
        }
        seen += 1;
    }
    assert!(results.is_empty());
    assert_eq!(seen, count);
}
