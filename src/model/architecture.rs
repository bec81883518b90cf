//! The architectures that this engine runs: one row says all in which one's graph differs from another's.
//!
//! All have this in common: RMSNorm, grouped-query attention with rotary embedding, a residual sum, RMSNorm, a gated
//! feed-forward network, a residual sum; no biases. How activations are rounded follows from the type of each matrix and is
//! no matter of the architecture.

use super::Activation::{self, Relu2, Silu};
use Angles::{Exact, Stepped};
use Norm::{Head, Input, Sub};
use Pairs::{Adjacent, Halves};

/// Which two elements of a head turn together, at the angle of one frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// j and j + half, llama.cpp's NEOX.
    Halves,
    /// 2j and 2j + 1, llama.cpp's NORM: its converters order the rows of queries and keys so.
    Adjacent,
}

/// How precisely angles are computed. At position 100 the two are some 1e-5 apart, which tips roundings to int8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Angles {
    /// Multiplied up from pair to pair in `f32`, as ggml and so bitnet.cpp does: answers of BitNet stay what they are.
    Stepped,
    /// In `f64`: between the ways of all references, and nearest to most.
    Exact,
}

/// Norms of a layer besides the two that all architectures have, before attention and before the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    /// Before the last projection of attention and of the feed-forward network: `attn_sub_norm`, `ffn_sub_norm`.
    Sub,
    /// Of each head of queries and of keys, before the rotation: `attn_q_norm`, `attn_k_norm`.
    Head,
    /// Of each projection's own input, in models that have them: `attn_q_norm_in` and so on.
    Input,
}

/// What a graph is, as far as its architecture's name tells it.
pub(super) struct Architecture {
    /// `general.architecture`, and the prefix of its keys.
    pub(super) name: &'static str,
    /// The gate, where no `hidden_activation` tells it.
    pub(super) gate: Activation,
    /// How heads are rotated.
    pub(super) pairs: Pairs,
    /// How their angles are computed.
    pub(super) angles: Angles,
    /// Norms that its layers have.
    pub(super) norms: &'static [Norm],
    /// Whether embedding, residual sums and logits have factors: `embedding_scale`, `residual_scale`, `logit_scale`.
    pub(super) scales: bool,
    /// Models of this architecture.
    pub(super) models: &'static str,
}

#[rustfmt::skip]
const ARCHITECTURES: [Architecture; 6] = [
    Architecture { name: "bitnet-b1.58", gate: Relu2, pairs: Halves,   angles: Stepped, norms: &[Sub],         scales: false, models: "BitNet b1.58-2B-4T" },
    Architecture { name: "bitnet-25",    gate: Relu2, pairs: Halves,   angles: Stepped, norms: &[Sub],         scales: false, models: "BitNet b1.58-2B-4T" },
    Architecture { name: "bitnet",       gate: Silu,  pairs: Halves,   angles: Stepped, norms: &[Sub],         scales: false, models: "1bitLLM's BitNet" },
    Architecture { name: "llama",        gate: Silu,  pairs: Adjacent, angles: Exact,   norms: &[],            scales: false, models: "Falcon-E, Falcon3-1.58bit, BitCPM-1B, TriLM, Llama3-8B-1.58" },
    Architecture { name: "qwen3",        gate: Silu,  pairs: Halves,   angles: Exact,   norms: &[Head, Input], scales: false, models: "Bonsai, Ternary-Bonsai, BitNet-embedding" },
    Architecture { name: "minicpm",      gate: Silu,  pairs: Adjacent, angles: Exact,   norms: &[],            scales: true,  models: "BitCPM" },
];

impl Architecture {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|architecture| architecture.name == name)
    }

    /// Every name, for messages.
    pub(super) fn names() -> String {
        ARCHITECTURES.map(|architecture| architecture.name).join(", ")
    }

    pub(super) fn has(&self, norm: Norm) -> bool {
        self.norms.contains(&norm)
    }
}

/// What to use instead of a ternary model whose graph this engine does not have.
pub(super) fn instead(name: &str) -> &'static str {
    match name {
        "qwen35" | "qwen35moe" | "qwen3next" => {
            "its layers of linear attention are not supported; take Bonsai or Ternary-Bonsai of 1.7B, 4B or 8B, which are qwen3"
        }
        "hunyuan-dense" | "hunyuan" | "hunyuan-moe" => {
            "Hy-MT's 1.25-bit files are not supported; take Ternary-Bonsai or BitCPM, or run them in llama.cpp"
        }
        "gemma3" => "of BitNet-embedding take the 0.6B file, which is qwen3",
        "maple" => "take Ternary-Bonsai (qwen3), Falcon-E (llama) or BitCPM (llama, minicpm)",
        _ => "take a ternary model of one of these, such as Ternary-Bonsai, Falcon-E, BitCPM or BitNet b1.58-2B-4T",
    }
}
