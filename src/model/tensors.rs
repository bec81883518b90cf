//! The graph's tensors: their names as files have them, and their shapes.

use super::Config;

pub(super) const EMBEDDING: &str = "token_embd.weight";
pub(super) const OUTPUT_NORM: &str = "output_norm.weight";
/// Divisors of the rotary angles.
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";
/// The same for contexts longer than that of the training, and for others.
pub(super) const ROPE_LONG: &str = "rope_factors_long.weight";
pub(super) const ROPE_SHORT: &str = "rope_factors_short.weight";
/// An output head of its own; without it the embedding is the head.
pub(super) const OUTPUT: &str = "output.weight";

/// What follows the name of a projection in that of its input's norm.
const NORM_IN: &str = "_norm_in";
/// The projections of a layer, in the graph's order.
const PROJECTIONS: [&str; 7] = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

/// Whether a tensor has a row a token: the embedding, and the head.
pub(crate) fn is_table(name: &str) -> bool {
    name == EMBEDDING || name == OUTPUT
}

/// Whether a tensor holds divisors of angles.
pub(super) fn is_rope_factors(name: &str) -> bool {
    [ROPE_FREQS, ROPE_LONG, ROPE_SHORT].contains(&name)
}

/// Whether a tensor is the norm of a projection's input: a model that has one has all.
pub(super) fn is_input_norm(name: &str) -> bool {
    name.strip_suffix(".weight").is_some_and(|name| name.ends_with(NORM_IN))
}

/// The tensors that there must be; `has` tells which there are.
pub(super) fn required(config: &Config, has: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let mut layer: Vec<String> = ["attn_norm", "ffn_norm"].into_iter().chain(PROJECTIONS).map(str::to_owned).collect();
    if config.sub_norms {
        layer.extend(["attn_sub_norm", "ffn_sub_norm"].map(str::to_owned));
    }
    if config.head_norms {
        layer.extend(["attn_q_norm", "attn_k_norm"].map(str::to_owned));
    }
    if config.input_norms {
        layer.extend(PROJECTIONS.map(|name| format!("{name}{NORM_IN}")));
    }
    let longrope = config.rope_scaling.short_context.is_some() || has(ROPE_LONG) || has(ROPE_SHORT);
    let longrope = if longrope { &[ROPE_LONG, ROPE_SHORT][..] } else { &[] };
    let layers = (0..config.layers)
        .flat_map(move |i| layer.clone().into_iter().map(move |name| format!("blk.{i}.{name}.weight")));
    [EMBEDDING, OUTPUT_NORM].iter().chain(longrope).map(|name| (*name).to_owned()).chain(layers)
}

/// The dimensions that a tensor must have, innermost first; `None` for one that the graph has no place for.
pub(super) fn shape(config: &Config, name: &str) -> Option<Vec<u64>> {
    let e = config.embedding as u64;
    match name {
        EMBEDDING | OUTPUT => return Some(vec![e, config.vocabulary as u64]),
        OUTPUT_NORM => return Some(vec![e]),
        ROPE_FREQS | ROPE_LONG | ROPE_SHORT => return Some(vec![config.head_dim as u64 / 2]),
        _ => {}
    }
    let (layer, name) = name.strip_prefix("blk.")?.split_once('.')?;
    // There is one way to write a number: `blk.01` and `blk.+1` are no layers.
    layer.parse().ok().filter(|i: &usize| *i < config.layers && i.to_string() == layer)?;
    let (name, member) = name.rsplit_once('.')?;
    let matrix = matrix(config, name);
    match member {
        "weight" => matrix.map(Vec::from).or_else(|| Some(vec![norm(config, name)?])),
        // A factor beside a matrix, in files of arch `bitnet`.
        "scale" => matrix.map(|_| vec![1]),
        _ => None,
    }
}

/// Inputs and outputs of a layer's projection.
fn matrix(config: &Config, name: &str) -> Option<[u64; 2]> {
    let [e, f] = [config.embedding, config.feed_forward].map(|width| width as u64);
    let [q, kv] = [config.q_width(), config.kv_width()].map(|width| width as u64);
    Some(match name {
        "attn_q" => [e, q],
        "attn_k" | "attn_v" => [e, kv],
        "attn_output" => [q, e],
        "ffn_gate" | "ffn_up" => [e, f],
        "ffn_down" => [f, e],
        _ => return None,
    })
}

/// Width of a layer's norm.
fn norm(config: &Config, name: &str) -> Option<u64> {
    let width = match name {
        "attn_norm" | "ffn_norm" => config.embedding,
        "attn_sub_norm" if config.sub_norms => config.q_width(),
        "ffn_sub_norm" if config.sub_norms => config.feed_forward,
        "attn_q_norm" | "attn_k_norm" if config.head_norms => config.head_dim,
        _ if config.input_norms => return Some(matrix(config, name.strip_suffix(NORM_IN)?)?[0]),
        _ => return None,
    };
    Some(width as u64)
}
