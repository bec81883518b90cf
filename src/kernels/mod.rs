//! The arithmetic of the model: one scalar oracle, and one module an instruction set that equals it bit for bit.
//!
//! | backend | needs | ternary product |
//! |---|---|---|
//! | `scalar` | nothing | plain loops, the oracle |
//! | `avx2` | AVX2, F16C | `vpmaddubsw`, widened before 16 bits run over |
//! | `avx512` | AVX-512 F, BW, VNNI | `vpdpbusd` on masked codes, no shift |
//! | `neon` | any AArch64 | `smlal` on 16-bit lanes |
//! | `neon-dotprod` | FEAT_DotProd | `sdot` |
//! | `simd128` | a wasm module built with it | `i32x4.dot_i16x8` |
//! | `relaxed` | a wasm module built with it | `i32x4.relaxed_dot_i8x16_i7x16_add` |
//! | `relaxed-pairs` | the same | `i16x8.relaxed_dot_i8x16_i7x16`, for processors without one for the other |
//!
//! How they can be bit-identical:
//! - the ternary product is exact in `i32` (`layout.rs` tells how codes lie, `ternary.rs` how results become floats, and
//!   [`groups`] both for matrices with a scale for each 64 or 128 columns);
//! - the float pieces are written once, over a fixed number of virtual lanes and with a fixed reduction tree
//!   (`generic.rs`), and compiled once for each instruction set; nothing is ever contracted to a fused multiply-add;
//! - where an instruction set has a better way (f16 conversion), that way is exact too.
//!
//! A backend is a value whose existence proves that the processor has what it needs; all its methods are safe and
//! check lengths. Natively [`detect`] chooses at run time; in wasm the module as built decides, because an engine
//! refuses a whole module for one instruction that it does not know, and of the two relaxed ones a short race.
//!
//! Next: [`threads`](crate::threads), among which the rows are shared out.
#![allow(unsafe_code)]

mod activations;
pub mod attention;
mod dense;
pub(crate) mod generic;
pub mod groups;
mod half;
mod int8;
mod layout;
mod repack;
mod roofline;
pub(crate) mod scalar;
pub mod tables;
mod ternary;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(test)]
mod tests;

pub use activations::Activations;
pub use dense::{DenseMatrix, dense_matmul, dense_rows};
pub use generic::{LANES, Lanes};
pub use int8::{Int8Matrix, NotFinite, WideActivations, int8_matmul, int8_rows};
pub use layout::{CodeThree, MAX_COLS, TernaryMatrix, TernaryPacker};
pub use repack::{Packing, RoundedRow};
pub use roofline::{Limits, Roofline, Turn};
pub use ternary::{Tile, Way, ternary_matmul, ternary_matmuls, ternary_rows};

use crate::gguf::TensorType;
use crate::threads::Pool;
use crate::{Error, Result};

/// A backend: lives as long as the program, chosen by [`detect`] or [`by_name`].
pub type Backend = &'static dyn Kernels;

mod sealed {
    pub trait Sealed {}
}

/// What every instruction set offers. All methods panic where slice lengths do not fit together, and give the same
/// bits on every backend for finite input.
///
/// Called for a row, a head or a tile at a time, so that the dynamic call costs nothing.
pub trait Kernels: sealed::Sealed + Limits + tables::Tables + Send + Sync + std::fmt::Debug {
    /// The name that [`by_name`] takes.
    fn name(&self) -> &'static str;

    // ── integers ─────────────────────────────────────────────────────────────────────────────
    /// Σ code·q of each row of `tile` with each of its activation rows: `sums[token][row]`, exact.
    fn ternary_sums(&self, tile: &Tile<'_>, sums: &mut [i32]);
    /// Whether [`ternary_sums`](Self::ternary_sums) reads activations as 16-bit halves instead of 8-bit values.
    fn wants_halves(&self) -> bool {
        false
    }
    /// The rows of a tile of a matrix in blocks with each of its tokens, in the order that [`groups`] tells.
    fn group_sums(&self, tile: &groups::Tile<'_>, totals: &mut [groups::Totals]);
    /// Activations as [`groups`] takes them: 8-bit values, and of each 32 their negative sum and their scale.
    fn quantize_groups(&self, x: &[f32], q: &mut [i8], starts: &mut [i32], scales: &mut [f32]);
    /// Σ code·u of four rows of 8-bit codes, exact. All have as many as `x`.
    fn int8_sums(&self, codes: [&[i8]; int8::ROWS], x: &WideActivations) -> [i64; int8::ROWS];
    /// max |x|, 0 for none; NaN does not count.
    fn max_abs(&self, x: &[f32]) -> f32;
    /// q = x·scale, rounded half to even and clamped to -128..=127; NaN gives 0.
    fn quantize(&self, x: &[f32], scale: f32, q: &mut [i8]);
    /// Σ q.
    fn sum(&self, q: &[i8]) -> i32;

    // ── dot products ─────────────────────────────────────────────────────────────────────────
    /// Σ a·b over [`LANES`] lanes (element i belongs to lane i mod `LANES`), folded by halves.
    fn dot(&self, a: &[f32], b: &[f32]) -> f32;
    /// The same with `a` in f16, finite: of infinity and NaN some backends make numbers.
    fn dot_f16(&self, a: &[u16], b: &[f32]) -> f32;
    /// The same with `a` in bf16.
    fn dot_bf16(&self, a: &[u16], b: &[f32]) -> f32;
    /// Adds Σ a·b to the lanes of a dot product in pieces; every piece but the last is a multiple of [`LANES`] long.
    fn dot_piece(&self, lanes: &mut Lanes, a: &[f32], b: &[f32]);
    /// y += p·v.
    fn add_scaled(&self, y: &mut [f32], p: f32, v: &[f32]);

    // ── attention ────────────────────────────────────────────────────────────────────────────
    /// Attention of `queries` to one page; `partial` is [`attention::partial_len`] long. The order is told in [`attention`].
    fn attend(
        &self,
        page: &attention::Page<'_>,
        queries: &attention::Queries<'_>,
        scratch: &mut attention::Scratch,
        partial: &mut [f32],
    );

    // ── conversions ──────────────────────────────────────────────────────────────────────────
    /// Decodes whole blocks of a storage format; `bytes` must be what `out.len()` values of `kind` take.
    fn decode_blocks(&self, kind: TensorType, bytes: &[u8], out: &mut [f32]);
    /// Four rows of a file, `out.len()` codes each, to the layout of [`TernaryMatrix`]. False if a code is 3.
    fn pack_rows(&self, packing: Packing, rows: [&[u8]; layout::GROUP], out: &mut [u8]) -> bool;
    /// A row of a file in 8 bits, with its codes in `codes`. None if a weight is infinity or NaN.
    fn round_row(&self, kind: TensorType, bytes: &[u8], codes: &mut [i8]) -> Option<RoundedRow>;
    /// Narrows to f16, rounding to nearest even.
    fn f32_to_f16(&self, x: &[f32], out: &mut [u16]);

    // ── the rest of a layer ──────────────────────────────────────────────────────────────────
    /// out = (x · 1/√(mean(x²) + eps)) · weight, the squares summed in `f64`. Whether the mean is finite: one that is not
    /// would make zeros of whatever overflowed.
    fn rms_norm(&self, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> bool;
    /// gate = max(gate, 0)² · up.
    fn relu2_mul(&self, gate: &mut [f32], up: &[f32]);
    /// gate = gate / (1 + exp(-gate)) · up.
    fn silu_mul(&self, gate: &mut [f32], up: &[f32]);
    /// Rotates the pairs (j, j + half) of one head, NEOX order; `cos` and `sin` hold half the head's length.
    fn rope(&self, x: &mut [f32], cos: &[f32], sin: &[f32]);
    /// The same with the pairs (2j, 2j + 1), llama.cpp's NORM order.
    fn rope_adjacent(&self, x: &mut [f32], cos: &[f32], sin: &[f32]);
}

/// What a computation runs on: a backend and a pool of threads. The result depends on neither.
#[derive(Debug)]
pub struct Compute {
    /// The instruction set.
    pub backend: Backend,
    /// The threads.
    pub pool: Pool,
}

impl Default for Compute {
    /// The best backend, one thread.
    fn default() -> Self {
        Compute { backend: detect(), pool: Pool::new(1) }
    }
}

/// Every backend that this build and this processor have, the best first; `scalar` is always the last.
pub fn available() -> Vec<Backend> {
    let mut found: Vec<Backend> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    found.extend(x86_64::available());
    #[cfg(target_arch = "aarch64")]
    found.extend(aarch64::available());
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    found.extend(wasm32::available());
    found.push(&scalar::Scalar);
    found
}

/// The best backend here.
pub fn detect() -> Backend {
    available()[0]
}

/// The backend of that name, or [`Error::UnknownBackend`] with the names that would do.
pub fn by_name(name: &str) -> Result<Backend> {
    let backends = available();
    backends.iter().find(|b| b.name() == name).copied().ok_or_else(|| Error::UnknownBackend {
        name: name.to_owned(),
        available: backends.iter().map(|b| b.name()).collect::<Vec<_>>().join(", "),
    })
}
