//! Tensor types and the entries of the tensor table.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::TensorDeclaration;
use crate::{Error, Result};

/// Most dimensions of a tensor.
pub const MAX_DIMS: usize = 4;
/// A tensor's name must be shorter than this, in bytes.
pub const MAX_NAME: usize = 64;

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
    /// 5 bits, eight 6-bit scales and minima, and f16 factors of both, per 256.
    Q5_K,
    /// 4 bits, with scales as Q5_K.
    Q4_K,
    /// 4 bits, one f16 scale per 32.
    Q4_0,
    /// -1 and +1, 1.13 bits a weight, one f16 scale per 128.
    Q1_0,
    /// Ternary, 2.25 bits a weight, one f16 scale per 64.
    Q2_0,
    /// Ternary, 2.13 bits a weight, one f16 scale per 128. Some writers call it Q2_0 too, and give it that number.
    PQ2_0,
    /// Ternary, 1.75 bits a weight, one f16 scale per 128.
    PTQ1_0,
}

impl TensorType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 15] = {
        use TensorType::*;
        [F32, F16, Q4_0, Q8_0, Q4_K, Q5_K, Q6_K, BF16, TQ1_0, TQ2_0, I2S, Q1_0, Q2_0, PQ2_0, PTQ1_0]
    };

    /// The type of a number, as its first writer meant it: in a tensor table 36, 41 and 42 may mean other types too, which
    /// the decoder tells apart by the tensors' sizes.
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
            TensorType::Q4_K => 12,
            TensorType::Q5_K => 13,
            TensorType::Q6_K => 14,
            TensorType::BF16 => 30,
            TensorType::TQ1_0 => 34,
            TensorType::TQ2_0 => 35,
            TensorType::I2S => 36,
            TensorType::Q1_0 => 41,
            TensorType::Q2_0 => 42,
            TensorType::PQ2_0 => 142,
            TensorType::PTQ1_0 => 143,
        }
    }

    /// The format's usual name.
    pub fn name(self) -> &'static str {
        match self {
            TensorType::F32 => "F32",
            TensorType::F16 => "F16",
            TensorType::Q4_0 => "Q4_0",
            TensorType::Q8_0 => "Q8_0",
            TensorType::Q4_K => "Q4_K",
            TensorType::Q5_K => "Q5_K",
            TensorType::Q6_K => "Q6_K",
            TensorType::BF16 => "BF16",
            TensorType::TQ1_0 => "TQ1_0",
            TensorType::TQ2_0 => "TQ2_0",
            TensorType::I2S => "I2_S",
            TensorType::Q1_0 => "Q1_0",
            TensorType::Q2_0 => "Q2_0",
            TensorType::PQ2_0 => "PQ2_0",
            TensorType::PTQ1_0 => "PTQ1_0",
        }
    }

    /// Elements in a block; a row is a whole number of blocks.
    pub fn block(self) -> u64 {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => 1,
            TensorType::Q4_0 | TensorType::Q8_0 => 32,
            TensorType::Q2_0 => 64,
            TensorType::I2S | TensorType::Q1_0 | TensorType::PQ2_0 | TensorType::PTQ1_0 => 128,
            TensorType::Q4_K | TensorType::Q5_K | TensorType::Q6_K | TensorType::TQ1_0 | TensorType::TQ2_0 => 256,
        }
    }

    /// Bytes in a block. An I2_S tensor has 32 bytes more at its end, the first four of them its scale.
    pub fn block_bytes(self) -> u64 {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 2,
            TensorType::Q4_0 | TensorType::Q1_0 | TensorType::Q2_0 => 18,
            TensorType::Q8_0 | TensorType::PQ2_0 => 34,
            TensorType::I2S => 32,
            TensorType::PTQ1_0 => 28,
            TensorType::TQ1_0 => 54,
            TensorType::TQ2_0 => 66,
            TensorType::Q4_K => 144,
            TensorType::Q5_K => 176,
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
    /// Its number in the file: writers differ.
    pub id: u32,
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

    /// What writes it again, under the same number.
    pub fn declaration(&self) -> TensorDeclaration {
        let kind = Storage { id: self.id, ..self.kind.into() };
        TensorDeclaration { name: self.name.clone(), dims: self.dims.clone(), kind }
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
