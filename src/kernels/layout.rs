//! How ternary weights lie in memory, the same for every backend.
//!
//! Codes 0, 1, 2 stand for -1, 0, +1. Rows go in groups of four: byte `group·cols + column` holds the codes of the
//! four rows of a group at one column, row 4·group in bits 1:0, the next in 3:2, 5:4 and 7:6.
//!
//! - One load of activations serves four rows without a shuffle, and each accumulator belongs to one row.
//! - Masking without shifting leaves a code times 1, 4, 16 or 64. The sum stays exact, and one shift of the total
//!   takes the factor out again.
//! - With unsigned codes, Σ weight·q = Σ code·q − Σ q: the second sum is the same for all rows.

use super::Compute;
use super::repack::{self, Packing};
use crate::allocate::try_with_capacity;
use crate::{Error, Result};
use std::array::from_fn;

/// Rows that share a byte.
pub(super) const GROUP: usize = 4;
/// Columns come in multiples of this: the block of the I2_S format, and of every kernel's loop.
pub(super) const COL_STEP: usize = 128;
/// The widest matrix. Σ code·q stays within 2^24 (exact in `f32`) and 64 times that within `i32`.
pub const MAX_COLS: usize = 1 << 16;

/// Bytes of the widest row in any packing: TQ2_0 has 66 for each 256 weights.
const MAX_ROW_BYTES: usize = MAX_COLS / 256 * 66;

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

/// Fills a [`TernaryMatrix`] with a file's rows.
#[derive(Debug)]
pub struct TernaryPacker {
    rows: usize,
    cols: usize,
    packing: Packing,
    /// Grows by whole groups, in the room that it has from the beginning: only what is written takes memory.
    packed: Vec<u8>,
}

/// A code 3, which no writer produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeThree;

impl TernaryPacker {
    /// Room for `rows` × `cols` codes. `cols` must be a multiple of 128 up to [`MAX_COLS`], and whole blocks of `packing`.
    pub fn new(rows: usize, cols: usize, packing: Packing) -> Result<Self> {
        if cols == 0 || !cols.is_multiple_of(COL_STEP.max(packing.block())) || cols > MAX_COLS {
            let step = COL_STEP.max(packing.block());
            return Err(Error::BadValue {
                key: "columns of a ternary matrix".to_owned(),
                value: cols.to_string(),
                reason: format!("must be a multiple of {step} from {step} to {MAX_COLS}"),
            });
        }
        // Where the product does not fit, neither does the memory: ask for more than there can be.
        let bytes = usize::try_from(TernaryMatrix::bytes_of(rows as u64, cols as u64)).unwrap_or(usize::MAX);
        Ok(TernaryPacker { rows, cols, packing, packed: try_with_capacity(bytes, "ternary weights")? })
    }

    /// Bytes of the rows that share memory, and are pushed together.
    pub fn group_bytes(&self) -> usize {
        GROUP * self.packing.row_bytes(self.cols)
    }

    /// Appends rows as they are in the file, shared out among the threads: whole groups of four, but for the last rows of
    /// the matrix.
    ///
    /// Panics on what is not whole rows, and on more of them than there is room for.
    ///
    /// # Errors
    /// [`CodeThree`] somewhere in these bytes: the packer is then of no use.
    pub fn push(&mut self, compute: &Compute, bytes: &[u8]) -> std::result::Result<(), CodeThree> {
        let row_bytes = self.packing.row_bytes(self.cols);
        let (groups, last) = bytes.split_at(bytes.len() - bytes.len() % self.group_bytes());
        self.push_groups(compute, groups)?;
        if last.is_empty() {
            return Ok(());
        }
        assert!(last.len().is_multiple_of(row_bytes), "{} bytes in rows of {row_bytes}", last.len());
        assert_eq!(last.len() / row_bytes, self.rows - self.packed.len() / self.cols * GROUP, "rows at the end");
        // A row that is not there has codes 0.
        let none = [0; MAX_ROW_BYTES];
        let row = |i: usize| last.get(i * row_bytes..(i + 1) * row_bytes).unwrap_or(&none[..row_bytes]);
        let start = self.packed.len();
        self.packed.resize(start + self.cols, 0);
        let ternary = compute.backend.pack_rows(self.packing, from_fn(row), &mut self.packed[start..]);
        if ternary { Ok(()) } else { Err(CodeThree) }
    }

    fn push_groups(&mut self, compute: &Compute, bytes: &[u8]) -> std::result::Result<(), CodeThree> {
        let Self { cols, packing, .. } = *self;
        let (group_bytes, row_bytes) = (self.group_bytes(), packing.row_bytes(cols));
        let groups = bytes.len() / group_bytes;
        let len = self.packed.len() + groups * cols;
        let room = self.packed.spare_capacity_mut();
        assert!(groups * cols <= room.len(), "beyond the matrix");
        let each = repack::units_a_task(groups, group_bytes, compute.pool.active());
        let parts = bytes.chunks(each * group_bytes).zip(room[..groups * cols].chunks_mut(each * cols));
        let mut tasks: Vec<_> = parts.map(|(bytes, room)| (bytes, room, true)).collect();
        compute.pool.chunks(&mut tasks, 1, |_, tasks| {
            for (bytes, room, ternary) in tasks {
                for (group, room) in bytes.chunks_exact(group_bytes).zip(room.chunks_exact_mut(cols)) {
                    let rows = from_fn(|i| &group[i * row_bytes..][..row_bytes]);
                    *ternary &= compute.backend.pack_rows(packing, rows, repack::zeroed(room));
                }
            }
        });
        let ternary = tasks.iter().all(|(.., ternary)| *ternary);
        // SAFETY: the room is within the capacity, and the tasks, all of which `chunks` has run, have written every byte of
        // it: each has its part of the room, whose length is a multiple of `cols`, and `zeroed` writes runs of that.
        unsafe { self.packed.set_len(len) };
        if ternary { Ok(()) } else { Err(CodeThree) }
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
        assert_eq!(self.packed.len(), self.rows.div_ceil(GROUP) * self.cols, "rows are missing");
        TernaryMatrix { rows: self.rows, cols: self.cols, packed: self.packed, scales }
    }
}
