//! Shapes and constants of a model, from its metadata.

use super::architecture::{self, Architecture, Norm};
use super::{Angles, Pairs, RopeScaling};
use crate::gguf::Metadata;
use crate::{Error, Result};

/// The context of a session that asks for none: the length of the published model.
pub const DEFAULT_CONTEXT: usize = 4096;
/// Prompt tokens per pass: codes are turned into indices for all of them at once, and a layer still takes no longer than a
/// tenth of a second in a tab, between two looks for a stop.
pub const DEFAULT_BATCH: usize = 64;

/// The gate of the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0)², as in BitNet b1.58-2B-4T.
    Relu2,
    /// x · sigmoid(x), as in Llama and Qwen.
    Silu,
}

/// What an embedding model makes one vector of: `pooling_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// No embedding model.
    None,
    /// The mean of all tokens.
    Mean,
    /// The first token.
    First,
    /// The last token.
    Last,
    /// A score of one number.
    Rank,
}

impl Pooling {
    /// What it makes an embedding of.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::None => "nothing",
            Pooling::Mean => "the mean of all tokens",
            Pooling::First => "the first token",
            Pooling::Last => "the last token",
            Pooling::Rank => "a score",
        }
    }
}

/// What the graph needs to know. Every field has been checked: see [`Config::from_metadata`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `general.architecture`: what it means is told in the table of `architecture.rs`.
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
    /// How a head's elements are paired for it.
    pub rope_pairs: Pairs,
    /// How precisely angles are computed.
    pub rope_angles: Angles,
    /// How its angles are scaled.
    pub rope_scaling: RopeScaling,
    /// The gate's activation.
    pub activation: Activation,
    /// Norms before the last projections of attention and of the feed-forward network.
    pub sub_norms: bool,
    /// Norms of each head of queries and keys.
    pub head_norms: bool,
    /// Norms of each projection's own input: told by the tensors, false until they are known.
    pub input_norms: bool,
    /// What the token embedding is multiplied by.
    pub embedding_scale: f32,
    /// What the output of attention and of the feed-forward network is multiplied by before it is added.
    pub residual_scale: f32,
    /// What the input of the output head is divided by.
    pub logit_scale: f32,
    /// What [`embed`](crate::session::Session::embed) would have to do.
    pub pooling: Pooling,
}

/// The widest model this engine addresses: above every published one, below what overflows 32-bit sizes.
pub(crate) const MAX_WIDTH: u32 = 1 << 17;
/// As llama.cpp's LLAMA_MAX_LAYERS.
pub(crate) const MAX_LAYERS: u32 = 512;
pub(crate) const MAX_VOCABULARY: u32 = 1 << 21;
pub(crate) const MAX_CONTEXT: u32 = 1 << 24;

impl Config {
    /// Reads and checks a file's keys. `rope.freq_base` and the keys of heads fall back to llama.cpp's defaults.
    ///
    /// # Errors
    /// Another architecture; a missing key; a value of the wrong type, out of range, or at odds with another; a key that
    /// asks for what this engine does not compute.
    pub fn from_metadata(m: &Metadata) -> Result<Self> {
        let name = m.require_str("general.architecture")?;
        let Some(architecture) = Architecture::of(name) else {
            let (found, runs) = (name.to_owned(), Architecture::names());
            return Err(Error::UnsupportedArchitecture { found, runs, hint: architecture::instead(name) });
        };
        refuse_transformed(m)?;
        let keys = Keys { m, prefix: architecture.name };
        let layers = keys.required("block_count", MAX_LAYERS)?;
        let embedding = keys.required("embedding_length", MAX_WIDTH)?;
        let feed_forward = keys.required("feed_forward_length", MAX_WIDTH)?;
        let heads = keys.required("attention.head_count", MAX_WIDTH)?;
        let kv_heads = keys.optional("attention.head_count_kv", MAX_WIDTH)?.unwrap_or(heads);
        let context_length = keys.required("context_length", MAX_CONTEXT)?;
        // The table of tokens says how many there are. Some files omit the key, others have it from before tokens were added;
        // the embedding's shape must agree.
        let vocabulary = match m.strings("tokenizer.ggml.tokens")?.map_or(0, |tokens| tokens.len()) {
            0 => keys.required("vocab_size", MAX_VOCABULARY)?,
            tokens => in_range("tokenizer.ggml.tokens", u32::try_from(tokens).unwrap_or(u32::MAX), MAX_VOCABULARY)?,
        };
        if heads % kv_heads != 0 {
            return keys.bad("attention.head_count_kv", &kv_heads, format!("does not divide the {heads} heads"));
        }
        let head_dim = keys.head_dim(embedding, heads)?;
        let rope_base = keys.number("rope.freq_base", Some(10_000.0))?;
        // With a smaller one angles would grow from pair to pair, beyond all numbers.
        if rope_base < 1.0 {
            return keys.bad("rope.freq_base", &rope_base, "must be 1 or more".into());
        }
        let rope_scaling = RopeScaling::from_metadata(m, architecture.name, head_dim, rope_base, context_length)?;
        keys.refuse_other_graphs(head_dim)?;
        let scale = |name: &str| match architecture.scales {
            true => keys.number(name, None),
            false => keys.only(name, 1.0).map(|()| 1.0),
        };
        Ok(Config {
            architecture: architecture.name.to_owned(),
            layers,
            embedding,
            feed_forward,
            heads,
            kv_heads,
            head_dim,
            vocabulary,
            context_length,
            rms_epsilon: keys.number("attention.layer_norm_rms_epsilon", None)?,
            rope_base,
            rope_pairs: architecture.pairs,
            rope_angles: architecture.angles,
            rope_scaling,
            activation: match m.str(&keys.of("hidden_activation"))? {
                Some("relu2" | "relu_squared" | "relu_sqr") => Activation::Relu2,
                Some("silu" | "swish") => Activation::Silu,
                Some(other) => return keys.bad("hidden_activation", &other, "known are relu2 and silu".into()),
                // Converters of 2026 write plain `bitnet` for the 2B-4T shape too, whose gate is relu².
                None if (layers, embedding, feed_forward, vocabulary) == (30, 2560, 6912, 128_256) => Activation::Relu2,
                None => architecture.gate,
            },
            sub_norms: architecture.has(Norm::Sub),
            head_norms: architecture.has(Norm::Head),
            input_norms: false,
            embedding_scale: scale("embedding_scale")?,
            residual_scale: scale("residual_scale")?,
            logit_scale: scale("logit_scale")?,
            pooling: match m.u32(&keys.of("pooling_type"))? {
                None | Some(0) => Pooling::None,
                Some(1) => Pooling::Mean,
                Some(2) => Pooling::First,
                Some(3) => Pooling::Last,
                Some(4) => Pooling::Rank,
                Some(other) => return keys.bad("pooling_type", &other, "known are 0 to 4".into()),
            },
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

    /// Width of one token's queries, and of what attention gives.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of one token's keys, and of its values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Weights in all matrices, embedding included, which is the head too: counted once.
    /// [`Model::parameters`](super::Model::parameters) counts a head of its own.
    pub fn parameters(&self) -> u64 {
        let [e, f] = [self.embedding, self.feed_forward].map(|width| width as u64);
        let [q, kv] = [self.q_width(), self.kv_width()].map(|width| width as u64);
        self.layers as u64 * (2 * e * q + 2 * e * kv + 3 * e * f) + self.vocabulary as u64 * e
    }
}

/// The keys of an architecture.
struct Keys<'a> {
    m: &'a Metadata,
    prefix: &'static str,
}

impl Keys<'_> {
    fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn bad<T>(&self, name: &str, value: &dyn ToString, reason: String) -> Result<T> {
        Err(Error::BadValue { key: self.of(name), value: value.to_string(), reason })
    }

    fn required(&self, name: &str, max: u32) -> Result<usize> {
        let key = self.of(name);
        in_range(&key, self.m.require_u32(&key)?, max)
    }

    fn optional(&self, name: &str, max: u32) -> Result<Option<usize>> {
        let key = self.of(name);
        self.m.u32(&key)?.map(|value| in_range(&key, value, max)).transpose()
    }

    /// A number above zero.
    fn number(&self, name: &str, default: Option<f32>) -> Result<f32> {
        let key = self.of(name);
        let value = self.m.f32(&key)?.or(default).ok_or(Error::MissingKey { key })?;
        if value.is_finite() && value > 0.0 {
            return Ok(value);
        }
        self.bad(name, &value, "must be above zero".into())
    }

    /// Refuses a factor that the graph has no place for.
    fn only(&self, name: &str, value: f32) -> Result<()> {
        match self.m.f32(&self.of(name))? {
            Some(found) if found != value => {
                self.bad(name, &found, format!("the graph of {} has {value} alone", self.prefix))
            }
            _ => Ok(()),
        }
    }

    /// Width of a head: what its keys say, which must agree.
    fn head_dim(&self, embedding: usize, heads: usize) -> Result<usize> {
        let (length, value_length) = ("attention.key_length", "attention.value_length");
        let told = self.optional(length, MAX_WIDTH)?;
        let by = if told.is_some() { length } else { "attention.head_count" };
        let head_dim = match told {
            Some(head_dim) => head_dim,
            None if embedding.is_multiple_of(heads) => embedding / heads,
            None => return self.bad(by, &heads, format!("does not divide the embedding of {embedding}")),
        };
        if head_dim as u64 * heads as u64 > u64::from(MAX_WIDTH) {
            return self.bad(by, &head_dim, format!("{heads} such heads are wider than {MAX_WIDTH}"));
        }
        if head_dim % 2 != 0 {
            return self.bad(by, &head_dim, format!("a head of {head_dim} has no pairs to rotate"));
        }
        match self.optional(value_length, MAX_WIDTH)? {
            Some(other) if other != head_dim => {
                return self.bad(value_length, &other, format!("keys have {head_dim}: values must be as wide"));
            }
            _ => {}
        }
        match self.optional("rope.dimension_count", MAX_WIDTH)? {
            Some(other) if other != head_dim => {
                self.bad("rope.dimension_count", &other, format!("this engine rotates whole heads, of {head_dim}"))
            }
            _ => Ok(head_dim),
        }
    }

    /// Refuses keys that would make another graph of the same tensors.
    fn refuse_other_graphs(&self, head_dim: usize) -> Result<()> {
        if let Some(experts @ 1..) = self.m.u32(&self.of("expert_count"))? {
            return self.bad("expert_count", &experts, "mixtures of experts are not supported".into());
        }
        if self.m.bool(&self.of("attention.causal"))? == Some(false) {
            return self.bad("attention.causal", &false, "every token sees those before it, and no others".into());
        }
        let usual = 1.0 / (head_dim as f32).sqrt();
        let is_usual = |scale: f32| (scale - usual).abs() < 1e-5 * usual;
        match self.m.f32(&self.of("attention.scale"))? {
            // As in llama.cpp, 0 is the usual one.
            Some(scale) if scale != 0.0 && !is_usual(scale) => {
                self.bad("attention.scale", &scale, format!("scores are multiplied by 1/√{head_dim} alone"))
            }
            _ => Ok(()),
        }
    }
}

/// Weights that are to be multiplied with transformed activations are noise to a graph that does not transform them.
fn refuse_transformed(m: &Metadata) -> Result<()> {
    match m.iter().find(|(key, _)| key.starts_with("prism.hadamard.")) {
        Some((key, _)) => Err(Error::UnsupportedKey {
            key: key.to_owned(),
            reason: "activations go through a Hadamard transform, which this engine does not have; take a Bonsai or \
                     Ternary-Bonsai file without it (architecture qwen3)",
        }),
        None => Ok(()),
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
#[path = "config_tests.rs"]
mod tests;
