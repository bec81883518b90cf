//! F32, F16 and BF16, little-endian. Every `f16` and `bf16` is exactly one `f32`.

/// The value of an `f16`'s bits, in a few operations that vectorise everywhere: WebAssembly has no instruction for it.
#[inline(always)]
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // The exponent is 112 too small; the product is exact, for subnormals too.
    let finite = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    let special = magnitude | 0x7f80_0000;
    let magnitude = if bits & 0x7c00 == 0x7c00 { special } else { finite.to_bits() };
    f32::from_bits(sign | magnitude)
}

/// The value of a `bf16`'s bits: the upper half of the `f32`.
#[inline]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest whole number, ties to even, of one below 2^22: two additions, which vectorise everywhere.
#[inline(always)]
pub(super) fn nearest(x: f32) -> f32 {
    const SHIFT: f32 = 1.5 * (1 << 23) as f32;
    (x + SHIFT) - SHIFT
}

/// Σ a·b in eight lanes.
#[inline(always)]
pub(super) fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for l in 0..8 {
            lanes[l] += a[l] * b[l];
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Decodes as many values as both slices hold.
pub fn decode_f32(bytes: &[u8], out: &mut [f32]) {
    for (out, &bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = f32::from_le_bytes(bytes);
    }
}

/// Decodes as many values as both slices hold.
pub fn decode_f16(bytes: &[u8], out: &mut [f32]) {
    for (out, &bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = f16_to_f32(u16::from_le_bytes(bytes));
    }
}

/// Decodes as many values as both slices hold.
pub fn decode_bf16(bytes: &[u8], out: &mut [f32]) {
    for (out, &bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = bf16_to_f32(u16::from_le_bytes(bytes));
    }
}
