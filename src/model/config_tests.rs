use super::*;
use crate::gguf::Value;

fn metadata(architecture: &str) -> Metadata {
    let mut m = Metadata::new();
    m.insert("general.architecture", Value::String(architecture.into()));
    for (name, value) in [
        ("vocab_size", 512),
        ("context_length", 256),
        ("embedding_length", 256),
        ("block_count", 2),
        ("feed_forward_length", 768),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
    ] {
        m.insert(format!("{architecture}.{name}"), Value::U32(value));
    }
    m.insert(format!("{architecture}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
    m
}

#[test]
fn reads_every_architecture_and_its_gate() {
    for (name, gate) in [
        ("bitnet-b1.58", Activation::Relu2),
        ("bitnet-25", Activation::Relu2),
        ("bitnet", Activation::Silu),
        ("llama", Activation::Silu),
        ("qwen3", Activation::Silu),
    ] {
        let config = Config::from_metadata(&metadata(name)).unwrap();
        assert_eq!((config.head_dim, config.kv_width(), config.activation), (64, 128, gate), "{name}");
    }
    let mut m = metadata("bitnet");
    m.insert("bitnet.hidden_activation", Value::String("relu2".into()));
    assert_eq!(Config::from_metadata(&m).unwrap().activation, Activation::Relu2);
    let mut m = metadata("bitnet");
    for (name, value) in
        [("vocab_size", 128_256), ("embedding_length", 2560), ("block_count", 30), ("feed_forward_length", 6912)]
    {
        m.insert(format!("bitnet.{name}"), Value::U32(value));
    }
    assert_eq!(Config::from_metadata(&m).unwrap().activation, Activation::Relu2);
}

#[test]
fn heads_may_be_wider_together_than_the_embedding() {
    let mut m = metadata("qwen3");
    for name in ["key_length", "value_length"] {
        m.insert(format!("qwen3.attention.{name}"), Value::U32(128));
    }
    let config = Config::from_metadata(&m).unwrap();
    assert_eq!((config.q_width(), config.kv_width(), config.embedding), (512, 256, 256));
    let matrices = 2 * (2 * 256 * 512 + 2 * 256 * 256 + 3 * 256 * 768) + 512 * 256;
    assert_eq!(config.parameters(), matrices);
}

/// What a model of MiniCPM multiplies by is not told by anything else: a file without it is refused.
#[test]
fn minicpm_needs_its_scales() {
    let mut m = metadata("minicpm");
    let scales = [("embedding_scale", 12.0), ("residual_scale", 0.25), ("logit_scale", 4.0)];
    for (name, value) in scales {
        let missing = Config::from_metadata(&m).unwrap_err();
        assert_eq!(missing, Error::MissingKey { key: format!("minicpm.{name}") });
        m.insert(format!("minicpm.{name}"), Value::F32(value));
    }
    let config = Config::from_metadata(&m).unwrap();
    assert_eq!([config.embedding_scale, config.residual_scale, config.logit_scale], scales.map(|(_, value)| value));
}

#[test]
fn refuses_what_makes_no_sense() {
    let refuse_key = |key: &str, value: Value| {
        let mut m = metadata("bitnet-b1.58");
        m.insert(key, value);
        Config::from_metadata(&m).unwrap_err()
    };
    let refuse = |name: &str, value: Value| refuse_key(&format!("bitnet-b1.58.{name}"), value);
    for (name, value) in [
        ("block_count", 0),
        ("block_count", 513),
        ("block_count", u32::MAX),
        ("embedding_length", 0),
        ("embedding_length", u32::MAX),
        ("attention.head_count", 0),
        ("attention.head_count", 3),
        ("attention.head_count", 256),
        ("attention.head_count_kv", 0),
        ("attention.head_count_kv", 3),
        ("attention.key_length", 0),
        ("attention.key_length", 63),
        ("attention.key_length", 1 << 17),
        ("attention.value_length", 32),
        ("expert_count", 8),
        ("pooling_type", 5),
        ("context_length", 0),
        ("context_length", u32::MAX),
        ("vocab_size", 0),
        ("rope.dimension_count", 32),
    ] {
        let error = refuse(name, Value::U32(value));
        assert!(matches!(error, Error::BadValue { .. }), "{name} = {value}: {error}");
    }
    for (name, value) in [
        ("attention.layer_norm_rms_epsilon", 0.0),
        ("attention.layer_norm_rms_epsilon", f32::NAN),
        ("rope.freq_base", f32::NAN),
        ("rope.freq_base", 0.0),
        ("rope.freq_base", f32::INFINITY),
        ("rope.scaling.factor", -2.0),
        ("attention.scale", 1.0),
        ("embedding_scale", 12.0),
        ("residual_scale", f32::NAN),
        ("logit_scale", 0.0),
    ] {
        let error = refuse(name, Value::F32(value));
        assert!(matches!(error, Error::BadValue { .. }), "{name} = {value}: {error}");
    }
    assert!(matches!(refuse("block_count", Value::String("30".into())), Error::WrongType { .. }));
    let transformed = refuse_key("prism.hadamard.version", Value::U32(1));
    assert!(matches!(&transformed, Error::UnsupportedKey { key, .. } if key.contains("hadamard")), "{transformed}");
    for (name, instead) in [("qwen35", "qwen3"), ("hunyuan-dense", "BitCPM"), ("gemma3", "0.6B"), ("gpt2", "Falcon-E")]
    {
        let error = Config::from_metadata(&metadata(name)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::UnsupportedArchitecture { .. }) && said.contains(instead), "{said}");
    }
    let mut m = metadata("bitnet-b1.58");
    m.remove("bitnet-b1.58.block_count");
    assert!(matches!(Config::from_metadata(&m), Err(Error::MissingKey { key }) if key.ends_with("block_count")));
}

#[test]
fn the_published_model_has_two_point_four_billion_parameters() {
    let mut m = metadata("bitnet-b1.58");
    for (name, value) in [
        ("vocab_size", 128_256),
        ("embedding_length", 2560),
        ("block_count", 30),
        ("feed_forward_length", 6912),
        ("attention.head_count", 20),
        ("attention.head_count_kv", 5),
    ] {
        m.insert(format!("bitnet-b1.58.{name}"), Value::U32(value));
    }
    assert_eq!(Config::from_metadata(&m).unwrap().parameters(), 2_412_380_160);
}
