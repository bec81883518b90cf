//! Codes of ternary matrices: out of bytes that hold four, and out of master weights.

use super::plan::Rule;
use crate::Result;
use crate::blocks::decode_row;
use crate::gguf::TensorType;

/// Codes 0, 1 and 2 of row `row`. Byte r of a column holds rows r, r + R, r + 2R and r + 3R in its bits 1:0, 3:2, 5:4 and 7:6,
/// where R is a quarter of the rows: as transformers packs them.
pub(super) fn unpack(packed: &[u8], rows: usize, row: usize, codes: &mut [u8]) {
    let quarter = rows / 4;
    let shift = 2 * (row / quarter) as u32;
    let bytes = &packed[row % quarter * codes.len()..][..codes.len()];
    for (code, byte) in codes.iter_mut().zip(bytes) {
        *code = byte >> shift & 3;
    }
}

/// How the codes of a matrix follow from its floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ternarizer {
    /// What weights are multiplied by before they are rounded.
    inverse: f32,
    /// What a code is worth.
    pub(super) scale: f32,
}

/// Elements that are decoded at a time, and sums that run side by side: as many as registers hold.
const PIECE: usize = 4096;
const LANES: usize = 8;

impl Ternarizer {
    /// As transformers' BitNet layers round in each step: q = clamp(round(W·s), -1, 1) with s = 1 / max(mean |W|, 1e-5), and a
    /// weight is q / s.
    ///
    /// The mean is of sums in f64: element i of the matrix, row by row, goes to sum i mod 8, and these are added in pairs,
    /// (0 + 4) + (2 + 6) and (1 + 5) + (3 + 7); rounded to f32 once. torch adds up in f32, in an order of its own.
    ///
    /// `Err` says what is wrong.
    pub(super) fn by_mean(kind: TensorType, bytes: &[u8]) -> Result<Result<Self, String>> {
        let mut sums = [0f64; LANES];
        let mut count = 0usize;
        each_piece(kind, bytes, |values| {
            for values in values.chunks(LANES) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += f64::from(value.abs());
                }
            }
            count += values.len();
        })?;
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| sums[i] + sums[i + 4]);
        let mean = (((a + c) + (b + d)) / count as f64) as f32;
        let inverse = 1.0 / mean.max(1e-5);
        let scale = 1.0 / inverse;
        Ok(if mean.is_finite() && scale.is_finite() {
            Ok(Ternarizer { inverse, scale })
        } else {
            Err("it has weights that are infinite or NaN".to_owned())
        })
    }

    /// Of weights that are -s, 0 and s already.
    pub(super) fn exact(kind: TensorType, bytes: &[u8]) -> Result<Result<Self, String>> {
        let mut scale = 0f32;
        let mut other = None;
        each_piece(kind, bytes, |values| {
            for value in values.iter().map(|value| value.abs()).filter(|value| *value != 0.0) {
                if scale == 0.0 {
                    scale = value;
                }
                if value != scale {
                    other.get_or_insert(value);
                }
            }
        })?;
        Ok(match other {
            Some(other) => Err(format!(
                "it is not ternary, as {scale} and {other} are in it, and config.json has no `quantization_config`: if the model is \
                 trained to be ternary, add {{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \
                 \"online\"}} as that"
            )),
            None if scale.is_finite() => {
                let scale = if scale == 0.0 { 1.0 } else { scale };
                Ok(Ternarizer { inverse: 1.0 / scale, scale })
            }
            None => Err("it has weights that are infinite or NaN".to_owned()),
        })
    }

    pub(super) fn by(rule: Rule, kind: TensorType, bytes: &[u8]) -> Result<Result<Self, String>> {
        match rule {
            Rule::AbsMean => Self::by_mean(kind, bytes),
            Rule::Exact => Self::exact(kind, bytes),
        }
    }

    /// Codes 0, 1 and 2. Half rounds to even, which between -1 and 1 is 0.
    pub(super) fn codes(&self, weights: &[f32], codes: &mut [u8]) {
        for (code, weight) in codes.iter_mut().zip(weights) {
            let scaled = weight * self.inverse;
            *code = 1 + u8::from(scaled > 0.5) - u8::from(scaled < -0.5);
        }
    }
}

/// All elements, some at a time: any number but the last is a multiple of [`LANES`].
fn each_piece(kind: TensorType, bytes: &[u8], mut with: impl FnMut(&[f32])) -> Result<()> {
    let width = kind.block_bytes() as usize;
    let mut values = [0f32; PIECE];
    for bytes in bytes.chunks(PIECE * width) {
        let values = &mut values[..bytes.len() / width];
        decode_row(kind, bytes, values)?;
        with(values);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn four_rows_are_in_a_byte() {
        let codes = [[0u8, 1, 2], [1, 1, 0], [2, 0, 0], [0, 2, 1], [1, 0, 2], [2, 2, 2], [0, 0, 1], [1, 2, 0]];
        let mut packed = [0u8; 6];
        for (row, codes) in codes.iter().enumerate() {
            for (col, code) in codes.iter().enumerate() {
                packed[row % 2 * 3 + col] |= code << (2 * (row / 2));
            }
        }
        for (row, codes) in codes.iter().enumerate() {
            let mut found = [9; 3];
            unpack(&packed, 8, row, &mut found);
            assert_eq!(&found, codes, "{row}");
        }
    }

    #[test]
    fn halves_round_to_even_and_the_rest_to_the_nearest() {
        // Mean 1, so that halves are halves.
        let weights = [0.5f32, -0.5, 0.500_000_06, -0.500_000_06, 1.5, -1.5, 0.0, -0.0, 2.5, -2.5, 1.0, -1.0];
        let pad = 12.0 - weights.iter().map(|weight| weight.abs()).sum::<f32>();
        let matrix: Vec<f32> = weights.iter().copied().chain([pad + 1.0]).collect();
        let ternarizer = Ternarizer::by_mean(TensorType::F32, &bytes(&matrix)).unwrap().unwrap();
        assert_eq!(ternarizer.scale, 1.0);
        let mut codes = [9; 12];
        ternarizer.codes(&weights, &mut codes);
        assert_eq!(codes, [1, 1, 2, 0, 2, 0, 1, 1, 2, 0, 2, 0]);
    }

    #[test]
    fn matrices_of_nothing_and_of_no_numbers() {
        let zeros = Ternarizer::by_mean(TensorType::BF16, &[0; 64]).unwrap().unwrap();
        assert!((zeros.scale - 1e-5).abs() < 1e-11);
        assert_eq!(Ternarizer::exact(TensorType::F16, &[0; 64]).unwrap().unwrap().scale, 1.0);
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for rule in [Rule::AbsMean, Rule::Exact] {
                assert!(Ternarizer::by(rule, TensorType::F32, &bytes(&[0.0, wrong, 0.0])).unwrap().is_err(), "{wrong}");
                assert!(Ternarizer::by(rule, TensorType::F32, &bytes(&[1.0, wrong, 0.0])).unwrap().is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn ternary_floats_keep_their_scale() {
        let matrix = [0.37f32, 0.0, -0.37, -0.0, 0.37];
        let ternarizer = Ternarizer::exact(TensorType::F32, &bytes(&matrix)).unwrap().unwrap();
        let mut codes = [9; 5];
        ternarizer.codes(&matrix, &mut codes);
        assert_eq!((ternarizer.scale, codes), (0.37, [2, 1, 0, 1, 2]));
        let refused = Ternarizer::exact(TensorType::F32, &bytes(&[0.37, 0.0, 0.38])).unwrap().unwrap_err();
        assert!(refused.contains("0.37") && refused.contains("quantization_config"), "{refused}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        /// Against the formula, word by word.
        #[test]
        fn codes_are_those_of_the_formula(matrix in proptest::collection::vec(-3f32..3.0, 1..9000)) {
            let ternarizer = Ternarizer::by_mean(TensorType::F32, &bytes(&matrix)).unwrap().unwrap();
            let mean = matrix.iter().map(|w| f64::from(w.abs())).sum::<f64>() / matrix.len() as f64;
            prop_assert!((f64::from(ternarizer.scale) - mean.max(1e-5)).abs() <= 3e-7 * mean);
            let mut codes = vec![9; matrix.len()];
            ternarizer.codes(&matrix, &mut codes);
            for (weight, code) in matrix.iter().zip(codes) {
                let expected = (weight * ternarizer.inverse).round_ties_even().clamp(-1.0, 1.0);
                prop_assert_eq!(f32::from(code) - 1.0, expected);
            }
        }
    }
}
