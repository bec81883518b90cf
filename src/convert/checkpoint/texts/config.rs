//! `config.json`: what the graph is, in the words of transformers.
//!
//! A key counts as the architecture's own class in transformers reads it: absent ones have that class's default, and keys that it does
//! not read are nothing to the graph.

use super::json::{self, Object, bad};
use super::{Description, Quantization, ScaleMeaning, rope};
use crate::Result;
use crate::convert::Folder;
use crate::gguf::{Metadata, Value};
use crate::model::{Config, MAX_CONTEXT, MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH, Pairs};

pub(super) const FILE: &str = "config.json";

/// A class of transformers that this engine runs, and its defaults for keys that are not there.
struct Class {
    /// Its name in `architectures`.
    name: &'static str,
    /// What `model_type` is with it; the first tells the class where there is no `architectures`.
    model_types: &'static [&'static str],
    /// `general.architecture` of the GGUF.
    gguf: &'static str,
    activation: &'static str,
    rms_epsilon: f64,
    rope_theta: f64,
    context: u32,
    /// What it has besides `hidden_size / num_attention_heads`.
    head_dim: Option<u32>,
    tied: Option<bool>,
}

#[rustfmt::skip]
const CLASSES: [Class; 5] = [
    Class { name: "BitNetForCausalLM",  model_types: &["bitnet"],          gguf: "bitnet-b1.58", activation: "relu2", rms_epsilon: 1e-5, rope_theta: 500_000.0, context: 2048,   head_dim: None,      tied: None },
    // 1bitLLM's spelling, whose gate is SiLU; some copies of 2B-4T have it too.
    Class { name: "BitnetForCausalLM",  model_types: &["llama", "bitnet"], gguf: "bitnet",       activation: "silu",  rms_epsilon: 1e-6, rope_theta: 10_000.0,  context: 2048,   head_dim: None,      tied: None },
    Class { name: "LlamaForCausalLM",   model_types: &["llama"],           gguf: "llama",        activation: "silu",  rms_epsilon: 1e-6, rope_theta: 10_000.0,  context: 2048,   head_dim: None,      tied: None },
    Class { name: "Qwen3ForCausalLM",   model_types: &["qwen3"],           gguf: "qwen3",        activation: "silu",  rms_epsilon: 1e-6, rope_theta: 10_000.0,  context: 32_768, head_dim: Some(128), tied: None },
    Class { name: "MiniCPMForCausalLM", model_types: &["minicpm"],         gguf: "minicpm",      activation: "silu",  rms_epsilon: 1e-6, rope_theta: 10_000.0,  context: 2048,   head_dim: None,      tied: Some(true) },
];

/// Keys of the graph by their GGUF names.
pub(super) struct Keys {
    pub(super) architecture: &'static str,
    pub(super) metadata: Metadata,
}

impl Keys {
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.metadata.insert(format!("{}.{name}", self.architecture), value);
    }
}

/// Reads `config.json`.
pub(super) fn read(folder: &mut impl Folder) -> Result<Description> {
    let Some(map) = json::object(folder, FILE)? else {
        let hint = if json::has(folder, "adapter_config.json") {
            "it is missing: this is an adapter (LoRA), not a model; merge it into its base model and save that"
        } else {
            "it is missing: a checkpoint needs it beside its weights"
        };
        return Err(bad(FILE, "the file", hint));
    };
    let config = Object::new(FILE, &map);
    let class = class(&config)?;
    refuse_other_graphs(&config)?;
    let quantization = quantization(&config)?;
    let mut notes = Vec::new();
    if let Some(kind) = config.text("model_type")?.filter(|kind| !class.model_types.contains(kind)) {
        notes.push(format!(
            "{FILE}: `model_type` is {}, which transformers goes by, and `architectures` has {}, which counts here: if the model is of \
             another kind, its answers will be wrong",
            crate::tokenizer::shown(kind),
            class.name
        ));
    }

    let hidden = config.require_count("hidden_size", MAX_WIDTH)?;
    let heads = config.require_count("num_attention_heads", MAX_WIDTH)?;
    let kv_heads = config.count("num_key_value_heads", MAX_WIDTH)?.unwrap_or(heads);
    let layers = config.require_count("num_hidden_layers", MAX_LAYERS)?;
    let context = match config.count("max_position_embeddings", MAX_CONTEXT)? {
        Some(context) => context,
        None => {
            notes.push(format!(
                "{FILE}: `max_position_embeddings` is missing: it is {}, as in transformers",
                class.context
            ));
            class.context
        }
    };
    if heads % kv_heads != 0 {
        return Err(config.bad("num_key_value_heads", format!("{kv_heads} does not divide the {heads} heads")));
    }
    let head_dim = match config.count("head_dim", MAX_WIDTH)?.or(class.head_dim) {
        Some(head_dim) => head_dim,
        None if hidden % heads == 0 => hidden / heads,
        None => {
            let reason = format!("{heads} heads do not divide the hidden size of {hidden}, and there is no `head_dim`");
            return Err(config.bad("num_attention_heads", reason));
        }
    };

    let activation = activation(&config, class)?;
    // The same class under the other spelling: the activation tells them apart.
    let architecture = if class.gguf == "bitnet" && activation == "relu2" { "bitnet-b1.58" } else { class.gguf };
    let mut keys = Keys { architecture, metadata: Metadata::new() };
    keys.metadata.insert("general.architecture", Value::String(architecture.to_owned()));
    keys.metadata.insert("general.type", Value::String("model".to_owned()));
    keys.set("vocab_size", Value::U32(config.require_count("vocab_size", MAX_VOCABULARY)?));
    keys.set("context_length", Value::U32(context));
    keys.set("embedding_length", Value::U32(hidden));
    keys.set("block_count", Value::U32(layers));
    keys.set("feed_forward_length", Value::U32(config.require_count("intermediate_size", MAX_WIDTH)?));
    keys.set("attention.head_count", Value::U32(heads));
    keys.set("attention.head_count_kv", Value::U32(kv_heads));
    keys.set("attention.key_length", Value::U32(head_dim));
    keys.set("attention.value_length", Value::U32(head_dim));
    let epsilon = config.positive("rms_norm_eps")?.unwrap_or(class.rms_epsilon);
    keys.set("attention.layer_norm_rms_epsilon", Value::F32(epsilon as f32));
    keys.set("rope.dimension_count", Value::U32(head_dim));
    let scaling = rope::Model { theta: class.rope_theta, head_dim, context };
    let tensors = rope::read(&config, &scaling, &mut keys, &mut notes)?;
    if activation != "silu" || architecture.starts_with("bitnet") {
        keys.set("hidden_activation", Value::String(activation.to_owned()));
    }
    if activation == "relu2" && !architecture.starts_with("bitnet") {
        notes.push(format!(
            "{FILE}: `hidden_act` is relu2, which other readers of a GGUF of `{architecture}` take for SiLU: it is for this engine alone"
        ));
    }
    if architecture == "minicpm" {
        minicpm(&config, hidden, layers, &mut keys, &mut notes)?;
    }

    // The reader has the last word; what it knows of the architecture is not told twice.
    let read = Config::from_metadata(&keys.metadata).map_err(|error| by_own_key(&config, architecture, error))?;
    let input_norms = input_norms(&config, epsilon)?;
    if input_norms && architecture != "qwen3" {
        let reason =
            format!("norms before each projection are not supported in {}, only in Qwen3ForCausalLM", class.name);
        return Err(json::unsupported(FILE, "`quantization_config.use_rms_norm`", reason));
    }
    Ok(Description {
        architecture,
        permuted: read.rope_pairs == Pairs::Adjacent,
        layers: read.layers,
        hidden: read.embedding,
        feed_forward: read.feed_forward,
        heads: read.heads,
        kv_heads: read.kv_heads,
        head_dim: read.head_dim,
        vocabulary: read.vocabulary,
        tied: config.bool("tie_word_embeddings")?.or(class.tied),
        sub_norms: read.sub_norms,
        head_norms: read.head_norms,
        input_norms,
        quantization,
        tensors,
        metadata: keys.metadata,
        notes,
        config: map,
    })
}

/// An error about a key of the GGUF, as one about the key of `config.json` that it was made of.
fn by_own_key(config: &Object, architecture: &str, error: crate::Error) -> crate::Error {
    const SCALING: &str = "rope.scaling.";
    let crate::Error::BadValue { key, value, reason } = &error else {
        return bad(FILE, "as a GGUF's keys", error.to_string());
    };
    let name = key.strip_prefix(architecture).and_then(|key| key.strip_prefix('.')).unwrap_or(key);
    let own = match name {
        "vocab_size" => "vocab_size",
        "context_length" => "max_position_embeddings",
        "embedding_length" => "hidden_size",
        "block_count" => "num_hidden_layers",
        "feed_forward_length" => "intermediate_size",
        "attention.head_count" => "num_attention_heads",
        "attention.head_count_kv" => "num_key_value_heads",
        "attention.key_length" | "attention.value_length" | "rope.dimension_count" => match config.get("head_dim") {
            Some(_) => "head_dim",
            None => "num_attention_heads",
        },
        "attention.layer_norm_rms_epsilon" => "rms_norm_eps",
        "rope.freq_base" => "rope_theta",
        "rope.scaling.original_context_length" => "original_max_position_embeddings",
        "rope.scaling.attn_factor" => "attention_factor",
        "rope.scaling.yarn_beta_fast" => "beta_fast",
        "rope.scaling.yarn_beta_slow" => "beta_slow",
        "rope.scaling.factor" => "factor",
        "embedding_scale" => "scale_emb",
        "residual_scale" => "scale_depth",
        "logit_scale" => "dim_model_base",
        other => other,
    };
    let parent = ["rope_parameters", "rope_scaling"].into_iter().find(|parent| config.get(parent).is_some());
    let what = match parent {
        Some(parent) if name.starts_with(SCALING) => format!("`{parent}.{own}`"),
        _ => config.name(own),
    };
    bad(FILE, what, format!("it makes `{key}` of the GGUF {value}: {reason}"))
}

fn class(config: &Object) -> Result<&'static Class> {
    let names = || CLASSES.iter().map(|class| class.name).collect::<Vec<_>>().join(", ");
    if let Some(list) = config.list("architectures")?.filter(|list| !list.is_empty()) {
        let found = CLASSES.iter().find(|class| list.iter().any(|name| name.as_str() == Some(class.name)));
        return found.ok_or_else(|| {
            let list: Vec<String> = list.iter().take(3).map(json::shown).collect();
            config.unsupported("architectures", format!("{} is not one that is read ({})", list.join(", "), names()))
        });
    }
    let kind = config.text("model_type")?;
    // The spelling of 1bitLLM's is told by `architectures` alone.
    let told = |class: &&Class| class.name != "BitnetForCausalLM" && class.model_types.first().copied() == kind;
    CLASSES.iter().find(told).ok_or_else(|| {
        let reason = format!("it is missing, and `model_type` does not tell: write one of {}", names());
        config.bad("architectures", reason)
    })
}

/// `hidden_act`, in the words of GGUF.
fn activation(config: &Object, class: &Class) -> Result<&'static str> {
    match config.text("hidden_act")?.unwrap_or(class.activation) {
        "relu2" => Ok("relu2"),
        "silu" | "swish" => Ok("silu"),
        other => {
            let other = crate::tokenizer::shown(other);
            Err(config.unsupported(
                "hidden_act",
                format!("the activation {other} is not supported; known are relu2 and silu"),
            ))
        }
    }
}

/// Refuses what would make another graph of the same tensors, or needs tensors that the graph has no place for.
fn refuse_other_graphs(config: &Object) -> Result<()> {
    for key in ["attention_bias", "mlp_bias"] {
        if config.bool(key)? == Some(true) {
            return Err(config.unsupported(key, "biases are not supported"));
        }
    }
    for key in ["num_experts", "num_local_experts", "n_routed_experts"] {
        if config.get(key).is_some_and(|count| count.as_f64() != Some(0.0)) {
            return Err(config.unsupported(key, "mixtures of experts are not supported"));
        }
    }
    for (key, only) in [("weight_bits", 1.0), ("input_bits", 8.0)] {
        match config.get(key) {
            Some(bits) if bits.as_f64() != Some(only) => {
                return Err(config.unsupported(key, format!("it is {}, supported is {only} alone", json::shown(bits))));
            }
            _ => {}
        }
    }
    let bites = match config.count("sliding_window", u32::MAX)? {
        Some(window) => window < config.count("max_position_embeddings", u32::MAX)?.unwrap_or(u32::MAX),
        None => false,
    };
    let by_layer = config.list("layer_types")?;
    let slides = |kind: &serde_json::Value| kind.as_str() != Some("full_attention");
    match by_layer {
        Some(kinds) => {
            if let Some(kind) =
                kinds.iter().find(|kind| slides(kind) && (bites || kind.as_str() != Some("sliding_attention")))
            {
                let kind = json::shown(kind);
                return Err(config
                    .unsupported("layer_types", format!("layers of {kind} are not supported, only full attention")));
            }
        }
        None if bites && config.bool("use_sliding_window")? == Some(true) => {
            let from = config.get("max_window_layers").and_then(serde_json::Value::as_u64).unwrap_or(0);
            if config.count("num_hidden_layers", MAX_LAYERS)?.is_some_and(|layers| from < u64::from(layers)) {
                let reason = "a window that is shorter than `max_position_embeddings` is not supported";
                return Err(config.unsupported("sliding_window", reason));
            }
        }
        None => {}
    }
    Ok(())
}

fn quantization(config: &Object) -> Result<Option<Quantization>> {
    let Some(said) = config.object("quantization_config")? else { return Ok(None) };
    match said.text("quant_method")? {
        Some("bitnet") => {}
        other => {
            let other = other.map_or("missing".to_owned(), crate::tokenizer::shown);
            let reason = format!(
                "it is {other}, supported is bitnet alone: take the checkpoint that has not been quantised by it"
            );
            return Err(said.unsupported("quant_method", reason));
        }
    }
    let scale = match said.text("linear_class")? {
        // transformers' default.
        None | Some("bitlinear") => ScaleMeaning::Divisor,
        Some("autobitlinear") => ScaleMeaning::Factor,
        Some(other) => {
            let other = crate::tokenizer::shown(other);
            let reason = format!(
                "{other} is not known: its `weight_scale` could mean anything; known are bitlinear and autobitlinear"
            );
            return Err(said.unsupported("linear_class", reason));
        }
    };
    let packed = match said.text("quantization_mode")? {
        None => None,
        Some("offline") => Some(true),
        Some("online") => Some(false),
        Some(other) => {
            let other = crate::tokenizer::shown(other);
            return Err(
                said.unsupported("quantization_mode", format!("{other} is not known; known are offline and online"))
            );
        }
    };
    let mut not_converted = Vec::new();
    for name in said.list("modules_to_not_convert")?.into_iter().flatten() {
        let name = name.as_str().ok_or_else(|| said.bad("modules_to_not_convert", "expected a list of names"))?;
        not_converted.push(name.to_owned());
    }
    Ok(Some(Quantization { scale, packed, not_converted }))
}

/// `use_rms_norm` of `quantization_config`: its norms have an epsilon of their own, the graph has one for all.
fn input_norms(config: &Object, epsilon: f64) -> Result<bool> {
    let Some(said) = config.object("quantization_config")? else { return Ok(false) };
    if said.bool("use_rms_norm")? != Some(true) {
        return Ok(false);
    }
    let own = said.positive("rms_norm_eps")?.unwrap_or(1e-6);
    if own as f32 != epsilon as f32 {
        return Err(said.unsupported(
            "rms_norm_eps",
            format!("it is {own}, `rms_norm_eps` is {epsilon}: one for all is supported"),
        ));
    }
    Ok(true)
}

/// The factors of MiniCPM, as llama.cpp's keys have them.
fn minicpm(config: &Object, hidden: u32, layers: u32, keys: &mut Keys, notes: &mut Vec<String>) -> Result<()> {
    let number = |key: &str| Ok::<_, crate::Error>(config.positive(key)?.unwrap_or(1.0));
    keys.set("embedding_scale", Value::F32(number("scale_emb")? as f32));
    keys.set("residual_scale", Value::F32((number("scale_depth")? / f64::from(layers).sqrt()) as f32));
    keys.set("logit_scale", Value::F32((f64::from(hidden) / number("dim_model_base")?) as f32));
    if config.get("sparse_config").is_some() {
        notes.push(format!("{FILE}: `sparse_config` is not used: attention is dense, in long contexts too"));
    }
    Ok(())
}
