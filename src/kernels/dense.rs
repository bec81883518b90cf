//! Float and block formats kept as they are in the file: embeddings and the output matrix.
//!
//! A result is the dot product of a decoded row with an activation row, in the lane order of
//! [`Kernels::dot`], whatever the format. F32, F16 and BF16 are read in place, the others decoded in
//! pieces onto the stack.

use super::generic::{self, LANES, Lanes, fold};
use super::int8::SOME_ROWS;
use super::{Backend, Compute, Kernels};
use crate::gguf::TensorType;
use crate::{Error, Result};

/// Rows a task.
const TASK_ROWS: usize = 64;
/// Elements decoded at a time: whole blocks of every format, and whole lanes.
const PIECE: usize = 1024;
/// Tokens that share a decoded piece.
const TILE_TOKENS: usize = 8;

const _: () = assert!(PIECE.is_multiple_of(256) && PIECE.is_multiple_of(LANES));

/// A matrix in a float or block format.
#[derive(Debug, Clone)]
pub struct DenseMatrix {
    kind: TensorType,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: Vec<u8>,
}

impl DenseMatrix {
    /// The `rows` × `cols` matrix whose file bytes are `bytes`. Any type but I2_S, whose scale is not in its rows.
    pub fn new(kind: TensorType, rows: usize, cols: usize, bytes: Vec<u8>) -> Result<Self> {
        let bad = |reason: String| Error::BadValue {
            key: "dense matrix".to_owned(),
            value: format!("{} {rows} × {cols}, {} bytes", kind.name(), bytes.len()),
            reason,
        };
        let (block, block_bytes) = (kind.block() as usize, kind.block_bytes() as usize);
        if kind == TensorType::I2S || cols == 0 || !cols.is_multiple_of(block) {
            return Err(bad(format!("must be rows of whole blocks of {block} in a type other than I2_S")));
        }
        let row_bytes = (cols / block).checked_mul(block_bytes);
        match row_bytes {
            Some(row_bytes) if row_bytes.checked_mul(rows) == Some(bytes.len()) => {
                Ok(DenseMatrix { kind, rows, cols, row_bytes, bytes })
            }
            _ => Err(bad(format!("a block of {block} has {block_bytes} bytes"))),
        }
    }

    /// Output dimension.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input dimension.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Storage format.
    pub fn kind(&self) -> TensorType {
        self.kind
    }

    /// Memory it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Decodes row `i` into `out[cols]`.
    pub fn row(&self, i: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.cols, "length of a row");
        generic::decode_blocks(self.kind, self.row_bytes(i), out);
    }

    /// Everything that a product reads of it.
    pub fn memory(&self) -> &[u8] {
        &self.bytes
    }

    fn row_bytes(&self, i: usize) -> &[u8] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.bytes[i * self.row_bytes..][..self.row_bytes]
    }
}

/// `y[row of x][row of w]` = w · x, with `x[tokens][w.cols()]`.
///
/// Panics where `x` is not whole rows, or `y` is not tokens · `w.rows()` long.
pub fn dense_matmul(c: &Compute, w: &DenseMatrix, x: &[f32], y: &mut [f32]) {
    assert!(x.len().is_multiple_of(w.cols), "{} values in rows of {}", x.len(), w.cols);
    assert_eq!(y.len(), x.len() / w.cols * w.rows, "length of the result");
    c.pool.columns(y, w.rows, TASK_ROWS, |part| {
        let rows = part.range();
        for row in rows.clone() {
            products(c.backend, w, row, x, |token, product| part.row(token)[row - rows.start] = product);
        }
    });
}

/// The same of the rows `rows` alone and one token: `y[i]` = `w[rows[i]] · x`.
///
/// Panics where the columns differ in number, or `y` and `rows`; on a row that is not there.
pub fn dense_rows(c: &Compute, w: &DenseMatrix, rows: &[u32], x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), w.cols, "columns of weights and activations");
    assert_eq!(y.len(), rows.len(), "length of the result");
    c.pool.chunks(y, SOME_ROWS, |task, y| {
        for (y, row) in y.iter_mut().zip(&rows[task * SOME_ROWS..]) {
            products(c.backend, w, *row as usize, x, |_, product| *y = product);
        }
    });
}

/// Hands out the products of a row with each token.
#[inline(always)]
fn products(backend: Backend, w: &DenseMatrix, row: usize, x: &[f32], mut put: impl FnMut(usize, f32)) {
    let bytes = w.row_bytes(row);
    let mut each = |dot: &dyn Fn(&[f32]) -> f32| {
        for (token, x) in x.chunks_exact(w.cols).enumerate() {
            put(token, dot(x));
        }
    };
    match (w.kind, in_place::<u16>(bytes), in_place::<f32>(bytes)) {
        (TensorType::F16, Some(a), _) => each(&|x| backend.dot_f16(a, x)),
        (TensorType::BF16, Some(a), _) => each(&|x| backend.dot_bf16(a, x)),
        (TensorType::F32, _, Some(a)) => each(&|x| backend.dot(a, x)),
        _ => {
            let tokens = x.len() / w.cols;
            for first in (0..tokens).step_by(TILE_TOKENS) {
                let tile = tokens.min(first + TILE_TOKENS) - first;
                let mut lanes = [[0.0; LANES]; TILE_TOKENS];
                dot_blocks(backend, w, bytes, &x[first * w.cols..][..tile * w.cols], &mut lanes[..tile]);
                for (t, lanes) in lanes[..tile].iter().enumerate() {
                    put(first + t, fold(lanes));
                }
            }
        }
    }
}

/// Adds a row in a block format, times each activation row of `x`, to `lanes`.
fn dot_blocks(backend: &dyn Kernels, w: &DenseMatrix, bytes: &[u8], x: &[f32], lanes: &mut [Lanes]) {
    let piece_bytes = PIECE / w.kind.block() as usize * w.kind.block_bytes() as usize;
    let mut piece = [0.0; PIECE];
    for (i, bytes) in bytes.chunks(piece_bytes).enumerate() {
        let columns = i * PIECE..w.cols.min((i + 1) * PIECE);
        let piece = &mut piece[..columns.len()];
        backend.decode_blocks(w.kind, bytes, piece);
        for (lanes, x) in lanes.iter_mut().zip(x.chunks_exact(w.cols)) {
            backend.dot_piece(lanes, piece, &x[columns.clone()]);
        }
    }
}

/// A row's little-endian bytes as numbers, where they are aligned (they are, with every allocator seen; the general
/// way gives the same bits where they are not).
fn in_place<T: Number>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: every bit pattern is a `u16` and an `f32`, the only `Number`s.
    let (before, numbers, after) = unsafe { bytes.align_to::<T>() };
    (before.is_empty() && after.is_empty() && cfg!(target_endian = "little")).then_some(numbers)
}

/// Types that any bytes are.
trait Number {}
impl Number for u16 {}
impl Number for f32 {}
