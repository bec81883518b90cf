//! One error for the whole engine: a variant a cause, each saying what, where and what to do.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, from the first byte of a file to the last token.
///
/// The fields mean the same in every variant:
///
/// - `field`, `key`, `tensor` and `name` say what is at fault: a structure's member, by the name that the format's
///   documentation gives it, a metadata key, or a tensor.
/// - `offset` is where it stands, in bytes from the start of the file or of the saved session. `index` counts from 0.
/// - `found` is what stands there, `expected` what should, `reason` or `hint` what to know or to do about it.
/// - `needed`, `bytes` and `limit` are bytes; `tokens`, `context` and `vocabulary` are tokens.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // of fields: they are explained above
pub enum Error {
    // ── container (src/gguf) ─────────────────────────────────────────────────────────────────
    /// The first four bytes are not `GGUF`.
    /// Not a GGUF: what it is instead, as far as its first bytes tell, and what to do.
    #[error("not a GGUF file: {what}")]
    NotGguf { what: String },
    /// No bytes at all.
    #[error("the file is empty: fetch it again")]
    EmptyFile,
    /// The file ends inside a field.
    #[error("the file ends at byte {offset}, inside {field}: the download is incomplete, fetch it again")]
    Truncated { field: String, offset: u64 },
    /// A version of the format that this engine does not read.
    #[error(
        "GGUF version {found} at byte 4: this engine reads 2 and 3; convert the model again with a current converter"
    )]
    UnsupportedVersion { found: u32 },
    /// A file for big-endian machines.
    #[error(
        "the file is a GGUF for big-endian machines (seen at byte {offset}): this engine reads little-endian ones; convert \
         it again, or with gguf-py's gguf_convert_endian.py"
    )]
    BigEndian { offset: u64 },
    /// A count or a length that the rest of the file cannot hold.
    #[error(
        "{field} at byte {offset} needs {needed} bytes, the file has {remaining} more: it is damaged or cut short, fetch it again"
    )]
    BeyondEnd { field: String, offset: u64, needed: u64, remaining: u64 },
    /// A count or a length over the decoder's limits.
    #[error("{field} at byte {offset} is {found}, over the limit of {limit}: raise the limit if you trust the file")]
    OverLimit { field: String, offset: u64, found: u64, limit: u64 },
    /// A string that is not UTF-8.
    #[error("{field} is not UTF-8 at byte {offset}: the file is damaged, fetch or convert it again")]
    InvalidUtf8 { field: String, offset: u64 },
    /// A metadata key that the format does not allow.
    #[error("key {index} at byte {offset} cannot be used: {reason}")]
    BadKey { index: u64, offset: u64, reason: &'static str },
    /// A key that occurs twice.
    #[error("key `{key}` occurs a second time at byte {offset}")]
    DuplicateKey { key: String, offset: u64 },
    /// A value type number that the format does not define.
    #[error("{field} at byte {offset} is {found}, the format defines 0 to 12")]
    UnknownValueType { field: String, offset: u64, found: u32 },
    /// An array of arrays.
    #[error(
        "`{key}` is an array of arrays (byte {offset}): no reader takes these; convert the model again without the key"
    )]
    NestedArray { key: String, offset: u64 },
    /// An alignment that cannot be used.
    #[error("`general.alignment` at byte {offset} is {found}: {reason}")]
    BadAlignment { offset: u64, found: String, reason: String },
    /// A tensor's name that the format does not allow.
    #[error("the name of tensor {index} at byte {offset} cannot be used: {reason}")]
    BadTensorName { index: u64, offset: u64, reason: &'static str },
    /// A tensor that occurs twice.
    #[error("tensor `{tensor}` occurs a second time at byte {offset}")]
    DuplicateTensor { tensor: String, offset: u64 },
    /// Dimensions that no tensor of its type can have.
    #[error("the shape of tensor `{tensor}` at byte {offset} cannot be used: {reason}")]
    BadShape { tensor: String, offset: u64, reason: String },
    /// A storage format that this engine does not read.
    #[error("tensor `{tensor}` has type {kind} (byte {offset}): {hint}")]
    UnsupportedTensorType { tensor: String, offset: u64, kind: String, hint: String },
    /// A tensor that does not begin on a multiple of the alignment.
    #[error("tensor `{tensor}` has offset {found} (byte {offset}), not a multiple of the alignment {alignment}")]
    MisalignedTensor { tensor: String, offset: u64, found: u64, alignment: u64 },
    /// A tensor that leaves a gap to the one before it, or overlaps it.
    #[error(
        "tensor `{tensor}` has offset {found} (byte {offset}), but the tensors before it end at {expected}: a gap or an overlap"
    )]
    BadTensorOffset { tensor: String, offset: u64, found: u64, expected: u64 },
    /// A file of a split model where another was due.
    #[error(
        "{expected} was expected, this file is {found}: give all files of one split model, name-00001-of-… first, in order"
    )]
    WrongPart { expected: String, found: String },
    /// A split model whose files have not all come.
    #[error("{part} of the split model is missing: the file that ends in {name}")]
    MissingPart { part: String, name: String },
    /// A tensor in two parts of a split model.
    #[error("tensor `{tensor}` is in {part} and in one before it: the files are not of one split model")]
    TensorInTwoParts { tensor: String, part: String },
    /// Parts of a split model that have more or fewer tensors than they announce.
    #[error(
        "the split model has {found} tensors up to {part}, `split.tensors.count` is {expected}: the files are not of one model"
    )]
    WrongTensorCount { part: String, found: u64, expected: u64 },
    /// A tensor, or a model's key-values, that no part of a split model may hold.
    #[error("{what} takes a part of {needed} bytes, a part may have {most}: allow larger parts")]
    TooLargeForPart { what: String, needed: u64, most: u64 },
    /// What is wrong with one of a model's files. `file` is its name, without its folder.
    #[error("{file}: {error}")]
    InFile { file: String, error: Box<Error> },
    /// A call to the writer that does not fit what was declared.
    #[error("cannot write {what}: {reason}")]
    BadWrite { what: String, reason: String },
    /// The system could not read or write.
    #[error("{reason}")]
    Io { reason: String },

    // ── metadata, configuration (src/model/config.rs) ────────────────────────────────────────
    /// A key that the model needs is not in the file.
    #[error("the file has no `{key}`; add it with an override ({key}=type:value) or convert the model again")]
    MissingKey { key: String },
    /// A key's value has another type than the format demands.
    #[error("`{key}` is {found}, expected {expected}")]
    WrongType { key: String, found: &'static str, expected: &'static str },
    /// A key's value has the right type and no sense.
    #[error("`{key}` is {value}: {reason}")]
    BadValue { key: String, value: String, reason: String },
    /// An architecture this engine does not run.
    #[error("architecture `{found}` is not one that this engine runs ({runs}): {hint}")]
    UnsupportedArchitecture { found: String, runs: String, hint: &'static str },
    /// A key that asks for what this engine does not compute.
    #[error("the file has `{key}`: {reason}")]
    UnsupportedKey { key: String, reason: &'static str },
    /// An embedding of another kind than this engine makes.
    #[error("the model makes embeddings of {pooling}: this engine makes those of the last token")]
    UnsupportedPooling { pooling: &'static str },
    /// A `key=type:value` override that cannot be read.
    #[error("override `{text}` is not key=type:value with type int, float, bool or str: {reason}")]
    BadOverride { text: String, reason: String },

    // ── weights (src/model/weights.rs) ───────────────────────────────────────────────────────
    /// A tensor that the graph needs is not in the file.
    #[error("the file has no tensor `{name}`")]
    MissingTensor { name: String },
    /// A tensor that this graph has no use for: leaving it out would change the answer.
    #[error(
        "tensor `{name}` has no place in the graph of its architecture: the file holds another one (biases, experts, adapters)"
    )]
    UnknownTensor { name: String },
    /// A tensor whose shape is not the one that the configuration gives.
    #[error("tensor `{name}` is {found:?}, expected {expected:?} (innermost first)")]
    WrongShape { name: String, found: Vec<u64>, expected: Vec<u64> },
    /// A value inside a tensor's bytes that no writer may produce.
    #[error("tensor `{name}`: {reason}")]
    BadTensorData { name: String, reason: String },
    /// Activations or logits that are infinite or NaN: from there on every answer would be the same token for ever. `layer`
    /// is the one in which it began, counted from 0 as in the tensors' names; it is absent before the first and after the last.
    #[error(
        "numbers end in {part}{}: an activation is infinite or NaN there; the file is damaged or was converted wrongly, \
         fetch or convert it again",
        of_layer(*layer)
    )]
    NotFinite { layer: Option<usize>, part: &'static str },
    /// The system or the browser gave no memory.
    #[error("out of memory: {bytes} bytes for {what}; close other tabs, or take a smaller context or model")]
    OutOfMemory { what: String, bytes: u64 },

    /// A model that the header shows to be too large, before its weights are read.
    #[error(
        "out of memory: the model needs {needed} bytes with a context of {context} tokens and a KV cache of {kv_type}, {possible} are possible; {}",
        advice(*fitting)
    )]
    DoesNotFit { needed: u64, possible: u64, context: usize, kv_type: &'static str, fitting: Option<usize> },

    // ── checkpoints (src/safetensors, src/convert) ───────────────────────────────────────────
    /// A checkpoint that cannot be read. `file` is the one at fault, without its folder, `what` the key, the tensor or the part of it.
    #[error("{file}: {what}: {reason}")]
    BadCheckpoint { file: String, what: String, reason: String },
    /// A checkpoint that is sound, and of a kind that this engine does not run.
    #[error("{file}: {what}: {reason}")]
    UnsupportedCheckpoint { file: String, what: String, reason: String },

    // ── downloads (src/download) ─────────────────────────────────────────────────────────────
    /// A text that is no address, or not the one that it should be.
    #[error("{reason}")]
    BadAddress { reason: String },
    /// A server that can't be reached, refuses, or gives other bytes than it was asked for, often enough to give up.
    #[error("{reason}")]
    Network { reason: String },
    /// A web page where a file was asked for.
    #[error(
        "{url} is a web page, not a GGUF file: use the address of the file itself (on Hugging Face the one with /resolve/ \
         in it)"
    )]
    WebPage { url: String },
    /// A manifest that names no parts, or names what can't be.
    #[error("{file} is no manifest of a split model: {reason}")]
    BadManifest { file: String, reason: String },
    /// A file with another size or hash than the one asked for, or damaged where it is kept.
    #[error("{reason}")]
    Integrity { reason: String },
    /// A file that must be kept, and can't be.
    #[error("the file can't be kept: {reason}; load it without requiring that it is kept")]
    Storage { reason: String },
    /// A file that must be kept, and has no room.
    #[error("the file can't be kept: {reason}; delete cached models or make room on the disk")]
    Quota { reason: String },

    // ── kernels, threads ─────────────────────────────────────────────────────────────────────
    /// A backend that this build or this processor does not have.
    #[error("backend `{name}` is not available here; available: {available}")]
    UnknownBackend { name: String, available: String },

    // ── tokenizer, chat, sampler, session ────────────────────────────────────────────────────
    /// The file's tokenizer tables contradict themselves or are of a kind not known.
    #[error("tokenizer: {reason}")]
    BadTokenizer { reason: String },
    /// A token id beyond the vocabulary.
    #[error("token id {id} is not in the vocabulary of {vocabulary} tokens")]
    BadToken { id: u32, vocabulary: u32 },
    /// The chat template failed or ran out of its limits.
    #[error("chat template: {reason}")]
    BadTemplate { reason: String },
    /// The chat template refuses these messages, in its own words: another role, another order. It may take the next ones.
    #[error("the model's chat template refuses the messages: {reason}")]
    RefusedMessages { reason: String },
    /// Tools that no answer can call.
    #[error("the tools can't be used: {reason}")]
    BadTools { reason: String },
    /// A sampling option out of its range.
    #[error("option `{option}` is {value}: {reason}")]
    BadOption { option: &'static str, value: String, reason: &'static str },
    /// The prompt alone is longer than the context.
    #[error(
        "the prompt is too long: it has {tokens} tokens, the context holds {context}: shorten it or load with a longer context"
    )]
    PromptTooLong { tokens: usize, context: usize },
    /// Bytes that are no sound saved session.
    #[error("saved session: {field} at byte {offset}: {reason}")]
    BadSession { field: &'static str, offset: u64, reason: String },
    /// A sound saved session, of another model or KV cache.
    #[error(
        "saved session: {field} at byte {offset} is {found}, here it is {expected}: restore it with what it was saved with"
    )]
    ForeignSession { field: &'static str, offset: u64, found: String, expected: String },
    /// A saved session that the context does not hold.
    #[error(
        "saved session: it has {tokens} tokens (byte {offset}), the context holds {context}: load with a longer context"
    )]
    SessionTooLong { offset: u64, tokens: u64, context: usize },
    /// No form that an answer could have.
    #[error("the {what} can't be used: {reason}")]
    BadResponseFormat { what: &'static str, reason: String },
    /// An answer that can't keep its form.
    #[error("the answer can't keep its form: {reason}")]
    Constraint { reason: String },
    /// A step without a generation under way.
    #[error("nothing to do: start a generation first")]
    NotStarted,
    /// Nothing to continue from.
    #[error("the prompt has no tokens: type something, or let the tokenizer add its begin-of-text token")]
    EmptyPrompt,
}

impl Error {
    /// The same, of this file.
    pub(crate) fn in_file(self, name: &str) -> Self {
        Error::InFile { file: name.to_owned(), error: Box::new(self) }
    }

    /// A short name for programs: the `code` of the npm package's `BitNetError`.
    pub fn code(&self) -> &'static str {
        use Error::*;
        match self {
            NotGguf { .. }
            | EmptyFile
            | Truncated { .. }
            | UnsupportedVersion { .. }
            | BigEndian { .. }
            | BeyondEnd { .. }
            | OverLimit { .. }
            | InvalidUtf8 { .. }
            | BadKey { .. }
            | DuplicateKey { .. }
            | UnknownValueType { .. }
            | NestedArray { .. }
            | BadAlignment { .. }
            | BadTensorName { .. }
            | DuplicateTensor { .. }
            | BadShape { .. }
            | MisalignedTensor { .. }
            | BadTensorOffset { .. }
            | MissingPart { .. }
            | TensorInTwoParts { .. }
            | WrongTensorCount { .. }
            | WebPage { .. }
            | MissingKey { .. }
            | WrongType { .. }
            | BadValue { .. }
            | MissingTensor { .. }
            | WrongShape { .. }
            | BadTensorData { .. }
            | NotFinite { .. }
            | BadTokenizer { .. }
            | BadCheckpoint { .. }
            | BadManifest { .. }
            | BadSession { .. } => "format",
            UnsupportedArchitecture { .. }
            | UnsupportedKey { .. }
            | UnsupportedPooling { .. }
            | UnsupportedTensorType { .. }
            | UnsupportedCheckpoint { .. }
            | UnknownTensor { .. } => "unsupported-model",
            Io { .. } => "io",
            Network { .. } => "network",
            Integrity { .. } => "integrity",
            Storage { .. } => "storage",
            Quota { .. } => "quota",
            OutOfMemory { .. } | DoesNotFit { .. } => "out-of-memory",
            PromptTooLong { .. } | SessionTooLong { .. } => "context-overflow",
            UnknownBackend { .. } => "unsupported-browser",
            InFile { error, .. } => error.code(),
            BadWrite { .. }
            | TooLargeForPart { .. }
            | BadAddress { .. }
            | WrongPart { .. }
            | BadOverride { .. }
            | BadToken { .. }
            | BadTemplate { .. }
            | RefusedMessages { .. }
            | BadTools { .. }
            | BadOption { .. }
            | BadResponseFormat { .. }
            | ForeignSession { .. }
            | NotStarted
            | EmptyPrompt => "invalid-argument",
            Constraint { .. } => "constraint",
        }
    }
}

fn of_layer(layer: Option<usize>) -> String {
    layer.map_or(String::new(), |layer| format!(" of layer {layer} (blk.{layer})"))
}

fn advice(fitting: Option<usize>) -> String {
    match fitting {
        Some(context) => format!("a context of {context} would fit"),
        None => "take a smaller model, none of its contexts would fit".to_owned(),
    }
}
