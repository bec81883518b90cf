//! Causal attention over the KV cache.
//!
//! One task is one page of positions of a text with the query heads that share a KV head, of a tile of tokens: keys and values
//! are read and turned into f32 once for all of them, and a long text gives as many tasks as it has pages. A page's weights are
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

/// A text's next tokens: the first stands at `position`, and each sees every position up to its own, all of which are stored.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    /// None of a text that has gone, for which there are zeros.
    pub(crate) cache: Option<&'a KvCache>,
    pub(crate) position: usize,
    pub(crate) tokens: usize,
}

impl Text<'_> {
    /// That its last token sees.
    fn pages(&self) -> usize {
        self.cache.map_or(0, |_| (self.position + self.tokens).div_ceil(PAGE))
    }
}

/// `out[token][head][head_dim]` for queries `q` of the same shape, of the texts' tokens one after the other. A thread that has no
/// memory for its part is an error.
#[allow(clippy::too_many_arguments)]
pub(crate) fn attention(
    compute: &Compute,
    config: &Config,
    layer: usize,
    mut texts: &[Text<'_>],
    mut q: &[f32],
    mut out: &mut [f32],
    partials: &mut Partials,
) -> Result<()> {
    let width = config.heads * config.head_dim;
    let mut round = |texts: &[Text<'_>], tokens: usize| {
        let (q_now, out_now);
        (q_now, q) = q.split_at(texts.len() * tokens * width);
        (out_now, out) = std::mem::take(&mut out).split_at_mut(q_now.len());
        Round { compute, config, layer, texts, tokens }.run(q_now, out_now, &mut partials.0)
    };
    while let [first, ..] = texts {
        if first.tokens == 1 {
            // One token has few tasks: those of several texts are handed out at once.
            let several = together(texts);
            round(&texts[..several], 1)?;
            texts = &texts[several..];
            continue;
        }
        let mut done = 0;
        while done < first.tokens {
            let tokens = round_tokens(config, first.pages()).min(first.tokens - done);
            round(&[Text { position: first.position + done, tokens, ..*first }], tokens)?;
            done += tokens;
        }
        texts = &texts[1..];
    }
    Ok(())
}

/// Texts of one token, from the first on, whose results are kept at a time.
fn together(texts: &[Text<'_>]) -> usize {
    let mut pages = 0;
    let fit = texts.iter().take_while(|text| {
        pages += text.pages();
        text.tokens == 1 && pages <= PARTS
    });
    fit.count().max(1)
}

/// Tokens whose results are kept at a time.
fn round_tokens(config: &Config, pages: usize) -> usize {
    let tile = tile_tokens(config);
    (PARTS / pages.max(1) / tile).max(1) * tile
}

/// Texts with so many tokens each.
struct Round<'a> {
    compute: &'a Compute,
    config: &'a Config,
    layer: usize,
    texts: &'a [Text<'a>],
    tokens: usize,
}

impl Round<'_> {
    fn run(&self, q: &[f32], out: &mut [f32], partials: &mut [f32]) -> Result<()> {
        let Config { heads, kv_heads, head_dim: dim, .. } = *self.config;
        let (backend, pool) = (self.compute.backend, &self.compute.pool);
        let (group, width) = (heads / kv_heads, dim.next_multiple_of(attention::COLUMN));
        let tile = tile_tokens(self.config).min(self.tokens);
        let tiles = self.tokens.div_ceil(tile);
        let size = partial_len(tile * group, width);
        let all_pages: usize = self.texts.iter().map(Text::pages).sum();
        let partials = &mut partials[..kv_heads * all_pages * tiles * size];
        let failed = OnceLock::new();

        pool.chunks(partials, size, |task, partial| {
            let (number, first_page) = self.text_of(task / tiles / kv_heads);
            let text = &self.texts[number];
            let Some(cache) = text.cache else { return };
            let task = task - first_page * kv_heads * tiles;
            let (pages, first) = (text.pages(), task % tiles * tile);
            let (kv_head, page) = (task / tiles / pages, task / tiles % pages);
            let tokens = tile.min(self.tokens - first);
            let seen = text.position + first + tokens;
            if seen <= page * PAGE {
                return;
            }
            let stored = Page {
                stored: cache.stored(self.layer, kv_head, page),
                width,
                positions: PAGE.min(seen - page * PAGE),
            };
            let queries = Queries {
                q: &q[(number * self.tokens + first) * heads * dim + kv_head * group * dim..],
                tokens,
                stride: heads * dim,
                heads: group,
                dim,
                seen: (text.position + first + 1) as isize - (page * PAGE) as isize,
            };
            let partial = &mut partial[..partial_len(tokens * group, width)];
            SCRATCH.with_borrow_mut(|scratch| match scratch.reserve(tile * group, width, PAGE) {
                Ok(()) => backend.attend(&stored, &queries, scratch, partial),
                Err(error) => drop(failed.set(error)),
            });
        });
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }

        pool.chunks(out, group * dim, |task, out| {
            let (row, kv_head) = (task / kv_heads, task % kv_heads);
            let (number, token) = (row / self.tokens, row % self.tokens);
            let text = &self.texts[number];
            let pages = text.pages();
            let before: usize = self.texts[..number].iter().map(Text::pages).sum();
            let (tile_index, in_tile) = (token / tile, token % tile);
            let rows = tile.min(self.tokens - tile_index * tile) * group;
            let seen = (text.position + token + 1).div_ceil(PAGE).min(pages);
            let first = kv_heads * before;
            let partial =
                |page: usize| &partials[((first + kv_head * pages + page) * tiles + tile_index) * size..][..size];
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

    /// The text that has page `page` of all, and how many the texts before it have.
    fn text_of(&self, page: usize) -> (usize, usize) {
        let mut before = 0;
        for (number, text) in self.texts.iter().enumerate() {
            if page < before + text.pages() {
                return (number, before);
            }
            before += text.pages();
        }
        unreachable!("a page of a text")
    }
}
