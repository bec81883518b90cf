//! What a pass does to its rows: norms, linear layers, turned heads.

use super::rope::Rope;
use super::weights::apply;
use super::{Config, Linear, ScaledLinear};
use crate::Result;
use crate::allocate::try_with_capacity;
use crate::kernels::{Activations, Compute};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Rows of a pass that are no numbers any more.
pub(super) struct FaultyRows {
    any: AtomicBool,
    rows: Vec<AtomicBool>,
}

impl FaultyRows {
    /// None of so many.
    pub(super) fn new(batch: usize) -> Result<Self> {
        let mut rows = try_with_capacity(batch, "a batch of activations")?;
        rows.resize_with(batch, AtomicBool::default);
        Ok(FaultyRows { any: AtomicBool::new(false), rows })
    }

    fn mark(&self, row: usize) {
        self.rows[row].store(true, Relaxed);
        self.any.store(true, Relaxed);
    }

    /// Marks rows of `values` that are no numbers.
    pub(super) fn look(&self, values: &[f32], width: usize) {
        if !finite(values) {
            let rows = values.chunks_exact(width).enumerate();
            rows.filter(|(_, values)| !finite(values)).for_each(|(row, _)| self.mark(row));
        }
    }

    /// Hands out the rows that have been marked, and forgets them.
    pub(super) fn each(&mut self, mut tell: impl FnMut(usize)) {
        if std::mem::take(self.any.get_mut()) {
            for (row, marked) in self.rows.iter_mut().enumerate() {
                if std::mem::take(marked.get_mut()) {
                    tell(row);
                }
            }
        }
    }
}

/// Linear layers with what they need besides their inputs.
pub(super) struct Projection<'a> {
    pub(super) config: &'a Config,
    pub(super) compute: &'a Compute,
    pub(super) own: &'a mut [f32],
    pub(super) activations: &'a mut Activations,
    pub(super) faulty: &'a FaultyRows,
}

impl Projection<'_> {
    /// `y[token][rows]` of each layer from the inputs `x[token][width]`, which all have in common; where they have norms of
    /// their own, from these. Rows whose inputs are no numbers are marked.
    pub(super) fn apply<const N: usize>(
        &mut self,
        x: &[f32],
        width: usize,
        layers: [(&ScaledLinear, &mut [f32]); N],
    ) -> Result<()> {
        let Projection { config, compute, own, activations, faulty } = self;
        if layers.iter().all(|(layer, _)| layer.norm.is_none()) {
            quantize(activations, compute, x, width, &layers.each_ref().map(|(layer, _)| *layer))?;
            apply(compute, x, activations, layers);
            return Ok(());
        }
        for (layer, y) in layers {
            let x = match &layer.norm {
                Some(norm) => {
                    let own = &mut own[..x.len()];
                    norm_rows(compute, config, x, norm, own, faulty);
                    &*own
                }
                None => x,
            };
            quantize(activations, compute, x, width, &[layer])?;
            apply(compute, x, activations, [(layer, y)]);
        }
        Ok(())
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

/// RMSNorm of each row of `x`, as wide as `weight`. Rows that are no numbers are marked: they never get past a norm unseen,
/// and cost nothing to see there, while rounding to int8 would make zeros of them.
pub(super) fn norm_rows(
    compute: &Compute,
    config: &Config,
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
    faulty: &FaultyRows,
) {
    let width = weight.len();
    compute.pool.chunks(out, width, |row, out| {
        if !compute.backend.rms_norm(&x[row * width..][..width], weight, config.rms_epsilon, out) {
            faulty.mark(row);
        }
    });
}

/// Norms each head of tokens' queries or keys, `[token][width]`, where the graph does, and turns it to its position; `raw` is
/// scratch. Rows that are no numbers are marked.
#[allow(clippy::too_many_arguments)]
pub(super) fn turn_heads(
    compute: &Compute,
    config: &Config,
    rope: &Rope,
    norm: Option<&[f32]>,
    raw: &mut [f32],
    heads: &mut [f32],
    width: usize,
    faulty: &FaultyRows,
) {
    let dim = config.head_dim;
    if norm.is_some() {
        raw.copy_from_slice(heads);
    }
    compute.pool.chunks(heads, width, |row, heads| {
        let raw = &raw[row * width..][..width];
        for (raw, head) in raw.chunks_exact(dim).zip(heads.chunks_exact_mut(dim)) {
            if let Some(norm) = norm
                && !compute.backend.rms_norm(raw, norm, config.rms_epsilon, head)
            {
                faulty.mark(row);
            }
            rope.turn(compute.backend, row, head);
        }
    });
}

/// All are looked at without a branch, so that the compiler takes many at a time.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().fold(true, |so_far, value| so_far & value.is_finite())
}
