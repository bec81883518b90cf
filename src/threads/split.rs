//! Safe ways to let tasks write to one slice: each sees only its own part.

use super::Pool;
use std::marker::PhantomData;
use std::ops::Range;

/// A pointer that tasks share. Sound because the two methods below give each task a part of its own.
struct Shared<T>(*mut T);

// SAFETY: the pointer is only ever dereferenced inside parts that no two tasks share, and `T: Send` lets those
// parts be written from other threads.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// A row-major matrix that tasks write in parts of their own choice.
pub(crate) struct Parts<'a, T> {
    first: Shared<T>,
    width: usize,
    rows: usize,
    matrix: PhantomData<&'a mut [T]>,
}

impl<'a, T: Send> Parts<'a, T> {
    /// Of rows of `width`.
    pub(crate) fn new(data: &'a mut [T], width: usize) -> Self {
        let rows = data.len().checked_div(width).unwrap_or(0);
        Parts { first: Shared(data.as_mut_ptr()), width, rows, matrix: PhantomData }
    }

    /// The columns `columns` of the rows `rows`, which are counted from there on. Panics where the matrix has no such part.
    ///
    /// # Safety
    /// While the view lives, no other view has an element of it.
    pub(crate) unsafe fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Columns<'_, T> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.width, "columns {columns:?} of {}", self.width);
        // SAFETY: rows.start <= self.rows, so the pointer stays within the matrix or at its end.
        let first = unsafe { self.first.get().add(rows.start * self.width) };
        Columns { first, width: self.width, rows: rows.len(), range: columns, matrix: PhantomData }
    }
}

/// The columns `range` of a row-major matrix, or of some of its rows: what one task of [`Pool::columns`] may write.
pub struct Columns<'a, T> {
    first: *mut T,
    width: usize,
    rows: usize,
    range: Range<usize>,
    matrix: PhantomData<&'a mut [T]>,
}

impl<T> Columns<'_, T> {
    /// The columns of this part.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// This part of row `row`. Panics where the matrix has no such row.
    pub fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: row < rows and range.end <= width, so the part lies in the matrix that `Pool::columns` or `Parts`
        // borrowed for longer than this view lives; no other view has these elements, and `&mut self` forbids a second
        // slice from this one.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.width + self.range.start), self.range.len()) }
    }
}

impl Pool {
    /// Calls `task(i, chunk)` for each run of `chunk` elements of `data` (the last may be shorter).
    pub fn chunks<T: Send>(&self, data: &mut [T], chunk: usize, task: impl Fn(usize, &mut [T]) + Sync) {
        let (len, chunk) = (data.len(), chunk.max(1));
        let shared = Shared(data.as_mut_ptr());
        self.run(len.div_ceil(chunk), &|i| {
            let start = i * chunk;
            let part = chunk.min(len - start);
            // SAFETY: start < len because i < len.div_ceil(chunk), and part ends at len at the latest. `run` calls
            // each i once, so the parts are disjoint; it returns only when all tasks have, so `data` outlives them.
            task(i, unsafe { std::slice::from_raw_parts_mut(shared.get().add(start), part) });
        });
    }

    /// Calls `task` for each run of `step` columns of the row-major matrix `data` of `width` columns.
    pub fn columns<T: Send>(
        &self,
        data: &mut [T],
        width: usize,
        step: usize,
        task: impl Fn(&mut Columns<'_, T>) + Sync,
    ) {
        if width == 0 {
            return;
        }
        let (rows, step) = (data.len() / width, step.max(1));
        let shared = Shared(data.as_mut_ptr());
        self.run(width.div_ceil(step), &|i| {
            let start = i * step;
            // Each i is called once, so no two views have a column in common.
            task(&mut Columns {
                first: shared.get(),
                width,
                rows,
                range: start..width.min(start + step),
                matrix: PhantomData,
            });
        });
    }
}
