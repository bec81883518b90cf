//! Activations as the ternary product takes them: 8 bits, one scale a row.
//!
//! s = 127 / max(1e-5, max |x|), computed in `f64` and narrowed; q = x·s, rounded half to even. The same as bitnet.cpp
//! and the published model's training.

use super::groups::GroupActivations;
use super::layout::{COL_STEP, MAX_COLS};
use super::tables::{self, Shape, Slots, Trial};
use super::{Compute, TernaryMatrix, Way};
use crate::{Error, Result};
use std::ops::Range;

/// The floor under max |x|: a row of zeros has a scale too.
const FLOOR: f64 = 1e-5;

/// Quantised rows, and the sums that every product with them needs. Keeps its buffers from call to call.
#[derive(Debug, Default)]
pub struct Activations {
    rows: usize,
    cols: usize,
    /// `[rows][cols]`.
    q: Vec<i8>,
    /// The same in 16 bits, eight even columns and then eight odd ones of every sixteen; empty unless wanted.
    halves: Vec<i16>,
    /// s of each row.
    scales: Vec<f32>,
    /// Σ q of each run of 128 columns: `[rows][cols / 128]`.
    sums: Vec<i32>,
    /// For tables, `[tile][column][token]`, the last tile filled up with whatever is there to a whole register.
    turned: Vec<i8>,
    are_turned: bool,
    tiles: Tiles,
    slots: Slots,
    trial: Option<Trial>,
    /// For matrices that want them so.
    groups: GroupActivations,
}

/// Tiles of tokens: all but the last have `whole` of them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tiles {
    tokens: usize,
    pub(super) whole: usize,
    lanes: usize,
}

impl Tiles {
    fn new(tokens: usize, shape: Shape) -> Self {
        Tiles { tokens, whole: shape.tokens(), lanes: shape.lanes }
    }

    pub(super) fn count(self) -> usize {
        self.tokens.div_ceil(self.whole)
    }

    /// The tokens of a tile.
    pub(super) fn rows(self, tile: usize) -> Range<usize> {
        tile * self.whole..self.tokens.min((tile + 1) * self.whole)
    }

    /// As many and those it is filled up with.
    fn padded(self, tile: usize) -> usize {
        self.rows(tile).len().next_multiple_of(self.lanes)
    }
}

impl Activations {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows (tokens).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of each row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Takes `x[rows][cols]` in. `cols` must be a multiple of 128 up to [`MAX_COLS`], and divide the length of `x`.
    /// The products must be computed on the same backend, and are computed by dots.
    pub fn quantize(&mut self, c: &Compute, x: &[f32], cols: usize) -> Result<()> {
        self.trial = None;
        self.quantize_for(c, x, cols, Way::Dots)
    }

    /// The same for products with `matrices` at once, which are computed in the way that is faster: with a scale a row, or in
    /// groups, or both, as the matrices want them.
    pub fn quantize_best<'a>(
        &mut self,
        c: &Compute,
        x: &[f32],
        cols: usize,
        mut matrices: impl Iterator<Item = &'a TernaryMatrix> + Clone,
    ) -> Result<()> {
        if matrices.clone().any(TernaryMatrix::in_groups) {
            self.groups.quantize(c, x, cols)?;
            if matrices.all(TernaryMatrix::in_groups) {
                (self.rows, self.cols, self.trial, self.are_turned) = (0, cols, None, false);
                return Ok(());
            }
            return self.quantize(c, x, cols);
        }
        let rows = matrices.clone().map(TernaryMatrix::rows).sum();
        let (by_tables, trial) =
            if matrices.all(tables::suits) { tables::choose(c, x.len() / cols, rows, cols) } else { (false, None) };
        self.trial = trial;
        self.quantize_for(c, x, cols, if by_tables { Way::Tables { rows } } else { Way::Dots })
    }

    /// The same for products that are computed in the given way.
    pub fn quantize_for(&mut self, c: &Compute, x: &[f32], cols: usize, way: Way) -> Result<()> {
        assert!(cols > 0 && cols.is_multiple_of(COL_STEP) && cols <= MAX_COLS, "{cols} columns");
        assert!(x.len().is_multiple_of(cols), "{} values in rows of {cols}", x.len());
        (self.rows, self.cols) = (0, cols);
        let (rows, pieces, backend) = (x.len() / cols, cols / COL_STEP, c.backend);
        resize(&mut self.scales, rows)?;
        resize(&mut self.q, x.len())?;
        resize(&mut self.sums, rows * pieces)?;
        let dots = way == Way::Dots;
        resize(&mut self.halves, if dots && backend.wants_halves() { x.len() } else { 0 })?;
        self.are_turned = !dots;
        if let Way::Tables { rows: outputs } = way {
            let shape = backend.table_shape();
            self.tiles = Tiles::new(rows, shape);
            self.slots.prepare(c.pool.threads(), shape, outputs, rows)?;
            resize(&mut self.turned, rows.next_multiple_of(shape.lanes) * cols)?;
        }

        c.pool.chunks(&mut self.scales, 1, |row, scale| {
            let largest = f64::from(backend.max_abs(&x[row * cols..][..cols]));
            scale[0] = (127.0 / largest.max(FLOOR)) as f32;
        });
        let scales = &self.scales;
        c.pool.chunks(&mut self.q, cols, |row, q| backend.quantize(&x[row * cols..][..cols], scales[row], q));
        let q = &self.q;
        if !dots {
            for tile in 0..self.tiles.count() {
                let (rows, tokens) = (self.tiles.rows(tile), self.tiles.padded(tile));
                let turned = &mut self.turned[rows.start * cols..][..tokens * cols];
                c.pool.chunks(turned, COL_STEP * tokens, |piece, turned| {
                    for (token, row) in rows.clone().enumerate() {
                        let q = &q[row * cols + piece * COL_STEP..][..COL_STEP];
                        for (turned, q) in turned.chunks_exact_mut(tokens).zip(q) {
                            turned[token] = *q;
                        }
                    }
                });
            }
            self.rows = rows;
            return Ok(());
        }
        c.pool.chunks(&mut self.sums, pieces, |row, sums| {
            for (sum, q) in sums.iter_mut().zip(q[row * cols..][..cols].chunks_exact(COL_STEP)) {
                *sum = backend.sum(q);
            }
        });
        c.pool.chunks(&mut self.halves, cols, |row, halves| split_halves(&q[row * cols..][..cols], halves));
        self.rows = rows;
        Ok(())
    }

    /// Those in groups.
    pub(super) fn groups(&self) -> &GroupActivations {
        &self.groups
    }

    /// The same, to change them.
    #[cfg(test)]
    pub(super) fn groups_mut(&mut self) -> &mut GroupActivations {
        &mut self.groups
    }

    /// Sets every value to `value`.
    #[cfg(test)]
    pub(super) fn fill(&mut self, value: i8) {
        self.q.fill(value);
        self.halves.fill(value.into());
        self.sums.fill(i32::from(value) * COL_STEP as i32);
    }

    /// The 8-bit values, `[rows][cols]`.
    pub(super) fn q(&self) -> &[i8] {
        &self.q
    }

    /// The 16-bit values; panics where the backend that quantised has no use for them.
    pub(super) fn halves(&self) -> &[i16] {
        assert_eq!(self.halves.len(), self.q.len(), "activations quantised for another backend");
        &self.halves
    }

    /// Whether products are computed by tables.
    pub(super) fn are_turned(&self) -> bool {
        self.are_turned
    }

    /// All products are computed.
    pub(super) fn multiplied(&self) {
        if let Some(trial) = &self.trial {
            trial.end();
        }
    }

    pub(super) fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// Tokens of a tile with those it is filled up with, and its values, `[column][token]`.
    pub(super) fn tile(&self, tile: usize) -> (usize, &[i8]) {
        let tokens = self.tiles.padded(tile);
        (tokens, &self.turned[tile * self.tiles.whole * self.cols..][..tokens * self.cols])
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// s of a row.
    pub(super) fn scale(&self, row: usize) -> f32 {
        self.scales[row]
    }

    /// Σ q of `columns` (multiples of 128) of a row.
    pub(super) fn sum(&self, row: usize, columns: std::ops::Range<usize>) -> i32 {
        let sums = &self.sums[row * (self.cols / COL_STEP)..][..self.cols / COL_STEP];
        sums[columns.start / COL_STEP..columns.end / COL_STEP].iter().sum()
    }
}

/// Even and odd columns apart, in blocks of eight: the two bytes of a 16-bit lane of codes are two columns.
pub(super) fn split_halves(q: &[i8], halves: &mut [i16]) {
    for (q, halves) in q.as_chunks::<16>().0.iter().zip(halves.as_chunks_mut::<16>().0) {
        for i in 0..8 {
            halves[i] = i16::from(q[2 * i]);
            halves[8 + i] = i16::from(q[2 * i + 1]);
        }
    }
}

/// `v` with `len` elements, or an error where the memory is short.
pub(super) fn resize<T: Clone + Default>(v: &mut Vec<T>, len: usize) -> Result<()> {
    v.try_reserve(len.saturating_sub(v.len())).map_err(|_| Error::OutOfMemory {
        what: "activations".to_owned(),
        bytes: (len as u64).saturating_mul(size_of::<T>() as u64),
    })?;
    v.resize(len, T::default());
    Ok(())
}
