//! The innermost loops, for blocks of `H` rows.

use super::vector::{Element, Vector};
use super::{COLUMN, EIGHT};
use crate::kernels::generic::exp;

/// Positions whose scores are computed in step.
const STEP: usize = 2;

/// `scores[position][row]` = q · key; `q` is `[eighth][row]`, `keys` `[position][eighth]`.
///
/// # Safety
/// The processor has what `V` needs.
// In wasm a function of its own: V8 gives the registers of a long function to the wrong loops.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(super) unsafe fn scores<V: Vector, E: Element, const H: usize>(
    q: &[[[f32; EIGHT]; H]],
    keys: &[[E; EIGHT]],
    scores: &mut [[f32; H]],
) {
    let steps = q.len();
    assert!(steps > 0 && keys.len() == scores.len() * steps, "keys and scores");
    let (pairs, rest) = scores.as_chunks_mut::<STEP>();
    let (keys, keys_rest) = keys.split_at(pairs.len() * STEP * steps);
    // SAFETY: the caller's promise.
    unsafe {
        let constants = V::constants();
        for (scores, keys) in pairs.iter_mut().zip(keys.chunks_exact(STEP * steps)) {
            score_step::<V, E, H, STEP>(q, keys, scores, constants);
        }
        for (scores, keys) in rest.iter_mut().zip(keys_rest.chunks_exact(steps)) {
            score_step::<V, E, H, 1>(q, keys, std::array::from_mut(scores), constants);
        }
    }
}

/// Narrow vectors take the lanes in turns: keys are read twice so that the sums fit the registers.
///
/// # Safety
/// As for [`scores`].
#[inline(always)]
unsafe fn score_step<V: Vector, E: Element, const H: usize, const P: usize>(
    q: &[[[f32; EIGHT]; H]],
    keys: &[[E; EIGHT]],
    scores: &mut [[f32; H]; P],
    constants: V::Constants,
) {
    let steps = q.len();
    assert_eq!(keys.len(), P * steps, "keys");
    let mut lanes = [[[0.0f32; EIGHT]; 4]; P];
    for first in (0..EIGHT).step_by(V::LANES) {
        // SAFETY: the caller's promise; first + V::LANES <= EIGHT; the keys of position p are the `steps` eighths from
        // p * steps on, and the pointer moves by one with each of the `steps` elements of q.
        unsafe {
            let mut sums = [[V::splat(0.0); H]; P];
            let mut at = [std::ptr::null(); P];
            for (p, at) in at.iter_mut().enumerate() {
                *at = keys.as_ptr().add(p * steps).cast::<E>().add(first);
            }
            for q in q {
                let mut k = [V::splat(0.0); P];
                for p in 0..P {
                    k[p] = E::load::<V>(at[p], constants);
                    at[p] = at[p].wrapping_add(EIGHT);
                }
                for h in 0..H {
                    let q = V::load(q[h].as_ptr().add(first));
                    for p in 0..P {
                        sums[p][h] = sums[p][h].mul_add(q, k[p]);
                    }
                }
            }
            for p in 0..P {
                for h in 0..H {
                    sums[p][h].store(lanes[p][h].as_mut_ptr().add(first));
                }
            }
        }
    }
    for p in 0..P {
        // SAFETY: the caller's promise.
        let four = unsafe { V::fold(&lanes[p]) };
        scores[p].copy_from_slice(&four[..H]);
    }
}

/// `scores[position][row]` = q · key in integers; `q` is `[column][row]`, `keys` `[position][column]`. The largest sum fits `i32`.
///
/// # Safety
/// The processor has what `V` needs.
// In wasm a function of its own: V8 gives the registers of a long function to the wrong loops.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(super) unsafe fn integer_scores<V: Vector, const H: usize>(
    q: &[[[i16; COLUMN]; H]],
    keys: &[[i8; COLUMN]],
    scores: &mut [[f32; H]],
) {
    let steps = q.len();
    assert!(steps > 0 && keys.len() == scores.len() * steps, "keys and scores");
    let (pairs, rest) = scores.as_chunks_mut::<STEP>();
    let (keys, keys_rest) = keys.split_at(pairs.len() * STEP * steps);
    // SAFETY: the caller's promise.
    unsafe {
        for (scores, keys) in pairs.iter_mut().zip(keys.chunks_exact(STEP * steps)) {
            integer_step::<V, H, STEP>(q, keys, scores);
        }
        for (scores, keys) in rest.iter_mut().zip(keys_rest.chunks_exact(steps)) {
            integer_step::<V, H, 1>(q, keys, std::array::from_mut(scores));
        }
    }
}

/// # Safety
/// As for [`integer_scores`].
#[inline(always)]
unsafe fn integer_step<V: Vector, const H: usize, const P: usize>(
    q: &[[[i16; COLUMN]; H]],
    keys: &[[i8; COLUMN]],
    scores: &mut [[f32; H]; P],
) {
    let steps = q.len();
    assert_eq!(keys.len(), P * steps, "keys");
    // SAFETY: the caller's promise; the keys of position p are the `steps` from p * steps on, and the pointer moves by one
    // with each of the `steps` elements of q.
    unsafe {
        let mut sums = [[V::zero(); 4]; P];
        let mut at = [std::ptr::null::<i8>(); P];
        for (p, at) in at.iter_mut().enumerate() {
            *at = keys.as_ptr().add(p * steps).cast();
        }
        for q in q {
            let mut k = [V::load_codes(at[0]); P];
            for p in 0..P {
                k[p] = V::load_codes(at[p]);
                at[p] = at[p].wrapping_add(COLUMN);
            }
            for h in 0..H {
                for p in 0..P {
                    sums[p][h] = V::dot_add(sums[p][h], k[p], q[h].as_ptr());
                }
            }
        }
        for p in 0..P {
            let totals = V::totals(sums[p]);
            for h in 0..H {
                scores[p][h] = totals[h] as f32;
            }
        }
    }
}

/// `out[row]` = Σ weight · value over the positions, for one column.
///
/// # Safety
/// The processor has what `V` needs.
// In wasm a function of its own: V8 gives the registers of a long function to the wrong loops.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(super) unsafe fn values<V: Vector, E: Element, const H: usize>(
    weights: &[[f32; H]],
    values: &[[E; COLUMN]],
    out: &mut [[f32; COLUMN]; H],
) {
    assert_eq!(weights.len(), values.len(), "weights and values");
    // SAFETY: the caller's promise; V::LANES is 4 or 8, so first + 2 · V::LANES <= COLUMN.
    unsafe {
        let constants = V::constants();
        for first in (0..COLUMN).step_by(2 * V::LANES) {
            let mut sums = [[V::splat(0.0); 2]; H];
            for (weights, values) in weights.iter().zip(values) {
                let value = values.as_ptr().add(first);
                let low = E::load::<V>(value, constants);
                let high = E::load::<V>(value.add(V::LANES), constants);
                for h in 0..H {
                    let weight = V::splat(weights[h]);
                    sums[h][0] = sums[h][0].mul_add(weight, low);
                    sums[h][1] = sums[h][1].mul_add(weight, high);
                }
            }
            for h in 0..H {
                let out = out[h].as_mut_ptr().add(first);
                sums[h][0].store(out);
                sums[h][1].store(out.add(V::LANES));
            }
        }
    }
}

/// Turns the scores of a page into weights; `limits[row]` positions count. Returns the largest scores and the sums of the
/// weights.
#[inline(always)]
pub(super) fn weigh<const H: usize>(scores: &mut [[f32; H]], limits: [usize; H]) -> ([f32; H], [f32; H]) {
    for h in 0..H {
        let limit = limits[h].min(scores.len());
        for score in &mut scores[limit..] {
            score[h] = f32::NEG_INFINITY;
        }
    }
    let mut most = [[f32::NEG_INFINITY; H]; 4];
    let (fours, rest) = scores.as_chunks::<4>();
    for four in fours {
        for p in 0..4 {
            for h in 0..H {
                most[p][h] = if four[p][h] > most[p][h] { four[p][h] } else { most[p][h] };
            }
        }
    }
    let mut largest = [f32::NEG_INFINITY; H];
    for row in most.iter().chain(rest) {
        for h in 0..H {
            largest[h] = if row[h] > largest[h] { row[h] } else { largest[h] };
        }
    }
    for row in scores.iter_mut() {
        for h in 0..H {
            row[h] -= largest[h];
        }
    }
    for score in scores.as_flattened_mut() {
        *score = exp(*score);
    }
    let mut sums = [[0.0f32; H]; 4];
    let (fours, rest) = scores.as_chunks::<4>();
    for four in fours {
        for p in 0..4 {
            for h in 0..H {
                sums[p][h] += four[p][h];
            }
        }
    }
    for (p, row) in rest.iter().enumerate() {
        for h in 0..H {
            sums[p][h] += row[h];
        }
    }
    let mut total = [0.0; H];
    for h in 0..H {
        total[h] = (sums[0][h] + sums[2][h]) + (sums[1][h] + sums[3][h]);
    }
    (largest, total)
}
