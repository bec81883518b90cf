//! `run --prompt-cache`: what is kept, and what is never printed or lost.

use super::{GOLDEN_A, MODEL, PROMPT, STORY, b158, out, refusal, said, temporary};

/// Tokens that a run has taken from its cache, as it says.
fn cached(said: &str) -> usize {
    said.split_once(" cached").map_or(0, |(before, _)| before.rsplit('(').next().unwrap().parse().unwrap())
}

fn fresh(name: &str) -> String {
    let path = temporary(name);
    let _ = std::fs::remove_file(&path);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_prompt_cache_saves_reading_and_changes_no_word() {
    let path = fresh("prompt.cache");
    let file = path.as_str();
    let args = |prompt| ["run", "-m", MODEL, "-p", prompt, "--temp", "0", "-n", "12", "--prompt-cache", file];
    let longer = format!("{PROMPT} {}", STORY.split('.').next().unwrap());
    let [first, again, more] = [PROMPT, PROMPT, &longer].map(|prompt| {
        let output = b158(&args(prompt), "");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    });
    assert!(STORY.starts_with(first.0.trim_end()), "{}", first.0);
    assert!(!first.1.contains("cached"), "{}", first.1);
    assert_eq!(again.0, first.0);
    assert!(again.1.contains("cached") && more.1.contains("cached"), "{}{}", again.1, more.1);
    assert_eq!(more.0, out(&args(&longer)[..9], ""));

    let saved = std::fs::read(&path).unwrap();
    std::fs::write(&path, &saved[..saved.len() - 1]).unwrap();
    assert!(refusal(&args(PROMPT)).contains("prompt.cache: saved session: checksum at byte"));
    std::fs::write(&path, saved).unwrap();
    let other = ["run", "-m", GOLDEN_A, "--prompt-ids", "1 2", "-n", "1", "--prompt-cache", file];
    assert!(refusal(&other).contains("fingerprint of the model at byte 24"));
}

#[test]
fn nothing_to_generate_reads_the_prompt_and_keeps_it() {
    let path = fresh("prompt-0.cache");
    let run = |n: &str| {
        let output = b158(&["run", "-m", MODEL, "-p", PROMPT, "--temp", "0", "-n", n, "--prompt-cache", &path], "");
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), said(&output.stderr))
    };
    let (text, first) = run("0");
    assert_eq!(text, "\n");
    assert!(first.contains("generated 0;") && first.matches("tok/s").count() == 1, "{first}");
    let (text, again) = run("12");
    assert!(STORY.starts_with(text.trim_end()) && text.len() > 20, "{text}");
    assert!(cached(&again) > 10, "{again}");
    // All but the last token, which is computed each time, is there: nothing was measured to speak of.
    let (_, third) = run("0");
    assert_eq!(cached(&third), cached(&again));
}

#[test]
fn no_speed_is_printed_of_what_was_not_measured() {
    for (extra, speeds) in [(&["-n", "0"][..], 1), (&["-n", "1"], 1), (&["-n", "2"], 2), (&["-n", "4", "-r", "!"], 2)] {
        let output = b158(&[&["run", "-m", MODEL, "-p", PROMPT, "--temp", "0"], extra].concat(), "");
        let said = said(&output.stderr);
        let line = said.lines().last().unwrap();
        assert!(output.status.success() && line.starts_with("prompt "), "{said}");
        assert_eq!(line.matches("tok/s").count(), speeds, "{line}");
        assert!(!line.contains("inf") && !line.contains("NaN") && !line.contains(" 0.0 "), "{line}");
        assert_eq!(line.contains("first token"), extra != ["-n", "0"], "{line}");
    }
    let table = out(&["bench", "-m", MODEL, "-p", "4", "-n", "0", "-r", "1"], "");
    assert!(table.lines().nth(1).unwrap().split_whitespace().any(|figure| figure == "-"), "{table}");
    let json = out(&["bench", "-m", MODEL, "-p", "0", "-n", "2", "-r", "1", "--json"], "");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let row = &json["results"][0];
    assert!(
        row["promptTokensPerSecond"].is_null() && row["generationTokensPerSecond"].as_f64().unwrap() > 0.0,
        "{row}"
    );
}

#[test]
fn an_empty_file_is_a_new_session() {
    let path = fresh("prompt-empty.cache");
    std::fs::write(&path, "").unwrap();
    let args = ["run", "-m", MODEL, "-p", PROMPT, "--temp", "0", "-n", "4", "--prompt-cache", &path];
    let first = b158(&args, "");
    assert!(first.status.success() && said(&first.stderr).contains("prompt-empty.cache is empty"));
    assert!(cached(&said(&b158(&args, "").stderr)) > 0);
}

#[test]
fn what_cannot_be_used_is_named_and_not_touched() {
    let path = fresh("prompt-bad.cache");
    let args = ["run", "-m", MODEL, "-p", PROMPT, "--temp", "0", "-n", "2", "--prompt-cache", &path];
    assert!(b158(&args, "").status.success());
    let good = std::fs::read(&path).unwrap();
    let mut older = good.clone();
    older[8] = 0;
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let cut = |length: usize| good[..length].to_vec();
    let text = b"# notes that are no cache\n".to_vec();
    for (bytes, why) in [
        (older, "version"),
        (damaged, "checksum"),
        (cut(5), "magic"),
        (cut(30), "fingerprint"),
        (cut(good.len() - 1), "checksum"),
        (cut(good.len() / 2), "keys and values"),
        (text, "magic"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let said = refusal(&args);
        assert!(said.contains("prompt-bad.cache: saved session: ") && said.contains(why), "{why}: {said}");
        assert!(said.contains("delete the file"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{why}");
    }
    std::fs::write(&path, &good).unwrap();
    assert!(refusal(&[&args[..], &["--kv-cache", "f32"]].concat()).contains("type of the KV cache"));
    assert!(refusal(&[&args[..], &["-c", "8"]].concat()).contains("context"));
    assert_eq!(std::fs::read(&path).unwrap(), good);
}

#[test]
fn a_cache_that_is_only_read_stays_as_it_is() {
    let path = fresh("prompt-ro.cache");
    let args = ["run", "-m", MODEL, "-p", PROMPT, "--temp", "0", "-n", "3", "--prompt-cache", &path];
    let read_only = [&args[..], &["--prompt-cache-ro"]].concat();
    assert!(b158(&read_only, "").status.success());
    assert!(!std::fs::exists(&path).unwrap());
    assert!(b158(&args, "").status.success());
    let kept = std::fs::read(&path).unwrap();
    let longer = [&read_only[..4], &[STORY], &read_only[5..]].concat();
    assert!(b158(&longer, "").status.success());
    assert!(cached(&said(&b158(&read_only, "").stderr)) > 0);
    assert_eq!(std::fs::read(&path).unwrap(), kept);
    assert!(refusal(&["run", "-m", MODEL, "-p", "x", "--prompt-cache-ro"]).contains("--prompt-cache"));
}

#[cfg(unix)]
#[test]
fn a_new_cache_takes_the_place_of_the_old_with_its_link_and_permissions() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (path, link) = (fresh("prompt-target.cache"), fresh("prompt-link.cache"));
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&path, &link).unwrap();
    out(&["run", "-q", "-m", MODEL, "-p", PROMPT, "-n", "0", "--prompt-cache", &link], "");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let found = std::fs::metadata(&path).unwrap();
    assert!(found.len() > 1000 && found.permissions().mode() & 0o777 == 0o600);
    let folder = temporary("");
    let left = std::fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert!(!left.into_iter().any(|name| name.starts_with("prompt-target") && name.ends_with(".part")));
}
