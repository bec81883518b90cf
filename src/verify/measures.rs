//! Measures that tell text from loops and from word salad, and a verdict from them.
//!
//! Entropy is what tells most. On the project's story model it is 1.1 nats a token; with SiLU in place of squared ReLU (by an
//! override) 1.5, with a RoPE base of 10 for 10 000 2.0 to 2.6, with an epsilon of 1 3.4 to 4.9, and 5.9 with random weights. So
//! a fault that spoils little needs a reference to be seen; one that makes word salad does not.

use super::answer::Answer;
use crate::tokenizer::Tokenizer;
use serde::Serialize;
use std::collections::HashSet;

/// Runs of this many tokens are looked for again.
const GRAM: usize = 4;
/// More repeated runs than this are a loop. Greedy answers of sound models repeat some.
const MOST_REPEATED: f64 = 0.6;
/// A mean entropy over this is word salad: e³, twenty tokens, are as likely as each other.
const MOST_ENTROPY: f64 = 3.0;
/// A smaller vocabulary has few whole words.
const WORDS_NEED: u32 = 32_000;
/// Fewer words of the vocabulary's own than this are salad.
const LEAST_OWN_WORDS: f64 = 0.6;

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Verdict {
    /// Text.
    Text,
    /// The same again and again.
    Loop,
    /// Words without sense.
    Salad,
    /// Nothing.
    Empty,
}

impl Verdict {
    /// The verdict in a word, as metrics.json has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Loop => "loop",
            Self::Salad => "salad",
            Self::Empty => "empty",
        }
    }
}

/// What was measured of one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Measures {
    #[serde(skip)]
    tokens: usize,
    /// Share of the runs of four tokens that occurred before.
    pub repeated_four_grams: f64,
    /// Share of the words that the vocabulary has as one token; absent for small vocabularies.
    pub own_words: Option<f64>,
    /// Mean entropy of the distributions, in nats.
    pub mean_entropy: f64,
    /// Mean ln of the probability of the tokens taken.
    pub mean_log_probability: f64,
}

impl Measures {
    /// Measures an answer.
    pub(super) fn of(answer: &Answer, tokenizer: &Tokenizer) -> Self {
        let large = tokenizer.vocabulary() >= WORDS_NEED;
        Self {
            tokens: answer.ids.len(),
            repeated_four_grams: repeated(&answer.ids),
            own_words: if large { own_words(&answer.text, tokenizer) } else { None },
            mean_entropy: mean(&answer.entropies),
            mean_log_probability: mean(&answer.log_probabilities),
        }
    }

    /// What the answer is, by these measures.
    pub fn verdict(&self) -> Verdict {
        if self.tokens == 0 {
            Verdict::Empty
        } else if self.repeated_four_grams > MOST_REPEATED {
            Verdict::Loop
        } else if self.mean_entropy > MOST_ENTROPY || self.own_words.is_some_and(|share| share < LEAST_OWN_WORDS) {
            Verdict::Salad
        } else {
            Verdict::Text
        }
    }

    /// The verdict's reason, for a person.
    pub(super) fn why(&self, verdict: Verdict) -> String {
        let repeated = 100.0 * self.repeated_four_grams;
        match verdict {
            Verdict::Empty => "the model ended at once".to_owned(),
            Verdict::Loop => format!("{repeated:.0} % of its runs of {GRAM} tokens occurred before"),
            Verdict::Salad if self.mean_entropy > MOST_ENTROPY => {
                format!("high entropy: {:.1} nats a token on average", self.mean_entropy)
            }
            Verdict::Salad => {
                format!("only {:.0} % of its words are known ones", 100.0 * self.own_words.unwrap_or(0.0))
            }
            Verdict::Text => format!("{repeated:.0} % repeated, {:.2} nats of entropy a token", self.mean_entropy),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn repeated(ids: &[u32]) -> f64 {
    let grams: Vec<&[u32]> = ids.windows(GRAM).collect();
    let different: HashSet<&[u32]> = grams.iter().copied().collect();
    if grams.is_empty() { 0.0 } else { 1.0 - different.len() as f64 / grams.len() as f64 }
}

/// Words of letters alone, looked up as they stand after a space; none where there are no words.
fn own_words(text: &str, tokenizer: &Tokenizer) -> Option<f64> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphabetic() && c != '\'')
        .filter(|word| word.chars().count() > 1 && word.chars().all(char::is_alphabetic))
        .collect();
    let known = |word: &&&str| {
        [format!("Ġ{word}"), format!("Ġ{}", word.to_lowercase())].iter().any(|t| tokenizer.token_id(t).is_some())
    };
    (!words.is_empty()).then(|| words.iter().filter(known).count() as f64 / words.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(repeated_four_grams: f64, own_words: Option<f64>, mean_entropy: f64) -> Measures {
        Measures { tokens: 100, repeated_four_grams, own_words, mean_entropy, mean_log_probability: -1.0 }
    }

    fn why(measures: &Measures) -> String {
        measures.why(measures.verdict())
    }

    #[test]
    fn a_verdict_says_why() {
        assert_eq!(of(0.1, Some(0.9), 1.0).verdict(), Verdict::Text);
        assert!(why(&of(0.9, Some(0.9), 0.1)).contains("90 %"));
        assert!(why(&of(0.0, Some(0.9), 6.0)).contains("6.0 nats"));
        assert!(why(&of(0.0, Some(0.3), 1.0)).contains("30 % of its words"));
        assert_eq!(of(0.0, None, 1.0).verdict(), Verdict::Text);
        assert_eq!(Measures { tokens: 0, ..of(0.0, None, 0.0) }.verdict(), Verdict::Empty);
    }

    #[test]
    fn repeats_are_counted() {
        assert_eq!(repeated(&[1, 2, 3]), 0.0);
        assert_eq!(repeated(&(0..100).collect::<Vec<_>>()), 0.0);
        // Of 97 runs two are different.
        let circle: Vec<u32> = (0..100).map(|i| i % 2).collect();
        assert!((repeated(&circle) - 95.0 / 97.0).abs() < 1e-12);
    }
}
