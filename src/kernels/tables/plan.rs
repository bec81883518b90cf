//! How a product is shared out: by rows, where each task makes all tables, or by tokens, where each turns all codes into
//! indices; whichever takes less time in all.

use super::{ENTRIES, ROWS};
use std::ops::Range;

/// Rows a task at most: their sums of 16 bits stay in the second cache.
pub(super) const MAX_ROWS: usize = 4096;
/// Rows × tokens a task at most.
pub(super) const MAX_SUMS: usize = 1 << 18;

/// Time in lookups of a tile: an entry takes as long as two, for a processor stores half as much as it loads.
const ENTRY: f64 = 2.0;
/// An index of a row.
const INDEX: f64 = 0.3;
/// What a task may wait for another at the end, in parts of a task.
const WAIT: f64 = 0.1;

/// A grid of tasks, each of some groups and some tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    groups: usize,
    tiles: usize,
    row_parts: usize,
    tile_parts: usize,
}

impl Plan {
    /// For `groups` of rows and `tiles` of `tokens`, of which a task may have `rows` at most.
    pub(super) fn new(groups: usize, tiles: usize, tokens: usize, threads: usize, rows: usize) -> Self {
        let most = rows.min(MAX_ROWS) / ROWS;
        let mut best = (f64::INFINITY, Plan { groups, tiles, row_parts: groups, tile_parts: tiles });
        for tile_parts in 1..=tiles {
            let part = tiles.div_ceil(tile_parts);
            let fits = most.min(MAX_SUMS / ROWS / (part * tokens)).max(1);
            let least = groups.div_ceil(fits);
            for row_parts in least..=least + 2 * threads {
                let plan = Plan { groups, tiles, row_parts, tile_parts };
                let time = plan.time(threads);
                if time < best.0 {
                    best = (time, plan);
                }
            }
        }
        best.1
    }

    /// Of all tasks, for four columns, in lookups of a tile.
    fn time(&self, threads: usize) -> f64 {
        let rows = (self.groups.div_ceil(self.row_parts) * ROWS) as f64;
        let tiles = self.tiles.div_ceil(self.tile_parts) as f64;
        let task = rows * tiles + ENTRY * ENTRIES as f64 * tiles + INDEX * rows;
        let wait = if threads > 1 { WAIT } else { 0.0 };
        task * (self.tasks().div_ceil(threads) as f64 + wait)
    }

    pub(super) fn tasks(&self) -> usize {
        self.row_parts * self.tile_parts
    }

    /// Groups and tiles of a task. The parts differ by one at most.
    pub(super) fn task(&self, i: usize) -> (Range<usize>, Range<usize>) {
        let part = |all: usize, parts: usize, i: usize| all * i / parts..all * (i + 1) / parts;
        (part(self.groups, self.row_parts, i % self.row_parts), part(self.tiles, self.tile_parts, i / self.row_parts))
    }
}
