use super::*;
use crate::gguf::{Array, Decoder, Event, Limits, Value};
use proptest::prelude::*;
use std::sync::LazyLock;

mod golden;
mod hostile;
mod odd;
mod sentence_piece;

/// The metadata of a file under `tests/`, whatever its tensors are.
pub(crate) fn metadata(path: &str) -> Metadata {
    let path = format!("{}/tests/{path}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut decoder = Decoder::new(Limits::default());
    let mut rest = &bytes[..];
    loop {
        let (used, event) = match decoder.push(rest) {
            Err(Error::UnsupportedTensorType { .. }) => return decoder.metadata().clone(),
            other => other.unwrap(),
        };
        rest = &rest[used..];
        match event {
            Event::Tensors => return decoder.metadata().clone(),
            Event::NeedMore => panic!("{path} ends before its tensors"),
            _ => {}
        }
    }
}

pub(crate) fn strings(items: impl IntoIterator<Item: AsRef<str>>) -> Value {
    Value::Array(Array::Strings(items.into_iter().collect()))
}

/// A small `gpt2` vocabulary: the 256 bytes, `he`, `ll`, `hell`, `hello` (in merges), `Ġworld` (in none), then
/// begin-of-text, end-of-text, end-of-turn, and a user-defined `<tool>`.
pub(crate) fn byte_level() -> Metadata {
    let mut tokens: Vec<String> = (0..=255).map(|b| alphabet::byte_char(b).to_string()).collect();
    tokens.extend(["he", "ll", "hell", "hello", "Ġworld", "<|begin_of_text|>", "<|end_of_text|>"].map(String::from));
    tokens.extend(["<|eot_id|>", "<tool>"].map(String::from));
    let mut types = vec![1; 261];
    types.extend([3, 3, 3, 4]);
    let mut m = Metadata::new();
    m.insert("tokenizer.ggml.model", Value::String("gpt2".into()));
    m.insert("tokenizer.ggml.pre", Value::String("llama-bpe".into()));
    m.insert("tokenizer.ggml.tokens", strings(tokens.iter().map(String::as_str)));
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    m.insert("tokenizer.ggml.merges", strings(["h e", "l l", "he ll", "hell o"]));
    m.insert("tokenizer.ggml.bos_token_id", Value::U32(261));
    m.insert("tokenizer.ggml.eos_token_id", Value::U32(262));
    m
}

#[test]
fn special_strings_are_text_unless_asked() {
    let t = Tokenizer::from_metadata(&byte_level()).unwrap();
    assert_eq!((t.bos(), t.eos(), t.eot(), t.vocabulary()), (Some(261), Some(262), Some(263), 265));
    assert_eq!(t.encode("hello<|eot_id|>", Special::PARSED).unwrap(), [261, 259, 263]);
    let text = t.encode("hello<|eot_id|>", Special::TEXT).unwrap();
    assert_eq!(text[..2], [261, 259]);
    assert!(!text.contains(&263));
    assert_eq!(t.decode(&text, false), "hello<|eot_id|>");
    // user-defined tokens always are
    assert_eq!(t.encode("<tool>hello", Special::PIECE).unwrap(), [264, 259]);
    assert_eq!(t.encode("", Special::TEXT).unwrap(), [261]);
    assert!(t.encode("", Special::PIECE).unwrap().is_empty());
}

#[test]
fn ignore_merges_takes_a_whole_piece() {
    let mut m = byte_level();
    let llama = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(llama.encode("hello world", Special::PIECE).unwrap(), [259, 260]);
    m.insert("tokenizer.ggml.pre", Value::String("default".into()));
    let default = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(default.encode("hello world", Special::PIECE).unwrap().len(), 1 + " world".len());
}

#[test]
fn begin_of_text_goes_first_by_the_file_or_by_its_splitter() {
    let mut m = byte_level();
    let adds = |m: &Metadata| Tokenizer::from_metadata(m).unwrap().add_bos();
    assert!(adds(&m));
    m.insert("tokenizer.ggml.pre", Value::String("default".into()));
    assert!(!adds(&m));
    m.insert("tokenizer.ggml.add_bos_token", Value::Bool(true));
    assert!(adds(&m));
    m.insert("tokenizer.ggml.pre", Value::String("llama-bpe".into()));
    m.insert("tokenizer.ggml.add_bos_token", Value::Bool(false));
    assert!(!adds(&m));
}

#[test]
fn a_prompt_that_brings_begin_of_text_gets_no_second() {
    let t = Tokenizer::from_metadata(&byte_level()).unwrap();
    let [bos, own] =
        [Special { add_bos: Some(true), ..Special::PARSED }, Special { add_bos: Some(false), ..Special::PARSED }];
    for special in [Special::PARSED, bos, own] {
        assert_eq!(t.encode_prompt("<|begin_of_text|>hello", special).unwrap(), [261, 259]);
        assert_eq!(t.encode_prompt("<|begin_of_text|>", special).unwrap(), [261]);
        assert_eq!(t.encode_prompt("<|begin_of_text|><|begin_of_text|>hello", special).unwrap(), [261, 261, 259]);
    }
    assert_eq!(t.encode_prompt("hello<|begin_of_text|>", Special::PARSED).unwrap(), [261, 259, 261]);
    let typed = t.encode_prompt("<|begin_of_text|>hello", Special::TEXT).unwrap();
    assert!(typed[0] == 261 && !typed[1..].contains(&261), "as text it is text: {typed:?}");
    let mut m = byte_level();
    m.insert("tokenizer.ggml.add_bos_token", Value::Bool(false));
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(t.encode_prompt("<|begin_of_text|>hello", Special::PARSED).unwrap(), [261, 259]);
    assert_eq!(
        t.encode_prompt("<|begin_of_text|>hello", Special { add_bos: Some(true), parse: true }).unwrap(),
        [261, 259]
    );
    assert_eq!(
        t.encode("<|begin_of_text|>hello", Special { add_bos: Some(true), parse: true }).unwrap(),
        [261, 261, 259]
    );
    assert!(t.begins_twice(&[261, 261, 259]) && !t.begins_twice(&[261, 259, 261]) && !t.begins_twice(&[261]));
}

#[test]
fn the_default_splitter_is_explained() {
    let mut m = byte_level();
    assert!(Tokenizer::from_metadata(&m).unwrap().notes().is_empty());
    m.remove("tokenizer.ggml.pre");
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert!(t.notes()[0].contains("tokenizer.ggml.pre=str:default"), "{:?}", t.notes());
    m.insert("tokenizer.ggml.pre", Value::String("bloom".into()));
    let e = Tokenizer::from_metadata(&m).unwrap_err().to_string();
    assert!(e.contains("bloom") && e.contains("llama-bpe") && e.contains("default"), "{e}");
}

#[test]
fn a_file_without_a_splitter_gets_that_of_its_architecture() {
    for (architecture, alike, note) in [
        ("qwen3", "qwen2", "using qwen2, that of all"),
        ("bitnet-b1.58", "llama-bpe", "using llama-bpe, the splitter BitNet"),
        ("llama", "llama-bpe", "using llama-bpe, a guess"),
    ] {
        let mut m = byte_level();
        m.insert("general.architecture", Value::String(architecture.into()));
        m.insert("tokenizer.ggml.pre", Value::String(alike.into()));
        let named = Tokenizer::from_metadata(&m).unwrap();
        m.remove("tokenizer.ggml.pre");
        let t = Tokenizer::from_metadata(&m).unwrap();
        assert!(t.notes()[0].contains(note), "{:?}", t.notes());
        assert_eq!(t.add_bos(), named.add_bos());
        let text = "hello  12345\n\n it's";
        assert_eq!(t.encode(text, Special::TEXT).unwrap(), named.encode(text, Special::TEXT).unwrap());
    }
}

#[test]
fn every_splitter_compiles_and_takes_texts_apart() {
    for name in pre::every_name() {
        let mut m = byte_level();
        m.insert("tokenizer.ggml.pre", Value::String(name.into()));
        let t = Tokenizer::from_metadata(&m).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(t.notes().len(), usize::from(matches!(name, "falcon3" | "falcon_e")), "{name}: {:?}", t.notes());
        let text = "hello  world, it's 2024;\r\n\n HELLO's\t\u{4e2d}\u{6587} \u{394}\u{3ac} ";
        assert_eq!(t.decode(&t.encode(text, Special::PIECE).unwrap(), false), text, "{name}");
    }
}

#[test]
fn control_tokens_are_silent_and_end_tokens_end() {
    let t = Tokenizer::from_metadata(&byte_level()).unwrap();
    assert_eq!(t.decode(&[261, 259, 263, 9999], false), "hello");
    assert_eq!(t.decode(&[261, 259, 263, 9999], true), "<|begin_of_text|>hello<|eot_id|>");
    assert_eq!(t.bytes(263), b"");
    assert_eq!(t.bytes(260), b" world");
    assert_eq!(t.token_text(260).as_deref(), Some("Ġworld"));
    let ends: Vec<u32> = (0..300).filter(|&id| t.is_end(id)).collect();
    assert_eq!(ends, [262, 263]);
}

#[test]
fn byte_alphabet_is_a_bijection() {
    let mut seen = std::collections::HashSet::new();
    for byte in 0..=255 {
        assert_eq!(alphabet::char_byte(alphabet::byte_char(byte)), Some(byte));
        assert!(seen.insert(alphabet::byte_char(byte)));
    }
    assert_eq!(
        (alphabet::byte_char(b' '), alphabet::byte_char(b'\n'), alphabet::byte_char(0xad)),
        ('Ġ', 'Ċ', '\u{143}')
    );
    assert_eq!(alphabet::char_byte('\u{144}'), None);
}

#[test]
fn long_runs_end() {
    for t in &*SPLITTERS {
        for unit in ["a", "Q", " ", "\n", "\t\n", "é", "!", "1", "'", "中", "\u{301}", "aB", " a", "hello"] {
            let text = unit.repeat(20_000);
            let ids = t.encode(&text, Special::PIECE).unwrap();
            assert!(t.decode(&ids, false) == text, "{unit:?}");
        }
    }
    // More than an engine that goes back can remember.
    for (t, unit) in SPLITTERS.iter().zip(["a", " ", "1"].iter().cycle()) {
        let text = unit.repeat(1_100_000);
        assert_eq!(t.encode(&text, Special::PIECE).unwrap().len(), text.len());
    }
}

/// All of a run of spaces goes by itself but the last one, which goes with the word, or alone where words take no such.
#[test]
fn the_last_space_before_a_word() {
    let pieces = |pre: &str, text: &str| {
        let mut m = Metadata::new();
        m.insert("tokenizer.ggml.pre", Value::String(pre.into()));
        let splitter = pre::Splitter::from_metadata(&m, &mut Vec::new()).unwrap();
        let mut pieces = Vec::new();
        splitter.split(text, &mut |piece| pieces.push(piece.to_owned())).unwrap();
        pieces
    };
    let text = "a   b \n\n  c\t\td!\n \u{3000}\u{3000}x  ";
    let llama = ["a", "  ", " b", " \n\n", " ", " c", "\t", "\td", "!\n", " \u{3000}", "\u{3000}x", "  "];
    for pre in ["llama-bpe", "qwen2", "gpt-4o"] {
        assert_eq!(pieces(pre, text), llama, "{pre}");
    }
    let gpt_2 = ["a", "  ", " b", " \n\n ", " c", "\t", "\t", "d", "!", "\n \u{3000}", "\u{3000}", "x", "  "];
    for pre in ["gpt-2", "smollm", "falcon", "falcon3", "default"] {
        assert_eq!(pieces(pre, text), gpt_2, "{pre}");
    }
}

#[test]
fn digits_and_signs_by_the_splitter() {
    let pieces = |pre: &str| {
        let mut m = Metadata::new();
        m.insert("tokenizer.ggml.pre", Value::String(pre.into()));
        let splitter = pre::Splitter::from_metadata(&m, &mut Vec::new()).unwrap();
        let mut pieces = Vec::new();
        splitter.split("in 20245 (it's helloWORLD)", &mut |piece| pieces.push(piece.to_owned())).unwrap();
        pieces.join("|")
    };
    for (pre, expected) in [
        ("llama-bpe", "in| |202|45| (|it|'s| helloWORLD|)"),
        ("smaug-bpe", "in| |202|45| (|it|'s| helloWORLD|)"),
        ("qwen2", "in| |2|0|2|4|5| (|it|'s| helloWORLD|)"),
        ("gpt-2", "in| 20245| (|it|'s| helloWORLD|)"),
        ("smollm", "in| |2|0|2|4|5| (|it|'s| helloWORLD|)"),
        ("falcon", "in| |202|45| |(|it|'|s| helloWORLD|)"),
        ("falcon3", "in| |2|0|2|4|5| |(|it|'|s| helloWORLD|)"),
        ("falcon_e", "in| |2|0|2|4|5| |(|it|'|s| helloWORLD|)"),
        ("default", "in| |202|45| |(|it|'|s| helloWORLD|)"),
        ("gpt-4o", "in| |202|45| (|it's| hello|WORLD|)"),
        ("deepseek-llm", "in| |20245| (|it|'|s| helloWORLD|)"),
        ("deepseek-coder", "in| |2|0|2|4|5| (|it|'|s| helloWORLD|)"),
    ] {
        assert_eq!(pieces(pre), expected, "{pre}");
    }
}

/// One tokenizer a splitter, for tests of many cases.
static SPLITTERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let of = |name: &str| {
        let mut m = byte_level();
        m.insert("tokenizer.ggml.pre", Value::String(name.into()));
        Tokenizer::from_metadata(&m).unwrap()
    };
    pre::names().map(of).collect()
});

proptest! {
    /// Whatever the splitter and whatever the text: nothing is lost.
    #[test]
    fn decode_undoes_encode(text in any::<String>(), special in any::<bool>(), pre in 0..SPLITTERS.len()) {
        let t = &SPLITTERS[pre];
        let ids = t.encode(&text, Special { add_bos: Some(special), parse: special }).unwrap();
        prop_assert_eq!(t.decode(&ids, false), text);
    }

    /// Any ids, as a stream: the same text as at once, and never half a character.
    #[test]
    fn a_stream_equals_the_whole(ids in proptest::collection::vec(0u32..270, 0..60), special in any::<bool>()) {
        let t = &SPLITTERS[0];
        let mut stream = t.stream();
        let mut text = String::new();
        for &id in &ids {
            text += &if special { stream.push_special(id, t) } else { stream.push(id, t) };
        }
        text += &stream.finish();
        prop_assert_eq!(text, t.decode(&ids, special));
    }

    /// Text that comes token by token shows no U+FFFD that is not in it.
    #[test]
    fn a_stream_of_text_never_cuts_a_character(text in "[aé한😀 ]{0,20}") {
        let t = &SPLITTERS[0];
        let mut stream = t.stream();
        let mut shown = String::new();
        for id in t.encode(&text, Special::PIECE).unwrap() {
            shown += &stream.push(id, t);
            prop_assert!(text.starts_with(&shown));
        }
        prop_assert_eq!(shown, text);
        prop_assert_eq!(stream.finish(), "");
    }
}
