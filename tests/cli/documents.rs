//! What the documents say is so: their commands run or exist, and their links lead somewhere.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MODEL: &str = "tests/models/stories-I2_S.gguf";

/// Commands that are neither ours nor run here: tests/package packs the package, installs it and builds with it.
const ELSEWHERE: [&str; 2] = ["npm install b158", "cp -r node_modules/b158/dist/lib/. dist/"];

/// Every document of the repository, by its path.
fn documents() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let (entry, name) = entry.map(|e| (e.file_type().unwrap(), e.file_name().into_string().unwrap())).unwrap();
            let built = ["target", "node_modules", "dist", "wasm", "work", "results"].contains(&name.as_str())
                || name.starts_with('.');
            if entry.is_dir() && !built {
                folders.push(format!("{folder}{name}/"));
            } else if entry.is_file() && name.ends_with(".md") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    assert!(found.len() > 7, "{found:?}");
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The fenced blocks of a document with their languages, and the rest of its text.
fn split(document: &str) -> (Vec<(String, String)>, String) {
    let (mut blocks, mut rest, mut open) = (Vec::new(), String::new(), None);
    for line in read(document).lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => rest += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "{document}: a block is not closed");
    (blocks, rest)
}

/// The lines of a document's `sh` blocks without their comments.
fn commands(document: &str) -> Vec<String> {
    let (blocks, _) = split(document);
    let lines = blocks.iter().filter(|(language, _)| language == "sh").flat_map(|(_, block)| block.lines());
    lines.map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

/// Standard output of a command line in the repository's root, where `b158` is the program under test.
fn run(line: &str) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_b158")).parent().unwrap().display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-ec", line]).current_dir(ROOT).env("PATH", path).stdin(Stdio::null());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn words(text: &str) -> HashSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-').collect()
}

/// What `./build.sh` and our program say of themselves.
struct Help {
    build: String,
    bench: String,
}

impl Help {
    fn new() -> Self {
        let bench = read("benches/browser/options.mjs") + &read("benches/serve/run.mjs");
        Help { build: run("./build.sh help"), bench }
    }

    /// Whether a command that is not run is one that there is.
    fn knows(&self, line: &str) -> bool {
        let mut parts = line.split_whitespace();
        let arguments = |from: usize| line.split_whitespace().skip(from);
        match parts.next() {
            Some("./build.sh") => {
                let Some(command) = parts.next() else { return true };
                let known = words(&self.build);
                let of_bench = words(&self.bench);
                let listed = self
                    .build
                    .lines()
                    .any(|l| l.strip_prefix("  ").is_some_and(|l| l.split(' ').next() == Some(command)));
                listed
                    && arguments(2).filter(|a| command == "test" || a.starts_with("--")).all(|argument| {
                        known.contains(argument) || (command == "bench" && of_bench.contains(&argument[2..]))
                    })
            }
            Some("b158") => {
                let Some(command) = parts.next() else { return true };
                let help = run(&format!("b158 {command} --help"));
                let known = words(&help);
                arguments(2).filter(|a| a.starts_with('-') && a.len() > 1).all(|option| known.contains(option))
            }
            Some("cargo") if parts.next() == Some("test") => {
                let named = arguments(2).zip(arguments(3)).filter(|(flag, _)| *flag == "--test").map(|(_, name)| name);
                named.into_iter().all(|name| {
                    let file = |path: String| Path::new(ROOT).join(path).is_file();
                    file(format!("tests/{name}.rs")) || file(format!("tests/{name}/main.rs"))
                })
            }
            // Of the package, with our options: tests/runtimes runs it.
            Some("npx") => line.strip_prefix("npx ").is_some_and(|ours| ours.starts_with("b158 ") && self.knows(ours)),
            // tests/serve asks a server.
            Some("curl") => line.contains(" localhost:8080/"),
            _ => ELSEWHERE.contains(&line),
        }
    }
}

#[test]
fn commands_run_or_are_known() {
    let help = Help::new();
    let mut ran = 0;
    // The model card's commands train a model, for hours.
    for document in documents().iter().filter(|path| *path != "tests/models/MODEL.md") {
        for line in commands(document) {
            let ours = line.replace("target/release/b158", "b158");
            let ours = ours.replace("./build.sh run ", &format!("b158 run -m {MODEL} -p "));
            let served = ours.starts_with("b158 serve ");
            if served {
                // Its guide's test starts it, and asks it what stands beside.
                assert!(help.knows(&ours), "{document}: {line}");
            } else if ours.starts_with("b158 ") || ours.contains("| b158 ") {
                // A chat waits for somebody to type.
                let ours = if ours.contains('|') { ours } else { format!("echo Hello! | {ours}") };
                assert!(!run(&ours).trim().is_empty(), "{document}: {line} says nothing");
                ran += 1;
            } else {
                assert!(help.knows(&line), "{document}: {line}");
            }
        }
    }
    assert!(ran >= 6, "only {ran} commands were run");
}

#[test]
fn commands_within_the_text_are_known() {
    let help = Help::new();
    let mut seen = 0;
    for document in &documents() {
        let (_, text) = split(document);
        for span in text.replace('\n', " ").split('`').skip(1).step_by(2) {
            if span.starts_with("./build.sh") || span.starts_with("b158 ") || span.starts_with("cargo test") {
                let span = span.split(['>', '<', '&', '"']).next().unwrap_or_default();
                assert!(help.knows(span), "{document}: {span}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "only {seen} commands were seen");
}

#[test]
fn a_command_that_is_not_there_is_noticed() {
    let help = Help::new();
    for line in ["./build.sh dance", "./build.sh test nowhere", "./build.sh bench --dance", "b158 run --dance"] {
        assert!(!help.knows(line), "{line}");
    }
    for line in ["cargo test --test nowhere", "npm install elsewhere", "curl elsewhere"] {
        assert!(!help.knows(line), "{line}");
    }
}

#[test]
fn links_lead_somewhere() {
    /// GitHub's name for a heading.
    fn slug(heading: &str) -> String {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    }
    for document in &documents() {
        let (_, text) = split(document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let path = Path::new(document).parent().unwrap().join(file);
            let path = if file.is_empty() { Path::new(document) } else { &path };
            assert!(Path::new(ROOT).join(path).exists(), "{document}: there is no {target}");
            if let Some(anchor) = anchor {
                let (_, linked) = split(path.to_str().unwrap());
                let headings =
                    linked.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
                assert!(headings.map(slug).any(|name| name == anchor), "{document}: {target} has no such heading");
            }
        }
    }
}

#[test]
fn the_readme_fits_one_screen() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 80, "{lines} lines");
}
