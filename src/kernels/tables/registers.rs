//! The algorithm, once: generic over the registers that a backend gives, and compiled with its instruction set.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::{COLUMNS, Codes, ENTRIES, Index, Pass, ROWS, pass_len, room};

/// A register of 16-bit lanes, a token a lane. All additions wrap.
///
/// # Safety
/// Every function: the processor has what the implementation needs, and there are as many elements at a pointer as are
/// read or written; they may be unaligned.
pub(in crate::kernels) trait Registers: Copy {
    /// 16-bit lanes.
    const LANES: usize;
    /// Registers a tile, up to 4.
    const VECTORS: usize;
    /// Tables at a time: 4 or 8. As many as the first cache likes beside the rows' sums.
    const TABLES: usize;

    /// Rows in step: 4, 2 or 1. `STEP` · `VECTORS` sums must fit the registers.
    const STEP: usize;
    /// Tokens of a register that are worth trying tables for: fewer are faster by dots wherever it was measured.
    const LEAST: usize;

    /// Asks for the cache line at an address, which may be anywhere.
    #[inline(always)]
    fn fetch(_at: *const u8) {}
    /// No sums yet.
    unsafe fn zero() -> Self;
    /// Sums, or an entry of a table.
    unsafe fn load(sums: *const i16) -> Self;
    /// Activations, widened.
    unsafe fn load_q(q: *const i8) -> Self;
    /// Writes the lanes.
    unsafe fn store(self, sums: *mut i16);
    /// Lane by lane.
    unsafe fn add(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn sub(self, other: Self) -> Self;
    /// Adds the lanes to as many 32-bit sums, or writes them where they are the `first`.
    unsafe fn add_to(self, sums: *mut i32, first: bool);
}

/// Makes the tables of a pass and looks every row up in them: [`Tables::table_pass`](super::Tables::table_pass).
///
/// # Safety
/// The processor has what `R` needs.
#[inline(always)]
pub(in crate::kernels) unsafe fn pass<R: Registers>(pass: &mut Pass<'_>) {
    const { assert!(R::VECTORS <= 4 && (R::TABLES == 4 || R::TABLES == 8)) };
    assert!(pass.tokens.is_multiple_of(R::LANES) && pass.tokens / R::LANES <= R::VECTORS, "tokens of a tile");
    // SAFETY: the caller's promise.
    unsafe {
        match pass.tokens / R::LANES {
            1 => tables_of::<R, 1>(pass),
            2 if R::VECTORS >= 2 => tables_of::<R, 2>(pass),
            3 if R::VECTORS >= 3 => tables_of::<R, 3>(pass),
            4 if R::VECTORS >= 4 => tables_of::<R, 4>(pass),
            vectors => unreachable!("{vectors} registers a tile"),
        }
    }
}

/// # Safety
/// As for [`pass`].
#[inline(always)]
unsafe fn tables_of<R: Registers, const N: usize>(pass: &mut Pass<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match (R::TABLES, pass.first) {
            (8, true) => build_and_look_up::<R, N, 8, true>(pass),
            (8, false) => build_and_look_up::<R, N, 8, false>(pass),
            (_, true) => build_and_look_up::<R, N, 4, true>(pass),
            (_, false) => build_and_look_up::<R, N, 4, false>(pass),
        }
    }
}

/// # Safety
/// As for [`pass`], with `pass.tokens` = `N` registers.
#[inline(always)]
unsafe fn build_and_look_up<R: Registers, const N: usize, const T: usize, const FIRST: bool>(pass: &mut Pass<'_>) {
    let tokens = N * R::LANES;
    assert_eq!(pass.tokens, tokens);
    assert_eq!(pass.q.len(), T * COLUMNS * tokens, "activations of a pass");
    assert!(pass.tables.len() >= room(T, tokens), "room for the tables");
    let (quads, rest) = pass.indices.as_chunks::<T>();
    assert!(rest.is_empty() && pass.sums.len() == quads.len() * ROWS * tokens, "sums of a pass");
    let tables = pass.tables.as_mut_ptr();
    for t in 0..T {
        // SAFETY: the caller's promise; COLUMNS·tokens activations from t·COLUMNS·tokens on and ENTRIES·tokens
        // entries from t·ENTRIES·tokens on are there, as was checked above.
        unsafe {
            build::<R, N>(pass.q.as_ptr().add(t * COLUMNS * tokens), tables.add(t * ENTRIES * tokens));
        }
    }
    for (quad, sums) in quads.iter().zip(pass.sums.chunks_exact_mut(ROWS * tokens)) {
        let sums = sums.as_mut_ptr();
        // SAFETY: the caller's promise; `sums` has ROWS·N·LANES elements. An index is 3·(1 + 3 + 9 + 27) = 120 at most
        // whatever the codes are, and `room` counts that many entries from the last table's beginning.
        unsafe {
            match R::STEP {
                4 => look_up::<R, N, T, 4, FIRST>(tables, quad, 0, sums),
                2 => (0..ROWS).step_by(2).for_each(|row| look_up::<R, N, T, 2, FIRST>(tables, quad, row, sums)),
                _ => (0..ROWS).for_each(|row| look_up::<R, N, T, 1, FIRST>(tables, quad, row, sums)),
            }
        }
    }
}

/// The entries of rows `row` to `row + S` of a group.
///
/// # Safety
/// As for [`pass`]; `tables` has `T` tables with [`room`] behind them, `sums` the `ROWS` rows of the group.
#[inline(always)]
unsafe fn look_up<R: Registers, const N: usize, const T: usize, const S: usize, const FIRST: bool>(
    tables: *const i16,
    quad: &[Index; T],
    row: usize,
    sums: *mut i16,
) {
    let tokens = N * R::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [[R::zero(); N]; S];
        if !FIRST {
            for s in 0..S {
                for n in 0..N {
                    lanes[s][n] = R::load(sums.add((row + s) * tokens + n * R::LANES));
                }
            }
        }
        for t in 0..T {
            // One load for the indices of all rows in step, where there are some: entries alone keep the processor's loads busy.
            let all = u32::from_le_bytes(quad[t]) >> (8 * row);
            for s in 0..S {
                let index = if S == 1 { usize::from(quad[t][row]) } else { (all >> (8 * s) & 0xff) as usize };
                let entry = tables.add((t * ENTRIES + index) * tokens);
                for n in 0..N {
                    lanes[s][n] = lanes[s][n].add(R::load(entry.add(n * R::LANES)));
                }
            }
        }
        for s in 0..S {
            for n in 0..N {
                lanes[s][n].store(sums.add((row + s) * tokens + n * R::LANES));
            }
        }
    }
}

/// The 81 sums ±a ±b ±c ±d of four columns, the first column's weight changing fastest.
///
/// # Safety
/// As for [`pass`]; `q` has `COLUMNS` columns of `N` registers, `table` room for `ENTRIES` times as much as one.
#[inline(always)]
unsafe fn build<R: Registers, const N: usize>(q: *const i8, table: *mut i16) {
    let tokens = N * R::LANES;
    for n in 0..N {
        // SAFETY: the caller's promise.
        unsafe {
            let column = |i: usize| R::load_q(q.add(i * tokens + n * R::LANES));
            let (a, b, c, d) = (column(0), column(1), column(2), column(3));
            let mut entry = table.add(n * R::LANES);
            let mut third = R::zero().sub(d);
            for _ in 0..3 {
                let mut second = third.sub(c);
                for _ in 0..3 {
                    let mut first = second.sub(b);
                    for _ in 0..3 {
                        first.sub(a).store(entry);
                        first.store(entry.add(tokens));
                        first.add(a).store(entry.add(2 * tokens));
                        entry = entry.wrapping_add(3 * tokens);
                        first = first.add(b);
                    }
                    second = second.add(c);
                }
                third = third.add(d);
            }
        }
    }
}

/// Groups that codes are asked for ahead.
const AHEAD: usize = 8;

/// [`Tables::table_indices`](super::Tables::table_indices): the multiplication brings Σ code·3^column into the highest
/// byte, and lower bytes stay below 256.
#[inline(always)]
pub(in crate::kernels) fn indices<R: Registers>(codes: Codes<'_>, groups: usize, out: &mut [Index]) {
    match R::TABLES {
        8 => indices_of::<R, 8>(codes, groups, out),
        _ => indices_of::<R, 4>(codes, groups, out),
    }
}

#[inline(always)]
fn indices_of<R: Registers, const T: usize>(codes: Codes<'_>, groups: usize, out: &mut [Index]) {
    for (group, row) in codes.packed.chunks_exact(codes.cols).enumerate() {
        // The next groups lie pages apart, where no processor looks by itself.
        for line in codes.columns.clone().step_by(64) {
            R::fetch(row.as_ptr().wrapping_add(AHEAD * codes.cols + line));
        }
        let passes = row[codes.columns.clone()].as_chunks::<COLUMNS>().0.as_chunks::<T>().0;
        for (codes, out) in passes.iter().zip(out.chunks_mut(pass_len(groups, T))) {
            let out = &mut out[group * T..][..T];
            for t in 0..T {
                let codes = u32::from_le_bytes(codes[t]);
                let dense = |row: u32| (codes >> (2 * row) & 0x0303_0303).wrapping_mul(0x0103_091b) >> 24;
                out[t] = (dense(0) | dense(1) << 8 | dense(2) << 16 | dense(3) << 24).to_le_bytes();
            }
        }
    }
}

/// [`Tables::table_widen`](super::Tables::table_widen).
///
/// # Safety
/// The processor has what `R` needs.
#[inline(always)]
pub(in crate::kernels) unsafe fn widen<R: Registers>(narrow: &[i16], first: bool, wide: &mut [i32]) {
    assert!(narrow.len() == wide.len() && narrow.len().is_multiple_of(R::LANES), "sums to widen");
    for i in (0..narrow.len()).step_by(R::LANES) {
        // SAFETY: the caller's promise, and LANES elements from i on are in both slices.
        unsafe { R::load(narrow.as_ptr().add(i)).add_to(wide.as_mut_ptr().add(i), first) };
    }
}

/// [`Tables::table_scale`](super::Tables::table_scale).
#[inline(always)]
pub(in crate::kernels) fn scale(narrow: &[i16], tokens: usize, scales: &[f32], step: usize, totals: &mut [i32]) {
    // The last group may have rows that no matrix has, and no scale.
    let rows = narrow.chunks_exact(tokens).zip(totals.chunks_exact_mut(tokens));
    for ((narrow, totals), scale) in rows.zip(scales.iter().step_by(step)) {
        for (total, sum) in totals.iter_mut().zip(narrow) {
            *total = (f32::from_bits(*total as u32) + f32::from(*sum) * scale).to_bits() as i32;
        }
    }
}

/// [`Tables::table_finish`](super::Tables::table_finish).
#[inline(always)]
pub(in crate::kernels) fn finish(sums: &mut [i32], s: &[f32], scale: Option<f32>) {
    for row in sums.chunks_exact_mut(s.len()) {
        match scale {
            Some(scale) => row.iter_mut().zip(s).for_each(|(y, s)| *y = (*y as f32 / s * scale).to_bits() as i32),
            None => row.iter_mut().zip(s).for_each(|(y, s)| *y = (f32::from_bits(*y as u32) / s).to_bits() as i32),
        }
    }
}

/// Lines of the first cache that the limit is measured on.
pub(in crate::kernels) const LIMIT_LINES: usize = 128;

/// [`Tables::table_limit`](super::Tables::table_limit): from another place in each turn.
///
/// # Safety
/// The processor has what `R` needs.
#[inline(always)]
pub(in crate::kernels) unsafe fn limit<R: Registers>(turns: u32) -> u16 {
    let entries = Lines([[1; 32]; LIMIT_LINES]);
    let entries = std::hint::black_box(&entries);
    // SAFETY: the caller's promise. The last entry begins SPAN lanes before the end.
    unsafe { limit_of::<R>(&entries.0, turns) }
}

#[repr(align(64))]
struct Lines([[i16; 32]; LIMIT_LINES]);

/// # Safety
/// As for [`limit`].
#[inline(always)]
unsafe fn limit_of<R: Registers>(entries: &[[i16; 32]; LIMIT_LINES], turns: u32) -> u16 {
    const C: usize = LIMIT_CHAINS;
    let last = LIMIT_LINES * 32 - C * R::LANES;
    let mut sum = 0u16;
    // SAFETY: the caller's promise; `at` is `last` at most, so C registers are there, and `lanes` has room for one.
    unsafe {
        let mut sums = [R::zero(); C];
        let mut at = 0;
        for _ in 0..turns {
            let entry = entries.as_ptr().cast::<i16>().add(at);
            for c in 0..C {
                sums[c] = sums[c].add(R::load(entry.add(c * R::LANES)));
            }
            at = if at + C * R::LANES > last { 0 } else { at + C * R::LANES };
        }
        for total in sums {
            let mut lanes = [0i16; 32];
            total.store(lanes.as_mut_ptr());
            sum = lanes.iter().fold(sum, |sum, lane| sum.wrapping_add(*lane as u16));
        }
    }
    sum
}

/// Registers a turn of [`limit`]: sums that don't wait for each other.
pub(in crate::kernels) const LIMIT_CHAINS: usize = 8;

/// [`Tables`](super::Tables) by one register type, compiled with `$feature`.
macro_rules! table_pieces {
    ([$($feature:meta)?], $registers:ty) => {
        fn table_shape(&self) -> $crate::kernels::tables::Shape {
            $crate::kernels::tables::Shape::of::<$registers>()
        }

        fn table_indices(&self, codes: $crate::kernels::tables::Codes<'_>, groups: usize, out: &mut [$crate::kernels::tables::Index]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(codes: $crate::kernels::tables::Codes<'_>, groups: usize, out: &mut [$crate::kernels::tables::Index]) {
                $crate::kernels::tables::indices::<$registers>(codes, groups, out);
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(codes, groups, out) }
        }

        fn table_pass(&self, pass: &mut $crate::kernels::tables::Pass<'_>) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(pass: &mut $crate::kernels::tables::Pass<'_>) {
                // SAFETY: the features that the registers need are those of this function.
                unsafe { $crate::kernels::tables::pass::<$registers>(pass) }
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(pass) }
        }

        fn table_widen(&self, narrow: &[i16], first: bool, wide: &mut [i32]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(narrow: &[i16], first: bool, wide: &mut [i32]) {
                // SAFETY: the features that the registers need are those of this function.
                unsafe { $crate::kernels::tables::widen::<$registers>(narrow, first, wide) }
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(narrow, first, wide) }
        }

        fn table_scale(&self, narrow: &[i16], tokens: usize, scales: &[f32], step: usize, totals: &mut [i32]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(narrow: &[i16], tokens: usize, scales: &[f32], step: usize, totals: &mut [i32]) {
                $crate::kernels::tables::scale(narrow, tokens, scales, step, totals);
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(narrow, tokens, scales, step, totals) }
        }

        fn table_finish(&self, sums: &mut [i32], s: &[f32], scale: Option<f32>) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(sums: &mut [i32], s: &[f32], scale: Option<f32>) {
                $crate::kernels::tables::finish(sums, s, scale);
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(sums, s, scale) }
        }

        fn table_limit(&self, turns: u32) -> u16 {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(turns: u32) -> u16 {
                // SAFETY: the features that the registers need are those of this function.
                unsafe { $crate::kernels::tables::limit::<$registers>(turns) }
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(turns) }
        }

        fn lookups(&self) -> usize {
            $crate::kernels::tables::LIMIT_CHAINS
                * <$registers as $crate::kernels::tables::Registers>::LANES
                * $crate::kernels::tables::COLUMNS
        }
    };
}
pub(in crate::kernels) use table_pieces;
