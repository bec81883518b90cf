//! The float arithmetic, written once over fixed virtual lanes and compiled for every instruction set.
//!
//! Each function is inlined into a wrapper that has the instruction set's features ([`float_pieces!`]), where the
//! compiler maps the lanes to registers of whatever width. Rust neither reorders float operations nor fuses them, so
//! the bits are those of the written order everywhere. Comparisons are written as `if a > b` because the minimum and
//! maximum instructions of different processors treat NaN and -0 in different ways.

pub(super) use super::attention::attend;
use super::half::{HALVES, Narrow, Widen};
pub(super) use super::repack::{pack_rows, round_row};
use crate::blocks::decode_row;
use crate::gguf::TensorType;

/// Lanes of a dot product.
pub const LANES: usize = 32;
/// The partial sums of a dot product.
pub type Lanes = [f32; LANES];
/// Lanes of sums in `f64`, and of maxima.
const WIDE: usize = 16;

// ── dot products ─────────────────────────────────────────────────────────────────────────────

#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    dot_piece(&mut lanes, a, b);
    fold(&lanes)
}

#[inline(always)]
pub(super) fn dot_piece(lanes: &mut Lanes, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "lengths of a dot product");
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = *lanes;
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    if !a_tail.is_empty() {
        let (a, b) = (padded::<_, LANES>(a_tail), padded::<_, LANES>(b_tail));
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    *lanes = sums;
}

/// # Safety
/// As for [`Widen::widen`].
#[inline(always)]
pub(super) unsafe fn dot_16_bit<W: Widen>(a: &[u16], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths of a dot product");
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        // SAFETY: the caller's promise.
        unsafe { step_16_bit::<W>(&mut sums, a, b) };
    }
    if !a_tail.is_empty() {
        // SAFETY: the caller's promise.
        unsafe { step_16_bit::<W>(&mut sums, &padded(a_tail), &padded(b_tail)) };
    }
    fold(&sums)
}

/// # Safety
/// As for [`Widen::widen`].
// Not a closure: that would be compiled without the instruction set's features first, and its intrinsics stay calls.
#[inline(always)]
unsafe fn step_16_bit<W: Widen>(sums: &mut Lanes, a: &[u16; LANES], b: &[f32; LANES]) {
    for (i, a) in a.as_chunks::<HALVES>().0.iter().enumerate() {
        // SAFETY: the caller's promise.
        let a = unsafe { W::widen(a) };
        for l in 0..HALVES {
            sums[HALVES * i + l] += a[l] * b[HALVES * i + l];
        }
    }
}

/// The last piece of a slice, filled up with zeros: one way of adding for every length.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(tail: &[T]) -> [T; N] {
    let mut out = [T::default(); N];
    out[..tail.len()].copy_from_slice(tail);
    out
}

/// The sum of the lanes: upper half onto lower half until one is left.
#[inline(always)]
pub(super) fn fold(lanes: &Lanes) -> f32 {
    let x: [f32; 16] = halve(lanes);
    let x: [f32; 8] = halve(&x);
    let x: [f32; 4] = halve(&x);
    let x: [f32; 2] = halve(&x);
    x[0] + x[1]
}

/// Σ term(x) in `f64`: whole chunks over `WIDE` lanes, folded, then the rest one by one.
#[inline(always)]
fn sum_wide(x: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let (chunks, tail) = x.as_chunks::<WIDE>();
    let mut lanes = [0.0; WIDE];
    for x in chunks {
        for l in 0..WIDE {
            lanes[l] += f64::from(term(x[l]));
        }
    }
    let x: [f64; 8] = halve(&lanes);
    let x: [f64; 4] = halve(&x);
    let x: [f64; 2] = halve(&x);
    tail.iter().fold(x[0] + x[1], |total, x| total + f64::from(term(*x)))
}

#[inline(always)]
fn halve<T: Copy + Default + std::ops::Add<Output = T>, const N: usize, const H: usize>(x: &[T; N]) -> [T; H] {
    let mut out = [T::default(); H];
    for l in 0..H {
        out[l] = x[l] + x[l + H];
    }
    out
}

#[inline(always)]
pub(super) fn add_scaled(y: &mut [f32], p: f32, v: &[f32]) {
    assert_eq!(y.len(), v.len(), "lengths of a scaled sum");
    for (y, v) in y.iter_mut().zip(v) {
        *y += p * v;
    }
}

// ── conversions ──────────────────────────────────────────────────────────────────────────────

/// # Safety
/// As for [`Narrow::narrow`].
#[inline(always)]
pub(super) unsafe fn f32_to_f16<H: Narrow>(x: &[f32], out: &mut [u16]) {
    assert_eq!(x.len(), out.len(), "lengths of a conversion");
    let ((x, x_tail), (out, out_tail)) = (x.as_chunks::<HALVES>(), out.as_chunks_mut::<HALVES>());
    for (x, out) in x.iter().zip(out) {
        // SAFETY: the caller's promise.
        *out = unsafe { H::narrow(x) };
    }
    // SAFETY: the caller's promise.
    let last = unsafe { H::narrow(&padded(x_tail)) };
    out_tail.copy_from_slice(&last[..x_tail.len()]);
}

/// Cannot fail: a [`DenseMatrix`](super::DenseMatrix) is whole blocks of a format in which every bit pattern is a value.
#[inline(always)]
pub(super) fn decode_blocks(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    decode_row(kind, bytes, out).expect("whole blocks of a format that holds any bits");
}

// ── quantisation ─────────────────────────────────────────────────────────────────────────────

/// NaN loses every comparison.
#[inline(always)]
pub(super) fn max_abs(x: &[f32]) -> f32 {
    let larger = |x: f32, most: f32| if x.abs() > most { x.abs() } else { most };
    let (x, tail) = x.as_chunks::<WIDE>();
    let mut lanes = [0.0; WIDE];
    for x in x {
        for l in 0..WIDE {
            lanes[l] = larger(x[l], lanes[l]);
        }
    }
    lanes.iter().chain(tail).fold(0.0, |most, x| larger(*x, most))
}

/// The nearest integer, half to even, of a number within ±2^22: adding 1.5·2^23 leaves no bits for fractions, and the
/// float unit rounds.
#[inline(always)]
pub(super) fn round(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32
}

#[inline(always)]
pub(super) fn quantize(x: &[f32], scale: f32, q: &mut [i8]) {
    assert_eq!(x.len(), q.len(), "lengths of a quantisation");
    for (x, q) in x.iter().zip(q) {
        let v = x * scale;
        let v = if v > 127.0 { 127.0 } else { v };
        let v = if v < -128.0 { -128.0 } else { v };
        // A NaN's bits differ from processor to processor.
        let v = if v.is_nan() { 0.0 } else { v };
        *q = round(v) as i8;
    }
}

#[inline(always)]
pub(super) fn sum(q: &[i8]) -> i32 {
    q.iter().map(|q| i32::from(*q)).sum()
}

// ── the rest of a layer ──────────────────────────────────────────────────────────────────────

#[inline(always)]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> bool {
    assert!(x.len() == weight.len() && x.len() == out.len(), "lengths of a norm");
    let mean = (sum_wide(x, |x| x * x) / x.len() as f64) as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
    mean.is_finite()
}

/// e^x within 2 units in the last place, subnormal results and infinity included.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; a polynomial of degree 7 in r (the coefficients are those of Cephes' `expf`),
/// times 2^n in two steps, because 2^n alone may be out of range.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which is then in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    /// ln 2 to 16 bits, so that n times it is exact, and the rest.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Beyond these the result is 0 and infinity; inside, n fits the two factors.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

#[inline(always)]
pub(super) fn relu2_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths of gate and up");
    for (gate, up) in gate.iter_mut().zip(up) {
        let positive = if *gate > 0.0 { *gate } else { 0.0 };
        *gate = positive * positive * up;
    }
}

#[inline(always)]
pub(super) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths of gate and up");
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

#[inline(always)]
pub(super) fn rope(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert!(x.len() == 2 * cos.len() && cos.len() == sin.len(), "lengths of a rotation");
    let (low, high) = x.split_at_mut(cos.len());
    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = (*low, *high);
        *low = a * cos - b * sin;
        *high = a * sin + b * cos;
    }
}

#[inline(always)]
pub(super) fn rope_adjacent(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert!(x.len() == 2 * cos.len() && cos.len() == sin.len(), "lengths of a rotation");
    for (([first, second], cos), sin) in x.as_chunks_mut().0.iter_mut().zip(cos).zip(sin) {
        let (a, b) = (*first, *second);
        *first = a * cos - b * sin;
        *second = a * sin + b * cos;
    }
}

/// The float methods of [`Kernels`](super::Kernels), each the generic function compiled with `$feature`. `$half` is
/// how f16 is converted.
macro_rules! float_pieces {
    ([$($feature:meta)?], $half:ty) => {
        $crate::kernels::generic::float_pieces! { @each [$($feature)?]
            max_abs(x: &[f32]) -> f32 { max_abs }
            quantize(x: &[f32], scale: f32, q: &mut [i8]) { quantize }
            sum(q: &[i8]) -> i32 { sum }
            dot(a: &[f32], b: &[f32]) -> f32 { dot }
            dot_f16(a: &[u16], b: &[f32]) -> f32 { dot_16_bit::<$half> }
            dot_bf16(a: &[u16], b: &[f32]) -> f32 { dot_16_bit::<$crate::kernels::half::Bf16> }
            dot_piece(lanes: &mut $crate::kernels::Lanes, a: &[f32], b: &[f32]) { dot_piece }
            add_scaled(y: &mut [f32], p: f32, v: &[f32]) { add_scaled }
            f32_to_f16(x: &[f32], out: &mut [u16]) { f32_to_f16::<$half> }
            rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> bool { rms_norm }
            relu2_mul(gate: &mut [f32], up: &[f32]) { relu2_mul }
            silu_mul(gate: &mut [f32], up: &[f32]) { silu_mul }
            rope(x: &mut [f32], cos: &[f32], sin: &[f32]) { rope }
            rope_adjacent(x: &mut [f32], cos: &[f32], sin: &[f32]) { rope_adjacent }
        }
    };
    (@blocks [$($feature:meta)?]) => {
        $crate::kernels::generic::float_pieces! { @one [$($feature)?]
            decode_blocks(kind: $crate::gguf::TensorType, bytes: &[u8], out: &mut [f32]) { decode_blocks }
        }
    };
    (@repack [$($feature:meta)?], $half:ty) => {
        $crate::kernels::generic::float_pieces! { @each [$($feature)?]
            pack_rows(
                packing: $crate::kernels::Packing,
                rows: [&[u8]; $crate::kernels::layout::GROUP],
                out: &mut [u8]
            ) -> bool { pack_rows }
            round_row(
                kind: $crate::gguf::TensorType,
                bytes: &[u8],
                codes: &mut [i8]
            ) -> Option<$crate::kernels::RoundedRow> { round_row::<$half> }
        }
    };
    (@attention [$($feature:meta)?], $vector:ty) => {
        $crate::kernels::generic::float_pieces! { @one [$($feature)?]
            attend(
                page: &$crate::kernels::attention::Page<'_>,
                queries: &$crate::kernels::attention::Queries<'_>,
                scratch: &mut $crate::kernels::attention::Scratch,
                partial: &mut [f32]
            ) { attend::<$vector> }
        }
    };
    (@each $feature:tt $($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? { $($body:tt)+ })*) => {
        $($crate::kernels::generic::float_pieces! {
            @one $feature $name($($arg: $type),*) $(-> $result)? { $($body)+ }
        })*
    };
    (@one [$($feature:meta)?] $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? { $($body:tt)+ }) => {
        fn $name(&self, $($arg: $type),*) $(-> $result)? {
            $(#[$feature])?
            #[allow(unused_unsafe)]
            unsafe fn compiled($($arg: $type),*) $(-> $result)? {
                // SAFETY: the features that the conversion needs are those of this function.
                unsafe { $crate::kernels::generic::$($body)+($($arg),*) }
            }
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled($($arg),*) }
        }
    };
}
pub(super) use float_pieces;
