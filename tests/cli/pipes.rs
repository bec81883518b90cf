//! Readers that go away and disks that are full.
#![cfg(target_os = "linux")]

use super::{MODEL, PROMPT, STORY, b158, common, out, said, temporary};
use std::fs::File;
use std::process::{Command, Output, Stdio};

/// The commands that print, with what they read.
fn printing() -> Vec<(Vec<String>, String)> {
    let text = temporary("pipes.txt");
    std::fs::write(&text, common::TOLD.map(|(prompt, told)| format!("{prompt}{told}\n")).concat()).unwrap();
    let (text, prompts, folder) = (text.to_str().unwrap(), temporary("pipes-prompts.txt"), temporary("pipes-verify"));
    std::fs::write(&prompts, format!("{PROMPT}\n")).unwrap();
    let (prompts, folder) = (prompts.to_str().unwrap(), folder.to_str().unwrap());
    [
        (&["run", "-m", MODEL, "-p", PROMPT, "-n", "8"][..], ""),
        (&["run", "-m", MODEL, "-p", PROMPT, "-n", "0", "--echo"], ""),
        (&["run", "-m", MODEL, "-p", PROMPT, "-n", "8", "--ids"], ""),
        (&["chat", "-m", MODEL, "-n", "8"], "Tell me a story.\nAnd another.\n"),
        (&["tokenize", "-m", MODEL], STORY),
        (&["perplexity", "-m", MODEL, "-f", text, "-c", "64"], ""),
        (&["perplexity", "-m", MODEL, "-f", text, "-c", "64", "--json"], ""),
        (&["verify", "-m", MODEL, "--prompts", prompts, "--out", folder, "-n", "60"], ""),
        (&["inspect", MODEL], ""),
        (&["inspect", "--json", MODEL], ""),
        (&["inspect", "--check", MODEL], ""),
        (&["inspect", "--check", "--json", MODEL], ""),
        (&["bench", "-m", MODEL, "-p", "4", "-n", "2", "-r", "1"], ""),
        (&["bench", "-m", MODEL, "-p", "4", "-n", "2", "-r", "1", "--json"], ""),
        (&["logits", "-m", MODEL, "--ids", "1 2", "-o", "/dev/stdout"], ""),
        (&["completions", "zsh"], ""),
        (&["man"], ""),
        (&["--help"], ""),
        (&["run", "--help"], ""),
        (&["--version"], ""),
    ]
    .into_iter()
    .map(|(args, input)| (args.iter().map(|arg| (*arg).to_owned()).collect(), input.to_owned()))
    .collect()
}

fn run(args: &[String], input: &str, out: impl Into<Stdio>, err: impl Into<Stdio>) -> Output {
    let path = temporary(&format!("pipes-{}.in", std::thread::current().name().unwrap().replace("::", "-")));
    std::fs::write(&path, input).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_b158"));
    command.args(args).stdin(File::open(path).unwrap()).stdout(out).stderr(err);
    command.spawn().unwrap().wait_with_output().unwrap()
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn a_reader_that_has_gone_is_a_quiet_end() {
    for (args, input) in printing() {
        let output = run(&args, &input, closed(), Stdio::piped());
        let said = said(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{args:?}: {said}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    for (args, input) in printing() {
        let output = run(&args, &input, full(), Stdio::piped());
        let said = said(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        let line = said.lines().last().unwrap();
        assert!(line.starts_with("error: ") && line.contains("No space left on device"), "{args:?}: {said}");
        assert!(line.contains("standard output") || line.contains("/dev/stdout"), "{args:?}: {line}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn nobody_listening_to_standard_error_changes_nothing() {
    for (args, input) in printing() {
        for err in [Stdio::from(full()), Stdio::from(closed())] {
            let output = run(&args, &input, Stdio::piped(), err);
            assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}: {:?}", output.status);
        }
    }
    let refused = ["run", "-m", "no-such-file.gguf", "-p", "x"].map(str::to_owned);
    assert_eq!(run(&refused, "", Stdio::piped(), full()).status.code(), Some(1));
    assert_eq!(run(&["run".to_owned()], "", Stdio::piped(), closed()).status.code(), Some(2));
}

#[test]
fn a_verdict_outlives_its_reader() {
    let (damaged, random) = (temporary("pipes-damaged.gguf"), temporary("pipes-random.gguf"));
    let mut file = common::STORIES.to_vec();
    let middle = file.len() / 2;
    file[middle..middle + 64].fill(0xff);
    std::fs::write(&damaged, file).unwrap();
    out(&["synth", "--preset", "tiny", "-o", random.to_str().unwrap()], "");
    let folder = temporary("pipes-verdict");
    let check = ["inspect", "--check", damaged.to_str().unwrap()].map(str::to_owned);
    let verify =
        ["verify", "-m", random.to_str().unwrap(), "--out", folder.to_str().unwrap(), "-n", "60"].map(str::to_owned);
    for (args, verdict) in [(&check[..], "damaged"), (&verify[..], "no text")] {
        let output = run(args, "", closed(), Stdio::piped());
        let said = said(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(verdict), "{args:?}: {said}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = temporary("pipes-folder");
    std::fs::create_dir_all(&folder).unwrap();
    let missing = folder.join("missing/file");
    let [folder, missing] = [&folder, &missing].map(|path| path.to_str().unwrap());
    for path in ["/dev/full", folder, missing] {
        for args in [
            &["synth", "--preset", "tiny", "-o", path][..],
            &["logits", "-m", MODEL, "--ids", "1 2 3", "-o", path],
            &["run", "-m", MODEL, "-p", PROMPT, "-n", "2", "--prompt-cache", path],
        ] {
            // /dev/full gives zeros without end to its reader.
            if path == "/dev/full" && args[0] == "run" {
                continue;
            }
            let output = b158(args, "");
            let said = said(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert!(said.lines().last().unwrap().contains(path) && !said.contains("panicked"), "{args:?}: {said}");
        }
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is left behind");
    assert!(std::fs::metadata("/dev/full").unwrap().file_type() != std::fs::metadata(MODEL).unwrap().file_type());
}

#[test]
fn a_file_is_whole_or_as_it_was() {
    // Where the text of a model ends too early, logits fail before they begin; where a tensor is too large, synth does.
    let kept = temporary("pipes-kept.f32");
    std::fs::write(&kept, "as it was").unwrap();
    let path = kept.to_str().unwrap();
    let limited = |args: &str| {
        let script = format!("ulimit -f 8; trap '' XFSZ; exec \"$0\" {args}");
        Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_b158"), MODEL, path]).output().unwrap()
    };
    // 4 kB or 8 kB are all that a file may have: more is the error that a full disk is.
    for args in [
        "logits -m \"$1\" --ids '1 2 3 4 5 6 7 8' -o \"$2\"",
        "synth --preset tiny -o \"$2\"",
        "synth --preset tiny -o \"$2\" --split-max-tensors 5",
        "pack \"$1\" -o \"$2\" --force",
    ] {
        let output = limited(args);
        let said = said(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args}: {said}");
        assert!(said.contains("File too large"), "{args}: {said}");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "as it was", "{args}");
    }
    let cache = temporary("pipes-kept.cache");
    let _ = std::fs::remove_file(&cache);
    let script =
        "ulimit -f 8; trap '' XFSZ; exec \"$0\" run -q -m \"$1\" -p 'Once upon a time' -n 4 --prompt-cache \"$2\"";
    let mut run = Command::new("sh");
    let output = run.args(["-c", script, env!("CARGO_BIN_EXE_b158"), MODEL, cache.to_str().unwrap()]).output().unwrap();
    assert!(output.status.code() == Some(1) && !output.stdout.is_empty(), "the text is printed, the cache refused");
    assert!(said(&output.stderr).contains("pipes-kept.cache"));
    let folder = std::fs::read_dir(temporary(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap_or_default());
    let left: Vec<_> = folder.filter(|name| name.starts_with("pipes-kept")).collect();
    assert_eq!(left, ["pipes-kept.f32"], "no part of a file is left");
}
