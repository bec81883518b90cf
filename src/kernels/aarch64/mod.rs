//! AArch64, chosen at run time: NEON is always there, the dot product instruction since ARMv8.2 or 8.4.

mod attention;
mod groups;
mod limits;
mod neon;
mod neon_dotprod;
mod tables;

use super::Backend;
use super::half::{HALVES, Narrow, Widen};
use std::arch::aarch64::*;
use std::sync::LazyLock;

static DOTPROD: LazyLock<Option<neon_dotprod::NeonDotprod>> = LazyLock::new(neon_dotprod::NeonDotprod::new);
static NEON: LazyLock<Option<neon::Neon>> = LazyLock::new(neon::Neon::new);

/// What this processor has, the best first.
pub(super) fn available() -> impl Iterator<Item = Backend> {
    let dotprod = DOTPROD.as_ref().map(|b| b as Backend);
    let neon = NEON.as_ref().map(|b| b as Backend);
    dotprod.into_iter().chain(neon)
}

/// f16 by `fcvtl` and `fcvtn`, which every AArch64 has. Assembly, because Rust's intrinsics for them are not stable.
#[derive(Debug)]
struct Fcvt;

impl Fcvt {
    /// # Safety
    /// NEON is there, and eight values at `h`.
    #[inline(always)]
    unsafe fn widen_eight(h: *const u16) -> (float32x4_t, float32x4_t) {
        let (low, high): (float32x4_t, float32x4_t);
        // SAFETY: the caller's promise. The instructions read and write the named registers only.
        unsafe {
            std::arch::asm!(
                "fcvtl {low:v}.4s, {h:v}.4h",
                "fcvtl2 {high:v}.4s, {h:v}.8h",
                h = in(vreg) vld1q_u16(h),
                low = out(vreg) low,
                high = lateout(vreg) high,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        (low, high)
    }

    /// Four f16, which need not be aligned.
    ///
    /// # Safety
    /// NEON is there, and eight bytes at `h`.
    #[inline(always)]
    unsafe fn widen_four(h: *const u8) -> float32x4_t {
        let wide: float32x4_t;
        // SAFETY: the caller's promise. The instruction reads and writes the named registers only.
        unsafe {
            std::arch::asm!(
                "fcvtl {wide:v}.4s, {h:v}.4h",
                h = in(vreg) vld1_u8(h),
                wide = lateout(vreg) wide,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        wide
    }
}

impl Widen for Fcvt {
    #[inline(always)]
    unsafe fn widen(h: &[u16; HALVES]) -> [f32; HALVES] {
        let mut out = [0.0; HALVES];
        for i in [0, 8] {
            // SAFETY: NEON by the trait's contract; 8 values from index 0 or 8 lie inside the 16 of both arrays.
            unsafe {
                let (low, high) = Fcvt::widen_eight(h.as_ptr().add(i));
                vst1q_f32(out.as_mut_ptr().add(i), low);
                vst1q_f32(out.as_mut_ptr().add(i + 4), high);
            }
        }
        out
    }
}

impl Narrow for Fcvt {
    #[inline(always)]
    unsafe fn narrow(x: &[f32; HALVES]) -> [u16; HALVES] {
        let mut out = [0; HALVES];
        for i in [0, 8] {
            // SAFETY: as above. Rounding is to nearest even, the mode in which Rust programs run.
            unsafe {
                let h: uint16x8_t;
                std::arch::asm!(
                    "fcvtn {h:v}.4h, {low:v}.4s",
                    "fcvtn2 {h:v}.8h, {high:v}.4s",
                    low = in(vreg) vld1q_f32(x.as_ptr().add(i)),
                    high = in(vreg) vld1q_f32(x.as_ptr().add(i + 4)),
                    h = out(vreg) h,
                    options(pure, nomem, nostack, preserves_flags),
                );
                vst1q_u16(out.as_mut_ptr().add(i), h);
            }
        }
        out
    }
}
