//! Causal attention over the KV cache.
//!
//! One task is one token and one KV head with the query heads it serves (GQA), so that a page of keys is turned
//! into f32 once for all of them. Scores, weights and sums have one order, along the positions, whatever the batch.

use super::kv_cache::{PAGE, Rows};
use super::{Config, KvCache};
use crate::kernels::{Backend, Compute};
use std::cell::RefCell;

/// Positions whose keys or values are turned into f32 at once: 16 kB for a head of 128.
const TILE: usize = 32;
const _: () = assert!(PAGE.is_multiple_of(TILE));

thread_local! {
    /// Scores of one task and a tile of f32 rows. A thread keeps them, so a token allocates nothing.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// `out[token][head][head_dim]` for queries `q` of the same shape; token `i` stands at `position + i` and sees
/// every position up to its own, all of which are stored.
pub(crate) fn attention(
    compute: &Compute,
    config: &Config,
    cache: &KvCache,
    layer: usize,
    position: usize,
    q: &[f32],
    out: &mut [f32],
) {
    let (backend, dim) = (compute.backend, config.head_dim);
    let group = config.heads / config.kv_heads;
    let scale = 1.0 / libm::sqrtf(dim as f32);
    compute.pool.chunks(out, group * dim, |task, out| {
        let (token, kv_head) = (task / config.kv_heads, task % config.kv_heads);
        let q = &q[task * group * dim..][..group * dim];
        let seen = position + token + 1;
        SCRATCH.with_borrow_mut(|(scores, tile)| {
            scores.clear();
            scores.resize(group * seen, 0.0);
            tile.resize(TILE * dim, 0.0);
            for_tiles(
                backend,
                cache,
                (layer, kv_head),
                seen,
                dim,
                tile,
                |(keys, _)| keys,
                |first, keys| {
                    for (t, key) in keys.chunks_exact(dim).enumerate() {
                        for (j, q) in q.chunks_exact(dim).enumerate() {
                            scores[j * seen + first + t] = backend.dot(q, key) * scale;
                        }
                    }
                },
            );
            scores.chunks_exact_mut(seen).for_each(|row| backend.softmax(row));
            out.fill(0.0);
            for_tiles(
                backend,
                cache,
                (layer, kv_head),
                seen,
                dim,
                tile,
                |(_, values)| values,
                |first, values| {
                    for (t, value) in values.chunks_exact(dim).enumerate() {
                        for (j, out) in out.chunks_exact_mut(dim).enumerate() {
                            backend.add_scaled(out, scores[j * seen + first + t], value);
                        }
                    }
                },
            );
        });
    });
}

/// Calls `f(first position, f32 rows)` for the keys or values of positions `0..seen`, in order.
#[allow(clippy::too_many_arguments)]
fn for_tiles(
    backend: Backend,
    cache: &KvCache,
    (layer, head): (usize, usize),
    seen: usize,
    dim: usize,
    tile: &mut [f32],
    pick: impl for<'a> Fn((Rows<'a>, Rows<'a>)) -> Rows<'a>,
    mut f: impl FnMut(usize, &[f32]),
) {
    for (page, start) in (0..seen).step_by(PAGE).enumerate() {
        let count = PAGE.min(seen - start);
        match pick(cache.rows(layer, head, page, count)) {
            Rows::F32(rows) => f(start, rows),
            Rows::F16(rows) => {
                for (i, rows) in rows.chunks(TILE * dim).enumerate() {
                    backend.f16_to_f32(rows, &mut tile[..rows.len()]);
                    f(start + i * TILE, &tile[..rows.len()]);
                }
            }
        }
    }
}
