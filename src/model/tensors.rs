//! The graph's tensors: their names as files have them, and their shapes.

use super::Config;

pub(super) const EMBEDDING: &str = "token_embd.weight";
pub(super) const OUTPUT_NORM: &str = "output_norm.weight";
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";
/// An output head of its own; without it the embedding is the head.
pub(super) const OUTPUT: &str = "output.weight";

/// Norms and matrices of a layer, in the graph's order.
const LAYER: [&str; 11] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_sub_norm",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_sub_norm",
    "ffn_down",
];

/// Whether a tensor has a row a token: the embedding, and the head.
pub(super) fn is_table(name: &str) -> bool {
    name == EMBEDDING || name == OUTPUT
}

/// The tensors that there must be, in the graph's order.
pub(super) fn required(config: &Config) -> impl Iterator<Item = String> {
    let layers = (0..config.layers).flat_map(|i| LAYER.map(|name| format!("blk.{i}.{name}.weight")));
    [EMBEDDING.to_owned()].into_iter().chain(layers).chain([OUTPUT_NORM.to_owned()])
}

/// The dimensions that a tensor must have, innermost first; `None` for one that the graph has no place for.
pub(super) fn shape(config: &Config, name: &str) -> Option<Vec<u64>> {
    let (e, f, kv) = (config.embedding as u64, config.feed_forward as u64, config.kv_width() as u64);
    match name {
        EMBEDDING | OUTPUT => return Some(vec![e, config.vocabulary as u64]),
        OUTPUT_NORM => return Some(vec![e]),
        ROPE_FREQS => return Some(vec![config.head_dim as u64 / 2]),
        _ => {}
    }
    let (layer, name) = name.strip_prefix("blk.")?.split_once('.')?;
    // There is one way to write a number: `blk.01` and `blk.+1` are no layers.
    layer.parse().ok().filter(|i: &usize| *i < config.layers && i.to_string() == layer)?;
    let (name, member) = name.rsplit_once('.')?;
    let dims = match name {
        "attn_norm" | "attn_sub_norm" | "ffn_norm" => vec![e],
        "ffn_sub_norm" => vec![f],
        "attn_q" | "attn_output" => vec![e, e],
        "attn_k" | "attn_v" => vec![e, kv],
        "ffn_gate" | "ffn_up" => vec![e, f],
        "ffn_down" => vec![f, e],
        _ => return None,
    };
    match member {
        "weight" => Some(dims),
        // A factor beside a matrix, in files of arch `bitnet`.
        "scale" if dims.len() == 2 => Some(vec![1]),
        _ => None,
    }
}
