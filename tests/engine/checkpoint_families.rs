//! A checkpoint made of a GGUF becomes that GGUF again: the names, the order of rows and the norms of each class of transformers.

use crate::checkpoint_texts::{CONFIG, with};
use crate::common::checkpoint::{convert, s1a};
use crate::common::parts::Parts;
use crate::common::{C, NORMS_IN};
use crate::safetensors::Safetensors;
use b158::blocks::decode_row;
use b158::convert::{DenseType, Options};
use b158::gguf::TensorType;
use b158::model::Config;
use b158::safetensors::DType;
use serde_json::{Value, json};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LLAMA: &[u8] = include_bytes!("../golden/family/L1-i2s.gguf");

/// Parts of names, GGUF's and transformers'.
const NAMES: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_sub_norm", "self_attn.attn_sub_norm"),
    ("ffn_sub_norm", "mlp.ffn_sub_norm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// A tensor's name in a checkpoint, and whether it is a matrix of codes.
fn renamed(name: &str) -> (String, bool) {
    match name {
        "token_embd.weight" => return ("model.embed_tokens.weight".to_owned(), false),
        "output_norm.weight" => return ("model.norm.weight".to_owned(), false),
        "output.weight" => return ("lm_head.weight".to_owned(), false),
        _ => {}
    }
    let parts: Vec<&str> = name.split('.').collect();
    let ["blk", layer, module, "weight"] = parts[..] else { panic!("{name}") };
    let of = |name: &str| NAMES.iter().find(|(gguf, _)| *gguf == name).unwrap().1;
    let (module, is_matrix) = match module {
        "attn_q_norm" => ("self_attn.q_norm".to_owned(), false),
        "attn_k_norm" => ("self_attn.k_norm".to_owned(), false),
        _ => match module.strip_suffix("_norm_in") {
            Some(projection) => (format!("{}.rms_norm", of(projection)), false),
            None => (of(module).to_owned(), module != "attn_norm" && !module.ends_with("_norm")),
        },
    };
    (format!("model.layers.{layer}.{module}.weight"), is_matrix)
}

/// Codes as transformers packs them: quarters of the rows in one byte. Rows that adjacent pairs want go back to halves.
fn pack(codes: &[u8], cols: usize, head: Option<usize>) -> Vec<u8> {
    let mut rows: Vec<&[u8]> = codes.chunks(cols).collect();
    if let Some(head) = head {
        for rows in rows.chunks_mut(head) {
            let pairs = rows.to_vec();
            for (j, pair) in pairs.chunks(2).enumerate() {
                (rows[j], rows[j + head / 2]) = (pair[0], pair[1]);
            }
        }
    }
    let quarter = rows.len() / 4;
    let packed = |row: usize| (0..cols).map(move |col| (row, col));
    let byte = |(row, col): (usize, usize)| (0..4).fold(0, |byte, i| byte | rows[row + i * quarter][col] << (2 * i));
    (0..quarter).flat_map(packed).map(byte).collect()
}

/// The weights of a GGUF, packed; `head` is the width of heads whose rows are in the order of adjacent pairs.
fn weights(gguf: &[u8], head: Option<usize>) -> Safetensors {
    let mut parts = Parts::of(gguf);
    let mut weights = Safetensors(Vec::new());
    for (info, bytes) in parts.tensors.clone() {
        let shape: Vec<u64> = info.dims.iter().rev().copied().collect();
        let (name, is_matrix) = renamed(&info.name);
        if !is_matrix {
            let dtype = if info.kind.id == TensorType::F16.id() { DType::F16 } else { DType::F32 };
            weights.push(&name, dtype, &shape, bytes);
            continue;
        }
        let (codes, scale) = parts.codes(&info.name);
        let head = head.filter(|_| info.name.contains("attn_q.") || info.name.contains("attn_k."));
        let packed = pack(&codes, shape[1] as usize, head);
        weights.push(&name, DType::U8, &[shape[0] / 4, shape[1]], packed);
        weights.push(&format!("{name}_scale"), DType::F32, &[1], scale.to_le_bytes().to_vec());
    }
    weights
}

/// The same codes and values under the same names, and the same graph.
fn assert_same(gguf: &[u8], weights: &Safetensors, config: Value, changed: impl Fn(&mut Config)) {
    let mut files = with(s1a(), CONFIG, config);
    files.put("model.safetensors", weights.bytes());
    let options = Options { embedding: DenseType::F32, ..Default::default() };
    let (mut ours, mut theirs) = (Parts::of(&convert(files, options).unwrap()), Parts::of(gguf));
    let mut expected = Config::from_metadata(&theirs.metadata).unwrap();
    changed(&mut expected);
    assert_eq!(Config::from_metadata(&ours.metadata).unwrap(), expected);
    let names = |parts: &Parts| {
        let mut names: Vec<String> = parts.tensors.iter().map(|(info, _)| info.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&ours), names(&theirs));
    for name in names(&theirs) {
        if renamed(&name).1 {
            assert!(ours.codes(&name) == theirs.codes(&name), "{name}");
            continue;
        }
        let values = |parts: &mut Parts| {
            let (info, bytes) = parts.tensor(&name);
            let mut values = vec![0.0; info.dims.iter().product::<u64>() as usize];
            decode_row(TensorType::from_id(info.kind.id).unwrap(), bytes, &mut values).unwrap();
            (info.dims.clone(), values)
        };
        assert!(values(&mut ours) == values(&mut theirs), "{name}");
    }
}

/// What config.json says of a model, besides what S1a's does.
fn config(class: &str, of: &Config, more: Value) -> Value {
    let mut config = json!({
        "architectures": [class],
        "vocab_size": of.vocabulary,
        "hidden_size": of.embedding,
        "intermediate_size": of.feed_forward,
        "num_hidden_layers": of.layers,
        "num_attention_heads": of.heads,
        "num_key_value_heads": of.kv_heads,
        "head_dim": of.head_dim,
        "max_position_embeddings": of.context_length,
        "rms_norm_eps": of.rms_epsilon,
        "rope_theta": of.rope_base,
        "hidden_act": "silu",
        "tie_word_embeddings": false,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn config_of(gguf: &[u8]) -> Config {
    Config::from_metadata(&Parts::of(gguf).metadata).unwrap()
}

#[test]
fn bitnet() {
    let keys = json!({ "hidden_act": "relu2", "tie_word_embeddings": true });
    assert_same(C, &weights(C, None), config("BitNetForCausalLM", &config_of(C), keys), |_| ());
    // 1bitLLM's own names and activation.
    let mut other = weights(C, None);
    for entry in &mut other.0 {
        let name = entry.name.replace("self_attn.attn_sub_norm", "self_attn.inner_attn_ln");
        entry.name = name.replace("mlp.ffn_sub_norm", "mlp.ffn_layernorm");
    }
    let keys = json!({ "tie_word_embeddings": true });
    assert_same(C, &other, config("BitnetForCausalLM", &config_of(C), keys), |config| {
        config.architecture = "bitnet".to_owned();
        config.activation = b158::model::Activation::Silu;
    });
}

/// Rows of queries and keys in the order of adjacent pairs, a head of its own.
#[test]
fn llama_and_minicpm() {
    let of = config_of(LLAMA);
    let factors = weights(LLAMA, Some(of.head_dim));
    assert_same(LLAMA, &factors, config("LlamaForCausalLM", &of, json!({})), |_| ());
    let keys = json!({ "scale_emb": 12, "scale_depth": 2.5, "dim_model_base": 64 });
    assert_same(LLAMA, &factors, config("MiniCPMForCausalLM", &of, keys), |config| {
        config.architecture = "minicpm".to_owned();
        config.embedding_scale = 12.0;
        config.residual_scale = (2.5 / (of.layers as f64).sqrt()) as f32;
        config.logit_scale = of.embedding as f32 / 64.0;
    });
}

/// Norms of heads and of each projection's input, heads wider than the embedding's share.
#[test]
fn qwen3() {
    let of = config_of(NORMS_IN);
    let quantization = json!({
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline", "use_rms_norm": true, "rms_norm_eps": 1e-6,
    });
    let keys = json!({ "tie_word_embeddings": true, "rms_norm_eps": 1e-6, "quantization_config": quantization });
    assert_same(NORMS_IN, &weights(NORMS_IN, None), config("Qwen3ForCausalLM", &of, keys), |config| {
        config.pooling = b158::model::Pooling::None;
    });
}
