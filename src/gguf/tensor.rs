//! Tensor types and the entries of the tensor table.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::{Error, Result};

/// Most dimensions of a tensor.
pub const MAX_DIMS: usize = 4;
/// A tensor's name must be shorter than this, in bytes.
pub const MAX_NAME: usize = 64;

/// The architectures in which type 36 means I2_S. Elsewhere the number belonged to a format that was withdrawn.
pub const I2_S_ARCHITECTURES: [&str; 3] = ["bitnet-b1.58", "bitnet-25", "bitnet"];

/// Storage formats that this engine reads. Layouts: [`crate::blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)]
pub enum TensorType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// Upper half of a binary32.
    BF16,
    /// Ternary, 2 bits a weight, one f32 scale a tensor (bitnet.cpp).
    I2S,
    /// Ternary, 1.69 bits a weight, one f16 scale per 256.
    TQ1_0,
    /// Ternary, 2.06 bits a weight, one f16 scale per 256.
    TQ2_0,
    /// 8 bits, one f16 scale per 32.
    Q8_0,
    /// 6 bits, 16 sub-scales and one f16 scale per 256.
    Q6_K,
    /// 4 bits, one f16 scale per 32.
    Q4_0,
}

impl TensorType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 9] = {
        use TensorType::*;
        [F32, F16, Q4_0, Q8_0, Q6_K, BF16, TQ1_0, TQ2_0, I2S]
    };

    /// The type of a number in the tensor table. 36 is I2_S only in [`I2_S_ARCHITECTURES`]; the decoder sees to that.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The number in the tensor table.
    pub fn id(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Q4_0 => 2,
            TensorType::Q8_0 => 8,
            TensorType::Q6_K => 14,
            TensorType::BF16 => 30,
            TensorType::TQ1_0 => 34,
            TensorType::TQ2_0 => 35,
            TensorType::I2S => 36,
        }
    }

    /// The format's usual name.
    pub fn name(self) -> &'static str {
        match self {
            TensorType::F32 => "F32",
            TensorType::F16 => "F16",
            TensorType::Q4_0 => "Q4_0",
            TensorType::Q8_0 => "Q8_0",
            TensorType::Q6_K => "Q6_K",
            TensorType::BF16 => "BF16",
            TensorType::TQ1_0 => "TQ1_0",
            TensorType::TQ2_0 => "TQ2_0",
            TensorType::I2S => "I2_S",
        }
    }

    /// Elements in a block; a row is a whole number of blocks.
    pub fn block(self) -> u64 {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => 1,
            TensorType::Q4_0 | TensorType::Q8_0 => 32,
            TensorType::I2S => 128,
            TensorType::Q6_K | TensorType::TQ1_0 | TensorType::TQ2_0 => 256,
        }
    }

    /// Bytes in a block. An I2_S tensor has 32 bytes more at its end, the first four of them its scale.
    pub fn block_bytes(self) -> u64 {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 2,
            TensorType::Q4_0 => 18,
            TensorType::Q8_0 => 34,
            TensorType::I2S => 32,
            TensorType::TQ1_0 => 54,
            TensorType::TQ2_0 => 66,
            TensorType::Q6_K => 210,
        }
    }

    /// Bytes of a tensor of this type, without padding. `None` for an empty shape, a row that is not a whole number
    /// of blocks, or a size beyond 2^63.
    pub fn size_of(self, dims: &[u64]) -> Option<u64> {
        Storage::from(self).size_of(dims)
    }
}

/// What must be known of a type to write tensors of it: also of one that this engine does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// The number in the tensor table.
    pub id: u32,
    /// The format's usual name.
    pub name: &'static str,
    /// Elements in a block.
    pub block: u64,
    /// Bytes in a block.
    pub block_bytes: u64,
    /// Bytes after the last block.
    pub tail: u64,
}

impl From<TensorType> for Storage {
    fn from(kind: TensorType) -> Self {
        Storage {
            id: kind.id(),
            name: kind.name(),
            block: kind.block(),
            block_bytes: kind.block_bytes(),
            tail: if kind == TensorType::I2S { 32 } else { 0 },
        }
    }
}

impl Storage {
    /// As [`TensorType::size_of`].
    pub fn size_of(self, dims: &[u64]) -> Option<u64> {
        let elements = elements(dims)?;
        if !dims.first()?.is_multiple_of(self.block) {
            return None;
        }
        let size = (elements / self.block).checked_mul(self.block_bytes)?.checked_add(self.tail)?;
        (size < 1 << 63).then_some(size)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Product of the dimensions, if there are one to four, none is 0 and it stays below 2^63.
fn elements(dims: &[u64]) -> Option<u64> {
    if dims.is_empty() || dims.len() > MAX_DIMS {
        return None;
    }
    let product = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim))?;
    (product > 0 && product < 1 << 63).then_some(product)
}

/// One entry of the tensor table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The tensor's name, as `blk.0.attn_q.weight`.
    pub name: String,
    /// One to four dimensions, innermost first: a matrix is `[columns, rows]`.
    pub dims: Vec<u64>,
    /// Storage format.
    pub kind: TensorType,
    /// Bytes from the start of the data section.
    pub offset: u64,
    /// Bytes, without padding.
    pub size: u64,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Elements in a row: the innermost dimension.
    pub fn row_length(&self) -> u64 {
        self.dims.first().copied().unwrap_or(0)
    }
}

/// Why a name may not be used, if it may not.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        _ if name.len() >= MAX_NAME => Err("it is 64 bytes or longer"),
        _ if name.contains('\0') => Err("it contains a NUL"),
        _ => Ok(()),
    }
}

/// Why a shape may not be used for a type, and if it may, the size in bytes.
pub(crate) fn check_dims(kind: impl Into<Storage>, dims: &[u64]) -> Result<u64, String> {
    let kind = kind.into();
    check_shape(dims)?;
    let row = dims[0];
    if !row.is_multiple_of(kind.block) {
        return Err(format!("a row of {row} is not a whole number of {} blocks of {}", kind.name, kind.block));
    }
    kind.size_of(dims).ok_or_else(|| "it has more than 2^63 bytes".to_owned())
}

/// Why a shape may not be used for any type, if it may not.
pub(crate) fn check_shape(dims: &[u64]) -> Result<(), String> {
    if dims.is_empty() || dims.len() > MAX_DIMS {
        return Err(format!("it has {} dimensions, not 1 to {MAX_DIMS}", dims.len()));
    }
    if dims.contains(&0) {
        return Err("a dimension is 0".to_owned());
    }
    match elements(dims) {
        Some(_) => Ok(()),
        None => Err("it has more than 2^63 elements".to_owned()),
    }
}

/// The supported type of a number, given the file's `general.architecture`; else what to use instead.
pub(crate) fn resolve_type(id: u32, architecture: Option<&str>) -> Result<TensorType, (String, String)> {
    let bitnet = architecture.is_some_and(|a| I2_S_ARCHITECTURES.contains(&a));
    match TensorType::from_id(id) {
        Some(TensorType::I2S) if !bitnet => {}
        Some(kind) => return Ok(kind),
        None => {}
    }
    let name = match id {
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        36 => "36 (I2_S only in BitNet architectures)",
        37 => "I8_S",
        38 => "TL1",
        39 if bitnet => "TL2",
        39 => "MXFP4",
        40 => "NVFP4",
        41 => "Q1_0",
        42 => "Q2_0",
        142 => "PQ2_0",
        143 => "PTQ1_0",
        _ => "",
    };
    let name = if name.is_empty() { format!("number {id}") } else { name.to_owned() };
    let hint = match id {
        31..=33 => "this repacked form was withdrawn from GGUF; convert to Q4_0, or ternary matrices to I2_S or TQ2_0",
        36 => "in other architectures the number belonged to a withdrawn format; convert the matrices to TQ2_0",
        37 => "I8_S is for activations at run time and belongs in no file; convert to I2_S or TQ2_0",
        38 => "its tile sizes are not in the file; convert the model to I2_S or TQ2_0",
        39 if bitnet => "its tile sizes are not in the file; convert the model to I2_S or TQ2_0",
        _ if bitnet => {
            "use I2_S, TQ1_0 or TQ2_0 for ternary matrices, and F32, F16, BF16, Q8_0, Q6_K or Q4_0 for the embedding"
        }
        _ => "this engine runs BitNet b1.58 models only, with ternary matrices in I2_S, TQ1_0 or TQ2_0",
    };
    Err((name, hint.to_owned()))
}

/// `offset` rounded up to a multiple of `alignment`, a power of two.
pub(crate) fn align_up(offset: u64, alignment: u64) -> Option<u64> {
    Some(offset.checked_add(alignment - 1)? & !(alignment - 1))
}

/// Alignment where the file sets none.
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;
/// The key that sets it.
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";

/// Why an alignment may not be used, if it may not.
pub(crate) fn check_alignment(alignment: u64, max: u64) -> Result<(), String> {
    if !alignment.is_power_of_two() {
        return Err("it must be a power of two".to_owned());
    }
    if alignment > max {
        return Err(format!("it must be at most {max}"));
    }
    Ok(())
}

/// Refuses a second tensor of a name. Keeps hashes, not names: a table of 65 536 tensors stays small.
#[derive(Default)]
pub(crate) struct Names {
    hashes: HashSet<u64>,
    // Keyed at random where the platform can, so that a file cannot be made to collide.
    hasher: RandomState,
}

impl Names {
    /// Whether `name` is new among `tensors`, which hold all earlier names.
    pub(crate) fn insert(&mut self, name: &str, tensors: &[TensorInfo]) -> Result<bool> {
        self.hashes
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory { what: "the names of tensors".to_owned(), bytes: 9 })?;
        Ok(self.hashes.insert(self.hasher.hash_one(name)) || tensors.iter().all(|t| t.name != name))
    }
}
