use super::*;
use crate::kernels;
use crate::model::{Loader, LoaderOptions};

const KINDS: [KvType; 3] = [KvType::F16, KvType::F32, KvType::Q8_0];

fn config() -> Config {
    let mut loader = Loader::new(Default::default(), LoaderOptions::default());
    loader.push(include_bytes!("../../tests/golden/A.gguf")).unwrap();
    loader.finish().unwrap().model.config
}

/// A head's element as stored, and how far from the original it may be.
fn read(stored: Stored<'_>, width: usize, slot: usize, d: usize, values: bool) -> (f32, f32) {
    let at = if values { (d / COLUMN * PAGE + slot) * COLUMN + d % COLUMN } else { slot * width + d };
    match stored {
        Stored::F16 { keys, values: v } => {
            let x = half::f16::from_bits(if values { v[at] } else { keys[at] }).to_f32();
            (x, x.abs() / 1024.0 + 1e-7)
        }
        Stored::F32 { keys, values: v } => (if values { v[at] } else { keys[at] }, 0.0),
        Stored::Q8 { keys, values: v, key_scales, value_scales } => {
            let (code, scale) = if values { (v[at], value_scales[slot]) } else { (keys[at], key_scales[slot]) };
            (f32::from(code) * scale, 0.501 * scale)
        }
    }
}

#[test]
fn what_is_stored_is_read() {
    let mut config = config();
    // A head that is no multiple of a column.
    config.head_dim = 20;
    let (dim, heads, layers) = (config.head_dim, config.kv_heads, config.layers);
    let x = |position: usize, i: usize| ((position * 31 + i * 7) as f32).sin() * (1.0 + i as f32 / 10.0);
    for kind in KINDS {
        let mut cache = KvCache::new(&config, kind, 2 * PAGE);
        cache.reserve(PAGE + 3).unwrap();
        for position in 0..PAGE + 3 {
            for layer in 0..layers {
                let keys: Vec<f32> = (0..heads * dim).map(|i| x(position + layer, i)).collect();
                let values: Vec<f32> = (0..heads * dim).map(|i| x(position + layer + 1000, i)).collect();
                cache.store(kernels::detect(), layer, position, &keys, &values);
            }
        }
        for (position, layer, head) in [(0, 0, 0), (255, 1, 1), (256, 0, 1), (258, 1, 0)] {
            let stored = cache.stored(layer, head, position / PAGE);
            for values in [false, true] {
                for d in 0..dim {
                    let (found, off) = read(stored, cache.width, position % PAGE, d, values);
                    let expected = x(position + layer + 1000 * usize::from(values), head * dim + d);
                    assert!((found - expected).abs() <= off, "{kind:?} {position} {d}: {found}, expected {expected}");
                }
                for d in dim..cache.width {
                    assert_eq!(
                        read(stored, cache.width, position % PAGE, d, values).0,
                        0.0,
                        "{kind:?}: filled up with zeros"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_stored_is_finite() {
    let config = config();
    let mut keys = vec![0.5; config.kv_width()];
    keys[..5].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e9, 1e-40]);
    for kind in KINDS {
        let mut cache = KvCache::new(&config, kind, 1);
        cache.reserve(1).unwrap();
        for x in [keys.clone(), vec![0.0; keys.len()], vec![1e-38; keys.len()]] {
            cache.store(kernels::detect(), 0, 0, &x, &x);
            for values in [false, true] {
                let found = (0..config.head_dim).map(|d| read(cache.stored(0, 0, 0), cache.width, 0, d, values).0);
                let found: Vec<f32> = found.collect();
                assert!(found.iter().all(|x| x.is_finite()), "{kind:?}: {found:?}");
                if x[0].is_nan() {
                    assert!(found[0] == 0.0 && found[1] >= 65504.0 && found[2] <= -65504.0, "{kind:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn memory_is_as_announced() {
    let config = config();
    for (kind, row) in
        [(KvType::F16, 2 * config.head_dim), (KvType::F32, 4 * config.head_dim), (KvType::Q8_0, config.head_dim + 4)]
    {
        assert_eq!(kind.name().parse::<KvType>().unwrap(), kind);
        let mut cache = KvCache::new(&config, kind, PAGE + 1);
        let expected = (2 * 2 * PAGE * config.layers * config.kv_heads * row) as u64;
        assert_eq!((cache.bytes(), cache.bytes_when_full()), (0, expected), "{kind:?}");
        cache.reserve(PAGE + 1).unwrap();
        let held: usize = cache
            .pages
            .iter()
            .map(|page| match page {
                Page::F16(x) => 2 * x.len(),
                Page::F32(x) => 4 * x.len(),
                Page::Q8(codes, scales) => codes.len() + 4 * scales.len(),
            })
            .sum();
        assert_eq!((cache.bytes(), held as u64), (expected, expected), "{kind:?}");
    }
    assert!("q4_0".parse::<KvType>().is_err());
}
