//! A constraint that allows some texts and no others, and answers that are held to it.

use crate::common::{self, *};
use b158::constraint::{Constraint, Next};
use b158::kernels;
use b158::model::Loaded;
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step, Summary};
use b158::tokenizer::Special;
use std::sync::Arc;
use std::time::Duration;

/// The answer is one of some texts, after so many tokens of any kind.
pub(crate) struct Texts {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) texts: Vec<Vec<u8>>,
    /// What has come of it.
    pub(crate) done: Vec<u8>,
    pub(crate) free: usize,
    /// Whether it tells what is certain.
    pub(crate) tells: bool,
    pub(crate) told: bool,
}

impl Texts {
    pub(crate) fn new(loaded: &Arc<Loaded>, texts: &[&str]) -> Self {
        let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Texts { loaded: loaded.clone(), texts, done: Vec::new(), free: 0, tells: true, told: false }
    }
}

impl Constraint for Texts {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> b158::Result<Next> {
        for id in taken {
            if self.free > 0 {
                self.free -= 1;
                continue;
            }
            self.done.extend_from_slice(self.loaded.tokenizer.bytes(*id));
        }
        if self.free > 0 {
            return Ok(Next::Any);
        }
        let rests: Vec<&[u8]> = self.texts.iter().filter_map(|text| text.strip_prefix(&self.done[..])).collect();
        assert!(!rests.is_empty(), "{:?} was not allowed", String::from_utf8_lossy(&self.done));
        if rests.iter().all(|rest| rest.is_empty()) {
            return Ok(Next::Whole);
        }
        let common = |n: &usize| rests.iter().all(|rest| rest.len() >= *n && rest[..*n] == rests[0][..*n]);
        let certain = (0..=rests[0].len()).take_while(common).last().unwrap();
        let asked_again = taken.is_empty() && self.told;
        self.told = self.tells && certain > 0 && !asked_again;
        if self.told {
            return Ok(Next::Certain(rests[0][..certain].to_vec()));
        }
        let tokenizer = &self.loaded.tokenizer;
        allowed.fill(0);
        for id in 0..tokenizer.vocabulary() {
            let bytes = tokenizer.bytes(id);
            let may_end = tokenizer.is_end(id) && rests.iter().any(|rest| rest.is_empty());
            let goes_on =
                !bytes.is_empty() && !tokenizer.is_end(id) && rests.iter().any(|rest| rest.starts_with(bytes));
            if may_end || goes_on {
                allowed[id as usize / 32] |= 1 << (id % 32);
            }
        }
        Ok(Next::Choice)
    }
}

/// Says the same each time.
pub(crate) struct Always(pub(crate) b158::Result<Next>, pub(crate) u32);

impl Constraint for Always {
    fn next(&mut self, _: &[u32], allowed: &mut [u32]) -> b158::Result<Next> {
        allowed.fill(self.1);
        self.0.clone()
    }
}

pub(crate) const PROMPT: &str = TOLD[0].0;
/// With all that makes an answer difficult: a common beginning, beginnings of others, characters of several tokens.
pub(crate) const TEXTS: &[&str] = &[
    r#"{"animal": "fox", "age": 7, "tame": false}"#,
    r#"{"animal": "fox", "age": 71, "tame": true}"#,
    r#"{"animal": "fo", "age": 7, "tame": true}"#,
    r#"{"animal": "häñdchen 🦊", "age": 0, "tame": null, "said": "the quick brown fox jumps over the lazy dog"}"#,
];

pub(crate) fn stories() -> Arc<Loaded> {
    Arc::new(common::load(STORIES, kernels::detect(), 1, usize::MAX))
}

pub(crate) fn session(loaded: &Arc<Loaded>, batch: usize) -> Session {
    let options = SessionOptions { context: Some(256), batch, ..Default::default() };
    Session::new(loaded.clone(), options).unwrap()
}

pub(crate) fn drawn(seed: u64) -> GenerateOptions {
    // Flat, so that it draws now this and now that.
    let flat = SamplerOptions { temperature: 6.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Default::default() };
    let sampler = SamplerOptions { seed, repeat_penalty: 1.1, ..flat };
    GenerateOptions { sampler, logprobs: true, ..Default::default() }
}

pub(crate) fn greedy() -> GenerateOptions {
    GenerateOptions { sampler: SamplerOptions::greedy(), ..Default::default() }
}

pub(crate) fn encode(loaded: &Loaded, text: &str) -> Vec<u32> {
    loaded.tokenizer.encode(text, Special::PARSED).unwrap()
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    pub(crate) logprobs: Vec<(u64, u64)>,
    pub(crate) finish: FinishReason,
}

pub(crate) fn finish(session: &mut Session) -> b158::Result<(Said, Summary)> {
    let (mut text, mut ids, mut logprobs) = (String::new(), Vec::new(), Vec::new());
    loop {
        match session.step(Duration::ZERO)? {
            Step::Prefill { .. } | Step::Pass => {}
            Step::Token { id, text: piece, logprobs: of } => {
                ids.push(id);
                text += &piece;
                logprobs.extend(of.map(|of| (of.log_probability.to_bits(), of.entropy.to_bits())));
            }
            Step::Done(summary) => {
                let finish = summary.finish_reason;
                assert_eq!(summary.usage.completion_tokens, ids.len());
                return Ok((Said { text: text + &summary.text, ids, logprobs, finish }, summary));
            }
        }
    }
}

pub(crate) fn answer(
    session: &mut Session,
    options: GenerateOptions,
    constraint: impl Constraint + 'static,
) -> (Said, Summary) {
    let prompt = encode(session.loaded(), PROMPT);
    session.start(&prompt, options).unwrap();
    session.constrain(Box::new(constraint)).unwrap();
    finish(session).unwrap()
}
