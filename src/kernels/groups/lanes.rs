//! The algorithm, once: generic over the registers that a backend gives, and compiled with its instruction set.

#![allow(clippy::needless_range_loop)] // one index goes through registers and memory

use super::{COLUMN, GROUP, GroupActivations, LANES, QUAD, ROWS, SCALES, TILE, Tile, Totals, block_bytes};
use std::array::from_fn;
use std::hint::black_box;

/// Bytes of a group of columns.
const GROUP_BYTES: usize = GROUP * COLUMN;
/// Bytes ahead that weights are asked for, which memory has and no cache.
const AHEAD: usize = 4096;

/// Steps of four columns that a group takes.
const STEPS: usize = GROUP / QUAD;

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
    /// Registers of lanes in step for one token: 1 or 2, likewise.
    const REGISTERS: usize = 1;
    /// The four rows' codes count 2^shift times.
    const SHIFT: [u32; ROWS];

    /// Asks for the cache line at an address, which may be anywhere.
    #[inline(always)]
    fn fetch(_at: *const u8) {}
    /// The activations in their form.
    fn activations(x: &GroupActivations) -> &[Self::Q];
    unsafe fn masks() -> Self::Masks;
    /// `start` + Σ code·q over a group of columns, both times 2^shift: `R` · `LANES` · 4 bytes of codes every 64, and 32
    /// activations of each token, in [`STEPS`] steps.
    unsafe fn sums<const T: usize, const R: usize>(
        masks: Self::Masks,
        steps: usize,
        codes: *const u8,
        q: [*const Self::Q; T],
        start: [i32; T],
    ) -> [[[Self::Sums; ROWS]; R]; T];
    unsafe fn zero() -> Self::Floats;
    /// sums·d.
    unsafe fn scaled(sums: Self::Sums, d: f32) -> Self::Floats;
    /// a + b.
    unsafe fn sum(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// total + t·s, both rounded, for each lane, with s = `factor` times the lane's scale: f16, as they are in a tile. The factor
    /// is a power of two.
    unsafe fn add_scaled(totals: *mut f32, t: Self::Floats, scales: *const u8, factor: f32);
}

/// [`Kernels::group_sums`](super::super::Kernels::group_sums).
///
/// # Safety
/// The processor has what `L` needs.
#[inline(always)]
pub(in crate::kernels) unsafe fn tile_sums<L: Lanes>(tile: &Tile<'_>, totals: &mut [Totals]) {
    assert_eq!(tile.tokens.len(), totals.len(), "tokens of a tile");
    // SAFETY: the caller's promise.
    unsafe {
        match tile.block / GROUP {
            2 => strips::<L, 2>(tile, totals),
            4 => strips::<L, 4>(tile, totals),
            _ => unreachable!("a block of {} columns", tile.block),
        }
    }
}

/// The same with blocks of so many groups.
///
/// # Safety
/// As for [`tile_sums`].
#[inline(always)]
unsafe fn strips<L: Lanes, const GROUPS: usize>(tile: &Tile<'_>, totals: &mut [Totals]) {
    let mut done = 0;
    // SAFETY: the caller's promise, and as many totals from `done` on as there are tokens in step.
    unsafe {
        while L::TOKENS >= 4 && totals.len() - done >= 4 {
            strip::<L, GROUPS, 4, 1>(tile, tile.tokens.start + done, totals[done..].as_mut_ptr());
            done += 4;
        }
        while L::TOKENS >= 2 && totals.len() - done >= 2 {
            strip::<L, GROUPS, 2, 1>(tile, tile.tokens.start + done, totals[done..].as_mut_ptr());
            done += 2;
        }
        while totals.len() > done {
            let (token, totals) = (tile.tokens.start + done, totals[done..].as_mut_ptr());
            match L::REGISTERS {
                2 => strip::<L, GROUPS, 1, 2>(tile, token, totals),
                _ => strip::<L, GROUPS, 1, 1>(tile, token, totals),
            }
            done += 1;
        }
    }
}

/// `T` tokens, from `token` on, `R` registers of lanes in step.
///
/// A function of its own where V8 allocates the registers: the loops of a larger one get too few. The totals are a pointer, which
/// the compiler takes for one to anything: of what it knows to stay the same it would keep copies, and V8 on its stack.
///
/// # Safety
/// As for [`tile_sums`], and there are `T` totals, which nobody else has.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
unsafe fn strip<L: Lanes, const GROUPS: usize, const T: usize, const R: usize>(
    tile: &Tile<'_>,
    token: usize,
    totals: *mut Totals,
) {
    // Not in a const: with two registers in step this is compiled for those too that have one.
    assert!(LANES.is_multiple_of(R * L::LANES), "lanes in step");
    let (cols, bytes) = (tile.x.cols(), block_bytes(GROUPS * GROUP));
    let (blocks, groups) = (tile.packed.len() / bytes, cols / GROUP);
    let q: [&[L::Q]; T] = from_fn(|t| &L::activations(tile.x)[(token + t) * cols..][..cols]);
    let of: [(&[i32], &[f32]); T] = from_fn(|t| tile.x.groups(token + t));
    assert!(tile.packed.len() == blocks * bytes && groups == blocks * GROUPS);
    assert!(of.iter().all(|(starts, d)| starts.len() == groups && d.len() == groups));
    // SAFETY: the caller's promise. A block is `GROUPS` groups of 512 bytes of codes, for 32 activations each, and 128 bytes of
    // scales; all of them are there as was checked. From `lane` on there are R · L::LANES lanes of four bytes in each run of 64
    // of the codes, and as many scales and totals of the 16 that each of four rows of lanes has.
    unsafe {
        // Numbers that the compiler does not know. It would unroll the steps, add their products in another order, which makes
        // no difference to integers, and have no registers for them all. And filling memory with a zero that it knows is an
        // instruction in wasm, which V8 calls a function for.
        let (masks, steps, zero) = (L::masks(), black_box(STEPS), black_box(0.0));
        for t in 0..T {
            *totals.add(t) = [zero; TILE];
        }
        let mut ts = [[[L::zero(); ROWS]; R]; T];
        // In wasm's memory, where they are aligned: V8's stack is not, and a store across two pages takes some fifty cycles.
        #[cfg(target_family = "wasm")]
        let ts = black_box(&mut ts);
        for block in 0..blocks {
            let codes = tile.packed.as_ptr().add(block * bytes);
            for lane in (0..LANES).step_by(R * L::LANES) {
                for group in 0..GROUPS {
                    let here = codes.add(group * GROUP_BYTES);
                    // A few lines at a time: what the processor has no room to wait for, it forgets. With several tokens in
                    // step the products take longer than the memory.
                    if T == 1 && lane == 0 {
                        for line in (0..GROUP_BYTES + SCALES).step_by(64) {
                            L::fetch(here.wrapping_add(AHEAD + line));
                        }
                    }
                    let (mut at, mut start, mut d) = ([std::ptr::null(); T], [0; T], [0.0; T]);
                    for t in 0..T {
                        let group = block * GROUPS + group;
                        at[t] = q[t].as_ptr().add(group * GROUP);
                        (start[t], d[t]) = (*of[t].0.as_ptr().add(group), *of[t].1.as_ptr().add(group));
                    }
                    let sums = L::sums::<T, R>(masks, steps, here.add(QUAD * lane), at, start);
                    for t in 0..T {
                        for r in 0..R {
                            for i in 0..ROWS {
                                let scaled = L::scaled(sums[t][r][i], d[t]);
                                // The first is not added to 0: that may leave -0, of which a total shows nothing.
                                let sum = if group == 0 { scaled } else { L::sum(ts[t][r][i], scaled) };
                                if group + 1 < GROUPS {
                                    ts[t][r][i] = sum;
                                    continue;
                                }
                                let row = i * LANES + lane + r * L::LANES;
                                // The codes counted 2^shift times.
                                let factor = 1.0 / (1u32 << L::SHIFT[i]) as f32;
                                let scales = codes.add(GROUPS * GROUP_BYTES + 2 * row);
                                L::add_scaled(totals.add(t).cast::<f32>().add(row), sum, scales, factor);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The group methods of [`Kernels`](super::super::Kernels) by one register type, compiled with `$feature`.
macro_rules! group_pieces {
    ([$($feature:meta)?], $lanes:ty) => {
        fn group_sums(&self, tile: &$crate::kernels::groups::Tile<'_>, totals: &mut [$crate::kernels::groups::Totals]) {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled(
                tile: &$crate::kernels::groups::Tile<'_>,
                totals: &mut [$crate::kernels::groups::Totals],
            ) {
                // SAFETY: the features that the registers need are those of this function.
                unsafe { $crate::kernels::groups::tile_sums::<$lanes>(tile, totals) }
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
