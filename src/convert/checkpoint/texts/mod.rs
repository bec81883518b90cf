//! The texts of a checkpoint: what they say of the model, as the metadata of a GGUF.
//!
//! ```text
//! config.json                             ──► Description: what the tensors are read by
//! config.json, generation_config.json     ──► keys of the architecture, special tokens
//! tokenizer.json, tokenizer_config.json   ──► tables of the tokenizer, its splitter, its special tokens
//! chat_template.jinja …                   ──► the chat template
//! ```

mod card;
mod config;
mod json;
mod pipeline;
mod rope;
mod scores;
mod special;
mod tables;
mod template;
mod tokenizer;

use crate::Result;
use crate::convert::Folder;
use crate::gguf::Metadata;

/// What `config.json` says that the tensors are read by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    /// `general.architecture` of the GGUF.
    pub(crate) architecture: &'static str,
    /// Whether the GGUF has the rows of queries and keys in the order of adjacent pairs: of each head first row 0 and row
    /// half, then row 1 and row half + 1, and so on.
    pub(crate) permuted: bool,
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
    pub(crate) feed_forward: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// `vocab_size`, which the embedding's rows must be.
    pub(crate) vocabulary: usize,
    /// `tie_word_embeddings`, if it is there.
    pub(crate) tied: Option<bool>,
    /// Norms before the last projection of attention and of the feed-forward network.
    pub(crate) sub_norms: bool,
    /// Norms of each head of queries and keys.
    pub(crate) head_norms: bool,
    /// Norms of each projection's own input: `use_rms_norm` of `quantization_config`.
    pub(crate) input_norms: bool,
    /// `quantization_config`, if it is there.
    pub(crate) quantization: Option<Quantization>,
    /// Tensors of the GGUF that `config.json` holds: the divisors of rotary angles, F32.
    pub(crate) tensors: Vec<(&'static str, Vec<f32>)>,
    /// Keys of the graph.
    metadata: Metadata,
    notes: Vec<String>,
    config: serde_json::Map<String, serde_json::Value>,
}

/// `quantization_config`, whose `quant_method` is `bitnet`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantization {
    /// What `weight_scale` is, by `linear_class`: the value does not tell.
    pub(crate) scale: ScaleMeaning,
    /// `quantization_mode`: whether matrices are packed (`offline`) or master weights (`online`), if it is there.
    pub(crate) packed: Option<bool>,
    /// `modules_to_not_convert`.
    pub(crate) not_converted: Vec<String>,
}

/// What `weight_scale` of a packed matrix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaleMeaning {
    /// A weight is code / scale: `bitlinear`.
    Divisor,
    /// A weight is code · scale: `autobitlinear`.
    Factor,
}

/// Everything that the texts say.
#[derive(Debug)]
pub(crate) struct Texts {
    /// All of the GGUF's keys but those that tell how tensors are stored.
    pub(crate) metadata: Metadata,
    /// What a user should know.
    pub(crate) notes: Vec<String>,
}

impl Description {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`](crate::Error::BadCheckpoint) and
    /// [`Error::UnsupportedCheckpoint`](crate::Error::UnsupportedCheckpoint), which name the key; what `folder` gives.
    pub(crate) fn read(folder: &mut impl Folder) -> Result<Self> {
        config::read(folder)
    }
}

/// Reads all texts; the vocabulary gets as many tokens as the embedding has `rows`.
///
/// # Errors
/// As [`Description::read`].
pub(crate) fn read(folder: &mut impl Folder, description: &Description, rows: u64) -> Result<Texts> {
    if rows != description.vocabulary as u64 {
        let reason = format!("it is {}, the embedding has {rows} rows", description.vocabulary);
        return Err(json::bad(config::FILE, "`vocab_size`", reason));
    }
    let mut metadata = description.metadata.clone();
    let mut notes = description.notes.clone();
    card::read(folder, &mut metadata)?;
    let said = json::object(folder, special::TOKENIZER_CONFIG)?;
    let tokenizer = tokenizer::read(folder, rows, &mut metadata, &mut notes)?;
    if said.is_none() {
        notes.push(format!(
            "no {}: special tokens are those of {}, and a chat template that it may have had is missing",
            special::TOKENIZER_CONFIG,
            config::FILE
        ));
    }
    special::read(folder, &description.config, said.as_ref(), &tokenizer, &mut metadata, &mut notes)?;
    template::read(folder, said.as_ref(), &mut metadata, &mut notes)?;
    // The readers have the last word.
    crate::model::Config::from_metadata(&metadata)
        .map_err(|e| json::bad(config::FILE, "as a GGUF's keys", e.to_string()))?;
    built(&metadata)?;
    Ok(Texts { metadata, notes })
}

/// The tokenizer that a GGUF of this metadata has.
fn built(metadata: &Metadata) -> Result<crate::tokenizer::Tokenizer> {
    crate::tokenizer::Tokenizer::from_metadata(metadata).map_err(|error| match error {
        crate::Error::OutOfMemory { .. } => error,
        error => json::bad(tokenizer::FILE, "as a GGUF's tables", error.to_string()),
    })
}
