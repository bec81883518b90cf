//! Attacks on headers and indexes, and files that are only odd.

use super::*;
use crate::Result;
use proptest::prelude::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A file of this header and so many bytes of data.
fn file(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
}

fn read(file: &[u8]) -> Result<Header> {
    Header::read("model.safetensors", file.len() as u64, |offset, out| {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&file[at..at + out.len()]);
        Ok(())
    })
}

/// The message of a file that is refused; it names the file.
fn refused(file: &[u8]) -> String {
    let message = read(file).unwrap_err().to_string();
    assert!(message.starts_with("model.safetensors: ") && message.len() < 1000, "{message}");
    message
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

const TWO: &str =
    r#"{"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}"#;

#[test]
fn a_header_in_any_order_gives_the_tensors_in_that_of_their_bytes() {
    let header = read(&file(TWO, 7)).unwrap();
    let start = 8 + TWO.len() as u64;
    let tensor = |name: &str, dtype, shape: &[u64], offset, size| Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        offset: start + offset,
        size,
    };
    assert_eq!(header.tensors, [tensor("a", DType::BF16, &[1, 2], 0, 4), tensor("b", DType::U8, &[3], 4, 3)]);
}

#[test]
fn odd_headers_are_read() {
    // Padding, another text beside, escapes, a number by itself, and a tensor of no elements anywhere.
    for (json, data) in [
        (format!("{TWO}{}", " ".repeat(70_001)), 7),
        (TWO.replacen('{', r#"{"__metadata__":{"format":"pt","x":""},"#, 1), 7),
        (TWO.replacen('{', r#"{"__metadata__":null,"#, 1), 7),
        (TWO.replace(r#""a""#, r#""\u0061""#), 7),
        (r#"{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4],"later":[[]]}}"#.to_owned(), 4),
        (TWO.replacen('{', r#"{"e":{"dtype":"F32","shape":[0,256],"data_offsets":[4,4]},"#, 1), 7),
        ("{}".to_owned(), 0),
    ] {
        let header = read(&file(&json, data)).unwrap();
        assert_eq!(header.tensors.iter().map(|t| t.size).sum::<u64>(), data as u64, "{json:.80}");
    }
}

#[test]
fn attack_length_beyond_the_file() {
    for length in [8, 8 + TWO.len() as u64] {
        let mut attack = file(TWO, 7);
        attack[..8].copy_from_slice(&(TWO.len() as u64 + length).to_le_bytes());
        says(&refused(&attack), &["header", "cut short"]);
    }
    for bytes in 0..8 {
        refused(&file(TWO, 7)[..bytes]);
    }
}

#[test]
fn attack_length_over_the_limit_asks_for_no_memory() {
    for length in [MAX_HEADER + 1, u64::MAX, 1 << 63] {
        let mut asked = 0;
        let refused = Header::read("f", u64::MAX, |offset, out| {
            asked += out.len();
            out.fill(b'{');
            if offset == 0 {
                out[..8].copy_from_slice(&length.to_le_bytes());
            }
            Ok(())
        });
        says(&refused.unwrap_err().to_string(), &["header", "limit", "100000000"]);
        assert!(asked < 1000);
    }
}

#[test]
fn attack_something_else_under_the_name() {
    let page = "<!DOCTYPE html>\n<html><title>429</title></html>".repeat(20);
    for (bytes, word) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1178623988\n"[..], "Git LFS pointer"),
        (page.as_bytes(), "web page"),
        (b"Entry not found", "Entry not found"),
        (b"no", "text (`no`)"),
        (b"", "empty"),
        (b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0", "header"),
        (&[0; 64], "no JSON object"),
    ] {
        says(&refused(bytes), &[word]);
    }
}

#[test]
fn attack_json() {
    for (json, word) in [
        (TWO.replace(r#""b":{"#, r#""b":["#), "its header"),
        (format!("{}x", &TWO[..TWO.len() - 1]), "its header"),
        (format!("[{TWO}]"), "no JSON object"),
        (format!("{TWO}{}", "\0".repeat(13)), "trailing"),
        (format!("{TWO} {{}}"), "trailing"),
        (TWO.replace("[4,7]", "[4,7,8]"), "`b`"),
        (TWO.replace("[4,7]", "[4]"), "`b`"),
        (TWO.replace("[4,7]", r#"["4","7"]"#), "`b`"),
        (TWO.replace("[4,7]", "[4.0,7.0]"), "`b`"),
        (TWO.replace("[3]", "[-3]"), "`b`"),
        (TWO.replace("[3]", "3"), "`b`"),
        (TWO.replace("[3]", "[18446744073709551616]"), "`b`"),
        (TWO.replace(r#""dtype":"U8","#, ""), "`dtype`"),
        (TWO.replace(r#""dtype":"U8","#, r#""dtype":"U8","dtype":"I8","#), "dtype"),
        (TWO.replacen('{', r#"{"__metadata__":[],"#, 1), "strings"),
        (TWO.replacen('{', r#"{"__metadata__":{"a":1},"#, 1), "string"),
    ] {
        says(&refused(&file(&json, 7)), &[word]);
    }
    let mut bytes = file(TWO, 7);
    bytes[10] = 0xff;
    says(&refused(&bytes), &["its header"]);
}

#[test]
fn attack_depth() {
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        for within in ["", r#""dtype":"U8","shape":[3],"data_offsets":[4,7],"#] {
            let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
            let json = TWO.replacen('{', &format!("{{\"x\":{{{within}\"y\":{deep}}},"), 1);
            // Whatever it says of so deep a thing, no stack ends in it.
            refused(&file(&json, 7));
        }
    }
}

#[test]
fn attack_names() {
    let named = |name: &str| file(&TWO.replace(r#""b""#, &format!("\"{name}\"")), 7);
    says(&refused(&named("a")), &["`a`", "twice"]);
    says(&refused(&named(r"\u0061")), &["`a`", "twice"]);
    for name in ["", r"x\u0000y", &"n".repeat(513)] {
        says(&refused(&named(name)), &["name"]);
    }
    assert!(read(&named(&"n".repeat(512))).is_ok());
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    says(&refused(&file(metadata, 0)), &["__metadata__", "twice"]);
}

#[test]
fn attack_counts() {
    let entry = r#":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
    let many = |count: usize| (0..count).map(|i| format!("\"{i}\"{entry}")).collect::<Vec<_>>().join(",");
    assert_eq!(read(&file(&format!("{{{}}}", many(MAX_TENSORS)), 0)).unwrap().tensors.len(), MAX_TENSORS);
    says(&refused(&file(&format!("{{{}}}", many(MAX_TENSORS + 1)), 0)), &["more than 65536"]);
    let ones = vec!["1"; 1 << 20].join(",");
    says(&refused(&file(&TWO.replace("[3]", &format!("[{ones}]")), 7)), &["`b`", "more than 8"]);
    says(&refused(&file(&TWO.replace("[4,7]", &format!("[{ones}]")), 7)), &["`b`"]);
}

#[test]
fn attack_offsets() {
    for (from, to, words) in [
        ("[4,7]", "[7,4]", &["`b`", "end at 4", "begin at 7"][..]),
        ("[4,7]", "[5,8]", &["`b`", "gap"]),
        ("[4,7]", "[3,6]", &["`b`", "overlap"]),
        ("[4,7]", "[0,3]", &["offset 0", "overlap"]),
        ("[4,7]", "[4,8]", &["`b`", "shape"]),
        ("[4,7]", "[18446744073709551612,18446744073709551615]", &["`b`", "gap"]),
        ("[0,4]", "[1,5]", &["`a`", "gap"]),
    ] {
        says(&refused(&file(&TWO.replace(from, to), 7)), words);
    }
    says(&refused(&file(TWO, 6)), &["incomplete"]);
    says(&refused(&file(TWO, 71)), &["64 bytes", "none"]);
    says(&refused(&file("{}", 1)), &["1 bytes", "none"]);
}

#[test]
fn attack_shapes_whose_product_overflows() {
    for shape in
        ["[8589934592,2147483936,256]", "[18446744073709551615,2]", "[2305843009213693952]", "[4294967296,4294967296]"]
    {
        for dtype in ["U8", "F64"] {
            let json = TWO.replace("[3]", shape).replace("U8", dtype);
            says(&refused(&file(&json, 7)), &["`b`", "shape"]);
        }
    }
    // Nothing of anything is nothing, and of many is still a product that must be.
    assert_eq!(DType::U8.size_of(&[0, u64::MAX, u64::MAX]), Some(0));
    assert_eq!(DType::F4.size_of(&[3]), None);
    assert_eq!(DType::F6_E2M3.size_of(&[4]), Some(3));
}

#[test]
fn attack_types_of_tomorrow() {
    says(&refused(&file(&TWO.replace("U8", "Q4_7"), 7)), &["`b`", "Q4_7", "type"]);
    let long = "X".repeat(1 << 20);
    says(&refused(&file(&TWO.replace("U8", &long), 7)), &["`b`", "type"]);
    assert_eq!(DType::F8_E4M3.to_string(), "F8_E4M3");
}

#[test]
fn an_index_names_files_of_its_own_folder() {
    let parse = |json: &str| Index::parse("model.safetensors.index.json", json.as_bytes());
    let index = parse(
        r#"{"metadata":{"total_size":1},"weight_map":{"a":"2.safetensors","b":"1 x.safetensors","c":"2.safetensors"}}"#,
    );
    assert_eq!(index.unwrap().files(), ["2.safetensors", "1 x.safetensors"]);
    for (json, word) in [
        (r#"{"weight_map":{}}"#, "no tensors"),
        (r#"{"metadata":{}}"#, "weight_map"),
        (r#"{"weight_map":[]}"#, "object"),
        (r#"[]"#, "weight_map"),
        (r#"{"weight_map":{"a":1}}"#, "`a`"),
        (r#"{"weight_map":{"a":"x"},"weight_map":{"a":"x"}}"#, "twice"),
        (r#"{"weight_map":{"a":"x","a":"y"}}"#, "twice"),
        (r#"{"weight_map":{"a":"../x"}}"#, "outside"),
        (r#"{"weight_map":{"a":".."}}"#, "outside"),
        (r#"{"weight_map":{"a":""}}"#, "outside"),
        (r#"{"weight_map":{"a":"/etc/passwd"}}"#, "outside"),
        (r#"{"weight_map":{"a":"C:\\x"}}"#, "outside"),
        (r#"{"weight_map":{"a":"x\u0000"}}"#, "outside"),
        ("", "empty"),
        ("Entry not found", "Entry not found"),
    ] {
        let message = parse(json).unwrap_err().to_string();
        says(&message, &[word, "model.safetensors.index.json"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if cfg!(target_family = "wasm") { 20 } else { 200 })
    })]

    /// Whatever is written so is read so, in any order, and a byte more or less is refused.
    #[test]
    fn what_is_written_is_read(shapes in proptest::collection::vec(proptest::collection::vec(0u64..9, 0..4), 0..9), turn in 0usize..9) {
        let mut entries = Vec::new();
        let mut at = 0;
        for (i, shape) in shapes.iter().enumerate() {
            let end = at + DType::F32.size_of(shape).unwrap();
            entries.push(format!(r#""t{i}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{at},{end}]}}"#));
            at = end;
        }
        if !entries.is_empty() {
            let turn = turn % entries.len();
            entries.rotate_left(turn);
        }
        let bytes = file(&format!("{{{}}}", entries.join(",")), usize::try_from(at).unwrap());
        let header = read(&bytes).unwrap();
        prop_assert_eq!(header.tensors.len(), shapes.len());
        for tensor in &header.tensors {
            let i: usize = tensor.name[1..].parse().unwrap();
            prop_assert_eq!(&tensor.shape, &shapes[i]);
        }
        prop_assert!(read(&[&bytes[..], &[0]].concat()).is_err());
        prop_assert!(read(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn any_bytes_give_an_answer(length in 0u64..80, text in "[{}\\[\\]\":,a-f0-9 ]{0,64}", data in 0usize..9) {
        let bytes = [&length.to_le_bytes()[..], text.as_bytes(), &vec![0; data]].concat();
        let _ = read(&bytes);
    }
}
