//! JSON as a schema needs it: numbers as they are written, keys in their order, none twice.

use crate::error::quoted;
use crate::{Error, limits, number};
use serde::de::IgnoredAny;
use std::collections::HashSet;

/// A JSON value. A number is its text, so nothing of it is rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    /// For a message: what it is, and the value if it is short.
    pub(crate) fn told(&self) -> String {
        match self {
            Json::Number(text) => format!("the number {}", quoted(text, 40).replace('"', "")),
            Json::String(text) => format!("the string {}", quoted(text, 40)),
            Json::Bool(value) => value.to_string(),
            other => other.kind().into(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text that an answer has for it, as Python's `json.dumps(value, ensure_ascii=False)` writes it.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(&number::written(text)),
            Json::String(text) => out.push_str(&string(text)),
            Json::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (n, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    out.push_str(&string(key));
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// `text` between quotes, with the escapes that it must have, each in its one spelling that [`crate::pattern`] writes too.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match escape(c) {
            Some(escape) => out.push_str(&escape),
            None => out.push(c),
        }
    }
    out.push('"');
    out
}

/// How a character is written that can't stand for itself in a string. DEL could; terminals act on it.
pub(crate) fn escape(c: char) -> Option<String> {
    Some(match c {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\u{8}' => "\\b".into(),
        '\u{c}' => "\\f".into(),
        '\0'..='\u{1f}' | '\u{7f}' => format!("\\u{:04x}", c as u32),
        _ => return None,
    })
}

/// Reads a whole text. A byte order mark before it, as PowerShell and Notepad write one, is left out.
pub(crate) fn read(text: &str) -> Result<Json, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Error("the text is empty: no JSON".into()));
    }
    let (value, end) = read_front(text)?;
    match text[end..].trim_start_matches([' ', '\t', '\r', '\n']) {
        "" => Ok(value),
        rest => Err(Error(format!("JSON ends, and text follows it at line {}", line(text, text.len() - rest.len())))),
    }
}

/// Reads the value that `text` begins with, and where it ends.
pub(crate) fn read_front(text: &str) -> Result<(Json, usize), Error> {
    if text.len() > limits::TEXT {
        return Err(Error(format!("{} bytes of JSON: more than the limit of {}", text.len(), limits::TEXT)));
    }
    // What is JSON and where it is not is the library's to say. What is read below is known to be JSON.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {}
        Some(Err(why)) => return Err(Error(format!("not JSON: {why}"))),
        None => return Err(Error("the text is empty: no JSON".into())),
    }
    let end = values.byte_offset();
    let mut reader = Reader { text: &text[..end], at: 0, values: 0 };
    Ok((reader.value(0)?, end))
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, why: impl std::fmt::Display) -> Result<T, Error> {
        Err(Error(format!("{why} (line {})", line(self.text, self.at))))
    }

    fn peek(&mut self) -> u8 {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        rest.as_bytes().first().copied().unwrap_or(0)
    }

    /// Takes what is there if it is `byte`.
    fn took(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Json, Error> {
        self.values += 1;
        if depth > limits::DEPTH {
            return self.fail(format_args!("JSON nested more than {} levels deep", limits::DEPTH));
        }
        if self.values > limits::VALUES {
            return self.fail(format_args!("more than {} values: too large", limits::VALUES));
        }
        Ok(match self.peek() {
            b'{' => Json::Object(self.object(depth)?),
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.took(b']') {
                    items.push(self.value(depth + 1)?);
                    self.took(b',');
                }
                Json::Array(items)
            }
            b'"' => Json::String(self.string()?),
            _ => {
                let rest = &self.text[self.at..];
                let word = rest.split([' ', '\t', '\r', '\n', ',', ']', '}', ':']).next().unwrap_or("");
                if word.is_empty() {
                    return self.fail("not JSON");
                }
                self.at += word.len();
                match word {
                    "null" => Json::Null,
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    number => Json::Number(number.to_owned()),
                }
            }
        })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<(String, Json)>, Error> {
        self.at += 1;
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        while !self.took(b'}') {
            self.peek();
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                return self.fail(format_args!("the key {} stands twice in an object", quoted(&key, 60)));
            }
            self.took(b':');
            entries.push((key, self.value(depth + 1)?));
            self.took(b',');
        }
        Ok(entries)
    }

    fn string(&mut self) -> Result<String, Error> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while bytes.get(end).is_some_and(|&b| b != b'"') {
            end += 1 + usize::from(bytes[end] == b'\\');
        }
        let Some(text) = self.text.get(self.at..=end) else { return self.fail("not JSON") };
        match serde_json::from_str(text) {
            Ok(string) => {
                self.at = end + 1;
                Ok(string)
            }
            Err(why) => self.fail(format_args!(
                "a string that is none: {}",
                why.to_string().split(" at line").next().unwrap_or("")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_order_are_kept() {
        let value = read(
            "\u{feff}{\"b\": [1.50, 12345678901234567890, -0, 1e2], \"a\": {\"\\u00e4\\n\": \"\\ud83e\\udd8a\"}}\r\n",
        )
        .unwrap();
        let mut out = String::new();
        value.write(&mut out);
        assert_eq!(out, "{\"b\": [1.5, 12345678901234567890, 0, 100], \"a\": {\"ä\\n\": \"🦊\"}}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, says) in [
            ("", "empty"),
            ("{\n  \"a\": 1,\n  \"b\": {,}\n}", "line 3"),
            ("{\n\"a\": 1,\n\"a\": 2}", "\"a\" stands twice in an object (line 3)"),
            ("[1, 2] 3", "line 1"),
            ("\"\\ud800\"", "hex escape"),
            ("{\"a\": \"b", "EOF"),
            ("nul", "line 1"),
        ] {
            let why = read(text).unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        let deep = "[".repeat(limits::DEPTH + 2) + &"]".repeat(limits::DEPTH + 2);
        assert!(read(&deep).unwrap_err().to_string().contains("deep"));
    }
}
