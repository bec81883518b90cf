use half::f16;
use proptest::prelude::*;

use super::*;

/// Blocks and values of one type from tests/golden, and the hash over all values.
struct Golden {
    kind: TensorType,
    blocks: &'static [u8],
    values: &'static [u8],
}

macro_rules! golden {
    ($kind:expr, $name:literal) => {
        Golden {
            kind: $kind,
            blocks: include_bytes!(concat!("../../tests/golden/quant_", $name, ".blocks.bin")),
            values: include_bytes!(concat!("../../tests/golden/quant_", $name, ".values.f32")),
        }
    };
}

fn goldens() -> [Golden; 11] {
    [
        golden!(TensorType::Q1_0, "Q1_0"),
        golden!(TensorType::Q2_0, "Q2_0"),
        golden!(TensorType::PQ2_0, "PQ2_0"),
        golden!(TensorType::PTQ1_0, "PTQ1_0"),
        golden!(TensorType::Q4_K, "Q4_K"),
        golden!(TensorType::Q5_K, "Q5_K"),
        golden!(TensorType::Q4_0, "Q4_0"),
        golden!(TensorType::Q8_0, "Q8_0"),
        golden!(TensorType::Q6_K, "Q6_K"),
        golden!(TensorType::TQ1_0, "TQ1_0"),
        golden!(TensorType::TQ2_0, "TQ2_0"),
    ]
}

fn fnv1a64(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The golden hashes count -0 as +0, where the two reference decoders differ.
fn bits(value: f32) -> u32 {
    (value + 0.0).to_bits()
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn dequantises_bit_for_bit_as_the_references() {
    let index: serde_json::Value = serde_json::from_slice(include_bytes!("../../tests/golden/quant.json")).unwrap();
    for Golden { kind, blocks, values } in goldens() {
        let entry = &index["types"][kind.name()];
        assert_eq!(entry["ggml_type"], kind.id());
        assert_eq!(entry["elements"], kind.block());
        assert_eq!(entry["bytes"], kind.block_bytes());
        let mut out = vec![0.0; blocks.len() / kind.block_bytes() as usize * kind.block() as usize];
        decode_row(kind, blocks, &mut out).unwrap();

        let hash = fnv1a64(out.iter().flat_map(|&v| bits(v).to_le_bytes()));
        assert_eq!(format!("{hash:016x}"), entry["fnv1a64_of_all_values"], "{kind}");

        let listed = entry["values_of_blocks"].as_array().unwrap();
        let mut expected = vec![0.0; listed.len() * kind.block() as usize];
        float::decode_f32(values, &mut expected);
        for (block, expected) in listed.iter().zip(expected.chunks(kind.block() as usize)) {
            let first = block.as_u64().unwrap() as usize * expected.len();
            let found = &out[first..first + expected.len()];
            assert!(found.iter().zip(expected).all(|(&a, &b)| bits(a) == bits(b)), "{kind} block {block}");
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn ternary_codes_are_the_golden_values_over_the_scale() {
    let [.., tq1_0, tq2_0] = goldens();
    let mut codes = [0; 256];
    for (i, bytes) in tq1_0.blocks.as_chunks().0.iter().enumerate() {
        let d = tq1_0::decode(bytes, &mut codes).unwrap().to_f32();
        let mut values = [0.0; 256];
        tq1_0::values(bytes, &mut values);
        assert!(codes.iter().zip(values).all(|(&code, v)| code <= 2 && (f32::from(code) - 1.0) * d == v), "TQ1_0 {i}");
    }
    let mut ternary = 0;
    for (i, bytes) in tq2_0.blocks.as_chunks().0.iter().enumerate() {
        let mut values = [0.0; 256];
        tq2_0::values(bytes, &mut values);
        match tq2_0::decode(bytes, &mut codes) {
            Some(d) => {
                ternary += 1;
                let d = d.to_f32();
                assert!(codes.iter().zip(values).all(|(&code, v)| (f32::from(code) - 1.0) * d == v), "TQ2_0 {i}");
            }
            None => assert!(codes.contains(&3), "TQ2_0 {i}"),
        }
    }
    assert_eq!(ternary, 160, "the half of the blocks that a quantiser made");
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn codes_of_short_blocks_are_the_golden_values_over_the_scale() {
    let [q1_0, q2_0, pq2_0, ptq1_0, ..] = goldens();
    let agree = |codes: &[u8], d: f16, values: &[f32]| {
        codes.iter().zip(values).all(|(&code, &v)| bits((f32::from(code) - 1.0) * d.to_f32()) == bits(v))
    };
    for bytes in q1_0.blocks.as_chunks().0 {
        let (mut codes, mut values) = ([9; q1_0::BLOCK], [0.0; q1_0::BLOCK]);
        q1_0::values(bytes, &mut values);
        let d = q1_0::decode(bytes, &mut codes);
        assert!(agree(&codes, d, &values) && codes.iter().all(|&code| code == 0 || code == 2));
    }
    for bytes in ptq1_0.blocks.as_chunks().0 {
        let (mut codes, mut values) = ([9; ptq1_0::BLOCK], [0.0; ptq1_0::BLOCK]);
        ptq1_0::values(bytes, &mut values);
        let d = ptq1_0::decode(bytes, &mut codes);
        assert!(agree(&codes, d, &values) && codes.iter().all(|&code| code <= 2));
    }
    fn q2<const B: usize, const N: usize>(blocks: &[u8]) -> usize {
        let mut ternary = 0;
        for bytes in blocks.as_chunks::<B>().0 {
            let (mut codes, mut values) = ([9; N], [0.0; N]);
            q2_0::values(bytes, &mut values);
            match q2_0::decode(bytes, &mut codes) {
                Some(d) => {
                    assert!(codes.iter().zip(values).all(|(&code, v)| (f32::from(code) - 1.0) * d.to_f32() == v));
                    ternary += 1;
                }
                None => assert!(codes.contains(&3)),
            }
        }
        ternary
    }
    assert_eq!(q2::<{ q2_0::BYTES }, { q2_0::BLOCK }>(q2_0.blocks), 128, "the half that has proper codes");
    assert_eq!(q2::<{ q2_0::LONG_BYTES }, { q2_0::LONG_BLOCK }>(pq2_0.blocks), 128, "the half that has proper codes");
}

#[test]
fn every_f16_and_bf16_is_its_f32() {
    for bits in 0..=u16::MAX {
        for (ours, theirs) in [
            (float::f16_to_f32(bits), f16::from_bits(bits).to_f32_const()),
            (float::bf16_to_f32(bits), half::bf16::from_bits(bits).to_f32_const()),
        ] {
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:04x}");
        }
    }
}

#[test]
fn i2_s_lies_as_bitnet_cpp_writes_it() {
    let mut codes = [1; 128];
    (codes[0], codes[32], codes[64], codes[96]) = (2, 1, 0, 2);
    codes[127] = 0;
    let bytes = i2_s::encode(&codes);
    assert_eq!(bytes[0], 0b10_01_00_10);
    assert_eq!(bytes[31], 0b01_01_01_00);
    let tail = i2_s::tail(0.0625);
    assert_eq!(tail[..8], [0, 0, 0x80, 0x3d, 0, 0, 0, 0]);
    assert_eq!(i2_s::scale(&tail), 0.0625);
}

#[test]
fn a_code_3_anywhere_is_refused() {
    for at in 0..128 {
        let mut codes = [1; 128];
        codes[at] = 3;
        let bytes = i2_s::encode(&codes);
        assert!(!i2_s::decode(&bytes, &mut codes), "I2_S element {at}");
        let error = decode_row(TensorType::I2S, &bytes, &mut [0.0; 128]).unwrap_err();
        assert!(matches!(error, Error::BadTensorData { .. }));
    }
    for at in 0..256 {
        let mut codes = [1; 256];
        codes[at] = 3;
        let bytes = tq2_0::encode(&codes, f16::ONE);
        assert_eq!(tq2_0::decode(&bytes, &mut codes), None, "TQ2_0 element {at}");
    }
}

#[test]
fn a_code_3_is_found_in_each_of_a_bytes_places() {
    for byte in 0..=255u8 {
        assert_eq!(has_three(byte), (0..4).any(|i| byte >> (2 * i) & 3 == 3), "{byte:#x}");
    }
}

#[test]
fn decode_row_refuses_a_wrong_length() {
    for kind in TensorType::ALL {
        let (values, bytes) = (2 * kind.block() as usize, 2 * kind.block_bytes() as usize);
        let input = vec![0; bytes + 1];
        assert_eq!(decode_row(kind, &input[..bytes], &mut vec![0.0; values]), Ok(()), "{kind}");
        for (values, bytes) in [(values, bytes + 1), (values, bytes - 1), (values + 1, bytes), (values - 1, bytes)] {
            let result = decode_row(kind, &input[..bytes], &mut vec![0.0; values]);
            assert!(matches!(result, Err(Error::BadTensorData { .. })), "{kind}");
        }
    }
    let mut row = [0.0; 128];
    decode_row(TensorType::I2S, &i2_s::encode(&std::array::from_fn(|i| i as u8 % 3)), &mut row).unwrap();
    assert!(row.iter().enumerate().all(|(i, &v)| v == (i % 3) as f32 - 1.0));
}

fn codes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    prop::collection::vec(0..3u8, N).prop_map(|codes| codes.try_into().unwrap())
}

fn weights<const N: usize>() -> impl Strategy<Value = [f32; N]> {
    (prop::collection::vec(-1.0..1.0f32, N), -6..6).prop_map(|(v, e)| {
        let scale = 2f32.powi(e);
        std::array::from_fn(|i| v[i] * scale)
    })
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |max, v| max.max(v.abs()))
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |max, (a, b)| max.max((a - b).abs()))
}

proptest! {
    #[test]
    fn i2_s_round_trips(codes in codes::<128>()) {
        let mut back = [9; 128];
        prop_assert!(i2_s::decode(&i2_s::encode(&codes), &mut back));
        prop_assert_eq!(back, codes);
    }

    #[test]
    fn tq2_0_round_trips(codes in codes::<256>(), scale in any::<u16>()) {
        let (mut back, scale) = ([9; 256], f16::from_bits(scale));
        let found = tq2_0::decode(&tq2_0::encode(&codes, scale), &mut back).unwrap();
        prop_assert_eq!(found.to_bits(), scale.to_bits());
        prop_assert_eq!(back, codes);
    }

    #[test]
    fn tq1_0_round_trips(codes in codes::<256>(), scale in any::<u16>()) {
        let (mut back, scale) = ([9; 256], f16::from_bits(scale));
        let found = tq1_0::decode(&tq1_0::encode(&codes, scale), &mut back).unwrap();
        prop_assert_eq!(found.to_bits(), scale.to_bits());
        prop_assert_eq!(back, codes);
    }

    #[test]
    fn short_ternary_blocks_round_trip(codes in codes::<128>(), scale in any::<u16>()) {
        let (mut back, scale) = ([9; 128], f16::from_bits(scale));
        let found = ptq1_0::decode(&ptq1_0::encode(&codes, scale), &mut back);
        prop_assert_eq!((found.to_bits(), back), (scale.to_bits(), codes));
        let long: [u8; q2_0::LONG_BYTES] = q2_0::encode(&codes, scale);
        let found = q2_0::decode(&long, &mut back).unwrap();
        prop_assert_eq!((found.to_bits(), back), (scale.to_bits(), codes));
        let (short, mut half) = (codes.first_chunk::<64>().unwrap(), [9; 64]);
        let block: [u8; q2_0::BYTES] = q2_0::encode(short, scale);
        let found = q2_0::decode(&block, &mut half).unwrap();
        prop_assert_eq!((found.to_bits(), &half), (scale.to_bits(), short));
        let signs = codes.map(|code| code & 2);
        let found = q1_0::decode(&q1_0::encode(&signs, scale), &mut back);
        prop_assert_eq!((found.to_bits(), back), (scale.to_bits(), signs));
    }

    #[test]
    fn quantisers_stay_within_their_step(short in weights::<32>(), long in weights::<256>()) {
        // Half a step, and what rounding the scale to f16 moves.
        let (mut out, max) = ([0.0; 32], largest(&short));
        q8_0::decode(&q8_0::encode(&short), &mut out);
        prop_assert!(farthest(&out, &short) <= max / 127.0 * 0.6);
        // One side of the scale ends a step earlier: 7 for 8.
        q4_0::decode(&q4_0::encode(&short), &mut out);
        prop_assert!(farthest(&out, &short) <= max / 8.0 * 1.02);
        let (mut out, max) = ([0.0; 256], largest(&long));
        q6_k::decode(&q6_k::encode(&long), &mut out);
        // The others give up something of the largest where that is good for the rest: at most the step at the end.
        prop_assert!(farthest(&out, &long) <= max / 31.0 * 1.5);
        // A range of twice the largest in 15 or 31 steps, whose scale and minimum are rounded to a 63rd of the largest.
        q4_k::decode(&q4_k::encode(&long), &mut out);
        prop_assert!(farthest(&out, &long) <= 2.0 * max / 15.0 * 1.5);
        q5_k::decode(&q5_k::encode(&long), &mut out);
        prop_assert!(farthest(&out, &long) <= 2.0 * max / 31.0 * 1.5);
    }

    #[test]
    fn blocks_are_joined_however_they_arrive(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(0..70usize, 0..40),
        block in 1..80usize,
    ) {
        let mut joined = Vec::<u8>::new();
        let mut reader = BlockReader::new(block).unwrap();
        let mut rest = bytes.as_slice();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            reader.push(now, |blocks| {
                assert!(!blocks.is_empty() && blocks.len().is_multiple_of(block));
                joined.extend(blocks);
                Ok(())
            }).unwrap();
            rest = later;
        }
        let whole = bytes.len() - bytes.len() % block;
        prop_assert_eq!(joined, &bytes[..whole]);
        prop_assert_eq!(reader.pending(), bytes.len() - whole);
        prop_assert_eq!(reader.finish("t").is_ok(), whole == bytes.len());
    }
}

/// Rounding to the nearest, with the scale that the largest weight of each group wants.
fn plain(values: &[f32; 256], group: usize, most: f32, from: impl Fn(&[f32]) -> f32) -> [f32; 256] {
    let mut out = [0.0; 256];
    for (out, values) in out.chunks_mut(group).zip(values.chunks(group)) {
        let low = from(values);
        let step = values.iter().fold(0f32, |max, v| max.max(v - low)) / most;
        out.iter_mut().zip(values).for_each(|(out, v)| *out = ((v - low) / step).round() * step + low);
    }
    out
}

#[test]
fn quantisers_are_nearer_than_plain_rounding_with_exact_scales() {
    use rand_chacha::ChaCha8Rng;
    use rand_core::{RngCore, SeedableRng};
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let mut errors = [[0f64; 2]; 3];
    for _ in 0..200 {
        // About normal, as the weights of an embedding are.
        let mut uniform = || f64::from(rng.next_u32()) / 2f64.powi(32) - 0.5;
        let values: [f32; 256] = std::array::from_fn(|_| (0..6).map(|_| uniform()).sum::<f64>() as f32);
        let least = |values: &[f32]| values.iter().fold(0f32, |low, v| low.min(*v));
        // From -max to max, as if there were a code for both.
        let negative = |values: &[f32]| -values.iter().fold(0f32, |max, v| max.max(v.abs()));
        let mut found = [[0.0; 256]; 3];
        q4_k::decode(&q4_k::encode(&values), &mut found[0]);
        q5_k::decode(&q5_k::encode(&values), &mut found[1]);
        q6_k::decode(&q6_k::encode(&values), &mut found[2]);
        let simple =
            [plain(&values, 32, 15.0, least), plain(&values, 32, 31.0, least), plain(&values, 16, 62.0, negative)];
        for (errors, pair) in errors.iter_mut().zip(found.into_iter().zip(simple)) {
            for (error, out) in errors.iter_mut().zip([pair.0, pair.1]) {
                *error += out.iter().zip(values).map(|(out, v)| f64::from(out - v).powi(2)).sum::<f64>();
            }
        }
    }
    for (kind, [found, plain]) in ["Q4_K", "Q5_K", "Q6_K"].into_iter().zip(errors) {
        assert!(found < plain, "{kind}: {} of the squared error", found / plain);
    }
}

#[test]
fn zero_weights_quantise_to_zero() {
    let mut out = [1.0; 32];
    q8_0::decode(&q8_0::encode(&[0.0; 32]), &mut out);
    assert_eq!(out, [0.0; 32]);
    q4_0::decode(&q4_0::encode(&[0.0; 32]), &mut out);
    assert_eq!(out, [0.0; 32]);
    let mut out = [1.0; 256];
    q6_k::decode(&q6_k::encode(&[0.0; 256]), &mut out);
    assert_eq!(out, [0.0; 256]);
    let mut out = [1.0; 256];
    q4_k::decode(&q4_k::encode(&[0.0; 256]), &mut out);
    assert_eq!(out, [0.0; 256]);
    let mut out = [1.0; 256];
    q5_k::decode(&q5_k::encode(&[0.0; 256]), &mut out);
    assert_eq!(out, [0.0; 256]);
}

#[test]
fn whole_blocks_are_not_copied() {
    let bytes = [7u8; 96];
    let mut reader = BlockReader::new(32).unwrap();
    let mut seen = Vec::new();
    let mut note = |blocks: &[u8]| {
        seen.push((blocks.as_ptr() == bytes.as_ptr(), blocks.len()));
        Ok(())
    };
    reader.push(&bytes[..80], &mut note).unwrap();
    reader.push(&bytes[80..], &mut note).unwrap();
    assert_eq!(seen, [(true, 64), (false, 32)]);
}
