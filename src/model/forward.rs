//! The forward pass, a layer a step: the next tokens of one text, or of several.
//!
//! Each row belongs to a text, and stands at a position of it. Rotary angles, the store into the cache and attention go by the
//! text; norms, rounding and matrix products are those of all rows at once, which read the weights once. A row's numbers never
//! depend on the rows beside it.

use super::attention::{Partials, Text, attention};
use super::feed_forward::gated;
use super::rope::{Place, Rope};
use super::rows::{FaultyRows, Projection, finite, norm_rows, turn_heads};
use super::weights::HeadInput;
use super::{Config, KvCache, Model};
use crate::allocate::{try_grow, try_zeroed};
use crate::kernels::Activations;
use crate::kernels::tables::scratch_bytes;
use crate::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Tokens of a text that a pass takes. They follow those in its cache.
pub(crate) struct Next<'a> {
    pub(crate) cache: &'a KvCache,
    pub(crate) tokens: &'a [u32],
}

/// The rows of one text.
struct Part {
    rows: Range<usize>,
    /// Of the first row.
    position: usize,
    /// Why it can't go on.
    fault: Option<Error>,
    /// Its text has gone.
    is_out: bool,
}

impl Part {
    fn goes_on(&self) -> bool {
        self.fault.is_none() && !self.is_out
    }
}

/// The buffers of a pass.
pub(crate) struct Pass {
    batch: usize,
    /// Which pass it is of all that there have been.
    number: u64,
    /// Of the pass under way, or of the one that was completed last.
    parts: Vec<Part>,
    is_under_way: bool,
    layer: usize,
    rope: Rope,
    /// Residual stream `[token][embedding]`.
    x: Vec<f32>,
    /// Norm or attention output, the input of the next matrix.
    h: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// The input of one projection, where each has a norm of its own.
    own: Vec<f32>,
    activations: Activations,
    faulty: FaultyRows,
    partials: Partials,
    /// The input of the output head.
    head: HeadInput,
    /// `[row][vocabulary]`
    logits: Vec<f32>,
    /// Logits of a few tokens.
    some: Vec<f32>,
}

static PASSES: AtomicU64 = AtomicU64::new(0);

/// What sessions ask that work together. In a tab none do.
#[cfg(not(target_family = "wasm"))]
impl Pass {
    /// Whether there are layers to go.
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Texts that it takes, those that can't go on among them.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Whether a text is still in it.
    pub(crate) fn takes(&self, part: usize) -> bool {
        self.parts[part].goes_on()
    }

    /// Whether it is a token of each text alone.
    pub(crate) fn is_single(&self) -> bool {
        self.parts.iter().all(|part| part.rows.len() == 1)
    }
}

impl Pass {
    /// Of `batch` tokens at most. A pass of texts of at most `context` tokens takes no more memory then.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn new(model: &Model, context: usize, batch: usize) -> Result<Self> {
        let config = &model.config;
        let buffer = |width: usize| try_zeroed(batch.saturating_mul(width), "a batch of activations");
        let widths = Widths::of(config);
        let mut partials = Partials::new();
        partials.reserve(config, context, batch)?;
        Ok(Pass {
            batch,
            number: 0,
            parts: Vec::new(),
            is_under_way: false,
            layer: 0,
            rope: Rope::new(config, model.weights.rope_factors.as_ref())?,
            x: buffer(config.embedding)?,
            h: buffer(widths.h)?,
            q: buffer(widths.q)?,
            k: buffer(config.kv_width())?,
            v: buffer(config.kv_width())?,
            gate: buffer(config.feed_forward)?,
            up: buffer(config.feed_forward)?,
            own: buffer(widths.own)?,
            activations: Activations::new(),
            faulty: FaultyRows::new(batch)?,
            partials,
            head: HeadInput::new(config.embedding)?,
            logits: try_zeroed(config.vocabulary, "the logits")?,
            some: Vec::new(),
        })
    }

    /// Bytes when it has worked, with one thread and one text.
    pub(crate) fn bytes(config: &Config, context: usize, batch: usize) -> u64 {
        let widths = Widths::of(config);
        let [e, f, kv] = [config.embedding, config.feed_forward, config.kv_width()].map(|width| width as u64);
        let [h, q, own] = [widths.h, widths.q, widths.own].map(|width| width as u64);
        let floats = e + h + q + 2 * kv + 2 * f + own + config.head_dim as u64;
        let quantized = h * (2 * size_of::<i8>() + size_of::<i16>()) as u64;
        let a_token = 4 * floats + quantized;
        let partials = 4 * Partials::len(config, context, batch) as u64;
        let rows = config.q_width().saturating_add(2 * config.kv_width()).max(config.feed_forward.saturating_mul(2));
        let tables = scratch_bytes(rows, batch);
        (batch as u64).saturating_mul(a_token).saturating_add(partials + tables) + 4 * (e + config.vocabulary as u64)
    }

    /// Tokens that it may take.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// Which pass it is that was begun last: no two have a number in common.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Why a text can't go on, where it can't.
    pub(crate) fn fault(&self, part: usize) -> Option<&Error> {
        self.parts.get(part)?.fault.as_ref()
    }

    /// Starts a pass over the next tokens of texts, for which there is room in the caches. An earlier one that was not
    /// finished is dropped, and leaves no trace.
    ///
    /// # Errors
    /// An id beyond the vocabulary; [`Error::OutOfMemory`]. There is no pass then.
    pub(crate) fn begin(&mut self, model: &Model, texts: &[Next<'_>]) -> Result<()> {
        let config = &model.config;
        self.is_under_way = false;
        self.parts.clear();
        let rows = texts.iter().map(|text| text.tokens.len()).sum();
        assert!(rows <= self.batch, "a pass of {rows} tokens, room for {}", self.batch);
        let tokens = || texts.iter().flat_map(|text| text.tokens);
        if let Some(&id) = tokens().find(|id| **id as usize >= config.vocabulary) {
            return Err(Error::BadToken { id, vocabulary: config.vocabulary as u32 });
        }
        // Those of one token are taken together, as if they were a longer one.
        let longest = texts.iter().map(|text| text.cache.context()).max().unwrap_or(0);
        self.partials.reserve(config, longest, rows)?;
        let places = texts.iter().flat_map(|Next { cache, tokens }| {
            (0..tokens.len()).map(move |i| Place { position: cache.len() + i, context: cache.context() })
        });
        self.rope.prepare(rows, places)?;
        for (&id, x) in tokens().zip(self.x.chunks_exact_mut(config.embedding)) {
            model.weights.token_embd.row(id as usize, x);
            x.iter_mut().for_each(|x| *x *= config.embedding_scale);
        }
        let mut first = 0;
        self.parts.extend(texts.iter().map(|text| {
            let rows = first..first + text.tokens.len();
            first = rows.end;
            Part { rows, position: text.cache.len(), fault: None, is_out: false }
        }));
        (self.is_under_way, self.layer) = (rows > 0, 0);
        self.number = PASSES.fetch_add(1, Relaxed) + 1;
        Ok(())
    }

    /// Runs one layer; true when the pass is complete and its tokens are in the caches, which come in the order of the texts. A
    /// text without one has gone, and does not come back. A pass that no text goes on with is complete.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. The pass is then over, and the next may begin.
    pub(crate) fn step(&mut self, model: &Model, caches: &mut [Option<&mut KvCache>]) -> Result<bool> {
        assert!(!self.is_under_way || caches.len() == self.parts.len(), "a cache for each text");
        if !std::mem::take(&mut self.is_under_way) {
            return Ok(true);
        }
        for (part, cache) in self.parts.iter_mut().zip(&*caches) {
            part.is_out |= cache.is_none();
        }
        if self.layer < model.config.layers && self.parts.iter().any(Part::goes_on) {
            self.attend(model, caches)?;
            self.feed_forward(model)?;
            self.layer += 1;
        }
        if self.layer < model.config.layers && self.parts.iter().any(Part::goes_on) {
            self.is_under_way = true;
            return Ok(false);
        }
        for (part, cache) in self.parts.iter().zip(caches) {
            if let Some(cache) = cache.as_deref_mut().filter(|_| part.goes_on()) {
                cache.commit(part.rows.len());
            }
        }
        Ok(true)
    }

    /// The last row of a text.
    pub(crate) fn last_row(&self, part: usize) -> usize {
        self.parts[part].rows.end - 1
    }

    /// Logits of some rows of the pass that was completed last: `[vocabulary]` for each, or why it has none.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn logits(&mut self, model: &Model, rows: &[usize]) -> Result<impl Iterator<Item = Result<&mut [f32]>>> {
        let (width, vocabulary) = (model.config.embedding, model.config.vocabulary);
        try_grow(&mut self.logits, rows.len() * vocabulary, "the logits")?;
        let faults: Vec<_> = rows.iter().enumerate().map(|(i, row)| self.prepare_head(model, *row, i).err()).collect();
        let (h, logits) = (&self.h[..rows.len() * width], &mut self.logits[..rows.len() * vocabulary]);
        model.weights.head().logits(&model.compute, h, &mut self.head, logits)?;
        Ok(logits.chunks_exact_mut(vocabulary).zip(faults).map(|(logits, fault)| match fault {
            Some(fault) => Err(fault),
            None if !finite(logits) => Err(in_head()),
            None => Ok(logits),
        }))
    }

    /// Those of one row.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where they, or what they come from, are no numbers; [`Error::OutOfMemory`].
    pub(crate) fn logits_after(&mut self, model: &Model, row: usize) -> Result<&mut [f32]> {
        match self.logits(model, &[row])?.next() {
            Some(logits) => logits,
            None => unreachable!("a row has logits"),
        }
    }

    /// The same with minus infinity for all but the tokens `ids`, for which alone the head is computed. Fastest where these are
    /// in order. Panics on one beyond the vocabulary.
    ///
    /// # Errors
    /// As [`logits_after`](Self::logits_after).
    pub(crate) fn logits_of(&mut self, model: &Model, row: usize, ids: &[u32]) -> Result<&mut [f32]> {
        try_grow(&mut self.some, ids.len(), "the logits")?;
        self.prepare_head(model, row, 0)?;
        let h = &self.h[..model.config.embedding];
        let some = &mut self.some[..ids.len()];
        model.weights.head().logits_of(&model.compute, h, &mut self.head, ids, some)?;
        if !finite(some) {
            return Err(in_head());
        }
        let logits = &mut self.logits[..model.config.vocabulary];
        logits.fill(f32::NEG_INFINITY);
        for (id, logit) in ids.iter().zip(some) {
            logits[*id as usize] = *logit;
        }
        Ok(logits)
    }

    /// Puts what the head takes of token `row` in place `to` of `h`.
    fn prepare_head(&mut self, model: &Model, row: usize, to: usize) -> Result<()> {
        let scale = model.config.logit_scale;
        self.hidden(model, row, to)?.iter_mut().for_each(|h| *h /= scale);
        Ok(())
    }

    /// Token `row` of the pass that was completed last, after the last norm, in place `to` of `h`: zeros where it is no number.
    fn hidden(&mut self, model: &Model, row: usize, to: usize) -> Result<&mut [f32]> {
        let config = &model.config;
        let h = &mut self.h[to * config.embedding..][..config.embedding];
        let x = &self.x[row * config.embedding..][..config.embedding];
        if !model.compute.backend.rms_norm(x, &model.weights.output_norm, config.rms_epsilon, h) {
            h.fill(0.0);
            return Err(before(config.layers));
        }
        Ok(h)
    }

    /// The last token of a text in the pass that was completed last, after the last norm.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where it, or what it comes from, is no number.
    pub(crate) fn last_hidden(&mut self, model: &Model, part: usize) -> Result<&[f32]> {
        let row = self.last_row(part);
        self.hidden(model, row, 0).map(|hidden| &*hidden)
    }

    /// The residual stream after the last step: `[token][embedding]`.
    pub(crate) fn residual(&self) -> &[f32] {
        &self.x
    }

    fn attend(&mut self, model: &Model, caches: &mut [Option<&mut KvCache>]) -> Result<()> {
        let (config, compute, layer) = (&model.config, &model.compute, &model.weights.layers[self.layer]);
        let (width, q_width, kv_width) = (config.embedding, config.q_width(), config.kv_width());
        let n = self.rows();
        let x = &mut self.x[..n * width];
        let (h, q) = (&mut self.h, &mut self.q);
        let (k, v) = (&mut self.k[..n * kv_width], &mut self.v[..n * kv_width]);
        let (parts, faulty) = (&mut self.parts, &mut self.faulty);
        let (own, activations) = (&mut self.own, &mut self.activations);

        norm_rows(compute, config, x, &layer.attn_norm, &mut h[..n * width], faulty);
        settle(parts, faulty, x, width, || before(self.layer));
        let projections = [(&layer.attn_q, &mut q[..n * q_width]), (&layer.attn_k, &mut *k), (&layer.attn_v, &mut *v)];
        Projection { config, compute, own, activations, faulty }.apply(&h[..n * width], width, projections)?;

        let q_heads = &mut q[..n * q_width];
        for (heads, width, norm) in [(q_heads, q_width, &layer.attn_q_norm), (&mut *k, kv_width, &layer.attn_k_norm)] {
            let raw = &mut h[..heads.len()];
            turn_heads(compute, config, &self.rope, norm.as_deref(), raw, heads, width, faulty);
        }
        // The cache holds finite numbers alone, and queries are rounded too where it has 8 bits: both would hide it.
        for (values, width) in [(&q[..n * q_width], q_width), (k, kv_width), (v, kv_width)] {
            faulty.look(values, width);
        }
        settle(parts, faulty, x, width, || in_attention(self.layer));

        for (part, cache) in parts.iter().zip(&mut *caches) {
            let Some(cache) = cache.as_deref_mut().filter(|_| part.goes_on()) else { continue };
            for (i, row) in part.rows.clone().enumerate() {
                let [k, v] = [&*k, &*v].map(|values| &values[row * kv_width..][..kv_width]);
                cache.store(compute.backend, self.layer, part.position + i, k, v);
            }
        }
        let texts = parts.iter().zip(&*caches).map(|(part, cache)| Text {
            cache: cache.as_deref().filter(|_| part.goes_on()),
            position: part.position,
            tokens: part.rows.len(),
        });
        let texts: Vec<Text<'_>> = texts.collect();
        let heads = &mut h[..n * q_width];
        attention(compute, config, self.layer, &texts, &q[..n * q_width], heads, &mut self.partials)?;

        // The queries are spent: their buffer takes the norm, then the heads' the product; without a norm, theirs.
        let (from, to) = match &layer.attn_sub_norm {
            Some(norm) => {
                norm_rows(compute, config, &h[..n * q_width], norm, &mut q[..n * q_width], faulty);
                (q, h)
            }
            None => (h, q),
        };
        let (from, to) = (&from[..n * q_width], &mut to[..n * width]);
        let output = [(&layer.attn_output, &mut *to)];
        Projection { config, compute, own, activations, faulty }.apply(from, q_width, output)?;
        compute.backend.add_scaled(x, config.residual_scale, to);
        settle(parts, faulty, x, width, || in_attention(self.layer));
        Ok(())
    }

    fn feed_forward(&mut self, model: &Model) -> Result<()> {
        let (config, compute, layer) = (&model.config, &model.compute, &model.weights.layers[self.layer]);
        let (width, inner) = (config.embedding, config.feed_forward);
        let n = self.rows();
        let x = &mut self.x[..n * width];
        let (gate, up) = (&mut self.gate[..n * inner], &mut self.up[..n * inner]);
        let (parts, faulty) = (&mut self.parts, &mut self.faulty);
        let (own, activations) = (&mut self.own, &mut self.activations);

        let h = &mut self.h[..n * width];
        norm_rows(compute, config, x, &layer.ffn_norm, h, faulty);
        settle(parts, faulty, x, width, || in_attention(self.layer));
        let projections = [(&layer.ffn_gate, &mut *gate), (&layer.ffn_up, &mut *up)];
        Projection { config, compute, own, activations, faulty }.apply(h, width, projections)?;
        gated(compute, config, gate, up);

        let h = &mut self.h[..n * inner];
        let from = match &layer.ffn_sub_norm {
            Some(norm) => {
                norm_rows(compute, config, gate, norm, h, faulty);
                h
            }
            None => {
                faulty.look(gate, inner);
                gate
            }
        };
        let down = &mut self.q[..n * width];
        let projections = [(&layer.ffn_down, &mut *down)];
        Projection { config, compute, own, activations, faulty }.apply(from, inner, projections)?;
        compute.backend.add_scaled(x, config.residual_scale, down);
        settle(parts, faulty, x, width, || in_feed_forward(self.layer));
        Ok(())
    }

    fn rows(&self) -> usize {
        self.parts.last().map_or(0, |part| part.rows.end)
    }
}

/// The texts of rows that have been marked can't go on. Their residual stream becomes zeros, so that what is computed of it all the
/// same are numbers.
fn settle(parts: &mut [Part], faulty: &mut FaultyRows, x: &mut [f32], width: usize, why: impl Fn() -> Error) {
    faulty.each(|row| {
        for part in parts.iter_mut().filter(|part| part.rows.contains(&row)) {
            part.fault.get_or_insert_with(&why);
            x[part.rows.start * width..part.rows.end * width].fill(0.0);
        }
    });
}

/// Widths of the buffers that serve several steps.
struct Widths {
    h: usize,
    q: usize,
    own: usize,
}

impl Widths {
    fn of(config: &Config) -> Self {
        let widest = config.embedding.max(config.q_width()).max(config.feed_forward);
        Widths {
            h: widest,
            q: config.embedding.max(config.q_width()),
            own: if config.input_norms { widest } else { 0 },
        }
    }
}

/// The residual stream that comes into a layer is what the one before made of it.
fn before(layer: usize) -> Error {
    match layer.checked_sub(1) {
        Some(layer) => in_feed_forward(layer),
        None => Error::NotFinite { layer: None, part: "the token embedding" },
    }
}

fn in_attention(layer: usize) -> Error {
    Error::NotFinite { layer: Some(layer), part: "the attention" }
}

fn in_head() -> Error {
    Error::NotFinite { layer: None, part: "the output head" }
}

fn in_feed_forward(layer: usize) -> Error {
    Error::NotFinite { layer: Some(layer), part: "the feed-forward network" }
}
