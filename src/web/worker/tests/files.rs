//! Several files: checkpoints of the golden vectors, and parts beside a manifest.

use super::*;
use crate::convert::{Converter, Folder, Options};
use crate::{Error, Result};
use sha2::{Digest, Sha256};

type Named = (&'static str, &'static [u8]);

macro_rules! golden {
    ($checkpoint:literal, $($name:literal)*) => {
        vec![$(($name, &include_bytes!(concat!("../../../../tests/golden/checkpoints/", $checkpoint, "/", $name))[..])),*]
    };
}

fn s1a() -> Vec<Named> {
    golden!("S1a", "config.json" "generation_config.json" "model.safetensors" "tokenizer.json" "tokenizer_config.json")
}

fn checkpoints() -> Vec<(&'static str, Vec<Named>)> {
    vec![
        ("S1a", s1a()),
        (
            "S1b",
            golden!("S1b", "config.json" "generation_config.json" "model.safetensors" "tokenizer.json" "tokenizer_config.json"),
        ),
        (
            "S1c",
            golden!("S1c", "config.json" "generation_config.json" "model.safetensors" "tokenizer.json" "tokenizer_config.json"),
        ),
        (
            "S1d",
            golden!("S1d", "config.json" "generation_config.json" "model-00001-of-00002.safetensors" "model-00002-of-00002.safetensors"
                "model.safetensors.index.json" "tokenizer.json" "tokenizer_config.json"),
        ),
    ]
}

/// The same folder in memory.
struct Memory(Vec<(String, u64)>, Vec<Named>);

impl Folder for Memory {
    fn files(&self) -> &[(String, u64)] {
        &self.0
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let bytes = self
            .1
            .iter()
            .find(|(name, _)| *name == file)
            .and_then(|(_, bytes)| bytes.get(offset as usize..)?.get(..out.len()));
        out.copy_from_slice(bytes.ok_or_else(|| Error::Io { reason: file.to_owned() })?);
        Ok(())
    }
}

fn converted(files: &[Named]) -> Vec<u8> {
    let list = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.len() as u64)).collect();
    let mut converter = Converter::new(Memory(list, files.to_vec()), Options::default()).unwrap();
    let mut file = Vec::new();
    while let Some(bytes) = converter.next_bytes().unwrap() {
        file.extend(bytes);
    }
    file
}

fn source(kind: &str, files: &[Named]) -> JsValue {
    let parts = Array::new();
    for (name, bytes) in files {
        let part = JSON::parse(r#"{"type":"blob","body":{}}"#).unwrap();
        Reflect::set(&field(&part, "body"), &"blob".into(), &blob(bytes)).unwrap();
        Reflect::set(&field(&part, "body"), &"name".into(), &(*name).into()).unwrap();
        parts.push(&part);
    }
    let message = load_message(&parts);
    Reflect::set(&field(&field(&message, "body"), "source"), &"kind".into(), &kind.into()).unwrap();
    message
}

impl Page {
    fn of_files(kind: &str, files: &[Named]) -> Self {
        let page = Page::new();
        page.port.post_message(&source(kind, files)).unwrap();
        page
    }

    /// Tokens of a greedy answer, with their log-probabilities.
    async fn answer(&mut self) -> Vec<String> {
        self.send(
            r#"{"type":"generate","body":{"id":1,"session":0,"request":{"prompt":"Hello","temperature":0,"maxTokens":12,"logProbabilities":true}}}"#,
        );
        let mut said = Vec::new();
        loop {
            let message = self.heard.next().await.unwrap();
            let body = field(&message, "body");
            match field(&message, "type").as_string().unwrap().as_str() {
                "prefill" => {}
                "done" => return said,
                "tokens" => said.extend(
                    field(&body, "tokens")
                        .unchecked_into::<Array>()
                        .iter()
                        .map(|token| text(&Array::of2(&field(&token, "id"), &field(&token, "logProbability")))),
                ),
                _ => panic!("{}", text(&message)),
            }
        }
    }
}

async fn refusal(mut page: Page) -> String {
    let (error, _) = page.hear("load-failed").await;
    format!("{}: {}", field(&error, "code").as_string().unwrap(), field(&error, "message").as_string().unwrap())
}

#[wasm_bindgen_test]
async fn a_checkpoint_opens_as_the_gguf_that_it_becomes() {
    for (name, files) in checkpoints() {
        let mut opened = Page::of_files("checkpoint", &files);
        let (info, before) = opened.hear("loaded").await;
        assert!(before.iter().all(|kind| kind == "progress") && before.len() >= 2, "{name}: {before:?}");
        let mut page = Page::new();
        page.load_blob(&converted(&files));
        let (same, _) = page.hear("loaded").await;
        assert_eq!(text(&info), text(&same), "{name}");
        assert_eq!(text(&field(&info, "notes")), "[]", "{name}");
        let said = page.answer().await;
        assert_eq!(opened.answer().await, said, "{name}");
        assert!(!said.is_empty(), "{name}");
    }
}

#[wasm_bindgen_test]
async fn a_checkpoint_is_estimated_from_its_headers() {
    let files = s1a();
    let message = source("checkpoint", &files);
    Reflect::set(&message, &"type".into(), &"estimate".into()).unwrap();
    let mut page = Page::new();
    page.port.post_message(&message).unwrap();
    let (estimate, _) = page.hear("estimated").await;
    assert_eq!(field(&estimate, "fileBytes").as_f64(), Some(converted(&files).len() as f64));
    let (info, _) = Page::of_files("checkpoint", &files).hear("loaded").await;
    for name in ["architecture", "parameters", "quantization", "weightBytes", "kvCacheBytes"] {
        assert_eq!(text(&field(&estimate, name)), text(&field(&info, name)), "{name}");
    }
}

#[wasm_bindgen_test]
async fn what_is_wrong_with_a_checkpoint_names_the_file() {
    let without = |gone: &str| s1a().into_iter().filter(|(name, _)| *name != gone).collect::<Vec<_>>();
    for (files, says) in [
        (without("config.json"), "config.json"),
        (without("model.safetensors"), "safetensors"),
        (without("tokenizer.json"), "tokenizer.json"),
        ([without("config.json"), vec![("config.json", b"{")]].concat(), "config.json"),
        ([without("model.safetensors"), vec![("model.safetensors", &[0; 20])]].concat(), "model.safetensors"),
        ([s1a(), s1a()].concat(), "two files are called config.json"),
    ] {
        let said = refusal(Page::of_files("checkpoint", &files)).await;
        assert!(said.contains(says), "{said}");
    }
    let message = source("checkpoint", &s1a());
    Reflect::set(&field(&field(&message, "body"), "source"), &"sha256".into(), &Array::of1(&"ab".into())).unwrap();
    let page = Page::new();
    page.port.post_message(&message).unwrap();
    let said = refusal(page).await;
    assert!(said.starts_with("invalid-argument") && said.contains("sha256"), "{said}");
    let page = Page::new();
    let message = load_message(&Array::of1(
        &JSON::parse(r#"{"type":"address","body":{"url":"https://localhost/config.json","headers":[]}}"#).unwrap(),
    ));
    Reflect::set(&field(&field(&message, "body"), "source"), &"kind".into(), &"checkpoint".into()).unwrap();
    page.port.post_message(&message).unwrap();
    assert!(refusal(page).await.starts_with("invalid-argument"));
}

#[wasm_bindgen_test]
async fn files_beside_a_manifest_are_held_against_it() {
    let digest: String = Sha256::digest(MODEL).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = |name: &str, size: usize, sha256: &str| {
        let json = format!(r#"{{"files": [{{"name": "{name}", "size": {size}, "sha256": "{sha256}"}}]}}"#);
        ("m.json", &*json.into_bytes().leak())
    };
    let model = ("m.gguf", MODEL);
    let right = manifest("m.gguf", MODEL.len(), &digest);
    let (info, _) = Page::of_files("split", &[model, right]).hear("loaded").await;
    assert_eq!(text(&field(&info, "notes")), "[]");
    let (info, _) = Page::of_files("split", &[("other.gguf", MODEL), right, model]).hear("loaded").await;
    assert_eq!(text(&field(&info, "notes")), r#"["other.gguf is not used: m.json does not name it"]"#);
    for (files, says) in [
        (
            [model, manifest("n.gguf", MODEL.len(), &digest)],
            "integrity: m.json names n.gguf, which is not among the files",
        ),
        ([model, manifest("m.gguf", MODEL.len() + 1, &digest)], "m.json says"),
        ([model, manifest("m.gguf", MODEL.len(), &"0".repeat(64))], "integrity: the file has the SHA-256"),
        ([model, manifest("../m.gguf", MODEL.len(), &digest)], "format: m.json is no manifest"),
        ([model, ("other.json", b"{}")], "format: other.json is no manifest"),
    ] {
        let said = refusal(Page::of_files("split", &files)).await;
        assert!(said.contains(says), "{said}");
    }
}
