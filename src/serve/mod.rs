//! `b158 serve`: a model for everybody whose tools speak OpenAI's API.

#[allow(dead_code, unused_imports)]
pub(crate) mod engine;
