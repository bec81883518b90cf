//! The files themselves: read whole within a limit, told from what downloads leave in their place, and parsed; and keys of
//! their objects, by type.

use crate::allocate::{try_with_capacity, try_zeroed};
use crate::convert::Folder;
use crate::{Error, Result};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt;

/// The longest text that is read: tokenizer.json of the largest vocabularies has half of it.
const MAX_TEXT: u64 = 64 << 20;
/// The longest that is parsed into values: tokenizer_config.json with thousands of added tokens has an eighth of it.
const MAX_OBJECT: usize = 8 << 20;
/// Most values that are held of a file, of [`UNREAD`] apart. One takes 640 bytes at most, an object with one key.
const MAX_VALUES: usize = 1 << 15;
/// Keys that nothing here reads, and that have thousands of values where tokens have been added: those of
/// tokenizer.json count.
const UNREAD: [&str; 3] = ["added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"];

/// A checkpoint that is not as it must be.
pub(super) fn bad(file: &str, what: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::BadCheckpoint { file: file.to_owned(), what: what.into(), reason: reason.into() }
}

/// A checkpoint that asks for what this engine does not do.
pub(super) fn unsupported(file: &str, what: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::UnsupportedCheckpoint { file: file.to_owned(), what: what.into(), reason: reason.into() }
}

/// Whether the folder has a file.
pub(super) fn has(folder: &impl Folder, file: &str) -> bool {
    folder.files().iter().any(|(name, _)| name == file)
}

/// The bytes of a file, without a byte order mark; `None` if there is no such file.
pub(super) fn bytes(folder: &mut impl Folder, file: &str) -> Result<Option<Vec<u8>>> {
    let Some((_, size)) = folder.files().iter().find(|(name, _)| name == file) else { return Ok(None) };
    let size = *size;
    if size == 0 {
        return Err(bad(file, "its bytes", "the file is empty: download it again"));
    }
    if size > MAX_TEXT {
        return Err(bad(file, "its bytes", format!("{size} of them are no such text: at most {MAX_TEXT} are read")));
    }
    let mut bytes = try_zeroed(size as usize, file)?; // at most MAX_TEXT
    folder.read(file, 0, &mut bytes)?;
    if bytes.starts_with(b"version https://git-lfs") {
        let reason = "this is a pointer of Git LFS, not the file: fetch it with `git lfs pull`";
        return Err(bad(file, "its bytes", reason));
    }
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    Ok(Some(bytes))
}

/// A text file.
pub(super) fn text(folder: &mut impl Folder, file: &str) -> Result<Option<String>> {
    let Some(bytes) = bytes(folder, file)? else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(e) => Err(bad(file, format!("byte {}", e.utf8_error().valid_up_to()), "not UTF-8: download it again")),
    }
}

/// Why a file could not be parsed.
pub(super) fn not_json(file: &str, bytes: &[u8], error: &serde_json::Error) -> Error {
    let message = error.to_string();
    // Of an error in an error the class is lost.
    let is_cut = error.is_eof() || message.contains("EOF while parsing");
    let hint = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => "it is a web page: download the file itself",
        _ if is_cut => "it is cut short: download it again",
        _ => "download it again, or mend it",
    };
    // It may quote the file.
    let error: String = message.chars().take(200).collect();
    bad(file, "its JSON", format!("{error}; {hint}"))
}

/// As much memory as the parser may take for values in a text of `len` bytes: for each two bytes of text one, and the texts.
pub(super) fn try_ahead(len: usize, file: &str) -> Result<()> {
    const VALUE_BYTES: usize = 640;
    crate::allocate::try_ahead((len / 2).min(MAX_VALUES).saturating_mul(VALUE_BYTES).saturating_add(len), file)
}

/// A file that is one JSON object; `None` if there is no such file.
pub(super) fn object(folder: &mut impl Folder, file: &str) -> Result<Option<Map<String, Value>>> {
    let Some(bytes) = bytes(folder, file)? else { return Ok(None) };
    if bytes.len() > MAX_OBJECT {
        let reason = format!("{} bytes are no such text: at most {MAX_OBJECT} are read", bytes.len());
        return Err(bad(file, "its bytes", reason));
    }
    try_ahead(bytes.len(), file)?;
    let parsed: Result<Top> = serde_json::from_slice(&bytes).or_else(|error| {
        // What Python's json writes for numbers that are none.
        let quoted = quote_python_numbers(&bytes)?;
        quoted.map_or(Err(not_json(file, &bytes, &error)), |quoted| {
            serde_json::from_slice(&quoted).map_err(|error| not_json(file, &bytes, &error))
        })
    });
    Ok(Some(parsed?.0))
}

/// An object that is a whole file.
struct Top(Map<String, Value>);

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Top;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Top, A::Error> {
                let (mut found, mut left) = (Map::new(), MAX_VALUES);
                while let Some(key) = map.next_key::<String>()? {
                    if UNREAD.contains(&key.as_str()) {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let value = map.next_value_seed(Bounded { key: &key, left: &mut left })?;
                    found.insert(key, value);
                }
                Ok(Top(found))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The value of a key that has just been read, of [`MAX_VALUES`] at most; `None` if it is null.
pub(super) fn bounded<'de, A: MapAccess<'de>>(map: &mut A, key: &str) -> std::result::Result<Option<Value>, A::Error> {
    let value = map.next_value_seed(Bounded { key, left: &mut { MAX_VALUES } })?;
    Ok(Some(value).filter(|value| !value.is_null()))
}

/// A value of no more than `left` values: it, what is in it, and so on.
struct Bounded<'a> {
    /// What messages name.
    key: &'a str,
    left: &'a mut usize,
}

impl Bounded<'_> {
    fn again(&mut self) -> Bounded<'_> {
        Bounded { key: self.key, left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        let Some(left) = self.left.checked_sub(1) else {
            let key = crate::tokenizer::shown(self.key);
            return Err(D::Error::custom(format!(
                "more than {MAX_VALUES} values, at `{key}`: no such file of a model has so many"
            )));
        };
        *self.left = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self.again())? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(key) = map.next_key()? {
            found.insert(key, map.next_value_seed(self.again())?);
        }
        Ok(Value::Object(found))
    }
}

/// The text with `Infinity`, `-Infinity` and `NaN` as strings, if it has any.
fn quote_python_numbers(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let number = [&b"-Infinity"[..], b"Infinity", b"NaN"].into_iter().find(|n| rest.starts_with(n));
        match (bytes[at], number) {
            (b'\\', _) if in_string => at += 1,
            (b'"', _) => in_string = !in_string,
            (_, Some(number)) if !in_string => {
                if out.is_none() {
                    // Each of them, of 3 bytes or more, gets two quotes.
                    out = Some(try_with_capacity(bytes.len() / 3 * 5 + 2, "config.json")?);
                }
                let Some(out) = &mut out else { continue };
                out.extend_from_slice(&bytes[copied..at]);
                out.push(b'"');
                out.extend_from_slice(number);
                out.push(b'"');
                at += number.len();
                copied = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(&bytes[copied..]);
    }
    Ok(out)
}

/// What a value is, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The beginning of a foreign value, for messages.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        Value::String(text) => format!("\"{}\"", crate::tokenizer::shown(text)),
        other => other.to_string(),
    }
}

/// The first of some things, for messages, and how many more there are.
pub(super) fn a_few<T>(things: &[T], show: impl Fn(&T) -> String) -> String {
    const MOST: usize = 5;
    let shown: Vec<String> = things.iter().take(MOST).map(show).collect();
    match things.len() {
        0..=MOST => shown.join(", "),
        all => format!("{} and {} more", shown.join(", "), all - MOST),
    }
}

/// Tells what a list may give reason to tell again and again.
pub(super) fn note_once(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// An object and its place, whose keys are read by type. A key that is null is as one that is not there.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) file: &'static str,
    /// The key of the file that the object is, if it is not the whole of it.
    pub(super) parent: Option<&'static str>,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(super) fn new(file: &'static str, map: &'a Map<String, Value>) -> Self {
        Self { file, parent: None, map }
    }

    /// A key as messages name it.
    pub(super) fn name(&self, key: &str) -> String {
        match self.parent {
            None => format!("`{key}`"),
            Some(parent) => format!("`{parent}.{key}`"),
        }
    }

    pub(super) fn bad(&self, key: &str, reason: impl Into<String>) -> Error {
        bad(self.file, self.name(key), reason)
    }

    pub(super) fn unsupported(&self, key: &str, reason: impl Into<String>) -> Error {
        unsupported(self.file, self.name(key), reason)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn typed<T>(&self, key: &str, expected: &str, pick: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match pick(value) {
            Some(picked) => Ok(Some(picked)),
            None => Err(self.bad(key, format!("expected {expected}, it is {}", shown(value)))),
        }
    }

    /// An integer from 1 to `max`.
    pub(super) fn count(&self, key: &str, max: u32) -> Result<Option<u32>> {
        let range = format!("a whole number from 1 to {max}");
        self.typed(key, &range, |value| {
            // Some writers have 8192.0.
            let number = value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as u64));
            number.and_then(|number| u32::try_from(number).ok()).filter(|number| (1..=max).contains(number))
        })
    }

    /// The same, which must be there.
    pub(super) fn require_count(&self, key: &str, max: u32) -> Result<u32> {
        self.count(key, max)?.ok_or_else(|| self.bad(key, "it is missing"))
    }

    /// A number above zero, which F32 holds: the graph has no wider ones.
    pub(super) fn positive(&self, key: &str) -> Result<Option<f64>> {
        let held = |number: &f64| *number as f32 > 0.0 && (*number as f32).is_finite();
        self.typed(key, "a number above zero that F32 holds", |value| value.as_f64().filter(held))
    }

    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a text", Value::as_str)
    }

    pub(super) fn list(&self, key: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(key, "a list", Value::as_array)
    }

    pub(super) fn object(&self, key: &'static str) -> Result<Option<Object<'a>>> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| Object { file: self.file, parent: Some(key), map }))
    }

    /// Numbers of tokens: one or a list.
    pub(super) fn ids(&self, key: &str) -> Result<Vec<i64>> {
        let ids = self.typed(key, "a token's number or a list of them", |value| match value {
            Value::Array(ids) => ids.iter().map(Value::as_i64).collect(),
            one => one.as_i64().map(|id| vec![id]),
        })?;
        Ok(ids.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_python_become_texts_outside_of_texts() {
        let quoted = |text: &str| quote_python_numbers(text.as_bytes()).unwrap().map(|q| String::from_utf8(q).unwrap());
        assert_eq!(quoted(r#"{"a": [1, "Infinity \" NaN"]}"#), None);
        assert_eq!(
            quoted(r#"{"NaN": [0.0, Infinity, -Infinity], "b\\": NaN}"#).as_deref(),
            Some(r#"{"NaN": [0.0, "Infinity", "-Infinity"], "b\\": "NaN"}"#)
        );
    }
}
