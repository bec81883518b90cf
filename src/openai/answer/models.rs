//! What a server has, and how it runs.

use super::now;
use crate::model::{Loaded, quantization};
use serde::Serialize;

/// What `/v1/models` lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Models {
    /// `list`
    pub object: &'static str,
    /// One.
    pub data: Vec<Model>,
}

impl Models {
    /// That model alone.
    pub fn one(model: Model) -> Self {
        Self { object: "list", data: vec![model] }
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// `model`
    pub object: &'static str,
    /// When it was loaded: seconds since 1970.
    pub created: u64,
    /// `b158`, by which the page that comes with the server knows it.
    pub owned_by: &'static str,
    /// What it is and how it runs: an extension.
    #[serde(flatten)]
    pub about: About,
}

/// What a model is and how it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct About {
    /// The family.
    pub architecture: String,
    /// Weights.
    pub parameters: u64,
    /// How most of them are stored.
    pub quantization: String,
    /// Tokens of a talk.
    pub context_length: usize,
    /// What computes.
    pub backend: String,
    /// With so many threads.
    pub threads: usize,
}

impl Model {
    /// A model that has been loaded just now.
    pub fn new(id: impl Into<String>, about: About) -> Self {
        Self { id: id.into(), object: "model", created: now(), owned_by: "b158", about }
    }
}

impl About {
    /// Of a model whose talks have so many tokens.
    pub fn of(loaded: &Loaded, context_length: usize) -> Self {
        let model = &loaded.model;
        Self {
            architecture: model.config.architecture.clone(),
            parameters: model.parameters(),
            quantization: quantization(&loaded.types),
            context_length,
            backend: model.compute.backend.name().to_owned(),
            threads: model.compute.pool.threads(),
        }
    }
}
