//! Q5_K: 256 weights in 176 bytes: [`q4_k`](super::q4_k) with 32 bytes of fifth bits between the scales and the nibbles.
//! Bit j of byte l belongs to element 32j+l. Source: `ggml-quants.c`, `dequantize_row_q5_K`.

use super::q4_k::{HEAD, pack_nibbles, quantise, scale, unpack_nibbles};

/// Weights in a block.
pub const BLOCK: usize = 256;
/// Bytes in a block.
pub const BYTES: usize = 176;

/// Bytes of fifth bits.
const HIGH: usize = 32;

/// The block's weights.
#[inline(always)]
pub fn decode(bytes: &[u8; BYTES], out: &mut [f32; BLOCK]) {
    let (head, rest) = bytes.split_first_chunk().expect("a block is longer than its head");
    let (high, nibbles) = rest.split_first_chunk::<HIGH>().expect("a block is longer than its fifth bits");
    let mut q = [0; BLOCK];
    unpack_nibbles(nibbles, &mut q);
    for (j, q) in q.as_chunks_mut::<HIGH>().0.iter_mut().enumerate() {
        for l in 0..HIGH {
            q[l] |= (high[l] >> j & 1) << 4;
        }
    }
    scale(head, &q, out);
}

/// A near block, by squared error: each group of 32 has its own range, from 0 or less. The weights must be finite.
pub fn encode(values: &[f32; BLOCK]) -> [u8; BYTES] {
    let (head, q) = quantise(values, 31);
    let mut bytes = [0; BYTES];
    bytes[..HEAD].copy_from_slice(&head);
    for (j, q) in q.as_chunks::<HIGH>().0.iter().enumerate() {
        for (byte, q) in bytes[HEAD..].iter_mut().zip(q) {
            *byte |= (q >> 4) << j;
        }
    }
    pack_nibbles(&q, &mut bytes[HEAD + HIGH..]);
    bytes
}
