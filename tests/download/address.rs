//! What a person may write for an address.

use b158::download::address::{file_name, is_immutable, parts, resolve};
use proptest::prelude::*;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn resolved(given: &str) -> String {
    resolve(given, None).unwrap().to_string()
}

#[test]
fn it_is_relative_to_the_page_and_has_no_fragment() {
    let url = resolve("models/a.gguf?x=1#top", Some("https://example.org/demo/")).unwrap();
    assert_eq!(url.as_str(), "https://example.org/demo/models/a.gguf?x=1");
    assert_eq!(resolve("https://a.example/x", Some("nonsense")).unwrap_err().code(), "invalid-argument");
}

#[test]
fn it_may_be_on_the_hub() {
    let hub = [
        (
            "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf",
            "microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf",
        ),
        ("hf:o/r@v1.0/a/b c.gguf", "o/r/resolve/v1.0/a/b%20c.gguf"),
        ("hf:o/r@refs%2Fpr%2F1/a.gguf", "o/r/resolve/refs%2Fpr%2F1/a.gguf"),
        ("hf:o/r/ä?#(1)'*!~.gguf", "o/r/resolve/main/%C3%A4%3F%23(1)'*!~.gguf"),
        ("hf:o/r/a@b.gguf", "o/r/resolve/main/a%40b.gguf"),
        ("hf:o/r/100%25.gguf", "o/r/resolve/main/100%2525.gguf"),
    ];
    for (given, path) in hub {
        assert_eq!(resolved(given), format!("https://huggingface.co/{path}"));
    }
}

#[test]
fn that_names_a_commit_of_the_hub_it_is_for_ever() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_immutable(&resolved(&format!("hf:o/r@{commit}/a.gguf"))));
    assert!(is_immutable(&format!("https://huggingface.co/o/r/resolve/{commit}/a.gguf?download=true")));
    for other in [
        resolved("hf:o/r/a.gguf"),
        format!("https://elsewhere.example/o/r/resolve/{commit}/a.gguf"),
        format!("https://huggingface.co.elsewhere.example/o/r/resolve/{commit}/a.gguf"),
        format!("https://huggingface.co/o/r/resolve/{}/a.gguf", commit.to_uppercase()),
        format!("https://huggingface.co/o/r/resolve/main/x?/o/r/resolve/{commit}"),
        String::new(),
    ] {
        assert!(!is_immutable(&other), "{other}");
    }
}

#[test]
fn some_texts_are_none() {
    let texts = [
        "hf:owner/file.gguf",
        "hf:",
        "hf:o/r/",
        "hf:o/r//a.gguf",
        "hf:o/r@/a.gguf",
        "hf:o@x/r/a.gguf",
        "hf:o/r@%FF/a.gguf",
        "hf:o/r/../../api/x",
        "hf:../r/a/b.gguf",
        "hf:o/r@../a.gguf",
        "http://",
        "no/base.gguf",
        "",
    ];
    for text in texts {
        let error = resolve(text, None).unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
        assert!(error.to_string().starts_with(&format!("\"{text}\" is not an address")), "{error}");
    }
}

#[test]
fn that_of_the_first_part_of_a_split_file_stands_for_all() {
    let url = resolve("https://example.org/m-00001-of-00003.gguf?token=1", None).unwrap();
    let all: Vec<String> = parts(&url).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(all, [1, 2, 3].map(|part| format!("https://example.org/m-0000{part}-of-00003.gguf?token=1")));
    for alone in ["https://example.org/m.gguf", "https://example.org/m-0001-of-0003.gguf", "data:,x", "https://x.org/"]
    {
        assert_eq!(parts(&resolve(alone, None).unwrap()).unwrap().len(), 1);
    }
    let odd = resolve("https://example.org/M-00001-OF-00002.GGUF", None).unwrap();
    assert_eq!(parts(&odd).unwrap()[1].as_str(), "https://example.org/M-00002-OF-00002.GGUF");
    let none = resolve("https://example.org/m-00001-of-00000.gguf", None).unwrap();
    assert_eq!(parts(&none).unwrap().len(), 1);
    let second = resolve("https://example.org/m-00002-of-00003.gguf", None).unwrap();
    let error = parts(&second).unwrap_err();
    assert!(error.to_string().contains("https://example.org/m-00001-of-00003.gguf"), "{error}");
    let most = resolve("https://example.org/m-00001-of-99999.gguf", None).unwrap();
    assert_eq!(parts(&most).unwrap().len(), 99_999);
}

#[test]
fn it_has_a_file_name() {
    for (url, name) in [
        ("https://example.org/a/b%20c.gguf?x/y", "b c.gguf"),
        ("https://example.org/%E0.gguf", "%E0.gguf"),
        ("https://example.org/a/", "a"),
        ("https://example.org/", "https://example.org/"),
        ("x", "x"),
        ("", ""),
    ] {
        assert_eq!(file_name(url), name);
    }
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_host_may_have_letters_of_any_language() {
    assert_eq!(resolved("https://bücher.example/a.gguf"), "https://xn--bcher-kva.example/a.gguf");
}

proptest! {
    #[test]
    fn anything_gives_an_address_or_an_error(text in "(hf:|https://|)[ -~ä/@%.#?-]{0,40}(-0000[0-3]-of-0000[0-3].gguf)?") {
        if let Ok(url) = resolve(&text, Some("https://example.org/a/")) {
            prop_assert_eq!(url.fragment(), None);
            // Its text is in the normal form, which is what a cache is found by.
            let again = resolve(url.as_str(), None);
            prop_assert_eq!(again.as_ref().ok(), Some(&url));
            if let Ok(all) = parts(&url) {
                prop_assert_eq!(&all[0], &url);
            }
            if text.starts_with("hf:") {
                prop_assert!(url.as_str().starts_with("https://huggingface.co/"));
                prop_assert_eq!(url.path().split('/').nth(3), Some("resolve"));
            }
        }
        file_name(&text);
        is_immutable(&text);
    }
}
