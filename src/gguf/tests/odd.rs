//! What other readers take: it loads, and the oddity is said.

use super::*;
use crate::Error;

/// The one value of a file, and its notes.
#[track_caller]
fn value(raw: &Raw) -> (Value, Vec<String>) {
    let file = read_in_every_chunking(&raw.0, &Limits::default()).unwrap();
    let (mut decoder, mut rest) = (Decoder::new(Limits::default()), &raw.0[..]);
    while !rest.is_empty() {
        rest = &rest[decoder.push(rest).unwrap().0..];
    }
    (file.metadata.iter().next().unwrap().1.clone(), decoder.notes().collect())
}

#[test]
fn strings_that_are_not_utf_8_are_shown_as_far_as_they_are() {
    for (bytes, shown, at) in [
        (&b"caf\xe9 model"[..], "caf\u{fffd} model", 48),
        (b"\xff", "\u{fffd}", 45),
        (b"ab\xc3", "ab\u{fffd}", 47),
        (b"\xed\xa0\x80x", "\u{fffd}\u{fffd}\u{fffd}x", 45),
        (b"a\xff\0\xfe", "a\u{fffd}\0\u{fffd}", 46),
    ] {
        let (found, notes) = value(&Raw::one_key("k").u32(8).u64(bytes.len() as u64).bytes(bytes));
        assert_eq!(found, Value::String(shown.to_owned()));
        assert!(notes.len() == 1 && notes[0].contains(&format!("`k` is not UTF-8 at byte {at}")), "{notes:?}");
    }
    let (_, notes) = value(&Raw::one_key("k").u32(8).string("caf\u{e9}"));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn arrays_keep_the_bytes_of_their_strings() {
    let raw = Raw::one_key("k").u32(9).u32(8).u64(4).string("ok").u64(1).u8(0xff).string("").u64(2).bytes(b"\xc3x");
    let (found, notes) = value(&raw);
    let Value::Array(Array::Strings(strings)) = found else { panic!("{found:?}") };
    assert!(strings.iter_bytes().eq([&b"ok"[..], b"\xff", b"", b"\xc3x"]));
    assert!(strings.iter().eq(["ok", "\u{fffd}", "", "\u{fffd}x"]));
    assert!(notes.len() == 1 && notes[0].contains("`k` has 2 strings that are not UTF-8"), "{notes:?}");
    assert!(notes[0].contains("byte 67"), "{notes:?}");
    // Written again, they are what they were.
    let mut metadata = Metadata::new();
    metadata.insert("k", Value::Array(Array::Strings(strings)));
    let file = Writer::new(Vec::new(), &metadata, &[]).unwrap().finish().unwrap();
    assert!(file.starts_with(&raw.0));
}

#[test]
fn keys_that_are_not_utf_8() {
    let raw = Raw::header(0, 1).u64(3).bytes(b"k\xe9y").u32(0).u8(7);
    let (found, notes) = value(&raw);
    assert_eq!(found, Value::U8(7));
    assert!(notes.len() == 1 && notes[0].contains("`k\u{fffd}y` is not UTF-8 at byte 33"), "{notes:?}");
}

#[test]
fn bools_of_more_than_1_are_true() {
    for byte in [2, 255] {
        let (found, notes) = value(&Raw::one_key("k").u32(7).u8(byte));
        assert_eq!(found, Value::Bool(true));
        assert_eq!(notes, [format!("`k` has a bool of {byte}: it is taken for true")]);
        let (found, notes) = value(&Raw::one_key("k").u32(9).u32(7).u64(4).bytes(&[0, 1, byte, 3]));
        assert_eq!(found, Value::Array(Array::Bool(vec![false, true, true, true])));
        assert_eq!(notes, [format!("`k` has a bool of {byte}: it is taken for true")]);
    }
}

#[test]
fn many_oddities_are_counted_and_many_bytes_refused() {
    let mut raw = Raw::header(0, 100);
    for i in 0..100 {
        raw = raw.string(&format!("k{i}")).u32(8).u64(1).u8(0x80);
    }
    let (_, notes) = value(&raw);
    assert_eq!((notes.len(), notes.last().unwrap().as_str()), (17, "84 more keys are odd in the same ways"));
    // A name is short; a megabyte of it is damage.
    let long = vec![0xffu8; (1 << 20) + 1];
    let raw = Raw::one_key("k").u32(8).u64(long.len() as u64).bytes(&long);
    let error = read(&raw.0, &Limits::default(), &[4096]).unwrap_err();
    assert!(matches!(error, Error::InvalidUtf8 { offset: 45, .. }), "{error}");
}
