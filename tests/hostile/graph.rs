//! Keys and tensors of the other architectures that contradict each other, or that ask for what is not computed.

use super::file::{File, TENSOR_F32, f32, string, u32};
use super::{harmless, refuse, refused, test};
use b158::Error;

fn attack(architecture: &'static str, change: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = File::of(architecture);
    change(&mut file);
    file.bytes()
}

#[track_caller]
fn bad_value(architecture: &'static str, name: &str, value: (u32, Vec<u8>)) {
    let file = attack(architecture, |file| file.set_model(name, value));
    let expected = format!("{architecture}.{name}");
    refused(&expected, &file, |error| matches!(error, Error::BadValue { key, .. } if *key == expected));
}

#[test]
fn sound_files_run() {
    for architecture in ["llama", "qwen3", "minicpm"] {
        let loaded = harmless(architecture, &File::of(architecture).bytes());
        assert_eq!(loaded.model.config.architecture, architecture);
    }
    // Without what they may have and need not.
    harmless(
        "no norm before a projection",
        &attack("qwen3", |file| {
            file.tensors.retain(|tensor| !tensor.name.ends_with(b"_norm_in.weight"));
        }),
    );
    harmless("a tied head", &attack("llama", |file| file.tensors.retain(|tensor| tensor.name != b"output.weight")));
}

#[test]
fn widths_of_heads() {
    for value in [0, 63, 1 << 17, u32::MAX] {
        bad_value("qwen3", "attention.key_length", u32(value));
    }
    for value in [0, 64, 127, u32::MAX] {
        bad_value("qwen3", "attention.value_length", u32(value));
        bad_value("qwen3", "rope.dimension_count", u32(value));
    }
    let narrow = attack("qwen3", |file| {
        for name in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
            file.set_model(name, u32(64));
        }
    });
    refused("heads of 64, tensors of 128", &narrow, |error| matches!(error, Error::WrongShape { .. }));
}

#[test]
fn scales() {
    for name in ["embedding_scale", "residual_scale", "logit_scale"] {
        for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            bad_value("minicpm", name, f32(value));
        }
        // Elsewhere there is no place for it.
        for architecture in ["llama", "qwen3"] {
            bad_value(architecture, name, f32(12.0));
            let one = attack(architecture, |file| file.set_model(name, f32(1.0)));
            harmless("a factor of 1", &one);
        }
        let key = format!("minicpm.{name}");
        let file = attack("minicpm", |file| file.remove(&key));
        refused(name, &file, |error| matches!(error, Error::MissingKey { key: found } if *found == key));
        // Numbers that leave their range are an error when the model runs.
        for value in [f32::MIN_POSITIVE, f32::MAX] {
            let file = attack("minicpm", |file| file.set_model(name, f32(value)));
            super::load(&file, usize::MAX, None).expect("any factor above zero");
        }
    }
}

#[test]
fn scaled_angles() {
    for value in [-4.0, f32::NAN, f32::INFINITY] {
        for name in ["scaling.factor", "scaling.yarn_beta_fast", "scaling.yarn_beta_slow", "scaling.attn_factor"] {
            bad_value("qwen3", &format!("rope.{name}"), f32(value));
        }
    }
    for (name, value) in [("yarn_ext_factor", 0.5), ("yarn_attn_factor", 2.0), ("yarn_log_multiplier", 0.1)] {
        bad_value("qwen3", &format!("rope.scaling.{name}"), f32(value));
    }
    bad_value("qwen3", "rope.freq_base", f32(1.0));
    bad_value("qwen3", "rope.scaling.type", string("ntk"));
    bad_value("minicpm", "rope.scaling.factor", f32(4.0));
    for (name, value) in [
        ("factor", f32(f32::MAX)),
        ("factor", f32(f32::MIN_POSITIVE)),
        ("original_context_length", u32(0)),
        ("original_context_length", u32(u32::MAX)),
        ("yarn_beta_fast", f32(f32::MAX)),
        ("yarn_beta_slow", f32(f32::MAX)),
        ("attn_factor", f32(f32::MIN_POSITIVE)),
    ] {
        let file = attack("qwen3", |file| file.set_model(&format!("rope.scaling.{name}"), value));
        harmless(&format!("an absurd {name}"), &file);
    }
}

#[test]
fn tensors() {
    refuse! {
        "one list of factors", attack("minicpm", |file| file.tensors.retain(|t| t.name != b"rope_factors_short.weight"))
            => Error::MissingTensor { name } if name == "rope_factors_short.weight",
        "longrope without its factors", attack("minicpm", |file| file.tensors.retain(|t| !t.name.starts_with(b"rope_factors")))
            => Error::MissingTensor { .. },
        "factors of another width", attack("minicpm", |file| file.tensor("rope_factors_long.weight").dims = vec![16, 2])
            => Error::WrongShape { .. },
        "a projection without the norm that others have",
            attack("qwen3", |file| file.tensors.retain(|t| t.name != b"blk.0.ffn_up_norm_in.weight"))
            => Error::MissingTensor { name } if name == "blk.0.ffn_up_norm_in.weight",
        "no norm of heads", attack("qwen3", |file| file.tensors.retain(|t| t.name != b"blk.0.attn_k_norm.weight"))
            => Error::MissingTensor { name } if name == "blk.0.attn_k_norm.weight",
        "a norm of heads in a llama", attack("llama", |file| file.add("blk.0.attn_q_norm.weight", &[64], TENSOR_F32))
            => Error::UnknownTensor { name } if name == "blk.0.attn_q_norm.weight",
        "a norm of inputs in a llama", attack("llama", |file| file.add("blk.0.attn_q_norm_in.weight", &[128], TENSOR_F32))
            => Error::UnknownTensor { name } if name == "blk.0.attn_q_norm_in.weight",
        "BitNet's norms in a qwen3", attack("qwen3", |file| file.add("blk.0.ffn_sub_norm.weight", &[256], TENSOR_F32))
            => Error::UnknownTensor { name } if name == "blk.0.ffn_sub_norm.weight",
        "a bias", attack("llama", |file| file.add("blk.0.attn_q.bias", &[128], TENSOR_F32)) => Error::UnknownTensor { .. },
    }
    for (value, name) in [(0.0, "rope_factors_long.weight"), (f32::NAN, "rope_factors_short.weight")] {
        let file = attack("minicpm", |file| file.tensor(name).data[..4].copy_from_slice(&value.to_le_bytes()));
        refused(name, &file, |error| matches!(error, Error::BadTensorData { name: found, .. } if found == name));
    }
}

#[test]
fn other_graphs() {
    bad_value("llama", "expert_count", u32(8));
    bad_value("qwen3", "attention.scale", f32(1.0));
    bad_value("qwen3", "pooling_type", u32(5));
    bad_value("llama", "hidden_activation", string("gelu"));
    for key in ["prism.hadamard.version", "prism.hadamard.block_size"] {
        let file = attack("qwen3", |file| file.set(key, u32(1)));
        refused(key, &file, |error| matches!(error, Error::UnsupportedKey { key: found, .. } if found == key));
    }
    for name in ["qwen35", "maple", "hunyuan-dense", "gemma3", "qwen2", "", "LLAMA"] {
        let file = attack("llama", |file| file.set("general.architecture", string(name)));
        refused(name, &file, |error| matches!(error, Error::UnsupportedArchitecture { found, .. } if found == name));
    }
}
