//! Manifests of split models: what they ask for, and what hostile ones come to.

use crate::memory::Buffer;
use crate::model::{Taker, files, read_headers, rig, run, run_into, url};
use crate::rig::{Rig, request, requested};
use crate::server::{Fault, ORIGIN, sha256};
use b158::download::{CacheMode, Manifest, ManifestFile, Part, Request, manifest};
use b158::{Error, Result};
use proptest::prelude::*;
use url::Url;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const AT: &str = "https://models.example/m.json?key=1";

fn right() -> Manifest {
    let file = |(bytes, part): (Vec<u8>, usize)| ManifestFile {
        name: format!("m-0000{part}-of-00003.gguf"),
        size: bytes.len() as u64,
        sha256: sha256(&bytes),
    };
    Manifest::new(files().into_iter().zip(1..).map(file).collect())
}

fn text(manifest: &Manifest) -> Vec<u8> {
    serde_json::to_vec(manifest).unwrap()
}

fn asked() -> Request {
    requested(|request| request.url = AT.to_owned())
}

/// The parts of what the server has for a manifest.
fn parts(rig: &Rig, request: &Request) -> Result<Vec<Part<Buffer>>> {
    let (manifest, _) = rig.clock.run(manifest(rig, request))?;
    assert_eq!((rig.store.writers(), rig.server.open()), (0, 0), "locks and connections");
    let requests = manifest.requests(&Url::parse(&request.url).unwrap(), request)?;
    Ok(requests.into_iter().map(Part::Address).collect())
}

fn with(manifest: &Manifest) -> Rig {
    let rig = rig();
    rig.server.put(AT, text(manifest));
    rig
}

#[test]
fn a_model_comes_with_the_hashes_and_sizes_of_its_manifest() {
    let rig = with(&right());
    let loaded = run(&rig, parts(&rig, &asked()).unwrap()).unwrap();
    assert_eq!(loaded.taker.parts, files());
    // What the parts have in all is known from the start, and nobody is asked for it.
    assert!(loaded.progress.iter().all(|report| report.total == Some(56_001)));
    let urls: Vec<String> = rig.server.requests().into_iter().map(|asked| asked.url).collect();
    assert!(urls.iter().all(|asked| asked == AT || (1..=3).any(|part| *asked == url(part))), "{urls:?}");
    // Manifest and parts are kept: a next time nothing but the manifest is asked for, and offline nothing.
    rig.server.take_requests();
    assert_eq!(run(&rig, parts(&rig, &asked()).unwrap()).unwrap().cached, Some(true));
    assert_eq!(rig.server.take_requests().len(), 1);
    let offline = Request { offline: true, ..asked() };
    assert_eq!(run(&rig, parts(&rig, &offline).unwrap()).unwrap().cached, Some(true));
    assert!(rig.server.requests().is_empty());
}

#[test]
fn names_lie_beside_the_manifest_whatever_is_in_them() {
    let of = |base: &str, name: &str| {
        let file = ManifestFile { name: name.to_owned(), size: 1, sha256: "0".repeat(64) };
        let requests = Manifest::new(vec![file]).requests(&Url::parse(base).unwrap(), &request());
        requests.map(|mut requests| requests.remove(0).url)
    };
    assert_eq!(of("https://h/a/b.json?c#d", "m.gguf").unwrap(), "https://h/a/m.gguf");
    assert_eq!(of("https://h", "m.gguf").unwrap(), "https://h/m.gguf");
    assert_eq!(of("https://h/a/", "m.gguf").unwrap(), "https://h/a/m.gguf");
    assert_eq!(of("https://h/a/b", "ü 1?#.gguf").unwrap(), "https://h/a/%C3%BC%201%3F%23.gguf");
    assert_eq!(of("https://h/a/b", "%2e%2e").unwrap(), "https://h/a/%252e%252e");
    assert_eq!(of("https://h/a/b", "https:").unwrap(), "https://h/a/https%3A");
    assert_eq!(of("mailto:me", "m.gguf").unwrap_err().code(), "invalid-argument");
    for (address, is) in
        [("/m.json", true), ("/m.JSON?x=y", true), ("/m.gguf?x=.json", false), ("/json", false), ("/m.json/x", false)]
    {
        assert_eq!(Manifest::is_at(&Url::parse(ORIGIN).unwrap().join(address).unwrap()), is, "{address}");
    }
}

/// The file, and what its error must say.
fn refused(text: &[u8], says: &str) {
    let error = Manifest::read(text, "m.json").unwrap_err();
    assert!(matches!(error, Error::BadManifest { .. }) && error.code() == "format", "{error}");
    let told = error.to_string();
    assert!(told.contains(says) && told.starts_with("m.json is no manifest"), "{told}");
    assert!(!told.chars().any(char::is_control), "{told:?}");
}

#[test]
fn what_is_no_manifest_is_refused_before_anything_is_asked_for() {
    let changed = |change: &dyn Fn(&mut Vec<ManifestFile>)| {
        let mut manifest = right();
        change(&mut manifest.files);
        text(&manifest)
    };
    for name in [
        "",
        ".",
        "..",
        "../m.gguf",
        "/etc/m.gguf",
        "a/m.gguf",
        "a\\m.gguf",
        "https://evil.example/m.gguf",
        "m\n.gguf",
        &"m".repeat(256),
    ] {
        refused(&changed(&|files| files[1].name = name.to_owned()), "without folders");
    }
    refused(&changed(&|files| files[2].name = files[0].name.clone()), "named twice");
    refused(&changed(&|files| files[0].sha256 = "0".repeat(63)), "64 hexadecimal");
    refused(&changed(&|files| files[0].sha256 = "g".repeat(64)), "64 hexadecimal");
    refused(&changed(&|files| files[0].size = 0), "`size`");
    refused(&changed(&|files| files[1].size = u64::MAX), "`size`");
    refused(&changed(&|files| files.clear()), "names 0 files");
    // The first name says how many there are, and in which order.
    refused(&changed(&|files| drop(files.pop())), "first of 3 files");
    refused(&changed(&|files| files.swap(1, 2)), "in order");
    refused(b"", "EOF");
    refused(b"GGUF\x03\0\0\0", "expected value");
    refused(b"\xff\xfe", "expected value");
    refused(br#"{"architectures": ["BitNetForCausalLM"]}"#, "missing field `files`");
    refused(br#"{"files": [{"name": "m.gguf", "size": 1}]}"#, "missing field `sha256`");
    refused(br#"{"files": [{"name": "m.gguf", "size": -1, "sha256": ""}]}"#, "invalid value");
    refused(br#"{"files": [], "files": []}"#, "duplicate field");
    refused(&[b"{\"other\":".as_slice(), &b"[".repeat(100_000)].concat(), "EOF");
    refused(br#"{"format": "other", "files": []}"#, "`format` is");
    refused(br#"{"version": 2, "files": []}"#, "newer one");
    refused(&b" ".repeat((1 << 20) + 1), "more than 1048576 bytes");
    // Other keys, a mark of the byte order and capitals are no reason.
    let upper = text(&right()).to_ascii_uppercase();
    let digest = String::from_utf8(upper).unwrap();
    let digest = &digest[digest.find("\"SHA256\":\"").unwrap() + 10..][..64];
    let lenient = format!(
        "\u{feff}{{\"version\": 1, \"files\": [{{\"name\": \"m.gguf\", \"size\": 1, \"sha256\": \"{digest}\", \"x\": []}}]}}"
    );
    assert_eq!(Manifest::read(lenient.as_bytes(), "m.json").unwrap().files[0].sha256, digest.to_ascii_lowercase());
}

#[test]
fn a_bad_one_is_not_kept_and_a_huge_one_not_read() {
    let rig = rig();
    for file in [b"{}".to_vec(), b" ".repeat(3 << 20)] {
        rig.server.put(AT, file);
        for fault in [Fault::default(), Fault { ignore_range: true, no_length: true, ..Fault::default() }] {
            rig.server.always(fault);
            let error = parts(&rig, &asked()).map(drop).unwrap_err();
            assert!(matches!(error, Error::BadManifest { .. }), "{error}");
            assert_eq!(rig.store.len(), 0);
        }
    }
    rig.server.always(Fault { html: true, ..Fault::default() });
    assert!(matches!(parts(&rig, &asked()), Err(Error::WebPage { .. })));
    rig.server.always(Fault { status: Some(404), ..Fault::default() });
    assert_eq!(parts(&rig, &asked()).map(drop).unwrap_err().code(), "network");
}

#[test]
fn parts_that_are_not_what_the_manifest_says_are_refused_and_not_kept() {
    let faults = || [Fault::default(), Fault { ignore_range: true, no_length: true, ..Fault::default() }];
    type Change = fn(&mut ManifestFile);
    let broken: [(&str, Change); 3] = [
        ("its manifest says 1001", |file| file.size = 1001),
        ("its manifest says 10", |file| file.size = 10),
        ("SHA-256", |file| file.sha256 = "0".repeat(64)),
    ];
    for (says, change) in broken {
        for fault in faults() {
            let mut manifest = right();
            change(&mut manifest.files[1]);
            let rig = with(&manifest);
            let parts = parts(&rig, &asked()).unwrap();
            rig.server.always(fault);
            let error = run(&rig, parts).map(drop).unwrap_err();
            assert!(error.code() == "integrity" && error.to_string().contains(says), "{error}");
            assert_eq!(rig.store.len(), 2, "the manifest and the first part");
        }
    }
    // An estimate sees what a size tells.
    let mut manifest = right();
    manifest.files[0].size = 5;
    let rig = with(&manifest);
    let uncached = Request { cache: CacheMode::Off, ..asked() };
    let error = read_headers(&rig, parts(&rig, &uncached).unwrap(), 4).map(drop).unwrap_err();
    assert!(error.code() == "integrity" && error.to_string().contains("manifest says 5"), "{error}");
}

/// A file that was loaded before by its own address, and is another one than the manifest's.
#[test]
fn what_is_kept_of_another_size_is_had_anew() {
    let rig = with(&right());
    let first = || vec![Part::Address(requested(|request| request.url = url(1)))];
    rig.server.put(&url(1), vec![7; 500]);
    run(&rig, first()).unwrap();
    rig.server.put(&url(1), files()[0].clone());
    rig.server.always(Fault { etag: Some(Some("\"the same\"".to_owned())), ..Fault::default() });
    assert_eq!(run(&rig, parts(&rig, &asked()).unwrap()).unwrap().taker.parts, files());
}

#[test]
fn a_file_more_than_the_model_has_parts_is_told() {
    let rig = with(&right());
    let ends = |last| Taker { last: Some(last), ..Taker::default() };
    let error = run_into(&rig, parts(&rig, &asked()).unwrap(), ends(1)).map(drop).unwrap_err();
    let says = "ends with part 2, and its manifest names https://models.example/m-00003-of-00003.gguf";
    assert!(error.code() == "integrity" && error.to_string().contains(says), "{error}");
    assert!(run_into(&rig, parts(&rig, &asked()).unwrap(), ends(2)).is_ok());
}

#[test]
fn an_estimate_keeps_nothing_and_knows_the_size_of_what_a_server_does_not_tell() {
    let rig = with(&right());
    let uncached = Request { cache: CacheMode::Off, ..asked() };
    let parts = parts(&rig, &uncached).unwrap();
    rig.server.always(Fault { ignore_range: true, no_length: true, ..Fault::default() });
    let (_, sizes) = read_headers(&rig, parts, 4).unwrap();
    assert_eq!(sizes, [Some(30_000), Some(1000), Some(25_001)]);
}

fn properties() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Any text is refused or read, and what is read asks for nothing outside its folder.
#[test]
fn no_manifest_leads_elsewhere() {
    let manifest = proptest::collection::vec(("[^\"]{0,8}|[./%\\\\:a-f2]{1,6}", any::<u64>()), 0..4);
    proptest!(properties(), |(named in manifest)| {
        let files = named.into_iter().map(|(name, size)| ManifestFile { name, size, sha256: "0".repeat(64) }).collect();
        if let Ok(manifest) = Manifest::read(&text(&Manifest::new(files)), "m.json") {
            for request in manifest.requests(&Url::parse("https://h/a/b/m.json").unwrap(), &request()).unwrap() {
                let url = Url::parse(&request.url).unwrap();
                let (path, other) = (url.path().strip_prefix("/a/b/").unwrap(), Url::parse("https://h/").unwrap());
                prop_assert!(!path.is_empty() && !path.contains('/') && url.origin() == other.origin());
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
        }
    });
}
