//! How ternary weights lie in memory, the same for every backend.
//!
//! Codes 0, 1, 2 stand for -1, 0, +1. Rows go in groups of four: byte `group·cols + column` holds the codes of the
//! four rows of a group at one column, row 4·group in bits 1:0, the next in 3:2, 5:4 and 7:6.
//!
//! - One load of activations serves four rows without a shuffle, and each accumulator belongs to one row.
//! - Masking without shifting leaves a code times 1, 4, 16 or 64. The sum stays exact, and one shift of the total
//!   takes the factor out again.
//! - With unsigned codes, Σ weight·q = Σ code·q − Σ q: the second sum is the same for all rows.

use super::repack::{self, Packing};
use super::{Backend, Compute, groups};
use crate::allocate::try_with_capacity;
use crate::blocks::float::f16_to_f32;
use crate::{Error, Result};
use std::array::from_fn;

/// Rows that share a byte.
pub(super) const GROUP: usize = 4;
/// Columns come in multiples of this: the block of the I2_S format, and of every kernel's loop.
pub(super) const COL_STEP: usize = 128;
/// The widest matrix. Σ code·q stays within 2^24 (exact in `f32`) and 64 times that within `i32`.
pub const MAX_COLS: usize = 1 << 16;

/// Bytes of the widest row in any packing: Q2_0 has 18 for each 64 weights.
const MAX_ROW_BYTES: usize = MAX_COLS / 64 * 18;

/// Where the weights' scales apply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scales {
    /// One for the matrix.
    Matrix(f32),
    /// One for each run of `block` columns of a row: `scales[row][cols / block]`.
    Blocks { block: usize, scales: Vec<f32> },
    /// The same with activations in groups: the scales are among the codes, and these in tiles ([`groups`]).
    Groups { block: usize },
}

/// A matrix of weights -1, 0, +1, four rows to a byte: of rows that follow each other as told above, or in tiles as `groups` tells.
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

    /// Input dimension, a multiple of 128, or of 64 in blocks of so many.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Memory that a matrix of a file's packing holds; of TQ1_0 and TQ2_0, where all blocks have one scale.
    pub fn bytes_of(packing: Packing, rows: u64, cols: u64) -> u64 {
        if packing.in_groups() {
            let cols = usize::try_from(cols).unwrap_or(usize::MAX);
            let tile = groups::tile_bytes(cols.min(MAX_COLS), packing.block()) as u64;
            rows.div_ceil(groups::TILE as u64).saturating_mul(tile)
        } else {
            rows.div_ceil(GROUP as u64).saturating_mul(cols)
        }
    }

    /// Memory it holds.
    pub fn bytes(&self) -> usize {
        let scales = match &self.scales {
            Scales::Matrix(_) | Scales::Groups { .. } => 0,
            Scales::Blocks { scales, .. } => size_of_val(scales.as_slice()),
        };
        self.packed.len() + scales
    }

    /// What a product reads of it, but for [`scales`](Self::scales).
    pub fn memory(&self) -> &[u8] {
        &self.packed
    }

    /// The scales: one of the matrix, or one of each block; none where they are among the codes.
    pub fn scales(&self) -> &[f32] {
        match &self.scales {
            Scales::Matrix(scale) => std::slice::from_ref(scale),
            Scales::Blocks { scales, .. } => scales,
            Scales::Groups { .. } => &[],
        }
    }

    /// Takes this scale where the matrix has 1 so far; whether it has.
    pub(crate) fn take_scale(&mut self, scale: f32) -> bool {
        let has_one = self.scales == Scales::Matrix(1.0);
        if has_one {
            self.scales = Scales::Matrix(scale);
        }
        has_one
    }

    /// Whether activations have a scale for each 32 columns: [`groups`].
    pub fn in_groups(&self) -> bool {
        matches!(self.scales, Scales::Groups { .. })
    }

    /// Rows whose codes lie in the same bytes.
    pub fn rows_together(&self) -> usize {
        if self.in_groups() { groups::TILE } else { GROUP }
    }

    /// The codes of one row, unpacked.
    pub fn row_codes(&self, row: usize) -> Vec<u8> {
        (0..self.cols).map(|col| self.code(row, col)).collect()
    }

    fn code(&self, row: usize, col: usize) -> u8 {
        assert!(row < self.rows && col < self.cols, "row {row}, column {col}");
        let (at, shift) = match self.scales {
            Scales::Groups { block } => {
                let (at, shift) = groups::place(block, row % groups::TILE, col);
                (row / groups::TILE * groups::tile_bytes(self.cols, block) + at, shift)
            }
            _ => (row / GROUP * self.cols + col, 2 * (row % GROUP)),
        };
        self.packed[at] >> shift & 3
    }

    /// Decodes row `row` into `out[cols]`, as the file's own format has it.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.cols, "length of a row");
        for (col, out) in out.iter_mut().enumerate() {
            let scale = match &self.scales {
                Scales::Matrix(scale) => *scale,
                Scales::Blocks { block, scales } => scales[row * (self.cols / block) + col / block],
                Scales::Groups { block } => {
                    let tile = &self.packed[row / groups::TILE * groups::tile_bytes(self.cols, *block)..];
                    let at = groups::scale_place(*block, row % groups::TILE, col);
                    f16_to_f32(u16::from_le_bytes([tile[at], tile[at + 1]]))
                }
            };
            *out = (f32::from(self.code(row, col)) - 1.0) * scale;
        }
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
    /// Room for `rows` × `cols` codes. `cols` must be whole blocks of `packing` up to [`MAX_COLS`], and a multiple of 128 but
    /// for packings [in groups](Packing::in_groups).
    pub fn new(rows: usize, cols: usize, packing: Packing) -> Result<Self> {
        let step = if packing.in_groups() { packing.block() } else { COL_STEP.max(packing.block()) };
        if cols == 0 || !cols.is_multiple_of(step) || cols > MAX_COLS {
            return Err(Error::BadValue {
                key: "columns of a ternary matrix".to_owned(),
                value: cols.to_string(),
                reason: format!("must be a multiple of {step} from {step} to {MAX_COLS}"),
            });
        }
        // Where the product does not fit, neither does the memory: ask for more than there can be.
        let bytes = TernaryMatrix::bytes_of(packing, rows as u64, cols as u64);
        let packed = try_with_capacity(usize::try_from(bytes).unwrap_or(usize::MAX), "ternary weights")?;
        Ok(TernaryPacker { rows, cols, packing, packed })
    }

    /// Rows that share memory, and are pushed together.
    fn unit(&self) -> usize {
        if self.packing.in_groups() { groups::TILE } else { GROUP }
    }

    /// Bytes that they take in the layout.
    fn unit_room(&self) -> usize {
        if self.packing.in_groups() { groups::tile_bytes(self.cols, self.packing.block()) } else { self.cols }
    }

    /// Bytes of the rows that share memory, and are pushed together.
    pub fn group_bytes(&self) -> usize {
        self.unit() * self.packing.row_bytes(self.cols)
    }

    /// Appends rows as they are in the file, shared out among the threads: whole groups, but for the last rows of the matrix.
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
        let done = self.packed.len() / self.unit_room() * self.unit();
        assert_eq!(last.len() / row_bytes, self.rows - done, "rows at the end");
        let start = self.packed.len();
        self.packed.resize(start + self.unit_room(), 0);
        let ternary = pack(compute.backend, self.packing, self.cols, last, &mut self.packed[start..]);
        if ternary { Ok(()) } else { Err(CodeThree) }
    }

    fn push_groups(&mut self, compute: &Compute, bytes: &[u8]) -> std::result::Result<(), CodeThree> {
        let Self { cols, packing, .. } = *self;
        let (group_bytes, unit) = (self.group_bytes(), self.unit_room());
        let groups = bytes.len() / group_bytes;
        let len = self.packed.len() + groups * unit;
        let room = self.packed.spare_capacity_mut();
        assert!(groups * unit <= room.len(), "beyond the matrix");
        let each = repack::units_a_task(groups, group_bytes, compute.pool.active());
        let parts = bytes.chunks(each * group_bytes).zip(room[..groups * unit].chunks_mut(each * unit));
        let mut tasks: Vec<_> = parts.map(|(bytes, room)| (bytes, room, true)).collect();
        compute.pool.chunks(&mut tasks, 1, |_, tasks| {
            for (bytes, room, ternary) in tasks {
                for (group, room) in bytes.chunks_exact(group_bytes).zip(room.chunks_exact_mut(unit)) {
                    *ternary &= pack(compute.backend, packing, cols, group, repack::zeroed(room));
                }
            }
        });
        let ternary = tasks.iter().all(|(.., ternary)| *ternary);
        // SAFETY: the room is within the capacity, and the tasks, all of which `chunks` has run, have written every byte of
        // it: each has its part of the room, whose length is a multiple of `unit`, and `zeroed` writes runs of that.
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

    /// The matrix of a packing [in groups](Packing::in_groups), whose scales have come with the codes.
    pub fn finish_groups(self) -> TernaryMatrix {
        assert!(self.packing.in_groups(), "{:?} has no groups", self.packing);
        let block = self.packing.block();
        self.finish(Scales::Groups { block })
    }

    fn finish(self, scales: Scales) -> TernaryMatrix {
        assert_eq!(self.packing.in_groups(), matches!(scales, Scales::Groups { .. }), "scales of {:?}", self.packing);
        assert_eq!(self.packed.len(), self.rows.div_ceil(self.unit()) * self.unit_room(), "rows are missing");
        TernaryMatrix { rows: self.rows, cols: self.cols, packed: self.packed, scales }
    }
}

/// Rows that share memory, as they are in the file, to the layout. Those that are not there have codes 0 and scales 0.
fn pack(backend: Backend, packing: Packing, cols: usize, rows: &[u8], out: &mut [u8]) -> bool {
    static NONE: [u8; MAX_ROW_BYTES] = [0; MAX_ROW_BYTES];
    let bytes = packing.row_bytes(cols);
    let row = |i: usize| rows.get(i * bytes..(i + 1) * bytes).unwrap_or(&NONE[..bytes]);
    if packing.in_groups() {
        groups::pack_tile(backend, packing, cols, row, out)
    } else {
        backend.pack_rows(packing, from_fn(row), out)
    }
}
