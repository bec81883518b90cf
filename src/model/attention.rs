//! Causal attention over the KV cache.
//!
//! One task is one page of positions with the query heads that share a KV head, of a tile of tokens: keys and values are
//! read and turned into f32 once for all of them, and a long text gives as many tasks as it has pages. A page's weights are
//! relative to its own largest score; the pages are then put together in their order. The order of additions follows from the
//! positions alone, so neither threads nor batches change a bit.

use super::kv_cache::PAGE;
use super::{Config, KvCache};
use crate::Result;
use crate::allocate::try_grow;
use crate::kernels::Compute;
use crate::kernels::attention::{self, Page, Queries, Scratch, partial_len};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Rows (query heads × tokens) of a task.
const TILE_ROWS: usize = 16;
/// Pages × tokens whose results are kept at a time, where one token has no more pages.
const PARTS: usize = 64;

thread_local! {
    /// A thread keeps it, so a token allocates nothing.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

/// What the pages give before they are put together.
pub(crate) struct Partials(Vec<f32>);

impl Partials {
    /// None yet.
    pub(crate) fn new() -> Self {
        Partials(Vec::new())
    }

    /// Makes room for texts of at most `context` tokens, read `batch` at a time.
    pub(crate) fn reserve(&mut self, config: &Config, context: usize, batch: usize) -> Result<()> {
        try_grow(&mut self.0, Self::len(config, context, batch), "attention")
    }

    pub(crate) fn len(config: &Config, context: usize, batch: usize) -> usize {
        let pages = context.div_ceil(PAGE).max(1);
        let tile = tile_tokens(config);
        let most =
            PARTS.min(batch.next_multiple_of(tile).saturating_mul(pages)).max(pages.saturating_mul(tile.min(batch)));
        let width = config.head_dim.next_multiple_of(attention::COLUMN);
        most.saturating_mul(partial_len(config.heads, width))
    }
}

fn tile_tokens(config: &Config) -> usize {
    (TILE_ROWS / (config.heads / config.kv_heads)).max(1)
}

/// `out[token][head][head_dim]` for queries `q` of the same shape; token `i` stands at `position + i` and sees
/// every position up to its own, all of which are stored. A thread that has no memory for its part is an error.
#[allow(clippy::too_many_arguments)]
pub(crate) fn attention(
    compute: &Compute,
    config: &Config,
    cache: &KvCache,
    layer: usize,
    position: usize,
    q: &[f32],
    out: &mut [f32],
    partials: &mut Partials,
) -> Result<()> {
    let width = config.heads * config.head_dim;
    let (mut done, tokens) = (0, q.len() / width);
    while done < tokens {
        let pages = (position + tokens).div_ceil(PAGE);
        let round = round_tokens(config, pages).min(tokens - done);
        let part = done * width..(done + round) * width;
        let round = Round { compute, config, cache, layer, position: position + done, tokens: round };
        round.run(&q[part.clone()], &mut out[part], &mut partials.0)?;
        done += round.tokens;
    }
    Ok(())
}

/// Tokens whose results are kept at a time.
fn round_tokens(config: &Config, pages: usize) -> usize {
    let tile = tile_tokens(config);
    (PARTS / pages / tile).max(1) * tile
}

struct Round<'a> {
    compute: &'a Compute,
    config: &'a Config,
    cache: &'a KvCache,
    layer: usize,
    position: usize,
    tokens: usize,
}

impl Round<'_> {
    fn run(&self, q: &[f32], out: &mut [f32], partials: &mut [f32]) -> Result<()> {
        let Config { heads, kv_heads, head_dim: dim, .. } = *self.config;
        let (backend, pool) = (self.compute.backend, &self.compute.pool);
        let (group, width) = (heads / kv_heads, self.cache.width());
        let pages = (self.position + self.tokens).div_ceil(PAGE);
        let tile = tile_tokens(self.config).min(self.tokens);
        let tiles = self.tokens.div_ceil(tile);
        let size = partial_len(tile * group, width);
        let partials = &mut partials[..kv_heads * pages * tiles * size];
        let failed = OnceLock::new();

        pool.chunks(partials, size, |task, partial| {
            let (kv_head, number, first) = (task / tiles / pages, task / tiles % pages, task % tiles * tile);
            let tokens = tile.min(self.tokens - first);
            let seen = self.position + first + tokens;
            if seen <= number * PAGE {
                return;
            }
            let page = Page {
                stored: self.cache.stored(self.layer, kv_head, number),
                width,
                positions: PAGE.min(seen - number * PAGE),
            };
            let queries = Queries {
                q: &q[first * heads * dim + kv_head * group * dim..],
                tokens,
                stride: heads * dim,
                heads: group,
                dim,
                seen: (self.position + first + 1) as isize - (number * PAGE) as isize,
            };
            let partial = &mut partial[..partial_len(tokens * group, width)];
            SCRATCH.with_borrow_mut(|scratch| match scratch.reserve(tile * group, width, PAGE) {
                Ok(()) => backend.attend(&page, &queries, scratch, partial),
                Err(error) => drop(failed.set(error)),
            });
        });
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }

        pool.chunks(out, group * dim, |task, out| {
            let (token, kv_head) = (task / kv_heads, task % kv_heads);
            let (tile_index, in_tile) = (token / tile, token % tile);
            let rows = tile.min(self.tokens - tile_index * tile) * group;
            let seen = (self.position + token + 1).div_ceil(PAGE);
            let partial = |page: usize| &partials[((kv_head * pages + page) * tiles + tile_index) * size..][..size];
            for (head, out) in out.chunks_exact_mut(dim).enumerate() {
                let row = in_tile * group + head;
                let (largest, sums) = (rows * width + row, rows * width + rows + row);
                let most = (0..seen).fold(f32::NEG_INFINITY, |most, page| {
                    let score = partial(page)[largest];
                    if score > most { score } else { most }
                });
                let factor = |page: usize| attention::exp(partial(page)[largest] - most);
                let total = (0..seen).fold(0.0, |total, page| total + factor(page) * partial(page)[sums]);
                out.fill(0.0);
                for page in 0..seen {
                    backend.add_scaled(out, factor(page) / total, &partial(page)[row * width..][..dim]);
                }
            }
        });
        Ok(())
    }
}
