//! Vectors of texts.

use super::super::request::Encoding;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Serialize;

/// Vectors of texts, in their order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embeddings {
    /// `list`
    pub object: &'static str,
    /// One a text.
    pub data: Vec<Embedding>,
    /// Who made them.
    pub model: String,
    /// Counts.
    pub usage: EmbeddingsUsage,
    /// An extension: what there is to know of the vectors.
    pub notes: Vec<String>,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embedding {
    /// `embedding`
    pub object: &'static str,
    /// Of the text, from 0.
    pub index: usize,
    /// As it was asked for.
    pub embedding: EmbeddingValues,
}

/// A vector as numbers, or as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EmbeddingValues {
    /// Numbers.
    Float(Vec<f32>),
    /// Little-endian floats of 32 bits in base64.
    Base64(String),
}

impl EmbeddingValues {
    /// A vector as it was asked for.
    pub fn new(vector: Vec<f32>, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
                Self::Base64(BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

impl Embeddings {
    /// Of these vectors.
    pub fn new(
        vectors: Vec<Vec<f32>>,
        encoding: Encoding,
        model: impl Into<String>,
        tokens: usize,
        notes: Vec<String>,
    ) -> Self {
        let data = vectors.into_iter().enumerate().map(|(index, vector)| Embedding {
            object: "embedding",
            index,
            embedding: EmbeddingValues::new(vector, encoding),
        });
        let usage = EmbeddingsUsage { prompt_tokens: tokens, total_tokens: tokens };
        Self { object: "list", data: data.collect(), model: model.into(), usage, notes }
    }
}

/// Tokens that vectors took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EmbeddingsUsage {
    /// Of all texts together.
    pub prompt_tokens: usize,
    /// The same.
    pub total_tokens: usize,
}
