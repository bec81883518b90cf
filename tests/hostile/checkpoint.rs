//! Checkpoints whose weights are not what they say, and such as are only odd: on the way that `b158 convert` and opening share.

use super::checkpoint_files::{Files, convert, s1a, s1b, s1c, s1d};
use super::peak;
use super::safetensors::{Entry, Safetensors, with_header};
use b158::convert::{Converter, Options};
use b158::safetensors::DType;
use serde_json::json;

#[cfg(not(target_family = "wasm"))]
use core::prelude::v1::test;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const ONE: &str = "model-00001-of-00002.safetensors";
const TWO: &str = "model-00002-of-00002.safetensors";
const UP: &str = "mlp.up_proj.weight";
const Q: &str = "self_attn.q_proj.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

/// A checkpoint with other weights.
fn with(mut files: Files, change: impl FnOnce(&mut Safetensors)) -> Files {
    let mut weights = Safetensors::read(files.get(WEIGHTS));
    change(&mut weights);
    files.put(WEIGHTS, weights.bytes());
    files
}

/// The same with a change of its header's text.
fn with_text(mut files: Files, change: impl FnOnce(&str) -> String) -> Files {
    let weights = Safetensors::read(files.get(WEIGHTS));
    files.put(WEIGHTS, with_header(&change(&weights.header()), &weights.data()));
    files
}

fn without(mut files: Files, name: &str) -> Files {
    files.remove(name);
    files
}

fn put(mut files: Files, name: &str, bytes: impl Into<Vec<u8>>) -> Files {
    files.put(name, bytes);
    files
}

fn with_index(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> Files {
    let mut files = s1d();
    files.edit(INDEX, |index| change(index["weight_map"].as_object_mut().unwrap()));
    files
}

/// It is refused in these words, without much memory, and stays so.
#[track_caller]
fn refused(files: &Files, words: &[&str]) {
    let mut refusal = None;
    let most = peak(|| {
        refusal = match Converter::new(files.clone(), Options::default()) {
            Err(error) => Some(error),
            Ok(mut converter) => {
                let first = loop {
                    match converter.next_bytes() {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                assert_eq!(converter.next_bytes().err(), first, "an error stays");
                first
            }
        };
    });
    let message = refusal.unwrap_or_else(|| panic!("it is taken: {words:?}")).to_string();
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
    assert!(message.len() < 1000 && most < 16 << 20, "{most} bytes; {message}");
}

/// The GGUF, and what is said of it.
#[track_caller]
fn converted(files: Files) -> (Vec<u8>, String) {
    let mut converter = Converter::new(files, Options::default()).unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = converter.next_bytes().unwrap() {
        bytes.extend_from_slice(piece);
    }
    (bytes, converter.notes().join("\n"))
}

/// It is taken for what it was, with these words or none.
#[track_caller]
fn same(was: Files, files: Files, words: &[&str]) {
    let (bytes, notes) = converted(files);
    assert!(bytes == convert(was, Options::default()).unwrap(), "it is another model: {notes}");
    for word in words {
        assert!(notes.contains(word), "no `{word}` in: {notes}");
    }
    assert!(!words.is_empty() || notes.is_empty(), "{notes}");
}

#[test]
fn what_downloads_leave_under_a_file_s_name() {
    let whole = s1a().get(WEIGHTS).to_vec();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0b158\nsize 1178623988\n";
    for (bytes, word) in [
        (pointer.as_bytes(), "git lfs pull"),
        (&whole[..whole.len() - 1000], "incomplete"),
        (b"", "empty"),
        (&whole[..7], "7 bytes"),
        (&whole[..300], "cut short"),
        (b"<!DOCTYPE html>\n<html><head><title>429</title></head></html>", "web page"),
        (b"Entry not found", "Entry not found"),
    ] {
        refused(&put(s1a(), WEIGHTS, bytes), &[WEIGHTS, word]);
    }
    refused(&put(s1a(), WEIGHTS, [&whole[..], &[0; 64]].concat()), &[WEIGHTS, "64 bytes"]);
}

#[test]
fn headers_of_any_form() {
    same(s1a(), with_text(s1a(), |json| format!("{json}{}", " ".repeat(70_001))), &[]);
    same(s1a(), with_text(s1a(), |json| json.replace("embed_tokens", r"embed\u005ftokens")), &[]);
    same(s1a(), with_text(s1a(), |json| json.replacen('{', r#"{"__metadata__":{"format":"pt"},"#, 1)), &[]);
    let twice = |json: &str| json.replace("k_proj.weight\"", "q_proj.weight\"");
    refused(&with_text(s1a(), twice), &["q_proj", "twice"]);
    refused(&with_text(s1a(), |json| json.replacen(":{", ":[", 1)), &[WEIGHTS, "header"]);
    refused(&with_text(s1a(), |json| json.replacen("[0,", "[-8,", 1)), &[WEIGHTS, "header"]);
    refused(&with_text(s1a(), |json| json.replace(r#""dtype":"U8""#, r#""dtype":"Q4_7""#)), &["_proj", "Q4_7"]);
}

#[test]
fn indexes_that_do_not_fit_their_files() {
    refused(&without(s1d(), TWO), &[TWO, "missing"]);
    refused(&without(s1d(), INDEX), &[INDEX, "missing"]);
    let up = format!("model.layers.0.{UP}");
    refused(&with_index(|map| map[&up] = json!(ONE)), &["up_proj", ONE]);
    refused(&with_index(|map| map[&up] = json!("../outside.safetensors")), &[INDEX, "outside"]);
    refused(&with_index(|map| map[&up] = json!("model-00003-of-00003.safetensors")), &["model-00003", "missing"]);
    refused(&with_index(serde_json::Map::clear), &[INDEX, "weight_map"]);
    refused(&with_index(|map| drop(map.remove(&up))), &["up_proj", "missing"]);
    let text = |files: &Files| String::from_utf8(files.get(INDEX).to_vec()).unwrap();
    let twice = text(&s1d()).replacen("\"weight_map\"", "\"weight_map\": {}, \"weight_map\"", 1);
    refused(&put(s1d(), INDEX, twice), &[INDEX, "twice"]);
    for (other, word) in [
        ("", "empty"),
        ("version https://git-lfs.github.com/spec/v1\nsize 1710\n", "Git LFS pointer"),
        ("<!DOCTYPE html><title>429</title>", "web page"),
        ("Entry not found", "Entry not found"),
        ("{\"weight_map\": {", "damaged"),
    ] {
        refused(&put(s1d(), INDEX, other), &[INDEX, word]);
    }
    for within in ["shards/", "./"] {
        refused(&with_index(|map| map[&up] = json!(format!("{within}{TWO}"))), &[INDEX, within, "beside the index"]);
    }
    same(s1d(), put(s1d(), INDEX, format!("\u{feff}{}", text(&s1d()))), &[]);

    let mut files = s1d();
    files.edit(INDEX, |index| drop(index.as_object_mut().unwrap().remove("metadata")));
    same(s1d(), files, &[]);
    let renamed = |name: &serde_json::Value| json!(format!("part {}", name.as_str().unwrap()));
    let mut files = with_index(|map| map.values_mut().for_each(|name| *name = renamed(name)));
    for name in [ONE, TWO] {
        files = without(put(files.clone(), &format!("part {name}"), files.get(name)), name);
    }
    same(s1d(), files, &[]);
    let stray = put(s1d(), "model-00003-of-00003.safetensors", s1d().get(ONE));
    same(s1d(), stray, &["model-00003-of-00003.safetensors"]);
    same(s1a(), put(s1a(), "consolidated.safetensors", "not looked at"), &["consolidated.safetensors"]);
    same(s1a(), put(s1a(), INDEX, "not looked at"), &[INDEX]);
    let renamed = without(put(s1a(), "weights.safetensors", s1a().get(WEIGHTS)), WEIGHTS);
    same(s1a(), renamed, &["weights.safetensors"]);
}

#[test]
fn folders_that_hold_something_else() {
    refused(&Files::default(), &["model.safetensors", "config.json"]);
    refused(&without(s1a(), "config.json"), &["config.json", "missing"]);
    refused(&put(without(s1a(), WEIGHTS), "pytorch_model.bin", "PK"), &["pytorch_model.bin", "pickle"]);
    refused(&put(without(s1a(), WEIGHTS), "adapter_model.safetensors", "x"), &["adapter"]);
    refused(&put(without(s1a(), WEIGHTS), "m.gguf", "GGUF"), &["m.gguf", "that file"]);
    refused(&put(without(s1a(), WEIGHTS), "model.safetensors.incomplete", "x"), &[".incomplete", "download"]);
    let training = ["optimizer.pt", "trainer_state.json", "special_tokens_map.json"];
    same(s1a(), training.iter().fold(s1a(), |files, name| put(files, name, "{}")), &[]);
}

#[test]
fn tensors_of_other_types_and_shapes() {
    refused(&with(s1a(), |t| t.get(UP).dtype = "F8_E4M3".into()), &["up_proj", "F8_E4M3"]);
    refused(&with(s1a(), |t| t.get(UP).dtype = "BOOL".into()), &["up_proj", "BOOL"]);
    refused(&with(s1a(), |t| t.get("model.norm.weight").dtype = "I16".into()), &["model.norm.weight", "I16"]);
    refused(&with(s1a(), |t| t.get(EMBEDDING).shape.reverse()), &["embed_tokens", "256 rows"]);
    refused(&with(s1a(), |t| t.get(UP).shape = vec![512, 64]), &["up_proj", "[512, 64]", "[128, 256]"]);
    refused(&with(s1a(), |t| t.get(UP).shape = vec![128 * 256]), &["up_proj", "[32768]"]);
    let fewer_rows = |entry: &mut Entry| {
        entry.shape[0] -= 1;
        entry.data.truncate(entry.data.len() - 256);
    };
    refused(&with(s1a(), |t| fewer_rows(t.get(Q))), &["q_proj", "63"]);
    let empty = |t: &mut Safetensors| t.push("unused.empty", DType::F32, &[0, 256], Vec::new());
    same(s1a(), with(s1a(), empty), &["unused.empty", "not used"]);
    let widened = |t: &mut Safetensors| {
        for entry in t.0.iter_mut().filter(|entry| entry.dtype == "BF16") {
            entry.dtype = "F32".to_owned();
            entry.data = entry.data.chunks(2).flat_map(|half| [0, 0, half[0], half[1]]).collect();
        }
    };
    same(s1a(), with(s1a(), widened), &[]);
    same(s1b(), with(s1b(), widened), &[]);
}

#[test]
fn scales_that_are_none() {
    let scale = format!("{Q}_scale");
    refused(&with(s1a(), |t| drop(t.remove(&scale))), &["q_proj.weight_scale", "missing"]);
    for (bytes, shown) in [([0, 0], "0"), ([0, 0x80], "-0"), ([0xc0, 0x7f], "NaN"), ([0x80, 0x7f], "inf")] {
        refused(&with(s1a(), |t| t.get(&scale).data = bytes.into()), &["q_proj", shown, "scale"]);
        refused(&with(s1c(), |t| t.get(&scale).data = bytes.into()), &["q_proj", shown, "scale"]);
    }
    // The reciprocal of the smallest numbers is none.
    refused(&with(s1c(), |t| t.get(&scale).data = vec![1, 0]), &["q_proj", "scale"]);
    let for_each_row = |entry: &mut Entry| {
        entry.shape = vec![256];
        entry.data = entry.data.repeat(256);
    };
    refused(&with(s1a(), |t| for_each_row(t.get(&scale))), &["q_proj", "[256]", "one number"]);
    refused(&with(s1a(), |t| t.get(&scale).dtype = "I16".into()), &["q_proj", "I16"]);
    same(s1a(), with(s1a(), |t| t.get(&scale).shape = Vec::new()), &[]);
    let negative = with(s1a(), |t| t.get(&scale).data[1] |= 0x80);
    assert!(converted(negative).0 != converted(s1a()).0);
}

#[test]
fn what_a_scale_is_worth_is_told_by_its_class_and_not_by_its_value() {
    let of_class = |class: serde_json::Value, exponent: u8| {
        let mut files = with(s1a(), |t| {
            let scales = t.0.iter_mut().filter(|entry| entry.name.ends_with("_scale"));
            scales.for_each(|entry| entry.data = vec![0x80, exponent]);
        });
        files.edit("config.json", |config| config["quantization_config"]["linear_class"] = class);
        converted(files).0
    };
    // 4 and 1/4.
    assert!(of_class(json!("bitlinear"), 0x40) == of_class(json!("autobitlinear"), 0x3e));
    assert!(of_class(json!("bitlinear"), 0x40) != of_class(json!("autobitlinear"), 0x40));
    assert!(of_class(json!(null), 0x40) == of_class(json!("bitlinear"), 0x40));
    let mut files = s1a();
    files.edit("config.json", |config| drop(config.as_object_mut().unwrap().remove("quantization_config")));
    refused(&files, &["config.json", "quantization_config", "linear_class"]);
}

#[test]
fn codes_that_are_none_and_matrices_of_nothing() {
    for (byte, shift) in [(0, 0), (1000, 2), (128 * 256 - 1, 6)] {
        let place = [format!("row {}", byte / 256), format!("column {}", byte % 256)];
        let words = ["up_proj", "code 3", &place[0], &place[1]];
        refused(&with(s1a(), |t| t.get(UP).data[byte] |= 3 << shift), &words);
    }
    let (_, notes) = converted(with(s1a(), |t| t.get(UP).data.fill(0x55)));
    assert!(notes.contains("up_proj") && notes.contains("zero"), "{notes}");
    let (_, notes) = converted(with(s1b(), |t| t.get(UP).data.fill(0)));
    assert!(notes.contains("up_proj") && notes.contains("zero"), "{notes}");
    for (files, name) in [(s1a(), EMBEDDING), (s1c(), "lm_head.weight"), (s1a(), "mlp.ffn_sub_norm.weight")] {
        let (_, notes) = converted(with(files, |t| t.get(name).data.fill(0)));
        assert!(notes.contains(name) && notes.contains("zero"), "{notes}");
    }
    refused(&with(s1b(), |t| t.get(UP).data[1000..1002].copy_from_slice(&[0xc0, 0x7f])), &["up_proj", "NaN"]);
    refused(&with(s1a(), |t| t.get(EMBEDDING).data[512 * 5 + 1] = 0x7f), &["embed_tokens", "F16"]);
}

#[test]
fn modes_that_contradict_the_tensors() {
    let mode = |mut files: Files, mode: &str| {
        files.edit("config.json", |config| config["quantization_config"]["quantization_mode"] = json!(mode));
        files
    };
    same(s1a(), mode(s1a(), "online"), &["quantization_mode", "packed"]);
    same(s1b(), mode(s1b(), "offline"), &["quantization_mode", "not packed"]);
    // Without a word about it floats must be ternary already.
    let mut files = s1b();
    files.edit("config.json", |config| drop(config.as_object_mut().unwrap().remove("quantization_config")));
    refused(&files, &["q_proj", "not ternary", "quantization_config"]);
    let ternary = |t: &mut Safetensors| {
        for entry in t.0.iter_mut().filter(|entry| entry.name.contains("_proj")) {
            // 3/4, 0 and -3/4.
            let halves = entry.data.chunks(2).map(|half| match half[0] % 3 {
                0 => [0x40, 0x3f],
                1 => [0x40, 0xbf],
                _ => [0, 0],
            });
            entry.data = halves.flatten().collect();
        }
    };
    let (_, notes) = converted(with(files, ternary));
    assert!(notes.contains("quantization_config"), "{notes}");
}

#[test]
fn tensors_without_a_place_and_places_without_a_tensor() {
    for name in ["model.norm.weight", "mlp.ffn_sub_norm.weight", "input_layernorm.weight", UP, EMBEDDING] {
        refused(&with(s1a(), |t| drop(t.remove(name))), &[name, "missing"]);
    }
    refused(&with(s1c(), |t| drop(t.remove("lm_head.weight"))), &["lm_head.weight", "missing"]);
    let bias = |t: &mut Safetensors| t.push("model.layers.0.self_attn.q_proj.bias", DType::F32, &[256], vec![0; 1024]);
    refused(&with(s1a(), bias), &["q_proj.bias", "no place"]);
    let angles =
        |t: &mut Safetensors| t.push("model.layers.0.self_attn.rotary_emb.inv_freq", DType::F32, &[1], vec![0; 4]);
    same(s1a(), with(s1a(), angles), &[]);
    let head = |t: &mut Safetensors| {
        let data = t.get(EMBEDDING).data.clone();
        t.push("lm_head.weight", DType::BF16, &[288, 256], data);
    };
    same(s1a(), with(s1a(), head), &["lm_head.weight", "tie_word_embeddings"]);
    // A base model is saved without the prefix.
    let bare = |t: &mut Safetensors| {
        t.0.iter_mut().for_each(|entry| entry.name = entry.name.replacen("model.", "", 1));
    };
    same(s1a(), with(s1a(), bare), &[]);
    let both = |t: &mut Safetensors| t.push("embed_tokens.weight", DType::BF16, &[1], vec![0; 2]);
    same(s1a(), with(s1a(), both), &["embed_tokens.weight", "not used"]);

    let layers = |mut files: Files, layers: u64| {
        files.edit("config.json", |config| config["num_hidden_layers"] = json!(layers));
        files
    };
    refused(&layers(s1a(), 2), &["model.layers.1.", "missing"]);
    refused(&layers(s1a(), 1_000_000_000_000_000_000), &["num_hidden_layers"]);
    let (_, notes) = converted(layers(s1c(), 1));
    assert!(notes.contains("model.layers.1.") && notes.contains("not used"), "{notes}");
}

#[test]
fn a_module_that_is_not_converted_keeps_its_floats() {
    let listed = |names: serde_json::Value| {
        let mut files = s1b();
        files.edit("config.json", |config| config["quantization_config"]["modules_to_not_convert"] = names);
        files
    };
    same(s1b(), listed(json!(["lm_head"])), &[]);
    let kinds = |files: Files| {
        let converter = Converter::new(files, Options::default()).unwrap();
        let dense = converter.tensors().iter().filter(|tensor| tensor.kind.name == "BF16");
        dense.map(|tensor| tensor.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(listed(json!(["up_proj"]))), ["blk.0.ffn_up.weight"]);
    assert_eq!(kinds(listed(json!(["model.layers.0.self_attn"]))).len(), 4);
    assert!(kinds(listed(json!(["proj", "layers.1"]))).is_empty());
    // What its file says comes out, row by row.
    let (bytes, _) = converted(listed(json!(["up_proj"])));
    let up = Safetensors::read(s1b().get(WEIGHTS)).get(UP).data.clone();
    assert!(bytes.windows(up.len()).any(|window| window == up));
}
