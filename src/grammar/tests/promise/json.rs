//! A scanner of JSON that lets nothing pass: no key twice, no half of a surrogate pair, no NaN, nothing before or after the value.
//! Numbers stay as they are written.

use serde_json::Value;
use std::collections::HashSet;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`, `true` or `false`.
    Word(&'static str),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// The one value in `text`, without white space around it.
pub(crate) fn strict(text: &str) -> Result<Json, String> {
    let mut scanner = Scanner { text, at: 0 };
    let value = scanner.value()?;
    if scanner.at < text.len() {
        return scanner.wrong("text after the value");
    }
    Ok(value)
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn wrong<T>(&self, why: &str) -> Result<T, String> {
        Err(format!("byte {}: {why}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.peek() {
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'[') => self.array(),
            Some(b'{') => self.object(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for word in ["null", "true", "false"] {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(Json::Word(word));
                    }
                }
                self.wrong("no value")
            }
        }
    }

    fn array(&mut self) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return self.wrong("neither , nor ]");
            }
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        self.at += 1;
        let (mut members, mut keys) = (Vec::new(), HashSet::new());
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.wrong("no key");
            }
            let key = self.string()?;
            if !keys.insert(key.clone()) {
                return self.wrong(&format!("the key {key:?} twice"));
            }
            self.space();
            if !self.take(b':') {
                return self.wrong("no colon");
            }
            self.space();
            members.push((key, self.value()?));
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return self.wrong("neither , nor }");
            }
        }
    }

    fn digits(&mut self) -> Result<(), String> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { self.wrong("no digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json, String> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Json::Number(self.text[from..self.at].to_owned()))
    }

    fn unit(&mut self) -> Result<u32, String> {
        let hex = self.text.get(self.at..self.at + 4).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(hex) = hex else { return self.wrong("no four hexadecimal digits") };
        self.at += 4;
        Ok(u32::from_str_radix(hex, 16).expect("hexadecimal digits"))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.text[self.at..].chars().next() else {
                return self.wrong("the text ends in a string");
            };
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(text),
                '\0'..='\x1f' => return self.wrong("a control character in a string"),
                '\\' => {
                    let Some(escape) = self.peek() else { return self.wrong("the text ends in an escape") };
                    self.at += 1;
                    text.push(match escape {
                        b'"' | b'\\' | b'/' => char::from(escape),
                        b'b' => '\x08',
                        b'f' => '\x0c',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => {
                            let mut code = self.unit()?;
                            if (0xd800..0xdc00).contains(&code) && self.take(b'\\') && self.take(b'u') {
                                let low = self.unit()?;
                                if !(0xdc00..0xe000).contains(&low) {
                                    return self.wrong("half of a surrogate pair");
                                }
                                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                            }
                            match char::from_u32(code) {
                                Some(character) => character,
                                None => return self.wrong("half of a surrogate pair"),
                            }
                        }
                        _ => return self.wrong("an unknown escape"),
                    });
                }
                _ => text.push(character),
            }
        }
    }
}

impl Json {
    /// The value as the validator takes it: numbers beyond its types are an error.
    pub(crate) fn value(&self) -> Result<Value, String> {
        Ok(match self {
            Json::Word("null") => Value::Null,
            Json::Word(word) => Value::Bool(*word == "true"),
            Json::Number(digits) => {
                Value::Number(serde_json::from_str(digits).map_err(|why| format!("{digits:.60}: {why}"))?)
            }
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => Value::Array(items.iter().map(Json::value).collect::<Result<_, _>>()?),
            Json::Object(members) => {
                Value::Object(members.iter().map(|(k, v)| Ok((k.clone(), v.value()?))).collect::<Result<_, String>>()?)
            }
        })
    }

    /// The value as text, with these between items, and between a key and its value.
    pub(crate) fn write(&self, style: (&str, &str), out: &mut String) {
        match self {
            Json::Word(word) => out.push_str(word),
            Json::Number(digits) => out.push_str(digits),
            Json::String(text) => out.push_str(&Value::from(text.as_str()).to_string()),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { style.0 } else { "" });
                    item.write(style, out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { style.0 } else { "" });
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push_str(style.1);
                    value.write(style, out);
                }
                out.push('}');
            }
        }
    }
}

#[test]
fn the_scanner_lets_nothing_pass() {
    for right in [
        r#"{"a":[1,-0.5e+7,"\ud83e\udd8a\n\/",null,true,false,{}],"b":""}"#,
        "0",
        "[ 1 , 2 ]",
        r#""ä""#,
        r#"{"a":{"a":1}}"#,
    ] {
        assert!(strict(right).is_ok(), "{right}");
    }
    for wrong in [
        "",
        " 1",
        "1 ",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "--1",
        "NaN",
        "nul",
        "[1,]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{a:1}",
        "{\"a\" 1}",
        "\"\\ud83e\"",
        "\"\\udd8a\"",
        "\"\\ud83e\\u0061\"",
        "\"\\x\"",
        "\"\n\"",
        "\"a",
        "[",
        "{\"a\":1}}",
        "\"\\u12\"",
    ] {
        assert!(strict(wrong).is_err(), "{wrong}");
    }
}
