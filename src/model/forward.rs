//! The forward pass, a layer a step.

use super::attention::{Partials, attention};
use super::feed_forward::gated;
use super::rope::Rope;
use super::weights::{HeadInput, apply};
use super::{Config, KvCache, KvType, Linear, Model, ScaledLinear};
use crate::allocate::{try_grow, try_zeroed};
use crate::kernels::tables::scratch_bytes;
use crate::kernels::{Activations, Compute};
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// What one text needs besides the model: its KV cache and the buffers of a batch.
pub struct State {
    /// Keys and values of the tokens read so far.
    pub cache: KvCache,
    batch: usize,
    /// Tokens in the pass under way; 0 between passes.
    tokens: usize,
    /// Tokens of the pass that was completed last.
    rows: usize,
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
    partials: Partials,
    /// The input of the output head.
    head: HeadInput,
    logits: Vec<f32>,
    /// Logits of a few tokens.
    some: Vec<f32>,
}

impl State {
    /// A state for texts of at most `context` tokens, read `batch` at a time.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(model: &Model, kind: KvType, context: usize, batch: usize) -> Result<Self> {
        let config = &model.config;
        let batch = batch.clamp(1, context.max(1));
        let buffer = |width: usize| try_zeroed(batch.saturating_mul(width), "a batch of activations");
        let widths = Widths::of(config);
        Ok(State {
            cache: KvCache::new(config, kind, context),
            batch,
            tokens: 0,
            rows: 0,
            layer: 0,
            rope: Rope::new(config, model.weights.rope_factors(config, context))?,
            x: buffer(config.embedding)?,
            h: buffer(widths.h)?,
            q: buffer(widths.q)?,
            k: buffer(config.kv_width())?,
            v: buffer(config.kv_width())?,
            gate: buffer(config.feed_forward)?,
            up: buffer(config.feed_forward)?,
            own: buffer(widths.own)?,
            activations: Activations::new(),
            partials: Partials::new(config, context, batch)?,
            head: HeadInput::new(config.embedding)?,
            logits: try_zeroed(config.vocabulary, "the logits")?,
            some: Vec::new(),
        })
    }

    /// Bytes of everything but the KV cache, when it has worked, with one thread.
    pub fn buffer_bytes(config: &Config, context: usize, batch: usize) -> u64 {
        let batch = batch.clamp(1, context.max(1));
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

    /// Tokens that one pass may take.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Starts a pass over `tokens`, which follow those in the cache. An earlier pass that was not finished is
    /// dropped, and leaves no trace.
    ///
    /// # Errors
    /// An id beyond the vocabulary; more tokens than the context holds; [`Error::OutOfMemory`]. The state is then as
    /// it was.
    pub fn begin(&mut self, model: &Model, tokens: &[u32]) -> Result<()> {
        let config = &model.config;
        self.tokens = 0;
        assert!(tokens.len() <= self.batch, "a pass of {} tokens, room for {}", tokens.len(), self.batch);
        for &id in tokens {
            if id as usize >= config.vocabulary {
                return Err(Error::BadToken { id, vocabulary: config.vocabulary as u32 });
            }
        }
        self.cache.reserve(tokens.len())?;
        for (&id, x) in tokens.iter().zip(self.x.chunks_exact_mut(config.embedding)) {
            model.weights.token_embd.row(id as usize, x);
            x.iter_mut().for_each(|x| *x *= config.embedding_scale);
        }
        self.rope.prepare(self.cache.len(), tokens.len())?;
        self.tokens = tokens.len();
        self.layer = 0;
        Ok(())
    }

    /// Runs one layer; true when the pass is complete and its tokens are in the cache.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::NotFinite`] where an activation is no number any more. The pass is then over, and
    /// the next may begin.
    pub fn step(&mut self, model: &Model) -> Result<bool> {
        if self.tokens > 0 && self.layer < model.config.layers {
            self.attend(model)?;
            self.feed_forward(model)?;
            self.layer += 1;
        }
        if self.tokens > 0 && self.layer < model.config.layers {
            return Ok(false);
        }
        if self.tokens > 0 {
            self.rows = std::mem::take(&mut self.tokens);
            self.cache.commit(self.rows);
        }
        Ok(true)
    }

    /// Logits of token `row` of the pass that was completed last: `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where they, or what they come from, are no numbers.
    pub fn logits(&mut self, model: &Model, row: usize) -> Result<&mut [f32]> {
        self.prepare_head(model, row)?;
        let h = &self.h[..model.config.embedding];
        model.weights.head().logits(&model.compute, h, &mut self.head, &mut self.logits)?;
        if !finite(&self.logits) {
            return Err(in_head());
        }
        Ok(&mut self.logits)
    }

    /// The same with minus infinity for all but the tokens `ids`, for which alone the head is computed. Fastest where these are in
    /// order. Panics on one beyond the vocabulary.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and [`Error::OutOfMemory`].
    pub fn logits_of(&mut self, model: &Model, row: usize, ids: &[u32]) -> Result<&mut [f32]> {
        try_grow(&mut self.some, ids.len(), "the logits")?;
        self.prepare_head(model, row)?;
        let h = &self.h[..model.config.embedding];
        let some = &mut self.some[..ids.len()];
        model.weights.head().logits_of(&model.compute, h, &mut self.head, ids, some)?;
        if !finite(some) {
            return Err(in_head());
        }
        self.logits.fill(f32::NEG_INFINITY);
        for (id, logit) in ids.iter().zip(some) {
            self.logits[*id as usize] = *logit;
        }
        Ok(&mut self.logits)
    }

    /// Puts what the head takes of token `row` in `h`.
    fn prepare_head(&mut self, model: &Model, row: usize) -> Result<()> {
        self.hidden(model, row)?.iter_mut().for_each(|h| *h /= model.config.logit_scale);
        Ok(())
    }

    /// Token `row` of the pass that was completed last, after the last norm: `[embedding]`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where it, or what it comes from, is no number.
    pub fn hidden(&mut self, model: &Model, row: usize) -> Result<&mut [f32]> {
        let config = &model.config;
        let h = &mut self.h[..config.embedding];
        let x = &self.x[row * config.embedding..][..config.embedding];
        if !model.compute.backend.rms_norm(x, &model.weights.output_norm, config.rms_epsilon, h) {
            return Err(before(config.layers));
        }
        Ok(h)
    }

    /// Whether a pass has been completed whose tokens are at hand.
    pub fn has_read(&self) -> bool {
        self.rows > 0
    }

    /// What has been computed of tokens is not asked for any more: the cache has become another text's.
    pub fn forget(&mut self) {
        self.rows = 0;
    }

    /// The last token of the pass that was completed last, after the last norm.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    pub fn last_hidden(&mut self, model: &Model) -> Result<&mut [f32]> {
        self.hidden(model, self.rows.saturating_sub(1))
    }

    /// Logits after the last token of the pass that was completed last.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn last_logits(&mut self, model: &Model) -> Result<&mut [f32]> {
        self.logits(model, self.rows.saturating_sub(1))
    }

    /// The same with minus infinity for all but the tokens `ids`.
    ///
    /// # Errors
    /// As [`logits_of`](Self::logits_of).
    pub fn last_logits_of(&mut self, model: &Model, ids: &[u32]) -> Result<&mut [f32]> {
        self.logits_of(model, self.rows.saturating_sub(1), ids)
    }

    /// The residual stream after the last step: `[token][embedding]`.
    pub fn residual(&self) -> &[f32] {
        &self.x
    }

    fn attend(&mut self, model: &Model) -> Result<()> {
        let (config, compute, layer) = (&model.config, &model.compute, &model.weights.layers[self.layer]);
        let (n, width, q_width, kv_width) = (self.tokens, config.embedding, config.q_width(), config.kv_width());
        let x = &mut self.x[..n * width];
        let (h, q) = (&mut self.h, &mut self.q);
        let (k, v) = (&mut self.k[..n * kv_width], &mut self.v[..n * kv_width]);
        let mut projection = Projection { config, compute, own: &mut self.own, activations: &mut self.activations };

        if !norm_rows(compute, config, x, &layer.attn_norm, &mut h[..n * width]) {
            return Err(before(self.layer));
        }
        let projections = [(&layer.attn_q, &mut q[..n * q_width]), (&layer.attn_k, &mut *k), (&layer.attn_v, &mut *v)];
        if !projection.apply(&h[..n * width], width, projections)? {
            return Err(in_attention(self.layer));
        }

        let q_heads = &mut q[..n * q_width];
        for (heads, width, norm) in [(q_heads, q_width, &layer.attn_q_norm), (&mut *k, kv_width, &layer.attn_k_norm)] {
            let raw = &mut h[..heads.len()];
            if !turn_heads(compute, config, &self.rope, norm.as_deref(), raw, heads, width) {
                return Err(in_attention(self.layer));
            }
        }
        // The cache holds finite numbers alone, and queries are rounded too where it has 8 bits: both would hide it.
        if ![&q[..n * q_width], k, v].into_iter().all(finite) {
            return Err(in_attention(self.layer));
        }
        let position = self.cache.len();
        for (i, (k, v)) in k.chunks_exact(kv_width).zip(v.chunks_exact(kv_width)).enumerate() {
            self.cache.store(compute.backend, self.layer, position + i, k, v);
        }

        let heads = &mut h[..n * q_width];
        attention(compute, config, &self.cache, self.layer, position, &q[..n * q_width], heads, &mut self.partials)?;
        // The queries are spent: their buffer takes the norm, then the heads' the product; without a norm, theirs.
        let (from, to) = match &layer.attn_sub_norm {
            Some(norm) if !norm_rows(compute, config, heads, norm, &mut q[..n * q_width]) => {
                return Err(in_attention(self.layer));
            }
            Some(_) => (q, h),
            None => (h, q),
        };
        let (from, to) = (&from[..n * q_width], &mut to[..n * width]);
        if !projection.apply(from, q_width, [(&layer.attn_output, &mut *to)])? {
            return Err(in_attention(self.layer));
        }
        compute.backend.add_scaled(x, config.residual_scale, to);
        Ok(())
    }

    fn feed_forward(&mut self, model: &Model) -> Result<()> {
        let (config, compute, layer) = (&model.config, &model.compute, &model.weights.layers[self.layer]);
        let (n, width, inner) = (self.tokens, config.embedding, config.feed_forward);
        let x = &mut self.x[..n * width];
        let (gate, up) = (&mut self.gate[..n * inner], &mut self.up[..n * inner]);
        let mut projection = Projection { config, compute, own: &mut self.own, activations: &mut self.activations };

        let h = &mut self.h[..n * width];
        if !norm_rows(compute, config, x, &layer.ffn_norm, h) {
            return Err(in_attention(self.layer));
        }
        if !projection.apply(h, width, [(&layer.ffn_gate, &mut *gate), (&layer.ffn_up, &mut *up)])? {
            return Err(in_feed_forward(self.layer));
        }
        gated(compute, config, gate, up);

        let h = &mut self.h[..n * inner];
        let (from, is_finite) = match &layer.ffn_sub_norm {
            Some(norm) => {
                let is_finite = norm_rows(compute, config, gate, norm, h);
                (h, is_finite)
            }
            None => {
                let is_finite = finite(gate);
                (gate, is_finite)
            }
        };
        let down = &mut self.q[..n * width];
        if !is_finite || !projection.apply(from, inner, [(&layer.ffn_down, &mut *down)])? {
            return Err(in_feed_forward(self.layer));
        }
        compute.backend.add_scaled(x, config.residual_scale, down);
        Ok(())
    }
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

/// Linear layers with what they need besides their inputs.
struct Projection<'a> {
    config: &'a Config,
    compute: &'a Compute,
    own: &'a mut [f32],
    activations: &'a mut Activations,
}

impl Projection<'_> {
    /// `y[token][rows]` of each layer from the inputs `x[token][width]`, which all have in common; where they have norms of
    /// their own, from these. False where an input is no number.
    fn apply<const N: usize>(
        &mut self,
        x: &[f32],
        width: usize,
        layers: [(&ScaledLinear, &mut [f32]); N],
    ) -> Result<bool> {
        let Projection { config, compute, own, activations } = self;
        if layers.iter().all(|(layer, _)| layer.norm.is_none()) {
            quantize(activations, compute, x, width, &layers.each_ref().map(|(layer, _)| *layer))?;
            apply(compute, x, activations, layers);
            return Ok(true);
        }
        for (layer, y) in layers {
            let x = match &layer.norm {
                Some(norm) => {
                    let own = &mut own[..x.len()];
                    if !norm_rows(compute, config, x, norm, own) {
                        return Ok(false);
                    }
                    &*own
                }
                None => x,
            };
            quantize(activations, compute, x, width, &[layer])?;
            apply(compute, x, activations, [(layer, y)]);
        }
        Ok(true)
    }
}

/// Rounds the inputs of `linears` to int8, if one of them is ternary: any width is right for the others.
fn quantize(
    activations: &mut Activations,
    compute: &Compute,
    x: &[f32],
    width: usize,
    linears: &[&ScaledLinear],
) -> Result<()> {
    let ternary =
        linears.iter().filter_map(|l| if let Linear::Ternary(matrix) = &l.linear { Some(matrix) } else { None });
    if ternary.clone().next().is_some() {
        activations.quantize_best(compute, x, width, ternary)?;
    }
    Ok(())
}

/// RMSNorm of each row of `x`, as wide as `weight`. Whether all were numbers: what is none never gets past a norm unseen,
/// and costs nothing to see there, while rounding to int8 would make zeros of it.
fn norm_rows(compute: &Compute, config: &Config, x: &[f32], weight: &[f32], out: &mut [f32]) -> bool {
    let (width, finite) = (weight.len(), AtomicBool::new(true));
    compute.pool.chunks(out, width, |row, out| {
        if !compute.backend.rms_norm(&x[row * width..][..width], weight, config.rms_epsilon, out) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// Norms each head of tokens' queries or keys, `[token][width]`, where the graph does, and turns it to its position; `raw` is
/// scratch. False where one is no number.
fn turn_heads(
    compute: &Compute,
    config: &Config,
    rope: &Rope,
    norm: Option<&[f32]>,
    raw: &mut [f32],
    heads: &mut [f32],
    width: usize,
) -> bool {
    let (dim, finite) = (config.head_dim, AtomicBool::new(true));
    if norm.is_some() {
        raw.copy_from_slice(heads);
    }
    compute.pool.chunks(heads, width, |row, heads| {
        let raw = &raw[row * width..][..width];
        for (raw, head) in raw.chunks_exact(dim).zip(heads.chunks_exact_mut(dim)) {
            if let Some(norm) = norm
                && !compute.backend.rms_norm(raw, norm, config.rms_epsilon, head)
            {
                finite.store(false, Ordering::Relaxed);
            }
            rope.turn(compute.backend, row, head);
        }
    });
    finite.into_inner()
}

/// All are looked at without a branch, so that the compiler takes many at a time.
fn finite(values: &[f32]) -> bool {
    values.iter().fold(true, |so_far, value| so_far & value.is_finite())
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
