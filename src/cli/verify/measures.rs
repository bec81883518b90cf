//! Measures that tell text from loops and from word salad, and a verdict from them.
//!
//! Entropy is what tells most. On the project's story model it is 1.1 nats a token; with SiLU in place of squared ReLU (by an
//! override) 1.5, with a RoPE base of 10 for 10 000 2.0 to 2.6, with an epsilon of 1 3.4 to 4.9, and 5.9 with random weights. So
//! a fault that spoils little needs a reference to be seen; one that makes word salad does not.

use super::run::Answer;
use b158::tokenizer::Tokenizer;
use std::collections::HashSet;

/// Runs of this many tokens are looked for again.
const GRAM: usize = 4;
/// More repeated runs than this are a loop. Greedy answers of sound models repeat some.
const MOST_REPEATED: f64 = 0.6;
/// A model that on average doubts more than this has lost the thread: twenty tokens are as likely as each other.
const MOST_ENTROPY: f64 = 3.0;
/// A smaller vocabulary has few whole words.
const WORDS_NEED: u32 = 32_000;
/// Fewer words of the vocabulary's own than this are salad.
const LEAST_OWN_WORDS: f64 = 0.6;

/// What was measured of one answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measures {
    tokens: usize,
    /// Share of the runs of four tokens that occurred before.
    pub(super) repeated: f64,
    /// Share of the words that the vocabulary has as one token; absent for small vocabularies.
    pub(super) own_words: Option<f64>,
    /// Mean entropy of the distributions, in nats.
    pub(super) entropy: f64,
    /// Mean ln of the probability of the tokens taken.
    pub(super) log_probability: f64,
}

impl Measures {
    /// `text`, `loop`, `salad`, or `empty`.
    pub(super) fn verdict(&self) -> &'static str {
        if self.tokens == 0 {
            "empty"
        } else if self.repeated > MOST_REPEATED {
            "loop"
        } else if self.entropy > MOST_ENTROPY || self.own_words.is_some_and(|share| share < LEAST_OWN_WORDS) {
            "salad"
        } else {
            "text"
        }
    }

    /// The verdict's reason, for a person.
    pub(super) fn why(&self) -> String {
        match self.verdict() {
            "empty" => "the model ended at once".to_owned(),
            "loop" => format!("{:.0} % of its runs of {GRAM} tokens occurred before", 100.0 * self.repeated),
            "salad" if self.entropy > MOST_ENTROPY => {
                format!("the model doubts: {:.1} nats of entropy a token on average", self.entropy)
            }
            "salad" => format!("only {:.0} % of its words are known ones", 100.0 * self.own_words.unwrap_or(0.0)),
            _ => format!("{:.0} % repeated, {:.2} nats of entropy a token", 100.0 * self.repeated, self.entropy),
        }
    }
}

pub(super) fn measure(answer: &Answer, tokenizer: &Tokenizer) -> Measures {
    Measures {
        tokens: answer.ids.len(),
        repeated: repeated(&answer.ids),
        own_words: (tokenizer.vocabulary() >= WORDS_NEED).then(|| own_words(&answer.text, tokenizer)).flatten(),
        entropy: mean(&answer.entropies),
        log_probability: mean(&answer.log_probabilities),
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

    fn of(repeated: f64, own_words: Option<f64>, entropy: f64) -> Measures {
        Measures { tokens: 100, repeated, own_words, entropy, log_probability: -1.0 }
    }

    #[test]
    fn a_verdict_says_why() {
        assert_eq!(of(0.1, Some(0.9), 1.0).verdict(), "text");
        assert!(of(0.9, Some(0.9), 0.1).why().contains("90 %"));
        assert!(of(0.0, Some(0.9), 6.0).why().contains("6.0 nats"));
        assert!(of(0.0, Some(0.3), 1.0).why().contains("30 % of its words"));
        assert_eq!(of(0.0, None, 1.0).verdict(), "text");
        assert_eq!(Measures { tokens: 0, ..of(0.0, None, 0.0) }.verdict(), "empty");
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
