//! Checkpoints of Hugging Face's libraries: opened as they are, from a folder and from the hub, and converted.

use super::downloads::Cache;
use super::server::{Page, Server};
use super::{GOLDEN_A, b158, out, refusal, said, temporary};
use std::path::{Path, PathBuf};

const CHECKPOINTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/checkpoints");
const IDS: [&str; 5] = ["--ids", "1 2 3", "--kv-cache", "f32", "-o"];

fn golden(checkpoint: &str) -> String {
    format!("{CHECKPOINTS}/{checkpoint}")
}

/// The files of a checkpoint.
fn golden_files(checkpoint: &str) -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(golden(checkpoint));
    names(&folder).into_iter().map(|name| (name.clone(), folder.join(name))).collect()
}

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = temporary(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A copy of a checkpoint, to change.
fn copy(checkpoint: &str, name: &str) -> PathBuf {
    let folder = folder(name);
    for (name, path) in golden_files(checkpoint) {
        std::fs::copy(path, folder.join(name)).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn logits(model: &str, name: &str) -> Vec<u8> {
    let file = temporary(&format!("{name}.f32"));
    out(&[&["logits", "-q", "-m", model][..], &IDS, &[text(&file)]].concat(), "");
    std::fs::read(file).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Where a tensor's bytes begin in a file of safetensors.
fn begin(file: &[u8], tensor: &str) -> usize {
    let header = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
    8 + header + json[tensor]["data_offsets"][0].as_u64().unwrap() as usize
}

#[test]
fn a_folder_and_what_it_is_converted_to_are_one_model() {
    let folder = folder("converted");
    for checkpoint in ["S1a", "S1b", "S1c", "S1d"] {
        let (from, to) = (golden(checkpoint), folder.join(format!("{checkpoint}.gguf")));
        let output = b158(&["convert", &from, "-o", text(&to)], "");
        assert!(output.status.success(), "{}", said(&output.stderr));
        assert!(said(&output.stderr).contains("tensors"), "{}", said(&output.stderr));
        let opened = logits(&from, &format!("{checkpoint}-opened"));
        assert!(opened == logits(text(&to), &format!("{checkpoint}-converted")), "{checkpoint}");
        let words = "The fox said: it's 12345!";
        for command in [&["tokenize", "-q", "-m"][..], &["template", "-q", "-m"]] {
            let input = if command[0] == "template" { r#"[{"role": "user", "content": "ab"}]"# } else { words };
            let of = |model: &str| b158(&[command, &[model]].concat(), input);
            let (folder, file) = (of(&from), of(text(&to)));
            assert_eq!((folder.status, said(&folder.stdout)), (file.status, said(&file.stdout)), "{command:?}");
        }
        let tensors = |model: &str| {
            let json: serde_json::Value = serde_json::from_str(&out(&["inspect", "--json", model], "")).unwrap();
            (json["tensors"].clone(), json["metadata"].clone(), json["size"].clone())
        };
        assert_eq!(tensors(&from), tensors(text(&to)), "{checkpoint}");
    }
    assert_eq!(names(&folder).len(), 4);
    out(&["inspect", "--check", &golden("S1a")], "");
}

#[test]
fn the_folder_may_be_named_in_any_way() {
    let from = copy("S1a", "Modèle 1,58 bit – копия (2)");
    let wanted = logits(&golden("S1a"), "named");
    assert!(logits(text(&from), "named-spaces") == wanted);
    assert!(logits(&format!("{}/", text(&from)), "named-slash") == wanted);
    assert!(
        logits(&format!("{}/../{}", text(&from), text(Path::new(from.file_name().unwrap()))), "named-up") == wanted
    );
    #[cfg(unix)]
    {
        // As the hub's own cache has them.
        let links = folder("links");
        for name in names(&from) {
            std::os::unix::fs::symlink(from.join(&name), links.join(&name)).unwrap();
        }
        assert!(logits(text(&links), "named-links") == wanted);
        std::fs::remove_file(links.join("model.safetensors")).unwrap();
        std::os::unix::fs::symlink("nothing", links.join("model.safetensors")).unwrap();
        let said = refusal(&["run", "-p", "a", "-m", text(&links)]);
        assert!(said.contains("model.safetensors"), "{said}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_file() {
    let from = copy("S1d", "wrong");
    let says = |words: &[&str]| {
        let to = temporary("wrong.gguf");
        for args in [&["run", "-p", "a", "-m", text(&from)][..], &["convert", text(&from), "-o", text(&to)]] {
            let said = refusal(args);
            assert!(words.iter().all(|word| said.contains(word)) && said.contains(text(&from)), "{said}");
            assert!(!to.exists(), "{args:?}");
        }
    };
    std::fs::remove_file(from.join("model-00002-of-00002.safetensors")).unwrap();
    says(&["model-00002-of-00002.safetensors", "missing"]);
    std::fs::remove_file(from.join("config.json")).unwrap();
    std::fs::copy(format!("{CHECKPOINTS}/S1a/model.safetensors"), from.join("model.safetensors")).unwrap();
    says(&["config.json", "missing"]);
    for name in names(&from) {
        std::fs::remove_file(from.join(name)).unwrap();
    }
    says(&["config.json", "model.safetensors"]);
    std::fs::copy(GOLDEN_A, from.join("a.gguf")).unwrap();
    let said = refusal(&["run", "-p", "a", "-m", text(&from)]);
    assert!(said.contains("a.gguf") && said.contains("folder"), "{said}");
    let shard = format!("{CHECKPOINTS}/S1a/model.safetensors");
    for args in [&["run", "-p", "a", "-m", &shard][..], &["convert", &shard, "-o", "never.gguf"]] {
        let said = refusal(args);
        assert!(said.contains("folder"), "{said}");
    }
    let said = refusal(&["run", "-p", "a", "-m", &golden("S1a"), "--sha256", &"0".repeat(64)]);
    assert!(said.contains("--sha256"), "{said}");
}

#[test]
fn an_output_is_whole_or_not_there() {
    let folder = folder("output");
    let to = folder.join("out.gguf");
    let convert = |from: &str, to: &str, more: &[&str]| b158(&[&["convert", from, "-o", to][..], more].concat(), "");
    std::fs::write(&to, "an older file").unwrap();
    let refused = |output: std::process::Output, words: &[&str]| {
        let said = said(&output.stderr);
        assert!(!output.status.success() && words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(names(&folder), ["out.gguf"]);
        assert_eq!(std::fs::read(&to).unwrap(), b"an older file");
    };
    let from = copy("S1a", "output-from");
    refused(convert(text(&from), text(&to), &[]), &["out.gguf", "--force"]);
    refused(convert(text(&from), text(&folder.join("not/here.gguf")), &[]), &["here.gguf", "no folder"]);
    refused(convert(text(&from), text(&folder), &["--force"]), &["folder"]);
    let weights = from.join("model.safetensors");
    let before = std::fs::read(&weights).unwrap();
    for more in [&[][..], &["--force"]] {
        refused(convert(text(&from), text(&weights), more), &["model.safetensors"]);
    }
    assert!(std::fs::read(&weights).unwrap() == before);
    // What is found late: codes.
    let at = begin(&before, "model.layers.0.mlp.down_proj.weight");
    let mut damaged = before.clone();
    damaged[at..at + 4096].fill(0xff);
    std::fs::write(&weights, damaged).unwrap();
    refused(convert(text(&from), text(&to), &["--force"]), &["model.safetensors", "code 3"]);
    std::fs::write(&weights, before).unwrap();
    let output = convert(text(&from), text(&to), &["--force", "-q"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output.stderr));
    assert_eq!(names(&folder), ["out.gguf"]);
    assert!(logits(text(&to), "output") == logits(&golden("S1a"), "output-opened"));
    let said = refusal(&["convert", text(&from)]);
    assert!(said.contains("--output") || said.contains("-o"), "{said}");
}

#[test]
fn a_conversion_is_checked_against_another_file() {
    let folder = folder("checked");
    let mut made = Vec::new();
    for (kind, embedding) in [("i2_s", "f16"), ("tq1_0", "q8_0"), ("tq2_0", "q6_k")] {
        let to = folder.join(format!("{kind}.gguf"));
        out(&["convert", &golden("S1a"), "-o", text(&to), "--type", kind, "--embedding", embedding], "");
        made.push(to);
    }
    for to in &made {
        for kind in ["i2_s", "tq1_0", "tq2_0"] {
            let output = b158(&["convert", &golden("S1a"), "--type", kind, "--check", text(to)], "");
            let said = said(&output.stderr);
            assert!(output.status.success() && said.contains("all 7 matrices have the same codes"), "{said}");
        }
        // Master weights have the scales before they were rounded to bf16.
        assert!(b158(&["convert", &golden("S1b"), "--check", text(to)], "").status.success());
    }
    assert_eq!(names(&folder).len(), 3, "--check alone writes nothing");
    let said = refusal(&["convert", &golden("S1c"), "--check", text(&made[0])]);
    assert!(said.contains("blk.1.attn_q.weight: it is not there"), "{said}");
    assert!(said.contains("matrices differ"), "{said}");

    let from = copy("S1a", "checked-from");
    let weights = from.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let mut other = whole.clone();
    // A weight is another one.
    let byte = &mut other[begin(&whole, "model.layers.0.mlp.up_proj.weight") + 256 + 7];
    *byte = *byte & !3 | if *byte & 3 == 1 { 2 } else { 1 };
    // Two steps of bf16 down.
    let scale = begin(&whole, "model.layers.0.self_attn.q_proj.weight_scale");
    other[scale] -= 2;
    std::fs::write(&weights, other).unwrap();
    let to = folder.join("other.gguf");
    let said = refusal(&["convert", text(&from), "-o", text(&to), "--check", text(&made[1])]);
    for words in [
        "blk.0.ffn_up.weight: 1 of 131072 codes differ, the first in row 1, column 7",
        "blk.0.attn_q.weight: a scale is",
        "2 of 7 matrices",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let mut near = whole;
    near[scale] -= 1;
    std::fs::write(&weights, near).unwrap();
    assert!(b158(&["convert", text(&from), "--check", text(&made[0])], "").status.success());
    let said = refusal(&["convert", text(&from), "--check", text(&weights)]);
    assert!(said.contains("model.safetensors") && said.contains("safetensors checkpoint"), "{said}");
}

/// A hub that has the files of a checkpoint, and no others.
fn hub(checkpoint: &str, at: &str) -> Server {
    let server = Server::new();
    for (name, path) in golden_files(checkpoint) {
        server.put(&format!("{at}/{name}"), Page::file(&std::fs::read(path).unwrap()));
    }
    server
}

#[test]
fn a_repository_is_a_folder_in_the_cache() {
    for (checkpoint, given, at) in [
        ("S1a", "hf:owner/name", "/owner/name/resolve/main"),
        ("S1d", "HF:owner/name@v%2F1", "/owner/name/resolve/v%2F1"),
    ] {
        let server = hub(checkpoint, at);
        let cache = Cache::new(&format!("hub-{checkpoint}"));
        let ask = |args: &[&str]| {
            let output = cache.command(args).env("HF_ENDPOINT", server.url("")).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", said(&output.stderr));
            output
        };
        let file = temporary(&format!("hub-{checkpoint}.f32"));
        let run = |more: &[&str]| {
            let _ = std::fs::remove_file(&file);
            ask(&[&["logits", "-q", "-m", given][..], more, &IDS, &[text(&file)]].concat());
            std::fs::read(&file).unwrap()
        };
        let wanted = logits(&golden(checkpoint), &format!("hub-{checkpoint}-folder"));
        assert!(run(&[]) == wanted);
        let asked: Vec<String> = server.asked().iter().map(|asked| asked.path.clone()).collect();
        assert!(asked.iter().all(|path| path.starts_with(at)), "{asked:?}");
        let first = |name: &str| asked.iter().position(|path| path.ends_with(name)).unwrap();
        assert!(first("/config.json") < first("/model.safetensors"), "{asked:?}");
        // From the cache, and without a server.
        assert!(run(&[]) == wanted && server.sent() > 0);
        server.asked();
        assert!(run(&["--offline"]) == wanted && server.waiting() == 0);
        let to = temporary(&format!("hub-{checkpoint}.gguf"));
        ask(&["convert", given, "-o", text(&to), "--force"]);
        assert!(logits(text(&to), &format!("hub-{checkpoint}-converted")) == wanted);
        let pulled = said(&ask(&["pull", given, "--json"]).stdout);
        let pulled: Vec<serde_json::Value> = serde_json::from_str(&pulled).unwrap();
        assert_eq!(pulled.len(), golden_files(checkpoint).len());
        let weights = std::fs::read(pulled.last().unwrap()["path"].as_str().unwrap()).unwrap();
        assert!(!weights.is_empty());
        ask(&["inspect", given]);
        ask(&["models", "--delete", given]);
        assert!(cache.json(&["models"]).is_empty());
    }
}

#[test]
fn what_a_repository_lacks_is_said() {
    let at = "/owner/name/resolve/main";
    let server = hub("S1a", at);
    let cache = Cache::new("hub-lacks");
    let fail_with = |cache: &Cache, more: &[&str]| {
        let args = [&["run", "-p", "a", "-m", "hf:owner/name"][..], more].concat();
        let output = cache.command(&args).env("HF_ENDPOINT", server.url("")).output().unwrap();
        assert!(!output.status.success());
        said(&output.stderr)
    };
    let fail = |more: &[&str]| fail_with(&cache, more);
    let said = fail(&["--offline"]);
    assert!(said.contains("config.json"), "{said}");
    let said = fail(&["--no-cache"]);
    assert!(said.contains("--no-cache"), "{said}");
    // What is no model for this engine is told before its weights come.
    server.put(
        &format!("{at}/config.json"),
        Page::file(br#"{"architectures": ["PhiMoEForCausalLM"], "model_type": "phimoe"}"#),
    );
    let said = fail(&[]);
    assert!(said.contains("PhiMoEForCausalLM"), "{said}");
    assert!(server.asked().iter().all(|asked| !asked.path.ends_with(".safetensors")));
    server.put(&format!("{at}/config.json"), Page::Status(404, ""));
    let said = fail(&[]);
    assert!(said.contains("config.json") && said.contains("hf:owner/name"), "{said}");
    server.put(&format!("{at}/config.json"), Page::Status(403, ""));
    let said = fail_with(&Cache::new("hub-refuses"), &[]);
    assert!(said.contains("403") && said.contains("HF_TOKEN"), "{said}");
}
