//! What reference engines answered to a small model, and how far ours is from it.

use super::*;
use serde_json::Value;

/// A model with its answers: see tests/golden/README.md.
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    pub(crate) loaded: Loaded,
    pub(crate) json: Value,
    data: Vec<f32>,
}

pub(crate) fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

/// Two rows of logits, of one position.
pub(crate) struct Pair<'a> {
    pub(crate) position: usize,
    pub(crate) ours: &'a [f32],
    pub(crate) theirs: &'a [f32],
}

impl Pair<'_> {
    pub(crate) fn distance(&self) -> f32 {
        self.ours.iter().zip(self.theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    pub(crate) fn same_argmax(&self) -> bool {
        argmax(self.ours) == argmax(self.theirs)
    }

    /// By how much the reference's first choice leads.
    pub(crate) fn margin(&self) -> f32 {
        let first = argmax(self.theirs) as usize;
        let others = self.theirs.iter().enumerate().filter(|(i, _)| *i != first);
        self.theirs[first] - others.fold(f32::MIN, |most, (_, v)| most.max(*v))
    }
}

impl Reference {
    pub(crate) fn of(name: &'static str, loaded: Loaded, json: &str, data: &[u8]) -> Self {
        let data = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Reference { name, loaded, json: serde_json::from_str(json).unwrap(), data }
    }

    pub(crate) fn sequence(&self, name: &str) -> Vec<u32> {
        numbers(&self.json["sequences"][name])
    }

    /// So many of the reference's numbers.
    pub(crate) fn numbers(&self, offset: &Value, len: usize) -> &[f32] {
        &self.data[offset.as_u64().unwrap() as usize / 4..][..len]
    }

    /// Our logits of a sequence beside a reference's, where it has them.
    pub(crate) fn pairs(&self, source: &str, sequence: &str, kind: KvType, check: &mut dyn FnMut(Pair<'_>)) {
        let width = self.loaded.model.config.vocabulary;
        let ours = logits(&self.loaded, &self.sequence(sequence), kind, 32);
        let entry = &self.json["logits"][source][sequence];
        let positions = numbers(&entry["positions"]);
        let theirs = self.numbers(&entry["offset"], positions.len() * width).chunks_exact(width);
        for (position, theirs) in positions.iter().map(|p| *p as usize).zip(theirs) {
            check(Pair { position, ours: &ours[position * width..][..width], theirs });
        }
    }

    pub(crate) fn compare(&self, source: &str, sequence: &str, kind: KvType) -> Difference {
        let mut d = Difference::default();
        self.pairs(source, sequence, kind, &mut |pair| d.add(&pair));
        println!("{} {sequence} against {source}, {} cache: {d}", self.name, kind.name());
        d
    }

    /// The largest difference of the residual stream of `s7`, after the embedding and after each layer.
    pub(crate) fn states(&self, source: &str) -> Vec<f32> {
        let model = &self.loaded.model;
        let ids = self.sequence("s7");
        let size = ids.len() * model.config.embedding;
        let states = self.numbers(&self.json["states"][source]["offset"], size * (model.config.layers + 1));
        let mut state = State::new(model, KvType::F32, ids.len(), ids.len()).unwrap();
        state.begin(model, &ids).unwrap();
        let distance = |(layer, theirs): (usize, &[f32])| {
            let worst = state.residual().iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{} layer {layer}: max {worst:.2e}", self.name);
            state.step(model).unwrap();
            worst
        };
        states.chunks_exact(size).enumerate().map(distance).collect()
    }

    /// How many prompts there are of those that `choose` takes, and how many of them are continued in another way.
    pub(crate) fn greedy(&self, choose: impl Fn(&Value) -> bool) -> (usize, usize) {
        let model = &self.loaded.model;
        let (mut prompts, mut parted) = (0, 0);
        for entry in self.json["greedy"].as_array().unwrap().iter().filter(|entry| choose(entry)) {
            let (prompt, expected) = (numbers(&entry["prompt"]), numbers(&entry["ids"]));
            let mut state = State::new(model, KvType::F32, prompt.len() + expected.len(), prompt.len()).unwrap();
            let mut next = prompt;
            let ours: Vec<u32> = (0..expected.len())
                .map(|_| {
                    state.begin(model, &next).unwrap();
                    while !state.step(model).unwrap() {}
                    let id = argmax(state.last_logits(model).unwrap());
                    next = vec![id];
                    id
                })
                .collect();
            prompts += 1;
            parted += usize::from(ours != expected);
        }
        println!("{}: {parted} of {prompts} prompts part from the references", self.name);
        (prompts, parted)
    }
}

/// One entry a position.
#[derive(Default)]
pub(crate) struct Difference {
    max: Vec<f32>,
    kl: Vec<f64>,
    top1: Vec<bool>,
}

impl Difference {
    pub(crate) fn add(&mut self, pair: &Pair<'_>) {
        self.max.push(pair.distance());
        self.kl.push(divergence(pair.theirs, pair.ours));
        self.top1.push(pair.same_argmax());
    }

    pub(crate) fn worst(&self) -> f32 {
        self.max.iter().copied().fold(0.0, f32::max)
    }

    pub(crate) fn median(&self) -> f32 {
        let mut sorted = self.max.clone();
        sorted.sort_by(f32::total_cmp);
        sorted[sorted.len() / 2]
    }

    pub(crate) fn mean_kl(&self) -> f64 {
        self.kl.iter().sum::<f64>() / self.kl.len() as f64
    }

    pub(crate) fn same_argmax(&self) -> f64 {
        self.top1.iter().filter(|same| **same).count() as f64 / self.top1.len() as f64
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (worst, median, kl, top1) = (self.worst(), self.median(), self.mean_kl(), self.same_argmax());
        write!(f, "max {worst:.2e}, median {median:.2e}, mean KL {kl:.1e}, same argmax {top1:.3}")
    }
}

fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let log_sum = |x: &[f32]| {
        let max = x.iter().copied().fold(f32::MIN, f32::max);
        f64::from(max) + x.iter().map(|v| f64::from(v - max).exp()).sum::<f64>().ln()
    };
    let (lp, lq) = (log_sum(p), log_sum(q));
    p.iter().zip(q).map(|(&a, &b)| (f64::from(a) - lp).exp() * (f64::from(a) - lp - f64::from(b) + lq)).sum()
}
