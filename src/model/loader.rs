//! From the bytes of a GGUF to a model that can run.

use super::header::Header;
use super::memory::{self, WASM_LIMIT};
use super::tensor_sink::{Held, Tensor, TensorSink};
use super::tensors::{EMBEDDING, OUTPUT, OUTPUT_NORM, ROPE_FREQS, ROPE_LONG, ROPE_SHORT};
use super::weights::{RopeFactors, ScaledLinear};
use super::{Embedding, Estimate, KvType, Layer, Linear, Model, Weights};
use crate::allocate::{try_ahead, try_with_capacity};
use crate::chat::Template;
use crate::gguf::{Event, Metadata, TensorInfo, TensorType};
use crate::kernels::{Compute, Int8Matrix};
use crate::threads::Beside;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// How the token embedding is held, which is the output head too; a head of its own likewise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum EmbeddingType {
    /// In 8 bits where it is so large that reading it takes a good part of a token's time, as in the file where not.
    #[default]
    Auto,
    /// As in the file: the logits are the file's own.
    File,
    /// In 8 bits, a scale a row: half of f16's memory and about half of its time, each weight within 1/254 of the
    /// largest of its row.
    Int8,
}

impl EmbeddingType {
    /// Weights from which on `Auto` rounds: 32 MB in f16, more than the caches of most processors.
    const LARGE: u64 = 1 << 24;

    pub(super) fn rounds(self, info: &TensorInfo) -> bool {
        // An embedding of so few bits has a head of its own beside it, is only looked up, and would take more memory.
        let is_small = info.name == EMBEDDING && matches!(info.kind, TensorType::Q4_K | TensorType::Q5_K);
        let wanted = match self {
            EmbeddingType::Auto => info.elements() >= Self::LARGE && !is_small,
            EmbeddingType::File => false,
            EmbeddingType::Int8 => true,
        };
        wanted && usize::try_from(info.row_length()).is_ok_and(Int8Matrix::fits)
    }
}

impl std::str::FromStr for EmbeddingType {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "auto" => Ok(EmbeddingType::Auto),
            "file" => Ok(EmbeddingType::File),
            "int8" => Ok(EmbeddingType::Int8),
            _ => Err(Error::BadOption {
                option: "token-embedding-type",
                value: s.to_owned(),
                reason: "must be auto, file or int8",
            }),
        }
    }
}

/// What a caller may set before the first byte.
#[derive(Debug, Default, Clone)]
pub struct LoaderOptions {
    /// Bytes of the file, of a split model of its first part, where known: lets bad counts be refused before anything is
    /// allocated.
    pub file_size: Option<u64>,
    /// Metadata overrides, `key=type:value` as llama.cpp spells them.
    pub overrides: Vec<String>,
    /// Take the file's SHA-256 on the way; of a split model, that of all parts one after the other.
    pub hash: bool,
    /// How the token embedding is held, and a head of its own.
    pub embedding: EmbeddingType,
    /// Tokens that the session will ask for, as [`SessionOptions::context`](crate::session::SessionOptions::context):
    /// what can't be is refused before the weights.
    pub context: Option<usize>,
    /// Type that the session's KV cache will have; where absent, f16, or q8_0 where f16 would not fit: see [`Loaded::kv_cache`].
    pub kv_type: Option<KvType>,
    /// Bytes that there may be in all; where absent, what a 32-bit program can address on such, and any number on others.
    pub memory_limit: Option<u64>,
    /// Bytes that the device is thought to have for the model. Nothing is refused by it: it is for the choice of `kv_type` alone.
    pub device_memory: Option<u64>,
}

impl LoaderOptions {
    /// Bytes that there are: more are refused.
    fn limit(&self) -> u64 {
        self.memory_limit.unwrap_or(if usize::BITS == 32 { WASM_LIMIT } else { u64::MAX })
    }

    /// Bytes that may well be taken.
    pub(super) fn room(&self) -> u64 {
        self.limit().min(self.device_memory.unwrap_or(u64::MAX))
    }
}

/// Everything that a file gives.
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its chat template.
    pub template: Template,
    /// What a user should know: defaults taken, keys passed over.
    pub notes: Vec<String>,
    /// `general.name`, where the file has it.
    pub name: Option<String>,
    /// Types of the matrices, with how many tensors have each.
    pub types: Vec<(TensorType, usize)>,
    /// SHA-256 of the file in hexadecimal, if that was asked for.
    pub sha256: Option<String>,
    estimate: Estimate,
}

impl Loaded {
    /// The type of a KV cache for `context` tokens: the one `asked` for, else f16 where the model stays within the memory that
    /// there is with it ([`LoaderOptions::memory_limit`], [`LoaderOptions::device_memory`]), and q8_0 where not. What was chosen for
    /// want of memory comes with a note for the user.
    pub fn kv_cache(&self, asked: Option<KvType>, context: usize) -> (KvType, Option<String>) {
        asked.map_or_else(|| self.estimate.choose_kv_type(context), |kind| (kind, None))
    }
}

/// The parser's sink: push chunks of the file, then [`finish`](Self::finish). Of a split model, push the parts in
/// order, with [`next_part`](Self::next_part) between them.
///
/// No chunk is kept: weights are repacked as they arrive. After an error the loader stays in it.
pub struct Loader {
    header: Header,
    compute: Compute,
    embedding: EmbeddingType,
    memory_limit: u64,
    text: Option<Beside<Result<Text>>>,
    current: Option<TensorSink>,
    tensors: HashMap<String, Tensor>,
    pub(super) hasher: Option<Sha256>,
    failed: Option<Error>,
}

impl Loader {
    /// A loader whose model will run on `compute`.
    pub fn new(compute: Compute, options: LoaderOptions) -> Self {
        Loader {
            compute,
            embedding: options.embedding,
            memory_limit: options.limit(),
            text: None,
            current: None,
            tensors: HashMap::new(),
            hasher: options.hash.then(Sha256::new),
            failed: None,
            header: Header::new(options),
        }
    }

    /// Bytes of the file at hand taken so far.
    pub fn position(&self) -> u64 {
        self.header.decoder().position()
    }

    /// Bytes of the whole file at hand, as soon as its tensor table is read.
    pub fn expected_size(&self) -> Option<u64> {
        self.header.decoder().data_size()
    }

    /// Takes the next bytes of the file, any number of them.
    ///
    /// # Errors
    /// Whatever is wrong with the file, at the first byte that shows it; the same error at every later call.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        // A file whose text is no good need not come to its end.
        if self.text.as_ref().is_some_and(Beside::is_done)
            && let Err(error) = self.end_text()
        {
            return Err(self.fail(error));
        }
        loop {
            match self.advance(bytes) {
                Ok(Some(taken)) => bytes = &bytes[taken..],
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// The tokenizer and the number of logits, as soon as they are known: before the weights, if the tokenizer is not made beside them.
    pub fn tokenizer(&self) -> Option<(&Tokenizer, usize)> {
        match &self.text {
            Some(Beside::Done(Ok(text))) => Some((&text.tokenizer, self.header.config()?.vocabulary)),
            _ => None,
        }
    }

    /// Whether the file at hand is the last of a split model, or the only one; told by its metadata.
    pub fn is_last_part(&self) -> bool {
        self.header.is_last_part()
    }

    /// Begins the next part of a split model, when all bytes of the one at hand are in. `file_size` is that of the part.
    ///
    /// # Errors
    /// [`Error::Truncated`] where bytes are missing, [`Error::WrongPart`] after the last part. The loader stays in them.
    pub fn next_part(&mut self, file_size: Option<u64>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let complete = self.header.decoder().finish();
        complete.and_then(|()| self.header.next_part(file_size)).map_err(|error| self.fail(error))
    }

    /// Nothing of a bad file stays behind. What is wrong with its text comes first, as in the file: how far that has been read must
    /// not decide.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        let error = self.end_text().err().unwrap_or(error);
        self.tensors = HashMap::new();
        self.current = None;
        self.failed = Some(error.clone());
        error
    }

    /// One event of the parser; `None` when it wants more bytes.
    fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let (taken, event) = self.header.push(bytes)?;
        match event {
            Event::NeedMore => return Ok(None),
            Event::Header { .. } | Event::End => {}
            Event::Tensors => self.header.estimate()?.check(self.memory_limit)?,
            Event::Metadata => {
                if self.text.is_none() {
                    self.begin_text()?;
                }
            }
            Event::TensorData { index, offset, bytes } => {
                let info = &self.header.decoder().tensors()[index];
                if offset == 0 {
                    let held = Held::of(info, self.embedding);
                    self.current = Some(TensorSink::new(held, info)?);
                }
                if let Some(sink) = &mut self.current {
                    sink.push(&info.name, bytes, &self.compute)?;
                }
            }
            Event::TensorEnd { index } => {
                if let Some(sink) = self.current.take() {
                    let info = &self.header.decoder().tensors()[index];
                    self.tensors.try_reserve(1).map_err(|_| no_room(size_of::<(String, Tensor)>()))?;
                    self.tensors.insert(info.name.clone(), sink.finish(&info.name)?);
                }
            }
        }
        Ok(Some(taken))
    }

    /// Begins to make tokenizer and template, beside the weights where there are threads for it.
    fn begin_text(&mut self) -> Result<()> {
        // Parts of them are made by libraries.
        let bytes = memory::text_bytes(self.header.decoder().position());
        try_ahead(usize::try_from(bytes).unwrap_or(usize::MAX), "the tokenizer")?;
        // The bulk of the metadata goes: the tokenizer will have its own tables.
        let metadata = self.header.metadata_mut();
        let keys = ["tokens", "merges", "scores", "token_type"].map(|key| format!("tokenizer.ggml.{key}"));
        let bulk: Vec<_> = keys.into_iter().filter_map(|key| Some((metadata.remove(&key)?, key))).collect();
        let mut metadata = metadata.clone();
        for (value, key) in bulk {
            metadata.insert(key, value);
        }
        self.text = Some(Beside::begin(move || Text::new(&metadata)));
        Ok(())
    }

    /// Waits for what [`begin_text`](Self::begin_text) has begun.
    fn end_text(&mut self) -> Result<()> {
        match self.text.take() {
            Some(text) => {
                let text = text.end()?;
                self.text = Some(Beside::Done(Ok(text)));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The model, when the last byte is in.
    ///
    /// # Errors
    /// [`Error::Truncated`] where bytes are missing, [`Error::MissingPart`] where files are.
    pub fn finish(mut self) -> Result<Loaded> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let text = self.text.take().map(Beside::end).transpose()?;
        self.header.decoder().finish()?;
        self.header.check_parts()?;
        let missing = || Error::Truncated { field: "metadata".into(), offset: self.header.decoder().position() };
        let config = self.header.config().ok_or_else(missing)?.clone();
        let Text { tokenizer, template } = text.ok_or_else(missing)?;
        let estimate = self.header.estimate()?;
        let name = self.header.name().map(str::to_owned);
        let mut notes = self.header.notes;
        notes.extend(tokenizer.notes().iter().chain(template.notes()).cloned());
        notes.extend(self.compute.pool.note().map(str::to_owned));
        let mut take = Take(self.tensors);
        let mut layers = try_with_capacity(config.layers, "the layers")?;
        for i in 0..config.layers {
            let blk = |name: &str| format!("blk.{i}.{name}");
            layers.push(Layer {
                attn_norm: take.floats(&blk("attn_norm.weight"))?,
                attn_q_norm: take.optional(&blk("attn_q_norm.weight")),
                attn_k_norm: take.optional(&blk("attn_k_norm.weight")),
                attn_sub_norm: take.optional(&blk("attn_sub_norm.weight")),
                ffn_norm: take.floats(&blk("ffn_norm.weight"))?,
                ffn_sub_norm: take.optional(&blk("ffn_sub_norm.weight")),
                attn_q: take.linear(&blk("attn_q"))?,
                attn_k: take.linear(&blk("attn_k"))?,
                attn_v: take.linear(&blk("attn_v"))?,
                attn_output: take.linear(&blk("attn_output"))?,
                ffn_gate: take.linear(&blk("ffn_gate"))?,
                ffn_up: take.linear(&blk("ffn_up"))?,
                ffn_down: take.linear(&blk("ffn_down"))?,
            });
        }
        let dense = layers.iter().flat_map(Layer::linears).filter(|l| matches!(l.linear, Linear::Dense(_))).count();
        if dense > 0 {
            notes.push(format!("{dense} matrices are not ternary: they run as plain float products, slower"));
        }
        let token_embd = take.table(EMBEDDING).ok_or_else(|| Error::MissingTensor { name: EMBEDDING.to_owned() })?;
        let output = take.table(OUTPUT);
        let rounded = |table: Option<&Embedding>| matches!(table, Some(Embedding::Int8(_)));
        let held = match (rounded(Some(&token_embd)), rounded(output.as_ref())) {
            (true, true) => Some("the token embedding and the output head are"),
            (true, false) => Some("the token embedding is"),
            (false, true) => Some("the output head is"),
            (false, false) => None,
        };
        notes.extend(held.map(|held| format!("{held} held in 8 bits: logits differ a little from the file's own")));
        let weights = Weights {
            token_embd,
            output,
            output_norm: take.floats(OUTPUT_NORM)?,
            rope_factors: take.rope_factors(),
            layers,
        };
        let model = Model::new(config, weights, self.compute);
        let sha256 = self.hasher.map(|hasher| hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        Ok(Loaded { model, tokenizer, template, notes, name, types: self.header.types, sha256, estimate })
    }
}

fn no_room(bytes: usize) -> Error {
    Error::OutOfMemory { what: "the names of tensors".to_owned(), bytes: bytes as u64 }
}

/// What of a file makes text of tokens.
struct Text {
    tokenizer: Tokenizer,
    template: Template,
}

impl Text {
    fn new(metadata: &Metadata) -> Result<Self> {
        let tokenizer = Tokenizer::from_metadata(metadata)?;
        let template = Template::from_metadata(metadata, &tokenizer);
        Ok(Text { tokenizer, template })
    }
}

/// Takes finished tensors out by name.
struct Take(HashMap<String, Tensor>);

impl Take {
    fn floats(&mut self, name: &str) -> Result<Vec<f32>> {
        match self.0.remove(name) {
            Some(Tensor::Floats(values)) => Ok(values),
            _ => Err(Error::MissingTensor { name: name.to_owned() }),
        }
    }

    /// The header has seen to it that those are there which the graph needs.
    fn optional(&mut self, name: &str) -> Option<Vec<f32>> {
        self.floats(name).ok()
    }

    /// As in llama.cpp, one list for all contexts goes before two.
    fn rope_factors(&mut self) -> Option<RopeFactors> {
        let [always, short, long] = [ROPE_FREQS, ROPE_SHORT, ROPE_LONG].map(|name| self.optional(name));
        match always {
            Some(short) => Some(RopeFactors { short, long: None }),
            None => short.map(|short| RopeFactors { long: long.filter(|long| *long != short), short }),
        }
    }

    /// A matrix with a row a token, where there is one of the name.
    fn table(&mut self, name: &str) -> Option<Embedding> {
        match self.0.remove(name) {
            Some(Tensor::Dense(matrix)) => Some(Embedding::File(matrix)),
            Some(Tensor::Int8(matrix)) => Some(Embedding::Int8(matrix)),
            Some(Tensor::Ternary(matrix)) => Some(Embedding::Ternary(matrix)),
            _ => None,
        }
    }

    /// A matrix, with what may be kept beside it.
    fn linear(&mut self, name: &str) -> Result<ScaledLinear> {
        let weight = format!("{name}.weight");
        let mut linear = match self.0.remove(&weight) {
            Some(Tensor::Ternary(matrix)) => Linear::Ternary(matrix),
            Some(Tensor::Dense(matrix)) => Linear::Dense(matrix),
            _ => return Err(Error::MissingTensor { name: weight }),
        };
        let mut scale = self.optional(&format!("{name}.scale")).and_then(|values| values.first().copied());
        // Of a packed file: the blocks hold 1 in place of a scale that they have no digits for. Times 1 is exact, so the results
        // are the same, and the model is the one that it was before it was packed.
        if let (Linear::Ternary(matrix), Some(beside)) = (&mut linear, scale)
            && matrix.take_scale(beside)
        {
            scale = None;
        }
        Ok(ScaledLinear { norm: self.optional(&format!("{name}_norm_in.weight")), linear, scale })
    }
}
