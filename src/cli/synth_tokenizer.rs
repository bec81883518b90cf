//! A made-up byte-level BPE vocabulary of any size: strings of letters, shortest first, all reachable by merges.

use super::Outcome;
use b158::gguf::Strings;

pub(crate) struct Vocabulary {
    pub(crate) tokens: Strings,
    pub(crate) scores: Vec<f32>,
    pub(crate) types: Vec<i32>,
    pub(crate) merges: Strings,
    pub(crate) bos: u32,
    pub(crate) eos: u32,
}

/// Merges a token of the published vocabulary: 280,147 for 128,000, as some tokens can be built in several ways.
const MERGES_OF_128256: usize = 280_147;
const LETTERS: usize = 26;
/// First symbols: the letters, and the byte alphabet's space.
const FIRSTS: usize = LETTERS + 1;

impl Vocabulary {
    pub(crate) fn new(size: u32) -> Outcome<Self> {
        let size = size as usize;
        let special = if size >= 1024 { 256 } else { 16 };
        let words = size.checked_sub(256 + special).ok_or("a vocabulary has at least 272 tokens")?;
        let counts = [2, 3, 4].map(|length| FIRSTS * LETTERS.pow(length - 1));
        if words > counts.iter().sum() {
            return Err("a synthetic vocabulary has at most 493,778 tokens".into());
        }
        let mut tokens: Vec<String> = byte_alphabet().map(String::from).collect();
        for i in 0..words {
            tokens.push(match (i.checked_sub(counts[0]), i.checked_sub(counts[0] + counts[1])) {
                (None, _) => word(i, 2),
                (Some(i), None) => word(i, 3),
                // A stride prime to the count spreads a part of them over the alphabet.
                (_, Some(i)) => word(i * 100_003 % counts[2], 4),
            });
        }
        // Each word from its halves first, then every other split until the count is that of the published file.
        let mut merges: Vec<(usize, &str)> = tokens[256..]
            .iter()
            .map(|word| (split_at(word, word.chars().count().div_ceil(2)), word.as_str()))
            .collect();
        let wanted = if size == 128_256 { MERGES_OF_128256 } else { words };
        for word in tokens[256..].iter().filter(|word| word.chars().count() > 2) {
            for head in 1..word.chars().count() {
                if merges.len() < wanted && head != word.chars().count().div_ceil(2) {
                    merges.push((split_at(word, head), word));
                }
            }
        }
        let merges = merges.iter().map(|(at, word)| format!("{} {}", &word[..*at], &word[*at..]));
        let merges: Strings = merges.collect::<Vec<_>>().iter().map(String::as_str).collect();

        let first_special = tokens.len();
        let named = ["<|begin_of_text|>", "<|end_of_text|>"].map(String::from).into_iter();
        let reserved = (0..).map(|i| match i {
            7 => "<|eot_id|>".to_owned(),
            i => format!("<|reserved_special_token_{i}|>"),
        });
        tokens.extend(named.chain(reserved).take(special));
        let mut scores = vec![0.0; first_special];
        scores.resize(size, -1000.0);
        let mut types = vec![1; first_special];
        types.resize(size, 3);
        Ok(Vocabulary {
            tokens: tokens.iter().map(String::as_str).collect(),
            scores,
            types,
            merges,
            bos: first_special as u32,
            eos: first_special as u32 + 1,
        })
    }
}

/// GPT-2's printable stand-ins for the 256 bytes, printable ones first.
fn byte_alphabet() -> impl Iterator<Item = char> {
    let printable = (33u8..=126).chain(161..=172).chain(174..=255).map(char::from);
    printable.chain((256..324).filter_map(char::from_u32))
}

/// Word number `i` of `length` symbols: a letter or the space, then letters.
fn word(i: usize, length: usize) -> String {
    let letter = |i: usize| char::from(b'a' + (i % LETTERS) as u8);
    let mut rest = i / FIRSTS;
    let mut word = String::from(if i % FIRSTS == LETTERS { 'Ġ' } else { letter(i % FIRSTS) });
    for _ in 1..length {
        word.push(letter(rest));
        rest /= LETTERS;
    }
    word
}

/// Byte offset behind the first `symbols` symbols.
fn split_at(word: &str, symbols: usize) -> usize {
    word.char_indices().nth(symbols).map_or(word.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn tokens_are_distinct_and_merges_join_tokens_into_tokens() {
        for size in [272, 512, 1024, 20_000, 128_256] {
            let v = Vocabulary::new(size).unwrap();
            let tokens: HashSet<_> = v.tokens.iter().collect();
            assert_eq!(tokens.len(), size as usize);
            assert_eq!((v.scores.len(), v.types.len()), (size as usize, size as usize));
            for merge in v.merges.iter() {
                let (head, tail) = merge.split_once(' ').unwrap();
                assert!(tokens.contains(head) && tokens.contains(tail), "{merge}");
                assert!(tokens.contains(format!("{head}{tail}").as_str()), "{merge}");
            }
            let distinct: HashSet<_> = v.merges.iter().collect();
            assert_eq!(distinct.len(), v.merges.len(), "a merge twice");
        }
        assert_eq!(Vocabulary::new(128_256).unwrap().merges.len(), MERGES_OF_128256);
        assert!(Vocabulary::new(271).is_err());
    }
}
