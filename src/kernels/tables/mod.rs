//! Prompts: a matrix × many tokens without a multiplication.
//!
//! Four columns of ternary weights have 81 sums. They are made once for a tile of tokens (an entry holds a 16-bit sum for
//! each token, side by side), and then each row of the matrix needs one entry for its four weights: load, add. Nothing is
//! unpacked in the loop, nothing is folded at its end, and every sum is exact, so the results are those of the dots.
//!
//! Loops, from the outside: tasks of rows × tokens; 256 columns (`CHUNK`, beyond which 16 bits might run over), whose codes
//! become indices, four rows an [`Index`]; tiles of tokens; as many tables as the first cache likes; rows. After a chunk
//! the sums are widened, or multiplied with their block's scale.
//!
//! A single token and a short batch stay with the dots of `ternary.rs`: `turn.rs` finds out where the turn comes.

mod plan;
mod registers;
mod scratch;
mod turn;

pub(super) use registers::{LIMIT_CHAINS, Registers, finish, indices, limit, pass, scale, table_pieces, widen};
pub(super) use scratch::Slots;
pub use scratch::scratch_bytes;
#[cfg(all(target_family = "wasm", target_feature = "relaxed-simd"))]
pub(super) use turn::clock_step;
pub use turn::turns;
pub(super) use turn::{Trial, choose};

use super::layout::{GROUP, Scales};
use super::{Activations, Compute, TernaryMatrix};
use crate::threads::Parts;
use plan::Plan;
use scratch::Scratch;
use std::ops::Range;

/// Columns of a table.
pub(super) const COLUMNS: usize = 4;
/// Entries of a table.
pub(super) const ENTRIES: usize = 81;
/// Rows an index.
pub(super) const ROWS: usize = GROUP;
/// Columns until 16-bit sums are widened: activations of ±127 reach 32,512.
pub(super) const CHUNK: usize = 256;

/// Tokens of the largest tile.
pub(super) const MAX_TOKENS: usize = 64;

/// Which entry of a table each of the four rows of a group takes.
pub type Index = [u8; ROWS];

/// Results of a token that are written together: a few lines of the cache.
const RUN: usize = 64;

/// Indices from one pass to the next: passes that are written side by side must not all want the same set of the first cache.
pub(super) const fn pass_len(groups: usize, tables: usize) -> usize {
    groups * tables + 64 / size_of::<Index>()
}

/// Elements that `tables` tables of `tokens` tokens need: those that no code means are counted too, behind the last.
pub(super) const fn room(tables: usize, tokens: usize) -> usize {
    ((tables - 1) * ENTRIES + 3 * (1 + 3 + 9 + 27) + 1) * tokens
}

/// What a backend likes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Tokens a register.
    pub lanes: usize,
    /// Registers a tile.
    pub vectors: usize,
    /// Tables at a time.
    pub tables: usize,
    /// Tokens of a register that are worth trying.
    pub least: usize,
}

impl Shape {
    pub(super) const fn of<R: Registers>() -> Self {
        Shape { lanes: R::LANES, vectors: R::VECTORS, tables: R::TABLES, least: R::LEAST }
    }

    /// Tokens of a whole tile.
    pub const fn tokens(self) -> usize {
        self.lanes * self.vectors
    }
}

/// Codes to turn into indices.
#[derive(Debug, Clone)]
pub struct Codes<'a> {
    /// Whole groups of `cols` bytes.
    pub(super) packed: &'a [u8],
    /// Columns of the matrix.
    pub(super) cols: usize,
    /// Those that are wanted.
    pub(super) columns: Range<usize>,
}

/// A few tables for one tile, and all rows of a task.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Activations `[column][token]`.
    pub(super) q: &'a [i8],
    /// Tokens of the tile.
    pub(super) tokens: usize,
    /// Room for the tables, [`room`].
    pub(super) tables: &'a mut [i16],
    /// `[group][table]`.
    pub(super) indices: &'a [Index],
    /// `[row][token]`.
    pub(super) sums: &'a mut [i16],
    /// Whether the sums begin here.
    pub(super) first: bool,
}

/// The pieces of a product by tables; all panic where lengths don't fit together.
pub trait Tables {
    /// What suits the backend.
    fn table_shape(&self) -> Shape;
    /// Writes `out[pass][group][table]`, where a pass has `pass_len` of `groups` groups.
    fn table_indices(&self, codes: Codes<'_>, groups: usize, out: &mut [Index]);
    /// Makes the tables and adds each row's entries to its sums.
    fn table_pass(&self, pass: &mut Pass<'_>);
    /// Adds `narrow` to `wide`, or writes it there where it is the `first`.
    fn table_widen(&self, narrow: &[i16], first: bool, wide: &mut [i32]);
    /// total += sum · scale for rows of `tokens`, the totals being bits of `f32`. Row i has the scale i·`step`.
    fn table_scale(&self, narrow: &[i16], tokens: usize, scales: &[f32], step: usize, totals: &mut [i32]);
    /// Loads entries out of the first cache and adds them, `turns` times [`lookups`](Self::lookups): their sum modulo 2^16.
    fn table_limit(&self, turns: u32) -> u16;
    /// Multiply-accumulates that a turn of [`table_limit`](Self::table_limit) stands for.
    fn lookups(&self) -> usize;
    /// Rows with a sum for each of `s` become bits of `f32`: sum / s · scale, or total / s where they are totals of blocks.
    fn table_finish(&self, sums: &mut [i32], s: &[f32], scale: Option<f32>);
}

/// A matrix, and where its product goes.
pub type Product<'a, 'b> = (&'a TernaryMatrix, &'b mut [f32]);

/// Whether a product with `w` can be computed by tables: the sum of a block must fit 16 bits.
pub fn suits(w: &TernaryMatrix) -> bool {
    !w.in_groups() && block(w).is_none_or(|block| block <= CHUNK)
}

/// Columns that share a scale, where not all do.
fn block(w: &TernaryMatrix) -> Option<usize> {
    match &w.scales {
        Scales::Matrix(_) => None,
        Scales::Blocks { block, .. } | Scales::Groups { block } => Some(*block),
    }
}

/// `y[row of x][row of w]` = w · x of each product, with activations that are laid out for tables. Neighbours with the same
/// blocks share the tables.
pub(super) fn matmul(c: &Compute, products: &mut [Product<'_, '_>], x: &Activations) {
    let mut rest = products;
    while let Some((first, _)) = rest.first() {
        let block = block(first);
        let (same, others) = rest.split_at_mut(rest.iter().take_while(|(w, _)| self::block(w) == block).count());
        assert!(same.iter().all(|(w, _)| suits(w)), "a matrix in blocks of {block:?} columns has no table");
        shared(c, same, x, block.unwrap_or(CHUNK));
        rest = others;
    }
}

fn shared(c: &Compute, products: &mut [Product<'_, '_>], x: &Activations, chunk: usize) {
    let mut groups = 0;
    let mut matrices = Vec::with_capacity(products.len());
    for (w, y) in products {
        let own = groups..groups + w.rows().div_ceil(ROWS);
        groups = own.end;
        matrices.push(Matrix { w, groups: own, y: Parts::new(y, w.rows()) });
    }
    let tiles = x.tiles();
    let plan = Plan::new(groups, tiles.count(), tiles.whole, c.pool.active(), x.slots().rows());
    c.pool.run(plan.tasks(), &|i| {
        let (groups, tiles) = plan.task(i);
        let task = Task { c, matrices: &matrices, x, groups, tiles, chunk };
        x.slots().with(i, |scratch| task.run(scratch));
    });
}

/// One of the products: its groups are counted through all of them.
struct Matrix<'a, 'b> {
    w: &'a TernaryMatrix,
    groups: Range<usize>,
    y: Parts<'b, f32>,
}

/// Some groups and some tiles of all products.
struct Task<'a, 'b> {
    c: &'a Compute,
    matrices: &'a [Matrix<'a, 'b>],
    x: &'a Activations,
    groups: Range<usize>,
    tiles: Range<usize>,
    chunk: usize,
}

impl Task<'_, '_> {
    /// Each matrix of which there are groups: its own groups, and where they begin among those of the task.
    fn pieces(&self) -> impl Iterator<Item = (&Matrix<'_, '_>, Range<usize>, usize)> {
        self.matrices.iter().filter_map(|matrix| {
            let all = &matrix.groups;
            let part = all.start.max(self.groups.start)..all.end.min(self.groups.end);
            (!part.is_empty())
                .then(|| (matrix, part.start - all.start..part.end - all.start, part.start - self.groups.start))
        })
    }

    fn run(&self, scratch: &mut Scratch) {
        let (backend, cols, groups) = (self.c.backend, self.x.cols(), self.groups.len());
        let tables = backend.table_shape().tables;
        let (room, indices) = (scratch.tables.numbers(), scratch.indices.numbers());
        let (narrow, wide) = (scratch.narrow.numbers(), scratch.wide.numbers());
        for start in (0..cols).step_by(self.chunk) {
            let columns = start..cols.min(start + self.chunk);
            let passes = columns.len() / (tables * COLUMNS);
            let indices = &mut indices[..passes * pass_len(groups, tables)];
            for (matrix, own, at) in self.pieces() {
                let packed = &matrix.w.packed[own.start * cols..own.end * cols];
                backend.table_indices(
                    Codes { packed, cols, columns: columns.clone() },
                    groups,
                    &mut indices[at * tables..],
                );
            }
            let mut wide = &mut wide[..];
            for tile in self.tiles.clone() {
                let (tokens, q) = self.x.tile(tile);
                let narrow = &mut narrow[..groups * ROWS * tokens];
                let steps = q[columns.start * tokens..columns.end * tokens].chunks_exact(tables * COLUMNS * tokens);
                for (step, (q, indices)) in steps.zip(indices.chunks_exact(pass_len(groups, tables))).enumerate() {
                    let indices = &indices[..groups * tables];
                    backend.table_pass(&mut Pass { q, tokens, tables: room, indices, sums: narrow, first: step == 0 });
                }
                let (sums, rest) = wide.split_at_mut(narrow.len());
                wide = rest;
                self.collect(narrow, tokens, start, sums);
            }
        }
        let mut wide = &mut wide[..];
        for tile in self.tiles.clone() {
            let (sums, rest) = wide.split_at_mut(groups * ROWS * self.x.tile(tile).0);
            wide = rest;
            self.write(tile, sums);
        }
    }

    /// What a chunk of columns gave goes to the sums of all.
    fn collect(&self, narrow: &[i16], tokens: usize, start: usize, sums: &mut [i32]) {
        let backend = self.c.backend;
        for (matrix, own, at) in self.pieces() {
            let part = at * ROWS * tokens..(at + own.len()) * ROWS * tokens;
            let (narrow, sums) = (&narrow[part.clone()], &mut sums[part]);
            match &matrix.w.scales {
                Scales::Groups { .. } => unreachable!("checked before"),
                Scales::Matrix(_) => backend.table_widen(narrow, start == 0, sums),
                Scales::Blocks { block, scales } => {
                    if start == 0 {
                        sums.fill(0);
                    }
                    let step = matrix.w.cols() / block;
                    let scales = &scales[own.start * ROWS * step + start / block..];
                    backend.table_scale(narrow, tokens, scales, step, sums);
                }
            }
        }
    }

    /// The sums of a tile become results, and are turned from token by token to row by row.
    fn write(&self, tile: usize, sums: &mut [i32]) {
        let (rows, padded) = (self.x.tiles().rows(tile), self.x.tile(tile).0);
        let mut s = [1.0; MAX_TOKENS];
        for (s, row) in s.iter_mut().zip(rows.clone()) {
            *s = self.x.scale(row);
        }
        for (matrix, own, at) in self.pieces() {
            let sums = &mut sums[at * ROWS * padded..(at + own.len()) * ROWS * padded];
            let scale = match &matrix.w.scales {
                Scales::Matrix(scale) => Some(*scale),
                Scales::Blocks { .. } | Scales::Groups { .. } => None,
            };
            self.c.backend.table_finish(sums, &s[..padded], scale);
            let outputs = own.start * ROWS..matrix.w.rows().min(own.end * ROWS);
            // SAFETY: no group and tile are in two tasks, and the view ends before the next piece's begins.
            let mut y = unsafe { matrix.y.part(rows.clone(), outputs) };
            for (i, sums) in sums.chunks(RUN * padded).enumerate() {
                for token in 0..rows.len() {
                    let y = y.row(token);
                    let y = &mut y[i * RUN..];
                    for (y, sums) in y.iter_mut().zip(sums.chunks_exact(padded)) {
                        *y = f32::from_bits(sums[token] as u32);
                    }
                }
            }
        }
    }
}
