//! The transformers of ternary language models, as Hugging Face's transformers and llama.cpp compute them.
//!
//! - `architecture.rs` has a row an architecture: all in which one's graph differs from another's.
//! - [`Config`] is read from the metadata and checked before anything is allocated.
//! - [`Loader`] is the parser's sink: each chunk of tensor bytes is unpacked, repacked into the kernels' layout
//!   and dropped, so that memory peaks at the packed model plus one chunk.
//! - [`Estimator`] reads headers alone and says how much memory that will be: the sizes are the loader's own.
//! - [`Weights`] is what the graph reads; [`KvCache`] what it remembers.
//! - [`State`] runs a batch of a text's tokens through the layers, one [`step`](State::step) a layer, so that a caller on
//!   one thread can look up in between. Its buffers, a pass, can take tokens of several texts.
//!
//! Next: [`kernels`](crate::kernels), with which it computes.

mod architecture;
mod attention;
mod config;
mod describe;
mod estimator;
mod feed_forward;
#[cfg(not(target_family = "wasm"))]
mod files;
mod fingerprint;
mod forward;
mod header;
mod kv_cache;
mod loader;
mod memory;
mod rope;
mod rope_scaling;
mod rows;
mod state;
mod tensor_sink;
mod tensors;
mod weights;

pub use architecture::{Angles, Pairs};
pub use config::{Activation, Config, DEFAULT_BATCH, DEFAULT_CONTEXT, Pooling};
pub(crate) use config::{MAX_CONTEXT, MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH};
pub use estimator::Estimator;
#[cfg(not(target_family = "wasm"))]
pub use files::Spent;
pub use fingerprint::Fingerprint;
pub(crate) use forward::{Next, Pass};
pub use kv_cache::{KvCache, KvType};
pub use loader::{EmbeddingType, Loaded, Loader, LoaderOptions};
pub(crate) use memory::quantization;
pub use memory::{Estimate, WASM_LIMIT};
pub use rope_scaling::RopeScaling;
pub use state::State;
pub(crate) use tensors::is_table;
pub use weights::{Embedding, Layer, Linear, ScaledLinear, Weights};

use crate::kernels::Compute;
use std::sync::OnceLock;

/// A loaded model: weights, and what computes with them.
pub struct Model {
    /// Shapes and constants.
    pub config: Config,
    /// The matrices and norms.
    pub weights: Weights,
    /// Backend and threads.
    pub compute: Compute,
    fingerprint: OnceLock<Fingerprint>,
}

impl Model {
    /// The model of these parts.
    pub fn new(config: Config, weights: Weights, compute: Compute) -> Self {
        Model { config, weights, compute, fingerprint: OnceLock::new() }
    }

    /// Weights in all matrices.
    pub fn parameters(&self) -> u64 {
        let table = self.config.vocabulary as u64 * self.config.embedding as u64;
        self.config.parameters() + self.weights.output.as_ref().map_or(0, |_| table)
    }

    /// What its keys and values depend on, hashed, with its head. All weights are read for it, at the first call.
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| Fingerprint::of(&self.config, &self.weights))
    }
}
