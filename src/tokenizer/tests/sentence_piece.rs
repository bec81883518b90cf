//! The `llama` kind.

use super::*;
use std::collections::HashMap;

const NORMAL: i32 = 1;

/// unk, bos, eos, the 256 bytes, then `pieces` with falling scores.
fn sentence_piece(pieces: &[&str]) -> Metadata {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    let mut types = vec![2, 3, 3];
    tokens.extend((0..=255u8).map(|b| format!("<0x{b:02X}>")));
    types.extend([6; 256]);
    tokens.extend(pieces.iter().map(|p| (*p).to_owned()));
    types.resize(tokens.len(), NORMAL);
    let scores = (0..tokens.len()).map(|i| if i < 259 { 0.0 } else { 259.0 - i as f32 });
    let mut m = Metadata::new();
    m.insert("tokenizer.ggml.model", Value::String("llama".into()));
    m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(scores.collect())));
    m.insert("tokenizer.ggml.tokens", strings(tokens.iter().map(String::as_str)));
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    m
}

const PIECES: &[&str] =
    &["▁t", "he", "▁the", "in", "an", "▁a", "▁cat", "at", "cat", "▁", "t", "h", "e", "i", "n", "a", "c", "s"];

/// SentencePiece's own loop, as llama.cpp has it: while any neighbours make a token, the best-scoring pair, the
/// leftmost of equals, becomes one.
fn oracle(text: &str) -> Vec<u32> {
    let scores: HashMap<&str, u32> = PIECES.iter().copied().zip(0..).collect();
    let mut symbols: Vec<String> = text.chars().map(|c| if c == ' ' { '▁' } else { c }.to_string()).collect();
    loop {
        let pair = |i: usize| scores.get(format!("{}{}", symbols[i], symbols[i + 1]).as_str());
        let best = (0..symbols.len().saturating_sub(1)).filter_map(|i| Some((*pair(i)?, i))).min();
        let Some((_, at)) = best else { break };
        let right = symbols.remove(at + 1);
        symbols[at] += &right;
    }
    let id = |s: &String| match scores.get(s.as_str()) {
        Some(&n) => vec![259 + n],
        None => s.bytes().map(|b| 3 + u32::from(b)).collect(),
    };
    symbols.iter().flat_map(id).collect()
}

#[test]
fn spaces_bytes_and_scores() {
    let t = Tokenizer::from_metadata(&sentence_piece(PIECES)).unwrap();
    assert_eq!((t.bos(), t.eos(), t.add_bos()), (Some(1), Some(2), true));
    assert!(t.is_end(2) && !t.is_end(1));
    // ▁the ▁cat s, and é as its two bytes
    let ids = t.encode("the cats é", Special::TEXT).unwrap();
    assert_eq!(ids, [1, 261, 265, 276, 268, 3 + 0xc3, 3 + 0xa9]);
    assert_eq!(t.decode(&ids, false), " the cats é");
    assert_eq!(t.bytes(3 + 0xc3), [0xc3]);
}

#[test]
fn the_space_prefix_is_the_files_choice() {
    let mut m = sentence_piece(PIECES);
    let t = Tokenizer::from_metadata(&m).unwrap();
    // after a special token too
    assert_eq!(t.encode("the</s>the", Special::PARSED).unwrap(), [1, 261, 2, 261]);
    m.insert("tokenizer.ggml.add_space_prefix", Value::Bool(false));
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(t.encode("the</s>the", Special::PARSED).unwrap(), [1, 269, 260, 2, 269, 260]);
    assert!(!t.encode("</s>", Special::TEXT).unwrap().contains(&2));
}

#[test]
fn hostile_tables() {
    let refused = |spoil: fn(&mut Metadata), expected: &str| {
        let mut m = sentence_piece(PIECES);
        spoil(&mut m);
        let e = Tokenizer::from_metadata(&m).unwrap_err().to_string();
        assert!(e.contains(expected), "{expected:?} not in {e:?}");
    };
    refused(|m| drop(m.remove("tokenizer.ggml.scores")), "tokenizer.ggml.scores");
    refused(|m| m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0; 2]))), "2 entries");
    refused(
        |m| {
            let mut types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
            types[260] = 6;
            m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
        },
        "byte token `he` is not <0xNN>",
    );
    // neither bytes nor an unknown token
    let mut m = sentence_piece(PIECES);
    m.insert("tokenizer.ggml.tokens", strings(["a", "b"]));
    m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0; 2])));
    m.remove("tokenizer.ggml.token_type");
    let e = Tokenizer::from_metadata(&m).unwrap_err().to_string();
    assert!(e.contains("nor an unknown token"), "{e}");
    // NaN scores sort somewhere
    let mut m = sentence_piece(PIECES);
    m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(vec![f32::NAN; 259 + PIECES.len()])));
    assert!(Tokenizer::from_metadata(&m).unwrap().encode("the cat", Special::TEXT).is_ok());
}

#[test]
fn many_lengths_of_one_letter() {
    let runs: Vec<String> = (1..1000).map(|n| "x".repeat(n)).collect();
    let runs: Vec<&str> = runs.iter().map(String::as_str).collect();
    let t = Tokenizer::from_metadata(&sentence_piece(&runs)).unwrap();
    let text = "x".repeat(20_000);
    // The mark of the space is no token here: it is its bytes.
    assert!(t.decode(&t.encode(&text, Special::PIECE).unwrap(), false) == format!("\u{2581}{text}"));
}

/// Where no byte tokens are, a run of characters that are no tokens is one unknown token.
#[test]
fn unknown_characters() {
    let mut m = Metadata::new();
    m.insert("tokenizer.ggml.model", Value::String("llama".into()));
    m.insert("tokenizer.ggml.tokens", strings(["<unk>", "<s>", "</s>", "▁", "a", "▁a"]));
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![2, 3, 3, 1, 1, 1])));
    m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0; 6])));
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(t.encode("a", Special::TEXT).unwrap(), [1, 5]);
    assert_eq!(t.encode("béé日a日", Special::TEXT).unwrap(), [1, 3, 0, 4, 0]);
    // What spells a control token is none.
    assert_eq!(t.encode("<s>", Special::TEXT).unwrap(), [1, 3, 0]);
}

static PREFIXED: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::from_metadata(&sentence_piece(PIECES)).unwrap());

proptest! {
    #[test]
    fn merges_as_sentence_piece_does(text in "[thecains é]{0,30}") {
        let ids = PREFIXED.encode(&text, Special::PIECE).unwrap();
        prop_assert_eq!(ids, if text.is_empty() { vec![] } else { oracle(&format!(" {text}")) });
    }

    #[test]
    fn nothing_is_lost(text in any::<String>()) {
        let t = &*PREFIXED;
        let shown = t.decode(&t.encode(&text, Special::TEXT).unwrap(), false);
        // ▁ itself reads as a space: SentencePiece has no other way to write one
        let expected = if text.is_empty() { String::new() } else { format!(" {text}").replace('▁', " ") };
        prop_assert_eq!(shown, expected);
    }
}
