//! What the threads work in, allocated once.

use super::plan::{MAX_ROWS, MAX_SUMS};
use super::{CHUNK, COLUMNS, Index, ROWS, Shape, pass_len, room};
use crate::Result;
use crate::allocate::try_grow;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

const WHAT: &str = "tables of activations";

/// A line of the cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line([[u64; 4]; 2]);

/// Numbers from the start of a line on: a register that straddles two lines takes two loads.
#[derive(Debug, Default)]
pub(super) struct Aligned<T> {
    lines: Vec<Line>,
    numbers: PhantomData<T>,
}

/// # Safety
/// Any bits are such a number, its size divides 64, and it needs no stricter alignment.
pub(super) unsafe trait Number {}

// SAFETY: an integer.
unsafe impl Number for i16 {}
// SAFETY: an integer.
unsafe impl Number for i32 {}
// SAFETY: four integers.
unsafe impl Number for Index {}

impl<T: Number> Aligned<T> {
    /// Room for `len` numbers at least.
    fn grow(&mut self, len: usize) -> Result<()> {
        try_grow(&mut self.lines, (len * size_of::<T>()).div_ceil(size_of::<Line>()), WHAT)
    }

    pub(super) fn numbers(&mut self) -> &mut [T] {
        let len = self.lines.len() * (size_of::<Line>() / size_of::<T>());
        // SAFETY: the lines are that many numbers, by the promise of `Number`, and borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}

/// One thread's.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) tables: Aligned<i16>,
    /// Of a chunk of columns: `[pass][group][table]`.
    pub(super) indices: Aligned<Index>,
    /// Sums of a chunk and a tile: `[row][token]`.
    pub(super) narrow: Aligned<i16>,
    /// Sums of all columns, then results: `[tile][row][token]`.
    pub(super) wide: Aligned<i32>,
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
            scratch.tables.grow(room(shape.tables, shape.tokens()))?;
            scratch.indices.grow(indices)?;
            scratch.narrow.grow(narrow)?;
            scratch.wide.grow(wide)?;
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
    let passes = CHUNK / COLUMNS / shape.tables;
    [passes * pass_len(task / ROWS, shape.tables), task * tile, wide]
}

/// Bytes that a thread needs at most for products of `rows` rows and `tokens` tokens, whatever the backend.
pub fn scratch_bytes(rows: usize, tokens: usize) -> u64 {
    let shape = Shape { lanes: 32, vectors: 1, tables: 8, least: 1 };
    let [indices, narrow, wide] = lengths(shape, rows, tokens);
    let tables = room(shape.tables, shape.tokens());
    (indices * size_of::<Index>() + (narrow + tables) * size_of::<i16>() + wide * size_of::<i32>()) as u64
}
