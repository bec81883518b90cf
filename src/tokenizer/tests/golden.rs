//! Of files in tests: what they leave out, and the real stories model. Their vectors are in tests/engine/tokenizer.rs.

use super::*;

#[test]
fn a_file_without_a_splitter_gets_llama_3_and_says_so() {
    let t = Tokenizer::from_metadata(&metadata("golden/A.gguf")).unwrap();
    assert!(t.notes()[0].contains("tokenizer.ggml.pre"));
    // (Llama 3 keeps the space with the sign: [.., 220] before it is what the default splitter gives.)
    let found = t.encode("= =", Special::PIECE).unwrap();
    let mut m = metadata("golden/A.gguf");
    m.insert("tokenizer.ggml.pre", Value::String("llama-bpe".into()));
    assert_eq!(found, Tokenizer::from_metadata(&m).unwrap().encode("= =", Special::PIECE).unwrap());
}

#[test]
fn stories_model() {
    let t = Tokenizer::from_metadata(&metadata("models/stories-I2_S.gguf")).unwrap();
    assert_eq!((t.vocabulary(), t.bos(), t.eos(), t.eot()), (1024, Some(1016), Some(1017), Some(1018)));
    let text = "Once upon a time, there was a little dragon. 🐉";
    let ids = t.encode(text, Special::TEXT).unwrap();
    assert_eq!(ids[0], 1016);
    assert!(ids.len() < text.len());
    assert_eq!(t.decode(&ids, false), text);
    assert!(t.is_end(1017) && t.is_end(1018) && !t.is_end(1016));
}
