//! Random shapes and data, native only.

use super::ternary::{product, reference};
use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_product_equals_the_reference(
        rows in 1usize..80,
        pieces in 1usize..8,
        tokens in 1usize..20,
        scale in -3.0f32..3.0,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let cols = 128 * pieces;
        let codes: Vec<u8> = (0..rows * cols).map(|_| random.below(3) as u8).collect();
        let x = random.wild_vec(tokens * cols);
        let w = ternary::packed(rows, cols, &codes).finish_scaled(scale);
        let expected = reference(&codes, cols, scale, &x);
        for c in computes() {
            assert_bits("product", c.backend, &product(&c, &w, &x), &expected);
        }
    }

    #[test]
    fn any_attention_has_the_written_order(
        half in 1usize..70,
        heads in 1usize..9,
        tokens in 1usize..9,
        positions in 1usize..41,
        seen in -8isize..50,
        seed: u64,
    ) {
        attention::Case::new(&mut Random(seed), 2 * half, heads, tokens, positions, seen).check("random");
    }

    #[test]
    fn any_bits_give_the_same_bits(bits in prop::collection::vec(any::<u32>(), 1..200)) {
        let x: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
        let scalar: Backend = &scalar::Scalar;
        for backend in available() {
            let run = |k: Backend| {
                let mut q = vec![0; x.len()];
                k.quantize(&x, 1.0, &mut q);
                (q, k.max_abs(&x))
            };
            let ((q, m), (q0, m0)) = (run(backend), run(scalar));
            prop_assert_eq!(q, q0);
            prop_assert_eq!(m.to_bits(), m0.to_bits());
            let run = |k: Backend| {
                let mut out = vec![0; x.len()];
                k.f32_to_f16(&x, &mut out);
                // A NaN's payload may differ.
                out.iter().map(|h| if ::half::f16::from_bits(*h).is_nan() { 0x7e00 } else { *h }).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(backend), run(scalar));
        }
    }
}
