//! Tables that contradict themselves: a typed error, never a panic.

use super::*;

fn refused(spoil: impl FnOnce(&mut Metadata), expected: &str) {
    let mut m = byte_level();
    spoil(&mut m);
    match Tokenizer::from_metadata(&m) {
        Err(Error::BadTokenizer { reason }) => assert!(reason.contains(expected), "{expected:?} not in {reason:?}"),
        other => panic!("{expected}: {other:?}"),
    }
}

/// Adds tokens with their types.
pub(super) fn add(m: &mut Metadata, tokens: &[&str]) {
    let old = m.strings("tokenizer.ggml.tokens").unwrap().unwrap().clone();
    m.insert("tokenizer.ggml.tokens", strings(old.iter().chain(tokens.iter().map(|&t| t.into()))));
    let mut types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
    types.extend(tokens.iter().map(|_| 1));
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
}

#[test]
fn merges() {
    let merges = |list: &'static [&'static str]| {
        move |m: &mut Metadata| m.insert("tokenizer.ggml.merges", strings(list.iter().copied()))
    };
    refused(merges(&["he"]), "merge 0 `he` is not two tokens");
    refused(merges(&["h e l"]), "is not two tokens");
    refused(merges(&["h "]), "is not two tokens");
    refused(merges(&[" h"]), "is not two tokens");
    refused(merges(&[""]), "is not two tokens");
}

#[test]
fn tokens() {
    refused(|m| m.insert("tokenizer.ggml.tokens", strings([""; 0])), "is empty");
    refused(|m| add(m, &[&"x".repeat(5000)]), "token 265 has 5000 bytes");
    refused(
        |m| {
            let old = m.strings("tokenizer.ggml.tokens").unwrap().unwrap().clone();
            m.insert("tokenizer.ggml.tokens", strings(old.iter().map(|t| if t == "Ċ" { "newline".into() } else { t })));
        },
        "byte 0x0a (`Ċ`) has no token",
    );
}

#[test]
fn types_of_no_kind() {
    refused(|m| m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![9; 265]))), "token 0 is 9");
}

#[test]
fn wrong_kinds_and_types() {
    refused(|m| m.insert("tokenizer.ggml.model", Value::String("bert".into())), "`bert`");
    let mut m = byte_level();
    m.remove("tokenizer.ggml.model");
    assert!(matches!(Tokenizer::from_metadata(&m), Err(Error::MissingKey { .. })));
    let mut m = byte_level();
    m.remove("tokenizer.ggml.merges");
    assert!(matches!(Tokenizer::from_metadata(&m), Err(Error::MissingKey { .. })));
    for key in ["tokens", "merges", "token_type", "model", "pre", "bos_token_id", "add_bos_token"] {
        let mut m = byte_level();
        m.insert(format!("tokenizer.ggml.{key}"), Value::F64(1.0));
        let found = Tokenizer::from_metadata(&m);
        assert!(matches!(found, Err(Error::WrongType { .. })), "{key}: {found:?}");
    }
}

/// Special tokens without text, or with each other's: found or not, but nothing breaks.
#[test]
fn odd_special_tokens() {
    let mut m = byte_level();
    add(&mut m, &["", "<|eot", "<|eot_id|><|eot_id|>"]);
    let mut types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
    types[265..].fill(3);
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    let t = Tokenizer::from_metadata(&m).unwrap();
    let ids = t.encode("<|eot_id|><|eot_id|><|eot_id|><|eot", Special { add_bos: Some(false), parse: true }).unwrap();
    assert_eq!(ids, [267, 263, 266]);
}

#[test]
fn too_many_special_tokens() {
    let mut m = byte_level();
    let many: Vec<String> = (0..1100).map(|i| format!("{i:01000}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    add(&mut m, &many);
    let mut types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
    types[265..].fill(4);
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    let e = Tokenizer::from_metadata(&m).unwrap_err().to_string();
    assert!(e.contains("1104 special tokens"), "{e}");
}

#[test]
fn without_types_names_tell() {
    let mut m = byte_level();
    m.remove("tokenizer.ggml.token_type");
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(t.decode(&[261, 259, 262, 263], false), "hello");
    assert_eq!(t.encode("hello<|eot_id|>", Special::PARSED).unwrap(), [261, 259, 263]);
}
