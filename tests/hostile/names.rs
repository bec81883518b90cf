//! Strings for people, and keys that nothing reads: whatever they are, the model loads, and what is odd is said.

use super::file::{BOOL, Key, STRING, attack, numbers, text, u32};
use super::{harmless, test};

#[track_caller]
fn noted(name: &str, file: &[u8], note: &str) -> Option<String> {
    let loaded = harmless(name, file);
    assert!(loaded.notes.iter().any(|found| found.contains(note)), "{name}: {:?}", loaded.notes);
    loaded.name
}

#[test]
fn names_that_are_not_utf_8() {
    for (bytes, shown) in [
        (&b"caf\xe9"[..], "caf\u{fffd}"),
        (b"\xff\xfeM\0", "\u{fffd}\u{fffd}M\0"),
        (b"\xc3", "\u{fffd}"),
        (b"\xf0\x9f\xa6", "\u{fffd}"),
    ] {
        let file = attack(|file| file.set("general.name", (STRING, text(bytes))));
        let name = noted("a name", &file, "`general.name` is not UTF-8");
        assert_eq!(name.as_deref(), Some(shown));
    }
    for key in ["general.description", "general.author", "general.license", "tokenizer.ggml.comment", "x"] {
        let file = attack(|file| file.set(key, (STRING, text(b"M\xfcller"))));
        noted(key, &file, &format!("`{key}` is not UTF-8"));
    }
    let file = attack(|file| {
        let key = Key { name: b"general.gr\xf6\xdfe".to_vec(), name_length: None, kind: 0, value: vec![1] };
        file.keys.insert(0, key);
    });
    noted("a key", &file, "`general.gr\u{fffd}\u{fffd}e` is not UTF-8");
}

#[test]
fn names_that_are_no_strings() {
    for (value, kind) in [(u32(1), "u32"), (numbers(5, &[1, 2]), "array of i32"), ((BOOL, vec![1]), "bool")] {
        let file = attack(|file| file.set("general.name", value));
        assert_eq!(noted(kind, &file, &format!("`general.name` is {kind}, not a string")), None);
    }
}

#[test]
fn bools_of_more_than_1() {
    for byte in [2, 255] {
        let file = attack(|file| file.set("tokenizer.ggml.add_bos_token", (BOOL, vec![byte])));
        noted("a bool", &file, &format!("`tokenizer.ggml.add_bos_token` has a bool of {byte}"));
    }
}
