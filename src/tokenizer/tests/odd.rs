//! Tables that other readers take too: what is odd is a note, and the tokens are those that they give.

use super::hostile::add;
use super::*;
use crate::gguf::Strings;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";

/// A tokenizer with one note of what was changed, and the same ids and texts as without the change.
#[track_caller]
fn noted(m: &Metadata, expected: &str) -> Tokenizer {
    let t = Tokenizer::from_metadata(m).unwrap_or_else(|e| panic!("{expected}: {e}"));
    assert!(t.notes().iter().any(|note| note.contains(expected)), "{expected:?} is none of {:?}", t.notes());
    t
}

/// The tables of the `llama` kind: bytes, `▁`, `a`, `b`, `ab`, `▁ab`.
fn sentence_piece() -> Metadata {
    let mut tokens = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["\u{2581}", "a", "b", "ab", "\u{2581}ab"].map(String::from));
    let mut types = vec![2, 3, 3];
    types.extend([6; 256]);
    types.extend([1; 5]);
    let scores = (0..tokens.len()).map(|id| -(id as f32)).collect();
    let mut m = Metadata::new();
    m.insert("tokenizer.ggml.model", Value::String("llama".into()));
    m.insert(TOKENS, strings(&tokens));
    m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(scores)));
    m.insert(TYPES, Value::Array(Array::I32(types)));
    m
}

/// Adds tokens of any bytes, as normal ones of the least score.
fn add_bytes(m: &mut Metadata, tokens: &[&[u8]]) {
    let mut all: Strings = m.strings(TOKENS).unwrap().unwrap().clone();
    tokens.iter().for_each(|token| all.push_bytes(token));
    let (count, old) = (all.len(), all.len() - tokens.len());
    m.insert(TOKENS, Value::Array(Array::Strings(all)));
    let mut types = m.i32s(TYPES).unwrap().unwrap().into_owned();
    types.resize(count, 1);
    m.insert(TYPES, Value::Array(Array::I32(types)));
    if let Some(scores) = m.f32s("tokenizer.ggml.scores").unwrap() {
        let scores = scores.iter().copied().chain(vec![-1e6; count - old]).collect();
        m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(scores)));
    }
}

fn kinds() -> [Metadata; 2] {
    [byte_level(), sentence_piece()]
}

#[test]
fn ids_that_are_no_tokens() {
    for m in kinds() {
        let plain = Tokenizer::from_metadata(&m).unwrap();
        let n = plain.vocabulary();
        for name in [
            "bos",
            "eos",
            "eot",
            "eom",
            "unknown",
            "seperator",
            "padding",
            "cls",
            "mask",
            "prefix",
            "suffix",
            "middle",
            "fim_pre",
            "fim_suf",
            "fim_mid",
            "fim_pad",
            "fim_rep",
            "fim_sep",
        ] {
            let key = format!("tokenizer.ggml.{name}_token_id");
            for (value, shown) in [
                (Value::U32(n), n.to_string()),
                (Value::U32(u32::MAX), "4294967295".into()),
                (Value::I32(-1), "-1".into()),
                (Value::I64(i64::MIN), i64::MIN.to_string()),
                (Value::U64(1 << 32), "4294967296".into()),
                (Value::I8(-100), "-100".into()),
            ] {
                let mut m = m.clone();
                m.insert(key.clone(), value);
                let t = noted(&m, &format!("`{key}` is {shown}, which is none of the {n} tokens"));
                let special = Special { add_bos: Some(false), parse: true };
                let text = "hello ab\n</s>";
                assert_eq!(t.encode(text, special).unwrap(), plain.encode(text, special).unwrap(), "{key}");
            }
            let mut m = m.clone();
            m.insert(key, Value::U16(0));
            assert_eq!(Tokenizer::from_metadata(&m).unwrap().notes(), plain.notes(), "{name} 0 is a token");
        }
        // Of a kind that is no number, those that are not read.
        let mut m = m.clone();
        m.insert("tokenizer.ggml.mask_token_id", Value::String("[MASK]".into()));
        noted(&m, "`tokenizer.ggml.mask_token_id` is string");
    }
    // Without its own, `</s>` by its name is the end all the same.
    let mut m = sentence_piece();
    m.insert("tokenizer.ggml.eos_token_id", Value::I32(-1));
    m.insert("tokenizer.ggml.bos_token_id", Value::U32(u32::MAX));
    let t = noted(&m, "bos_token_id` is 4294967295");
    assert_eq!((t.bos(), t.eos(), t.is_end(2)), (Some(1), Some(2), true));
}

#[test]
fn the_first_of_two_tokens_of_a_text_is_what_text_becomes() {
    let mut m = byte_level();
    add(&mut m, &["hello", "h", "hello"]);
    let t = noted(&m, "3 tokens have the text of one before them, as 265 that of 259 (`hello`)");
    assert_eq!(t.encode("hello h", Special::PIECE).unwrap(), [259, 32, 104]);
    // Each is still what it says.
    assert_eq!(t.decode(&[265, 266, 267], false), "hellohhello");
    assert_eq!((t.token_text(265).as_deref(), t.token_id("hello")), (Some("hello"), Some(259)));

    let mut m = sentence_piece();
    add_bytes(&mut m, &[b"ab", b"\xe2\x96\x81", b"ab"]);
    let t = noted(&m, "3 tokens have the text of one before them");
    let plain = Tokenizer::from_metadata(&sentence_piece()).unwrap();
    for text in ["ab ab", "abba", " a b"] {
        assert_eq!(t.encode(text, Special::PIECE).unwrap(), plain.encode(text, Special::PIECE).unwrap(), "{text}");
    }
    assert_eq!(t.decode(&[264, 265], false), "ab ");
}

#[test]
fn the_first_of_two_control_tokens_of_a_text_is_found_and_both_end() {
    let mut m = byte_level();
    add(&mut m, &["<|eot_id|>", "<|eot_id|>"]);
    let mut types = m.i32s(TYPES).unwrap().unwrap().into_owned();
    types[265..].fill(3);
    m.insert(TYPES, Value::Array(Array::I32(types)));
    let t = noted(&m, "2 tokens have the text");
    assert_eq!(t.encode("<|eot_id|>", Special { add_bos: Some(false), parse: true }).unwrap(), [263]);
    assert_eq!(t.eot(), Some(263));
    assert!([263, 265, 266].into_iter().all(|id| t.is_end(id) && t.is_control(id)));
}

#[test]
fn empty_tokens() {
    for mut m in kinds() {
        add_bytes(&mut m, &[b"", b""]);
        let t = noted(&m, "2 tokens are empty");
        let n = t.vocabulary();
        assert_eq!((t.bytes(n - 1), t.decode(&[n - 2, n - 1], true)), (&b""[..], String::new()));
        assert_eq!(t.decode(&t.encode("ab", Special::PIECE).unwrap(), false).trim_start(), "ab");
    }
}

#[test]
fn tokens_with_a_nul() {
    for mut m in kinds() {
        add_bytes(&mut m, &[b"a\0b", b"\0"]);
        let t = Tokenizer::from_metadata(&m).unwrap();
        let n = t.vocabulary();
        assert_eq!(t.decode(&[n - 2], true), "a\0b");
        // Text with a NUL comes back as it was, through whatever tokens.
        assert_eq!(t.decode(&t.encode("a\0b\0", Special::PIECE).unwrap(), false).trim_start(), "a\0b\0");
    }
}

#[test]
fn tokens_that_are_not_utf_8() {
    for mut m in kinds() {
        // Latin-1, a half of a character and its other half, surrogates, and a token beside them.
        add_bytes(&mut m, &[b"caf\xe9", b"\xc3", b"\xbc", b"\xed\xa0\x80", b"\xff\xfe", b"xyz"]);
        let t = Tokenizer::from_metadata(&m).unwrap();
        let first = t.vocabulary() - 6;
        assert_eq!(t.bytes(first), b"caf\xe9");
        // Halves of a character make one.
        assert_eq!(t.decode(&[first + 1, first + 2], false), "\u{fc}");
        assert_eq!(t.token_text(first).as_deref(), Some("caf\u{fffd}"));
        // No text becomes one of them, and none is lost.
        let ids = t.encode("caf\u{e9} \u{fffd} xyz", Special::PIECE).unwrap();
        assert!(!ids.iter().any(|id| (first..first + 5).contains(id)), "{ids:?}");
        assert_eq!(t.decode(&ids, false).trim_start(), "caf\u{e9} \u{fffd} xyz");
    }
}

#[test]
fn merges_of_missing_tokens_are_left_out() {
    let mut m = byte_level();
    let list = ["h e", "q zz", "zz q", "l l", "a b", "he ll", "hell o"];
    m.insert("tokenizer.ggml.merges", strings(list));
    let t = noted(&m, "3 of 7 merges need tokens that the vocabulary does not have, the first `q zz`");
    assert_eq!(t.encode("helloabq", Special::PIECE).unwrap(), [259, 97, 98, 113]);
    let mut merges: Strings = list.iter().collect();
    merges.push_bytes(b"\xff \xfe");
    m.insert("tokenizer.ggml.merges", Value::Array(Array::Strings(merges)));
    noted(&m, "4 of 8 merges");
}

/// The byte-level vocabulary, but for some bytes.
fn without(bytes: &[u8]) -> crate::Result<Tokenizer> {
    let mut m = byte_level();
    let tokens = m.strings(TOKENS).unwrap().unwrap();
    let gone: Vec<String> = bytes.iter().map(|&byte| alphabet::byte_char(byte).to_string()).collect();
    let tokens = tokens.iter().map(|t| if gone.contains(&t.to_string()) { format!("[{t}]") } else { t.into() });
    let tokens: Vec<String> = tokens.collect();
    m.insert(TOKENS, strings(tokens));
    Tokenizer::from_metadata(&m)
}

#[test]
fn bytes_without_a_token_are_lost_and_the_load_says_so() {
    let t = without(&[0, 3, 0x80]).unwrap();
    assert!(t.notes()[0].starts_with("no token for 3 of the 256 bytes, the first 0x00"), "{:?}", t.notes());
    // Where a byte has gone its neighbours do not meet.
    assert_eq!(t.encode("hello h\0ello\u{3}", Special::PIECE).unwrap(), [259, 32, 104, 101, 257, 111]);
}

#[test]
fn bytes_that_no_text_has_need_no_token() {
    let t = without(&[0xc0, 0xc1, 0xf5, 0xf6, 0xff]).unwrap();
    assert!(t.notes().is_empty());
    let text: String = ('\0'..=char::MAX).step_by(97).collect();
    assert_eq!(t.decode(&t.encode(&text, Special::PIECE).unwrap(), false), text);
    for byte in [b'x', b'\n', b' '] {
        assert!(matches!(without(&[byte]), Err(Error::BadTokenizer { .. })), "{byte:#x}");
    }
}

#[test]
fn tables_of_other_widths_and_lengths() {
    for m in kinds() {
        let plain = Tokenizer::from_metadata(&m).unwrap();
        let types = m.i32s(TYPES).unwrap().unwrap().into_owned();
        let same = |m: &Metadata| {
            let t = Tokenizer::from_metadata(m).unwrap();
            for text in ["hello ab", "<|eot_id|></s>", "\u{e9}\n"] {
                assert_eq!(t.encode(text, Special::PARSED).unwrap(), plain.encode(text, Special::PARSED).unwrap());
            }
            t
        };
        let arrays = [
            Array::U8(types.iter().map(|&t| t as u8).collect()),
            Array::I8(types.iter().map(|&t| t as i8).collect()),
            Array::U16(types.iter().map(|&t| t as u16).collect()),
            Array::U32(types.iter().map(|&t| t as u32).collect()),
            Array::I64(types.iter().map(|&t| t.into()).collect()),
            Array::U64(types.iter().map(|&t| t as u64).collect()),
        ];
        for array in arrays {
            let mut m = m.clone();
            m.insert(TYPES, Value::Array(array));
            same(&m);
        }
        // Too long, cut after the last special token, none.
        let count = types.len();
        for length in [count + 3, count - 1, 0] {
            let mut m = m.clone();
            let mut types = types.clone();
            types.resize(length, 1);
            m.insert(TYPES, Value::Array(Array::I32(types)));
            noted(&m, &format!("`{TYPES}` has {length} entries for {count} tokens"));
            if length > count {
                same(&m);
            }
        }
        let mut bools = m.clone();
        bools.insert("tokenizer.ggml.add_bos_token", Value::U8(0));
        assert!(!Tokenizer::from_metadata(&bools).unwrap().add_bos());
        bools.insert("tokenizer.ggml.add_bos_token", Value::I32(1));
        assert!(Tokenizer::from_metadata(&bools).unwrap().add_bos());
        bools.insert("tokenizer.ggml.add_bos_token", Value::U8(2));
        assert!(matches!(Tokenizer::from_metadata(&bools), Err(Error::WrongType { .. })));
    }
}

#[test]
fn scores_of_other_widths_and_lengths() {
    let m = sentence_piece();
    let plain = Tokenizer::from_metadata(&m).unwrap();
    let scores = m.f32s("tokenizer.ggml.scores").unwrap().unwrap().into_owned();
    let with = |array: Array| {
        let mut m = m.clone();
        m.insert("tokenizer.ggml.scores", Value::Array(array));
        Tokenizer::from_metadata(&m)
    };
    for array in [
        Array::F64(scores.iter().map(|&s| s.into()).collect()),
        Array::I32(scores.iter().map(|&s| s as i32).collect()),
        Array::I16(scores.iter().map(|&s| s as i16).collect()),
        Array::F32([&scores[..], &[0.0; 9]].concat()),
    ] {
        let t = with(array).unwrap();
        assert_eq!(t.encode("ab abba", Special::TEXT).unwrap(), plain.encode("ab abba", Special::TEXT).unwrap());
    }
    // What goes before what would be a guess.
    for array in [Array::F32(scores[1..].to_vec()), Array::F32(Vec::new())] {
        assert!(matches!(with(array), Err(Error::BadTokenizer { reason }) if reason.contains("scores")));
    }
    // Byte-level merges have ranks, not scores.
    let mut m = byte_level();
    for array in [Array::F32(vec![1.0]), Array::F32(Vec::new()), Array::F64(vec![0.0; 999])] {
        m.insert("tokenizer.ggml.scores", Value::Array(array));
        assert_eq!(Tokenizer::from_metadata(&m).unwrap().encode("hello", Special::PIECE).unwrap(), [259]);
    }
}
