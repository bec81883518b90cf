//! The gated feed-forward network: relu(gate)² · up, or silu(gate) · up.

use super::{Activation, Config};
use crate::kernels::Compute;

/// `gate = act(gate) · up`, rows of `config.feed_forward`.
pub(crate) fn gated(compute: &Compute, config: &Config, gate: &mut [f32], up: &[f32]) {
    let width = config.feed_forward;
    compute.pool.chunks(gate, width, |row, gate| {
        let up = &up[row * width..][..width];
        match config.activation {
            Activation::Relu2 => compute.backend.relu2_mul(gate, up),
            Activation::Silu => compute.backend.silu_mul(gate, up),
        }
    });
}
