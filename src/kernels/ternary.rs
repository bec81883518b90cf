//! Ternary matrix × quantised activations, by dots; for batches of tokens [`tables`] are faster.
//!
//! y = (Σ code·q − Σ q) / s · scale, in this order: both sums are exact in `i32` and in `f32`, so a result has two
//! roundings and no order to depend on. With block scales d the sum over blocks, in order, is Σ (D − Σ q)·d, then / s.
//!
//! Rows are handed out to the pool in pieces of [`TASK_ROWS`]. Inside, a backend takes tiles of groups × tokens, so
//! that codes are unpacked once for several tokens; its sums stay on the stack until they are floats.

use super::int8::SOME_ROWS;
use super::layout::{COL_STEP, GROUP, Scales};
use super::tables::{self, Product};
use super::{Activations, Compute, TernaryMatrix, groups};
use crate::threads::Columns;
use std::array::from_fn;
use std::ops::Range;

/// Rows a task: small enough to even out threads that lose their processor, large enough to pay for the claim.
const TASK_ROWS: usize = 64;
/// Tokens a tile: their activations stay in the second-level cache.
const TILE_TOKENS: usize = 16;

/// How products with a batch of tokens are computed. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A dot product for each row and token.
    Dots,
    /// [`tables`], for products that have `rows` rows together.
    Tables {
        /// Rows of all matrices that are multiplied with the batch at once.
        rows: usize,
    },
}

/// `y[row of x][row of w]` = w · x.
///
/// Panics where `x` has other columns than `w`, `y` is not `x.rows() · w.rows()` long, or `x` was quantised on a
/// backend that arranges activations in another way.
pub fn ternary_matmul(c: &Compute, w: &TernaryMatrix, x: &Activations, y: &mut [f32]) {
    ternary_matmuls(c, &mut [(w, y)], x);
}

/// The same of several matrices with one input, which is cheaper than one after the other.
pub fn ternary_matmuls(c: &Compute, products: &mut [Product<'_, '_>], x: &Activations) {
    for (w, y) in products.iter() {
        let (rows, cols) = if w.in_groups() { (x.groups().rows(), x.groups().cols()) } else { (x.rows(), x.cols()) };
        assert_eq!(w.cols(), cols, "columns of weights and activations");
        assert_eq!(y.len(), rows * w.rows(), "length of the result");
    }
    if x.are_turned() {
        tables::matmul(c, products, x);
    } else {
        for (w, y) in products {
            match &w.scales {
                Scales::Groups { block } => groups::matmul(c, w, *block, x.groups(), y),
                Scales::Matrix(_) | Scales::Blocks { .. } => dots(c, w, x, y),
            }
        }
    }
    x.multiplied();
}

/// The same of the rows `rows` alone and one token: `y[i]` = `w[rows[i]] · x`. Cheapest where they are in order: rows that lie together
/// are computed together.
///
/// Panics where `x` has other columns than `w` or more than one row, or `y` another length than `rows`; on a row that is not there.
pub fn ternary_rows(c: &Compute, w: &TernaryMatrix, rows: &[u32], x: &Activations, y: &mut [f32]) {
    let (tokens, cols) = if w.in_groups() { (x.groups().rows(), x.groups().cols()) } else { (x.rows(), x.cols()) };
    assert_eq!((tokens, cols), (1, w.cols()), "one token, columns of weights and activations");
    assert!(!x.are_turned(), "a token has no tables");
    assert_eq!(y.len(), rows.len(), "length of the result");
    let together = w.rows_together();
    c.pool.chunks(y, SOME_ROWS, |task, y| {
        let rows = &rows[task * SOME_ROWS..][..y.len()];
        let mut done = 0;
        for same in rows.chunk_by(|a, b| *a as usize / together == *b as usize / together) {
            let first = same[0] as usize / together * together;
            let range = first..w.rows().min(first + together);
            let mut results = [[0.0; groups::TILE]];
            match &w.scales {
                Scales::Groups { block } => {
                    groups::tile(c, w, *block, x.groups(), first / together, 0..1, &mut results)
                }
                Scales::Matrix(_) | Scales::Blocks { .. } => products(c, w, x, range.clone(), &mut results),
            }
            for (y, row) in y[done..].iter_mut().zip(same) {
                *y = results[0][..range.len()][*row as usize - first];
            }
            done += same.len();
        }
    });
}

/// Where the products of some rows go.
trait Outputs {
    /// Those with a token.
    fn of(&mut self, token: usize) -> &mut [f32];
}

impl Outputs for Columns<'_, f32> {
    fn of(&mut self, token: usize) -> &mut [f32] {
        self.row(token)
    }
}

impl Outputs for [groups::Totals; 1] {
    fn of(&mut self, token: usize) -> &mut [f32] {
        &mut self[token]
    }
}

fn dots(c: &Compute, w: &TernaryMatrix, x: &Activations, y: &mut [f32]) {
    c.pool.columns(y, w.rows(), TASK_ROWS, |part| products(c, w, x, part.range(), part));
}

/// The products of at most [`TASK_ROWS`] rows with all tokens.
#[inline(always)]
fn products(c: &Compute, w: &TernaryMatrix, x: &Activations, rows: Range<usize>, part: &mut impl Outputs) {
    for first in (0..x.rows()).step_by(TILE_TOKENS) {
        let tokens = first..x.rows().min(first + TILE_TOKENS);
        match &w.scales {
            Scales::Matrix(scale) => {
                let mut multiply = |sums: &mut [i32]| {
                    let stride = tile_sums(c, w, x, &rows, &tokens, 0..w.cols(), sums);
                    for (token, sums) in tokens.clone().zip(sums.chunks_exact(stride)) {
                        let (sum, s) = (x.sum(token, 0..w.cols()) as f32, x.scale(token));
                        for (y, d) in part.of(token).iter_mut().zip(sums) {
                            *y = (*d as f32 - sum) / s * scale;
                        }
                    }
                };
                if cfg!(target_family = "wasm") && tokens.len() == 1 {
                    // Filling memory for sixteen is a call in V8, which takes some hundredths of such a product. Natively a second
                    // copy of the loop takes as much.
                    multiply(&mut [0; TASK_ROWS]);
                } else {
                    multiply(&mut [0; TASK_ROWS * TILE_TOKENS]);
                }
            }
            Scales::Groups { .. } => unreachable!("a matrix in groups has its own product"),
            Scales::Blocks { block, scales } => {
                let mut totals = [0.0; TASK_ROWS * TILE_TOKENS];
                let per_row = w.cols() / block;
                for b in 0..per_row {
                    let columns = b * block..(b + 1) * block;
                    let mut sums = [0; TASK_ROWS * TILE_TOKENS];
                    let stride = tile_sums(c, w, x, &rows, &tokens, columns.clone(), &mut sums);
                    for ((token, sums), totals) in
                        tokens.clone().zip(sums.chunks_exact(stride)).zip(totals.chunks_exact_mut(stride))
                    {
                        let sum = x.sum(token, columns.clone());
                        for ((total, d), row) in totals.iter_mut().zip(sums).zip(rows.clone()) {
                            *total += (d - sum) as f32 * scales[row * per_row + b];
                        }
                    }
                }
                let stride = rows.len().next_multiple_of(GROUP);
                for (token, totals) in tokens.zip(totals.chunks_exact(stride)) {
                    let s = x.scale(token);
                    for (y, total) in part.of(token).iter_mut().zip(totals) {
                        *y = total / s;
                    }
                }
            }
        }
    }
}

/// `sums[token][row]` of `columns`; returns how far apart the tokens lie in `sums`.
fn tile_sums(
    c: &Compute,
    w: &TernaryMatrix,
    x: &Activations,
    rows: &Range<usize>,
    tokens: &Range<usize>,
    columns: Range<usize>,
    sums: &mut [i32],
) -> usize {
    let groups = rows.start / GROUP..rows.end.div_ceil(GROUP);
    let stride = groups.len() * GROUP;
    let tile = Tile { w, x, groups, tokens: tokens.clone(), columns };
    c.backend.ternary_sums(&tile, &mut sums[..stride * tokens.len()]);
    stride
}

/// A piece of a product: some groups of rows, some tokens, some columns.
#[derive(Debug)]
pub struct Tile<'a> {
    w: &'a TernaryMatrix,
    x: &'a Activations,
    groups: Range<usize>,
    tokens: Range<usize>,
    columns: Range<usize>,
}

impl Tile<'_> {
    /// The 8-bit activations of the whole product.
    pub(super) fn q(&self) -> &[i8] {
        self.x.q()
    }

    /// The 16-bit activations of the whole product.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(super) fn halves(&self) -> &[i16] {
        self.x.halves()
    }
}

/// The innermost loop, which every instruction set writes in its own way.
pub(super) trait Dots {
    /// How activations are stored.
    type Q: Copy;
    /// A register of partial sums of one row.
    type Lanes: Copy;
    /// No sums yet.
    const ZERO: Self::Lanes;
    /// Tokens in step: 1, 2 or 4. As many as the registers hold.
    const TOKENS: usize;
    /// Groups in step for one token: 1, 2 or 4, likewise. With 1 a tile's weights are one long stream, with more four.
    const GROUPS: usize;
    /// The four rows' codes count 2^shift times.
    const SHIFT: [u32; GROUP];

    /// Adds code·q of `G` groups of four rows and `T` tokens to `lanes`. All slices have one length, a multiple of 128.
    ///
    /// # Safety
    /// The processor has what the implementation needs.
    unsafe fn add<const G: usize, const T: usize>(
        lanes: &mut [[[Self::Lanes; GROUP]; G]; T],
        codes: [&[u8]; G],
        q: [&[Self::Q]; T],
    );

    /// The sums over the lanes of four rows.
    ///
    /// # Safety
    /// The processor has what the implementation needs.
    unsafe fn fold(lanes: &[Self::Lanes; GROUP]) -> [i32; GROUP];
}

/// Columns of one stream before the next stream's turn.
const TURN: usize = 256;

/// Walks a tile in strips of as many tokens as fit the registers.
///
/// The first strip reads weights from memory, where a backend may want four long streams: one alone leaves some processors
/// waiting at the end of every page, and others fetch ahead best of one. The later strips find them in the cache.
///
/// # Safety
/// As for [`Dots::add`].
pub(super) unsafe fn walk<D: Dots>(tile: &Tile<'_>, q: &[D::Q], sums: &mut [i32]) {
    let tokens = tile.tokens.len();
    assert_eq!(sums.len(), tokens * tile.groups.len() * GROUP, "length of the sums");
    let mut done = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while D::TOKENS >= 4 && tokens - done >= 4 {
            done += match done {
                0 if D::GROUPS > 1 => strip::<D, 1, 4, 4>(tile, q, done, sums),
                _ => strip::<D, 1, 1, 4>(tile, q, done, sums),
            };
        }
        while D::TOKENS >= 2 && tokens - done >= 2 {
            done += match done {
                0 if D::GROUPS > 1 => strip::<D, 1, 4, 2>(tile, q, done, sums),
                _ => strip::<D, 1, 1, 2>(tile, q, done, sums),
            };
        }
        while tokens > done {
            done += match D::GROUPS {
                4 => strip::<D, 4, 1, 1>(tile, q, done, sums),
                2 => strip::<D, 2, 2, 1>(tile, q, done, sums),
                _ => strip::<D, 1, 1, 1>(tile, q, done, sums),
            };
        }
    }
}

/// `T` tokens from the tile's token `first` on with all groups of the tile. Returns `T`.
///
/// `G` groups are in step in the registers, and `S` such sets take turns; groups that run together lie far apart.
///
/// # Safety
/// As for [`Dots::add`].
unsafe fn strip<D: Dots, const G: usize, const S: usize, const T: usize>(
    tile: &Tile<'_>,
    q: &[D::Q],
    first: usize,
    sums: &mut [i32],
) -> usize {
    let apart = if G * S == 1 { 0 } else { tile.groups.len() / (G * S) };
    for group in 0..apart {
        // SAFETY: the caller's promise.
        unsafe { turns::<D, G, S, T>(tile, q, first, group, apart, sums) };
    }
    // SAFETY: the caller's promise.
    unsafe { stream::<D, T>(tile, q, first, G * S * apart, sums) };
    T
}

/// The same with one group after the other, from `start` on, which is one stream of codes.
///
/// A function that holds no more than that and the innermost loop: V8 gives the loop of a larger one too few registers, and a
/// call for each group costs some hundredths of the product.
///
/// # Safety
/// As for [`Dots::add`].
#[inline(never)]
unsafe fn stream<D: Dots, const T: usize>(tile: &Tile<'_>, q: &[D::Q], first: usize, start: usize, sums: &mut [i32]) {
    let (cols, columns) = (tile.w.cols(), &tile.columns);
    // Every backend's loop takes 128 columns as granted.
    assert!(columns.start.is_multiple_of(COL_STEP) && columns.end.is_multiple_of(COL_STEP));
    let q: [&[D::Q]; T] = from_fn(|t| &q[(tile.tokens.start + first + t) * cols..][columns.clone()]);
    let codes = &tile.w.packed[(tile.groups.start + start) * cols..tile.groups.end * cols];
    let mut tokens = sums.chunks_exact_mut(tile.groups.len() * GROUP).skip(first);
    let mut sums: [&mut [[i32; GROUP]]; T] =
        from_fn(|_| tokens.next().expect("a tile's tokens")[start * GROUP..].as_chunks_mut().0);
    for (group, codes) in codes.chunks_exact(cols).enumerate() {
        let mut lanes = [[[D::ZERO; GROUP]; 1]; T];
        // SAFETY: the caller's promise.
        unsafe { D::add::<1, T>(&mut lanes, [&codes[columns.clone()]], q) };
        for (sums, lanes) in sums.iter_mut().zip(&lanes) {
            // SAFETY: the caller's promise.
            let dots = unsafe { D::fold(&lanes[0]) };
            sums[group] = from_fn(|r| dots[r] >> D::SHIFT[r]);
        }
    }
}

/// The groups `group`, `group + apart`, … of a strip.
///
/// # Safety
/// As for [`Dots::add`].
#[inline]
unsafe fn turns<D: Dots, const G: usize, const S: usize, const T: usize>(
    tile: &Tile<'_>,
    q: &[D::Q],
    first: usize,
    group: usize,
    apart: usize,
    sums: &mut [i32],
) {
    let (cols, columns) = (tile.w.cols(), &tile.columns);
    // Every backend's loop takes 128 columns as granted.
    assert!(columns.start.is_multiple_of(COL_STEP) && columns.end.is_multiple_of(COL_STEP));
    let number = |s: usize, g: usize| group + (s * G + g) * apart;
    // Changing over costs as much as the registers hold.
    let turn = if S == 1 { columns.len() } else { TURN * T.div_ceil(2) };
    let mut lanes = [[[[D::ZERO; GROUP]; G]; T]; S];
    for start in columns.clone().step_by(turn) {
        let turn = start..columns.end.min(start + turn);
        let q: [&[D::Q]; T] = from_fn(|t| &q[(tile.tokens.start + first + t) * cols..][turn.clone()]);
        for (s, lanes) in lanes.iter_mut().enumerate() {
            let codes = from_fn(|g| &tile.w.packed[(tile.groups.start + number(s, g)) * cols..][turn.clone()]);
            // SAFETY: the caller's promise.
            unsafe { D::add::<G, T>(lanes, codes, q) };
        }
    }
    for (s, lanes) in lanes.iter().enumerate() {
        for (t, lanes) in lanes.iter().enumerate() {
            for (g, lanes) in lanes.iter().enumerate() {
                // SAFETY: the caller's promise.
                let dots = unsafe { D::fold(lanes) };
                let sums = &mut sums[((first + t) * tile.groups.len() + number(s, g)) * GROUP..][..GROUP];
                for r in 0..GROUP {
                    sums[r] = dots[r] >> D::SHIFT[r];
                }
            }
        }
    }
}
