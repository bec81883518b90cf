//! From the bytes of a file to the layout of the kernels, a few rows at a time: what loading a model spends its time on.
//!
//! Written once and compiled for every instruction set, as the float pieces are, and exact in integers or in a written
//! order of roundings: how rows are shared out among threads changes no bit.

use super::generic::{decode_blocks, max_abs, quantize, round, sum};
use super::half::{HALVES, Widen};
use super::layout::{COL_STEP, GROUP};
use crate::blocks::{i2_s, ptq1_0, q1_0, q2_0, tq1_0, tq2_0};
use crate::gguf::TensorType;
use std::array::from_fn;
use std::mem::MaybeUninit;

/// How a file packs ternary codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// [`i2_s`], without the tail.
    I2S,
    /// [`tq1_0`]; the scales are passed over.
    Tq1,
    /// [`tq2_0`]; the scales are passed over.
    Tq2,
    /// [`q1_0`].
    Q1,
    /// [`q2_0`] in blocks of 64.
    Q2,
    /// [`q2_0`] in blocks of 128.
    LongQ2,
    /// [`ptq1_0`].
    Ptq1,
}

impl Packing {
    /// That of a ternary type.
    pub fn of(kind: TensorType) -> Option<Self> {
        Some(match kind {
            TensorType::I2S => Packing::I2S,
            TensorType::TQ1_0 => Packing::Tq1,
            TensorType::TQ2_0 => Packing::Tq2,
            TensorType::Q1_0 => Packing::Q1,
            TensorType::Q2_0 => Packing::Q2,
            TensorType::PQ2_0 => Packing::LongQ2,
            TensorType::PTQ1_0 => Packing::Ptq1,
            _ => return None,
        })
    }

    /// Whether activations have a scale for each 32 columns, and the matrix is laid out for that: [`groups`](super::groups).
    pub fn in_groups(self) -> bool {
        matches!(self, Packing::Q1 | Packing::Q2 | Packing::LongQ2 | Packing::Ptq1)
    }

    /// Where a block has its scale: at its front, or behind the codes.
    pub(crate) fn scale_at(self) -> usize {
        match self {
            Packing::Q1 | Packing::Q2 | Packing::LongQ2 => 0,
            Packing::I2S | Packing::Tq1 | Packing::Tq2 | Packing::Ptq1 => self.block_bytes() - 2,
        }
    }

    /// Weights of a block.
    pub fn block(self) -> usize {
        match self {
            Packing::I2S => i2_s::BLOCK,
            Packing::Tq1 => tq1_0::BLOCK,
            Packing::Tq2 => tq2_0::BLOCK,
            Packing::Q1 => q1_0::BLOCK,
            Packing::Q2 => q2_0::BLOCK,
            Packing::LongQ2 => q2_0::LONG_BLOCK,
            Packing::Ptq1 => ptq1_0::BLOCK,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Packing::I2S => i2_s::BYTES,
            Packing::Tq1 => tq1_0::BYTES,
            Packing::Tq2 => tq2_0::BYTES,
            Packing::Q1 => q1_0::BYTES,
            Packing::Q2 => q2_0::BYTES,
            Packing::LongQ2 => q2_0::LONG_BYTES,
            Packing::Ptq1 => ptq1_0::BYTES,
        }
    }

    /// Bytes of a row of `cols` weights.
    pub fn row_bytes(self, cols: usize) -> usize {
        cols / self.block() * self.block_bytes()
    }
}

/// A row in 8 bits: code · scale is the weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundedRow {
    /// What a code counts.
    pub scale: f32,
    /// Σ code.
    pub sum: i32,
}

/// Input that is worth a task: a fork and a join cost a microsecond, and this much takes some ten.
const TASK_BYTES: usize = 32 << 10;
/// Tasks for each thread, so that one that is put aside holds nobody up for long.
const TASKS: usize = 4;

/// Units of `bytes` bytes each that make a task, of `units` in all.
pub(super) fn units_a_task(units: usize, bytes: usize, threads: usize) -> usize {
    if threads < 2 {
        return units.max(1);
    }
    units.div_ceil(TASKS * threads).max(TASK_BYTES.div_ceil(bytes.max(1)))
}

/// The same memory, as zeros.
pub(super) fn zeroed<T: Byte>(room: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: the pointer and the length are the slice's, which is borrowed for as long as the result; a `Byte` is one
    // byte, for which zero is a value, and all are written before they are taken for such.
    unsafe {
        room.as_mut_ptr().cast::<u8>().write_bytes(0, room.len());
        std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), room.len())
    }
}

/// Types of one byte that any bits are.
pub(super) trait Byte {}
impl Byte for u8 {}
impl Byte for i8 {}

/// Four rows of a file, as the four fields of each of `out`'s bytes. False if one of the codes is 3: what `out` then
/// holds has no meaning.
#[inline(always)]
pub(super) fn pack_rows(packing: Packing, rows: [&[u8]; GROUP], out: &mut [u8]) -> bool {
    let bytes = packing.row_bytes(out.len());
    assert!(out.len().is_multiple_of(packing.block()), "{} columns of {packing:?}", out.len());
    assert!(rows.iter().all(|row| row.len() == bytes), "rows of {bytes} bytes");
    let mut threes = [0; WORDS];
    match packing {
        Packing::I2S => {
            for (i, out) in out.as_chunks_mut::<COL_STEP>().0.iter_mut().enumerate() {
                // The first field of a byte is the highest.
                transpose::<true>(rows.map(|row| words(&row[i2_s::BYTES * i..])), out, &mut threes);
            }
        }
        Packing::Tq2 => {
            for (i, out) in out.as_chunks_mut::<COL_STEP>().0.iter_mut().enumerate() {
                let at = tq2_0::BYTES * (i / 2) + FIELD * (i % 2);
                transpose::<false>(rows.map(|row| words(&row[at..])), out, &mut threes);
            }
        }
        Packing::Tq1 => {
            let blocks = rows.map(|row| row.as_chunks::<{ tq1_0::BYTES }>().0);
            for (i, out) in out.as_chunks_mut::<{ tq1_0::BLOCK }>().0.iter_mut().enumerate() {
                let (first, rest) = out.split_at_mut(160);
                let (second, last) = rest.split_at_mut(80);
                pack_digits::<32>(from_fn(|r| &blocks[r][i][..32]), first);
                pack_digits::<16>(from_fn(|r| &blocks[r][i][32..48]), second);
                pack_few_digits::<4>(from_fn(|r| &blocks[r][i][48..]), last);
            }
        }
        Packing::Ptq1 => {
            let blocks = rows.map(|row| row.as_chunks::<{ ptq1_0::BYTES }>().0);
            for (i, out) in out.as_chunks_mut::<{ ptq1_0::BLOCK }>().0.iter_mut().enumerate() {
                let (first, rest) = out.split_at_mut(80);
                let (second, last) = rest.split_at_mut(40);
                pack_digits::<16>(from_fn(|r| &blocks[r][i][..16]), first);
                pack_digits::<8>(from_fn(|r| &blocks[r][i][16..24]), second);
                pack_few_digits::<2>(from_fn(|r| &blocks[r][i][24..]), last);
            }
        }
        Packing::Q1 => {
            for (i, out) in out.as_chunks_mut::<{ q1_0::BLOCK }>().0.iter_mut().enumerate() {
                let bits = rows.map(|row| &row[i * q1_0::BYTES + q1_0::SCALE..][..q1_0::BLOCK / 8]);
                for (j, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                    let bits = bits.map(|bits| bits[j]);
                    let (low, high) = out.split_at_mut(4);
                    low.copy_from_slice(&quad(bits.map(|bits| two_bits(bits & 15))));
                    high.copy_from_slice(&quad(bits.map(|bits| two_bits(bits >> 4))));
                }
            }
        }
        Packing::Q2 => threes[0] |= pack_pairs::<{ q2_0::BLOCK }, { q2_0::BYTES }>(rows, out),
        Packing::LongQ2 => threes[0] |= pack_pairs::<{ q2_0::LONG_BLOCK }, { q2_0::LONG_BYTES }>(rows, out),
    }
    threes.iter().fold(0, |all, threes| all | threes) == 0
}

/// A byte of base-3 digits on its way: the next digit is what 3·byte has above its low 8 bits, and these are the next byte.
///
/// WebAssembly has no product of bytes, and its compiler makes one of two additions: there a byte takes 16 bits, half of the time.
#[cfg(target_family = "wasm")]
type Digits = u16;
/// As above. Comparisons give the digit in 8 bits: signed ones, for which every processor has an instruction. So the top bit is
/// turned, which tripling leaves as it is.
#[cfg(not(target_family = "wasm"))]
type Digits = u8;

#[inline(always)]
fn digits<const W: usize>(bytes: &[u8]) -> [Digits; W] {
    let turned = if cfg!(target_family = "wasm") { 0 } else { 0x80 };
    let mut out = [0; W];
    for (out, byte) in out.iter_mut().zip(&bytes[..W]) {
        *out = Digits::from(byte ^ turned);
    }
    out
}

#[cfg(target_family = "wasm")]
#[inline(always)]
fn next_digit(left: &mut Digits) -> Digits {
    let tripled = *left * 3;
    *left = tripled & 0xff;
    tripled >> 8
}

#[cfg(not(target_family = "wasm"))]
#[inline(always)]
fn next_digit(left: &mut Digits) -> Digits {
    let signed = *left as i8;
    // 86 and 171 are the first whose triples have a ninth and a tenth bit.
    let digit = u8::from(signed >= (86 ^ 0x80u8) as i8) + u8::from(signed >= (171 ^ 0x80u8) as i8);
    *left = left.wrapping_add(*left).wrapping_add(*left);
    digit
}

/// Four rows of `W` bytes of base-3 digits: each digit of all bytes is `W` columns.
#[inline(always)]
fn pack_digits<const W: usize>(rows: [&[u8]; GROUP], out: &mut [u8]) {
    let mut left: [[Digits; W]; GROUP] = from_fn(|r| digits(rows[r]));
    for out in out.as_chunks_mut::<W>().0 {
        let mut codes: [Digits; W] = [0; W];
        for left in left.iter_mut().rev() {
            for l in 0..W {
                codes[l] = codes[l] << 2 | next_digit(&mut left[l]);
            }
        }
        *out = codes.map(|codes| codes.to_le_bytes()[0]);
    }
}

/// The same of four bytes or fewer, each in 16 bits of one word.
#[inline(always)]
fn pack_few_digits<const W: usize>(rows: [&[u8]; GROUP], out: &mut [u8]) {
    const LOW: u64 = 0x00ff_00ff_00ff_00ff;
    let mut left = [0; GROUP];
    for (left, row) in left.iter_mut().zip(rows) {
        *left = (0..W).fold(0, |word, l| word | u64::from(row[l]) << (16 * l));
    }
    for out in out.as_chunks_mut::<W>().0 {
        let mut codes = 0;
        for left in left.iter_mut().rev() {
            let tripled = *left * 3;
            codes = codes << 2 | tripled >> 8 & LOW;
            *left = tripled & LOW;
        }
        for (l, out) in out.iter_mut().enumerate() {
            *out = (codes >> (16 * l)) as u8;
        }
    }
}

/// Rows whose bytes hold four columns each, one after the other: Q2_0. Not 0 if a code is 3.
#[inline(always)]
fn pack_pairs<const BLOCK: usize, const BYTES: usize>(rows: [&[u8]; GROUP], out: &mut [u8]) -> u32 {
    let mut threes = 0;
    let [a, b, c, d] = rows.map(|row| row.as_chunks::<BYTES>().0);
    for ((((out, a), b), c), d) in out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        for (j, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let [a, b, c, d] = [a, b, c, d].map(|block| block[q2_0::SCALE + j]);
            let all = u32::from_le_bytes([a, b, c, d]);
            threes |= all & all >> 1 & 0x5555_5555;
            *out = quad([a, b, c, d]);
        }
    }
    threes
}

/// Four columns of four rows, a byte a row, as a byte a column: two steps, each of which exchanges halves.
#[inline(always)]
fn quad(rows: [u8; GROUP]) -> [u8; 4] {
    let mut all = u32::from_le_bytes(rows);
    let differ = (all >> 6 ^ all) & 0x00cc_00cc;
    all ^= differ ^ differ << 6;
    let differ = (all >> 12 ^ all) & 0x0000_f0f0;
    all ^= differ ^ differ << 12;
    all.to_le_bytes()
}

/// Four bits as codes 0 and 2.
#[inline(always)]
fn two_bits(bits: u8) -> u8 {
    let bits = (bits | bits << 2) & 0x33;
    ((bits | bits << 1) & 0x55) << 1
}

/// Bytes that hold 128 columns of a row; the four fields of each are 32 columns apart.
const FIELD: usize = COL_STEP / 4;
/// The same as words. Shifts of bytes are several instructions on most processors, those of words with a mask are two.
const WORDS: usize = FIELD / 4;

#[inline(always)]
fn words(bytes: &[u8]) -> [u32; WORDS] {
    let bytes = bytes.as_chunks().0;
    let mut out = [0; WORDS];
    for l in 0..WORDS {
        out[l] = u32::from_le_bytes(bytes[l]);
    }
    out
}

/// Rows of fields into fields of rows, 4 × 4 for each byte: two steps, each of which exchanges halves of a pair.
#[inline(always)]
fn transpose<const HIGH_FIRST: bool>(rows: [[u32; WORDS]; GROUP], out: &mut [u8; COL_STEP], threes: &mut [u32; WORDS]) {
    let [mut a, mut b, mut c, mut d] = rows;
    for l in 0..WORDS {
        for row in [a[l], b[l], c[l], d[l]] {
            threes[l] |= row & row >> 1 & 0x5555_5555;
        }
        exchange::<2, 0x3333_3333>(&mut a[l], &mut b[l]);
        exchange::<2, 0x3333_3333>(&mut c[l], &mut d[l]);
        exchange::<4, 0x0f0f_0f0f>(&mut a[l], &mut c[l]);
        exchange::<4, 0x0f0f_0f0f>(&mut b[l], &mut d[l]);
    }
    let fields = if HIGH_FIRST { [d, c, b, a] } else { [a, b, c, d] };
    for (out, words) in out.as_chunks_mut::<FIELD>().0.iter_mut().zip(fields) {
        for (out, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *out = word.to_le_bytes();
        }
    }
}

/// The fields of `low` above the mask against those of `high` under it.
#[inline(always)]
fn exchange<const BITS: u32, const MASK: u32>(low: &mut u32, high: &mut u32) {
    let differ = (*low >> BITS ^ *high) & MASK;
    *low ^= differ << BITS;
    *high ^= differ;
}

/// Elements decoded at a time: whole blocks of every format.
const PIECE: usize = 1024;

/// A row of any type but I2_S in 8 bits: code = w·127 / max |w|, rounded half to even. None if a weight is not finite.
///
/// # Safety
/// As for [`Widen::widen`].
#[inline(always)]
pub(super) unsafe fn round_row<W: Widen>(kind: TensorType, bytes: &[u8], codes: &mut [i8]) -> Option<RoundedRow> {
    if kind == TensorType::F16 {
        // SAFETY: the caller's promise.
        return unsafe { round_halves::<W>(bytes, codes) };
    }
    // Twice decoded, so that no row of floats has to be anywhere.
    let piece_bytes = PIECE / kind.block() as usize * kind.block_bytes() as usize;
    let mut piece = [0.0; PIECE];
    let (mut largest, mut finite) = (0.0, true);
    for (bytes, codes) in bytes.chunks(piece_bytes).zip(codes.chunks(PIECE)) {
        let piece = &mut piece[..codes.len()];
        decode_blocks(kind, bytes, piece);
        finite &= piece.iter().fold(true, |finite, w| finite & w.is_finite());
        let most = max_abs(piece);
        largest = if most > largest { most } else { largest };
    }
    let step = Step::of(largest);
    let mut total = 0;
    for (bytes, codes) in bytes.chunks(piece_bytes).zip(codes.chunks_mut(PIECE)) {
        let piece = &mut piece[..codes.len()];
        decode_blocks(kind, bytes, piece);
        quantize(piece, step.inverse, codes);
        total += sum(codes);
    }
    finite.then_some(RoundedRow { scale: step.scale, sum: total })
}

/// How a row is rounded whose largest weight is `largest`.
struct Step {
    inverse: f32,
    scale: f32,
}

impl Step {
    #[inline(always)]
    fn of(largest: f32) -> Self {
        // Of numbers below this the inverse is infinite; such a row is zeros.
        if largest > 1e-36 {
            Step { inverse: 127.0 / largest, scale: largest / 127.0 }
        } else {
            Step { inverse: 0.0, scale: 0.0 }
        }
    }
}

/// F16 has the order of its bits, so the largest is found without a conversion. No product is beyond 127 by more than
/// its rounding, so none is clamped.
///
/// # Safety
/// As for [`Widen::widen`].
#[inline(always)]
unsafe fn round_halves<W: Widen>(bytes: &[u8], codes: &mut [i8]) -> Option<RoundedRow> {
    assert!(bytes.len() == 2 * codes.len() && codes.len().is_multiple_of(HALVES), "{} columns", codes.len());
    let bytes = bytes.as_chunks::<{ 2 * HALVES }>().0;
    let mut most = [0; HALVES];
    for bytes in bytes {
        let halves = halves(bytes);
        for l in 0..HALVES {
            most[l] = most[l].max(halves[l] & 0x7fff);
        }
    }
    let largest = most.into_iter().max().unwrap_or(0);
    if largest >= 0x7c00 {
        return None;
    }
    let Step { inverse, scale } = Step::of(crate::blocks::float::f16_to_f32(largest));
    let mut sums = [0; HALVES];
    for (bytes, codes) in bytes.iter().zip(codes.as_chunks_mut::<HALVES>().0) {
        // SAFETY: the caller's promise.
        let weights = unsafe { W::widen(&halves(bytes)) };
        for l in 0..HALVES {
            let code = round(weights[l] * inverse);
            sums[l] += code;
            codes[l] = code as i8;
        }
    }
    Some(RoundedRow { scale, sum: sums.iter().sum() })
}

#[inline(always)]
fn halves(bytes: &[u8; 2 * HALVES]) -> [u16; HALVES] {
    let bytes = bytes.as_chunks().0;
    let mut out = [0; HALVES];
    for l in 0..HALVES {
        out[l] = u16::from_le_bytes(bytes[l]);
    }
    out
}
