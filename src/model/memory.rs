//! How much memory a model takes: told from its header, by the sizes with which the loader fills it.

use super::config::DEFAULT_BATCH;
use super::tensor_sink::Held;
use super::tensors::{OUTPUT, is_table};
use super::{Config, EmbeddingType, KvCache, KvType, Pass};
use crate::gguf::{TensorInfo, TensorType};
use crate::{Error, Result};

/// What a 32-bit program can address.
pub const WASM_LIMIT: u64 = 1 << 32;

/// The module's own data and stack, a chunk of the file, and what the allocator leaves between pieces: 2.8 MB for the
/// smallest models in Chromium.
const PROGRAM: u64 = 3 << 20;
/// The tokenizer's tables as multiples of the header, of which they are the bulk: built beside the file's, and as they
/// stay. 22 MB and 9 MB are taken for 7.8 MB of 128,256 tokens with 280,147 merges (tests/tokenizer counts them).
const TEXT_AT_FIRST: f64 = 3.2;
const TEXT: f64 = 1.5;

/// What a header says of the model behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Shapes and constants.
    pub config: Config,
    /// `general.name`, where the file has it.
    pub name: Option<String>,
    /// Types of the tensors, with how many there are of each.
    pub types: Vec<(TensorType, usize)>,
    /// Bytes of the file, or of all parts together, up to the end of the last tensor.
    pub file_bytes: u64,
    /// Tokens that prompt and answer may have together.
    pub context: usize,
    /// How keys and values are held: as asked for, or as [`Loaded::kv_cache`](super::Loaded::kv_cache) chooses.
    pub kv_type: KvType,
    /// Matrices in memory: what [`Weights::bytes`](super::Weights::bytes) will say. TQ blocks of a matrix are taken to
    /// share one scale, as those of a BitNet do; else it is a sixteenth more.
    pub weight_bytes: u64,
    /// The KV cache of a full context: what [`KvCache::bytes_when_full`] will say.
    pub kv_cache_bytes: u64,
    /// Peak of a 32-bit module's memory in one thread, with a full context; each further thread takes one to three megabytes.
    pub wasm_bytes: u64,
    sizes: Sizes,
    /// Bytes that a cache of f16 may lead to.
    room: u64,
}

/// What tensors and tables add up to.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    matrices: u64,
    vectors: u64,
    /// The larger of embedding and head.
    table: u64,
    /// Weights of a head of its own.
    head: u64,
    /// Header of the first file, metadata and tensor table.
    pub(super) header: u64,
    /// Files so far.
    pub(super) files: u64,
}

impl Sizes {
    /// Counts a tensor that will be held.
    pub(super) fn add(&mut self, info: &TensorInfo, held: Held) {
        let bytes = held.bytes(info);
        match held {
            Held::Floats => self.vectors += bytes,
            Held::Dense | Held::Int8 | Held::Ternary => self.matrices += bytes,
        }
        if is_table(&info.name) {
            self.table = self.table.max(bytes);
        }
        if info.name == OUTPUT {
            self.head = info.elements();
        }
    }
}

/// How a caller wants it held.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Holding {
    pub(super) embedding: EmbeddingType,
    pub(super) context: Option<usize>,
    /// Chosen by the room where absent.
    pub(super) kv_type: Option<KvType>,
    /// Bytes that there are for the model.
    pub(super) room: u64,
}

impl Estimate {
    pub(super) fn new(
        config: &Config,
        name: Option<&str>,
        types: &[(TensorType, usize)],
        sizes: Sizes,
        holding: Holding,
    ) -> Result<Self> {
        let context = config.context(holding.context)?;
        let kv_type = holding.kv_type.unwrap_or_else(|| fitting_kv_type(config, context, sizes, holding.room));
        Ok(Estimate {
            config: config.clone(),
            name: name.map(str::to_owned),
            types: types.to_vec(),
            file_bytes: sizes.files,
            context,
            kv_type,
            weight_bytes: sizes.matrices,
            kv_cache_bytes: KvCache::new(config, kv_type, context).bytes_when_full(),
            wasm_bytes: peak(config, kv_type, context, sizes),
            sizes,
            room: holding.room,
        })
    }

    /// Weights in all matrices.
    pub fn parameters(&self) -> u64 {
        self.config.parameters() + self.sizes.head
    }

    /// Whether there is an output head beside the token embedding.
    pub fn has_own_head(&self) -> bool {
        self.sizes.head > 0
    }

    /// Block formats with their counts: `42 × TQ2_0, 26 × F32`.
    pub fn quantization(&self) -> String {
        quantization(&self.types)
    }

    /// The longest context up to the one at hand with which the model stays within `limit` bytes.
    pub fn fitting_context(&self, limit: u64) -> Option<usize> {
        let fits = |context: &usize| peak(&self.config, self.kv_type, *context, self.sizes) <= limit;
        if fits(&self.context) {
            return Some(self.context);
        }
        let (mut low, mut high) = (0, self.context);
        while low + 1 < high {
            let middle = low.midpoint(high);
            (low, high) = if fits(&middle) { (middle, high) } else { (low, middle) };
        }
        Some(low).filter(|&context| context > 0)
    }

    /// Refuses a model that `limit` bytes can't hold.
    ///
    /// # Errors
    /// [`Error::DoesNotFit`], with the context that would.
    pub fn check(&self, limit: u64) -> Result<()> {
        if self.wasm_bytes <= limit {
            return Ok(());
        }
        let (needed, context, kv_type) = (self.wasm_bytes, self.context, self.kv_type.name());
        Err(Error::DoesNotFit { needed, possible: limit, context, kv_type, fitting: self.fitting_context(limit) })
    }

    /// The type of a cache for `context` tokens where nobody has asked for one, and what a user should know of it.
    pub(super) fn choose_kv_type(&self, context: usize) -> (KvType, Option<String>) {
        let chosen = fitting_kv_type(&self.config, context, self.sizes, self.room);
        let note = (chosen != KvType::F16).then(|| {
            let megabytes = |bytes: u64| bytes / 1_000_000;
            format!(
                "the KV cache is held in 8 bits ({}): in f16 the model would need {} MB with a full context of {context} tokens, \
                 {} MB are there for it; logits differ a little from those with f16",
                chosen.name(),
                megabytes(peak(&self.config, KvType::F16, context, self.sizes)),
                megabytes(self.room),
            )
        });
        (chosen, note)
    }
}

/// What building the tokenizer takes beside the file's tables, after a header of so many bytes.
pub(super) fn text_bytes(header: u64) -> u64 {
    (header as f64 * (TEXT_AT_FIRST - 1.0)) as u64
}

/// Block formats with their counts.
pub(crate) fn quantization(types: &[(TensorType, usize)]) -> String {
    types.iter().map(|(kind, count)| format!("{count} × {}", kind.name())).collect::<Vec<_>>().join(", ")
}

/// f16, or 8 bits where the whole would not fit with it.
fn fitting_kv_type(config: &Config, context: usize, sizes: Sizes, room: u64) -> KvType {
    if peak(config, KvType::F16, context, sizes) <= room { KvType::F16 } else { KvType::Q8_0 }
}

/// The most that is held at a time: while the tokenizer is built and the place of the largest tensor is taken,
/// which is the embedding or the head, or at the end.
fn peak(config: &Config, kv_type: KvType, context: usize, sizes: Sizes) -> u64 {
    let text = |factor: f64| (sizes.header as f64 * factor) as u64;
    let at_first = text(TEXT_AT_FIRST).saturating_add(sizes.table);
    let at_last = [
        text(TEXT),
        sizes.matrices,
        sizes.vectors,
        KvCache::new(config, kv_type, context).bytes_when_full(),
        Pass::bytes(config, context, DEFAULT_BATCH.min(context.max(1))),
        // The sampler's candidates.
        config.vocabulary as u64 * 16,
    ];
    PROGRAM.saturating_add(at_last.into_iter().fold(0, u64::saturating_add).max(at_first))
}
