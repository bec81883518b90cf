//! Activations in groups of 32: llama.cpp's Q8_0.

use super::super::generic::{max_abs, quantize, sum};
use super::super::half::narrow;
use super::super::{Compute, activations::resize};
use super::{GROUP, QUAD};
use crate::Result;
use crate::blocks::float::f16_to_f32;

/// Rows of activations, and what products with them need. Keeps its buffers from call to call.
#[derive(Debug, Default)]
pub struct GroupActivations {
    rows: usize,
    cols: usize,
    /// `[rows][cols]`.
    q: Vec<i8>,
    /// The same in 16 bits, of each four columns the two even ones before the odd ones; empty unless wanted.
    halves: Vec<i16>,
    /// -Σ q of each group: where a sum of codes from 0 begins.
    starts: Vec<i32>,
    /// d of each group.
    scales: Vec<f32>,
}

impl GroupActivations {
    /// Takes `x[rows][cols]` in; `cols` must be a multiple of 32 that divides the length of `x`.
    pub(in crate::kernels) fn quantize(&mut self, c: &Compute, x: &[f32], cols: usize) -> Result<()> {
        assert!(cols > 0 && cols.is_multiple_of(GROUP) && x.len().is_multiple_of(cols), "{cols} columns");
        (self.rows, self.cols) = (0, cols);
        let (rows, groups, backend) = (x.len() / cols, cols / GROUP, c.backend);
        resize(&mut self.q, x.len())?;
        resize(&mut self.starts, rows * groups)?;
        resize(&mut self.scales, rows * groups)?;
        resize(&mut self.halves, if backend.wants_halves() { x.len() } else { 0 })?;
        let sums = self.starts.chunks_exact_mut(groups).zip(self.scales.chunks_exact_mut(groups));
        let parts = x.chunks_exact(cols).zip(self.q.chunks_exact_mut(cols)).zip(sums);
        let mut tasks: Vec<_> = parts.map(|((x, q), (starts, scales))| (x, q, starts, scales)).collect();
        c.pool.chunks(&mut tasks, 1, |_, tasks| {
            for (x, q, starts, scales) in tasks {
                backend.quantize_groups(x, q, starts, scales);
            }
        });
        let q = &self.q;
        c.pool.chunks(&mut self.halves, cols, |row, halves| split(&q[row * cols..][..cols], halves));
        self.rows = rows;
        Ok(())
    }

    /// Number of rows (tokens).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of each row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The 8-bit values, `[rows][cols]`.
    pub(in crate::kernels) fn q(&self) -> &[i8] {
        &self.q
    }

    /// The 16-bit values; panics where the backend that quantised has no use for them.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(in crate::kernels) fn halves(&self) -> &[i16] {
        assert_eq!(self.halves.len(), self.q.len(), "activations quantised for another backend");
        &self.halves
    }

    /// The starts and the scales of a row.
    pub(super) fn groups(&self, row: usize) -> (&[i32], &[f32]) {
        let groups = self.cols / GROUP;
        (&self.starts[row * groups..][..groups], &self.scales[row * groups..][..groups])
    }

    /// Sets every value to `value` and every scale to `scale`.
    #[cfg(test)]
    pub(in crate::kernels) fn fill(&mut self, value: i8, scale: f32) {
        self.q.fill(value);
        self.halves.fill(value.into());
        self.starts.fill(-i32::from(value) * GROUP as i32);
        self.scales.fill(scale);
    }
}

/// Even and odd columns of each four apart: the two bytes of a 16-bit lane of codes are two columns.
fn split(q: &[i8], halves: &mut [i16]) {
    for (q, halves) in q.as_chunks::<QUAD>().0.iter().zip(halves.as_chunks_mut::<QUAD>().0) {
        *halves = [q[0], q[2], q[1], q[3]].map(i16::from);
    }
}

/// [`Kernels::quantize_groups`](super::super::Kernels::quantize_groups).
#[inline(always)]
pub(in crate::kernels) fn quantize_groups(x: &[f32], q: &mut [i8], starts: &mut [i32], scales: &mut [f32]) {
    assert!(x.len() == q.len() && x.len().is_multiple_of(GROUP), "lengths of a quantisation");
    assert!(starts.len() == x.len() / GROUP && scales.len() == starts.len(), "groups of a quantisation");
    let groups = x.as_chunks::<GROUP>().0.iter().zip(q.as_chunks_mut::<GROUP>().0);
    for ((x, q), (start, scale)) in groups.zip(starts.iter_mut().zip(scales)) {
        let most = max_abs(x);
        quantize(x, if most > 0.0 { 127.0 / most } else { 0.0 }, q);
        *start = -sum(q);
        *scale = f16_to_f32(narrow(most / 127.0));
    }
}
