//! `b158 inspect --check`: tells files apart that differ in the order of their weights alone.

use crate::common;
use b158::blocks::i2_s;
use b158::gguf::{Decoder, Event, Limits, TensorInfo, TensorType};
use serde_json::Value;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The I2_S tensors of a file, with their bytes' place in it.
fn ternary(file: &[u8]) -> Vec<(TensorInfo, Range<usize>)> {
    let mut decoder = Decoder::new(Limits::default());
    let mut bytes = file;
    loop {
        let (taken, event) = decoder.push(bytes).unwrap();
        if event == Event::Tensors {
            break;
        }
        bytes = &bytes[taken..];
    }
    let data = decoder.data_offset().unwrap();
    let range = |info: &TensorInfo| (data + info.offset) as usize..(data + info.offset + info.size) as usize;
    decoder
        .tensors()
        .iter()
        .filter(|info| info.kind == TensorType::I2S)
        .map(|info| (info.clone(), range(info)))
        .collect()
}

/// The same weights in groups of 64: byte j of 16 holds weights j, j+16, j+32, j+48, the first in its top bits.
fn in_groups_of_64(file: &[u8]) -> Vec<u8> {
    let mut foreign = file.to_vec();
    for (_, range) in ternary(file) {
        let mut codes = [0; i2_s::BLOCK];
        let end = range.end - i2_s::BYTES;
        for block in foreign[range.start..end].as_chunks_mut::<{ i2_s::BYTES }>().0 {
            assert!(i2_s::decode(block, &mut codes));
            for (bytes, codes) in block.as_chunks_mut::<16>().0.iter_mut().zip(codes.as_chunks::<64>().0) {
                for (j, byte) in bytes.iter_mut().enumerate() {
                    *byte = codes[j] << 6 | codes[j + 16] << 4 | codes[j + 32] << 2 | codes[j + 48];
                }
            }
        }
    }
    foreign
}

fn check(name: &str, file: &[u8], extra: &[&str]) -> Output {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_b158"));
    command.args(["inspect", "--check"]).args(extra).arg(&path).output().unwrap()
}

/// What the check says as JSON, and whether it succeeds.
fn json(name: &str, file: &[u8]) -> (Value, bool) {
    let output = check(name, file, &["--json"]);
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.success())
}

/// z of both readings: groups of 128, groups of 64.
fn deviates(found: &Value) -> (f64, f64) {
    (found["groups128"]["z"].as_f64().unwrap(), found["groups64"]["z"].as_f64().unwrap())
}

#[test]
fn the_story_model_is_in_the_published_layout() {
    let (found, ok) = json("check-official.gguf", common::STORIES);
    assert!(ok && found["failure"].is_null(), "{found}");
    assert_eq!(found["layout"], "official");
    let (official, foreign) = deviates(&found);
    assert!(official > 12.0 && foreign.abs() < 5.0, "{official} {foreign}");
    assert_eq!(found["layers"], ternary(common::STORIES).len() / 7);
    for tensor in found["tensors"].as_array().unwrap() {
        assert!(tensor["damage"].is_null() && tensor["note"].is_null() && tensor["invalidCodes"] == 0, "{tensor}");
    }
}

#[test]
fn its_weights_in_groups_of_64_are_told() {
    let file = in_groups_of_64(common::STORIES);
    let (found, ok) = json("check-foreign.gguf", &file);
    assert_eq!((ok, &found["layout"]), (false, &"groups64".into()));
    let (official, foreign) = deviates(&found);
    assert!(foreign > 12.0 && official.abs() < 5.0, "{official} {foreign}");
    let published = json("check-mirror.gguf", common::STORIES).0;
    assert_eq!(found["groups64"], published["groups128"], "read as what it is, it is the same file");

    let output = check("check-foreign-text.gguf", &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("layout: 64 weights in 16 bytes"), "{said}");
    assert!(why.starts_with("error: ") && why.contains("word salad") && why.contains("x86"), "{why}");
}

#[test]
fn random_weights_cannot_be_told() {
    for (name, golden) in [("A", common::A), ("B", common::B), ("C", common::C)] {
        for file in [golden.to_vec(), in_groups_of_64(golden)] {
            let (found, ok) = json(&format!("check-random-{name}.gguf"), &file);
            assert_eq!((ok, &found["layout"]), (true, &"unknown".into()), "{name}: {found}");
            assert!(found["reason"].as_str().unwrap().contains("random"), "{name}: {found}");
        }
    }
}

#[test]
fn damage_is_reported_with_its_tensor() {
    let mut file = common::STORIES.to_vec();
    let tensors = ternary(&file);
    let (codes, scale) = (&tensors[3], &tensors[8]);
    file[codes.1.start + 5] = 0xff;
    file[scale.1.end - i2_s::BYTES..][..4].copy_from_slice(&0f32.to_le_bytes());
    let output = check("check-damaged.gguf", &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("damaged: {}: 4 codes are 3", codes.0.name)), "{said}");
    assert!(said.contains(&format!("damaged: {}: its scale is 0", scale.0.name)), "{said}");
    assert!(said.contains("layout: the published one"), "a few bytes do not hide the layout: {said}");
    assert!(why.contains(&format!("2 of {} I2_S tensors are damaged", tensors.len())), "{why}");

    let mut file = common::STORIES.to_vec();
    let (info, range) = &tensors[0];
    file[range.start..range.end - i2_s::BYTES].fill(0x55);
    let output = check("check-zeros.gguf", &file, &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(&format!("note: {}: 100.0 %", info.name)), "{said}");

    let output = check("check-cut.gguf", &common::STORIES[..common::STORIES.len() / 2], &[]);
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("cut short"));
}

#[test]
fn a_file_without_i2_s_has_nothing_to_check() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("check-tq2.gguf");
    let mut synth = Command::new(env!("CARGO_BIN_EXE_b158"));
    synth.args(["synth", "--preset", "tiny", "--type", "TQ2_0", "-o"]).arg(&path);
    assert!(synth.output().unwrap().status.success());
    let file = std::fs::read(&path).unwrap();
    let output = check("check-none.gguf", &file, &[]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("nothing to check"));
    assert_eq!(json("check-none-json.gguf", &file).0["layout"], "none");
}
