//! Attention of some queries to one page of positions, written once as in `generic.rs`.
//!
//! Rows are the query heads that share a KV head, of one or several tokens. A row's arithmetic does not depend on the
//! rows beside it, so blocks of four, two and one row give the same bits:
//! - q is scaled, and limited to what f16 keys of every instruction set can meet;
//! - score = Σ q·k over eight lanes (element i belongs to lane i mod 8), folded by halves. Keys in 8 bits: the exact sum
//!   of integers, q rounded to 16 bits, times the scale of the key times that of q;
//! - weight = exp(score - largest score of the page); their sum over four lanes (by position mod 4), folded by halves;
//! - out = Σ weight·value along the positions, from zero; with values in 8 bits each weight is first multiplied by the
//!   value's scale.
//!
//! Positions that a row does not see have weight zero, which changes no sum. `model/attention.rs` puts the pages together.

mod loops;
mod vector;

use super::generic;
use crate::Result;
use crate::allocate::try_grow;
use loops::{integer_scores, scores, values, weigh};
use vector::Element;
pub(super) use vector::{Portable, Vector};

/// Lanes of a score.
pub(super) const EIGHT: usize = 8;
/// Heads are stored with zeros up to a multiple of this; values lie in columns of it.
pub const COLUMN: usize = 16;
/// Keys turned into f32 at once for several blocks of rows: with a head of 128 they take 16 kB.
const TILE: usize = 32;
/// Scaled queries go no further: in wasm they are multiplied by 2^112, because f16 are loaded divided by it.
const LARGEST: f32 = 32768.0;

/// Keys `[position][width]` and values `[column of width][capacity][COLUMN]` of one head.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// f16, finite.
    F16 {
        /// See above.
        keys: &'a [u16],
        /// See above.
        values: &'a [u16],
    },
    /// f32.
    F32 {
        /// See above.
        keys: &'a [f32],
        /// See above.
        values: &'a [f32],
    },
    /// 8-bit codes, and a scale for each position.
    Q8 {
        /// See above.
        keys: &'a [i8],
        /// See above.
        values: &'a [i8],
        /// Of each position's key.
        key_scales: &'a [f32],
        /// Of each position's value.
        value_scales: &'a [f32],
    },
}

/// Positions of one page and one KV head.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Keys and values.
    pub stored: Stored<'a>,
    /// Elements of a head as stored: a multiple of [`COLUMN`].
    pub width: usize,
    /// Positions to look at.
    pub positions: usize,
}

/// The queries of one KV head.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// From the first query head of the first token on.
    pub q: &'a [f32],
    /// Tokens.
    pub tokens: usize,
    /// Elements from one token to the next.
    pub stride: usize,
    /// Query heads of a token.
    pub heads: usize,
    /// Elements of a head.
    pub dim: usize,
    /// Positions of the page up to the first token, itself among them; the next token sees one more. May be below zero.
    pub seen: isize,
}

impl Queries<'_> {
    fn rows(&self) -> usize {
        self.tokens * self.heads
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.q[row / self.heads * self.stride + row % self.heads * self.dim..][..self.dim]
    }

    /// Positions that a row sees.
    fn limit(&self, row: usize) -> usize {
        (self.seen + (row / self.heads) as isize).max(0) as usize
    }
}

/// What a thread works with and keeps.
#[derive(Debug)]
pub struct Scratch {
    q: Vec<f32>,
    integers: Vec<i16>,
    units: Vec<f32>,
    scores: Vec<f32>,
    tile: Vec<f32>,
}

impl Scratch {
    /// Nothing yet: it grows to what the first pages need.
    pub const fn new() -> Self {
        Scratch { q: Vec::new(), integers: Vec::new(), units: Vec::new(), scores: Vec::new(), tile: Vec::new() }
    }

    /// Makes room for pages of so many positions and so many rows of queries: with it
    /// [`attend`](super::Kernels::attend) asks for no memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn reserve(&mut self, rows: usize, width: usize, positions: usize) -> Result<()> {
        try_grow(&mut self.q, rows * width, WHAT)?;
        try_grow(&mut self.integers, rows * width, WHAT)?;
        try_grow(&mut self.units, rows, WHAT)?;
        try_grow(&mut self.scores, rows * positions, WHAT)?;
        try_grow(&mut self.tile, (TILE * width).max(COLUMN * positions), WHAT)
    }
}

const WHAT: &str = "attention";

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

fn at_least<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

/// The length of what [`Kernels::attend`](super::Kernels::attend) gives: `[row][width]` sums of weighted values, `[row]` largest scores, `[row]` sums of weights.
pub fn partial_len(rows: usize, width: usize) -> usize {
    rows * (width + 2)
}

/// Runs the body for blocks of four, two and one row: `$first` is the first row, `$rows` a constant.
macro_rules! blocks {
    ($all:expr, $first:ident, $rows:ident, $body:block) => {
        let (mut next, all) = (0, $all);
        while next < all {
            let $first = next;
            match all - next {
                4.. => {
                    const $rows: usize = 4;
                    $body
                    next += 4;
                }
                2.. => {
                    const $rows: usize = 2;
                    $body
                    next += 2;
                }
                _ => {
                    const $rows: usize = 1;
                    $body
                    next += 1;
                }
            }
        }
    };
}

/// What [`Kernels::attend`](super::Kernels::attend) promises.
///
/// # Safety
/// The processor has what `V` needs.
#[inline(always)]
pub(super) unsafe fn attend<V: Vector>(
    page: &Page<'_>,
    queries: &Queries<'_>,
    scratch: &mut Scratch,
    partial: &mut [f32],
) {
    let (rows, width, n) = (queries.rows(), page.width, page.positions);
    assert!(width.is_multiple_of(COLUMN) && queries.dim <= width, "a head of {} in {width}", queries.dim);
    assert_eq!(partial.len(), partial_len(rows, width), "length of a page's result");
    // SAFETY: the caller's promise.
    unsafe {
        match page.stored {
            Stored::F16 { keys, values } => {
                float_scores::<V, u16>(queries, &keys[..n * width], width, scratch);
                weigh_rows(queries, n, None, scratch, &mut partial[rows * width..]);
                sum_values::<V, u16>(values, width, rows, n, scratch, partial);
            }
            Stored::F32 { keys, values } => {
                float_scores::<V, f32>(queries, &keys[..n * width], width, scratch);
                weigh_rows(queries, n, None, scratch, &mut partial[rows * width..]);
                sum_values::<V, f32>(values, width, rows, n, scratch, partial);
            }
            Stored::Q8 { keys, values, key_scales, value_scales } => {
                code_scores::<V>(queries, &keys[..n * width], &key_scales[..n], width, scratch);
                weigh_rows(queries, n, Some(&value_scales[..n]), scratch, &mut partial[rows * width..]);
                sum_values::<V, i8>(values, width, rows, n, scratch, partial);
            }
        }
    }
}

/// Elements of a row, a last piece filled up with zeros.
#[inline(always)]
fn padded<const N: usize>(row: &[f32]) -> [f32; N] {
    match row.first_chunk() {
        Some(row) => *row,
        None => {
            let mut all = [0.0; N];
            all[..row.len()].copy_from_slice(row);
            all
        }
    }
}

/// A query's elements as scores see them.
#[inline(always)]
fn scaled(x: f32, scale: f32) -> f32 {
    let x = x * scale;
    let x = if x > LARGEST { LARGEST } else { x };
    if x < -LARGEST { -LARGEST } else { x }
}

/// Scores of all rows: `[block of rows][position][row]`.
///
/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn float_scores<V: Vector, E: Element>(queries: &Queries<'_>, keys: &[E], width: usize, scratch: &mut Scratch) {
    let (rows, n, scale) = (queries.rows(), keys.len() / width, 1.0 / libm::sqrtf(queries.dim as f32));
    let q = at_least(&mut scratch.q, rows * width);
    q.fill(0.0);
    blocks!(rows, first, H, {
        let q = q[first * width..][..H * width].as_chunks_mut::<EIGHT>().0.as_chunks_mut::<H>().0;
        for h in 0..H {
            for (q, row) in q.iter_mut().zip(queries.row(first + h).chunks(EIGHT)) {
                let row = padded::<EIGHT>(row);
                for l in 0..EIGHT {
                    q[h][l] = scaled(row[l], scale) * E::unit::<V>();
                }
            }
        }
    });
    let all = at_least(&mut scratch.scores, rows * n);
    // SAFETY: the caller's promise.
    unsafe {
        if E::IS_F32 || rows <= 4 {
            let keys = keys.as_chunks::<EIGHT>().0;
            blocks!(rows, first, H, {
                let q = q[first * width..][..H * width].as_chunks::<EIGHT>().0.as_chunks::<H>().0;
                scores::<V, E, H>(q, keys, all[first * n..][..H * n].as_chunks_mut::<H>().0);
            });
            return;
        }
        for (i, keys) in keys.chunks(TILE * width).enumerate() {
            let tile = at_least(&mut scratch.tile, keys.len());
            spread::<V, E>(keys, tile);
            let (keys, count) = (tile.as_chunks::<EIGHT>().0, tile.len() / width);
            blocks!(rows, first, H, {
                let q = q[first * width..][..H * width].as_chunks::<EIGHT>().0.as_chunks::<H>().0;
                let block = &mut all[first * n + i * TILE * H..][..H * count];
                scores::<V, f32, H>(q, keys, block.as_chunks_mut::<H>().0);
            });
        }
    }
}

/// The same with keys in 8 bits.
///
/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn code_scores<V: Vector>(
    queries: &Queries<'_>,
    keys: &[i8],
    key_scales: &[f32],
    width: usize,
    scratch: &mut Scratch,
) {
    let (rows, n, scale) = (queries.rows(), key_scales.len(), 1.0 / libm::sqrtf(queries.dim as f32));
    // The largest sum is below width · 128 · most.
    let most = (i32::MAX as usize / (128 * width)).min(i16::MAX as usize) as f32;
    let q = at_least(&mut scratch.integers, rows * width);
    q.fill(0);
    let units = at_least(&mut scratch.units, rows);
    blocks!(rows, first, H, {
        let q = q[first * width..][..H * width].as_chunks_mut::<COLUMN>().0.as_chunks_mut::<H>().0;
        for h in 0..H {
            let row = queries.row(first + h);
            // At least a number whose inverse is finite. NaN becomes 0.
            let largest = scaled(generic::max_abs(row).max(1e-30), 1.0);
            let factor = most / largest;
            for (q, row) in q.iter_mut().zip(row.chunks(COLUMN)) {
                let row = padded::<COLUMN>(row);
                for l in 0..COLUMN {
                    let x = scaled(row[l], 1.0) * factor;
                    let x = if x.is_nan() { 0.0 } else { x };
                    q[h][l] = generic::round(x) as i16;
                }
            }
            units[first + h] = largest / most * scale;
        }
    });
    let all = at_least(&mut scratch.scores, rows * n);
    blocks!(rows, first, H, {
        let q = q[first * width..][..H * width].as_chunks::<COLUMN>().0.as_chunks::<H>().0;
        let block = all[first * n..][..H * n].as_chunks_mut::<H>().0;
        // SAFETY: the caller's promise.
        unsafe { integer_scores::<V, H>(q, keys.as_chunks::<COLUMN>().0, block) };
        let units = &units[first..first + H];
        for (scores, scale) in block.iter_mut().zip(key_scales) {
            for h in 0..H {
                scores[h] *= scale * units[h];
            }
        }
    });
}

/// Turns scores into weights, times `scales` if there are any; `statistics` are the last two parts of a page's result.
#[inline(always)]
fn weigh_rows(queries: &Queries<'_>, n: usize, scales: Option<&[f32]>, scratch: &mut Scratch, statistics: &mut [f32]) {
    let rows = queries.rows();
    let all = &mut scratch.scores[..rows * n];
    let (largest, totals) = statistics.split_at_mut(rows);
    blocks!(rows, first, H, {
        let block = all[first * n..][..H * n].as_chunks_mut::<H>().0;
        let mut limits = [0; H];
        for (h, limit) in limits.iter_mut().enumerate() {
            *limit = queries.limit(first + h);
        }
        let (most, total) = weigh::<H>(block, limits);
        largest[first..first + H].copy_from_slice(&most);
        totals[first..first + H].copy_from_slice(&total);
        for (weights, scale) in block.iter_mut().zip(scales.unwrap_or_default()) {
            for weight in weights {
                *weight *= scale;
            }
        }
    });
}

/// `partial[row][width]` = Σ weight·value.
///
/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn sum_values<V: Vector, E: Element>(
    stored: &[E],
    width: usize,
    rows: usize,
    n: usize,
    scratch: &mut Scratch,
    partial: &mut [f32],
) {
    let weights = &mut scratch.scores[..rows * n];
    let unit = E::unit::<V>();
    if unit != 1.0 {
        weights.iter_mut().for_each(|w| *w *= unit);
    }
    let capacity = stored.len() / width;
    for (c, column) in stored.chunks_exact(capacity * COLUMN).enumerate() {
        let column = &column[..n * COLUMN];
        // SAFETY: the caller's promise.
        unsafe {
            if E::IS_F32 || rows <= 4 {
                add_column::<V, E>(weights, column, c, width, rows, n, partial);
            } else {
                let tile = at_least(&mut scratch.tile, column.len());
                spread::<V, E>(column, tile);
                add_column::<V, f32>(weights, tile, c, width, rows, n, partial);
            }
        }
    }
}

/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn add_column<V: Vector, E: Element>(
    weights: &[f32],
    column: &[E],
    c: usize,
    width: usize,
    rows: usize,
    n: usize,
    partial: &mut [f32],
) {
    blocks!(rows, first, H, {
        let mut out = [[0.0; COLUMN]; H];
        let weights = weights[first * n..][..H * n].as_chunks::<H>().0;
        // SAFETY: the caller's promise.
        unsafe { values::<V, E, H>(weights, column.as_chunks::<COLUMN>().0, &mut out) };
        for h in 0..H {
            partial[(first + h) * width + c * COLUMN..][..COLUMN].copy_from_slice(&out[h]);
        }
    });
}

/// Stored elements as f32, too small by [`Element::unit`].
///
/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn spread<V: Vector, E: Element>(from: &[E], to: &mut [f32]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(V::LANES), "lengths of a conversion");
    // SAFETY: the caller's promise; i + V::LANES <= the length of both.
    unsafe {
        let constants = V::constants();
        for i in (0..from.len()).step_by(V::LANES) {
            E::load::<V>(from.as_ptr().add(i), constants).store(to.as_mut_ptr().add(i));
        }
    }
}

/// e^x as the weights use it.
pub(crate) fn exp(x: f32) -> f32 {
    generic::exp(x)
}
