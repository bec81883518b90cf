//! `b158 embed`.

use super::{MODEL, b158, common, out, refusal, said, temporary};
use b158::kernels::Compute;
use b158::session::{Session, SessionOptions};
use serde_json::Value;
use std::sync::Arc;

const TEXTS: [&str; 3] = ["A fox sat in the park.", "Once upon a time", "A fox sat in the park."];

fn vectors(printed: &str) -> Vec<Vec<f32>> {
    let answer: Value = serde_json::from_str(printed).unwrap();
    assert_eq!((&answer["object"], &answer["model"]), (&"list".into(), &"b158 stories".into()));
    let data = answer["data"].as_array().unwrap();
    data.iter()
        .enumerate()
        .map(|(index, one)| {
            assert_eq!((&one["object"], &one["index"]), (&"embedding".into(), &index.into()));
            one["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
        })
        .collect()
}

#[test]
fn gives_the_engines_vectors_of_arguments_and_of_lines() {
    let args = [&["embed", "-q", "-m", MODEL], &TEXTS[..]].concat();
    let printed = out(&args, "");
    let found = vectors(&printed);
    assert_eq!(printed.lines().count(), 1);
    let loaded = Arc::new(common::load(&std::fs::read(MODEL).unwrap(), Compute::default().backend, 1, usize::MAX));
    let mut session = Session::new(loaded.clone(), SessionOptions::default()).unwrap();
    let mut tokens = 0;
    for (text, vector) in TEXTS.iter().zip(&found) {
        let ids = loaded.text_to_embed(text).unwrap();
        tokens += ids.len();
        assert_eq!(session.embed(&ids).unwrap(), *vector, "{text}");
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["usage"]["prompt_tokens"], tokens);
    assert_ne!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    let lines = format!("{}\n\n{}\r\n{}", TEXTS[0], TEXTS[1], TEXTS[2]);
    assert_eq!(out(&["embed", "-q", "-m", MODEL], &lines), printed);
    let batches = [&["embed", "-q", "-m", MODEL, "-b", "3", "-t", "2"], &TEXTS[..]].concat();
    assert_eq!(out(&batches, ""), printed);
}

#[test]
fn gives_shorter_vectors_of_length_one() {
    let whole = vectors(&out(&["embed", "-q", "-m", MODEL, "Hello"], ""));
    let short = vectors(&out(&["embed", "-q", "-m", MODEL, "--dimensions", "5", "Hello"], ""));
    let length = whole[0][..5].iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    let expected: Vec<f32> = whole[0][..5].iter().map(|x| (f64::from(*x) / length) as f32).collect();
    assert_eq!(short, [expected]);
}

#[test]
fn says_that_a_model_is_not_made_for_it() {
    let output = b158(&["embed", "-m", MODEL, "Hello"], "");
    let noted = said(&output.stderr);
    assert!(output.status.success() && noted.contains("note: this is no embedding model"), "{noted}");
    assert!(b158(&["embed", "-q", "-m", MODEL, "Hello"], "").stderr.is_empty());
}

#[test]
fn refuses_what_can_not_be() {
    assert!(refusal(&["embed", "-m", MODEL]).contains("there are no texts"));
    for dimensions in ["0", "257"] {
        let said = refusal(&["embed", "-q", "-m", MODEL, "--dimensions", dimensions, "Hello"]);
        assert!(said.contains(&format!("--dimensions is {dimensions}: must be between 1")), "{said}");
    }
    let long = "fox ".repeat(600);
    let said = refusal(&["embed", "-q", "-m", MODEL, "Hello", &long]);
    assert!(said.contains("text 2: ") && said.contains("512"), "{said}");
}

#[test]
fn a_model_that_is_made_for_it_ends_each_text_and_has_no_note() {
    let path = temporary("embedding.gguf");
    let file = path.to_str().unwrap();
    out(&["synth", "--preset", "tiny-embedding", "-o", file], "");
    let output = b158(&["embed", "-m", file, "Hello"], "");
    let noted = said(&output.stderr);
    assert!(output.status.success() && !noted.contains("no embedding model"), "{noted}");
    let tokens = |extra: &[&str]| -> Value {
        let printed = out(&[&["embed", "-q", "-m", file], extra, &["Hello"]].concat(), "");
        serde_json::from_str::<Value>(&printed).unwrap()["usage"]["prompt_tokens"].clone()
    };
    let ended = tokens(&[]).as_u64().unwrap();
    assert_eq!(tokens(&["--override-kv", "tokenizer.ggml.add_eos_token=bool:false"]), ended - 1);
    let said = refusal(&["embed", "-q", "-m", file, "--override-kv", "qwen3.pooling_type=int:1", "Hello"]);
    assert!(said.contains("the mean of all tokens"), "{said}");
    std::fs::remove_file(path).unwrap();
}
