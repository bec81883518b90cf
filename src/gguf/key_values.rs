//! The key-value section as a state machine.

use super::metadata::{MAX_KEY, check_key};
use super::reader::{Reader, growth, out_of_memory, to_usize};
use super::tensor::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAX_NAME, check_alignment};
use super::value::ValueKind;
use super::{Array, Metadata, Strings, Value};
use crate::{Error, Result};

/// Fewest bytes of a key-value: length, one byte of key, type, one byte of value.
pub(crate) const MIN_KEY_VALUE: u64 = 8 + 1 + 4 + 1;

/// Bytes of strings that are not UTF-8 and are kept all the same, in all: names and descriptions are short.
const MAX_LOSSY: usize = 1 << 20;
/// Oddities that are told one by one.
const MAX_NOTES: usize = 16;

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
    // How many are still to come the array itself tells: a number beside it could disagree.
    Elements { count: usize },
    ElementLength { count: usize },
    Element { count: usize, len: usize },
}

pub(crate) struct KeyValues {
    pub(crate) metadata: Metadata,
    pub(crate) alignment: u64,
    index: u64,
    count: u64,
    state: State,
    /// Where the field of the state begins: checked where assertions are.
    start: u64,
    /// The key whose value is being read.
    key: String,
    /// Its array, as far as it has arrived.
    array: Array,
    /// Strings of the value at hand that are not UTF-8, and where the first shows it.
    not_utf8: Option<(usize, u64)>,
    /// A bool of the value at hand that is neither 0 nor 1.
    odd_bool: Option<u8>,
    /// What [`MAX_LOSSY`] leaves.
    lossy_left: usize,
    notes: Vec<String>,
    /// Notes that there was no room for.
    more_notes: usize,
}

impl KeyValues {
    pub(crate) fn new(count: u64) -> Self {
        Self {
            metadata: Metadata::new(),
            alignment: DEFAULT_ALIGNMENT,
            index: 0,
            count,
            state: State::KeyLength,
            start: 0,
            key: String::new(),
            array: Array::U8(Vec::new()),
            not_utf8: None,
            odd_bool: None,
            lossy_left: MAX_LOSSY,
            notes: Vec::new(),
            more_notes: 0,
        }
    }

    /// What is odd about the values and was taken all the same, one sentence each.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        let more = (self.more_notes > 0).then(|| format!("{} more keys are odd in the same ways", self.more_notes));
        self.notes.iter().cloned().chain(more)
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

    /// Begins to read a field, which the one before must have left whole.
    fn enter(&mut self, state: State, reader: &Reader) {
        debug_assert_eq!(reader.begun(), 0, "{} is not read to its end", self.field());
        self.state = state;
        self.start = reader.position;
    }

    /// Whether all that was read of the field at hand is what the reader holds of it. A byte more or less, and every
    /// later field would be read in the wrong place.
    fn is_in_place(&self, reader: &Reader) -> bool {
        let whole = match self.state {
            State::Elements { .. } => self.array.len() as u64 * self.array.kind().min_size() as u64,
            _ => 0,
        };
        self.start == 0 || reader.position == self.start + whole + reader.begun() as u64
    }

    /// Reads on; true when the last key-value is in, false when the input is used up.
    pub(crate) fn advance(&mut self, reader: &mut Reader, input: &mut &[u8]) -> Result<bool> {
        loop {
            debug_assert!(self.is_in_place(reader), "{}, byte {}", self.field(), reader.position);
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
                    let len = to_usize(len, || self.field())?;
                    self.enter(State::Key { len }, reader);
                }
                State::Key { len } => {
                    let Some(key) = self.text(len, reader, input)? else { return Ok(false) };
                    let offset = reader.position - len as u64;
                    check_key(&key).map_err(|reason| Error::BadKey { index: self.index, offset, reason })?;
                    if self.metadata.get(&key).is_some() {
                        return Err(Error::DuplicateKey { key, offset });
                    }
                    self.key = key;
                    self.enter(State::Kind, reader);
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
                    let next = match kind {
                        ValueKind::String => State::StringLength,
                        ValueKind::Array => State::ElementKind,
                        kind => State::Scalar { kind },
                    };
                    self.enter(next, reader);
                }
                State::Scalar { kind } => {
                    let Some(value) = self.scalar(kind, reader, input) else { return Ok(false) };
                    if self.key == ALIGNMENT_KEY {
                        self.set_alignment(&value, reader)?;
                    }
                    self.end(value, reader)?;
                }
                State::StringLength => {
                    let Some(len) = self.length(reader, input)? else { return Ok(false) };
                    self.enter(State::String { len }, reader);
                }
                State::String { len } => {
                    let Some(text) = self.text(len, reader, input)? else { return Ok(false) };
                    self.end(Value::String(text), reader)?;
                }
                State::ElementKind => {
                    let Some(kind) = self.kind(reader, input)? else { return Ok(false) };
                    if kind == ValueKind::Array {
                        return Err(Error::NestedArray { key: self.key.clone(), offset: reader.position - 4 });
                    }
                    self.enter(State::Count { kind }, reader);
                }
                State::Count { kind } => {
                    let Some(count) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    let size = kind.min_size() as u64;
                    reader.check(count, reader.limits.max_array, size, offset, || self.field())?;
                    let count = to_usize(count, || self.field())?;
                    self.array = empty(kind);
                    let next = match kind {
                        ValueKind::String => State::ElementLength { count },
                        _ => State::Elements { count },
                    };
                    self.enter(next, reader);
                }
                State::Elements { count } => {
                    self.elements(count, reader, input)?;
                    if self.array.len() < count {
                        return Ok(false);
                    }
                    self.end_array(reader)?;
                }
                State::ElementLength { count } if self.array.len() >= count => self.end_array(reader)?,
                State::ElementLength { count } => {
                    let Some(len) = self.length(reader, input)? else { return Ok(false) };
                    self.enter(State::Element { count, len }, reader);
                }
                State::Element { count, len } => {
                    let end = reader.position + (len - reader.begun()) as u64;
                    let Some(bytes) = reader.bytes(input, len, || self.field())? else { return Ok(false) };
                    if let Err(error) = std::str::from_utf8(bytes) {
                        let at = end - len as u64 + error.valid_up_to() as u64;
                        let (count, first) = self.not_utf8.unwrap_or((0, at));
                        self.not_utf8 = Some((count + 1, first));
                    }
                    if let Array::Strings(strings) = &mut self.array {
                        push(strings, bytes, count).map_err(|bytes| out_of_memory(format!("`{}`", self.key), bytes))?;
                    }
                    self.enter(State::ElementLength { count }, reader);
                }
            }
        }
    }

    fn end(&mut self, value: Value, reader: &Reader) -> Result<()> {
        if let Some((count, first)) = self.not_utf8.take() {
            self.note(|key| match &value {
                Value::Array(_) => {
                    format!("`{key}` has {count} strings that are not UTF-8, the first of them at byte {first}")
                }
                _ => format!("`{key}` is not UTF-8 at byte {first}: what can't be read is shown as \u{fffd}"),
            });
        }
        if let Some(byte) = self.odd_bool.take() {
            self.note(|key| format!("`{key}` has a bool of {byte}: it is taken for true"));
        }
        self.metadata.append(std::mem::take(&mut self.key), value)?;
        self.index += 1;
        self.enter(State::KeyLength, reader);
        Ok(())
    }

    fn end_array(&mut self, reader: &Reader) -> Result<()> {
        let array = std::mem::replace(&mut self.array, Array::U8(Vec::new()));
        self.end(Value::Array(array), reader)
    }

    fn note(&mut self, note: impl FnOnce(&str) -> String) {
        if self.notes.len() < MAX_NOTES {
            let key: String = self.key.chars().take(MAX_NAME).collect();
            self.notes.push(note(&key));
        } else {
            self.more_notes += 1;
        }
    }

    /// A key or a value as text. What is not UTF-8 in it becomes U+FFFD: most such strings are for people alone, and of the
    /// others none that is read means anything with that in it.
    fn text(&mut self, len: usize, reader: &mut Reader, input: &mut &[u8]) -> Result<Option<String>> {
        let end = reader.position + (len - reader.begun()) as u64;
        let Some(bytes) = reader.bytes(input, len, || self.field())? else { return Ok(None) };
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return copy(text, || self.field()).map(Some),
            Err(error) => error,
        };
        let offset = end - len as u64 + error.valid_up_to() as u64;
        if len > self.lossy_left {
            return Err(Error::InvalidUtf8 { field: self.field(), offset });
        }
        self.lossy_left -= len;
        self.not_utf8 = Some((1, offset));
        let mut text = String::new();
        // Each byte may become one of three.
        text.try_reserve_exact(3 * len).map_err(|_| out_of_memory(self.field(), 3 * len))?;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(Some(text))
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

    fn scalar(&mut self, kind: ValueKind, reader: &mut Reader, input: &mut &[u8]) -> Option<Value> {
        Some(match kind {
            ValueKind::U8 => Value::U8(u8::from_le_bytes(reader.fixed(input)?)),
            ValueKind::I8 => Value::I8(i8::from_le_bytes(reader.fixed(input)?)),
            ValueKind::U16 => Value::U16(u16::from_le_bytes(reader.fixed(input)?)),
            ValueKind::I16 => Value::I16(i16::from_le_bytes(reader.fixed(input)?)),
            ValueKind::U32 => Value::U32(u32::from_le_bytes(reader.fixed(input)?)),
            ValueKind::I32 => Value::I32(i32::from_le_bytes(reader.fixed(input)?)),
            ValueKind::F32 => Value::F32(f32::from_le_bytes(reader.fixed(input)?)),
            ValueKind::U64 => Value::U64(u64::from_le_bytes(reader.fixed(input)?)),
            ValueKind::I64 => Value::I64(i64::from_le_bytes(reader.fixed(input)?)),
            ValueKind::F64 => Value::F64(f64::from_le_bytes(reader.fixed(input)?)),
            ValueKind::Bool => Value::Bool(to_bool(reader.fixed(input)?, &mut self.odd_bool)),
            // They have states of their own.
            ValueKind::String | ValueKind::Array => return None,
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

    /// Appends the elements that have arrived, up to `count` in all.
    fn elements(&mut self, count: usize, reader: &mut Reader, input: &mut &[u8]) -> Result<()> {
        let (key, odd) = (&self.key, &mut self.odd_bool);
        match &mut self.array {
            Array::U8(v) => numbers(v, count, reader, input, key, u8::from_le_bytes),
            Array::I8(v) => numbers(v, count, reader, input, key, i8::from_le_bytes),
            Array::U16(v) => numbers(v, count, reader, input, key, u16::from_le_bytes),
            Array::I16(v) => numbers(v, count, reader, input, key, i16::from_le_bytes),
            Array::U32(v) => numbers(v, count, reader, input, key, u32::from_le_bytes),
            Array::I32(v) => numbers(v, count, reader, input, key, i32::from_le_bytes),
            Array::F32(v) => numbers(v, count, reader, input, key, f32::from_le_bytes),
            Array::U64(v) => numbers(v, count, reader, input, key, u64::from_le_bytes),
            Array::I64(v) => numbers(v, count, reader, input, key, i64::from_le_bytes),
            Array::F64(v) => numbers(v, count, reader, input, key, f64::from_le_bytes),
            Array::Bool(v) => numbers(v, count, reader, input, key, |b| to_bool(b, odd)),
            Array::Strings(_) => Ok(()),
        }
    }
}

/// As C has it, everything but 0 is true.
fn to_bool([byte]: [u8; 1], odd: &mut Option<u8>) -> bool {
    if byte > 1 {
        odd.get_or_insert(byte);
    }
    byte != 0
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
    count: usize,
    reader: &mut Reader,
    input: &mut &[u8],
    key: &str,
    mut decode: impl FnMut([u8; N]) -> T,
) -> Result<()> {
    while out.len() < count {
        let one;
        let mut run = reader.run(input, count - out.len());
        if run.is_empty() {
            match reader.fixed(input) {
                Some(field) => one = [field],
                None => break,
            }
            run = &one;
        }
        let more = growth(out.len(), out.capacity(), run.len(), count);
        out.try_reserve_exact(more)
            .map_err(|_| out_of_memory(format!("`{key}`"), more.saturating_mul(size_of::<T>())))?;
        out.extend(run.iter().map(|&field| decode(field)));
    }
    Ok(())
}

/// Appends a string of `count` in all; on failure, the bytes that there was no memory for.
fn push(strings: &mut Strings, string: &[u8], count: usize) -> Result<(), usize> {
    let (bytes, ends) = strings.parts_mut();
    let more = growth(bytes.len(), bytes.capacity(), string.len(), usize::MAX);
    bytes.try_reserve_exact(more).map_err(|_| more)?;
    let more = growth(ends.len(), ends.capacity(), 1, count);
    ends.try_reserve_exact(more).map_err(|_| more.saturating_mul(size_of::<usize>()))?;
    strings.push_bytes(string);
    Ok(())
}

fn copy(text: &str, field: impl Fn() -> String) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| out_of_memory(field(), text.len()))?;
    copy.push_str(text);
    Ok(copy)
}
