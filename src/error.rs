//! One error for the whole engine: a variant a cause, each saying what, where and what to do.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, from the first byte of a file to the last token.
///
/// Offsets are bytes from the start of the file. `field` is the GGUF key, the tensor, or the name of the
/// structure's member as the format's documentation has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ── container (src/gguf) ─────────────────────────────────────────────────────────────────
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: {what}")]
    NotGguf {
        /// What it is, as far as its first bytes tell, and what to do.
        what: String,
    },
    /// No bytes at all.
    #[error("the file is empty: fetch it again")]
    EmptyFile,
    /// The file ends inside a field.
    #[error("the file ends at byte {offset}, inside {field}: the download is incomplete, fetch it again")]
    Truncated {
        /// What was being read.
        field: String,
        /// Where the bytes ended.
        offset: u64,
    },
    /// A version of the format that this engine does not read.
    #[error(
        "GGUF version {found} at byte 4: this engine reads 2 and 3; convert the model again with a current converter"
    )]
    UnsupportedVersion {
        /// The version found.
        found: u32,
    },
    /// A file for big-endian machines.
    #[error(
        "the file is a GGUF for big-endian machines (seen at byte {offset}): this engine reads little-endian ones; convert \
         it again, or with gguf-py's gguf_convert_endian.py"
    )]
    BigEndian {
        /// Where it shows.
        offset: u64,
    },
    /// A count or a length that the rest of the file cannot hold.
    #[error(
        "{field} at byte {offset} needs {needed} bytes, the file has {remaining} more: it is damaged or cut short, fetch it again"
    )]
    BeyondEnd {
        /// What announces the bytes.
        field: String,
        /// Where it stands.
        offset: u64,
        /// Bytes that it announces, at the least.
        needed: u64,
        /// Bytes that follow.
        remaining: u64,
    },
    /// A count or a length over the decoder's limits.
    #[error("{field} at byte {offset} is {found}, over the limit of {limit}: raise the limit if you trust the file")]
    OverLimit {
        /// What is counted.
        field: String,
        /// Where the count stands.
        offset: u64,
        /// The count.
        found: u64,
        /// The most that [`Limits`](crate::gguf::Limits) allows.
        limit: u64,
    },
    /// A string that is not UTF-8.
    #[error("{field} is not UTF-8 at byte {offset}: the file is damaged, fetch or convert it again")]
    InvalidUtf8 {
        /// The string.
        field: String,
        /// The first byte that cannot stand there.
        offset: u64,
    },
    /// A metadata key that the format does not allow.
    #[error("key {index} at byte {offset} cannot be used: {reason}")]
    BadKey {
        /// Number of the key-value, from 0.
        index: u64,
        /// Where the key stands.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key that occurs twice.
    #[error("key `{key}` occurs a second time at byte {offset}")]
    DuplicateKey {
        /// The metadata key.
        key: String,
        /// Where the second stands.
        offset: u64,
    },
    /// A value type number that the format does not define.
    #[error("{field} at byte {offset} is {found}, the format defines 0 to 12")]
    UnknownValueType {
        /// Whose type.
        field: String,
        /// Where the number stands.
        offset: u64,
        /// The number.
        found: u32,
    },
    /// An array of arrays.
    #[error(
        "`{key}` is an array of arrays (byte {offset}): no reader takes these; convert the model again without the key"
    )]
    NestedArray {
        /// The metadata key.
        key: String,
        /// Where the element type stands.
        offset: u64,
    },
    /// An alignment that cannot be used.
    #[error("`general.alignment` at byte {offset} is {found}: {reason}")]
    BadAlignment {
        /// Where the value stands.
        offset: u64,
        /// The value, or its type.
        found: String,
        /// What it must be.
        reason: String,
    },
    /// A tensor's name that the format does not allow.
    #[error("the name of tensor {index} at byte {offset} cannot be used: {reason}")]
    BadTensorName {
        /// Number of the tensor, from 0.
        index: u64,
        /// Where the name stands.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A tensor that occurs twice.
    #[error("tensor `{tensor}` occurs a second time at byte {offset}")]
    DuplicateTensor {
        /// The tensor's name.
        tensor: String,
        /// Where the second name stands.
        offset: u64,
    },
    /// Dimensions that no tensor of its type can have.
    #[error("the shape of tensor `{tensor}` at byte {offset} cannot be used: {reason}")]
    BadShape {
        /// The tensor's name.
        tensor: String,
        /// Where the dimensions stand.
        offset: u64,
        /// What is wrong with them.
        reason: String,
    },
    /// A storage format that this engine does not read.
    #[error("tensor `{tensor}` has type {kind} (byte {offset}): {hint}")]
    UnsupportedTensorType {
        /// The tensor's name.
        tensor: String,
        /// Where the type number stands.
        offset: u64,
        /// The type's name, or its number.
        kind: String,
        /// What to use instead.
        hint: String,
    },
    /// A tensor that does not begin on a multiple of the alignment.
    #[error("tensor `{tensor}` has offset {found} (byte {offset}), not a multiple of the alignment {alignment}")]
    MisalignedTensor {
        /// The tensor's name.
        tensor: String,
        /// Where the offset stands.
        offset: u64,
        /// The offset in the data section.
        found: u64,
        /// The file's alignment.
        alignment: u64,
    },
    /// A tensor that leaves a gap to the one before it, or overlaps it.
    #[error(
        "tensor `{tensor}` has offset {found} (byte {offset}), but the tensors before it end at {expected}: a gap or an overlap"
    )]
    BadTensorOffset {
        /// The tensor's name.
        tensor: String,
        /// Where the offset stands.
        offset: u64,
        /// The offset in the data section.
        found: u64,
        /// The padded end of the tensor before.
        expected: u64,
    },
    /// A file of a split model where another was due.
    #[error(
        "{expected} was expected, this file is {found}: give all files of one split model, name-00001-of-… first, in order"
    )]
    WrongPart {
        /// What should have come.
        expected: String,
        /// What came.
        found: String,
    },
    /// A split model whose files have not all come.
    #[error("{part} of the split model is missing: the file that ends in {name}")]
    MissingPart {
        /// `part 2 of 5`.
        part: String,
        /// The end of its name.
        name: String,
    },
    /// A tensor in two parts of a split model.
    #[error("tensor `{tensor}` is in {part} and in one before it: the files are not of one split model")]
    TensorInTwoParts {
        /// The tensor's name.
        tensor: String,
        /// The second part that has it.
        part: String,
    },
    /// Parts of a split model that have more or fewer tensors than they announce.
    #[error(
        "the split model has {found} tensors up to {part}, `split.tensors.count` is {expected}: the files are not of one model"
    )]
    WrongTensorCount {
        /// The part that showed it.
        part: String,
        /// Tensors so far.
        found: u64,
        /// Tensors that all parts should have.
        expected: u64,
    },
    /// A call to the writer that does not fit what was declared.
    #[error("cannot write {what}: {reason}")]
    BadWrite {
        /// The key or the tensor.
        what: String,
        /// What does not fit.
        reason: String,
    },
    /// The system could not write.
    #[error("writing failed: {reason}")]
    Io {
        /// What the system said.
        reason: String,
    },

    // ── metadata, configuration (src/model/config.rs) ────────────────────────────────────────
    /// A key that the model needs is not in the file.
    #[error("the file has no `{key}`; add it with an override ({key}=type:value) or convert the model again")]
    MissingKey {
        /// The metadata key.
        key: String,
    },
    /// A key's value has another type than the format demands.
    #[error("`{key}` is {found}, expected {expected}")]
    WrongType {
        /// The metadata key.
        key: String,
        /// The type found.
        found: &'static str,
        /// The type expected.
        expected: &'static str,
    },
    /// A key's value has the right type and no sense.
    #[error("`{key}` is {value}: {reason}")]
    BadValue {
        /// The metadata key.
        key: String,
        /// The value found.
        value: String,
        /// What it should be.
        reason: String,
    },
    /// An architecture this engine does not run.
    #[error("architecture `{found}` is not a BitNet b1.58: this engine runs bitnet-b1.58, bitnet-25 and bitnet")]
    UnsupportedArchitecture {
        /// The value of `general.architecture`.
        found: String,
    },
    /// A `key=type:value` override that cannot be read.
    #[error("override `{text}` is not key=type:value with type int, float, bool or str: {reason}")]
    BadOverride {
        /// The override as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    // ── weights (src/model/weights.rs) ───────────────────────────────────────────────────────
    /// A tensor that the graph needs is not in the file.
    #[error("the file has no tensor `{name}`")]
    MissingTensor {
        /// The tensor's name.
        name: String,
    },
    /// A tensor that this graph has no use for: leaving it out would change the answer.
    #[error("tensor `{name}` has no place in a BitNet b1.58: the file holds another graph (biases, experts, adapters)")]
    UnknownTensor {
        /// The tensor's name.
        name: String,
    },
    /// A tensor whose shape is not the one that the configuration gives.
    #[error("tensor `{name}` is {found:?}, expected {expected:?} (innermost first)")]
    WrongShape {
        /// The tensor's name.
        name: String,
        /// Dimensions in the file, innermost first.
        found: Vec<u64>,
        /// Dimensions expected, innermost first.
        expected: Vec<u64>,
    },
    /// A value inside a tensor's bytes that no writer may produce.
    #[error("tensor `{name}`: {reason}")]
    BadTensorData {
        /// The tensor's name.
        name: String,
        /// What was found, and where in the tensor.
        reason: String,
    },
    /// Activations or logits that are infinite or NaN: from there on every answer would be the same token for ever.
    #[error(
        "numbers end in {part}{}: an activation is infinite or NaN there; the file is damaged or was converted wrongly, \
         fetch or convert it again",
        of_layer(*layer)
    )]
    NotFinite {
        /// The layer in which it began, counted from 0 as in the tensors' names; absent before the first and after the last.
        layer: Option<usize>,
        /// The part of the layer or the model.
        part: &'static str,
    },
    /// The system or the browser gave no memory.
    #[error("out of memory: {bytes} bytes for {what}; close other tabs, or take a smaller context or model")]
    OutOfMemory {
        /// What the memory was for.
        what: String,
        /// Bytes asked for.
        bytes: u64,
    },

    /// A model that the header shows to be too large, before its weights are read.
    #[error(
        "out of memory: the model needs {needed} bytes with a context of {context} tokens, {possible} are possible; {}",
        advice(*fitting)
    )]
    DoesNotFit {
        /// The peak that is to be expected.
        needed: u64,
        /// The most that there can be.
        possible: u64,
        /// Tokens of context.
        context: usize,
        /// The longest context with which it would fit.
        fitting: Option<usize>,
    },

    // ── kernels, threads ─────────────────────────────────────────────────────────────────────
    /// A backend that this build or this processor does not have.
    #[error("backend `{name}` is not available here; available: {available}")]
    UnknownBackend {
        /// The name asked for.
        name: String,
        /// The names that would do.
        available: String,
    },

    // ── tokenizer, chat, sampler, session ────────────────────────────────────────────────────
    /// The file's tokenizer tables contradict themselves or are of a kind not known.
    #[error("tokenizer: {reason}")]
    BadTokenizer {
        /// What is wrong with which table.
        reason: String,
    },
    /// A token id beyond the vocabulary.
    #[error("token id {id} is not in the vocabulary of {vocabulary} tokens")]
    BadToken {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocabulary: u32,
    },
    /// The chat template failed or ran out of its limits.
    #[error("chat template: {reason}")]
    BadTemplate {
        /// What the template engine said.
        reason: String,
    },
    /// A sampling option out of its range.
    #[error("option `{option}` is {value}: {reason}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        reason: &'static str,
    },
    /// The prompt alone is longer than the context.
    #[error("the prompt has {tokens} tokens, the context holds {context}: shorten it or load with a longer context")]
    PromptTooLong {
        /// Tokens in the prompt.
        tokens: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// Bytes that are no sound saved session.
    #[error("saved session: {field} at byte {offset}: {reason}")]
    BadSession {
        /// The part of the format (`src/session/saved.rs`).
        field: &'static str,
        /// Where it stands in the saved bytes.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A sound saved session, of another model or KV cache.
    #[error(
        "saved session: {field} at byte {offset} is {found}, here it is {expected}: restore it with what it was saved with"
    )]
    ForeignSession {
        /// The part of the format.
        field: &'static str,
        /// Where it stands in the saved bytes.
        offset: u64,
        /// What was saved.
        found: String,
        /// What it is in the session that should take it.
        expected: String,
    },
    /// A saved session that the context does not hold.
    #[error(
        "saved session: it has {tokens} tokens (byte {offset}), the context holds {context}: load with a longer context"
    )]
    SessionTooLong {
        /// Where the count stands in the saved bytes.
        offset: u64,
        /// Tokens saved.
        tokens: u64,
        /// Tokens that fit.
        context: usize,
    },
    /// A step without a generation under way.
    #[error("nothing to do: start a generation first")]
    NotStarted,
    /// Nothing to continue from.
    #[error("the prompt has no tokens: type something, or let the tokenizer add its begin-of-text token")]
    EmptyPrompt,
}

impl Error {
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
            | MissingKey { .. }
            | WrongType { .. }
            | BadValue { .. }
            | MissingTensor { .. }
            | WrongShape { .. }
            | BadTensorData { .. }
            | NotFinite { .. }
            | BadTokenizer { .. }
            | BadSession { .. } => "format",
            UnsupportedArchitecture { .. } | UnsupportedTensorType { .. } | UnknownTensor { .. } => "unsupported-model",
            Io { .. } => "io",
            OutOfMemory { .. } | DoesNotFit { .. } => "out-of-memory",
            PromptTooLong { .. } | SessionTooLong { .. } => "context-overflow",
            UnknownBackend { .. } => "unsupported-browser",
            BadWrite { .. }
            | WrongPart { .. }
            | BadOverride { .. }
            | BadToken { .. }
            | BadTemplate { .. }
            | BadOption { .. }
            | ForeignSession { .. }
            | NotStarted
            | EmptyPrompt => "invalid-argument",
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
