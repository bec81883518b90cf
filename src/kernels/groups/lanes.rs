//! The algorithm, once: generic over the registers that a backend gives, and compiled with its instruction set.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::super::half::{HALVES, Widen};
use super::{COLUMN, GROUP, GroupActivations, LANES, QUAD, ROWS, SCALES, TILE, Tile, Totals, block_bytes};
use std::array::from_fn;

/// Bytes of a group of columns.
const GROUP_BYTES: usize = GROUP * COLUMN;
/// Bytes ahead that weights are asked for, which memory has and no cache.
const AHEAD: usize = 4096;

/// Steps of four columns that a group takes.
const STEPS: usize = GROUP / QUAD;

const _: () = assert!(LANES == HALVES);

/// Registers of 32-bit lanes, four rows a lane and a register a row.
///
/// # Safety
/// Every function: the processor has what the implementation needs, and there is as much at a pointer as is read or written;
/// nothing need be aligned.
pub(in crate::kernels) trait Lanes {
    /// How activations are stored.
    type Q: Copy;
    /// Constants of the loop.
    type Masks: Copy;
    /// A register of sums.
    type Sums: Copy;
    /// As many floats.
    type Floats: Copy;
    /// Lanes of a register, a divisor of 16.
    const LANES: usize;
    /// Tokens in step: 1, 2 or 4. As many as the registers hold.
    const TOKENS: usize;
    /// The four rows' codes count 2^shift times.
    const SHIFT: [u32; ROWS];

    /// Asks for the cache line at an address, which may be anywhere.
    #[inline(always)]
    fn fetch(_at: *const u8) {}
    /// The activations in their form.
    fn activations(x: &GroupActivations) -> &[Self::Q];
    unsafe fn masks() -> Self::Masks;
    /// `start` + Σ code·q over a group of columns, both times 2^shift: `LANES` · 4 bytes of codes every 64, and 32 activations
    /// of each token, in [`STEPS`] steps.
    unsafe fn sums<const T: usize>(
        masks: Self::Masks,
        steps: usize,
        codes: *const u8,
        q: [*const Self::Q; T],
        start: [i32; T],
    ) -> [[Self::Sums; ROWS]; T];
    unsafe fn zero() -> Self::Floats;
    /// t + sums·d, both rounded.
    unsafe fn add_scaled(t: Self::Floats, sums: Self::Sums, d: f32) -> Self::Floats;
    unsafe fn store(t: Self::Floats, out: *mut f32);
}

/// [`Kernels::group_sums`](super::super::Kernels::group_sums).
///
/// # Safety
/// The processor has what `L` and `W` need.
#[inline(always)]
pub(in crate::kernels) unsafe fn tile_sums<L: Lanes, W: Widen>(tile: &Tile<'_>, totals: &mut [Totals]) {
    assert_eq!(tile.tokens.len(), totals.len(), "tokens of a tile");
    let mut done = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while L::TOKENS >= 4
            && let Some(totals) = totals[done..].first_chunk_mut()
        {
            strip::<L, W, 4>(tile, tile.tokens.start + done, totals);
            done += 4;
        }
        while L::TOKENS >= 2
            && let Some(totals) = totals[done..].first_chunk_mut()
        {
            strip::<L, W, 2>(tile, tile.tokens.start + done, totals);
            done += 2;
        }
        while let Some(totals) = totals[done..].first_chunk_mut() {
            strip::<L, W, 1>(tile, tile.tokens.start + done, totals);
            done += 1;
        }
    }
}

/// `T` tokens, from `token` on.
///
/// # Safety
/// As for [`tile_sums`].
#[inline(always)]
unsafe fn strip<L: Lanes, W: Widen, const T: usize>(tile: &Tile<'_>, token: usize, totals: &mut [Totals; T]) {
    let (block, cols) = (tile.block, tile.x.cols());
    let q: [&[L::Q]; T] = from_fn(|t| &L::activations(tile.x)[(token + t) * cols..][..cols]);
    let groups: [(&[i32], &[f32]); T] = from_fn(|t| tile.x.groups(token + t));
    let per_block = block / GROUP;
    *totals = [[0.0; TILE]; T];
    for (b, bytes) in tile.packed.chunks_exact(block_bytes(block)).enumerate() {
        let (codes, scales) = bytes.split_at(bytes.len() - SCALES);
        let (mut part, mut starts, mut d) = ([&q[0][..0]; T], [&groups[0].0[..0]; T], [&groups[0].1[..0]; T]);
        for t in 0..T {
            part[t] = &q[t][b * block..][..block];
            starts[t] = &groups[t].0[b * per_block..][..per_block];
            d[t] = &groups[t].1[b * per_block..][..per_block];
        }
        let mut sums = [[0.0; TILE]; T];
        // SAFETY: the caller's promise.
        unsafe { block_sums::<L, T>(codes, part, starts, d, &mut sums) };
        for (row, halves) in scales.as_chunks::<{ 2 * HALVES }>().0.iter().enumerate() {
            let mut bits = [0; HALVES];
            for l in 0..HALVES {
                bits[l] = u16::from_le_bytes([halves[2 * l], halves[2 * l + 1]]);
            }
            // SAFETY: the caller's promise.
            let mut scales = unsafe { W::widen(&bits) };
            // The codes counted 2^shift times.
            let factor = 1.0 / (1u32 << L::SHIFT[row]) as f32;
            for l in 0..HALVES {
                scales[l] *= factor;
            }
            for t in 0..T {
                let (sums, totals) = (&sums[t][row * LANES..][..LANES], &mut totals[t][row * LANES..][..LANES]);
                for l in 0..LANES {
                    totals[l] += sums[l] * scales[l];
                }
            }
        }
    }
}

/// Σ G·d over the groups of a block, times 2^shift.
///
/// A function of its own where V8 allocates the registers: the loop of a larger one gets too few.
///
/// # Safety
/// As for [`tile_sums`].
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
unsafe fn block_sums<L: Lanes, const T: usize>(
    codes: &[u8],
    q: [&[L::Q]; T],
    starts: [&[i32]; T],
    d: [&[f32]; T],
    out: &mut [Totals; T],
) {
    const { assert!(LANES.is_multiple_of(L::LANES)) };
    let groups = codes.len() / GROUP_BYTES;
    assert!(codes.len() == groups * GROUP_BYTES && q.iter().all(|q| q.len() == groups * GROUP));
    assert!(starts.iter().all(|starts| starts.len() == groups) && d.iter().all(|d| d.len() == groups));
    // SAFETY: the caller's promise. A group is 512 bytes of codes and 32 activations, which are there as was checked; from
    // `lane` on there are LANES lanes of four bytes in each of its runs of 64, and as many of the 16 rows that a register of
    // results has, four times.
    unsafe {
        // A number that the compiler does not know. It would unroll the steps, add their products in another order, which
        // makes no difference to integers, and have no registers for them all.
        let (masks, steps) = (L::masks(), std::hint::black_box(STEPS));
        for lane in (0..LANES).step_by(L::LANES) {
            let mut totals = [[L::zero(); ROWS]; T];
            for group in 0..groups {
                // A few lines at a time: what the processor has no room to wait for, it forgets. With several tokens in step the
                // products take longer than the memory.
                if T == 1 && lane == 0 {
                    for line in (0..GROUP_BYTES + SCALES).step_by(64) {
                        L::fetch(codes.as_ptr().wrapping_add(group * GROUP_BYTES + AHEAD + line));
                    }
                }
                let (mut at, mut start) = ([std::ptr::null(); T], [0; T]);
                for t in 0..T {
                    (at[t], start[t]) = (q[t].as_ptr().add(group * GROUP), starts[t][group]);
                }
                let sums = L::sums::<T>(masks, steps, codes.as_ptr().add(group * GROUP_BYTES + 4 * lane), at, start);
                for t in 0..T {
                    for r in 0..ROWS {
                        totals[t][r] = L::add_scaled(totals[t][r], sums[t][r], d[t][group]);
                    }
                }
            }
            for t in 0..T {
                for r in 0..ROWS {
                    L::store(totals[t][r], out[t].as_mut_ptr().add(r * LANES + lane));
                }
            }
        }
    }
}

/// The group methods of [`Kernels`](super::super::Kernels) by one register type, compiled with `$feature`.
macro_rules! group_pieces {
    ([$($feature:meta)?], $lanes:ty, $half:ty) => {
        fn group_sums(&self, tile: &$crate::kernels::groups::Tile<'_>, totals: &mut [$crate::kernels::groups::Totals]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(
                tile: &$crate::kernels::groups::Tile<'_>,
                totals: &mut [$crate::kernels::groups::Totals],
            ) {
                // SAFETY: the features that the registers need are those of this function.
                unsafe { $crate::kernels::groups::tile_sums::<$lanes, $half>(tile, totals) }
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(tile, totals) }
        }

        fn quantize_groups(&self, x: &[f32], q: &mut [i8], starts: &mut [i32], scales: &mut [f32]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(x: &[f32], q: &mut [i8], starts: &mut [i32], scales: &mut [f32]) {
                $crate::kernels::groups::quantize_groups(x, q, starts, scales);
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(x, q, starts, scales) }
        }
    };
}
pub(in crate::kernels) use group_pieces;
