//! Ternary matrices with a scale for each 64 or 128 columns of a row, times activations with a scale for each 32.
//!
//! The models with such blocks (Bonsai's Q1_0, Q2_0, PQ2_0 and PTQ1_0) were trained with float activations. These are
//! rounded as llama.cpp rounds them for such matrices (Q8_0): for each group of 32 columns q = x·127/m, half to even,
//! with m = max |x|, and a scale d, which is m/127 in f16.
//!
//! # The written order
//! For each row, with G = Σ (code - 1)·q over a group, exact in `i32`, and s the scale of a block:
//!
//! ```text
//! total = 0
//! for each block, first to last
//!     t = 0
//!     for each group of it, first to last: t = t + G·d
//!     total = total + t·s
//! ```
//!
//! G is below 2^12 and d has 11 bits, so their product is exact in `f32`. It is also a multiple of 2^-24, and t·s of 2^-48:
//! nothing is subnormal, and a power of two may be put wherever it costs least.
//!
//! # The layout
//! Rows go in tiles of 64. Of each four columns 64 bytes lie together: byte 4·g + i belongs to column i and rows g,
//! 16 + g, 32 + g and 48 + g, in bits 1:0, 3:2, 5:4 and 7:6. So a 32-bit lane holds four columns of the same rows, and the
//! lanes of a register are different rows: no sum over lanes is ever needed, which otherwise each group of 32 columns would
//! need for each row. The activations of four columns go to all lanes. After the codes of a block follow its 64 scales.
//!
//! A register of any width takes as many lanes of the 16 as it has; every row's order is the same.
//!
//! Memory: 2 bits a weight and 16 for each block, which is 2.25 bits a weight in blocks of 64 and 2.125 in blocks of 128.
//! The weights of Q1_0, which are -1 and +1, take two bits as well, 2.125 in all for the file's 1.125.

mod activations;
mod lanes;
mod pack;

pub use activations::GroupActivations;
pub(super) use activations::quantize_groups;
pub(super) use lanes::{Lanes, group_pieces, tile_sums};
pub(super) use pack::pack_tile;

use super::{Compute, TernaryMatrix};
use std::ops::Range;

/// Rows of a tile.
pub(super) const TILE: usize = 64;
/// Columns that share a scale of activations.
pub(super) const GROUP: usize = 32;
/// Columns of a lane.
const QUAD: usize = 4;
/// Rows that share a byte.
const ROWS: usize = super::layout::GROUP;
/// Lanes of a tile.
const LANES: usize = TILE / ROWS;
/// Bytes of a column of a tile.
const COLUMN: usize = LANES;
/// Bytes of the scales of a block.
const SCALES: usize = 2 * TILE;
/// Tokens that are multiplied with a tile while it is in the first caches.
const TILE_TOKENS: usize = 16;

/// Bytes from one block of a tile to the next.
const fn block_bytes(block: usize) -> usize {
    block * COLUMN + SCALES
}

/// Bytes of a tile of so many columns.
pub(super) const fn tile_bytes(cols: usize, block: usize) -> usize {
    cols / block * block_bytes(block)
}

/// Where a tile has the byte of a row, counted in the tile, and a column, and by how much it is to be shifted.
pub(super) const fn place(block: usize, row: usize, col: usize) -> (usize, usize) {
    let lane = row % LANES;
    let at = col / block * block_bytes(block) + col % block / QUAD * QUAD * COLUMN + lane * QUAD + col % QUAD;
    (at, 2 * (row / LANES))
}

/// Where a tile has the scale of a row.
pub(super) const fn scale_place(block: usize, row: usize, col: usize) -> usize {
    col / block * block_bytes(block) + block * COLUMN + 2 * row
}

/// A piece of a product: a tile and some tokens.
#[derive(Debug)]
pub struct Tile<'a> {
    packed: &'a [u8],
    block: usize,
    x: &'a GroupActivations,
    tokens: Range<usize>,
}

/// The rows of a tile, of one token.
pub type Totals = [f32; TILE];

/// `y[row of x][row of w]` = w · x, of a matrix in blocks of `block` columns.
pub(super) fn matmul(c: &Compute, w: &TernaryMatrix, block: usize, x: &GroupActivations, y: &mut [f32]) {
    assert_eq!(w.cols(), x.cols(), "columns of weights and activations");
    c.pool.columns(y, w.rows(), TILE, |part| {
        let rows = part.range();
        let mut multiply = |tokens: Range<usize>, totals: &mut [Totals]| {
            tile(c, w, block, x, rows.start / TILE, tokens.clone(), totals);
            for (token, totals) in tokens.zip(totals) {
                part.row(token).copy_from_slice(&totals[..rows.len()]);
            }
        };
        if x.rows() == 1 {
            // Filling memory for sixteen would take some hundredths of such a product.
            multiply(0..1, &mut [[0.0; TILE]]);
            return;
        }
        for first in (0..x.rows()).step_by(TILE_TOKENS) {
            let tokens = first..x.rows().min(first + TILE_TOKENS);
            multiply(tokens.clone(), &mut [[0.0; TILE]; TILE_TOKENS][..tokens.len()]);
        }
    });
}

/// The products of the rows of a tile with some tokens.
#[inline(always)]
pub(super) fn tile(
    c: &Compute,
    w: &TernaryMatrix,
    block: usize,
    x: &GroupActivations,
    tile: usize,
    tokens: Range<usize>,
    totals: &mut [Totals],
) {
    let bytes = tile_bytes(w.cols(), block);
    let packed = &w.packed[tile * bytes..][..bytes];
    c.backend.group_sums(&Tile { packed, block, x, tokens }, totals);
}
