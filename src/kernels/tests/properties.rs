//! Random shapes and data, native only.

use super::ternary::{packed, product, reference};
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

    /// The scalar dots are tested above; here every backend's tables meet batches that a plain reference takes too long for.
    #[test]
    fn any_batch_gives_the_same_by_tables(
        rows in prop::collection::vec(1usize..150, 1..4),
        pieces in 1usize..8,
        tokens in 1usize..300,
        codes in 0usize..4,
        activations in 0usize..3,
        blocks: bool,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let cols = 128 * pieces;
        // All -1, all 0, all +1, or any; all the largest, all the least, or any.
        let x: Vec<f32> = (0..tokens * cols).map(|_| match activations { 0 => 2.0, 1 => -2.0, _ => random.unit() }).collect();
        let block = if cols.is_multiple_of(256) { 256 } else { 128 };
        let matrices: Vec<TernaryMatrix> = rows.iter().map(|&rows| {
            let all: Vec<u8> = (0..rows * cols).map(|_| if codes < 3 { codes } else { random.below(3) } as u8).collect();
            let packer = packed(rows, cols, &all);
            match blocks {
                true => packer.finish_block_scaled(block, random.vec(rows * cols / block)),
                false => packer.finish_scaled(random.unit()),
            }
        }).collect();
        let products = |c: &Compute, way: Way| {
            let mut activations = Activations::new();
            activations.quantize_for(c, &x, cols, way).unwrap();
            let mut y: Vec<Vec<f32>> = rows.iter().map(|rows| vec![f32::NAN; tokens * rows]).collect();
            let mut products: Vec<tables::Product<'_, '_>> =
                matrices.iter().zip(&mut y).map(|(w, y)| (w, y.as_mut_slice())).collect();
            ternary_matmuls(c, &mut products, &activations);
            y
        };
        let expected = products(&Compute { backend: &scalar::Scalar, pool: Pool::new(1) }, Way::Dots);
        for c in computes() {
            for (y, expected) in products(&c, Way::Tables { rows: rows.iter().sum() }).iter().zip(&expected) {
                assert_bits("tables", c.backend, y, expected);
            }
        }
    }

    #[test]
    fn any_product_in_groups_equals_the_reference(
        packing in prop::sample::select(&repack::IN_GROUPS[..]),
        rows in 1usize..200,
        pieces in 1usize..8,
        tokens in 1usize..20,
        codes in 0usize..4,
        activations in 0usize..4,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let cols = 128 * pieces;
        let all: Vec<u8> =
            (0..rows * cols).map(|_| groups::code(packing, if codes < 3 { codes } else { random.below(6) })).collect();
        let bytes = repack::file_with(packing, &all, || groups::scale(&mut random));
        let x: Vec<f32> = (0..tokens * cols)
            .map(|_| match activations { 0 => 2.0, 1 => -2.0, 2 => random.unit(), _ => random.wild() })
            .collect();
        let expected = groups::reference(packing, cols, &bytes, &x);
        for c in computes() {
            let w = groups::matrix(&c, packing, rows, cols, &bytes);
            assert_bits("product in groups", c.backend, &groups::product(&c, &w, &x), &expected);
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
