//! llama.cpp's own vectors: the vocabularies in its source package (`models/ggml-vocab-*.gguf`), each with texts (`.inp`)
//! and their ids (`.out`), which it takes from the models' own tokenizers. They are not part of this repository.

use b158::tokenizer::{Special, Tokenizer};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// The vocabularies of every splitter that is known here, and two of SentencePiece's kind.
const READ: [&str; 12] = [
    "command-r",
    "deepseek-coder",
    "deepseek-llm",
    "falcon",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "mpt",
    "phi-3",
    "qwen2",
    "refact",
    "starcoder",
];
const BETWEEN: &str = "\n__ggml_vocab_test__\n";

/// What of the vectors of one vocabulary differs, and how many there are.
fn check(tokenizer: &Tokenizer, texts: &str, expected: &str) -> (Vec<String>, usize) {
    let texts: Vec<&str> = texts.strip_suffix(BETWEEN).unwrap_or(texts).split(BETWEEN).collect();
    let expected: Vec<Vec<u32>> =
        expected.lines().map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect()).collect();
    assert_eq!(texts.len(), expected.len(), "as many texts as lines of ids");
    let differs = texts.iter().zip(&expected).filter_map(|(text, expected)| {
        let found = tokenizer.encode(text, Special::PIECE).unwrap();
        (found != *expected).then(|| format!("{text:?}: {found:?}, not {expected:?}"))
    });
    (differs.collect(), texts.len())
}

/// Another engine's ids of a question to Bonsai, as far as Qwen2 has its tokens: all but those around a thought.
fn bonsais_question(tokenizer: &Tokenizer) {
    let ids = |text: &str| tokenizer.encode(text, Special { add_bos: Some(false), parse: true }).unwrap();
    assert_eq!(
        ids("<|im_start|>user\nThe capital of France is<|im_end|>\n<|im_start|>assistant\n"),
        [151644, 872, 198, 785, 6722, 315, 9625, 374, 151645, 198, 151644, 77091, 198]
    );
    assert_eq!(ids("\n\n"), [271]);
    assert!(tokenizer.is_end(151_645) && tokenizer.is_end(151_643));
}

#[test]
fn every_vector_of_llama_cpp() {
    let Some(folder) = std::env::var_os("B158_LLAMA_CPP_MODELS").map(PathBuf::from) else {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(
            std::io::stderr(),
            "\nNOT TESTED: llama.cpp's vocabularies. tests/README.md says where they come from; name their folder in \
             B158_LLAMA_CPP_MODELS.\n"
        );
        return;
    };
    let mut failed = BTreeMap::new();
    for name in READ {
        let file = |suffix: &str| folder.join(format!("ggml-vocab-{name}.gguf{suffix}"));
        let bytes = |suffix| std::fs::read(file(suffix)).unwrap_or_else(|e| panic!("{}: {e}", file(suffix).display()));
        let text = |suffix| String::from_utf8(bytes(suffix)).unwrap();
        let tokenizer = Tokenizer::from_metadata(&crate::vocabulary::read(&bytes(""))).unwrap();
        let (differ, all) = check(&tokenizer, &text(".inp"), &text(".out"));
        println!("{name}: {} of {all}", all - differ.len());
        if name == "qwen2" {
            bonsais_question(&tokenizer);
        }
        if !differ.is_empty() {
            failed.insert(name, differ);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
