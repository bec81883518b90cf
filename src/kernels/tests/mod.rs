//! Every backend against the scalar oracle, and the oracle against plain arithmetic and bitnet.cpp's own results.
//!
//! The same tests run natively and, through wasm-bindgen's runner, in a browser.

mod attention;
mod dense;
mod floats;
mod golden;
mod groups;
mod int8;
#[cfg(not(target_family = "wasm"))]
mod properties;
mod repack;
mod roofline;
mod rows;
mod ternary;

use super::*;

/// A reproducible source of test data (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In -1..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Of very different sizes, subnormal ones, zeros of both signs and large ones among them.
    pub(super) fn wild(&mut self) -> f32 {
        match self.below(8) {
            0 => f32::from_bits(self.next() as u32 & 0x807f_ffff),
            1 => 0.0 * self.unit(),
            2 => self.unit() * 1e6,
            3 => self.unit() * 1e-6,
            _ => self.unit(),
        }
    }

    pub(super) fn vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.unit()).collect()
    }

    pub(super) fn wild_vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.wild()).collect()
    }
}

/// A computation on each backend with each number of threads.
pub(super) fn computes() -> impl Iterator<Item = Compute> {
    let threads: &[usize] = if cfg!(target_family = "wasm") { &[1] } else { &[1, 3] };
    available().into_iter().flat_map(|backend| threads.iter().map(move |n| Compute { backend, pool: Pool::new(*n) }))
}

#[track_caller]
pub(super) fn assert_bits(what: &str, backend: Backend, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what} on {}", backend.name());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        // A NaN's sign and payload are the processor's own affair.
        let equal = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        assert!(equal, "{what}[{i}] on {}: {got:e}, expected {expected:e}", backend.name());
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn names_lead_to_backends() {
    for backend in available() {
        assert_eq!(by_name(backend.name()).unwrap().name(), backend.name());
    }
    assert_eq!(available().last().unwrap().name(), "scalar");
    assert_eq!(detect().name(), available()[0].name());
    let error = by_name("abacus").unwrap_err().to_string();
    assert!(error.contains("abacus") && error.contains("scalar"), "{error}");
}
