//! Weights into the blocks of a file: ternary rows with one scale, and rows of floats.

use crate::allocate::try_reserve;
use crate::blocks::{i2_s, q4_k, q5_k, q6_k, q8_0, tq1_0, tq2_0};
use crate::gguf::{TensorDeclaration, TensorType};
use crate::{Error, Result};
use half::{bf16, f16};
use std::fmt;
use std::str::FromStr;

/// How a file holds its ternary matrices.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LinearType {
    /// 2 bits a weight and one f32 scale, as bitnet.cpp has it.
    #[default]
    I2S,
    /// 1.69 bits a weight.
    Tq1,
    /// 2.06 bits a weight.
    Tq2,
}

impl LinearType {
    const ALL: [Self; 3] = [LinearType::I2S, LinearType::Tq1, LinearType::Tq2];

    /// The tensors' type.
    pub fn kind(self) -> TensorType {
        match self {
            LinearType::I2S => TensorType::I2S,
            LinearType::Tq1 => TensorType::TQ1_0,
            LinearType::Tq2 => TensorType::TQ2_0,
        }
    }

    /// Whether rows of this length are a whole number of blocks.
    pub fn fits(self, cols: u64) -> bool {
        cols.is_multiple_of(self.kind().block())
    }
}

impl FromStr for LinearType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| is_named(kind.kind(), text)).ok_or_else(|| Error::BadOption {
            option: "type",
            value: text.to_owned(),
            reason: "must be i2_s, tq1_0 or tq2_0",
        })
    }
}

/// How a file holds its token embedding, and an output head of its own.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum DenseType {
    /// As it is computed.
    F32,
    /// 16 bits a weight, 11 of them digits.
    #[default]
    F16,
    /// 16 bits a weight, 8 of them digits.
    BF16,
    /// 8.5 bits a weight.
    Q8_0,
    /// 6.56 bits a weight.
    Q6_K,
    /// 5.5 bits a weight.
    Q5_K,
    /// 4.5 bits a weight.
    Q4_K,
}

impl DenseType {
    const ALL: [Self; 7] = {
        use DenseType::*;
        [F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K]
    };

    /// The tensor's type.
    pub fn kind(self) -> TensorType {
        match self {
            DenseType::F32 => TensorType::F32,
            DenseType::F16 => TensorType::F16,
            DenseType::BF16 => TensorType::BF16,
            DenseType::Q8_0 => TensorType::Q8_0,
            DenseType::Q6_K => TensorType::Q6_K,
            DenseType::Q5_K => TensorType::Q5_K,
            DenseType::Q4_K => TensorType::Q4_K,
        }
    }

    /// This type where rows of `cols` weights are whole blocks of it; else Q8_0, whose blocks are shorter, or F16.
    pub fn for_rows(self, cols: u64) -> Self {
        let fits = |kind: &Self| cols.is_multiple_of(kind.kind().block());
        [self, DenseType::Q8_0].into_iter().find(fits).unwrap_or(DenseType::F16)
    }

    /// Appends whole rows, or any whole number of blocks.
    ///
    /// # Errors
    /// [`Error::BadTensorData`] for a value that is not finite, or too large for the type, by its place in `values`;
    /// [`Error::OutOfMemory`].
    pub fn encode(self, values: &[f32], out: &mut Vec<u8>) -> Result<()> {
        let kind = self.kind();
        if let Some(at) = values.iter().position(|value| !self.holds(*value)) {
            let reason = format!("element {at} is {}, which {kind} does not hold", values[at]);
            return Err(Error::BadTensorData { name: format!("rows of {kind}"), reason });
        }
        let blocks = values.len() / kind.block() as usize;
        try_reserve(out, blocks * kind.block_bytes() as usize, "rows of a matrix")?;
        debug_assert!(values.len().is_multiple_of(kind.block() as usize), "{} values of {kind}", values.len());
        match self {
            DenseType::F32 => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            DenseType::F16 => values.iter().for_each(|value| out.extend(f16::from_f32(*value).to_le_bytes())),
            DenseType::BF16 => values.iter().for_each(|value| out.extend(bf16::from_f32(*value).to_le_bytes())),
            DenseType::Q8_0 => values.as_chunks().0.iter().for_each(|block| out.extend(q8_0::encode(block))),
            DenseType::Q6_K => values.as_chunks().0.iter().for_each(|block| out.extend(q6_k::encode(block))),
            DenseType::Q5_K => values.as_chunks().0.iter().for_each(|block| out.extend(q5_k::encode(block))),
            DenseType::Q4_K => values.as_chunks().0.iter().for_each(|block| out.extend(q4_k::encode(block))),
        }
        Ok(())
    }

    /// Whether a value, and the scale of a block that it is the largest of, are finite in this type.
    fn holds(self, value: f32) -> bool {
        match self {
            DenseType::F32 => value.is_finite(),
            DenseType::BF16 => bf16::from_f32(value).is_finite(),
            // Of blocks the scale is an f16 too, and counts more than once: what f16 holds is within.
            _ => f16::from_f32(value).is_finite(),
        }
    }
}

impl FromStr for DenseType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| is_named(kind.kind(), text)).ok_or_else(|| Error::BadOption {
            option: "embedding",
            value: text.to_owned(),
            reason: "must be f16, q8_0, q6_k, q5_k or q4_k, or f32 or bf16",
        })
    }
}

impl fmt::Display for DenseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

fn is_named(kind: TensorType, text: &str) -> bool {
    kind.name().eq_ignore_ascii_case(text)
}

/// A ternary matrix with one scale, on its way into a file.
///
/// The scale is kept to the last bit. Where a type's blocks have an f16 of their own and that does not hold it, they are
/// of scale 1, and a tensor `.scale` beside the matrix has it, as llama.cpp reads it too.
#[derive(Debug, Clone, Copy)]
pub struct TernaryEncoder {
    kind: LinearType,
    scale: f32,
    block_scale: f16,
    /// Whether the scale stands beside the matrix.
    apart: bool,
}

impl TernaryEncoder {
    /// For a matrix of this scale, finite and not 0.
    pub fn new(kind: LinearType, scale: f32) -> Self {
        let near = f16::from_f32(scale);
        if kind == LinearType::I2S || near.to_f32() == scale {
            return TernaryEncoder { kind, scale, block_scale: near, apart: false };
        }
        Self::apart(kind, scale)
    }

    /// The same, with the scale in a tensor beside the matrix even where blocks would hold it: the tensors are known before the scale.
    pub fn apart(kind: LinearType, scale: f32) -> Self {
        TernaryEncoder { kind, scale, block_scale: f16::ONE, apart: kind != LinearType::I2S }
    }

    /// The tensors that it takes: the matrix, of that name and shape, and behind it what is beside it.
    pub fn declarations(&self, name: &str, dims: &[u64]) -> impl Iterator<Item = TensorDeclaration> + use<> {
        let beside = self.beside().map(|_| TensorDeclaration {
            name: beside(name),
            dims: vec![1],
            kind: TensorType::F32.into(),
        });
        let matrix = TensorDeclaration { name: name.to_owned(), dims: dims.to_vec(), kind: self.kind.kind().into() };
        std::iter::once(matrix).chain(beside)
    }

    /// Appends whole rows of codes 0, 1 and 2, or any whole number of blocks.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn encode(&self, codes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (kind, scale) = (self.kind.kind(), self.block_scale);
        let blocks = codes.len() / kind.block() as usize;
        try_reserve(out, blocks * kind.block_bytes() as usize, "rows of a matrix")?;
        debug_assert!(self.kind.fits(codes.len() as u64), "{} codes of {kind}", codes.len());
        match self.kind {
            LinearType::I2S => codes.as_chunks().0.iter().for_each(|block| out.extend(i2_s::encode(block))),
            LinearType::Tq1 => codes.as_chunks().0.iter().for_each(|block| out.extend(tq1_0::encode(block, scale))),
            LinearType::Tq2 => codes.as_chunks().0.iter().for_each(|block| out.extend(tq2_0::encode(block, scale))),
        }
        Ok(())
    }

    /// What the matrix has after its last block: the scale of I2_S.
    pub fn tail(&self) -> Option<[u8; i2_s::BYTES]> {
        (self.kind == LinearType::I2S).then(|| i2_s::tail(self.scale))
    }

    /// The bytes of the tensor beside the matrix, where there is one.
    pub fn beside(&self) -> Option<[u8; 4]> {
        self.apart.then(|| self.scale.to_le_bytes())
    }
}

/// The name of the scale that stands beside a matrix.
pub(crate) fn beside(name: &str) -> String {
    format!("{}.scale", name.strip_suffix(".weight").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::decode_row;
    use proptest::prelude::*;

    const TERNARY: [LinearType; 3] = LinearType::ALL;

    #[test]
    fn names_are_those_of_the_types() {
        for kind in LinearType::ALL {
            assert_eq!(kind.kind().name().to_lowercase().parse::<LinearType>().unwrap(), kind);
        }
        for kind in DenseType::ALL {
            assert_eq!(kind.to_string().parse::<DenseType>().unwrap(), kind);
        }
        assert!("f16".parse::<LinearType>().is_err() && "tq1_0".parse::<DenseType>().is_err());
        assert!("".parse::<DenseType>().is_err());
    }

    #[test]
    fn rows_that_no_block_fits_take_a_shorter_one() {
        for (kind, cols, expected) in [
            (DenseType::Q6_K, 256, DenseType::Q6_K),
            (DenseType::Q4_K, 384, DenseType::Q8_0),
            (DenseType::Q8_0, 48, DenseType::F16),
            (DenseType::Q5_K, 48, DenseType::F16),
            (DenseType::F32, 7, DenseType::F32),
        ] {
            assert_eq!(kind.for_rows(cols), expected, "{kind} {cols}");
        }
    }

    /// Codes and the scale out of a file's bytes.
    fn read(encoder: &TernaryEncoder, bytes: &[u8], len: usize) -> (Vec<u8>, f32) {
        let kind = encoder.kind.kind();
        let (blocks, tail) = bytes.split_at(len / kind.block() as usize * kind.block_bytes() as usize);
        let mut codes = vec![9; len];
        let mut scale = None;
        match encoder.kind {
            LinearType::I2S => {
                for (block, codes) in blocks.as_chunks().0.iter().zip(codes.as_chunks_mut().0) {
                    assert!(i2_s::decode(block, codes));
                }
                scale = Some(i2_s::scale(tail.first_chunk().unwrap()));
            }
            LinearType::Tq1 => {
                for (block, codes) in blocks.as_chunks().0.iter().zip(codes.as_chunks_mut().0) {
                    scale = tq1_0::decode(block, codes).map(f16::to_f32);
                }
            }
            LinearType::Tq2 => {
                for (block, codes) in blocks.as_chunks().0.iter().zip(codes.as_chunks_mut().0) {
                    scale = tq2_0::decode(block, codes).map(f16::to_f32);
                }
            }
        }
        let scale = scale.unwrap();
        match encoder.beside() {
            Some(bytes) => {
                assert_eq!(scale, 1.0);
                (codes, f32::from_le_bytes(bytes))
            }
            None => (codes, scale),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ternary_matrices_keep_codes_and_scale(
            codes in prop::collection::vec(0u8..3, 512),
            scale in prop_oneof![
                any::<f32>().prop_filter("a scale", |scale| scale.is_finite() && *scale != 0.0),
                (1u16..0x7c00).prop_map(|bits| f16::from_bits(bits).to_f32()),
            ],
        ) {
            for kind in TERNARY {
                let encoder = TernaryEncoder::new(kind, scale);
                let tensors: Vec<_> = encoder.declarations("blk.0.attn_q.weight", &[256, 2]).collect();
                prop_assert_eq!(tensors.len(), 1 + usize::from(encoder.beside().is_some()));
                prop_assert!(tensors.iter().skip(1).all(|tensor| tensor.name == "blk.0.attn_q.scale"));
                let mut bytes = Vec::new();
                encoder.encode(&codes[..256], &mut bytes).unwrap();
                encoder.encode(&codes[256..], &mut bytes).unwrap();
                bytes.extend(encoder.tail().into_iter().flatten());
                prop_assert_eq!(Some(bytes.len() as u64), tensors[0].kind.size_of(&tensors[0].dims));
                let (found, found_scale) = read(&encoder, &bytes, codes.len());
                prop_assert_eq!(&found, &codes);
                prop_assert_eq!(found_scale.to_bits(), scale.to_bits());
            }
        }

        #[test]
        fn dense_rows_come_back_within_a_step(
            values in prop::collection::vec(-1f32..1.0, 512),
            power in -8i32..12,
        ) {
            let values: Vec<f32> = values.iter().map(|value| value * 2f32.powi(power)).collect();
            let largest = values.iter().fold(0f32, |max, value| max.max(value.abs()));
            for (kind, steps) in [
                (DenseType::F32, f32::INFINITY),
                (DenseType::F16, 2048.0),
                (DenseType::BF16, 256.0),
                (DenseType::Q8_0, 220.0),
                (DenseType::Q6_K, 20.0),
                (DenseType::Q5_K, 10.0),
                (DenseType::Q4_K, 5.0),
            ] {
                let mut bytes = Vec::new();
                kind.encode(&values, &mut bytes).unwrap();
                let mut found = vec![0.0; values.len()];
                decode_row(kind.kind(), &bytes, &mut found).unwrap();
                // The scale of a block is an f16: of small values it has few digits.
                let rough = if kind.kind().block() > 1 { 2f32.powi(-16) } else { 0.0 };
                for (value, found) in values.iter().zip(found) {
                    prop_assert!((value - found).abs() <= largest / steps + rough, "{} {} {}", kind, value, found);
                }
            }
        }
    }

    #[test]
    fn what_a_type_does_not_hold_is_refused_by_its_place() {
        for kind in DenseType::ALL {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.4e38] {
                let mut values = [0.5; 256];
                values[77] = wrong;
                let refused = kind.encode(&values, &mut Vec::new());
                assert_eq!(refused.is_ok(), kind == DenseType::F32 && wrong.is_finite(), "{kind} {wrong}");
                assert!(refused.err().is_none_or(|error| error.to_string().contains("element 77")));
            }
        }
    }
}
