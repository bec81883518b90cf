//! Tables of tokens and merges (CVE-2025-49847, CVE-2025-52566: lengths that change sign).

use super::file::{File, array, attack, numbers, string, strings, text, u32};
use super::{harmless, refuse, refused, test};
use b158::Error;

fn byte_level(change: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = File::byte_level();
    change(&mut file);
    file.bytes()
}

fn merges(list: &[&str]) -> Vec<u8> {
    byte_level(|file| file.set("tokenizer.ggml.merges", strings(list)))
}

/// The tokens of the file, the last one another.
fn last_token(token: &str) -> Vec<u8> {
    byte_level(|file| {
        let tokens = &mut file.keys.iter_mut().find(|key| key.name == b"tokenizer.ggml.tokens").unwrap().value;
        tokens.truncate(tokens.len() - text(b"aaaa").len());
        tokens.extend(text(token.as_bytes()));
    })
}

#[test]
fn merges_of_nothing() {
    for (name, list) in [
        ("no space", &["ab"][..]),
        ("two spaces", &["a b c"]),
        ("nothing before the space", &[" b"]),
        ("nothing after the space", &["a "]),
        ("no text", &[""]),
    ] {
        refused(
            name,
            &merges(list),
            |error| matches!(error, Error::BadTokenizer { reason } if reason.contains("merge")),
        );
    }
    refuse! {
        "no merges", byte_level(|file| file.remove("tokenizer.ggml.merges")) => Error::MissingKey { .. },
        "merges that are numbers", byte_level(|file| file.set("tokenizer.ggml.merges", numbers(5, &[1]))) => Error::WrongType { .. },
    }
    harmless("a token that is missing", &merges(&["a b", "q zz"]));
    harmless("a result that is missing", &merges(&["b a"]));
    // Each makes what another needs; none can make itself.
    harmless("merges in a circle", &merges(&["ab c", "a bc", "a b", "b c", "a b", "aa aa", "a a"]));
    harmless("no merges at all", &merges(&[]));
}

#[test]
fn tokens() {
    refuse! {
        "a token of 5,000 bytes", last_token(&"x".repeat(5000)) => Error::BadTokenizer { .. },
        "no tokens", attack(|file| file.set("tokenizer.ggml.tokens", strings(&[""; 0]))) => Error::BadTokenizer { .. },
        "no table of tokens", attack(|file| file.remove("tokenizer.ggml.tokens")) => Error::MissingKey { .. },
        "a token of 2^31 bytes", attack(|file| file.set("tokenizer.ggml.tokens", array(8, 1, &(1u64 << 31).to_le_bytes())))
            => Error::BeyondEnd { .. },
        "a byte that has no token", byte_level(|file| {
            let tokens = &mut file.keys.iter_mut().find(|key| key.name == b"tokenizer.ggml.tokens").unwrap();
            let at = tokens.value.windows(9).position(|bytes| bytes == text(b"x")).unwrap();
            tokens.value[at + 8] = b'\x01';
        }) => Error::BadTokenizer { .. },
        "byte token <0x-1>", attack(|file| {
            let tokens = &mut file.keys.iter_mut().find(|key| key.name == b"tokenizer.ggml.tokens").unwrap();
            let at = tokens.value.windows(6).position(|bytes| bytes == b"<0x41>").unwrap();
            tokens.value[at..at + 6].copy_from_slice(b"<0x-1>");
        }) => Error::BadTokenizer { reason } if reason.contains("<0x-1>"),
    }
}

#[test]
fn tables_of_another_length() {
    for (name, value) in
        [("3 scores", numbers(6, &[0; 3])), ("262 scores", numbers(6, &[0; 262])), ("no scores", numbers(6, &[]))]
    {
        let file = attack(|file| file.set("tokenizer.ggml.scores", value));
        refused(
            name,
            &file,
            |error| matches!(error, Error::BadTokenizer { reason } if reason.contains("for 263 tokens")),
        );
    }
    harmless("264 scores", &attack(|file| file.set("tokenizer.ggml.scores", numbers(6, &[0; 264]))));
    for count in [0, 3, 262, 264] {
        let types = numbers(5, &vec![1; count]);
        let loaded = harmless("types of other lengths", &attack(|file| file.set("tokenizer.ggml.token_type", types)));
        assert!(loaded.notes.iter().any(|note| note.contains("entries for 263 tokens")), "{:?}", loaded.notes);
    }
    refuse! {
        "a type of 7", attack(|file| file.set("tokenizer.ggml.token_type", numbers(5, &[7; 263]))) => Error::BadTokenizer { .. },
        "a type of -1", attack(|file| file.set("tokenizer.ggml.token_type", numbers(5, &[u32::MAX; 263]))) => Error::BadTokenizer { .. },
        "two tokens in all", attack(|file| file.set("tokenizer.ggml.tokens", strings(&["a", "b"]))) => Error::BadTokenizer { .. },
    }
    harmless(
        "scores that are NaN",
        &attack(|file| file.set("tokenizer.ggml.scores", numbers(6, &[f32::NAN.to_bits(); 263]))),
    );
}

#[test]
fn ids_beyond_the_vocabulary() {
    for name in ["bos", "eos", "padding", "unknown", "eot", "eom", "mask", "fim_pad"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        for (shown, value) in [
            ("263", u32(263)),
            ("4294967295", u32(u32::MAX)),
            ("-1", (5, (-1i32).to_le_bytes().to_vec())),
            ("-9223372036854775808", (11, i64::MIN.to_le_bytes().to_vec())),
        ] {
            let loaded = harmless(name, &attack(|file| file.set(&key, value)));
            let note = format!("`{key}` is {shown}, which is none of the 263 tokens");
            assert!(loaded.notes.iter().any(|found| found.contains(&note)), "{:?}", loaded.notes);
        }
    }
    let file = attack(|file| file.set("tokenizer.ggml.eos_token_id", string("</s>")));
    refused("eos by its name", &file, |error| matches!(error, Error::WrongType { .. }));
}

/// What other readers take too, with a note.
#[test]
fn odd_tokens() {
    for (name, note, file) in [
        ("two tokens alike", "have the text of one before them", last_token("ab")),
        ("an empty token", "are empty", last_token("")),
        ("a byte's token twice", "have the text of one before them", last_token("a")),
        (
            "a token that is not UTF-8",
            "`tokenizer.ggml.tokens` has 1 strings that are not UTF-8",
            byte_level(|file| {
                let tokens = file.keys.iter_mut().find(|key| key.name == b"tokenizer.ggml.tokens").unwrap();
                *tokens.value.last_mut().unwrap() = 0xe9;
            }),
        ),
    ] {
        let loaded = harmless(name, &file);
        assert!(loaded.notes.iter().any(|found| found.contains(note)), "{name}: {:?}", loaded.notes);
    }
    harmless("a token with a NUL", &last_token("a\0a"));
}

#[test]
fn kinds() {
    refuse! {
        "unknown kind", attack(|file| file.set("tokenizer.ggml.model", string("bert"))) => Error::BadTokenizer { .. },
        "no kind", attack(|file| file.remove("tokenizer.ggml.model")) => Error::MissingKey { .. },
        "unknown splitter", byte_level(|file| file.set("tokenizer.ggml.pre", string("../../etc"))) => Error::BadTokenizer { .. },
        "a splitter that is a number", byte_level(|file| file.set("tokenizer.ggml.pre", u32(1))) => Error::WrongType { .. },
    }
}
