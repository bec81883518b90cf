//! Vocabularies, special tokens and chat templates as people's checkpoints have them, and what is read of them.

use crate::checkpoint_texts::{
    CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, assert_told, read, refused, with, without,
};
use crate::common::checkpoint::{Files, s1a};
use b158::gguf::Metadata;
use b158::tokenizer::{Special, Tokenizer};
use serde_json::{Value, json};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn ends_of_a_text_come_from_three_files() {
    let u32 = |m: &Metadata, name: &str| m.u32(&format!("tokenizer.ggml.{name}_token_id")).unwrap();
    let ends = |m: &Metadata| ["bos", "eos", "eot", "eom"].map(|name| u32(m, name));
    let (m, notes) = read(s1a()).unwrap();
    assert_eq!((ends(&m), notes), ([Some(280), Some(281), Some(287), None], vec![]));
    // By numbers alone: the first is the end, one with a name that readers know the end of a turn.
    let mut bare = s1a();
    bare.remove(TOKENIZER_CONFIG);
    let bare = with(bare, GENERATION, json!({ "eos_token_id": [287, 281] }));
    let (m, notes) = read(bare.clone()).unwrap();
    assert_eq!(ends(&m), [Some(280), Some(287), None, None]);
    assert_told(&notes.concat(), &["no tokenizer_config.json"]);
    // Others, which no name tells.
    let (m, notes) = read(with(s1a(), GENERATION, json!({ "eos_token_id": [281, 5, 6, 287, 7] }))).unwrap();
    assert_eq!(ends(&m), [Some(280), Some(281), Some(287), Some(5)]);
    assert_told(&notes.concat(), &["`eos_token_id`", "6, 7"]);
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert!([281, 287, 5].into_iter().all(|id| t.is_end(id)) && !t.is_end(6));
    // None of the tokens.
    let (m, notes) = read(with(s1a(), CONFIG, json!({ "eos_token_id": 128_009 }))).unwrap();
    assert_eq!(ends(&m)[1], Some(281));
    assert_told(&notes.concat(), &["config.json", "`eos_token_id`", "128009"]);
    let (_, notes) = read(with(s1a(), TOKENIZER_CONFIG, json!({ "pad_token": "<|nobody|>" }))).unwrap();
    assert_told(&notes.concat(), &["tokenizer_config.json", "`pad_token`", "<|nobody|>"]);
    refused(with(s1a(), TOKENIZER_CONFIG, json!({ "bos_token": 3 })), &[TOKENIZER_CONFIG, "`bos_token`"]);
    refused(with(s1a(), CONFIG, json!({ "eos_token_id": "281" })), &[CONFIG, "`eos_token_id`"]);
    // As objects.
    let token = json!({ "__type": "AddedToken", "content": "<|eot_id|>", "lstrip": false });
    let (m, _) = read(with(s1a(), TOKENIZER_CONFIG, json!({ "eos_token": token }))).unwrap();
    assert_eq!(ends(&m)[1..3], [Some(287), None]);
}

#[test]
fn what_goes_around_a_text_is_told_outright_or_by_the_post_processor() {
    let around = |files: Files| {
        let (m, notes) = read(files).unwrap();
        (["bos", "eos"].map(|name| m.bool(&format!("tokenizer.ggml.add_{name}_token")).unwrap().unwrap()), notes.len())
    };
    assert_eq!(around(s1a()), ([true, false], 0));
    assert_eq!(around(with(s1a(), TOKENIZER, json!({ "post_processor": null }))), ([false, false], 0));
    assert_eq!(around(with(s1a(), TOKENIZER_CONFIG, json!({ "add_bos_token": false }))), ([false, false], 1));
    let template = |single: Value| json!({ "post_processor": { "type": "TemplateProcessing", "single": single } });
    let token = |text: &str| json!({ "SpecialToken": { "id": text, "type_id": 0 } });
    let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let end = template(json!([text, token("<|end_of_text|>")]));
    assert_eq!(around(with(s1a(), TOKENIZER, end)), ([false, true], 0));
    let other = template(json!([token("<|reserved_special_token_0|>"), text]));
    assert_eq!(around(with(s1a(), TOKENIZER, other)), ([false, false], 1));
}

#[test]
fn the_vocabulary_has_a_token_for_each_row() {
    let text = "the old fox <|eot_id|> and more";
    let ids = |m: &Metadata| Tokenizer::from_metadata(m).unwrap().encode(text, Special::PARSED).unwrap();
    let (m, _) = read(s1a()).unwrap();
    let expected = ids(&m);
    // Fewer: rows without a token.
    let mut fewer = s1a();
    fewer.edit(TOKENIZER, |t| t["added_tokens"].as_array_mut().unwrap().retain(|token| token["id"] != 286));
    let (m, notes) = read(fewer).unwrap();
    let tokens = m.strings("tokenizer.ggml.tokens").unwrap().unwrap();
    assert_eq!((tokens.len(), tokens.get(286).as_deref()), (288, Some("[PAD286]")));
    assert_eq!(ids(&m), expected);
    assert_told(&notes.concat(), &[TOKENIZER, "1 of the embedding's 288 rows", "286"]);
    // More: tokens without a row.
    let mut more = s1a();
    more.edit(TOKENIZER, |t| {
        let mut token = t["added_tokens"][0].clone();
        (token["id"], token["content"]) = (json!(288), json!("<|extra_0|>"));
        t["added_tokens"].as_array_mut().unwrap().push(token);
    });
    let (m, notes) = read(more).unwrap();
    assert_eq!(m.strings("tokenizer.ggml.tokens").unwrap().unwrap().len(), 288);
    assert_told(&notes.concat(), &[TOKENIZER, "<|extra_0|>", "288"]);
    // Two of one number.
    let mut twice = s1a();
    twice.edit(TOKENIZER, |t| t["model"]["vocab"]["he"] = json!(257));
    refused(twice, &[TOKENIZER, "`model.vocab`", "257"]);
    // An added token that repeats one of the vocabulary: it is found in any text, as with transformers.
    let mut repeated = s1a();
    repeated.edit(TOKENIZER, |t| {
        let token = json!({ "id": 278, "content": "00", "special": false, "lstrip": false, "rstrip": false });
        t["added_tokens"].as_array_mut().unwrap().insert(0, token);
    });
    let (m, notes) = read(repeated).unwrap();
    assert_eq!((ids(&m), notes), (expected, vec![]));
    let types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
    assert_eq!([types[0], types[278], types[287]], [1, 4, 3]);
}

#[test]
fn tokenizers_of_other_kinds_are_refused_by_name() {
    let model = |kind: &str| json!({ "type": kind, "unk_id": 0, "vocab": [["a", -1.0], ["b", -2.5]] });
    for kind in ["Unigram", "WordPiece", "WordLevel"] {
        refused(with(s1a(), TOKENIZER, json!({ "model": model(kind) })), &[TOKENIZER, "`model.type`", kind, "BPE"]);
    }
    let mut suffix = s1a();
    suffix.edit(TOKENIZER, |t| t["model"]["end_of_word_suffix"] = json!("</w>"));
    refused(suffix, &[TOKENIZER, "`model.end_of_word_suffix`", "</w>"]);
    let mut split = s1a();
    split.edit(TOKENIZER, |t| t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!(r"\p{Han}+|\s+|."));
    refused(split, &[TOKENIZER, "`pre_tokenizer`", r"\p{Han}+|\s+|.", "llama-bpe"]);
    refused(with(s1a(), TOKENIZER, json!({ "pre_tokenizer": null })), &[TOKENIZER, "`pre_tokenizer`"]);
    let mut normalized = s1a();
    normalized.edit(TOKENIZER, |t| t["normalizer"] = json!({ "type": "NFC" }));
    assert_told(&read(normalized).unwrap().1.concat(), &[TOKENIZER, "NFC"]);
}

/// Whether pieces that are tokens are taken whole goes with the splitter's name, where it makes a difference.
#[test]
fn ignored_merges_choose_the_splitters_name() {
    let pre = |edit: &dyn Fn(&mut Value)| {
        let mut files = s1a();
        files.edit(TOKENIZER, |t| edit(&mut t["model"]));
        let (m, notes) = read(files).unwrap();
        (m.str("tokenizer.ggml.pre").unwrap().unwrap().to_owned(), notes)
    };
    let without_merge = |model: &mut Value| {
        model["merges"].as_array_mut().unwrap().pop();
    };
    assert_eq!(pre(&|_| ()), ("llama-bpe".to_owned(), vec![]));
    assert_eq!(pre(&|model| model["ignore_merges"] = json!(false)), ("llama-bpe".to_owned(), vec![]));
    assert_eq!(pre(&without_merge), ("llama-bpe".to_owned(), vec![]));
    let both = |model: &mut Value| {
        without_merge(model);
        model["ignore_merges"] = json!(false);
    };
    assert_eq!(pre(&both), ("smaug-bpe".to_owned(), vec![]));
    let mut files = s1a();
    files.edit(TOKENIZER, |t| {
        without_merge(&mut t["model"]);
        t["pre_tokenizer"] = json!({ "type": "ByteLevel", "add_prefix_space": false, "use_regex": true });
    });
    let (m, notes) = read(files).unwrap();
    assert_eq!(m.str("tokenizer.ggml.pre").unwrap(), Some("gpt-2"));
    assert_told(&notes.concat(), &[TOKENIZER, "`model.ignore_merges`", "gpt-2"]);
}

/// ▁ for spaces, bytes for what is no token: GGUF's kind `llama`, whose scores are the merges' ranks.
#[test]
fn bpe_with_metaspaces_becomes_the_other_kind() {
    let words = ["▁", "a", "b", "c", "ab", "▁ab", "abc", "bc"];
    let vocab: serde_json::Map<String, Value> = std::iter::once("<unk>".to_owned())
        .chain((0..=255).map(|byte| format!("<0x{byte:02X}>")))
        .chain(words.iter().map(|word| (*word).to_owned()))
        .zip(0..)
        .map(|(token, id)| (token, json!(id)))
        .collect();
    let merges = json!(["a b", "▁ ab", "b c", "a bc", "ab c"]);
    let model = json!({ "type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges });
    let normalizer = json!({ "type": "Sequence", "normalizers": [
        { "type": "Prepend", "prepend": "▁" },
        { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
    ]});
    let files = |keys: Value| {
        with(
            with(s1a(), TOKENIZER, json!({ "model": model, "normalizer": normalizer, "pre_tokenizer": null })),
            TOKENIZER,
            keys,
        )
    };
    let (m, notes) = read(files(json!({}))).unwrap();
    assert_eq!(m.str("tokenizer.ggml.model").unwrap(), Some("llama"));
    assert_eq!(m.bool("tokenizer.ggml.add_space_prefix").unwrap(), Some(true));
    assert_eq!(notes.len(), 1, "{notes:?}"); // rows without a token
    let types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
    assert_eq!([types[0], types[1], types[256], types[257], types[287], types[270]], [2, 6, 6, 1, 3, 5]);
    let scores = m.f32s("tokenizer.ggml.scores").unwrap().unwrap();
    assert_eq!(scores[261..265], [0.0, -1.0, -3.0, -2.0]);
    let t = Tokenizer::from_metadata(&m).unwrap();
    assert_eq!(t.encode("ab abc é", Special::PIECE).unwrap(), [262, 262, 260, 257, 1 + 0xc3, 1 + 0xa9]);
    // Without the space, and pairs that are no merges.
    let metaspace =
        |scheme: &str| json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false });
    for (scheme, prefix, more) in [("never", false, 0), ("always", true, 0), ("first", true, 1)] {
        let (m, notes) = read(files(json!({ "normalizer": null, "pre_tokenizer": metaspace(scheme) }))).unwrap();
        assert_eq!(
            (m.bool("tokenizer.ggml.add_space_prefix").unwrap(), notes.len()),
            (Some(prefix), 1 + more),
            "{notes:?}"
        );
    }
    let mut unlisted = model.clone();
    unlisted["merges"] = json!(["a b", "▁ ab", "b c", "a bc"]);
    let (_, notes) = read(files(json!({ "model": unlisted }))).unwrap();
    assert_told(&notes.concat(), &[TOKENIZER, "1 pairs", "`abc`"]);
    refused(
        files(json!({ "pre_tokenizer": { "type": "Digits", "individual_digits": true } })),
        &[TOKENIZER, "`pre_tokenizer`", "Digits"],
    );
}

#[test]
fn the_chat_template_is_found_where_it_lies() {
    let template =
        |files: &Files| read(files.clone()).unwrap().0.str("tokenizer.chat_template").unwrap().map(str::to_owned);
    let base = template(&s1a());
    assert!(base.is_some());
    let none = without(s1a(), TOKENIZER_CONFIG, "chat_template");
    assert_eq!(template(&none), None);
    let list = json!([{ "name": "tool use", "template": "{{ tools }}" }, { "name": "default", "template": "{{ d }}" }]);
    let mut files = with(none.clone(), TOKENIZER_CONFIG, json!({ "chat_template": list }));
    assert_eq!(template(&files).as_deref(), Some("{{ d }}"));
    let (m, _) = read(files.clone()).unwrap();
    assert_eq!(m.str("tokenizer.chat_template.tool_use").unwrap(), Some("{{ tools }}"));
    assert_eq!(m.strings("tokenizer.chat_templates").unwrap().unwrap().get(0).as_deref(), Some("tool_use"));
    files.put("chat_template.jinja", b"{{ jinja }}\n");
    assert_eq!(template(&files).as_deref(), Some("{{ jinja }}\n"));
    let mut files = none.clone();
    files.put("chat_template.json", br#"{"chat_template": "{{ json }}"}"#);
    assert_eq!(template(&files).as_deref(), Some("{{ json }}"));
    let mut files = s1a();
    files.put("chat_template.json", br#"{"chat_template": "{{ json }}"}"#);
    assert_eq!(template(&files), base);
    let unnamed = json!([{ "name": "rag", "template": "{{ r }}" }]);
    let (m, notes) = read(with(s1a(), TOKENIZER_CONFIG, json!({ "chat_template": unnamed }))).unwrap();
    assert_eq!(m.str("tokenizer.chat_template").unwrap(), None);
    assert_told(&notes.concat(), &["`default`"]);
    refused(with(s1a(), TOKENIZER_CONFIG, json!({ "chat_template": 3 })), &[TOKENIZER_CONFIG, "`chat_template`"]);
}

#[test]
fn values_of_the_tokenizer_are_named_by_their_keys() {
    for (key, value) in [
        ("merges", json!(["a b c"])),
        ("merges", json!([["a"]])),
        ("vocab", json!({ "a": -1 })),
        ("ignore_merges", json!("yes")),
        ("unk_token", json!(3)),
        ("byte_fallback", json!(0)),
    ] {
        let mut files = s1a();
        files.edit(TOKENIZER, |t| t["model"][key] = value.clone());
        refused(files, &[TOKENIZER, &format!("`model.{key}`: "), "line"]);
    }
    refused(
        with(s1a(), TOKENIZER, json!({ "added_tokens": [{ "content": "x" }] })),
        &[TOKENIZER, "`added_tokens`", "id"],
    );
    refused(with(s1a(), TOKENIZER, json!({ "added_tokens": 3 })), &[TOKENIZER, "`added_tokens`"]);
    refused(with(s1a(), TOKENIZER, json!({ "model": [] })), &[TOKENIZER, "`model`"]);
    refused(without(s1a(), TOKENIZER, "model"), &[TOKENIZER, "`model`", "missing"]);
    let many = vec![json!({ "id": 0, "content": "" }); (1 << 18) + 1];
    refused(with(s1a(), TOKENIZER, json!({ "added_tokens": many })), &[TOKENIZER, "`added_tokens`", "262144"]);
    let many = vec!["\"\":0"; (1 << 21) + 1].join(",");
    let mut files = s1a();
    files.put(TOKENIZER, format!("{{\"model\": {{\"vocab\": {{{many}}}}}}}"));
    refused(files, &[TOKENIZER, "`model.vocab`", "2097152"]);
    let many = vec![r#"["",""]"#; (1 << 20) + 1].join(",");
    let mut files = s1a();
    files.put(TOKENIZER, format!("{{\"model\": {{\"merges\": [{many}]}}}}"));
    refused(files, &[TOKENIZER, "`model.merges`", "1048576"]);
    // Cut within a value whose errors are named.
    let mut files = s1a();
    let half = s1a().get(TOKENIZER)[..s1a().get(TOKENIZER).len() / 2].to_vec();
    files.put(TOKENIZER, half);
    refused(files, &[TOKENIZER, "cut short"]);
}

/// However often there is reason for it.
#[test]
fn what_is_told_is_told_shortly() {
    let short = |files: Files, parts: &[&str]| {
        let notes = read(files).unwrap().1.join("\n");
        assert!(notes.len() < 2000, "{notes}");
        assert_told(&notes, parts);
    };
    let ids: Vec<u32> = (1000..11_000).collect();
    short(
        with(s1a(), GENERATION, json!({ "eos_token_id": ids })),
        &[GENERATION, "`eos_token_id`", "1000", "9995 more"],
    );
    let ids: Vec<u32> = (0..280).collect();
    short(with(s1a(), GENERATION, json!({ "eos_token_id": ids })), &["`eos_token_id`", "more"]);
    let steps: Vec<Value> = (0..10_000).map(|i| json!({ "type": format!("N{i}") })).collect();
    let normalizer = json!({ "normalizer": { "type": "Sequence", "normalizers": steps } });
    short(with(s1a(), TOKENIZER, normalizer), &[TOKENIZER, "`normalizer`", "N0", "9995 more"]);
    let single = vec![json!({ "SpecialToken": { "id": "<|eot_id|>" } }); 5000];
    let template = json!({ "post_processor": { "type": "TemplateProcessing", "single": single } });
    short(with(s1a(), TOKENIZER, template), &[TOKENIZER, "`post_processor`", "4995 more"]);
}

#[test]
fn what_lies_in_a_templates_place_is_named() {
    const JINJA: &str = "chat_template.jinja";
    for (text, part) in [
        ("\n<!DOCTYPE html><html>{{ x }}</html>", "web page"),
        ("<html lang=en>", "web page"),
        ("Entry not found", "Entry not found"),
        ("{\"error\": \"Repository not found\"}", "no template"),
    ] {
        let mut files = s1a();
        files.put(JINJA, text);
        refused(files, &[JINJA, part]);
    }
    let long = format!("{{{{ x }}}}{}", " ".repeat(2 << 20));
    let mut files = s1a();
    files.put(JINJA, long.as_bytes());
    refused(files, &[JINJA, "1048576"]);
    refused(with(s1a(), TOKENIZER_CONFIG, json!({ "chat_template": long })), &[TOKENIZER_CONFIG, "`chat_template`"]);
    let list = json!([{ "name": "tool_use", "template": long }]);
    refused(with(s1a(), TOKENIZER_CONFIG, json!({ "chat_template": list })), &[TOKENIZER_CONFIG, "`chat_template`"]);
}

#[test]
fn added_tokens_with_numbers_of_others_are_told() {
    let token = |id: u32, content: &str| json!({ "id": id, "content": content, "special": true });
    for (id, content) in [(287, "<|twice|>"), (100, "<|base|>")] {
        let mut files = s1a();
        files.edit(TOKENIZER, |t| t["added_tokens"].as_array_mut().unwrap().push(token(id, content)));
        let (m, notes) = read(with(files, TOKENIZER, json!({}))).unwrap();
        assert_told(&notes.join("\n"), &[TOKENIZER, "`added_tokens`", &id.to_string(), content]);
        assert_eq!(m.strings("tokenizer.ggml.tokens").unwrap().unwrap().get(id as usize).as_deref(), Some(content));
    }
}
