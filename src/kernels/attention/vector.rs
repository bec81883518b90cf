//! What an instruction set gives to attention.

use super::{COLUMN, EIGHT};
use crate::blocks::float::f16_to_f32;

/// Some f32 in a register. Explicit, because compilers leave such loops scalar or spill.
///
/// # Safety
/// All methods: the processor has what the implementation needs, and pointers lead to [`LANES`](Self::LANES) elements, unless another
/// number is given.
pub(in crate::kernels) trait Vector: Copy {
    /// 4 or 8.
    const LANES: usize;
    /// A power of two: f16 are loaded smaller by this factor, which is then multiplied into the other operand.
    const F16_UNIT: f32;
    /// What stays in a register for a whole loop.
    type Constants: Copy;

    /// Them.
    unsafe fn constants() -> Self::Constants;
    /// One value in all lanes.
    unsafe fn splat(x: f32) -> Self;
    /// f32 as they are.
    unsafe fn load(x: *const f32) -> Self;
    /// Finite f16, divided by [`F16_UNIT`](Self::F16_UNIT).
    unsafe fn load_f16(x: *const u16, constants: Self::Constants) -> Self;
    /// Integers as f32.
    unsafe fn load_i8(x: *const i8) -> Self;
    /// The lanes in order.
    unsafe fn store(self, out: *mut f32);
    /// `self + a * b`, rounded twice.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// The sums of the lanes of four scores, each folded by halves.
    unsafe fn fold(lanes: &[[f32; EIGHT]; 4]) -> [f32; 4];

    /// [`COLUMN`] codes of a key, as 16-bit integers.
    type Codes: Copy;
    /// Partial sums of integer products.
    type Sums: Copy;

    /// No sum yet.
    unsafe fn zero() -> Self::Sums;
    /// Loads [`COLUMN`] codes.
    unsafe fn load_codes(x: *const i8) -> Self::Codes;
    /// `sums` + the products of `codes` with [`COLUMN`] integers at `q`.
    unsafe fn dot_add(sums: Self::Sums, codes: Self::Codes, q: *const i16) -> Self::Sums;
    /// The sums of four, exact.
    unsafe fn totals(sums: [Self::Sums; 4]) -> [i32; 4];
}

/// What a page stores.
pub(super) trait Element: Copy {
    /// Nothing is won by turning them into f32 first.
    const IS_F32: bool = false;
    /// The factor by which loaded elements are too small.
    fn unit<V: Vector>() -> f32 {
        1.0
    }
    /// `V::LANES` of them.
    ///
    /// # Safety
    /// As for [`Vector`].
    unsafe fn load<V: Vector>(x: *const Self, constants: V::Constants) -> V;
}

impl Element for f32 {
    const IS_F32: bool = true;

    #[inline(always)]
    unsafe fn load<V: Vector>(x: *const f32, _: V::Constants) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(x) }
    }
}

impl Element for u16 {
    fn unit<V: Vector>() -> f32 {
        V::F16_UNIT
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(x: *const u16, constants: V::Constants) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_f16(x, constants) }
    }
}

impl Element for i8 {
    #[inline(always)]
    unsafe fn load<V: Vector>(x: *const i8, _: V::Constants) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_i8(x) }
    }
}

/// Eight lanes of plain Rust.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Portable([f32; EIGHT]);

impl Vector for Portable {
    const LANES: usize = EIGHT;
    const F16_UNIT: f32 = 1.0;
    type Constants = ();

    #[inline(always)]
    unsafe fn constants() {}

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; EIGHT])
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        // SAFETY: the pointer leads to eight elements; an array is aligned as one of them.
        Portable(unsafe { *x.cast() })
    }

    #[inline(always)]
    unsafe fn load_f16(x: *const u16, (): ()) -> Self {
        // SAFETY: as above.
        let x: [u16; EIGHT] = unsafe { *x.cast() };
        Portable(x.map(f16_to_f32))
    }

    #[inline(always)]
    unsafe fn load_i8(x: *const i8) -> Self {
        // SAFETY: as above.
        let x: [i8; EIGHT] = unsafe { *x.cast() };
        Portable(x.map(f32::from))
    }

    #[inline(always)]
    unsafe fn store(self, out: *mut f32) {
        // SAFETY: as above.
        unsafe { *out.cast() = self.0 };
    }

    #[inline(always)]
    unsafe fn mul_add(mut self, a: Self, b: Self) -> Self {
        for l in 0..EIGHT {
            self.0[l] += a.0[l] * b.0[l];
        }
        self
    }

    #[inline(always)]
    unsafe fn fold(lanes: &[[f32; EIGHT]; 4]) -> [f32; 4] {
        lanes.map(|x| {
            let x: [f32; 4] = std::array::from_fn(|l| x[l] + x[l + 4]);
            (x[0] + x[2]) + (x[1] + x[3])
        })
    }

    type Codes = [i8; COLUMN];
    type Sums = i32;

    #[inline(always)]
    unsafe fn zero() -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn load_codes(x: *const i8) -> [i8; COLUMN] {
        // SAFETY: the pointer leads to as many.
        unsafe { *x.cast() }
    }

    #[inline(always)]
    unsafe fn dot_add(sums: i32, codes: [i8; COLUMN], q: *const i16) -> i32 {
        // SAFETY: as above.
        let q: [i16; COLUMN] = unsafe { *q.cast() };
        codes.iter().zip(q).fold(sums, |sum, (code, q)| sum + i32::from(*code) * i32::from(q))
    }

    #[inline(always)]
    unsafe fn totals(sums: [i32; 4]) -> [i32; 4] {
        sums
    }
}
