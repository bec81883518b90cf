//! One prompt: the greedy answer, with what the model thought of each of its tokens.

use super::measures::Measures;
use crate::cli::Outcome;
use crate::cli::load::Context;
use b158::model::{Loaded, State};
use b158::sampler::{Sampler, SamplerOptions};
use b158::tokenizer::Special;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A greedy answer.
pub(super) struct Answer {
    pub(super) prompt: String,
    pub(super) prompt_tokens: usize,
    pub(super) ids: Vec<u32>,
    pub(super) text: String,
    /// ln of the probability of each token.
    pub(super) log_probabilities: Vec<f64>,
    /// Entropy of the distribution that each token was taken from, in nats.
    pub(super) entropies: Vec<f64>,
    /// The model ended by itself.
    pub(super) ended: bool,
    pub(super) prefill: Duration,
    /// Each token after the first.
    pub(super) decode: Vec<Duration>,
}

/// Greedy, so that the answer depends on nothing but file and prompt.
pub(super) fn answer(loaded: &Loaded, context: &Context, prompt: &str, most: usize) -> Outcome<Answer> {
    let model = &loaded.model;
    let ids = loaded.tokenizer.encode(prompt, Special::TEXT)?;
    let limit = context.ctx_size.unwrap_or(model.config.context_length).min(model.config.context_length);
    let mut state = State::new(model, context.kv_cache, limit, context.batch_size)?;
    let begun = Instant::now();
    for batch in ids.chunks(state.batch()) {
        state.begin(model, batch)?;
        while !state.step(model)? {}
    }
    let mut answer = Answer {
        prompt: prompt.to_owned(),
        prompt_tokens: ids.len(),
        ids: Vec::new(),
        text: String::new(),
        log_probabilities: Vec::new(),
        entropies: Vec::new(),
        ended: false,
        prefill: Duration::ZERO,
        decode: Vec::new(),
    };
    let mut sampler = Sampler::new(SamplerOptions::greedy(), model.config.vocabulary as u32)?;
    while answer.ids.len() < most && state.cache.len() < limit {
        let begun_token = Instant::now();
        if let Some(&id) = answer.ids.last() {
            state.begin(model, &[id])?;
            while !state.step(model)? {}
        }
        let logits = state.last_logits(model);
        let id = sampler.sample(logits, &[]);
        let (log_probability, entropy) = doubt(logits, id);
        match answer.ids.is_empty() {
            true => answer.prefill = begun.elapsed(),
            false => answer.decode.push(begun_token.elapsed()),
        }
        if loaded.tokenizer.is_end(id) {
            answer.ended = true;
            break;
        }
        answer.ids.push(id);
        answer.log_probabilities.push(log_probability);
        answer.entropies.push(entropy);
    }
    answer.text = loaded.tokenizer.decode(&answer.ids, false);
    Ok(answer)
}

/// ln of the probability of the likeliest token, `id`, and the entropy of all.
fn doubt(logits: &[f32], id: u32) -> (f64, f64) {
    let most = logits[id as usize];
    let (mut total, mut weighted) = (0.0, 0.0);
    for &logit in logits {
        let x = f64::from(logit - most);
        let share = x.exp();
        total += share;
        // A token that is ruled out has no share, and infinity times nothing is no number.
        weighted += if share > 0.0 { x * share } else { 0.0 };
    }
    (-total.ln(), total.ln() - weighted / total)
}

/// What the same prompt gave in another run's metrics.json.
pub(super) fn find<'a>(run: &'a Value, prompt: &str) -> Option<&'a Value> {
    run["prompts"].as_array()?.iter().find(|p| p["prompt"] == prompt)
}

/// The answer as metrics.json has it.
pub(super) fn describe(answer: &Answer, measures: Measures, reference: Option<&Value>) -> Value {
    let decode: Duration = answer.decode.iter().sum();
    let rate = |tokens: usize, time: Duration| if time.is_zero() { 0.0 } else { tokens as f64 / time.as_secs_f64() };
    json!({
        "prompt": answer.prompt,
        "text": answer.text,
        "ids": answer.ids,
        "verdict": measures.verdict(),
        "why": measures.why(),
        "measures": {
            "repeatedFourGrams": measures.repeated,
            "ownWords": measures.own_words,
            "meanEntropy": measures.entropy,
            "meanLogProbability": measures.log_probability,
        },
        "ended": answer.ended,
        "promptTokens": answer.prompt_tokens,
        "generatedTokens": answer.ids.len(),
        "timeToFirstTokenMs": answer.prefill.as_secs_f64() * 1e3,
        "promptTokensPerSecond": rate(answer.prompt_tokens, answer.prefill),
        "generationTokensPerSecond": rate(answer.decode.len(), decode),
        "reference": reference.map(|other| compare(&answer.ids, other)),
    })
}

/// Where two runs part; `null` where they do not.
fn compare(ids: &[u32], other: &Value) -> Value {
    let theirs: Vec<u64> = other["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let same = ids.iter().zip(&theirs).take_while(|(a, b)| u64::from(**a) == **b).count();
    let equal = same == ids.len() && same == theirs.len();
    json!({ "same": equal, "partsAtToken": if equal { None } else { Some(same) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_is_that_of_the_softmax() {
        let (log_probability, entropy) = doubt(&[1.0, 4.0, 4.0, f32::NEG_INFINITY], 1);
        // Two of probability p and one of p·e⁻³.
        let p = 1.0 / (2.0 + (-3f64).exp());
        assert!((log_probability - p.ln()).abs() < 1e-12);
        let q = p * (-3f64).exp();
        assert!((entropy + 2.0 * p * p.ln() + q * q.ln()).abs() < 1e-9, "{entropy}");
    }

    #[test]
    fn runs_part_where_their_ids_do() {
        let other = json!({ "ids": [5, 6, 7] });
        assert_eq!(compare(&[5, 6, 7], &other), json!({ "same": true, "partsAtToken": null }));
        assert_eq!(compare(&[5, 9, 7], &other)["partsAtToken"], 1);
        assert_eq!(compare(&[5, 6], &other)["partsAtToken"], 2);
    }
}
