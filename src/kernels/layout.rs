//! How ternary weights lie in memory, the same for every backend.
//!
//! Codes 0, 1, 2 stand for -1, 0, +1. Rows go in groups of four: byte `group·cols + column` holds the codes of the
//! four rows of a group at one column, row 4·group in bits 1:0, the next in 3:2, 5:4 and 7:6.
//!
//! - One load of activations serves four rows without a shuffle, and each accumulator belongs to one row.
//! - Masking without shifting leaves a code times 1, 4, 16 or 64. The sum stays exact, and one shift of the total
//!   takes the factor out again.
//! - With unsigned codes, Σ weight·q = Σ code·q − Σ q: the second sum is the same for all rows.

use crate::allocate::try_zeroed;
use crate::{Error, Result};

/// Rows that share a byte.
pub(super) const GROUP: usize = 4;
/// Columns come in multiples of this: the block of the I2_S format, and of every kernel's loop.
pub(super) const COL_STEP: usize = 128;
/// The widest matrix. Σ code·q stays within 2^24 (exact in `f32`) and 64 times that within `i32`.
pub const MAX_COLS: usize = 1 << 16;

/// Where the weights' scales apply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scales {
    /// One for the matrix.
    Matrix(f32),
    /// One for each run of `block` columns of a row: `scales[row][cols / block]`.
    Blocks { block: usize, scales: Vec<f32> },
}

/// A matrix of weights -1, 0, +1, four rows to a byte.
#[derive(Debug, Clone, PartialEq)]
pub struct TernaryMatrix {
    rows: usize,
    cols: usize,
    pub(super) packed: Vec<u8>,
    pub(super) scales: Scales,
}

impl TernaryMatrix {
    /// Output dimension.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input dimension, a multiple of 128.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Memory that a matrix of one scale holds.
    pub fn bytes_of(rows: u64, cols: u64) -> u64 {
        rows.div_ceil(GROUP as u64).saturating_mul(cols)
    }

    /// Memory it holds.
    pub fn bytes(&self) -> usize {
        let scales = match &self.scales {
            Scales::Matrix(_) => 0,
            Scales::Blocks { scales, .. } => size_of_val(scales.as_slice()),
        };
        self.packed.len() + scales
    }

    /// What a product reads of it, but for scales of blocks.
    pub fn memory(&self) -> &[u8] {
        &self.packed
    }

    /// The scales: one of the matrix, or one of each block.
    pub fn scales(&self) -> &[f32] {
        match &self.scales {
            Scales::Matrix(scale) => std::slice::from_ref(scale),
            Scales::Blocks { scales, .. } => scales,
        }
    }

    /// The codes of one row, unpacked.
    pub fn row_codes(&self, row: usize) -> Vec<u8> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let start = row / GROUP * self.cols;
        self.packed[start..start + self.cols].iter().map(|b| b >> (2 * (row % GROUP)) & 3).collect()
    }
}

/// Fills a [`TernaryMatrix`] as codes arrive, in any order and in pieces of any size.
#[derive(Debug)]
pub struct TernaryPacker {
    rows: usize,
    cols: usize,
    packed: Vec<u8>,
}

impl TernaryPacker {
    /// Room for `rows` × `cols` codes, all 0 at first. `cols` must be a multiple of 128 up to [`MAX_COLS`].
    pub fn new(rows: usize, cols: usize) -> Result<Self> {
        if cols == 0 || !cols.is_multiple_of(COL_STEP) || cols > MAX_COLS {
            return Err(Error::BadValue {
                key: "columns of a ternary matrix".to_owned(),
                value: cols.to_string(),
                reason: format!("must be a multiple of {COL_STEP} from {COL_STEP} to {MAX_COLS}"),
            });
        }
        // Where the product does not fit, neither does the memory: ask for more than there can be.
        let bytes = usize::try_from(TernaryMatrix::bytes_of(rows as u64, cols as u64)).unwrap_or(usize::MAX);
        Ok(TernaryPacker { rows, cols, packed: try_zeroed(bytes, "ternary weights")? })
    }

    /// Stores the codes of consecutive elements, row by row, from element `first`. `first` and the number of codes
    /// must be multiples of 128, each element may be stored once, and every code is 0, 1 or 2 (the caller has checked).
    pub fn put(&mut self, first: usize, codes: &[u8]) {
        assert!(first.is_multiple_of(COL_STEP) && codes.len().is_multiple_of(COL_STEP), "pieces of {COL_STEP} codes");
        assert!(first / COL_STEP + codes.len() / COL_STEP <= self.rows * (self.cols / COL_STEP), "beyond the matrix");
        let (mut row, mut col, mut codes) = (first / self.cols, first % self.cols, codes);
        while !codes.is_empty() {
            let (part, rest) = codes.split_at(codes.len().min(self.cols - col));
            let start = row / GROUP * self.cols + col;
            let shift = 2 * (row % GROUP);
            for (byte, code) in self.packed[start..start + part.len()].iter_mut().zip(part) {
                debug_assert!(*code <= 2, "code {code}");
                *byte |= (code & 3) << shift;
            }
            (row, col, codes) = (row + 1, 0, rest);
        }
    }

    /// The matrix whose weights all have one scale.
    pub fn finish_scaled(self, scale: f32) -> TernaryMatrix {
        self.finish(Scales::Matrix(scale))
    }

    /// The matrix with a scale for each run of `block` columns: `scales[row][cols / block]`. `block` must be a multiple
    /// of 128 that divides the columns.
    pub fn finish_block_scaled(self, block: usize, scales: Vec<f32>) -> TernaryMatrix {
        assert!(block > 0 && block.is_multiple_of(COL_STEP) && self.cols.is_multiple_of(block), "block of {block}");
        assert_eq!(scales.len(), self.rows * (self.cols / block), "one scale a block");
        self.finish(Scales::Blocks { block, scales })
    }

    fn finish(self, scales: Scales) -> TernaryMatrix {
        TernaryMatrix { rows: self.rows, cols: self.cols, packed: self.packed, scales }
    }
}
