//! Shapes and constants of a model, from its metadata.

use crate::gguf::{Metadata, Value};
use crate::{Error, Result};

/// The context of a session that asks for none: the length of the published model.
pub const DEFAULT_CONTEXT: usize = 4096;
/// Prompt tokens per pass in a tab: enough that tables pay, few enough that a layer takes milliseconds and buffers little room.
pub(super) const WASM_BATCH: usize = 32;
/// Prompt tokens per pass. Natively more: codes are turned into indices for all of them at once.
pub const DEFAULT_BATCH: usize = if cfg!(target_family = "wasm") { WASM_BATCH } else { 64 };

/// The gate of the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0)², as in BitNet b1.58-2B-4T.
    Relu2,
    /// x · sigmoid(x), as in the first 1bitLLM models.
    Silu,
}

/// What the graph needs to know. Every field has been checked: see [`Config::from_metadata`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `general.architecture`: bitnet-b1.58, bitnet-25 or bitnet.
    pub architecture: String,
    /// Transformer layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub embedding: usize,
    /// Width of the feed-forward network.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads (GQA).
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// Tokens.
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context_length: usize,
    /// Added to the mean square in every RMSNorm.
    pub rms_epsilon: f32,
    /// Base of the rotary position embedding.
    pub rope_base: f32,
    /// The gate's activation.
    pub activation: Activation,
}

/// The widest model this engine addresses: above every published one, below what overflows 32-bit sizes.
const MAX_WIDTH: u32 = 1 << 17;
/// As llama.cpp's LLAMA_MAX_LAYERS.
const MAX_LAYERS: u32 = 512;
const MAX_VOCABULARY: u32 = 1 << 21;
const MAX_CONTEXT: u32 = 1 << 24;

impl Config {
    /// Reads and checks the keys of a BitNet b1.58 file. `rope.freq_base` and `context_length` fall back to
    /// llama.cpp's defaults; the head sizes follow from the embedding where their keys are absent.
    ///
    /// # Errors
    /// Another architecture; a missing key; a value of the wrong type, out of range, or at odds with another.
    pub fn from_metadata(m: &Metadata) -> Result<Self> {
        let architecture = m.require_str("general.architecture")?.to_owned();
        if !matches!(architecture.as_str(), "bitnet-b1.58" | "bitnet-25" | "bitnet") {
            return Err(Error::UnsupportedArchitecture { found: architecture });
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let required = |name: &str, max: u32| -> Result<usize> {
            let key = key(name);
            in_range(&key, m.require_u32(&key)?, max)
        };
        let optional = |name: &str, default: usize, max: u32| -> Result<usize> {
            let key = key(name);
            m.u32(&key)?.map_or(Ok(default), |value| in_range(&key, value, max))
        };

        let layers = required("block_count", MAX_LAYERS)?;
        let embedding = required("embedding_length", MAX_WIDTH)?;
        let feed_forward = required("feed_forward_length", MAX_WIDTH)?;
        let heads = required("attention.head_count", MAX_WIDTH)?;
        let kv_heads = optional("attention.head_count_kv", heads, MAX_WIDTH)?;
        let context_length = required("context_length", MAX_CONTEXT)?;
        // The table of tokens says how many there are. Some files omit the key, others have it from before tokens were added;
        // the embedding's shape must agree.
        let vocabulary = match m.strings("tokenizer.ggml.tokens")?.map_or(0, |tokens| tokens.len()) {
            0 => required("vocab_size", MAX_VOCABULARY)?,
            tokens => in_range("tokenizer.ggml.tokens", u32::try_from(tokens).unwrap_or(u32::MAX), MAX_VOCABULARY)?,
        };

        let bad = |name: &str, value: &dyn ToString, reason: String| {
            Err(Error::BadValue { key: key(name), value: value.to_string(), reason })
        };
        if heads % kv_heads != 0 {
            return bad("attention.head_count_kv", &kv_heads, format!("does not divide the {heads} heads"));
        }
        let head_dim = match m.u32(&key("attention.key_length"))? {
            Some(length) => in_range(&key("attention.key_length"), length, MAX_WIDTH)?,
            None if embedding % heads == 0 => embedding / heads,
            None => {
                return bad("attention.head_count", &heads, format!("does not divide the embedding of {embedding}"));
            }
        };
        if heads * head_dim != embedding {
            return bad("attention.key_length", &head_dim, format!("{heads} heads make {embedding} in this graph"));
        }
        if head_dim % 2 != 0 {
            return bad("attention.head_count", &heads, format!("a head of {head_dim} has no pairs to rotate"));
        }
        let rotated = optional("rope.dimension_count", head_dim, MAX_WIDTH)?;
        if rotated != head_dim {
            return bad("rope.dimension_count", &rotated, format!("a BitNet rotates its whole head of {head_dim}"));
        }
        let scaling = m.f32(&key("rope.scaling.factor"))?.unwrap_or(1.0);
        let unscaled = matches!(m.get(&key("rope.scaling.type")), Some(Value::String(kind)) if kind == "none");
        // As in llama.cpp, 0 is no factor.
        if scaling != 1.0 && scaling != 0.0 && !unscaled {
            return bad("rope.scaling.factor", &scaling, "scaled positions are not supported".into());
        }
        let number = |name: &str, default: Option<f32>, fits: fn(f32) -> bool, reason: &str| -> Result<f32> {
            let key = key(name);
            let value = m.f32(&key)?.or(default).ok_or_else(|| Error::MissingKey { key: key.clone() })?;
            if value.is_finite() && fits(value) {
                Ok(value)
            } else {
                Err(Error::BadValue { key, value: value.to_string(), reason: reason.to_owned() })
            }
        };
        let rms_epsilon = number("attention.layer_norm_rms_epsilon", None, |v| v > 0.0, "must be above zero")?;
        // With a smaller one angles would grow from pair to pair, beyond all numbers.
        let rope_base = number("rope.freq_base", Some(10_000.0), |v| v >= 1.0, "must be 1 or more")?;
        let activation = match m.str(&key("hidden_activation"))? {
            Some("relu2" | "relu_squared" | "relu_sqr") => Activation::Relu2,
            Some("silu" | "swish") => Activation::Silu,
            Some(other) => return bad("hidden_activation", &other, "known are relu2 and silu".into()),
            // Converters of 2026 write plain `bitnet` for the 2B-4T shape too, whose gate is relu².
            None if architecture != "bitnet"
                || (layers, embedding, feed_forward, vocabulary) == (30, 2560, 6912, 128_256) =>
            {
                Activation::Relu2
            }
            None => Activation::Silu,
        };
        Ok(Config {
            architecture,
            layers,
            embedding,
            feed_forward,
            heads,
            kv_heads,
            head_dim,
            vocabulary,
            context_length,
            rms_epsilon,
            rope_base,
            activation,
        })
    }

    /// The context of a session: what was asked for, or the model's own, at most [`DEFAULT_CONTEXT`].
    ///
    /// # Errors
    /// A context of 0, or beyond what the model was trained for.
    pub fn context(&self, asked: Option<usize>) -> Result<usize> {
        let context = asked.unwrap_or(self.context_length.min(DEFAULT_CONTEXT));
        if (1..=self.context_length).contains(&context) {
            return Ok(context);
        }
        Err(Error::BadOption {
            option: "context",
            value: context.to_string(),
            reason: "must be between 1 and the model's own context length (see `inspect`)",
        })
    }

    /// Width of one token's keys, and of its values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Weights in all matrices, embedding included, which is the head too: counted once.
    /// [`Model::parameters`](super::Model::parameters) counts a head of its own.
    pub fn parameters(&self) -> u64 {
        let (e, f, kv) = (self.embedding as u64, self.feed_forward as u64, self.kv_width() as u64);
        self.layers as u64 * (2 * e * e + 2 * e * kv + 3 * e * f) + self.vocabulary as u64 * e
    }
}

fn in_range(key: &str, value: u32, max: u32) -> Result<usize> {
    if (1..=max).contains(&value) {
        Ok(value as usize)
    } else {
        Err(Error::BadValue {
            key: key.to_owned(),
            value: value.to_string(),
            reason: format!("must be between 1 and {max}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn reads_the_three_architectures_and_their_gates() {
        for (name, gate) in
            [("bitnet-b1.58", Activation::Relu2), ("bitnet-25", Activation::Relu2), ("bitnet", Activation::Silu)]
        {
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
    fn refuses_what_makes_no_sense() {
        let refuse = |name: &str, value: Value| {
            let mut m = metadata("bitnet-b1.58");
            m.insert(format!("bitnet-b1.58.{name}"), value);
            Config::from_metadata(&m).unwrap_err()
        };
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
            ("attention.key_length", 32),
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
            ("rope.scaling.factor", 2.0),
        ] {
            let error = refuse(name, Value::F32(value));
            assert!(matches!(error, Error::BadValue { .. }), "{name} = {value}: {error}");
        }
        assert!(matches!(refuse("block_count", Value::String("30".into())), Error::WrongType { .. }));
        assert!(matches!(
            Config::from_metadata(&metadata("llama")),
            Err(Error::UnsupportedArchitecture { found }) if found == "llama"
        ));
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
}
