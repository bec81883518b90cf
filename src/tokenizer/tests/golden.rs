//! Against ids of `llama_tokenize`, bitnet.cpp's and llama.cpp's (tests/golden), and the real stories model.

use super::*;

fn check(name: &str, pre: Option<&str>, count: usize) {
    let mut m = metadata(&format!("golden/{name}.gguf"));
    if let Some(pre) = pre {
        m.insert("tokenizer.ggml.pre", Value::String(pre.into()));
    }
    let t = Tokenizer::from_metadata(&m).unwrap();
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (field, id) in [("bos", t.bos()), ("eos", t.eos()), ("eot", t.eot())] {
        // Where the file does not say, its names tell.
        if let Some(expected) = golden[field].as_u64() {
            assert_eq!(Some(expected), id.map(u64::from), "{name} {field}");
        }
    }
    let vectors = golden["tokenizer"]["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), count);
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let parse = vector["parse_special"].as_bool().unwrap();
        let ids: Vec<u32> = vector["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        let special = Special { add_bos: None, parse };
        let found = t.encode_whole(text, special).unwrap();
        assert_eq!(found, ids, "{name}: {text:?}, special tokens parsed: {parse}");
        // Nothing but what goes before and after.
        let plain = t.encode(text, Special { add_bos: Some(false), ..special }).unwrap();
        let [before, after] = [t.bos().filter(|_| t.add_bos()), t.eos().filter(|_| t.add_eos())];
        assert_eq!([before.as_slice(), &plain, after.as_slice()].concat(), ids, "{name}: {text:?}");
        // SentencePiece's kind puts a space before, and after each special token.
        let mut shown = t.decode(&plain, true);
        if golden["tokenizer"]["model"] == "llama" {
            shown = shown.strip_prefix(' ').unwrap_or(&shown).replace("|> ", "|>");
        }
        assert_eq!(shown, text, "{name}");
    }
}

#[test]
fn bitnet_cpp_default_splitter() {
    check("A", Some("default"), 40);
    check("C", Some("default"), 40);
}

#[test]
fn bitnet_cpp_llama_splitter() {
    check("B", None, 40);
}

#[test]
fn llama_cpps_vectors_of_the_family() {
    for name in ["L1", "Q1y", "M1", "M2", "E1"] {
        check(&format!("family/{name}"), None, 46);
    }
}

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
