//! The ordered key-values of a file, and typed access to them.
//!
//! Writers disagree about the widths of numbers (`u32`, `i32`, `u64` for the same key), and some write a bool as a number,
//! so the getters take whatever says the same. Absent is `None`; present and of another type is an error, never a silent
//! default.

use std::borrow::Cow;

use super::{Array, Strings, Value};
use crate::{Error, Result};

/// Longest key, in bytes.
pub const MAX_KEY: usize = 64 << 10;

/// Key-values in file order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    // A file has some tens of keys: a scan is as fast as a hash, and the order is kept.
    entries: Vec<(String, Value)>,
}

/// Why a key may not be used, if it may not.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    match key {
        "" => Err("it is empty"),
        _ if key.len() > MAX_KEY => Err("it is longer than 64 KiB"),
        // A reader in C would stop at the NUL and take it for another key.
        _ if key.contains('\0') => Err("it contains a NUL"),
        _ => Ok(()),
    }
}

impl Metadata {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Sets a key: in its place if it is there, else at the end.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.entries.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Adds a key that is known to be new.
    pub(crate) fn append(&mut self, key: String, value: Value) -> Result<()> {
        self.entries
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory { what: format!("`{key}`"), bytes: size_of::<(String, Value)>() as u64 })?;
        self.entries.push((key, value));
        Ok(())
    }

    /// Takes a key out: a vocabulary that the tokenizer has read needs no second home.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.entries.iter().position(|(k, _)| k == key)?;
        Some(self.entries.remove(index).1)
    }

    /// Keys and values in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + DoubleEndedIterator {
        self.entries.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The integer of a key, as `u32`.
    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.integer(key, "u32", "an integer from 0 to 4294967295")
    }

    /// The integer of a key, as `u64`.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.integer(key, "u64", "an integer that is not negative")
    }

    fn integer<T: TryFrom<i128>>(&self, key: &str, expected: &'static str, range: &str) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let integer = value.as_integer().ok_or_else(|| wrong_type(key, value, expected))?;
        T::try_from(integer).map(Some).map_err(|_| Error::BadValue {
            key: key.to_owned(),
            value: integer.to_string(),
            reason: format!("it must be {range}"),
        })
    }

    /// The number of a key: `f32`, `f64` rounded to it, or an integer that it holds exactly.
    pub fn f32(&self, key: &str) -> Result<Option<f32>> {
        self.typed(key, "f32", |v| match *v {
            Value::F32(v) => Some(v),
            Value::F64(v) => Some(v as f32),
            ref other => other.as_integer().map(|v| v as f32).filter(|v| Some(*v as i128) == other.as_integer()),
        })
    }

    /// The truth value of a key, as a bool or as 0 or 1.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "bool", |v| match v.as_integer() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => {
                if let Value::Bool(v) = v {
                    Some(*v)
                } else {
                    None
                }
            }
        })
    }

    /// The string of a key.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "string", |v| if let Value::String(v) = v { Some(v.as_str()) } else { None })
    }

    /// The strings of a key.
    pub fn strings(&self, key: &str) -> Result<Option<&Strings>> {
        self.typed(key, "array of string", |v| match v {
            Value::Array(Array::Strings(v)) => Some(v),
            _ => None,
        })
    }

    /// The numbers of a key, as `f32`: borrowed if they are stored so, else converted; `f64` is rounded.
    pub fn f32s(&self, key: &str) -> Result<Option<Cow<'_, [f32]>>> {
        fn exact(v: f64) -> Option<f32> {
            Some(v as f32).filter(|f| f64::from(*f) == v)
        }
        self.typed(key, "array of f32", |v| match v {
            Value::Array(Array::F32(v)) => Some(Cow::Borrowed(v.as_slice())),
            Value::Array(Array::F64(v)) => convert(v, |v| Some(v as f32)),
            Value::Array(Array::U8(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::I8(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::U16(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::I16(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::U32(v)) => convert(v, |v| exact(v.into())),
            Value::Array(Array::I32(v)) => convert(v, |v| exact(v.into())),
            _ => None,
        })
    }

    /// The integers of a key, as `i32`: borrowed if they are stored so, else converted where all fit.
    pub fn i32s(&self, key: &str) -> Result<Option<Cow<'_, [i32]>>> {
        self.typed(key, "array of i32", |v| match v {
            Value::Array(Array::I32(v)) => Some(Cow::Borrowed(v.as_slice())),
            Value::Array(Array::U8(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::I8(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::U16(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::I16(v)) => convert(v, |v| Some(v.into())),
            Value::Array(Array::U32(v)) => convert(v, |v| v.try_into().ok()),
            Value::Array(Array::U64(v)) => convert(v, |v| v.try_into().ok()),
            Value::Array(Array::I64(v)) => convert(v, |v| v.try_into().ok()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        pick: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => pick(value).map(Some).ok_or_else(|| wrong_type(key, value, expected)),
        }
    }

    /// [`u32`](Self::u32), or [`Error::MissingKey`].
    pub fn require_u32(&self, key: &str) -> Result<u32> {
        self.u32(key)?.ok_or_else(|| missing(key))
    }

    /// [`str`](Self::str), or [`Error::MissingKey`].
    pub fn require_str(&self, key: &str) -> Result<&str> {
        self.str(key)?.ok_or_else(|| missing(key))
    }

    /// [`strings`](Self::strings), or [`Error::MissingKey`].
    pub fn require_strings(&self, key: &str) -> Result<&Strings> {
        self.strings(key)?.ok_or_else(|| missing(key))
    }

    /// Sets one key from `key=type:value` with type `int`, `float`, `bool` or `str`, as llama.cpp's `--override-kv`.
    ///
    /// The value may contain `=` and `:`. An `int` becomes `u32` where it fits, else `i64`; a `float` becomes the
    /// nearest `f32`, so that `1e-5` is the same number as in a file.
    pub fn apply_override(&mut self, text: &str) -> Result<()> {
        let bad = |reason: &str| Error::BadOverride { text: text.to_owned(), reason: reason.to_owned() };
        let (key, rest) = text.split_once('=').ok_or_else(|| bad("there is no `=`"))?;
        let (kind, value) = rest.split_once(':').ok_or_else(|| bad("there is no `:` after the type"))?;
        check_key(key).map_err(|reason| bad(&format!("the key cannot be used: {reason}")))?;
        let value = match kind {
            "int" => {
                let v: i64 = value.parse().map_err(|_| bad("the value is not an integer of 64 bits"))?;
                u32::try_from(v).map_or(Value::I64(v), Value::U32)
            }
            "float" => match value.parse::<f32>() {
                Ok(v) if v.is_finite() => Value::F32(v),
                _ => return Err(bad("the value is not a finite number")),
            },
            "bool" => Value::Bool(value.parse().map_err(|_| bad("the value is neither true nor false"))?),
            "str" => Value::String(value.to_owned()),
            _ => return Err(bad("the type is not known")),
        };
        self.insert(key, value);
        Ok(())
    }
}

fn missing(key: &str) -> Error {
    Error::MissingKey { key: key.to_owned() }
}

fn wrong_type(key: &str, value: &Value, expected: &'static str) -> Error {
    Error::WrongType { key: key.to_owned(), found: value.type_name(), expected }
}

/// All numbers in another type, if there is memory and each has a place in it.
fn convert<T: Copy, U: Clone>(numbers: &[T], to: impl Fn(T) -> Option<U>) -> Option<Cow<'static, [U]>> {
    let mut out = Vec::new();
    out.try_reserve_exact(numbers.len()).ok()?;
    for &number in numbers {
        out.push(to(number)?);
    }
    Some(Cow::Owned(out))
}
