//! A file's header.

use super::json::Entries;
use super::{DType, bad};
use crate::allocate::{try_ahead, try_zeroed};
use crate::gguf::foreign;
use crate::json::AtMost;
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeSeed;
use std::marker::PhantomData;

/// Longest header, in bytes: as the format's own library has it.
pub const MAX_HEADER: u64 = 100_000_000;
/// Most tensors of a file.
pub const MAX_TENSORS: usize = 1 << 16;
/// Most dimensions of a tensor.
const MAX_DIMS: usize = 8;
/// Bytes that tell the header's length.
const LENGTH: u64 = 8;
/// What of a header is no tensor: texts of the program that wrote it.
const METADATA: &str = "__metadata__";

/// What a file says of its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// In the order of their bytes.
    pub tensors: Vec<Tensor>,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Type of its elements.
    pub dtype: DType,
    /// Its dimensions, outermost first: a matrix is `[rows, columns]`. A number by itself has none.
    pub shape: Vec<u64>,
    /// Where its bytes begin, from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// A tensor as the header has it.
#[derive(Deserialize)]
struct Entry {
    // Held short, for messages.
    dtype: String,
    shape: AtMost<u64, MAX_DIMS>,
    data_offsets: (u64, u64),
}

impl Header {
    /// Reads the header of a file of `size` bytes by way of `read`, which fills its second argument from the offset that is the
    /// first. `file` is the name for messages.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`], [`Error::OutOfMemory`], and what `read` gives.
    pub fn read(file: &str, size: u64, mut read: impl FnMut(u64, &mut [u8]) -> Result<()>) -> Result<Self> {
        let mut head = [0; foreign::HEAD];
        let head = &mut head[..usize::try_from(size).map_or(foreign::HEAD, |size| size.min(foreign::HEAD))];
        read(0, head)?;
        let length = header_length(file, head, size)?;
        let mut json = try_zeroed::<u8>(length, "the header of a checkpoint's file")?;
        read(LENGTH, &mut json)?;
        reserve(length)?;
        let data = size - LENGTH - length as u64;
        let entries = parse(&json).map_err(|e| {
            bad(file, "its header", format!("{e}: the file is damaged or no safetensors file, fetch it again"))
        })?;
        let tensors = entries.into_iter().map(|(name, entry)| tensor(file, name, &entry));
        let mut tensors = tensors.collect::<Result<Vec<_>>>()?;
        tensors.sort_by_key(|tensor| (tensor.offset, tensor.size));
        cover(file, &tensors, data)?;
        tensors.iter_mut().for_each(|tensor| tensor.offset += LENGTH + length as u64);
        Ok(Header { tensors })
    }
}

/// The header's length, where the file begins as one of this format does.
fn header_length(file: &str, head: &[u8], size: u64) -> Result<usize> {
    let other = |reason: String| {
        let reason = foreign::of_text_file(head).unwrap_or(reason);
        bad(file, "no safetensors file", reason)
    };
    if size == 0 {
        return Err(bad(file, "the file", "it is empty: fetch it again"));
    }
    let Some((length, rest)) = head.split_first_chunk() else {
        return Err(other(format!("it has {size} bytes, fewer than the length of a header takes: fetch it again")));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(other(format!("its header would have {length} bytes, the limit is {MAX_HEADER}: fetch it again")));
    }
    if length > size - LENGTH {
        let reason = format!(
            "its header has {length} bytes, the file has {} more: it is cut short, fetch it again",
            size - LENGTH
        );
        return Err(other(reason));
    }
    if length < 2 || rest.first() != Some(&b'{') {
        return Err(other("its header is no JSON object: fetch it again".to_owned()));
    }
    usize::try_from(length).map_err(|_| Error::OutOfMemory { what: "the header".to_owned(), bytes: length })
}

/// As much memory as the parser may take.
fn reserve(length: usize) -> Result<()> {
    // Names, twice, the largest piece that it holds apart, and what is kept for each: an entry has some forty bytes of text at least.
    let each = 2 * size_of::<(String, Entry)>() + 3 * size_of::<Tensor>();
    let bytes = length.saturating_mul(3).saturating_add((length / 40).min(MAX_TENSORS).saturating_mul(each));
    try_ahead(bytes, "the header of a checkpoint's file")
}

fn parse(json: &[u8]) -> serde_json::Result<Vec<(String, Entry)>> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let seed = Entries { limit: MAX_TENSORS, apart: Some(METADATA), entries: PhantomData };
    let entries = seed.deserialize(&mut parser)?;
    parser.end()?;
    Ok(entries)
}

/// An entry whose parts fit together; its offset is from the start of the data.
fn tensor(file: &str, name: String, entry: &Entry) -> Result<Tensor> {
    let Entry { dtype: kind, shape: AtMost(shape), data_offsets: (begin, end) } = entry;
    let bad = |reason: String| bad(file, &format!("tensor `{name}`"), reason);
    let dtype = DType::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(kind));
    let dtype = dtype.map_err(|_| {
        let kind: String = kind.chars().take(20).collect();
        bad(format!("its type `{kind}` is unknown: take a checkpoint in BF16, or packed in U8"))
    })?;
    let bytes = dtype.size_of(shape);
    let size =
        end.checked_sub(*begin).ok_or_else(|| bad(format!("its bytes end at {end}, before they begin at {begin}")))?;
    if bytes != Some(size) {
        let needs = bytes.map_or("more than there can be".to_owned(), |bytes| bytes.to_string());
        return Err(bad(format!("{size} bytes are its own, its shape {shape:?} needs {needs} in {dtype}")));
    }
    Ok(Tensor { shape: shape.clone(), dtype, offset: *begin, size, name })
}

/// Whether each tensor begins where the one before ends, from the first byte to the last. They are in the order of their bytes.
fn cover(file: &str, tensors: &[Tensor], data: u64) -> Result<()> {
    let mut end = 0;
    for tensor in tensors {
        if tensor.offset != end {
            let reason = format!(
                "its bytes begin at offset {}, those of the tensors before it end at {end}: a gap or an overlap",
                tensor.offset
            );
            return Err(bad(file, &format!("tensor `{}`", tensor.name), reason));
        }
        end += tensor.size;
    }
    match data.checked_sub(end) {
        Some(0) => Ok(()),
        Some(more) => Err(bad(
            file,
            "the file",
            format!("{more} bytes follow the last tensor and belong to none: fetch it again"),
        )),
        None => Err(bad(
            file,
            "the file",
            format!("its tensors take {end} bytes, it has {data} for them: the download is incomplete, fetch it again"),
        )),
    }
}
