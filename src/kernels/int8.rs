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
use super::{Backend, Compute};
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::{Error, Result};
use std::array::from_fn;

/// Rows that a backend takes in step.
pub(super) const ROWS: usize = 4;
/// Rows a task: as for the ternary product.
const TASK_ROWS: usize = 64;
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

    /// Appends a row: code = w·127 / max |w|, rounded half to even. The weights must be finite.
    ///
    /// Panics on a row of another length, and on one more than there is room for.
    pub fn push_row(&mut self, backend: Backend, weights: &[f32]) {
        assert_eq!(weights.len(), self.cols, "length of a row");
        assert!(self.scales.len() < self.scales.capacity(), "one row too many");
        let start = self.codes.len();
        let largest = backend.max_abs(weights);
        // Of numbers below this the inverse is infinite; such a row is zeros.
        let inverse = if largest > 1e-36 { 127.0 / largest } else { 0.0 };
        self.codes.resize(start + self.cols, 0);
        backend.quantize(weights, inverse, &mut self.codes[start..]);
        self.sums.push(backend.sum(&self.codes[start..]));
        self.scales.push(if inverse > 0.0 { largest / 127.0 } else { 0.0 });
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

/// `y[row]` = w · x.
///
/// Panics where the columns of `x` and `w`, or `y` and the rows of `w`, differ in number.
pub fn int8_matvec(c: &Compute, w: &Int8Matrix, x: &WideActivations, y: &mut [f32]) {
    assert_eq!(x.whole.len(), w.cols, "columns of weights and activations");
    assert_eq!(y.len(), w.rows(), "length of the result");
    c.pool.chunks(y, TASK_ROWS, |task, y| {
        // Rows in step lie far apart: one stream alone waits at the end of every page.
        let apart = y.len().div_ceil(ROWS);
        for i in 0..apart {
            let rows: [usize; ROWS] = from_fn(|r| task * TASK_ROWS + (i + r * apart).min(y.len() - 1));
            let sums = c.backend.int8_sums(rows.map(|row| w.codes(row)), x);
            for (row, sum) in rows.into_iter().zip(sums) {
                let exact = sum - OFFSET * i64::from(w.sums[row]);
                y[row - task * TASK_ROWS] = exact as f32 * w.scales[row] * x.step;
            }
        }
    });
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
