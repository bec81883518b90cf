//! What a release is made of besides the program: one version, completions, manual pages.

use super::{b158, out, refusal, temporary};
use std::path::Path;
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The commands that `--help` lists, but for `help` itself.
fn commands() -> Vec<String> {
    let help = out(&["--help"], "");
    let listed = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() > 15 && names.contains(&"run".to_owned()), "{names:?}");
    names.into_iter().filter(|name| name != "help").collect()
}

/// The long options that a command's `--help` lists.
fn options(command: &str) -> Vec<String> {
    let help = out(&[command, "--help"], "");
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let long = starts.filter_map(|line| line.split([' ', ',', '=', '[']).find(|word| word.starts_with("--")));
    long.map(str::to_owned).collect()
}

#[test]
fn cargo_toml_has_the_version_and_everything_else_that_one() {
    assert_eq!(out(&["--version"], ""), format!("b158 {VERSION}\n"));
    for file in ["www/package.json", "www/package-lock.json"] {
        let json: serde_json::Value = serde_json::from_str(&read(file)).unwrap();
        assert_eq!(json["version"], VERSION, "{file}: npm --prefix www version --no-git-tag-version {VERSION}");
    }
    let lock: serde_json::Value = serde_json::from_str(&read("www/package-lock.json")).unwrap();
    assert_eq!(lock["packages"][""]["version"], VERSION, "npm --prefix www install --package-lock-only");
    let changes = read("CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(newest.split(' ').next(), Some(VERSION), "CHANGELOG.md begins with what is new in {VERSION}");
    for crate_toml in ["Cargo.toml", "src/grammar/Cargo.toml"] {
        assert!(read(crate_toml).contains("\nversion.workspace = true\n"), "{crate_toml} has a version of its own");
    }
}

#[test]
fn every_shell_gets_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = out(&["completions", shell], "");
        let known: std::collections::HashSet<&str> =
            script.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).collect();
        for command in commands() {
            assert!(known.contains(command.as_str()), "{shell}: {command}");
            for option in options(&command) {
                // fish has them without their dashes.
                assert!(known.contains(option.as_str()) || known.contains(&option[2..]), "{shell}: {command} {option}");
            }
        }
    }
    let refused = refusal(&["completions", "dance"]);
    assert!(refused.contains("possible values: bash"), "{refused}");
}

/// Where there is bash, as the person at its prompt has it.
#[test]
#[cfg(unix)]
fn bash_completes() {
    let complete = |words: &[&str]| {
        let script = r#"
            source /dev/stdin
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _b158 b158 "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "${COMPREPLY[@]}""#;
        let file = temporary(&format!("complete-{}.bash", words.join("-")));
        std::fs::write(&file, out(&["completions", "bash"], "")).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", script, "bash"]).args(words).stdin(std::fs::File::open(file).unwrap());
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete(&["b158", "te"]), "template\n");
    assert_eq!(complete(&["b158", "run", "--json"]), "--json-schema\n");
    assert_eq!(complete(&["b158", "completions", "z"]), "zsh\n");
}

#[test]
fn the_manual_has_a_page_for_the_program_and_for_each_command() {
    let folder = temporary("man");
    let _ = std::fs::remove_dir_all(&folder);
    assert_eq!(out(&["man", "--out", folder.to_str().unwrap()], ""), "");
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(page("b158.1"), out(&["man"], ""));
    let commands = commands();
    for command in &commands {
        assert!(page("b158.1").contains(&format!("b158\\-{command}(1)")), "{command}");
        let text = page(&format!("b158-{command}.1"));
        assert!(text.contains(&format!(".TH b158-{command} 1")), "{text}");
        for option in options(command) {
            assert!(text.contains(&option.replace('-', "\\-")), "{command} {option}");
        }
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), commands.len() + 1, "pages that nobody asked for");
    let nowhere = b158(&["man", "--out", "/dev/null/man"], "");
    assert!(!nowhere.status.success() && String::from_utf8_lossy(&nowhere.stderr).contains("/dev/null/man"));
}
