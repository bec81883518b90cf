//! The push decoder: header, key-values, tensor table, tensor bytes.

use super::key_values::{KeyValues, MIN_KEY_VALUE};
use super::reader::Reader;
use super::table::{MIN_ENTRY, Table};
use super::tensor::align_up;
use super::{Metadata, TensorInfo, foreign};
use crate::allocate::{try_copy, try_reserve};
use crate::{Error, Result};

/// What a file may ask for. The defaults hold every real model with room to spare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the whole file, if known (Content-Length, file metadata): counts and offsets that it cannot hold are
    /// then refused at once.
    pub file_size: Option<u64>,
    /// Longest string, in bytes: 64 MiB.
    pub max_string: u64,
    /// Most elements of an array: 2^30.
    pub max_array: u64,
    /// Where the key-values and the tensor table must end, in bytes from the start of the file: 256 MiB.
    pub max_metadata: u64,
    /// Most key-values: 4096.
    pub max_keys: u64,
    /// Most tensors: 65 536.
    pub max_tensors: u64,
    /// Largest `general.alignment`: 1 MiB.
    pub max_alignment: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_size: None,
            max_string: 64 << 20,
            max_array: 1 << 30,
            max_metadata: 256 << 20,
            max_keys: 4096,
            max_tensors: 65_536,
            max_alignment: 1 << 20,
        }
    }
}

/// What a call of [`Decoder::push`] came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// All bytes given are consumed; push more.
    NeedMore,
    /// The header is in.
    Header {
        /// Version of the format: 2 or 3.
        version: u32,
        /// Number of tensors.
        tensors: u64,
        /// Number of key-values.
        metadata: u64,
    },
    /// All key-values are in: the moment for overrides.
    Metadata,
    /// The tensor table is in and checked; tensor bytes follow.
    Tensors,
    /// Some bytes of a tensor.
    TensorData {
        /// Its place in [`Decoder::tensors`].
        index: usize,
        /// Where in the tensor the bytes begin.
        offset: u64,
        /// The bytes, borrowed from those pushed.
        bytes: &'a [u8],
    },
    /// The tensor's last byte was delivered.
    TensorEnd {
        /// Its place in [`Decoder::tensors`].
        index: usize,
    },
    /// The last tensor is complete. Comes once; whatever follows is consumed and ignored.
    End,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Magic,
    /// It is no GGUF: its first bytes are gathered, to tell what it is.
    Foreign,
    Version,
    TensorCount {
        version: u32,
    },
    KeyCount {
        version: u32,
        tensors: u64,
    },
    KeyValues,
    Table,
    Data {
        index: usize,
    },
    Ended,
}

/// Reads a GGUF pushed in pieces of any size. See the [module](super) for how to drive it.
pub struct Decoder {
    reader: Reader,
    stage: Stage,
    version: Option<u32>,
    key_values: KeyValues,
    table: Table,
    /// Where only another file says it.
    architecture: Option<String>,
    /// The beginning of a file that is no GGUF.
    foreign: Vec<u8>,
    data_offset: Option<u64>,
    data_size: Option<u64>,
    failed: Option<Error>,
}

impl Decoder {
    /// A decoder at the first byte of a file.
    pub fn new(limits: Limits) -> Self {
        Self {
            reader: Reader::new(limits),
            stage: Stage::Magic,
            version: None,
            key_values: KeyValues::new(0),
            table: Table::new(0),
            architecture: None,
            foreign: Vec::new(),
            data_offset: None,
            data_size: None,
            failed: None,
        }
    }

    /// A decoder for a later part of a split file: what its tensors' types mean depends on the architecture, which only
    /// the first part names.
    pub fn of_part(limits: Limits, architecture: &str) -> Self {
        Self { architecture: Some(architecture.to_owned()), ..Self::new(limits) }
    }

    /// Reads from the front of `bytes`; returns how many were consumed, and what happened. Call again with the rest
    /// until it says [`Event::NeedMore`]: then everything given was consumed.
    ///
    /// # Errors
    /// The first thing wrong with the file. Every later call returns it again.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Event<'a>)> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut rest = bytes;
        match self.advance(&mut rest) {
            Ok(event) => Ok((bytes.len() - rest.len(), event)),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn advance<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>> {
        let reader = &mut self.reader;
        loop {
            match self.stage {
                Stage::Magic => {
                    let Some(found) = reader.fixed(input) else { return Ok(Event::NeedMore) };
                    match &found {
                        b"GGUF" => self.stage = Stage::Version,
                        b"FUGG" => return Err(Error::BigEndian { offset: 0 }),
                        _ => {
                            self.foreign = try_copy(&found, "the first bytes of the file")?;
                            self.stage = Stage::Foreign;
                        }
                    }
                }
                Stage::Foreign => {
                    let wanted = input.len().min(foreign::HEAD - self.foreign.len());
                    try_reserve(&mut self.foreign, wanted, "the first bytes of the file")?;
                    self.foreign.extend_from_slice(reader.split(input, wanted));
                    if self.foreign.len() < foreign::HEAD {
                        return Ok(Event::NeedMore);
                    }
                    return Err(not_gguf(&self.foreign));
                }
                Stage::Version => {
                    let Some(version) = reader.u32(input) else { return Ok(Event::NeedMore) };
                    match version {
                        2 | 3 => self.stage = Stage::TensorCount { version },
                        // A small number with its bytes reversed.
                        1.. if version & 0xffff == 0 => return Err(Error::BigEndian { offset: 4 }),
                        found => return Err(Error::UnsupportedVersion { found }),
                    }
                    self.version = Some(version);
                }
                Stage::TensorCount { version } => {
                    let Some(tensors) = reader.u64(input) else { return Ok(Event::NeedMore) };
                    let field = || "the number of tensors".to_owned();
                    reader.check(tensors, reader.limits.max_tensors, MIN_ENTRY, 8, field)?;
                    self.stage = Stage::KeyCount { version, tensors };
                }
                Stage::KeyCount { version, tensors } => {
                    let Some(keys) = reader.u64(input) else { return Ok(Event::NeedMore) };
                    let field = || "the number of key-values".to_owned();
                    reader.check(keys, reader.limits.max_keys, MIN_KEY_VALUE, 16, field)?;
                    self.key_values = KeyValues::new(keys);
                    self.table = Table::new(tensors);
                    self.stage = Stage::KeyValues;
                    return Ok(Event::Header { version, tensors, metadata: keys });
                }
                Stage::KeyValues => {
                    if !self.key_values.advance(reader, input)? {
                        return Ok(Event::NeedMore);
                    }
                    self.stage = Stage::Table;
                    return Ok(Event::Metadata);
                }
                Stage::Table => {
                    let KeyValues { metadata, alignment, .. } = &self.key_values;
                    let named = metadata.str("general.architecture").ok().flatten();
                    let architecture = named.or(self.architecture.as_deref());
                    if !self.table.advance(reader, input, architecture, *alignment)? {
                        return Ok(Event::NeedMore);
                    }
                    let start = align_up(reader.position, *alignment).unwrap_or(u64::MAX);
                    self.table.resolve(start, reader.limits.file_size, *alignment)?;
                    check_ends(&self.table.tensors, start, reader.limits.file_size)?;
                    self.data_offset = Some(start);
                    let end = self.table.tensors.last().map_or(reader.position, |t| start + t.offset + t.size);
                    self.data_size = Some(end);
                    self.stage = Stage::Data { index: 0 };
                    return Ok(Event::Tensors);
                }
                Stage::Data { index } => {
                    let Some(tensor) = self.table.tensors.get(index) else {
                        reader.split(input, input.len());
                        self.stage = Stage::Ended;
                        return Ok(Event::End);
                    };
                    let start = self.data_offset.unwrap_or(0) + tensor.offset;
                    if reader.position < start {
                        reader.split(input, at_most(input.len(), start - reader.position));
                    }
                    let end = start + tensor.size;
                    if reader.position == end {
                        self.stage = Stage::Data { index: index + 1 };
                        return Ok(Event::TensorEnd { index });
                    }
                    if input.is_empty() {
                        return Ok(Event::NeedMore);
                    }
                    let offset = reader.position - start;
                    let bytes = reader.split(input, at_most(input.len(), end - reader.position));
                    return Ok(Event::TensorData { index, offset, bytes });
                }
                Stage::Ended => {
                    reader.split(input, input.len());
                    return Ok(Event::NeedMore);
                }
            }
        }
    }

    /// Whether the file was whole: call it when no more bytes come.
    ///
    /// # Errors
    /// [`Error::EmptyFile`]; [`Error::NotGguf`] for a short file that is something else; [`Error::Truncated`] unless the
    /// last tensor is complete; the error of [`push`](Self::push) if there was one.
    pub fn finish(&self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let field = match self.stage {
            Stage::Magic if self.position() == 0 => return Err(Error::EmptyFile),
            Stage::Magic => "the magic number".to_owned(),
            Stage::Foreign => return Err(not_gguf(&self.foreign)),
            Stage::Version => "the version".to_owned(),
            Stage::TensorCount { .. } => "the number of tensors".to_owned(),
            Stage::KeyCount { .. } => "the number of key-values".to_owned(),
            Stage::KeyValues => self.key_values.field(),
            Stage::Table => self.table.field(),
            Stage::Data { .. } if self.data_size().is_some_and(|size| self.position() < size) => {
                let Stage::Data { index } = self.stage else { return Ok(()) };
                format!("tensor `{}`", self.table.tensors.get(index).map_or("", |t| &t.name))
            }
            Stage::Data { .. } | Stage::Ended => return Ok(()),
        };
        Err(Error::Truncated { field, offset: self.position() })
    }

    /// The key-values read so far; all of them from [`Event::Metadata`] on.
    pub fn metadata(&self) -> &Metadata {
        &self.key_values.metadata
    }

    /// The same, to override some or to move big ones out. The alignment stays the file's.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.key_values.metadata
    }

    /// The tensor table read so far, in file order; all of it from [`Event::Tensors`] on, and until then with types that
    /// are not final: a number that different writers use in different ways is understood when all places are known.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.table.tensors
    }

    /// Version of the format, once read.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// What is odd about the key-values and was taken all the same, one sentence each: strings that are not UTF-8, bools
    /// of more than 1.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.key_values.notes()
    }

    /// Bytes consumed.
    pub fn position(&self) -> u64 {
        self.reader.position
    }

    /// Where the data section begins, from [`Event::Tensors`] on.
    pub fn data_offset(&self) -> Option<u64> {
        self.data_offset
    }

    /// Bytes from the start of the file to the end of the last tensor, from [`Event::Tensors`] on: the least that the
    /// whole file has.
    pub fn data_size(&self) -> Option<u64> {
        self.data_size
    }
}

fn not_gguf(head: &[u8]) -> Error {
    Error::NotGguf { what: foreign::recognise(head) }
}

fn at_most(len: usize, most: u64) -> usize {
    usize::try_from(most).map_or(len, |most| len.min(most))
}

/// Refuses tensors that end past the file.
fn check_ends(tensors: &[TensorInfo], start: u64, file_size: Option<u64>) -> Result<()> {
    let Some(size) = file_size else { return Ok(()) };
    match tensors.iter().find(|t| start + t.offset + t.size > size) {
        None => Ok(()),
        Some(t) => Err(Error::BeyondEnd {
            field: format!("tensor `{}`", t.name),
            offset: start + t.offset,
            needed: t.size,
            remaining: size.saturating_sub(start + t.offset),
        }),
    }
}
