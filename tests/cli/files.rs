//! The native program and files that are not what their names say.

use crate::common;
use crate::common::parts::Parts;
use b158::gguf::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const PROMPT: &str = common::TOLD[0].0;
const STORY: &str = common::TOLD[0].1;

fn b158(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_b158")).args(args).output().unwrap()
}

fn run(model: &str) -> Output {
    b158(&["run", "-m", model, "-p", PROMPT, "--temp", "0", "-n", "12"])
}

/// The one line of a run that fails, and says nothing on standard output.
#[track_caller]
fn refusal(args: &[&str]) -> String {
    let output = b158(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {said}");
    said
}

#[track_caller]
fn tells_the_story(model: &str) {
    let output = run(model);
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.len() > 20 && STORY.starts_with(said.trim_end()),
        "{model}: {said} {error}"
    );
}

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn other_files_are_named() {
    let folder = folder("other files");
    let safetensors = [&19u64.to_le_bytes()[..], b"{\"__metadata__\":{}}"].concat();
    for (name, bytes, word) in [
        ("lfs.gguf", &b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1187801280\n"[..], "Git LFS"),
        ("s.gguf", &safetensors, "safetensors"),
        ("z.gguf", b"\x1f\x8b\x08\0", "gzip"),
        ("h.gguf", b"<!doctype html>\n<html>", "web page"),
        ("e.gguf", b"", "the file is empty"),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        for args in [&["run", "-m", text(&path), "-p", "x"][..], &["inspect", text(&path)]] {
            let said = refusal(args);
            assert!(said.contains(word) && said.contains(name), "{args:?}: {said}");
        }
    }
}

#[test]
fn a_folder_is_named_with_what_is_in_it() {
    let folder = folder("a folder");
    let run = || refusal(&["run", "-m", text(&folder), "-p", "x"]);
    assert!(run().contains("a folder: model.safetensors: the file: there is none: give a GGUF file, or"), "{}", run());
    fs::write(folder.join("model.safetensors"), b"").unwrap();
    assert!(run().contains("model.safetensors: the file: it is empty"), "{}", run());
    fs::write(folder.join("b.GGUF"), b"").unwrap();
    assert!(run().contains("b.GGUF"), "{}", run());
    for args in [["inspect", text(&folder)], ["inspect", "--check"]] {
        let args = if args[1] == "--check" { vec!["inspect", "--check", text(&folder)] } else { args.to_vec() };
        assert!(refusal(&args).contains("it is a folder"));
    }
}

#[test]
fn parts_in_capitals() {
    let folder = folder("capitals");
    let parts = Parts::of(common::STORIES);
    let files = parts.files(&[40, parts.tensors.len() - 40]);
    for extension in ["GGUF", "gguf", "Gguf"] {
        for (no, file) in files.iter().enumerate() {
            fs::write(folder.join(format!("m-{:05}-of-00002.{extension}", no + 1)), file).unwrap();
        }
        let first = folder.join(format!("m-00001-of-00002.{extension}"));
        tells_the_story(text(&first));
        assert!(b158(&["inspect", text(&first)]).status.success());
    }
}

#[test]
fn a_whole_model_with_a_parts_name() {
    let folder = folder("a whole model");
    for (name, count) in [("x-00001-of-00003.gguf", None), ("y-00001-of-00002.gguf", Some(1))] {
        let mut parts = Parts::of(common::STORIES);
        if let Some(count) = count {
            parts.metadata.insert("split.count", Value::U16(count));
        }
        let path = folder.join(name);
        fs::write(&path, parts.file()).unwrap();
        tells_the_story(text(&path));
        let inspected = b158(&["inspect", text(&path)]);
        let said = String::from_utf8(inspected.stdout).unwrap();
        assert!(said.contains("memory: weights") && !said.contains("in 3 files"), "{said}");
        assert!(b158(&["inspect", "--json", text(&path)]).status.success());
    }
}

#[test]
fn parts_that_are_missing_or_of_another_model_are_named() {
    let folder = folder("missing parts");
    let parts = Parts::of(common::STORIES);
    let files = parts.files(&[30, 30, parts.tensors.len() - 60]);
    let name = |no: usize| format!("m-{no:05}-of-00003.gguf");
    let path = |no: usize| folder.join(name(no));
    fs::write(path(1), &files[0]).unwrap();
    fs::write(path(3), &files[2]).unwrap();
    let first = path(1);
    for args in [vec!["run", "-m", text(&first), "-p", "x"], vec!["inspect", text(&first)]] {
        let said = refusal(&args);
        assert!(said.contains(&name(2)) && said.contains("part 2 of 3 of the split model"), "{said}");
    }
    // The third in the place of the second.
    fs::write(path(2), &files[2]).unwrap();
    let said = refusal(&["run", "-m", text(&first), "-p", "x"]);
    assert!(said.contains(&name(2)) && said.contains("part 2 of 3 was expected, this file is part 3 of 3"), "{said}");
    // Of another model.
    let other = Parts::of(common::A);
    let (tensors, all) = (other.tensors.len(), parts.tensors.len());
    fs::write(path(2), &other.files(&[2, tensors - 3, 1])[1]).unwrap();
    let said = refusal(&["run", "-m", text(&first), "-p", "x"]);
    assert!(said.contains(&name(2)) && (all == tensors || said.contains("tensors instead of")), "{said}");
    // A later part alone, and a first part under another name.
    let said = refusal(&["run", "-m", text(&path(3)), "-p", "x"]);
    assert!(said.contains("the first part of one, was expected, this file is part 3 of 3"), "{said}");
    let plain = folder.join("plain.gguf");
    fs::write(&plain, &files[0]).unwrap();
    let said = refusal(&["run", "-m", text(&plain), "-p", "x"]);
    assert!(said.contains("part 2 of 3 of the split model is missing"), "{said}");
}

#[test]
fn odd_metadata_is_a_note() {
    let folder = folder("odd metadata");
    let path = folder.join("m.gguf");
    let mut parts = Parts::of(common::STORIES);
    parts.metadata.insert("tokenizer.ggml.padding_token_id", Value::U32(u32::MAX));
    parts.metadata.insert("tokenizer.ggml.eom_token_id", Value::I32(-1));
    let file = parts.file();
    // Latin-1 in the place of two letters.
    let at = file.windows(12).position(|window| window == b"b158 stories").unwrap();
    let file = [&file[..at], b"b158 st\xf6ri\xe9s", &file[at + 12..]].concat();
    fs::write(&path, file).unwrap();
    tells_the_story(text(&path));
    let said = String::from_utf8(run(text(&path)).stderr).unwrap();
    for note in [
        "note: `general.name` is not UTF-8",
        "note: `tokenizer.ggml.padding_token_id` is 4294967295",
        "note: `tokenizer.ggml.eom_token_id` is -1",
        "b158 st\u{fffd}ri\u{fffd}s",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
}

#[test]
fn perplexity_of_nothing_is_an_error() {
    let folder = folder("perplexity");
    let file = folder.join("text");
    fs::write(&file, "The fox went to the wood and saw a bird. ".repeat(60)).unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/stories-I2_S.gguf");
    let args = |more: &[&'static str]| [&["perplexity", "-m", model, "-f", text(&file)], more].concat();
    for window in ["1", "2", "513"] {
        let said = refusal(&args(&["-c", window]));
        assert!(said.contains(&format!("a window of {window} tokens: it has 3 to 512")), "{said}");
    }
    assert!(refusal(&args(&["--chunks", "0"])).contains("--chunks"));
    let least = b158(&args(&["-q", "-c", "3", "--chunks", "5"]));
    let said = String::from_utf8(least.stdout).unwrap();
    assert!(least.status.success() && !said.contains("NaN") && !said.contains("inf"), "{said}");

    let mut parts = Parts::of(common::STORIES);
    let norm = &mut parts.tensor("output_norm.weight").1;
    *norm = 3e38f32.to_le_bytes().repeat(norm.len() / 4);
    let spoiled = folder.join("spoiled.gguf");
    fs::write(&spoiled, parts.file()).unwrap();
    let [out, logits] = ["out", "logits"].map(|name| folder.join(name));
    for args in [
        vec!["perplexity", "-m", text(&spoiled), "-f", text(&file)],
        vec!["logits", "-m", text(&spoiled), "--ids", "1 2 3", "-o", text(&logits)],
        vec!["verify", "-m", text(&spoiled), "--out", text(&out)],
        vec!["run", "-m", text(&spoiled), "-p", PROMPT],
    ] {
        let said = refusal(&args);
        assert!(said.contains("numbers end in the output head"), "{args:?}: {said}");
    }
}
