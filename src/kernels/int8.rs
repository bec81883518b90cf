//! The output head in 8 bits: one byte a weight and one scale a row, times activations of 14 bits, exact in integers.
//!
//! A head in f16 is more than half of the bytes that a token reads. Here a weight is within 1/254 of the largest of its
//! row, and that is the only loss that counts: an activation is within 1/16382 of the largest.
//!
//! Activations are stored as u = q + 8192, with q = x·s rounded half to even, s = 8191 / max(1e-5, max |x|): two pieces
//! of 7 bits, which go unsigned into instructions that multiply bytes. Then Σ code·q = Σ code·u − 8192·Σ code, and the
//! second sum is a property of the row. y = (Σ code·q) · row scale · 1/s, in this order: the sum is exact, so a
//! result has three roundings and no order to depend on.

use super::generic::round;
use super::layout::COL_STEP;
use super::{Backend, Compute, repack};
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::gguf::TensorType;
use crate::{Error, Result};
use std::array::from_fn;

/// Rows that a backend takes in step.
pub(super) const ROWS: usize = 4;
/// Rows a task: as for the ternary product.
const TASK_ROWS: usize = 64;
/// Rows a task, where only some are wanted: there may be few.
pub(super) const SOME_ROWS: usize = 16;
/// The largest |q|.
const LARGEST: f32 = 8191.0;
/// What makes q positive.
const OFFSET: i64 = 8192;
/// The widest matrix: Σ code·piece stays within `i32`.
const MAX_COLS: usize = 1 << 16;

/// A matrix of 8-bit weights with a scale for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Matrix {
    cols: usize,
    /// `[rows][cols]`, -127..=127.
    codes: Vec<i8>,
    scales: Vec<f32>,
    /// Σ code of each row.
    sums: Vec<i32>,
}

/// A row with infinity or NaN, counted from the first of those that were pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite {
    /// Its index.
    pub row: usize,
}

impl Int8Matrix {
    /// No rows yet, room for `rows`.
    ///
    /// # Errors
    /// Columns that are no multiple of 128, or above 65,536; [`Error::OutOfMemory`].
    pub fn new(rows: usize, cols: usize) -> Result<Self> {
        if !Self::fits(cols) {
            return Err(Error::BadValue {
                key: "columns of an 8-bit matrix".to_owned(),
                value: cols.to_string(),
                reason: format!("must be a multiple of {COL_STEP} from {COL_STEP} to {MAX_COLS}"),
            });
        }
        let what = "8-bit weights";
        Ok(Int8Matrix {
            cols,
            codes: try_with_capacity(rows.saturating_mul(cols), what)?,
            scales: try_with_capacity(rows, what)?,
            sums: try_with_capacity(rows, what)?,
        })
    }

    /// Whether there can be a matrix of so many columns.
    pub fn fits(cols: usize) -> bool {
        cols > 0 && cols.is_multiple_of(COL_STEP) && cols <= MAX_COLS
    }

    /// Appends rows as they are in a file, of any type but I2_S, shared out among the threads:
    /// code = w·127 / max |w|, rounded half to even.
    ///
    /// Panics on what is not whole rows, and on more of them than there is room for.
    ///
    /// # Errors
    /// [`NotFinite`] with the first row of these that has infinity or NaN; none of them is then in the matrix.
    pub fn push(&mut self, compute: &Compute, kind: TensorType, bytes: &[u8]) -> std::result::Result<(), NotFinite> {
        let cols = self.cols;
        let row_bytes = cols / kind.block() as usize * kind.block_bytes() as usize;
        assert!(bytes.len().is_multiple_of(row_bytes), "{} bytes in rows of {row_bytes}", bytes.len());
        let (start, rows) = (self.rows(), bytes.len() / row_bytes);
        assert!(rows <= self.scales.capacity() - start, "beyond the matrix");
        self.scales.resize(start + rows, 0.0);
        self.sums.resize(start + rows, 0);
        let each = repack::units_a_task(rows, row_bytes, compute.pool.active());
        let room = self.codes.spare_capacity_mut()[..rows * cols].chunks_mut(each * cols);
        let results = self.scales[start..].chunks_mut(each).zip(self.sums[start..].chunks_mut(each));
        let parts = bytes.chunks(each * row_bytes).zip(room).zip(results);
        let mut tasks: Vec<_> = parts.map(|((bytes, room), results)| (bytes, room, results, None)).collect();
        compute.pool.chunks(&mut tasks, 1, |_, tasks| {
            for (bytes, room, (scales, sums), wrong) in tasks {
                let results = scales.iter_mut().zip(sums.iter_mut());
                let rows = bytes.chunks_exact(row_bytes).zip(room.chunks_exact_mut(cols)).zip(results);
                for (i, ((bytes, room), (scale, sum))) in rows.enumerate() {
                    match compute.backend.round_row(kind, bytes, repack::zeroed(room)) {
                        Some(row) => (*scale, *sum) = (row.scale, row.sum),
                        None => {
                            *wrong = wrong.or(Some(i));
                        }
                    }
                }
            }
        });
        let wrong = tasks.iter().enumerate().find_map(|(task, (.., wrong))| wrong.map(|row| task * each + row));
        if let Some(row) = wrong {
            self.scales.truncate(start);
            self.sums.truncate(start);
            return Err(NotFinite { row });
        }
        // SAFETY: the rows are within the capacity, and the tasks, all of which `chunks` has run, have written every byte of
        // theirs: each has whole rows, and `zeroed` writes a row.
        unsafe { self.codes.set_len((start + rows) * cols) };
        Ok(())
    }

    /// Output dimension.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Input dimension.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Memory that a matrix holds: a byte a weight, scale and sum of each row.
    pub fn bytes_of(rows: u64, cols: u64) -> u64 {
        rows.saturating_mul(cols.saturating_add(8))
    }

    /// Memory it holds.
    pub fn bytes(&self) -> usize {
        self.codes.len() + size_of_val(self.scales.as_slice()) + size_of_val(self.sums.as_slice())
    }

    /// The codes as they lie, without scales and sums.
    pub fn memory(&self) -> &[u8] {
        // SAFETY: the pointer and the length are the vector's, and `i8` and `u8` have the same size and any bits.
        unsafe { std::slice::from_raw_parts(self.codes.as_ptr().cast(), self.codes.len()) }
    }

    /// The scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Decodes row `i` into `out[cols]`.
    pub fn row(&self, i: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.cols, "length of a row");
        for (out, code) in out.iter_mut().zip(self.codes(i)) {
            *out = f32::from(*code) * self.scales[i];
        }
    }

    fn codes(&self, i: usize) -> &[i8] {
        &self.codes[i * self.cols..][..self.cols]
    }
}

/// One row of activations in 14 bits.
#[derive(Debug)]
pub struct WideActivations {
    /// u, below 2^14.
    pub(super) whole: Vec<i16>,
    /// u / 128.
    pub(super) high: Vec<u8>,
    /// u mod 128.
    pub(super) low: Vec<u8>,
    /// 1/s.
    step: f32,
}

impl WideActivations {
    /// Room for `cols` values, zeros at first.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(cols: usize) -> Result<Self> {
        let what = "activations";
        let (whole, high, low) = (try_zeroed(cols, what)?, try_zeroed(cols, what)?, try_zeroed(cols, what)?);
        let mut activations = WideActivations { whole, high, low, step: 0.0 };
        activations.whole.fill(OFFSET as i16);
        activations.high.fill((OFFSET >> 7) as u8);
        Ok(activations)
    }

    /// Takes `x` in. Panics where it has another length.
    pub fn quantize(&mut self, backend: Backend, x: &[f32]) {
        assert_eq!(x.len(), self.whole.len(), "length of a row of activations");
        let largest = backend.max_abs(x).max(1e-5);
        let scale = LARGEST / largest;
        self.step = largest / LARGEST;
        for (i, x) in x.iter().enumerate() {
            let v = x * scale;
            let v = if v.is_nan() { 0.0 } else { v.clamp(-LARGEST, LARGEST) };
            let u = (round(v) + OFFSET as i32) as i16;
            self.whole[i] = u;
            self.high[i] = (u >> 7) as u8;
            self.low[i] = (u & 127) as u8;
        }
    }
}

/// `y[row of x][row of w]` = w · x.
///
/// Panics where the columns of `x` and `w` differ in number, or `y` is not `x.len() · w.rows()` long.
pub fn int8_matmul(c: &Compute, w: &Int8Matrix, x: &[WideActivations], y: &mut [f32]) {
    assert!(x.iter().all(|x| x.whole.len() == w.cols), "columns of weights and activations");
    assert_eq!(y.len(), x.len() * w.rows(), "length of the result");
    c.pool.columns(y, w.rows(), TASK_ROWS, |part| {
        let range = part.range();
        // Rows in step lie far apart: one stream alone waits at the end of every page.
        let apart = range.len().div_ceil(ROWS);
        for i in 0..apart {
            let rows: [usize; ROWS] = from_fn(|r| (i + r * apart).min(range.len() - 1));
            // Read from memory with the first token, and from the first cache with the others.
            for (token, x) in x.iter().enumerate() {
                let y = part.row(token);
                for (row, product) in rows.into_iter().zip(products(c.backend, w, rows.map(|r| range.start + r), x)) {
                    y[row] = product;
                }
            }
        }
    });
}

/// The same of the rows `rows` alone and one token: `y[i]` = `w[rows[i]] · x`.
///
/// Panics where the columns differ in number, or `y` and `rows`; on a row that is not there.
pub fn int8_rows(c: &Compute, w: &Int8Matrix, rows: &[u32], x: &WideActivations, y: &mut [f32]) {
    assert_eq!(x.whole.len(), w.cols, "columns of weights and activations");
    assert_eq!(y.len(), rows.len(), "length of the result");
    c.pool.chunks(y, SOME_ROWS, |task, y| {
        let rows = &rows[task * SOME_ROWS..][..y.len()];
        for (rows, y) in rows.chunks(ROWS).zip(y.chunks_mut(ROWS)) {
            let rows: [usize; ROWS] = from_fn(|r| rows[r.min(rows.len() - 1)] as usize);
            y.copy_from_slice(&products(c.backend, w, rows, x)[..y.len()]);
        }
    });
}

/// The products with four rows.
#[inline(always)]
fn products(backend: Backend, w: &Int8Matrix, rows: [usize; ROWS], x: &WideActivations) -> [f32; ROWS] {
    let sums = backend.int8_sums(rows.map(|row| w.codes(row)), x);
    from_fn(|r| {
        let exact = sums[r] - OFFSET * i64::from(w.sums[rows[r]]);
        exact as f32 * w.scales[rows[r]] * x.step
    })
}

/// Σ code·u of the two pieces' sums.
#[cfg_attr(all(target_family = "wasm", not(target_feature = "relaxed-simd")), allow(dead_code))]
#[inline(always)]
pub(super) fn join(high: [i32; ROWS], low: [i32; ROWS]) -> [i64; ROWS] {
    from_fn(|r| 128 * i64::from(high[r]) + i64::from(low[r]))
}

/// As the product is written above: the oracle.
#[inline(always)]
pub(super) fn plain(codes: [&[i8]; ROWS], x: &WideActivations) -> [i64; ROWS] {
    codes.map(|codes| codes.iter().zip(&x.whole).map(|(code, u)| i64::from(*code) * i64::from(*u)).sum())
}

/// The length that all slices have: a multiple of 128.
#[inline(always)]
pub(super) fn columns(codes: &[&[i8]; ROWS], x: &WideActivations) -> usize {
    let cols = x.whole.len();
    assert!(codes.iter().all(|codes| codes.len() == cols) && cols.is_multiple_of(COL_STEP));
    assert!(x.high.len() == cols && x.low.len() == cols);
    cols
}
