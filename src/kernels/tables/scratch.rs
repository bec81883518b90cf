//! What the threads work in, allocated once.

use super::plan::{MAX_ROWS, MAX_SUMS};
use super::{CHUNK, COLUMNS, Index, ROWS, Shape, room};
use crate::Result;
use crate::allocate::try_grow;
use std::sync::{Mutex, MutexGuard, PoisonError};

const WHAT: &str = "tables of activations";

/// One thread's.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) tables: Vec<i16>,
    /// Of a chunk of columns: `[pass][group][table]`.
    pub(super) indices: Vec<Index>,
    /// Sums of a chunk and a tile: `[row][token]`.
    pub(super) narrow: Vec<i16>,
    /// Sums of all columns, then results: `[tile][row][token]`.
    pub(super) wide: Vec<i32>,
}

/// As many as there are threads: whoever works finds one that is free.
#[derive(Debug, Default)]
pub(in crate::kernels) struct Slots {
    slots: Vec<Mutex<Scratch>>,
    rows: usize,
}

impl Slots {
    /// Room for products of `rows` rows and `tokens` tokens, or as much of them as a task may have.
    pub(in crate::kernels) fn prepare(
        &mut self,
        threads: usize,
        shape: Shape,
        rows: usize,
        tokens: usize,
    ) -> Result<()> {
        let [indices, narrow, wide] = lengths(shape, rows, tokens);
        let threads = threads.max(self.slots.len());
        self.slots.resize_with(threads, Mutex::default);
        for slot in &mut self.slots {
            let scratch = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
            try_grow(&mut scratch.tables, room(shape.tables, shape.tokens()), WHAT)?;
            try_grow(&mut scratch.indices, indices, WHAT)?;
            try_grow(&mut scratch.narrow, narrow, WHAT)?;
            try_grow(&mut scratch.wide, wide, WHAT)?;
        }
        self.rows = rows.next_multiple_of(ROWS);
        Ok(())
    }

    /// Rows that the room is for.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Runs `work` with a scratch that nobody else has.
    pub(super) fn with<R>(&self, task: usize, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let free = self.slots.iter().find_map(|slot| slot.try_lock().ok());
        // More threads than there were: they wait for one another.
        let wait = || self.slots[task % self.slots.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch: MutexGuard<'_, Scratch> = free.unwrap_or_else(wait);
        work(&mut scratch)
    }
}

/// Elements of indices, narrow and wide sums.
fn lengths(shape: Shape, rows: usize, tokens: usize) -> [usize; 3] {
    let rows = rows.next_multiple_of(ROWS);
    let task = rows.min(MAX_ROWS);
    let tokens = tokens.next_multiple_of(shape.lanes);
    let tile = tokens.min(shape.tokens());
    // With many rows a task has fewer tokens, but always a tile.
    let wide = (rows * tokens).min(MAX_SUMS).max(ROWS * tile);
    [task / ROWS * (CHUNK / COLUMNS), task * tile, wide]
}

/// Bytes of one thread.
pub(in crate::kernels) fn bytes(shape: Shape, rows: usize, tokens: usize) -> u64 {
    let [indices, narrow, wide] = lengths(shape, rows, tokens);
    let tables = room(shape.tables, shape.tokens());
    (indices * size_of::<Index>() + (narrow + tables) * size_of::<i16>() + wide * size_of::<i32>()) as u64
}
