//! The float pieces: their written order on every backend, and their accuracy.

use super::*;

/// Lengths around every lane count.
const LENGTHS: [usize; 18] = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 128, 2560, 6913];

/// The order that the documentation of `Kernels::dot` gives, element by element.
fn plain_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        lanes[i % LANES] += a * b;
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0]
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn dots_have_the_written_order() {
    let mut random = Random(10);
    for len in LENGTHS {
        let (a, b) = (random.vec(len), random.vec(len));
        let half: Vec<u16> = a.iter().map(|x| ::half::f16::from_f32(*x).to_bits()).collect();
        let wide: Vec<f32> = half.iter().map(|h| ::half::f16::from_bits(*h).to_f32()).collect();
        let brain: Vec<u16> = a.iter().map(|x| (x.to_bits() >> 16) as u16).collect();
        let brain_wide: Vec<f32> = brain.iter().map(|h| f32::from_bits(u32::from(*h) << 16)).collect();
        for backend in available() {
            // A sum of no products is +0 in one order and -0 in none.
            let plus = |x: f32| [x + 0.0];
            assert_bits("dot", backend, &plus(backend.dot(&a, &b)), &plus(plain_dot(&a, &b)));
            assert_bits("dot_f16", backend, &plus(backend.dot_f16(&half, &b)), &plus(plain_dot(&wide, &b)));
            assert_bits("dot_bf16", backend, &plus(backend.dot_bf16(&brain, &b)), &plus(plain_dot(&brain_wide, &b)));
            let mut lanes = [0.0; LANES];
            let (a1, a2) = a.split_at(len / LANES / 2 * LANES);
            let (b1, b2) = b.split_at(a1.len());
            backend.dot_piece(&mut lanes, a1, b1);
            backend.dot_piece(&mut lanes, a2, b2);
            assert_bits("dot_piece", backend, &plus(generic::fold(&lanes)), &plus(backend.dot(&a, &b)));
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn every_backend_equals_scalar() {
    let mut random = Random(11);
    let scalar: Backend = &scalar::Scalar;
    for len in LENGTHS {
        let (a, b) = (random.wild_vec(len), random.wild_vec(len));
        let angles: Vec<f32> = random.vec(len / 2);
        let even = len / 2 * 2;
        for backend in available() {
            let same = |what: &str, f: &dyn Fn(Backend) -> Vec<f32>| {
                assert_bits(&format!("{what} of {len}"), backend, &f(backend), &f(scalar));
            };
            let change = |f: &dyn Fn(&mut [f32])| {
                let mut y = a.clone();
                f(&mut y);
                y
            };
            same("max_abs", &|k| vec![k.max_abs(&a)]);
            same("add_scaled", &|k| change(&|y| k.add_scaled(y, 0.37, &b)));
            same("rms_norm", &|k| {
                change(&|y| {
                    k.rms_norm(&a, &b, 1e-5, y);
                })
            });
            same("rms_norm's mean", &|k| vec![f32::from(k.rms_norm(&a, &b, 1e-5, &mut a.clone()))]);
            same("relu2_mul", &|k| change(&|y| k.relu2_mul(y, &b)));
            same("silu_mul", &|k| change(&|y| k.silu_mul(y, &b)));
            same("rope", &|k| change(&|y| k.rope(&mut y[..even], &angles, &b[..len / 2])));
            same("rope_adjacent", &|k| change(&|y| k.rope_adjacent(&mut y[..even], &angles, &b[..len / 2])));
            let narrow = |k: Backend| {
                let mut out = vec![0; len];
                k.f32_to_f16(&a, &mut out);
                out
            };
            assert_eq!(narrow(backend), narrow(scalar), "f32_to_f16 of {len} on {}", backend.name());
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn f16_is_exact_both_ways() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let expected: Vec<f32> = all.iter().map(|h| ::half::f16::from_bits(*h).to_f32_const()).collect();
    // Every f16 value, and what lies just beside and half way to the next one.
    let near: Vec<f32> = expected
        .iter()
        .filter(|x| x.is_finite())
        .flat_map(|x| {
            let next = f32::from_bits(x.to_bits() + (1 << 13));
            [*x, f32::from_bits(x.to_bits() + 1), (x + next) / 2.0, f32::from_bits(((x + next) / 2.0).to_bits() + 1)]
        })
        .chain([65519.9, 65520.0, 65536.0, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, 2.9e-8, 3e-8, 1e-45])
        .collect();
    let narrowed: Vec<u16> = near.iter().map(|x| ::half::f16::from_f32_const(*x).to_bits()).collect();
    for backend in available() {
        for (h, expected) in all.iter().zip(&expected).filter(|(_, x)| x.is_finite()) {
            assert_bits("widened", backend, &[backend.dot_f16(&[*h], &[1.0])], &[expected + 0.0]);
        }
        let mut out = vec![0; near.len()];
        backend.f32_to_f16(&near, &mut out);
        for ((x, got), expected) in near.iter().zip(&out).zip(&narrowed) {
            assert_eq!(got, expected, "{x:e} on {}", backend.name());
        }
        backend.f32_to_f16(&[f32::NAN], &mut out[..1]);
        assert!(::half::f16::from_bits(out[0]).is_nan(), "{}", backend.name());
    }
}

/// Units in the last place between `got` and the exact value.
fn ulps(got: f32, exact: f64) -> f64 {
    let unit = f64::from(f32::from_bits(((exact as f32).abs().to_bits()).max(0x0080_0000) + 1))
        - f64::from(f32::from_bits((exact as f32).abs().to_bits().max(0x0080_0000)));
    (f64::from(got) - exact).abs() / unit
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn exp_is_accurate() {
    let mut worst = (0.0, 0.0);
    for i in 0..200_000 {
        let x = -103.0 + i as f32 * (191.0 / 200_000.0);
        let error = ulps(generic::exp(x), f64::from(x).exp());
        if error > worst.1 {
            worst = (x, error);
        }
    }
    assert!(worst.1 <= 1.5, "exp({}) is {} units off", worst.0, worst.1);
    assert_eq!(generic::exp(0.0), 1.0);
    assert_eq!(generic::exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(generic::exp(-1e30), 0.0);
    assert_eq!(generic::exp(f32::INFINITY), f32::INFINITY);
    assert!(generic::exp(f32::NAN).is_nan());
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn silu_is_accurate() {
    let mut random = Random(12);
    for len in [1, 5, 64, 1000, 4096] {
        let x: Vec<f32> = random.vec(len).iter().map(|x| x * 20.0).collect();
        let mut y = x.clone();
        detect().silu_mul(&mut y, &vec![0.5; len]);
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x) / (1.0 + (-f64::from(*x)).exp()) * 0.5;
            assert!(ulps(*y, exact) < 4.0, "silu {x}: {y} {exact}");
        }
    }
}

#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn norm_relu2_and_rope_do_what_they_say() {
    for backend in available() {
        let mut out = [0.0; 4];
        backend.rms_norm(&[3.0, -3.0, 3.0, 3.0], &[1.0, 2.0, 0.5, 1.0], 0.0, &mut out);
        assert_eq!(out, [3.0 * (1.0 / 3.0), -6.0 * (1.0 / 3.0), 0.5, 1.0], "{}", backend.name());
        let mut gate = [2.0, -2.0, 0.0, 3.0];
        backend.relu2_mul(&mut gate, &[0.5, 5.0, 5.0, -1.0]);
        assert_eq!(gate, [2.0, 0.0, 0.0, -9.0], "{}", backend.name());
        let mut head = [1.0, 2.0, 3.0, 4.0];
        backend.rope(&mut head, &[0.0, 1.0], &[1.0, 0.0]);
        assert_eq!(head, [-3.0, 2.0, 1.0, 4.0], "{}", backend.name());
        let mut head = [1.0, 3.0, 2.0, 4.0];
        backend.rope_adjacent(&mut head, &[0.0, 1.0], &[1.0, 0.0]);
        assert_eq!(head, [-3.0, 1.0, 2.0, 4.0], "{}", backend.name());
    }
}

/// The squares of a norm are f32, their sum is not: a sum in f32 would lose the small ones.
#[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_family = "wasm"), test)]
fn a_norm_sums_in_f64() {
    let mut x = vec![1e-3; 4096];
    x[0] = 100.0;
    let mut out = vec![0.0; x.len()];
    detect().rms_norm(&x, &vec![1.0; x.len()], 1e-5, &mut out);
    let square = f64::from(1e-3f32 * 1e-3f32);
    let mean = ((10_000.0 + 4095.0 * square) / 4096.0) as f32;
    assert_eq!(out[0], 100.0 * (1.0 / (mean + 1e-5).sqrt()));
}
