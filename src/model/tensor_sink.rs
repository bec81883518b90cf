//! One tensor's bytes, in chunks of any size, into the form that the graph reads.

use super::EmbeddingType;
use super::tensors::{is_rope_factors, is_table};
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::blocks::{self, BlockReader, has_three, i2_s, not_ternary, ptq1_0, q4_k, q5_k, tq1_0, tq2_0};
use crate::gguf::{TensorInfo, TensorType};
use crate::kernels::{Compute, DenseMatrix, Int8Matrix, NotFinite, Packing, TernaryMatrix, TernaryPacker};
use crate::{Error, Result};
use half::f16;

/// What a tensor becomes.
pub(crate) enum Tensor {
    Floats(Vec<f32>),
    Dense(DenseMatrix),
    Int8(Int8Matrix),
    Ternary(TernaryMatrix),
}

/// The form in which a tensor will be in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// A vector of f32 (norms, scales), of any float type in the file.
    Floats,
    /// A matrix whose rows stay as they are in the file.
    Dense,
    /// A matrix in 8 bits, with a scale a row.
    Int8,
    /// A ternary matrix, repacked: of a linear layer, or a table in ternary blocks.
    Ternary,
}

impl Held {
    pub(crate) fn of(info: &TensorInfo, embedding: EmbeddingType) -> Self {
        match info.kind {
            // Looked up and multiplied as they are: nothing else takes less memory, and no weight is rounded.
            kind if is_table(&info.name) && Packing::of(kind).is_some_and(Packing::in_groups) => Held::Ternary,
            _ if is_table(&info.name) => {
                if embedding.rounds(info) {
                    Held::Int8
                } else {
                    Held::Dense
                }
            }
            _ if info.dims.len() == 1 => Held::Floats,
            kind if Packing::of(kind).is_some() => Held::Ternary,
            _ => Held::Dense,
        }
    }

    /// Bytes in memory; of TQ types, of blocks that share one scale.
    pub(crate) fn bytes(self, info: &TensorInfo) -> u64 {
        let (rows, cols) = (info.elements() / info.row_length(), info.row_length());
        match self {
            Held::Floats => info.elements().saturating_mul(4),
            Held::Dense => info.size,
            Held::Int8 => Int8Matrix::bytes_of(rows, cols),
            Held::Ternary => TernaryMatrix::bytes_of(packing(info), rows, cols),
        }
    }
}

/// Where a tensor's bytes go while they arrive.
pub(crate) enum TensorSink {
    Floats(FloatSink),
    Dense(DenseSink),
    Int8(Int8Sink),
    Ternary(TernarySink),
}

impl TensorSink {
    /// A sink for a tensor that is to be held so.
    pub(crate) fn new(held: Held, info: &TensorInfo) -> Result<Self> {
        let (rows, cols) = shape(info)?;
        let elements = size(info.elements())?;
        Ok(match held {
            Held::Floats => TensorSink::Floats(FloatSink {
                kind: info.kind,
                bytes: try_with_capacity(size(info.size)?, "a norm")?,
                len: elements,
            }),
            Held::Dense => {
                let bytes = try_with_capacity(size(info.size)?, &info.name)?;
                TensorSink::Dense(DenseSink { kind: info.kind, rows, cols, bytes, checked: 0 })
            }
            Held::Int8 => {
                let row_bytes = size(info.size)? / rows;
                let matrix = Int8Matrix::new(rows, cols)?;
                TensorSink::Int8(Int8Sink { kind: info.kind, rows: BlockReader::new(row_bytes)?, row_bytes, matrix })
            }
            Held::Ternary => TensorSink::Ternary(TernarySink::new(info, packing(info))?),
        })
    }

    /// Takes the tensor's next bytes; `name` is for the error.
    pub(crate) fn push(&mut self, name: &str, bytes: &[u8], compute: &Compute) -> Result<()> {
        match self {
            TensorSink::Floats(sink) => sink.bytes.extend_from_slice(bytes),
            TensorSink::Dense(sink) => return sink.push(name, bytes),
            TensorSink::Int8(sink) => return sink.push(name, bytes, compute),
            TensorSink::Ternary(sink) => return sink.push(name, bytes, compute),
        }
        Ok(())
    }

    /// The finished tensor, when all its bytes are in.
    pub(crate) fn finish(self, name: &str) -> Result<Tensor> {
        match self {
            TensorSink::Floats(sink) => sink.finish(name),
            TensorSink::Dense(DenseSink { kind, rows, cols, bytes, .. }) => {
                Ok(Tensor::Dense(DenseMatrix::new(kind, rows, cols, bytes)?))
            }
            TensorSink::Int8(sink) => Ok(Tensor::Int8(sink.matrix)),
            TensorSink::Ternary(sink) => sink.finish(name),
        }
    }
}

pub(crate) struct FloatSink {
    kind: TensorType,
    bytes: Vec<u8>,
    len: usize,
}

impl FloatSink {
    fn finish(self, name: &str) -> Result<Tensor> {
        let mut values = try_zeroed(self.len, "a norm")?;
        blocks::decode_row(self.kind, &self.bytes, &mut values)?;
        // A norm may silence a channel; a matrix or an angle that is multiplied by, or divided by, 0 is damage.
        let never_zero = name.ends_with(".scale") || is_rope_factors(name);
        match values.iter().position(|v: &f32| !v.is_finite() || (never_zero && *v == 0.0)) {
            Some(i) => {
                let must = if never_zero { "finite and not 0" } else { "finite" };
                Err(bad(name, format!("element {i} is {}, every factor must be {must}", values[i])))
            }
            None => Ok(Tensor::Floats(values)),
        }
    }
}

pub(crate) struct DenseSink {
    kind: TensorType,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
    /// Bytes known to be finite values.
    checked: usize,
}

impl DenseSink {
    /// Keeps the bytes, and refuses infinity and NaN, in blocks those of the scale: the kernels count on it.
    fn push(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        let new = &self.bytes[self.checked..];
        let f16 = |high: u8| high & 0x7c == 0x7c;
        let wrong = match self.kind {
            TensorType::F16 => first::<2>(new, |b| f16(b[1])),
            TensorType::BF16 => first::<2>(new, |b| u16::from_le_bytes(b) & 0x7f80 == 0x7f80),
            TensorType::F32 => first::<4>(new, |b| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000),
            TensorType::Q4_0 | TensorType::Q1_0 | TensorType::Q2_0 => first::<18>(new, |b| f16(b[1])),
            TensorType::Q8_0 | TensorType::PQ2_0 => first::<34>(new, |b| f16(b[1])),
            TensorType::PTQ1_0 => first::<{ ptq1_0::BYTES }>(new, |b| f16(b[ptq1_0::BYTES - 1])),
            TensorType::Q4_K => first::<{ q4_k::BYTES }>(new, |b| f16(b[1]) | f16(b[3])),
            TensorType::Q5_K => first::<{ q5_k::BYTES }>(new, |b| f16(b[1]) | f16(b[3])),
            TensorType::Q6_K => first::<210>(new, |b| f16(b[209])),
            TensorType::TQ1_0 => first::<{ tq1_0::BYTES }>(new, |b| f16(b[tq1_0::BYTES - 1])),
            TensorType::TQ2_0 => first::<{ tq2_0::BYTES }>(new, |b| f16(b[tq2_0::BYTES - 1])),
            TensorType::I2S => None,
        };
        let (block, block_bytes) = (self.kind.block() as usize, self.kind.block_bytes() as usize);
        if let Some(index) = wrong {
            let element = (self.checked / block_bytes + index) * block;
            return Err(bad(name, format!("element {element} is infinity or NaN")));
        }
        self.checked = self.bytes.len() - self.bytes.len() % block_bytes;
        Ok(())
    }
}

/// Rows that are rounded to 8 bits as they become whole.
pub(crate) struct Int8Sink {
    kind: TensorType,
    rows: BlockReader,
    row_bytes: usize,
    matrix: Int8Matrix,
}

impl Int8Sink {
    fn push(&mut self, name: &str, bytes: &[u8], compute: &Compute) -> Result<()> {
        let Self { kind, rows, row_bytes, matrix } = self;
        rows.push(bytes, |whole| {
            let first = matrix.rows();
            let Err(NotFinite { row }) = matrix.push(compute, *kind, whole) else { return Ok(()) };
            let mut values: Vec<f32> = try_zeroed(matrix.cols(), "a row of the embedding or the head")?;
            compute.backend.decode_blocks(*kind, &whole[row * *row_bytes..][..*row_bytes], &mut values);
            let i = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
            Err(bad(name, format!("element {} is infinity or NaN", (first + row) * values.len() + i)))
        })
    }
}

/// The first whole element, or block, that is wrong. All are looked at without a branch, so that the compiler takes many at a time.
fn first<const N: usize>(bytes: &[u8], wrong: impl Fn([u8; N]) -> bool) -> Option<usize> {
    let elements = bytes.as_chunks().0;
    let any = elements.iter().fold(false, |so_far, &element| so_far | wrong(element));
    if any { elements.iter().position(|&element| wrong(element)) } else { None }
}

/// Ternary rows, packed by groups of four as these become whole.
pub(crate) struct TernarySink {
    packing: Packing,
    groups: BlockReader,
    packer: TernaryPacker,
    /// Bytes of codes that are still to come.
    left: usize,
    /// First block of the next group.
    block: usize,
    blocks: usize,
    scales: TernaryScales,
}

/// Where a packing has its scales.
enum TernaryScales {
    /// I2_S: after the codes, in as many bytes as a block has; those that have come.
    Tail(Vec<u8>),
    /// TQ1_0 and TQ2_0: each 256 weights bring theirs. As long as all agree there is one for the matrix.
    Blocks {
        /// The scale that all blocks have shared so far; a block of zeros agrees with any.
        shared: Option<f16>,
        /// That of the first block, which counts where all are zeros: it may be negative, as zeros may.
        first: f16,
        /// One scale a block, from the first disagreement on.
        each: Vec<f32>,
    },
    /// Q1_0, Q2_0, PQ2_0 and PTQ1_0: the packer takes them with the codes.
    Packed,
}

impl TernarySink {
    fn new(info: &TensorInfo, packing: Packing) -> Result<Self> {
        let (rows, cols) = shape(info)?;
        let packer = TernaryPacker::new(rows, cols, packing)?;
        let blocks = size(info.elements())? / packing.block();
        Ok(TernarySink {
            packing,
            // Of a matrix of fewer rows than a group has, no more than it has.
            groups: BlockReader::new(packer.group_bytes().min(blocks * packing.block_bytes()))?,
            packer,
            left: blocks * packing.block_bytes(),
            block: 0,
            blocks,
            scales: match packing {
                Packing::I2S => TernaryScales::Tail(try_with_capacity(i2_s::BYTES, "the scale of a matrix")?),
                Packing::Q1 | Packing::Q2 | Packing::LongQ2 | Packing::Ptq1 => TernaryScales::Packed,
                Packing::Tq1 | Packing::Tq2 => {
                    TernaryScales::Blocks { shared: None, first: f16::ONE, each: Vec::new() }
                }
            },
        })
    }

    fn push(&mut self, name: &str, bytes: &[u8], compute: &Compute) -> Result<()> {
        let Self { packing, groups, packer, left, block, blocks, scales } = self;
        let mut take = |whole: &[u8]| {
            let first = *block;
            *block += whole.len() / packing.block_bytes();
            let finite = scales.take(*packing, whole, first, *blocks)?;
            let ternary = packer.push(compute, whole).is_ok();
            // Told by the first block that is damaged, whichever of the two found it.
            if finite && ternary { Ok(()) } else { Err(bad(name, damage(*packing, whole, first))) }
        };
        let (codes, tail) = bytes.split_at(bytes.len().min(*left));
        *left -= codes.len();
        groups.push(codes, &mut take)?;
        if *left == 0 && groups.pending() > 0 {
            take(groups.take_pending())?;
        }
        if let TernaryScales::Tail(bytes) = &mut self.scales {
            bytes.extend_from_slice(&tail[..tail.len().min(i2_s::BYTES - bytes.len())]);
        }
        Ok(())
    }

    fn finish(self, name: &str) -> Result<Tensor> {
        let (packer, block) = (self.packer, self.packing.block());
        Ok(Tensor::Ternary(match self.scales {
            TernaryScales::Tail(tail) => {
                let tail = tail.first_chunk().ok_or_else(|| bad(name, "no scale after the codes".into()))?;
                packer.finish_scaled(i2_s::checked_scale(tail).map_err(|reason| bad(name, reason))?)
            }
            TernaryScales::Blocks { shared, first, each } if each.is_empty() => {
                packer.finish_scaled(shared.unwrap_or(first).to_f32())
            }
            TernaryScales::Blocks { each, .. } => packer.finish_block_scaled(block, each),
            TernaryScales::Packed => packer.finish_groups(),
        }))
    }
}

impl TernaryScales {
    /// Takes the scales of a run of blocks, `first` the index of the first. False if one is not finite.
    fn take(&mut self, packing: Packing, run: &[u8], first: usize, blocks: usize) -> Result<bool> {
        let (shared, each) = match self {
            TernaryScales::Tail(_) => return Ok(true),
            TernaryScales::Packed => {
                let blocks = run.chunks_exact(packing.block_bytes());
                return Ok(blocks.fold(true, |finite, block| finite & block_scale(packing, block).is_finite()));
            }
            TernaryScales::Blocks { shared, first: of_first, each } => {
                if first == 0
                    && let Some(block) = run.get(..packing.block_bytes())
                {
                    *of_first = block_scale(packing, block);
                }
                (shared, each)
            }
        };
        for (i, block) in run.chunks_exact(packing.block_bytes()).enumerate() {
            let scale = block_scale(packing, block);
            if each.is_empty() && shared.is_some_and(|shared| shared.to_bits() == scale.to_bits()) {
                continue;
            }
            if !scale.is_finite() {
                return Ok(false);
            }
            if !each.is_empty() {
                each.push(scale.to_f32());
            } else if !is_zeros(packing, block) && *shared.get_or_insert(scale) != scale {
                *each = try_with_capacity(blocks, "block scales")?;
                each.resize(first + i, shared.map_or(0.0, f16::to_f32));
                each.push(scale.to_f32());
            }
        }
        Ok(true)
    }
}

/// The scale of a block of a packing that has one.
fn block_scale(packing: Packing, block: &[u8]) -> f16 {
    f16::from_le_bytes(*block[packing.scale_at()..].first_chunk().unwrap_or(&[0; 2]))
}

/// Whether all weights of a TQ1_0 or TQ2_0 block are 0.
fn is_zeros(packing: Packing, block: &[u8]) -> bool {
    let mut codes = [0; tq2_0::BLOCK];
    match packing {
        Packing::Tq1 => block.first_chunk().map(|block| tq1_0::decode(block, &mut codes)),
        Packing::Tq2 => block.first_chunk().map(|block| tq2_0::decode(block, &mut codes)),
        _ => return false,
    };
    codes.iter().all(|&code| code == 1)
}

/// What is wrong with the first block of a run that is damaged, `first` its index in the tensor.
fn damage(packing: Packing, run: &[u8], first: usize) -> String {
    let weights = packing.block();
    for (i, block) in run.chunks_exact(packing.block_bytes()).enumerate() {
        let (index, scaled) = (first + i, packing != Packing::I2S);
        let codes = match packing {
            // Any bits are codes.
            Packing::Tq1 | Packing::Ptq1 | Packing::Q1 => &[],
            Packing::I2S => block,
            Packing::Tq2 => &block[..packing.scale_at()],
            Packing::Q2 | Packing::LongQ2 => &block[2..],
        };
        if codes.iter().any(|byte| has_three(*byte)) {
            return not_ternary((index * weights) as u64, weights as u64);
        }
        if scaled && !block_scale(packing, block).is_finite() {
            return format!("the scale of block {index} is {}", block_scale(packing, block));
        }
    }
    "a block is damaged".to_owned()
}

/// That of a tensor that is held ternary.
fn packing(info: &TensorInfo) -> Packing {
    Packing::of(info.kind).expect("a ternary type")
}

fn bad(name: &str, reason: String) -> Error {
    Error::BadTensorData { name: name.to_owned(), reason }
}

fn size(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|_| Error::OutOfMemory { what: "a tensor".into(), bytes: n })
}

/// Rows and columns of a matrix; a vector is one row.
fn shape(info: &TensorInfo) -> Result<(usize, usize)> {
    Ok((size(info.elements() / info.row_length())?, size(info.row_length())?))
}
