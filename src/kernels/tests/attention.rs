//! Attention to a page: the written order on every backend, element by element.

use super::*;
use crate::kernels::attention::{COLUMN, Page, Queries, Scratch, Stored, partial_len};

/// One head's page in all three types, and what is stored in each as f32.
pub(super) struct Case {
    dim: usize,
    width: usize,
    heads: usize,
    tokens: usize,
    positions: usize,
    seen: isize,
    q: Vec<f32>,
    f32s: [Vec<f32>; 2],
    f16s: [Vec<u16>; 2],
    codes: [Vec<i8>; 2],
    scales: [Vec<f32>; 2],
}

const CAPACITY: usize = 40;

impl Case {
    pub(super) fn new(
        random: &mut Random,
        dim: usize,
        heads: usize,
        tokens: usize,
        positions: usize,
        seen: isize,
    ) -> Self {
        let width = dim.next_multiple_of(COLUMN);
        let f32s = [0, 1].map(|values| {
            let mut all = vec![0.0; CAPACITY * width];
            for position in 0..CAPACITY {
                for d in 0..dim {
                    all[place(values, width, position, d)] = random.wild();
                }
            }
            all
        });
        let f16s = [0, 1].map(|i: usize| {
            let all = f32s[i].iter().map(|x| ::half::f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits());
            all.collect::<Vec<_>>()
        });
        let codes = [0, 1].map(|i: usize| f32s[i].iter().map(|x| (x * 127.0) as i8).collect::<Vec<_>>());
        let scales = [0, 1].map(|_| random.vec(CAPACITY));
        let q = random.wild_vec(tokens * (heads * dim + 3));
        Case { dim, width, heads, tokens, positions, seen, q, f32s, f16s, codes, scales }
    }

    fn stored(&self, kind: usize) -> Stored<'_> {
        match kind {
            0 => Stored::F32 { keys: &self.f32s[0], values: &self.f32s[1] },
            1 => Stored::F16 { keys: &self.f16s[0], values: &self.f16s[1] },
            _ => Stored::Q8 {
                keys: &self.codes[0],
                values: &self.codes[1],
                key_scales: &self.scales[0],
                value_scales: &self.scales[1],
            },
        }
    }

    fn rows(&self) -> usize {
        self.heads * self.tokens
    }

    fn attend(&self, backend: Backend, kind: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; partial_len(self.rows(), self.width)];
        let queries = Queries {
            q: &self.q,
            tokens: self.tokens,
            stride: self.heads * self.dim + 3,
            heads: self.heads,
            dim: self.dim,
            seen: self.seen,
        };
        let page = Page { stored: self.stored(kind), width: self.width, positions: self.positions };
        let mut scratch = Scratch::new();
        backend.attend(&page, &queries, &mut scratch, &mut out);
        let first = out.clone();
        // What an earlier call left in the scratch must not matter.
        backend.attend(&page, &queries, &mut scratch, &mut out);
        assert_bits("attend again", backend, &out, &first);
        out
    }

    fn element(&self, kind: usize, values: usize, position: usize, d: usize) -> f32 {
        let at = place(values, self.width, position, d);
        match kind {
            0 => self.f32s[values][at],
            1 => ::half::f16::from_bits(self.f16s[values][at]).to_f32(),
            _ => f32::from(self.codes[values][at]),
        }
    }

    /// A row of a page's result as the module's documentation tells it; none where the row sees nothing.
    fn plain(&self, kind: usize, row: usize) -> Option<(Vec<f32>, f32, f32)> {
        let q = &self.q[row / self.heads * (self.heads * self.dim + 3) + row % self.heads * self.dim..][..self.dim];
        let seen = self.positions.min(usize::try_from(self.seen + (row / self.heads) as isize).unwrap_or(0));
        let scale = 1.0 / (self.dim as f32).sqrt();
        let score = |position| match kind {
            2 => {
                let largest = q.iter().fold(1e-30f32, |most, x| most.max(x.abs())).min(32768.0);
                let code = |x: &f32| (x.clamp(-32768.0, 32768.0) * (32767.0 / largest)).round_ties_even() as i32;
                let sum: i32 = (0..self.dim).map(|d| code(&q[d]) * self.element(2, 0, position, d) as i32).sum();
                sum as f32 * (self.scales[0][position] * (largest / 32767.0 * scale))
            }
            _ => {
                let mut lanes = [0.0f32; 8];
                for d in 0..self.dim {
                    lanes[d % 8] += (q[d] * scale).clamp(-32768.0, 32768.0) * self.element(kind, 0, position, d);
                }
                let four = [0, 1, 2, 3].map(|l| lanes[l] + lanes[l + 4]);
                (four[0] + four[2]) + (four[1] + four[3])
            }
        };
        let scores: Vec<f32> = (0..seen).map(score).collect();
        let largest = scores.iter().copied().reduce(f32::max)?;
        let (mut out, mut totals) = (vec![0.0; self.width], [0.0; 4]);
        for (position, score) in scores.iter().enumerate() {
            let weight = generic::exp(score - largest);
            totals[position % 4] += weight;
            let weight = if kind == 2 { weight * self.scales[1][position] } else { weight };
            for (d, out) in out.iter_mut().enumerate().take(self.dim) {
                *out += weight * self.element(kind, 1, position, d);
            }
        }
        Some((out, largest, (totals[0] + totals[2]) + (totals[1] + totals[3])))
    }

    pub(super) fn check(&self, what: &str) {
        let rows = self.rows();
        for backend in available() {
            for kind in 0..3 {
                let found = self.attend(backend, kind);
                for row in 0..rows {
                    let Some((out, largest, total)) = self.plain(kind, row) else { continue };
                    let what = format!("{what}, type {kind}, row {row} of {rows}");
                    assert_bits(&what, backend, &found[row * self.width..][..self.width], &out);
                    // Of zeros of both signs `f32::max` may give either as the largest.
                    let statistics = [found[rows * self.width + row] + 0.0, found[rows * (self.width + 1) + row]];
                    assert_bits(&what, backend, &statistics, &[largest + 0.0, total]);
                }
            }
        }
    }
}

/// Where an element of a key or of a value lies.
fn place(values: usize, width: usize, position: usize, d: usize) -> usize {
    match values {
        0 => position * width + d,
        _ => (d / COLUMN * CAPACITY + position) * COLUMN + d % COLUMN,
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn attention_has_the_written_order() {
    let mut random = Random(20);
    for dim in [2, 14, 16, 18, 64, 80, 128] {
        for (heads, tokens) in [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (7, 2), (4, 4), (1, 16)] {
            for (positions, seen) in [(1, 1), (2, 2), (5, 4), (33, 20), (40, 60), (40, 40), (3, -2)] {
                let case = Case::new(&mut random, dim, heads, tokens, positions, seen);
                case.check(&format!("heads {heads} × {dim}, {tokens} tokens, {seen} of {positions}"));
            }
        }
    }
}
