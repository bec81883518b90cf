//! Packing, splitting and merging on this machine's files.

use super::{MODEL, b158, out, refusal, said};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pack").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What lies in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn logits(model: &Path, folder: &Path) -> Vec<u8> {
    let path = folder.join("logits");
    out(&["logits", "-q", "-m", text(model), "--ids", "1 2 3 4", "-o", text(&path)], "");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn a_packed_file_is_smaller_and_says_the_same() {
    let folder = folder("smaller");
    let file = folder.join("m.gguf");
    let output = b158(&["pack", MODEL, "-o", text(&file)], "");
    let lines = said(&output.stderr);
    assert!(output.status.success() && output.stdout.is_empty(), "{lines}");
    assert!(
        lines.contains("each packed from I2_S as TQ1_0") && lines.contains("token_embd.weight kept in F16"),
        "{lines}"
    );
    assert!(fs::metadata(&file).unwrap().len() < fs::metadata(MODEL).unwrap().len());
    assert_eq!(logits(&file, &folder), logits(Path::new(MODEL), &folder));
    // Once more there is nothing to do.
    let again = folder.join("again.gguf");
    assert!(refusal(&["pack", text(&file), "-o", text(&again)]).contains("nothing to pack"));
    assert_eq!(names(&folder), ["m.gguf"]);
    // With -q it is told by nothing but its end.
    let output = b158(&["pack", "-q", MODEL, "-o", text(&again), "--embedding", "q8_0"], "");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output.stderr));
    assert_ne!(logits(&again, &folder), logits(&file, &folder));
}

#[test]
fn parts_are_listed_with_their_hashes_and_merge_to_the_file() {
    let folder = folder("parts");
    let prefix = folder.join("m");
    out(&["split", MODEL, "-o", text(&prefix), "--max-size", "1"], "");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("m.json")).unwrap()).unwrap();
    assert_eq!((&list["format"], &list["version"]), (&"b158-split".into(), &1.into()));
    let files = list["files"].as_array().unwrap();
    let mut expected: Vec<_> = files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
    for file in files {
        let bytes = fs::read(folder.join(file["name"].as_str().unwrap())).unwrap();
        assert!(bytes.len() <= 1_000_000 && file["size"] == bytes.len(), "{file}");
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], digest);
    }
    assert_eq!(expected[0], format!("m-00001-of-{:05}.gguf", expected.len()));
    let first = folder.join(&expected[0]);
    expected.push("m.json".to_owned());
    assert_eq!(names(&folder), expected);
    assert_eq!(logits(&first, &folder), logits(Path::new(MODEL), &folder));

    let whole = folder.join("whole.gguf");
    out(&["merge", text(&first), "-o", text(&whole)], "");
    assert!(fs::read(&whole).unwrap() == fs::read(MODEL).unwrap());
    // A split model is packed into one file.
    let [packed, other] = ["packed.gguf", "other.gguf"].map(|name| folder.join(name));
    out(&["pack", text(&first), "-o", text(&packed), "--embedding", "q6_k"], "");
    out(&["pack", MODEL, "-o", text(&other), "--embedding", "q6_k"], "");
    assert!(fs::read(&packed).unwrap() == fs::read(&other).unwrap());
    for (args, word) in [
        (["merge", text(&whole), "-o", "x"], "nothing to merge"),
        (["merge", text(&folder), "-o", "x"], "it is a folder"),
        (["pack", "-", "-o", "x"], "standard input"),
        (["pack", "hf:o/r/f.gguf", "-o", "x"], "`b158 pull` downloads it"),
    ] {
        assert!(refusal(&args).contains(word), "{args:?}: {}", refusal(&args));
    }
    let large = ["split", MODEL, "-o", text(&prefix), "--max-size", "3"];
    assert!(refusal(&large).contains("nothing to split"), "{}", refusal(&large));
    let missing = folder.join(&names(&folder)[1]);
    fs::remove_file(&missing).unwrap();
    let error = refusal(&["merge", text(&first), "-o", text(&folder.join("x.gguf"))]);
    assert!(error.contains("00002-of") && error.contains("part 2 of"), "{error}");
}

#[test]
fn an_output_is_no_input_and_replaces_nothing_by_mistake() {
    let folder = folder("output");
    let file = folder.join("m.gguf");
    fs::copy(MODEL, &file).unwrap();
    let hard = folder.join("hard.gguf");
    fs::hard_link(&file, &hard).unwrap();
    for output in [&file, &hard] {
        for force in [&[][..], &["--force"]] {
            let error = refusal(&[&["pack", text(&file), "-o", text(output)], force].concat());
            assert!(error.contains("it is what is read"), "{error}");
        }
    }
    let other = folder.join("other.gguf");
    fs::write(&other, "as it was").unwrap();
    for args in [["pack", MODEL], ["merge", MODEL]] {
        let error = refusal(&[args[0], args[1], "-o", text(&other)]);
        assert!(error.contains("other.gguf: it exists") && error.contains("--force"), "{error}");
    }
    fs::write(folder.join("p-00002-of-00003.gguf"), "as it was").unwrap();
    let error = refusal(&["split", MODEL, "-o", text(&folder.join("p")), "--max-size", "1"]);
    assert!(error.contains("p-00002-of-00003.gguf: it exists"), "{error}");
    assert_eq!(names(&folder), ["hard.gguf", "m.gguf", "other.gguf", "p-00002-of-00003.gguf"]);
    assert!(fs::read(&file).unwrap() == fs::read(MODEL).unwrap() && fs::read(&other).unwrap() == b"as it was");
    assert!(b158(&["pack", "--force", MODEL, "-o", text(&other)], "").status.success());
    assert_eq!(logits(&other, &folder), logits(&file, &folder));
    let error = refusal(&["split", MODEL, "-o", &format!("{}/", text(&folder)), "--max-size", "1"]);
    assert!(error.contains("it is a folder"), "{error}");
    for (path, word) in [(folder.clone(), "it is a folder"), (folder.join("no/x.gguf"), "there is no folder")] {
        let error = refusal(&["pack", MODEL, "--force", "-o", text(&path)]);
        assert!(error.contains(word), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_to_what_they_mean() {
    use std::os::unix::fs::symlink;
    let folder = folder("links");
    let [file, link, dangling] = ["m.gguf", "link.gguf", "dangling.gguf"].map(|name| folder.join(name));
    fs::copy(MODEL, &file).unwrap();
    symlink(&file, &link).unwrap();
    symlink(folder.join("nowhere"), &dangling).unwrap();
    for (from, to) in [(&file, &link), (&link, &file), (&link, &link)] {
        assert!(refusal(&["pack", "--force", text(from), "-o", text(to)]).contains("it is what is read"));
    }
    assert!(refusal(&["pack", "--force", MODEL, "-o", text(&dangling)]).contains("a link to nothing"));
    assert!(fs::read(&file).unwrap() == fs::read(MODEL).unwrap() && link.is_symlink());
}

#[cfg(unix)]
#[test]
fn what_is_stopped_leaves_nothing() {
    use std::process::{Command, Stdio};
    let folder = folder("stopped");
    let model = folder.join("model.gguf");
    out(&["synth", "--preset", "5m", "--layers", "24", "-o", text(&model)], "");
    let mut stopped = 0;
    // It may have ended before it hears of it: then all is there.
    for (command, output) in ["pack", "split"].into_iter().cycle().zip(0..).take_while(|(_, tries)| *tries < 40) {
        let place = folder.join(output.to_string());
        fs::create_dir(&place).unwrap();
        let mut run = Command::new(env!("CARGO_BIN_EXE_b158"));
        run.args([command, text(&model), "-o"]).arg(place.join("m.gguf")).stderr(Stdio::piped());
        if command == "split" {
            run.args(["--max-size", "3"]);
        }
        let mut child = run.spawn().unwrap();
        while names(&place).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).output().unwrap();
        let ended = child.wait_with_output().unwrap();
        let left = names(&place);
        if ended.status.success() {
            assert!(!left.is_empty() && left.iter().all(|name| !name.ends_with(".part")), "{command}: {left:?}");
        } else {
            assert!(left.is_empty(), "{command}: {left:?} after {}", said(&ended.stderr));
            stopped += 1;
        }
        if stopped > 3 {
            break;
        }
    }
    assert!(stopped > 0, "nothing was stopped in time");
}
