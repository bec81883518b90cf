//! Models from addresses: what is fetched, what is kept, who gets the token.

use super::server::{CERTIFICATE, Page, Server};
use super::{MODEL, PROMPT, STORY, common, out, said, temporary};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const PART: u64 = 512 << 10;
const SETTINGS: [&str; 14] = [
    "HF_TOKEN",
    "HF_ENDPOINT",
    "B158_CACHE",
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "XDG_CACHE_HOME",
    "HOME",
];

/// A cache of its own.
pub(crate) struct Cache(PathBuf);

impl Cache {
    pub(crate) fn new(name: &str) -> Self {
        let folder = temporary(&format!("cache-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        Cache(folder)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_b158"));
        for name in SETTINGS {
            command.env_remove(name);
        }
        command.args(args).env("B158_CACHE", &self.0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a run that succeeds.
    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output.stderr));
        said(&output.stdout)
    }

    fn refusal(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {}", said(&output.stdout));
        said(&output.stderr)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        serde_json::from_str(&self.out(&[args, &["--json"]].concat())).unwrap()
    }

    /// The folders of its files.
    fn folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }

    /// Parts that the journal of its only file has.
    fn parts(&self) -> Vec<u64> {
        let [folder] = &self.folders()[..] else { panic!("{:?}", self.folders()) };
        let journal = std::fs::read_to_string(folder.join("journal")).unwrap();
        let parts = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["part"].as_u64());
        parts.collect()
    }
}

fn story() -> Vec<u8> {
    common::STORIES.to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A sound file of so many mebibytes that no engine has to run.
fn big(name: &str, layers: &str) -> Vec<u8> {
    let path = temporary(name);
    let path = path.to_str().unwrap();
    out(&["synth", "--preset", "5m", "--layers", layers, "--type", "F16", "-o", path], "");
    std::fs::read(path).unwrap()
}

const TELL: [&str; 8] = ["-p", PROMPT, "--temp", "0", "-n", "12", "-t", "1"];

#[test]
fn a_story_from_an_address_is_that_of_the_file_and_the_next_run_asks_for_one_byte() {
    let server = Server::new().with("/a/stories.gguf", Page::file(&story()));
    let (cache, url) = (Cache::new("story"), server.url("/a/stories.gguf"));
    let args = [&["run", "-m", &url][..], &TELL].concat();
    let first = cache.run(&args);
    let text = said(&first.stdout);
    assert_eq!(text, out(&[&["run", "-m", MODEL][..], &TELL].concat(), ""));
    assert!(STORY.starts_with(text.trim_end()), "{text}");
    let lines = said(&first.stderr);
    assert!(lines.starts_with("downloading stories.gguf: ") && lines.contains("stories.gguf: 2.2 MB in "), "{lines}");
    assert_eq!(server.sent(), story().len() as u64, "{:?}", server.asked());
    server.asked();

    assert_eq!(cache.out(&args), text);
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].range() == Some((0, 1)), "{asked:?}");
    assert!(said(&cache.run(&args).stderr).contains("stories.gguf: 2.2 MB, from the cache"));
    assert!(cache.run(&[&args[..], &["-q"]].concat()).stderr.is_empty());

    drop(server);
    assert_eq!(cache.out(&[&args[..], &["--offline"]].concat()), text);
    let note = said(&cache.run(&args).stderr);
    assert!(note.contains("note: from the cache") && note.contains("refused"), "{note}");
    let other = Cache::new("story-empty");
    let refused = other.refusal(&[&args[..], &["--offline"]].concat());
    assert!(refused.contains("is not whole in the cache"), "{refused}");
    assert!(other.folders().is_empty() || other.json(&["models"]).is_empty(), "{:?}", other.folders());
}

#[cfg(unix)]
#[test]
fn what_has_come_before_ctrl_c_is_not_asked_for_again() {
    let bytes = big("big.gguf", "12");
    let size = bytes.len() as u64;
    assert!(size > 8 * PART, "{size}");
    let server = Server::new().with("/big.gguf", Page::file(&bytes));
    let cache = Cache::new("stopped");
    let url = server.url("/big.gguf");
    // Somewhere, another place each time; a failure says which.
    let anywhere = |from: u64| {
        use std::hash::BuildHasher;
        from + std::hash::RandomState::new().hash_one(0) % (size / 3)
    };
    let length = |part: &u64| PART.min(size - part * PART);
    let mut kept: Vec<u64> = Vec::new();
    for stop in [anywhere(0), anywhere(size / 3)] {
        let stop = stop.min(size - kept.iter().map(length).sum::<u64>() - 1);
        server.hold_after(Some(stop));
        let child = cache.command(&["pull", &url]).spawn().unwrap();
        server.wait_until_held();
        let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        let output = child.wait_with_output().unwrap();
        let lines = said(&output.stderr);
        assert!(!output.status.success() && lines.contains("stopped; what has come is kept"), "at {stop}: {lines}");
        server.hold_after(None);
        let now = cache.parts();
        assert!(kept.iter().all(|part| now.contains(part)), "at {stop}: {now:?}, and before {kept:?}");
        kept = now;
    }
    server.asked();
    let file = &cache.json(&["pull", &url])[0];
    assert_eq!((&file["size"], &file["sha256"]), (&size.into(), &sha256(&bytes).into()));
    assert!(std::fs::read(file["path"].as_str().unwrap()).unwrap() == bytes);
    let missing: Vec<u64> = (0..size.div_ceil(PART)).filter(|part| !kept.contains(part)).collect();
    let asked = server.asked();
    let mut parts: Vec<u64> =
        asked.iter().flat_map(|asked| asked.range()).flat_map(|(from, to)| from / PART..to.div_ceil(PART)).collect();
    parts.sort_unstable();
    assert_eq!(parts, missing, "{asked:?}");
}

#[test]
fn the_token_goes_to_the_hub_and_to_no_other_host() {
    const TOKEN: &str = "Bearer hf_1";
    let server = Server::new();
    let path = "/o/r/resolve/main/stories.gguf";
    let hub = |cache: &Cache, args: &[&str]| {
        let mut command = cache.command(&[args, &TELL].concat());
        command.env("HF_TOKEN", "hf_1").env("HF_ENDPOINT", server.url("")).output().unwrap()
    };
    // First to another path of its own, then to another host, as the hub does.
    server.put(path, Page::With(TOKEN, Box::new(Page::Redirect(307, "/moved".to_owned()))));
    server.put("/moved", Page::With(TOKEN, Box::new(Page::Redirect(302, server.other_url("/cdn?signature=1")))));
    server.put("/cdn", Page::file(&story()));
    let cache = Cache::new("token");
    let output = hub(&cache, &["run", "-m", "hf:o/r/stories.gguf"]);
    assert!(output.status.success(), "{}", said(&output.stderr));
    for asked in server.asked() {
        let has = asked.headers.contains_key("authorization");
        assert_eq!(has, !asked.path.starts_with("/cdn"), "{asked:?}");
        assert_eq!(asked.headers["host"].starts_with("localhost"), !has);
    }
    // llama-cli's words for the same.
    let output = hub(&cache, &["run", "-hf", "o/r", "-hff", "stories.gguf"]);
    assert!(said(&output.stderr).contains("from the cache"), "{}", said(&output.stderr));
    server.asked();

    let without = cache.refusal(&[&["run", "-m", &server.url(path), "--no-cache"][..], &TELL].concat());
    assert!(without.contains("401") && without.contains("HF_TOKEN"), "{without}");
    // Another host than the hub gets none, even when it is asked first.
    server.put("/own", Page::file(&story()));
    assert!(hub(&cache, &["run", "-m", &server.other_url("/own")]).status.success());
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn a_file_is_held_against_what_the_hub_says() {
    let server = Server::new();
    let (path, bytes) = ("/o/r/resolve/main/stories.gguf", story());
    let says = |sha256: String| server.put(path, Page::Linked(server.other_url("/cdn"), sha256));
    server.put("/cdn", Page::file(&bytes));
    let cache = Cache::new("hub");
    let pull = || {
        let mut command = cache.command(&["pull", "hf:o/r/stories.gguf"]);
        command.env("HF_ENDPOINT", server.url("")).output().unwrap()
    };
    says("0".repeat(64));
    let output = pull();
    let told = said(&output.stderr);
    assert!(!output.status.success() && told.contains("SHA-256") && told.contains("says"), "{told}");
    assert_eq!(cache.json(&["models"]), [Value::Null; 0]);
    says(sha256(&bytes));
    let output = pull();
    assert!(output.status.success(), "{}", said(&output.stderr));
    assert!(server.asked().iter().all(|asked| asked.path == path || asked.path == "/cdn"), "no further request");
    assert_eq!(cache.json(&["models"])[0]["sha256"], sha256(&bytes));
    // Another host may not say it.
    server.put("/cdn2", Page::file(&bytes));
    server.put("/cdn", Page::Linked(server.other_url("/cdn2"), "0".repeat(64)));
    assert!(pull().status.success());
    // Nor a server that is no hub.
    server.put("/m.gguf", Page::Linked(server.other_url("/cdn2"), "0".repeat(64)));
    let output = cache.command(&["pull", &server.url("/m.gguf")]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
}

#[test]
fn a_split_model_is_fetched_in_all_its_parts() {
    let whole = temporary("split-from.gguf");
    let name = whole.to_str().unwrap();
    out(&["synth", "--split-max-tensors", "10", "-o", name], "");
    let files = b158::gguf::Split::names(&name.replace(".gguf", "-00001-of-00003.gguf")).unwrap();
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let server = Server::new();
    for (no, bytes) in files.iter().enumerate() {
        server.put(&format!("/m-0000{}-of-00003.gguf", no + 1), Page::file(bytes));
    }
    let cache = Cache::new("split");
    let url = server.url("/m-00001-of-00003.gguf");
    let digests = files.iter().map(|file| sha256(file)).collect::<Vec<_>>();
    let pulled = cache.json(&["pull", &url, "--sha256", &digests.join(",")]);
    assert_eq!(pulled.iter().map(|part| part["sha256"].as_str().unwrap()).collect::<Vec<_>>(), digests);
    server.asked();
    let inspected = cache.out(&["inspect", &url, "--offline"]);
    assert_eq!(inspected, out(&["inspect", &name.replace(".gguf", "-00001-of-00003.gguf")], ""));
    let run = ["run", "-m", &url, "--prompt-ids", "1 2 3", "-n", "4", "--ids", "--offline"];
    assert_eq!(cache.out(&run).split_whitespace().count(), 4);
    assert!(server.asked().is_empty());
    let second = cache.refusal(&["pull", &server.url("/m-00002-of-00003.gguf")]);
    assert!(second.contains("m-00001-of-00003.gguf"), "{second}");
    // All parts go together.
    assert_eq!(cache.json(&["models"]).len(), 3);
    cache.out(&["models", "--delete", &url]);
    assert!(cache.json(&["models"]).is_empty() && cache.folders().is_empty());
}

#[test]
fn no_more_than_the_header_is_fetched_where_that_is_enough() {
    let bytes = big("big-header.gguf", "12");
    let server = Server::new().with("/big.gguf", Page::file(&bytes));
    let cache = Cache::new("header");
    let url = server.url("/big.gguf");
    let text = cache.out(&["inspect", &url]);
    assert_eq!(text, out(&["inspect", temporary("big-header.gguf").to_str().unwrap()], ""));
    assert!(server.sent() <= 1 << 20 && cache.folders().is_empty(), "{:?}", server.asked());
    cache.out(&["pull", &url]);
    server.asked();
    // From the cache when it is there.
    assert_eq!(cache.out(&["inspect", &url]), text);
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].range() == Some((0, 1)), "{asked:?}");
    let check = cache.out(&["inspect", "--check", &url, "--offline"]);
    assert_eq!(check, out(&["inspect", "--check", temporary("big-header.gguf").to_str().unwrap()], ""));
}

#[test]
fn the_cache_is_listed_and_emptied() {
    let server = Server::new().with("/a.gguf", Page::file(&story())).with("/b.gguf", Page::file(&story()));
    let (cache, [a, b]) = (Cache::new("list"), ["/a.gguf", "/b.gguf"].map(|path| server.url(path)));
    assert!(cache.json(&["models"]).is_empty());
    let pulled = cache.out(&["pull", &a]);
    assert!(pulled.contains(&format!("sha256  {}", sha256(&story()))), "{pulled}");
    cache.out(&["pull", "-q", &b]);
    let list = cache.json(&["models"]);
    let addresses: Vec<_> = list.iter().map(|file| file["address"].as_str().unwrap()).collect();
    assert!(addresses.contains(&a.as_str()) && addresses.contains(&b.as_str()) && list.len() == 2, "{addresses:?}");
    for file in &list {
        assert!(file["complete"] == true && file["bytes"] == story().len(), "{file}");
        assert_eq!(std::fs::read(file["path"].as_str().unwrap()).unwrap(), story());
    }
    let table = cache.out(&["models"]);
    assert!(table.lines().count() == 3 && table.contains("whole") && table.contains("2.2 MB"), "{table}");
    let key = list[0]["key"].as_str().unwrap();
    cache.out(&["models", "--delete", key]);
    assert_eq!(cache.json(&["models"]).len(), 1);
    assert!(cache.refusal(&["models", "--delete", key]).contains("is not in the cache"));
    cache.out(&["models", "--clear"]);
    assert!(cache.folders().is_empty());
}

#[test]
fn what_goes_wrong_is_said_and_what_is_bad_is_not_kept() {
    let mut damaged = story();
    damaged.truncate(1_000_000);
    let server = Server::new()
        .with("/gone.gguf", Page::Status(410, ""))
        .with("/page.gguf", Page::Html)
        .with("/secret.gguf", Page::Status(403, ""))
        .with("/busy.gguf", Page::Status(429, "retry-after: 3600\r\n"))
        .with("/cut.gguf", Page::file(&damaged))
        .with("/text.gguf", Page::file(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"))
        .with("/good.gguf", Page::file(&story()))
        .with("/down.gguf", Page::Redirect(302, "ftp://h/f".to_owned()))
        .with("/round.gguf", Page::Redirect(302, "/round.gguf".to_owned()));
    let cache = Cache::new("errors");
    for (path, words) in [
        ("/none.gguf", &["404", "check the address"][..]),
        ("/gone.gguf", &["410"]),
        ("/page.gguf", &["is a web page", "/resolve/"]),
        ("/secret.gguf", &["403", "HF_TOKEN"]),
        ("/busy.gguf", &["429", "3600 s"]),
        ("/cut.gguf", &["/cut.gguf: ", "cut short"]),
        ("/text.gguf", &["/text.gguf: not a GGUF file"]),
    ] {
        for command in [&["pull"][..], &["run", "-p", "x", "-m"]] {
            let refused = cache.refusal(&[command, &[&server.url(path)]].concat());
            assert!(words.iter().all(|word| refused.contains(word)), "{path}: {refused}");
            assert!(refused.lines().last().unwrap().starts_with("error: "), "{refused}");
        }
    }
    for (path, word) in [("/down.gguf", "redirects to ftp://h/f"), ("/round.gguf", "redirects more than")] {
        let refused = cache.refusal(&["pull", &server.url(path)]);
        assert!(refused.contains(word), "{path}: {refused}");
    }
    let wrong = cache.refusal(&["pull", &server.url("/good.gguf"), "--sha256", &sha256(b"")]);
    assert!(wrong.contains(&sha256(&story())) && wrong.contains("nothing of it was kept"), "{wrong}");
    assert!(cache.json(&["models"]).is_empty() && cache.folders().is_empty(), "{:?}", cache.folders());
    let digest = cache.refusal(&["run", "-p", "x", "-m", MODEL, "--sha256", &sha256(b"")]);
    assert!(digest.contains("stories-I2_S.gguf has the SHA-256"), "{digest}");

    let gone = server.url("/good.gguf");
    drop(server);
    let refused = cache.refusal(&["pull", &gone]);
    assert!(refused.contains("could not be fetched") && refused.contains("refused"), "{refused}");
    for name in ["pull", "models"] {
        assert!(cache.refusal(&[name, "x", "--delete", "x"]).contains("error: "));
    }
    assert!(cache.refusal(&["pull", MODEL]).contains("is no address"));
}

#[test]
fn without_a_place_for_the_cache_the_load_goes_on() {
    let server = Server::new().with("/a.gguf", Page::file(&story()));
    let url = server.url("/a.gguf");
    let args = [&["run", "-m", &url][..], &TELL].concat();
    // A file where the folder should be: nobody may write there, whoever runs the tests.
    let cache = Cache::new("no-folder");
    std::fs::write(&cache.0, "").unwrap();
    let output = cache.run(&args);
    assert!(output.status.success() && STORY.starts_with(said(&output.stdout).trim_end()), "{}", said(&output.stderr));
    let note = said(&output.stderr);
    assert!(note.contains("note: ") && note.contains("cache-no-folder"), "{note}");
    assert!(cache.refusal(&["pull", &url]).contains("can't be kept"));
    std::fs::remove_file(&cache.0).unwrap();
    let output = cache.run(&[&args[..], &["--no-cache"]].concat());
    assert!(output.status.success() && !cache.0.exists());
}

#[test]
fn one_process_writes_and_another_goes_on_without() {
    let server = Server::new().with("/a.gguf", Page::file(&story()));
    let (cache, url) = (Cache::new("two"), server.url("/a.gguf"));
    server.hold_after(Some(PART + 5));
    let first = cache.command(&["pull", &url]).spawn().unwrap();
    server.wait_until_held();
    assert!(cache.refusal(&["models", "--clear"]).contains("another process"));
    let second = cache.command(&[&["run", "-m", &url][..], &TELL].concat()).spawn().unwrap();
    // The second has sent a request: it knows that it may not write.
    while server.waiting() < 2 {
        std::thread::yield_now();
    }
    server.hold_after(None);
    let [first, second] = [first, second].map(|child| child.wait_with_output().unwrap());
    assert!(first.status.success() && second.status.success(), "{}{}", said(&first.stderr), said(&second.stderr));
    assert!(said(&second.stderr).contains("another process"), "{}", said(&second.stderr));
    assert!(cache.json(&["models"])[0]["complete"] == true);
}

#[test]
fn a_damaged_part_comes_again_and_a_changed_file_begins_anew() {
    let server = Server::new().with("/a.gguf", Page::file(&story()));
    let (cache, url) = (Cache::new("damaged"), server.url("/a.gguf"));
    let data = PathBuf::from(cache.json(&["pull", &url])[0]["path"].as_str().unwrap());
    let mut bytes = story();
    bytes[PART as usize + 7] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let offline = cache.refusal(&["pull", &url, "--offline"]);
    assert!(offline.contains("damaged in the cache"), "{offline}");
    server.sent();
    cache.out(&["pull", &url]);
    assert!(std::fs::read(&data).unwrap() == story() && server.sent() <= PART + 1);
    let other = std::fs::read(super::GOLDEN_A).unwrap();
    server.put("/a.gguf", Page::File { bytes: other.clone().into(), etag: "\"2\"".to_owned() });
    assert_eq!(cache.json(&["pull", &url])[0]["sha256"], sha256(&other));
    assert!(std::fs::read(&data).unwrap() == other);
}

#[test]
fn a_certificate_must_be_known() {
    let server = Server::secure().with("/a.gguf", Page::file(&story()));
    let (cache, url) = (Cache::new("tls"), server.url("/a.gguf"));
    let refused = cache.refusal(&["pull", &url]);
    assert!(refused.contains("certificate") && refused.contains("SSL_CERT_FILE"), "{refused}");
    let with = |certificates: &str| cache.command(&["pull", &url]).env("SSL_CERT_FILE", certificates).output().unwrap();
    let output = with(CERTIFICATE);
    assert!(output.status.success(), "{}", said(&output.stderr));
    for (file, why) in [(MODEL, "SSL_CERT_FILE: "), ("/no/such/file", "/no/such/file: ")] {
        let output = with(file);
        assert!(!output.status.success() && said(&output.stderr).contains(why), "{}", said(&output.stderr));
    }
    // From there to where anybody reads along.
    let plain = Server::new().with("/a.gguf", Page::file(&story()));
    server.put("/down.gguf", Page::Redirect(302, plain.url("/a.gguf?secret=1")));
    let output =
        cache.command(&["pull", &server.url("/down.gguf")]).env("SSL_CERT_FILE", CERTIFICATE).output().unwrap();
    let refused = said(&output.stderr);
    assert!(refused.contains("anybody could read") && !refused.contains("secret"), "{refused}");
    assert!(plain.asked().is_empty());
}
