//! What people's config.json and the files beside it hold: edits to a small checkpoint, each with what is read of it, what is said
//! of it, or why it is refused.

use crate::common::checkpoint::{Files, convert, s1a, s1c};
use b158::convert::{Converter, Options};
use b158::gguf::Metadata;
use b158::{Error, Result};
use proptest::prelude::*;
use serde_json::{Value, json};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const GENERATION: &str = "generation_config.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The metadata and the notes that a checkpoint gives.
pub(crate) fn read(files: Files) -> Result<(Metadata, Vec<String>)> {
    let converter = Converter::new(files, Options::default())?;
    Ok((converter.metadata().clone(), converter.notes().to_vec()))
}

pub(crate) fn assert_told(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

/// Keys of a file of JSON set.
pub(crate) fn with(mut files: Files, name: &str, keys: Value) -> Files {
    files.edit(name, |value| {
        for (key, new) in keys.as_object().unwrap() {
            value[key] = new.clone();
        }
    });
    files
}

pub(crate) fn without(mut files: Files, name: &str, key: &str) -> Files {
    files.edit(name, |value| {
        value.as_object_mut().unwrap().remove(key).unwrap();
    });
    files
}

pub(crate) fn refused(files: Files, parts: &[&str]) {
    match read(files) {
        Ok((_, notes)) => panic!("taken, with {notes:?}; expected {parts:?}"),
        Err(error) => {
            let known = matches!(error, Error::BadCheckpoint { .. } | Error::UnsupportedCheckpoint { .. });
            assert!(known, "{error:?}");
            assert_told(&error.to_string(), parts);
        }
    }
}

#[test]
fn the_same_said_in_other_words_is_the_same_file() {
    let [a, c] = [s1a(), s1c()].map(|files| convert(files, Options::default()).unwrap());
    let mut marked = s1a();
    let config = [b"\xef\xbb\xbf", s1a().get(CONFIG)].concat();
    marked.put(CONFIG, config);
    let mut infinite = s1a();
    let config = String::from_utf8(s1a().get(CONFIG).to_vec()).unwrap();
    infinite.put(CONFIG, config.replacen('{', "{\"time_step_limit\": [0.0, Infinity, NaN],", 1));
    let theta = json!({ "rope_theta": 500_000, "rope_type": "default" });
    for files in [
        marked,
        infinite,
        with(s1a(), CONFIG, json!({ "torch_dtype": null, "dtype": "bfloat16", "head_dim": null })),
        with(s1a(), CONFIG, json!({ "rope_theta": 500_000, "rope_scaling": null })),
        with(without(s1a(), CONFIG, "rope_theta"), CONFIG, json!({ "rope_parameters": theta })),
        with(
            s1a(),
            CONFIG,
            json!({ "unsloth_version": "2026.8", "auto_map": { "AutoConfig": "x.X" }, "sliding_window": null }),
        ),
        with(s1a(), CONFIG, json!({ "eos_token_id": null, "bos_token_id": null, "pad_token_id": null })),
        with(without(s1a(), CONFIG, "architectures"), CONFIG, json!({ "model_type": "bitnet" })),
    ] {
        assert!(convert(files, Options::default()).unwrap() == a);
    }
    for files in
        [without(s1c(), CONFIG, "head_dim"), with(s1c(), CONFIG, json!({ "head_dim": null, "num_experts": 0 }))]
    {
        assert!(convert(files, Options::default()).unwrap() == c);
    }
    // Pairs for texts, texts for pairs.
    let mut strings = s1a();
    strings.edit(TOKENIZER, |t| {
        for merge in t["model"]["merges"].as_array_mut().unwrap() {
            *merge = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()).into();
        }
    });
    assert!(convert(strings, Options::default()).unwrap() == a);
}

/// Edits of config.json that are refused, by file and key.
#[test]
fn what_the_graph_has_not_is_refused() {
    for (keys, parts) in [
        (
            json!({ "architectures": ["PhiMoEForCausalLM"] }),
            &["`architectures`", "PhiMoEForCausalLM", "LlamaForCausalLM"][..],
        ),
        (json!({ "architectures": [], "model_type": "phimoe" }), &["`architectures`", "missing"]),
        (json!({ "architectures": "LlamaForCausalLM" }), &["`architectures`", "a list"]),
        (json!({ "hidden_act": "gelu_pytorch_tanh" }), &["`hidden_act`", "gelu_pytorch_tanh", "relu2"]),
        (json!({ "attention_bias": true }), &["`attention_bias`", "biases"]),
        (json!({ "mlp_bias": true }), &["`mlp_bias`", "biases"]),
        (json!({ "num_local_experts": 8 }), &["`num_local_experts`", "experts"]),
        (json!({ "sliding_window": 128, "use_sliding_window": true, "max_window_layers": 0 }), &["`sliding_window`"]),
        (
            json!({ "sliding_window": 128, "layer_types": ["sliding_attention"] }),
            &["`layer_types`", "sliding_attention"],
        ),
        (json!({ "layer_types": ["linear_attention"] }), &["`layer_types`", "linear_attention"]),
        (json!({ "weight_bits": 2 }), &["`weight_bits`", "2"]),
        (json!({ "partial_rotary_factor": 0.5 }), &["`partial_rotary_factor`", "whole"]),
        (
            json!({ "quantization_config": { "quant_method": "gptq", "bits": 4 } }),
            &["`quantization_config.quant_method`", "gptq"],
        ),
        (json!({ "quantization_config": {} }), &["`quantization_config.quant_method`", "missing"]),
        (
            json!({ "quantization_config": { "quant_method": "bitnet", "linear_class": "tritonbitlinear" } }),
            &["`quantization_config.linear_class`", "tritonbitlinear", "weight_scale"],
        ),
        (
            json!({ "quantization_config": { "quant_method": "bitnet", "quantization_mode": "later" } }),
            &["`quantization_config.quantization_mode`", "later"],
        ),
        (
            json!({ "quantization_config": { "quant_method": "bitnet", "use_rms_norm": true, "rms_norm_eps": 1e-5 } }),
            &["`quantization_config.use_rms_norm`", "Qwen3ForCausalLM"],
        ),
        (json!({ "num_hidden_layers": 1_000_000_000_000_000_000_u64 }), &["`num_hidden_layers`", "1 to 512"]),
        (json!({ "num_hidden_layers": 0 }), &["`num_hidden_layers`"]),
        (json!({ "hidden_size": "256" }), &["`hidden_size`", "whole number"]),
        (json!({ "hidden_size": null }), &["`hidden_size`", "missing"]),
        (json!({ "num_key_value_heads": 3 }), &["`num_key_value_heads`", "4 heads"]),
        (json!({ "num_attention_heads": 3 }), &["`num_attention_heads`", "256", "`head_dim`"]),
        (json!({ "rms_norm_eps": -1 }), &["`rms_norm_eps`", "above zero"]),
        (json!({ "rms_norm_eps": 1e-300 }), &["`rms_norm_eps`", "F32"]),
        (json!({ "rope_theta": 1e300 }), &["`rope_theta`", "F32"]),
        (json!({ "rope_theta": 0.5 }), &["`rope_theta`", "0.5", "1 or more"]),
        (json!({ "head_dim": 63 }), &["`head_dim`", "63"]),
        (json!({ "hidden_size": 252 }), &["`num_attention_heads`", "63"]),
        (
            json!({ "architectures": ["MiniCPMForCausalLM"], "model_type": "minicpm", "dim_model_base": 1e-38 }),
            &["`dim_model_base`"],
        ),
        (json!({ "vocab_size": 300 }), &["`vocab_size`", "300", "288 rows"]),
        (json!({ "rope_parameters": { "rope_theta": 10000.0 } }), &["`rope_theta`", "500000", "10000"]),
        (json!({ "rope_scaling": { "type": "dynamic", "factor": 2.0 } }), &["`rope_scaling.type`", "dynamic"]),
        (
            json!({ "rope_scaling": { "rope_type": "default", "mrope_section": [16, 24, 24] } }),
            &["`rope_scaling.mrope_section`"],
        ),
        (json!({ "rope_scaling": { "factor": 2.0 } }), &["`rope_scaling.rope_type`", "missing", "`factor`"]),
        (
            json!({ "rope_scaling": { "type": "linear", "rope_type": "default", "factor": 2.0 } }),
            &["`rope_scaling.rope_type`", "linear", "default"],
        ),
        (
            json!({ "rope_scaling": { "type": "linear", "factor": 2.0 }, "rope_parameters": { "type": "linear", "factor": 4.0 } }),
            &["`rope_scaling.factor`", "`rope_parameters`"],
        ),
        (
            json!({ "rope_scaling": { "rope_type": "llama3", "factor": 1e300, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                      "original_max_position_embeddings": 64 } }),
            &["`rope_scaling.factor`", "F32"],
        ),
        (
            json!({ "rope_scaling": { "rope_type": "longrope", "long_factor": vec![1.0; 32], "short_factor": vec![1.0; 32],
                                      "original_max_position_embeddings": 1 } }),
            &["`rope_scaling.original_max_position_embeddings`"],
        ),
        (json!({ "rope_scaling": { "rope_type": "yarn" } }), &["`rope_scaling.factor`", "missing"]),
        (
            json!({ "rope_scaling": { "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0 } }),
            &["`rope_scaling.original_max_position_embeddings`", "missing"],
        ),
        (
            json!({ "rope_scaling": { "rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0] } }),
            &["`rope_scaling.long_factor`", "32"],
        ),
        (
            json!({ "rope_parameters": { "full_attention": { "rope_theta": 500_000.0 } } }),
            &["`rope_parameters.full_attention`"],
        ),
    ] {
        println!("{keys}");
        let error = read(with(s1a(), CONFIG, keys)).unwrap_err().to_string();
        assert_told(&error, &[&[CONFIG], parts].concat());
        assert!(!error.contains('\\'), "{error}");
    }
}

/// Keys that change nothing here, and might be thought to.
#[test]
fn what_is_not_used_is_told() {
    for (keys, parts) in [
        (
            json!({ "rope_scaling": { "rope_type": "default", "factor": 2.0 } }),
            &["`rope_scaling.factor`", "default"][..],
        ),
        (
            json!({ "rope_scaling": { "type": "linear", "factor": 2.0, "beta_fast": 32 } }),
            &["`rope_scaling.beta_fast`", "linear"],
        ),
        (json!({ "model_type": "mistral" }), &["`model_type`", "mistral", "LlamaForCausalLM"]),
    ] {
        let notes = read(with(s1c(), CONFIG, keys)).unwrap().1;
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert_told(&notes[0], &[&[CONFIG], parts].concat());
    }
}

/// Files that are not what their names say.
#[test]
fn broken_texts_are_named() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{:064x}\nsize 9\n", 0xb158);
    let deep = |open: &str, close: &str| format!("{{\"x\": {}1{}}}", open.repeat(100_000), close.repeat(100_000));
    for file in [CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, "chat_template.json"] {
        for (bytes, part) in [
            (pointer.as_bytes(), "Git LFS"),
            (b"", "empty"),
            (b"Entry not found", "JSON"),
            (b"<!DOCTYPE html><html></html>", "web page"),
            (b"{\"a\": [1, 2", "cut short"),
            (b"[1]", "JSON"),
            (b"{\"a\": \"\xff\xfe\"}", "JSON"),
            (deep("{\"x\":", "}").as_bytes(), "JSON"),
            (deep("[", "]").as_bytes(), "JSON"),
        ] {
            let mut files = s1a();
            files.put(file, bytes);
            refused(files, &[file, part]);
        }
    }
    let mut files = s1a();
    files.put("chat_template.jinja", b"{{ \xff }}");
    refused(files, &["chat_template.jinja", "UTF-8"]);
    for (other, part) in
        [("tokenizer.model", "tokenizer.model"), ("vocab.json", "vocab.json"), ("x", "save_pretrained")]
    {
        let mut files = s1a();
        files.remove(TOKENIZER);
        files.put(other, b"x");
        refused(files, &[TOKENIZER, "missing", part]);
    }
    let mut files = s1a();
    files.remove(CONFIG);
    refused(files.clone(), &[CONFIG, "missing"]);
    files.put("adapter_config.json", b"{}");
    refused(files, &[CONFIG, "adapter"]);
}

#[test]
fn the_licence_is_that_of_the_card() {
    for (card, licence) in [
        ("---\nlicense: mit\nlanguage:\n- en\n---\n# license: other\n", Some("mit")),
        ("---\r\nlicense: \"apache-2.0\"\r\n---\r\n", Some("apache-2.0")),
        ("# A model\n---\nlicense: mit\n---\n", None),
        ("---\nlicense:\n- mit\n---\n", None),
        ("---\nlicense: \u{1b}[31mred\n---\n", None),
        ("", None),
    ] {
        let mut files = s1a();
        files.put("README.md", card);
        assert_eq!(read(files).unwrap().0.str("general.license").unwrap(), licence, "{card:?}");
    }
}

#[test]
fn the_card_may_have_a_name() {
    let mut files = s1a();
    files.put("README.md", "---\nname: Stories, small\ndescription: 'Of a fox: and more.'\n---\n");
    let (m, _) = read(files).unwrap();
    assert_eq!(m.str("general.name").unwrap(), Some("Stories, small"));
    assert_eq!(m.str("general.description").unwrap(), Some("Of a fox: and more."));
}

/// Rotary angles: scaled by keys, or by tensors that the file gets.
#[test]
fn rotary_scaling_becomes_keys_and_tensors() {
    let converter = |scaling: Value| {
        let files = with(s1c(), CONFIG, json!({ "rope_scaling": scaling }));
        Converter::new(files, Options::default()).unwrap()
    };
    let yarn = converter(
        json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "beta_fast": 16 }),
    );
    let m = yarn.metadata();
    assert_eq!(m.str("llama.rope.scaling.type").unwrap(), Some("yarn"));
    assert_eq!(m.f32("llama.rope.scaling.factor").unwrap(), Some(4.0));
    assert_eq!(m.u32("llama.rope.scaling.original_context_length").unwrap(), Some(128));
    assert_eq!(m.f32("llama.rope.scaling.yarn_beta_fast").unwrap(), Some(16.0));
    assert!(yarn.notes().is_empty(), "{:?}", yarn.notes());
    let other = converter(
        json!({ "type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128, "attention_factor": 1.0 }),
    );
    assert_told(&other.notes().concat(), &["`rope_scaling.factor`", "4 times"]);
    assert!(other.metadata().f32("llama.rope.scaling.attn_factor").unwrap().unwrap() < 1.0);
    let linear = converter(json!({ "type": "linear", "factor": 2 }));
    assert_eq!(linear.metadata().str("llama.rope.scaling.type").unwrap(), Some("linear"));
    let has = |converter: &Converter<Files>, name: &str| converter.tensors().iter().any(|tensor| tensor.name == name);
    let llama3 = converter(json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
    }));
    assert!(has(&llama3, "rope_freqs.weight") && llama3.metadata().get("llama.rope.scaling.type").is_none());
    let factors = vec![1.5; 32];
    let longrope = converter(json!({
        "rope_type": "longrope", "long_factor": factors, "short_factor": factors, "original_max_position_embeddings": 128,
    }));
    assert!(has(&longrope, "rope_factors_long.weight") && has(&longrope, "rope_factors_short.weight"));
    let magnitude = longrope.metadata().f32("llama.rope.scaling.attn_factor").unwrap().unwrap();
    assert!((f64::from(magnitude) - (1.0 + 4f64.ln() / 128f64.ln()).sqrt()).abs() < 1e-6);
}

/// The factors of MiniCPM, from its three numbers.
#[test]
fn minicpms_factors_are_llama_cpps() {
    let keys = json!({ "architectures": ["MiniCPMForCausalLM"], "scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 64, "tie_word_embeddings": false });
    let (m, _) = read(with(s1c(), CONFIG, keys)).unwrap();
    assert_eq!(m.str("general.architecture").unwrap(), Some("minicpm"));
    assert_eq!(m.f32("minicpm.embedding_scale").unwrap(), Some(12.0));
    assert_eq!(m.f32("minicpm.logit_scale").unwrap(), Some(4.0));
    assert_eq!(m.f32("minicpm.residual_scale").unwrap(), Some((1.4 / 2f64.sqrt()) as f32));
}

/// One class, two spellings: the activation tells which graph it is.
#[test]
fn the_activation_tells_the_two_bitnets_apart() {
    for (class, activation, architecture) in [
        ("BitNetForCausalLM", "relu2", "bitnet-b1.58"),
        ("BitNetForCausalLM", "silu", "bitnet-b1.58"),
        ("BitnetForCausalLM", "relu2", "bitnet-b1.58"),
        ("BitnetForCausalLM", "silu", "bitnet"),
    ] {
        let (m, notes) =
            read(with(s1a(), CONFIG, json!({ "architectures": [class], "hidden_act": activation }))).unwrap();
        assert_eq!(m.str("general.architecture").unwrap(), Some(architecture));
        assert_eq!(m.str(&format!("{architecture}.hidden_activation")).unwrap(), Some(activation));
        assert!(notes.is_empty(), "{notes:?}");
    }
    let (_, notes) = read(with(s1c(), CONFIG, json!({ "hidden_act": "relu2" }))).unwrap();
    assert_told(&notes.concat(), &["`hidden_act`", "relu2", "SiLU"]);
}

/// Whatever a byte of the texts becomes, and wherever they end: taken, or refused with a file's name, and never a panic.
#[test]
fn any_damage_is_taken_or_refused() {
    let files = [CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG];
    let config = ProptestConfig {
        cases: if crate::common::wide() { 4000 } else { 200 },
        failure_persistence: None,
        ..Default::default()
    };
    let (places, damages) = ((0..files.len(), any::<prop::sample::Index>()), any::<Option<u8>>());
    proptest!(config, |((file, at) in places, damage in damages)| {
        let mut damaged = s1a();
        let mut bytes = damaged.get(files[file]).to_vec();
        let at = at.index(bytes.len());
        match damage {
            Some(byte) => bytes[at] = byte,
            None => bytes.truncate(at),
        }
        damaged.put(files[file], bytes);
        if let Err(error) = read(damaged) {
            let error = error.to_string();
            prop_assert!(error.contains(".json: ") || error.starts_with("model.safetensors: "), "{error}");
        }
    });
}

/// Values take many times their text: no file gets more of them than there is a use for.
#[test]
fn values_are_counted() {
    let many = |open: &str, item: &str, close: &str| format!("{open}{}{close}", vec![item; 40_000].join(","));
    for file in [CONFIG, GENERATION, TOKENIZER_CONFIG, "chat_template.json"] {
        for (open, item, close) in [("[", "{\"\":0}", "]"), ("{\"a\":[", "0", "]}"), ("[[", "\"\"", "]]")] {
            let mut files = s1a();
            files.put(file, format!("{{\"x y\": {}}}", many(open, item, close)));
            refused(files, &[file, "`x y`", "32768"]);
        }
        let mut files = s1a();
        files.put(file, many("{", "\"x\": null", "}"));
        refused(files, &[file, "`x`", "32768"]);
    }
    for part in ["normalizer", "pre_tokenizer", "post_processor"] {
        let steps = vec![json!({ "type": "NFC" }); 20_000];
        refused(with(s1a(), TOKENIZER, json!({ part: steps })), &[TOKENIZER, &format!("`{part}`"), "32768"]);
    }
    // Those of the tokens that have been added are passed over.
    let added: serde_json::Map<_, _> = (0..40_000).map(|id| (id.to_string(), json!({ "content": "x" }))).collect();
    let keys = json!({ "added_tokens_decoder": added, "additional_special_tokens": vec!["x"; 40_000] });
    assert!(read(with(s1a(), TOKENIZER_CONFIG, keys)).unwrap().1.is_empty());
}
