//! The key-value section as a state machine.

use super::metadata::{MAX_KEY, check_key};
use super::reader::{Reader, growth, out_of_memory, to_usize};
use super::tensor::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, check_alignment};
use super::value::ValueKind;
use super::{Array, Metadata, Strings, Value};
use crate::{Error, Result};

/// Fewest bytes of a key-value: length, one byte of key, type, one byte of value.
pub(crate) const MIN_KEY_VALUE: u64 = 8 + 1 + 4 + 1;

#[derive(Clone, Copy)]
enum State {
    KeyLength,
    Key { len: usize },
    Kind,
    Scalar { kind: ValueKind },
    StringLength,
    String { len: usize },
    ElementKind,
    Count { kind: ValueKind },
    Elements { left: usize },
    ElementLength { left: usize },
    Element { left: usize, len: usize },
}

pub(crate) struct KeyValues {
    pub(crate) metadata: Metadata,
    pub(crate) alignment: u64,
    index: u64,
    count: u64,
    state: State,
    /// The key whose value is being read.
    key: String,
    /// Its array, as far as it has arrived.
    array: Array,
}

impl KeyValues {
    pub(crate) fn new(count: u64) -> Self {
        Self {
            metadata: Metadata::new(),
            alignment: DEFAULT_ALIGNMENT,
            index: 0,
            count,
            state: State::KeyLength,
            key: String::new(),
            array: Array::U8(Vec::new()),
        }
    }

    /// What is being read, for messages.
    pub(crate) fn field(&self) -> String {
        match self.state {
            State::KeyLength => format!("the length of key {} of {}", self.index, self.count),
            State::Key { .. } => format!("key {} of {}", self.index, self.count),
            State::Kind => format!("the type of `{}`", self.key),
            State::Scalar { .. } | State::String { .. } => format!("`{}`", self.key),
            State::StringLength => format!("the length of `{}`", self.key),
            State::ElementKind => format!("the element type of `{}`", self.key),
            State::Count { .. } => format!("the element count of `{}`", self.key),
            State::Elements { .. } => format!("`{}`[{}]", self.key, self.array.len()),
            State::ElementLength { .. } => format!("the length of `{}`[{}]", self.key, self.array.len()),
            State::Element { .. } => format!("`{}`[{}]", self.key, self.array.len()),
        }
    }

    /// Reads on; true when the last key-value is in, false when the input is used up.
    pub(crate) fn advance(&mut self, reader: &mut Reader, input: &mut &[u8]) -> Result<bool> {
        loop {
            match self.state {
                State::KeyLength => {
                    if self.index == self.count {
                        return Ok(true);
                    }
                    let Some(len) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    reader.check(len, u64::MAX, 1, offset, || self.field())?;
                    if len == 0 || len > MAX_KEY as u64 {
                        let reason = if len == 0 { "it is empty" } else { "it is longer than 64 KiB" };
                        return Err(Error::BadKey { index: self.index, offset, reason });
                    }
                    self.state = State::Key { len: to_usize(len, || self.field())? };
                }
                State::Key { len } => {
                    let Some(key) = reader.string(input, len, || self.field())? else { return Ok(false) };
                    let key = copy(key, || self.field())?;
                    let offset = reader.position - len as u64;
                    check_key(&key).map_err(|reason| Error::BadKey { index: self.index, offset, reason })?;
                    if self.metadata.get(&key).is_some() {
                        return Err(Error::DuplicateKey { key, offset });
                    }
                    self.key = key;
                    self.state = State::Kind;
                }
                State::Kind => {
                    let Some(kind) = self.kind(reader, input)? else { return Ok(false) };
                    if self.key == ALIGNMENT_KEY && kind != ValueKind::U32 {
                        return Err(Error::BadAlignment {
                            offset: reader.position - 4,
                            found: format!("of type number {}", kind as u32),
                            reason: "it must be a u32".to_owned(),
                        });
                    }
                    self.state = match kind {
                        ValueKind::String => State::StringLength,
                        ValueKind::Array => State::ElementKind,
                        kind => State::Scalar { kind },
                    };
                }
                State::Scalar { kind } => {
                    let Some(value) = self.scalar(kind, reader, input)? else { return Ok(false) };
                    if self.key == ALIGNMENT_KEY {
                        self.set_alignment(&value, reader)?;
                    }
                    self.end(value)?;
                }
                State::StringLength => {
                    let Some(len) = self.length(reader, input)? else { return Ok(false) };
                    self.state = State::String { len };
                }
                State::String { len } => {
                    let Some(text) = reader.string(input, len, || self.field())? else { return Ok(false) };
                    let text = copy(text, || self.field())?;
                    self.end(Value::String(text))?;
                }
                State::ElementKind => {
                    let Some(kind) = self.kind(reader, input)? else { return Ok(false) };
                    if kind == ValueKind::Array {
                        return Err(Error::NestedArray { key: self.key.clone(), offset: reader.position - 4 });
                    }
                    self.state = State::Count { kind };
                }
                State::Count { kind } => {
                    let Some(count) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    let size = kind.min_size() as u64;
                    reader.check(count, reader.limits.max_array, size, offset, || self.field())?;
                    let left = to_usize(count, || self.field())?;
                    self.array = empty(kind);
                    self.state = match kind {
                        ValueKind::String => State::ElementLength { left },
                        _ => State::Elements { left },
                    };
                }
                State::Elements { left } => {
                    let left = self.elements(left, reader, input)?;
                    self.state = State::Elements { left };
                    if left > 0 {
                        return Ok(false);
                    }
                    self.end_array()?;
                }
                State::ElementLength { left: 0 } => self.end_array()?,
                State::ElementLength { left } => {
                    let Some(len) = self.length(reader, input)? else { return Ok(false) };
                    self.state = State::Element { left, len };
                }
                State::Element { left, len } => {
                    let Some(text) = reader.string(input, len, || self.field())? else { return Ok(false) };
                    if let Array::Strings(strings) = &mut self.array {
                        push(strings, text, left).map_err(|bytes| out_of_memory(format!("`{}`", self.key), bytes))?;
                    }
                    self.state = State::ElementLength { left: left - 1 };
                }
            }
        }
    }

    fn end(&mut self, value: Value) -> Result<()> {
        self.metadata.append(std::mem::take(&mut self.key), value)?;
        self.index += 1;
        self.state = State::KeyLength;
        Ok(())
    }

    fn end_array(&mut self) -> Result<()> {
        let array = std::mem::replace(&mut self.array, Array::U8(Vec::new()));
        self.end(Value::Array(array))
    }

    fn kind(&self, reader: &mut Reader, input: &mut &[u8]) -> Result<Option<ValueKind>> {
        let Some(id) = reader.u32(input) else { return Ok(None) };
        ValueKind::from_id(id).map(Some).ok_or_else(|| Error::UnknownValueType {
            field: self.field(),
            offset: reader.position - 4,
            found: id,
        })
    }

    fn length(&self, reader: &mut Reader, input: &mut &[u8]) -> Result<Option<usize>> {
        let Some(len) = reader.u64(input) else { return Ok(None) };
        let offset = reader.position - 8;
        reader.check(len, reader.limits.max_string, 1, offset, || self.field())?;
        to_usize(len, || self.field()).map(Some)
    }

    fn scalar(&self, kind: ValueKind, reader: &mut Reader, input: &mut &[u8]) -> Result<Option<Value>> {
        Ok(match kind {
            ValueKind::U8 => reader.fixed(input).map(|b| Value::U8(u8::from_le_bytes(b))),
            ValueKind::I8 => reader.fixed(input).map(|b| Value::I8(i8::from_le_bytes(b))),
            ValueKind::U16 => reader.fixed(input).map(|b| Value::U16(u16::from_le_bytes(b))),
            ValueKind::I16 => reader.fixed(input).map(|b| Value::I16(i16::from_le_bytes(b))),
            ValueKind::U32 => reader.fixed(input).map(|b| Value::U32(u32::from_le_bytes(b))),
            ValueKind::I32 => reader.fixed(input).map(|b| Value::I32(i32::from_le_bytes(b))),
            ValueKind::F32 => reader.fixed(input).map(|b| Value::F32(f32::from_le_bytes(b))),
            ValueKind::U64 => reader.fixed(input).map(|b| Value::U64(u64::from_le_bytes(b))),
            ValueKind::I64 => reader.fixed(input).map(|b| Value::I64(i64::from_le_bytes(b))),
            ValueKind::F64 => reader.fixed(input).map(|b| Value::F64(f64::from_le_bytes(b))),
            ValueKind::Bool => match reader.fixed(input) {
                None => None,
                Some([found]) => match to_bool([found]) {
                    Some(value) => Some(Value::Bool(value)),
                    None => {
                        let offset = reader.position - 1;
                        return Err(Error::BadBool { key: self.key.clone(), offset, found });
                    }
                },
            },
            ValueKind::String | ValueKind::Array => None,
        })
    }

    fn set_alignment(&mut self, value: &Value, reader: &Reader) -> Result<()> {
        if let Value::U32(alignment) = *value {
            check_alignment(alignment.into(), reader.limits.max_alignment).map_err(|reason| Error::BadAlignment {
                offset: reader.position - 4,
                found: alignment.to_string(),
                reason,
            })?;
            self.alignment = alignment.into();
        }
        Ok(())
    }

    /// Appends the elements that have arrived; returns how many are still to come.
    fn elements(&mut self, left: usize, reader: &mut Reader, input: &mut &[u8]) -> Result<usize> {
        let key = &self.key;
        match &mut self.array {
            Array::U8(v) => numbers(v, left, reader, input, key, |b| Some(u8::from_le_bytes(b))),
            Array::I8(v) => numbers(v, left, reader, input, key, |b| Some(i8::from_le_bytes(b))),
            Array::U16(v) => numbers(v, left, reader, input, key, |b| Some(u16::from_le_bytes(b))),
            Array::I16(v) => numbers(v, left, reader, input, key, |b| Some(i16::from_le_bytes(b))),
            Array::U32(v) => numbers(v, left, reader, input, key, |b| Some(u32::from_le_bytes(b))),
            Array::I32(v) => numbers(v, left, reader, input, key, |b| Some(i32::from_le_bytes(b))),
            Array::F32(v) => numbers(v, left, reader, input, key, |b| Some(f32::from_le_bytes(b))),
            Array::U64(v) => numbers(v, left, reader, input, key, |b| Some(u64::from_le_bytes(b))),
            Array::I64(v) => numbers(v, left, reader, input, key, |b| Some(i64::from_le_bytes(b))),
            Array::F64(v) => numbers(v, left, reader, input, key, |b| Some(f64::from_le_bytes(b))),
            Array::Bool(v) => numbers(v, left, reader, input, key, to_bool),
            Array::Strings(_) => Ok(left),
        }
    }
}

fn to_bool([byte]: [u8; 1]) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn empty(kind: ValueKind) -> Array {
    match kind {
        ValueKind::U8 | ValueKind::Array => Array::U8(Vec::new()),
        ValueKind::I8 => Array::I8(Vec::new()),
        ValueKind::U16 => Array::U16(Vec::new()),
        ValueKind::I16 => Array::I16(Vec::new()),
        ValueKind::U32 => Array::U32(Vec::new()),
        ValueKind::I32 => Array::I32(Vec::new()),
        ValueKind::F32 => Array::F32(Vec::new()),
        ValueKind::Bool => Array::Bool(Vec::new()),
        ValueKind::String => Array::Strings(Strings::new()),
        ValueKind::U64 => Array::U64(Vec::new()),
        ValueKind::I64 => Array::I64(Vec::new()),
        ValueKind::F64 => Array::F64(Vec::new()),
    }
}

fn numbers<T, const N: usize>(
    out: &mut Vec<T>,
    mut left: usize,
    reader: &mut Reader,
    input: &mut &[u8],
    key: &str,
    decode: impl Fn([u8; N]) -> Option<T>,
) -> Result<usize> {
    while left > 0 {
        let one;
        let mut run = reader.run(input, left);
        if run.is_empty() {
            match reader.fixed(input) {
                Some(field) => one = [field],
                None => break,
            }
            run = &one;
        }
        let more = growth(out.len(), out.capacity(), run.len(), out.len() + left);
        out.try_reserve_exact(more)
            .map_err(|_| out_of_memory(format!("`{key}`"), more.saturating_mul(size_of::<T>())))?;
        for (i, &field) in run.iter().enumerate() {
            let Some(value) = decode(field) else {
                // Only a bool, of one byte, can fail.
                let offset = reader.position - (run.len() - i) as u64;
                return Err(Error::BadBool { key: key.to_owned(), offset, found: field[0] });
            };
            out.push(value);
        }
        left -= run.len();
    }
    Ok(left)
}

/// Appends a string; on failure, the bytes that there was no memory for. `left` counts this string and all after it.
fn push(strings: &mut Strings, string: &str, left: usize) -> Result<(), usize> {
    let (text, ends) = strings.parts_mut();
    let more = growth(text.len(), text.capacity(), string.len(), usize::MAX);
    text.try_reserve_exact(more).map_err(|_| more)?;
    let more = growth(ends.len(), ends.capacity(), 1, ends.len() + left);
    ends.try_reserve_exact(more).map_err(|_| more.saturating_mul(size_of::<usize>()))?;
    strings.push(string);
    Ok(())
}

fn copy(text: &str, field: impl Fn() -> String) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| out_of_memory(field(), text.len()))?;
    copy.push_str(text);
    Ok(copy)
}
