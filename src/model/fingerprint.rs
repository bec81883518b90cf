//! Tells models apart, so that no session is restored into another model.

use super::weights::Layer;
use super::{Activation, Angles, Config, Pairs, RopeScaling, Weights};
use std::fmt;
use twox_hash::XxHash3_128;

/// XXH3 of everything that keys and values depend on, and of the head: shapes, constants, and weights as they are held.
/// Names, tokenizer and the way a file is cut or packed are not in it, nor is the backend. It guards against mistakes, not
/// against forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub(crate) [u8; 16]);

impl Fingerprint {
    pub(super) fn of(config: &Config, weights: &Weights) -> Self {
        let mut hash = XxHash3_128::new();
        let Config { layers, embedding, feed_forward, heads, kv_heads, head_dim, vocabulary, .. } = *config;
        for size in [layers, embedding, feed_forward, heads, kv_heads, head_dim, vocabulary] {
            hash.write(&(size as u64).to_le_bytes());
        }
        let activation = match config.activation {
            Activation::Relu2 => 0.0,
            Activation::Silu => 1.0,
        };
        floats(&mut hash, &[config.rms_epsilon, config.rope_base, activation]);
        let factors = weights.rope_factors.as_ref();
        floats(&mut hash, factors.map_or(&[][..], |factors| &factors.short));
        floats(&mut hash, &weights.output_norm);
        // What most graphs do not have is hashed behind its name where there is any, and leaves no trace where not.
        let mut only = |name: &str, values: &[f32]| {
            if !values.is_empty() {
                hash.write(name.as_bytes());
                floats(&mut hash, values);
            }
        };
        only("long factors", factors.and_then(|factors| factors.long.as_deref()).unwrap_or_default());
        if config.rope_pairs == Pairs::Adjacent {
            only("adjacent pairs", &[1.0]);
        }
        if config.rope_angles == Angles::Exact {
            only("exact angles", &[1.0]);
        }
        if config.rope_scaling != RopeScaling::NONE {
            let RopeScaling { factor, ramp, magnitude, short_context } = config.rope_scaling;
            let (low, high) = ramp.unwrap_or((-1.0, -1.0));
            only("scaling", &[factor, low as f32, high as f32, magnitude, short_context.unwrap_or(0) as f32]);
        }
        let scales = [config.embedding_scale, config.residual_scale, config.logit_scale];
        if scales != [1.0; 3] {
            only("scales", &scales);
        }
        for table in [&weights.token_embd].into_iter().chain(&weights.output) {
            hash.write(table.type_name().as_bytes());
            hash.write(table.memory());
            floats(&mut hash, table.scales());
        }
        for layer in &weights.layers {
            let Layer { attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm, .. } = layer;
            for norm in [Some(attn_norm), attn_sub_norm.as_ref(), Some(ffn_norm), ffn_sub_norm.as_ref()] {
                floats(&mut hash, norm.map_or(&[], Vec::as_slice));
            }
            for norm in [&layer.attn_q_norm, &layer.attn_k_norm].into_iter().flatten() {
                floats(&mut hash, norm);
            }
            for linear in layer.linears() {
                hash.write(linear.linear.memory());
                floats(&mut hash, linear.linear.scales());
                floats(&mut hash, linear.scale.as_slice());
                if let Some(norm) = &linear.norm {
                    floats(&mut hash, norm);
                }
            }
        }
        Fingerprint(hash.finish_128().to_le_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bits, behind their number: what is absent is not what is empty elsewhere.
fn floats(hash: &mut XxHash3_128, values: &[f32]) {
    hash.write(&(values.len() as u64).to_le_bytes());
    let mut bytes = [0; 1024];
    for part in values.chunks(bytes.len() / 4) {
        for (bytes, value) in bytes.chunks_exact_mut(4).zip(part) {
            bytes.copy_from_slice(&value.to_bits().to_le_bytes());
        }
        hash.write(&bytes[..4 * part.len()]);
    }
}
