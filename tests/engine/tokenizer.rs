//! Texts and the ids that `llama_tokenize` makes of them, bitnet.cpp's and llama.cpp's.

use crate::common::parts::Parts;
use crate::common::reference::numbers;
use crate::common::{A, B, C, NORMS_IN};
use crate::family;
use b158::gguf::{Metadata, Value};
use b158::tokenizer::{Special, Tokenizer};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(name: &str, metadata: &Metadata, golden: &serde_json::Value, vectors: &serde_json::Value, count: usize) {
    let t = Tokenizer::from_metadata(metadata).unwrap();
    for (field, id) in [("bos", t.bos()), ("eos", t.eos()), ("eot", t.eot())] {
        // Where the file does not say, its names tell.
        if let Some(expected) = golden[field].as_u64() {
            assert_eq!(Some(expected), id.map(u64::from), "{name} {field}");
        }
    }
    let (model, vectors) = (&vectors["model"], vectors["vectors"].as_array().unwrap());
    assert_eq!(vectors.len(), count, "{name}");
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let parse = vector["parse_special"].as_bool().unwrap();
        let ids = numbers(&vector["ids"]);
        let special = Special { add_bos: None, parse };
        let found = t.encode_whole(text, special).unwrap();
        assert_eq!(found, ids, "{name}: {text:?}, special tokens parsed: {parse}");
        // Nothing but what goes before and after.
        let plain = t.encode(text, Special { add_bos: Some(false), ..special }).unwrap();
        let [before, after] = [t.bos().filter(|_| t.add_bos()), t.eos().filter(|_| t.add_eos())];
        assert_eq!([before.as_slice(), &plain, after.as_slice()].concat(), ids, "{name}: {text:?}");
        // SentencePiece's kind puts a space before, and after each special token.
        let mut shown = t.decode(&plain, true);
        if model == "llama" {
            shown = shown.strip_prefix(' ').unwrap_or(&shown).replace("|> ", "|>");
        }
        assert_eq!(shown, text, "{name}");
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn ids_of_bitnet_cpp() {
    for (name, file, golden) in [
        ("A", A, include_str!("../golden/A.json")),
        ("B", B, include_str!("../golden/B.json")),
        ("C", C, include_str!("../golden/C.json")),
    ] {
        let mut metadata = Parts::of(file).metadata;
        if name != "B" {
            // What bitnet.cpp takes where a file names none.
            metadata.insert("tokenizer.ggml.pre", Value::String("default".into()));
        }
        let golden = json(golden);
        check(name, &metadata, &golden, &golden["tokenizer"], 40);
    }
}

#[test]
fn ids_of_llama_cpp() {
    let mut files: Vec<_> = family::models().into_iter().map(|m| (m.name, m.file, json(m.json))).collect();
    files.push(("E1", NORMS_IN.into(), json(family::NORMS_IN_JSON)));
    for (name, file, golden) in &files {
        // Two models with one vocabulary have their vectors once.
        let vectors = match golden["tokenizer"]["same_as"].as_str() {
            Some(other) => &files.iter().find(|(name, ..)| other.strip_suffix(".json") == Some(name)).unwrap().2,
            None => golden,
        };
        check(name, &Parts::of(file).metadata, golden, &vectors["tokenizer"], 46);
    }
}
