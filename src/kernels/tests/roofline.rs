//! The loops that measure limits do the work they are timed for.

use super::*;
use crate::kernels::roofline::{CODES, FIRST, STEP};

/// Σ code·q of `turns` turns modulo 2^16, by plain arithmetic.
fn expected(turn: Turn, turns: u32) -> u16 {
    let (mut q, mut sum) = (FIRST, 0i64);
    for _ in 0..turns {
        for chain in 0..turn.chains {
            for lane in 0..turn.lanes {
                sum += i64::from(CODES[chain % turn.codes][lane % 16]) * i64::from(q[lane % 16]);
            }
        }
        for (q, step) in q.iter_mut().zip(STEP) {
            *q = q.wrapping_add(step);
        }
    }
    sum as u16
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_dot_is_computed() {
    for backend in available() {
        for turns in [0, 1, 2, 3, 64, 1000] {
            let expected = expected(backend.turn(), turns);
            assert_eq!(backend.dots(turns), expected, "{turns} turns on {}", backend.name());
            // Every entry is 1.
            let expected = (turns as usize * backend.lookups() / 4) as u16;
            assert_eq!(backend.table_limit(turns), expected, "{turns} turns of lookups on {}", backend.name());
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_byte_is_read() {
    let mut random = Random(9);
    for len in [0, 255, 256, 300, 4096, 70_001] {
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let words = bytes[..len / 256 * 256].as_chunks().0.iter();
        let expected = words.fold(0, |all, word| all ^ u64::from_ne_bytes(*word));
        for backend in available() {
            assert_eq!(backend.read(&bytes), expected, "{len} bytes on {}", backend.name());
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn limits_are_positive_and_without_memory_none() {
    let bytes = vec![1u8; 3 << 20];
    for c in computes() {
        let limits = Roofline::measure(&c, &[&bytes, &bytes[..5]]);
        assert!(limits.read_bytes_per_second > 0.0 && limits.dot_macs_per_second > 0.0);
        assert!(limits.table_macs_per_second > 0.0, "{limits:?}");
        assert_eq!(limits.read_bytes, (3 << 20) + 5);
    }
    assert_eq!(Roofline::measure(&Compute::default(), &[]).read_bytes_per_second, 0.0);
}
