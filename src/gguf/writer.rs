//! Writes GGUF version 3: for tests, synthetic models and repacked files.

use std::io::Write;

use super::metadata::check_key;
use super::tensor::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, align_up, check_alignment, check_dims, check_name};
use super::{Array, Metadata, Storage, Value};
use crate::{Error, Result};

/// A tensor to be written: the writer gives it its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorDeclaration {
    /// The tensor's name, shorter than 64 bytes.
    pub name: String,
    /// One to four dimensions, innermost first.
    pub dims: Vec<u64>,
    /// Storage format.
    pub kind: Storage,
}

/// Where a tensor goes.
struct Place {
    name: String,
    /// Bytes from the start of the data section.
    offset: u64,
    size: u64,
}

/// What a file has before its tensors' bytes, and where these go.
pub struct Head {
    /// Header, key-values, tensor table, and padding up to the first tensor.
    pub bytes: Vec<u8>,
    tensors: Vec<Place>,
    alignment: u64,
}

impl Head {
    /// That of a file with these key-values and these tensors, in this order.
    ///
    /// # Errors
    /// [`Error::BadWrite`] for names, shapes or an alignment that the decoder would refuse.
    pub fn new(metadata: &Metadata, tensors: &[TensorDeclaration]) -> Result<Self> {
        let alignment = match metadata.get(ALIGNMENT_KEY) {
            None => DEFAULT_ALIGNMENT,
            Some(Value::U32(v)) => (*v).into(),
            Some(_) => return Err(bad_write(ALIGNMENT_KEY, "it must be a u32")),
        };
        check_alignment(alignment, 1 << 20).map_err(|reason| bad_write(ALIGNMENT_KEY, reason))?;
        let places = place(tensors, alignment)?;

        // Built whole, so that the position for the padding is known.
        let mut bytes = Vec::new();
        bytes.extend(b"GGUF");
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((tensors.len() as u64).to_le_bytes());
        bytes.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata.iter() {
            check_key(key).map_err(|reason| bad_write(key, reason))?;
            put_string(&mut bytes, key);
            bytes.extend((value.kind() as u32).to_le_bytes());
            put_value(&mut bytes, value);
        }
        for (tensor, place) in tensors.iter().zip(&places) {
            put_string(&mut bytes, &tensor.name);
            bytes.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| bytes.extend(dim.to_le_bytes()));
            bytes.extend(tensor.kind.id.to_le_bytes());
            bytes.extend(place.offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(alignment as usize), 0);
        Ok(Head { bytes, tensors: places, alignment })
    }

    /// Bytes of the whole file.
    pub fn file_size(&self) -> u64 {
        let last = self.tensors.last().map_or(0, |last| last.offset + last.size + self.padding(last));
        self.bytes.len() as u64 + last
    }

    /// Zeros between a tensor and the next one, or the end of the file.
    pub fn padding_after(&self, tensor: usize) -> u64 {
        self.tensors.get(tensor).map_or(0, |place| self.padding(place))
    }

    fn padding(&self, place: &Place) -> u64 {
        let end = place.offset + place.size;
        align_up(end, self.alignment).unwrap_or(end) - end
    }
}

/// Writes a file from front to back: all but the tensors' bytes in [`new`](Self::new), then these in order.
///
/// It writes to `W` in small pieces: give it a [`BufWriter`](std::io::BufWriter).
pub struct Writer<W: Write> {
    sink: W,
    head: Head,
    /// The tensor being written, and how much of it is.
    index: usize,
    done: u64,
}

impl<W: Write> Writer<W> {
    /// Writes header, key-values and tensor table.
    ///
    /// # Errors
    /// [`Error::BadWrite`] for names, shapes or an alignment that the decoder would refuse; [`Error::Io`].
    pub fn new(mut sink: W, metadata: &Metadata, tensors: &[TensorDeclaration]) -> Result<Self> {
        let mut head = Head::new(metadata, tensors)?;
        sink.write_all(&std::mem::take(&mut head.bytes)).map_err(io)?;
        Ok(Self { sink, head, index: 0, done: 0 })
    }

    /// Bytes of all tensors, without padding: what [`write_tensor_data`](Self::write_tensor_data) wants.
    pub fn data_bytes(&self) -> u64 {
        self.head.tensors.iter().map(|place| place.size).sum()
    }

    /// Writes on at the tensors' bytes, in pieces of any size; a piece may end one tensor and begin the next.
    ///
    /// # Errors
    /// [`Error::BadWrite`] for more bytes than were declared; [`Error::Io`].
    pub fn write_tensor_data(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let tensor = self
                .head
                .tensors
                .get(self.index)
                .ok_or_else(|| bad_write("tensor data", "there is more of it than was declared"))?;
            let left = tensor.size - self.done;
            let (now, rest) = bytes.split_at(usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len())));
            self.sink.write_all(now).map_err(io)?;
            self.done += now.len() as u64;
            bytes = rest;
            if self.done == tensor.size {
                let padding = self.head.padding(tensor);
                std::io::copy(&mut std::io::Read::take(std::io::repeat(0), padding), &mut self.sink).map_err(io)?;
                self.index += 1;
                self.done = 0;
            }
        }
        Ok(())
    }

    /// Flushes, and gives the sink back.
    ///
    /// # Errors
    /// [`Error::BadWrite`] if a tensor is not complete; [`Error::Io`].
    pub fn finish(mut self) -> Result<W> {
        if let Some(tensor) = self.head.tensors.get(self.index) {
            let reason = format!("{} of its {} bytes were given", self.done, tensor.size);
            return Err(bad_write(&tensor.name, reason));
        }
        self.sink.flush().map_err(io)?;
        Ok(self.sink)
    }
}

/// Gives each tensor its size and its offset.
fn place(tensors: &[TensorDeclaration], alignment: u64) -> Result<Vec<Place>> {
    let mut names = std::collections::HashSet::new();
    let mut offset = 0u64;
    let mut placed = Vec::with_capacity(tensors.len());
    for TensorDeclaration { name, dims, kind } in tensors {
        check_name(name).map_err(|reason| bad_write(name, reason))?;
        if !names.insert(name) {
            return Err(bad_write(name, "there are two tensors of this name"));
        }
        let size = check_dims(*kind, dims).map_err(|reason| bad_write(name, reason))?;
        placed.push(Place { name: name.clone(), offset, size });
        offset = offset
            .checked_add(size)
            .and_then(|end| align_up(end, alignment))
            .filter(|&end| end < 1 << 63)
            .ok_or_else(|| bad_write(name, "the file would have more than 2^63 bytes"))?;
    }
    Ok(placed)
}

fn put_string(out: &mut Vec<u8>, string: impl AsRef<[u8]>) {
    let string = string.as_ref();
    out.extend((string.len() as u64).to_le_bytes());
    out.extend(string);
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(v) => out.extend(v.to_le_bytes()),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::String(v) => put_string(out, v),
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
        Value::Array(array) => {
            out.extend((array.kind() as u32).to_le_bytes());
            out.extend((array.len() as u64).to_le_bytes());
            put_elements(out, array);
        }
    }
}

fn put_elements(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::U8(v) => out.extend(v),
        Array::I8(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::U16(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::I16(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::U32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::I32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::F32(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::Bool(v) => out.extend(v.iter().map(|&v| u8::from(v))),
        Array::Strings(v) => v.iter_bytes().for_each(|v| put_string(out, v)),
        Array::U64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::I64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        Array::F64(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
    }
}

fn bad_write(what: &str, reason: impl Into<String>) -> Error {
    Error::BadWrite { what: format!("`{what}`"), reason: reason.into() }
}

fn io(error: std::io::Error) -> Error {
    Error::Io { reason: format!("writing failed: {error}") }
}
