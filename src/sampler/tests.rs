use super::*;
use proptest::prelude::*;

/// Everything off but the draw.
fn plain() -> SamplerOptions {
    SamplerOptions { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..SamplerOptions::default() }
}

fn sampler(options: SamplerOptions, vocabulary: u32) -> Sampler {
    Sampler::new(options, vocabulary).expect("options in range")
}

/// The ids that `draws` draws give.
fn seen(options: SamplerOptions, logits: &[f32], recent: &[u32], draws: usize) -> Vec<u32> {
    let mut s = sampler(options, logits.len() as u32);
    let mut ids: Vec<u32> = (0..draws).map(|_| s.sample(&mut logits.to_vec(), recent)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn greedy_takes_the_first_of_equals_and_no_nan() {
    let mut s = sampler(SamplerOptions::greedy(), 5);
    assert_eq!(s.sample(&mut [1.0, 3.0, f32::NAN, 3.0, 2.0], &[]), 1);
    assert_eq!(s.sample(&mut [f32::NAN, f32::NEG_INFINITY, -5.0, -5.0, f32::NAN], &[]), 2);
    assert_eq!(s.sample(&mut [f32::NAN; 5], &[]), 0);
    assert_eq!(s.sample(&mut [f32::NEG_INFINITY; 5], &[]), 0);
    assert_eq!(s.sample(&mut [], &[]), 0);
    assert_eq!(s.sample(&mut [0.0, f32::INFINITY, f32::INFINITY, 0.0, 0.0], &[]), 1);
}

#[test]
fn draws_survive_hopeless_logits() {
    for logits in [vec![f32::NAN; 4], vec![f32::NEG_INFINITY; 4], vec![]] {
        assert_eq!(seen(SamplerOptions::default(), &logits, &[], 3), [0]);
    }
    let logits = [0.0, f32::INFINITY, f32::NAN, f32::INFINITY];
    assert_eq!(seen(plain(), &logits, &[], 64), [1, 3]);
    let cold = SamplerOptions { temperature: f32::MIN_POSITIVE, ..plain() };
    assert_eq!(seen(cold, &[-3e38, 3e38, 2.9e38], &[], 8), [1]);
    let hot = SamplerOptions { temperature: f32::MAX, ..plain() };
    assert_eq!(seen(hot, &[-3.0, 4.0, f32::NEG_INFINITY], &[], 64), [0, 1]);
}

#[test]
fn filters_keep_what_they_say() {
    // Probabilities .4 .3 .2 .1, not in order.
    let logits = [0.2f32, 0.4, 0.1, 0.3].map(f32::ln);
    let with = |f: fn(&mut SamplerOptions)| {
        let mut options = plain();
        f(&mut options);
        seen(options, &logits, &[], 400)
    };
    assert_eq!(with(|_| ()), [0, 1, 2, 3]);
    assert_eq!(with(|o| o.top_k = 1), [1]);
    assert_eq!(with(|o| o.top_k = 2), [1, 3]);
    assert_eq!(with(|o| o.top_k = 9), [0, 1, 2, 3]);
    assert_eq!(with(|o| o.top_p = 0.0), [1]);
    assert_eq!(with(|o| o.top_p = 0.39), [1]);
    assert_eq!(with(|o| o.top_p = 0.41), [1, 3]);
    assert_eq!(with(|o| o.top_p = 0.75), [0, 1, 3]);
    assert_eq!(with(|o| o.min_p = 0.51), [1, 3]);
    assert_eq!(with(|o| o.min_p = 0.3), [0, 1, 3]);
    assert_eq!(with(|o| o.min_p = 1.0), [1]);
    // top-p is of what top-k left: .4/.7 = .57
    assert_eq!(with(|o| (o.top_k, o.top_p) = (2, 0.5)), [1]);
}

#[test]
fn equal_logits_are_cut_by_id() {
    let options = SamplerOptions { top_k: 3, ..plain() };
    assert_eq!(seen(options, &[1.0; 50], &[], 200), [0, 1, 2]);
}

#[test]
fn top_p_over_a_large_vocabulary_needs_more_than_one_round() {
    let logits = vec![0.0f32; 5000];
    let options = SamplerOptions { top_p: 0.5, ..plain() };
    let mut s = sampler(options, 5000);
    s.sample(&mut logits.clone(), &[]);
    assert_eq!(s.candidates.len(), 2500);
    assert!(s.candidates.iter().enumerate().all(|(i, c)| c.id == i as u32));
}

#[test]
fn penalties_as_llama_cpp_has_them() {
    let options = SamplerOptions {
        repeat_penalty: 2.0,
        repeat_last_n: 3,
        presence_penalty: 0.25,
        frequency_penalty: 0.5,
        temperature: 0.0,
        ..plain()
    };
    let mut logits = [4.0, -4.0, 1.0, 8.0];
    // 3 has left the window, 9 is no token of this vocabulary
    sampler(options, 4).sample(&mut logits, &[3, 0, 1, 0, 9][..4]);
    assert_eq!(logits, [4.0 / 2.0 - 1.25, -8.0 - 0.75, 1.0, 8.0]);

    let all = SamplerOptions { repeat_penalty: 2.0, repeat_last_n: -1, ..SamplerOptions::greedy() };
    let mut logits = [4.0, 4.0];
    assert_eq!(sampler(all.clone(), 2).sample(&mut logits, &[0, 9]), 1);
    assert_eq!(logits, [2.0, 4.0]);
    let none = SamplerOptions { repeat_last_n: 0, ..all };
    assert_eq!(sampler(none, 2).sample(&mut [4.0, 4.0], &[0]), 0);
}

#[test]
fn bias_bans_and_forces() {
    let options = SamplerOptions { logit_bias: vec![(1, f32::NEG_INFINITY), (2, 100.0)], ..plain() };
    assert_eq!(seen(options.clone(), &[5.0, 50.0, 0.0], &[], 20), [2]);
    assert!(matches!(Sampler::new(options, 2), Err(Error::BadToken { id: 2, vocabulary: 2 })));
    // What is ruled out stays so.
    let forced = SamplerOptions { logit_bias: vec![(0, f32::INFINITY), (2, 100.0)], ..plain() };
    assert_eq!(seen(forced, &[f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY], &[], 16), [1]);
}

#[test]
fn ranges_are_checked() {
    type Spoil = fn(&mut SamplerOptions);
    let bad: [(&str, Spoil); 9] = [
        ("temperature", |o| o.temperature = -0.1),
        ("temperature", |o| o.temperature = f32::INFINITY),
        ("top_p", |o| o.top_p = 1.1),
        ("min_p", |o| o.min_p = f32::NAN),
        ("repeat_penalty", |o| o.repeat_penalty = 0.0),
        ("presence_penalty", |o| o.presence_penalty = 2.5),
        ("frequency_penalty", |o| o.frequency_penalty = -2.5),
        ("repeat_last_n", |o| o.repeat_last_n = -2),
        ("logit_bias", |o| o.logit_bias = vec![(0, f32::NAN)]),
    ];
    for (name, spoil) in bad {
        let mut options = plain();
        spoil(&mut options);
        match Sampler::new(options, 8) {
            Err(Error::BadOption { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn draws_follow_the_distribution() {
    let p = [0.5f64, 0.25, 0.15, 0.1];
    let logits = p.map(|p| p.ln() as f32);
    let mut s = sampler(plain(), 4);
    let n = 40_000;
    let mut counts = [0f64; 4];
    for _ in 0..n {
        counts[s.sample(&mut logits.clone(), &[]) as usize] += 1.0;
    }
    let chi2: f64 = p.iter().zip(counts).map(|(p, c)| (c - p * n as f64).powi(2) / (p * n as f64)).sum();
    assert!(chi2 < 16.3, "χ² = {chi2} with 3 degrees of freedom: below 16.3 in 999 of 1000 cases");
}

/// These ids may never change: a seed gives the same text on every platform and in every version.
#[test]
fn a_seed_gives_these_ids() {
    let logits: Vec<f32> = (0..1000u32).map(|i| ((i * 7919) % 1009) as f32 / 100.0).collect();
    let options = SamplerOptions { seed: 42, top_k: 200, ..SamplerOptions::default() };
    let mut s = sampler(options, 1000);
    let mut draw = || (0..12).map(|_| s.sample(&mut logits.clone(), &[])).collect::<Vec<_>>();
    let first = draw();
    assert_eq!(first, PINNED);
    s.reset();
    let again: Vec<u32> = (0..12).map(|_| s.sample(&mut logits.clone(), &[])).collect();
    assert_eq!(again, first);
}

const PINNED: [u32; 12] = [106, 212, 818, 284, 198, 99, 719, 825, 515, 409, 396, 812];

proptest! {
    #[test]
    fn never_panics_and_stays_in_range(
        logits in proptest::collection::vec(any::<f32>(), 1..300),
        (temperature, top_p, min_p) in (0f32..4.0, 0f32..=1.0, 0f32..=1.0),
        (top_k, seed, repeat_penalty) in (0u32..400, any::<u64>(), 0.1f32..3.0),
        recent in proptest::collection::vec(0u32..400, 0..20),
    ) {
        let options = SamplerOptions { temperature, top_p, min_p, top_k, seed, repeat_penalty, ..SamplerOptions::default() };
        let mut s = sampler(options, logits.len() as u32);
        let id = s.sample(&mut logits.clone(), &recent) as usize;
        prop_assert!(id < logits.len());
        if logits.iter().any(|l| l.is_finite()) {
            prop_assert!(!logits[id].is_nan());
        }
    }

    /// What a full sort would keep is what the partial ones keep.
    #[test]
    fn partial_sorts_equal_a_full_one(
        logits in proptest::collection::vec(-8i32..8, 1..1200),
        top_k in 0u32..600,
        top_p in 0f32..1.0,
    ) {
        let logits: Vec<f32> = logits.iter().map(|&l| l as f32 / 2.0).collect();
        let mut s = sampler(SamplerOptions { top_k, top_p, ..plain() }, logits.len() as u32);
        s.sample(&mut logits.clone(), &[]);
        let mut sorted: Vec<u32> = (0..logits.len() as u32).collect();
        sorted.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
        let kept: Vec<u32> = s.candidates.iter().map(|c| c.id).collect();
        prop_assert_eq!(&kept[..], &sorted[..kept.len()]);
    }
}

#[test]
fn logprobs_are_those_of_the_softmax() {
    let logprobs = Logprobs::of(&[1.0, 4.0, 4.0, f32::NEG_INFINITY], 1);
    // Two of probability p and one of p·e⁻³.
    let p = 1.0 / (2.0 + (-3f64).exp());
    let q = p * (-3f64).exp();
    assert!((logprobs.log_probability - p.ln()).abs() < 1e-12);
    assert!((logprobs.entropy + 2.0 * p * p.ln() + q * q.ln()).abs() < 1e-9, "{logprobs:?}");
    assert!((Logprobs::of(&[1.0, 4.0, 4.0], 0).log_probability - q.ln()).abs() < 1e-12);
}

#[test]
fn no_option_takes_what_is_no_number() {
    type Set = fn(&mut SamplerOptions, f32);
    let options: [(&str, Set); 6] = [
        ("temperature", |o, v| o.temperature = v),
        ("top_p", |o, v| o.top_p = v),
        ("min_p", |o, v| o.min_p = v),
        ("repeat_penalty", |o, v| o.repeat_penalty = v),
        ("presence_penalty", |o, v| o.presence_penalty = v),
        ("frequency_penalty", |o, v| o.frequency_penalty = v),
    ];
    for (name, set) in options {
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -3.0] {
            let mut options = plain();
            set(&mut options, value);
            match Sampler::new(options, 8) {
                Err(error @ Error::BadOption { option, .. }) => {
                    assert_eq!(option, name);
                    assert!(error.to_string().contains(&format!("`{name}` is {value}")), "{error}");
                }
                other => panic!("{name} {value}: {other:?}"),
            }
        }
    }
}

/// A bias forces a token or bans all: what is said of the choice stays a number.
#[test]
fn doubt_of_infinite_logits() {
    let forced = Logprobs::of(&[1.0, f32::INFINITY, 3.0], 1);
    assert_eq!((forced.log_probability, forced.entropy), (0.0, 0.0));
    assert_eq!(Logprobs::of(&[1.0, f32::INFINITY, 3.0], 0).log_probability, f64::NEG_INFINITY);
    let none = Logprobs::of(&[f32::NEG_INFINITY; 4], 0);
    assert!((none.log_probability + 4f64.ln()).abs() < 1e-12 && (none.entropy - 4f64.ln()).abs() < 1e-12);
    let one = Logprobs::of(&[f32::NEG_INFINITY, 2.0], 1);
    assert_eq!((one.log_probability, one.entropy), (0.0, 0.0));
}
