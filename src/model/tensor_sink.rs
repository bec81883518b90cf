//! One tensor's bytes, in chunks of any size, into the form that the graph reads.

use super::EmbeddingType;
use super::tensors::{ROPE_FREQS, is_table};
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::blocks::{self, BlockReader, i2_s, tq1_0, tq2_0};
use crate::gguf::{TensorInfo, TensorType};
use crate::kernels::{Backend, DenseMatrix, Int8Matrix, TernaryMatrix, TernaryPacker};
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
    /// The ternary matrix of a linear layer, repacked.
    Ternary,
}

impl Held {
    pub(crate) fn of(info: &TensorInfo, embedding: EmbeddingType) -> Self {
        match info.kind {
            _ if is_table(&info.name) => {
                if embedding.rounds(info) {
                    Held::Int8
                } else {
                    Held::Dense
                }
            }
            _ if info.dims.len() == 1 => Held::Floats,
            TensorType::I2S | TensorType::TQ1_0 | TensorType::TQ2_0 => Held::Ternary,
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
            Held::Ternary => TernaryMatrix::bytes_of(rows, cols),
        }
    }
}

/// Where a tensor's bytes go while they arrive.
pub(crate) enum TensorSink {
    Floats(FloatSink),
    Dense(DenseSink),
    Int8(Int8Sink),
    I2S(I2SSink),
    Tq1(TqSink<{ tq1_0::BYTES }>),
    Tq2(TqSink<{ tq2_0::BYTES }>),
}

impl TensorSink {
    /// A sink for a tensor that is to be held so.
    pub(crate) fn new(held: Held, info: &TensorInfo, backend: Backend) -> Result<Self> {
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
            Held::Int8 => TensorSink::Int8(Int8Sink {
                kind: info.kind,
                rows: BlockReader::new(size(info.size)? / rows)?,
                row: try_zeroed(cols, "a row of the embedding or the head")?,
                matrix: Int8Matrix::new(rows, cols)?,
                backend,
            }),
            Held::Ternary => {
                let packer = TernaryPacker::new(rows, cols)?;
                match info.kind {
                    TensorType::TQ1_0 => TensorSink::Tq1(TqSink::new(packer, elements, tq1_0::decode)?),
                    TensorType::TQ2_0 => TensorSink::Tq2(TqSink::new(packer, elements, tq2_0::decode)?),
                    _ => {
                        let blocks = BlockReader::new(i2_s::BYTES)?;
                        TensorSink::I2S(I2SSink { blocks, packer, elements, next: 0, scale: None })
                    }
                }
            }
        })
    }

    /// Takes the tensor's next bytes; `name` is for the error.
    pub(crate) fn push(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            TensorSink::Floats(sink) => sink.bytes.extend_from_slice(bytes),
            TensorSink::Dense(sink) => return sink.push(name, bytes),
            TensorSink::Int8(sink) => return sink.push(name, bytes),
            TensorSink::I2S(sink) => return sink.push(name, bytes),
            TensorSink::Tq1(sink) => return sink.push(name, bytes),
            TensorSink::Tq2(sink) => return sink.push(name, bytes),
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
            TensorSink::I2S(sink) => sink.finish(name),
            TensorSink::Tq1(sink) => sink.finish(),
            TensorSink::Tq2(sink) => sink.finish(),
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
        let never_zero = name.ends_with(".scale") || name == ROPE_FREQS;
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
            TensorType::Q4_0 => first::<18>(new, |b| f16(b[1])),
            TensorType::Q8_0 => first::<34>(new, |b| f16(b[1])),
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
    /// The row at hand.
    row: Vec<f32>,
    matrix: Int8Matrix,
    backend: Backend,
}

impl Int8Sink {
    fn push(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Self { kind, rows, row, matrix, backend } = self;
        let row_bytes = row.len() / kind.block() as usize * kind.block_bytes() as usize;
        rows.push(bytes, |whole| {
            for bytes in whole.chunks_exact(row_bytes) {
                backend.decode_blocks(*kind, bytes, row);
                if let Some(i) = row.iter().position(|v| !v.is_finite()) {
                    let index = matrix.rows() * row.len() + i;
                    return Err(bad(name, format!("element {index} is infinity or NaN")));
                }
                matrix.push_row(*backend, row);
            }
            Ok(())
        })
    }
}

/// The first whole element, or block, that is wrong. All are looked at without a branch, so that the compiler takes many at a time.
fn first<const N: usize>(bytes: &[u8], wrong: impl Fn([u8; N]) -> bool) -> Option<usize> {
    let elements = bytes.as_chunks().0;
    let any = elements.iter().fold(false, |so_far, &element| so_far | wrong(element));
    if any { elements.iter().position(|&element| wrong(element)) } else { None }
}

/// I2_S: two bits a weight over the whole tensor in blocks of 32 bytes, then as many that hold the scale.
pub(crate) struct I2SSink {
    blocks: BlockReader,
    packer: TernaryPacker,
    elements: usize,
    /// First element of the next block.
    next: usize,
    scale: Option<f32>,
}

impl I2SSink {
    fn push(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Self { blocks, packer, elements, next, scale } = self;
        let mut codes = [0; i2_s::BLOCK];
        blocks.push(bytes, |whole| {
            for block in whole.as_chunks().0 {
                if *next == *elements {
                    *scale = Some(i2_s::scale(block));
                } else if i2_s::decode(block, &mut codes) {
                    packer.put(*next, &codes);
                    *next += i2_s::BLOCK;
                } else {
                    return Err(bad(name, code_three(*next, i2_s::BLOCK)));
                }
            }
            Ok(())
        })
    }

    fn finish(self, name: &str) -> Result<Tensor> {
        let scale = self.scale.ok_or_else(|| bad(name, "no scale after the codes".into()))?;
        if !scale.is_finite() || scale == 0.0 {
            let reason = format!("its scale is {scale}; quantize again with one thread, more spoil an I2_S file");
            return Err(bad(name, reason));
        }
        Ok(Tensor::Ternary(self.packer.finish_scaled(scale)))
    }
}

type Decode<const N: usize> = fn(&[u8; N], &mut [u8; TQ_BLOCK]) -> Option<f16>;

/// Weights of a TQ1_0 or TQ2_0 block.
const TQ_BLOCK: usize = tq2_0::BLOCK;

/// TQ1_0 and TQ2_0: each 256 weights bring their scale. As long as all agree there is one for the matrix.
pub(crate) struct TqSink<const N: usize> {
    blocks: BlockReader,
    packer: TernaryPacker,
    decode: Decode<N>,
    blocks_in_all: usize,
    /// First element of the next block.
    next: usize,
    /// The scale that all blocks have shared so far; a block of zeros agrees with any.
    shared: Option<f32>,
    /// One scale a block, from the first disagreement on.
    scales: Vec<f32>,
}

impl<const N: usize> TqSink<N> {
    fn new(packer: TernaryPacker, elements: usize, decode: Decode<N>) -> Result<Self> {
        Ok(TqSink {
            blocks: BlockReader::new(N)?,
            packer,
            decode,
            blocks_in_all: elements / TQ_BLOCK,
            next: 0,
            shared: None,
            scales: Vec::new(),
        })
    }

    fn push(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Self { blocks, packer, decode, blocks_in_all, next, shared, scales } = self;
        let mut codes = [0; TQ_BLOCK];
        blocks.push(bytes, |whole| {
            for block in whole.as_chunks().0 {
                let scale = decode(block, &mut codes).ok_or_else(|| bad(name, code_three(*next, TQ_BLOCK)))?.to_f32();
                let index = *next / TQ_BLOCK;
                if !scale.is_finite() {
                    return Err(bad(name, format!("the scale of block {index} is {scale}")));
                }
                packer.put(*next, &codes);
                *next += TQ_BLOCK;
                if !scales.is_empty() {
                    scales.push(scale);
                } else if codes.iter().any(|&code| code != 1) && *shared.get_or_insert(scale) != scale {
                    *scales = try_with_capacity(*blocks_in_all, "block scales")?;
                    scales.resize(index, shared.unwrap_or_default());
                    scales.push(scale);
                }
            }
            Ok(())
        })
    }

    fn finish(self) -> Result<Tensor> {
        Ok(Tensor::Ternary(if self.scales.is_empty() {
            self.packer.finish_scaled(self.shared.unwrap_or(1.0))
        } else {
            self.packer.finish_block_scaled(TQ_BLOCK, self.scales)
        }))
    }
}

fn bad(name: &str, reason: String) -> Error {
    Error::BadTensorData { name: name.to_owned(), reason }
}

fn code_three(first: usize, block: usize) -> String {
    format!("a code 3 among weights {first}..{}: codes are 0, 1 and 2; the file is damaged", first + block)
}

fn size(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|_| Error::OutOfMemory { what: "a tensor".into(), bytes: n })
}

/// Rows and columns of a matrix; a vector is one row.
fn shape(info: &TensorInfo) -> Result<(usize, usize)> {
    Ok((size(info.elements() / info.row_length())?, size(info.row_length())?))
}
