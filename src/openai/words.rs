//! Values and names in a few words, as people are shown them.

use serde_json::{Number, Value};
use std::fmt::Write as _;

const LONGEST: usize = 60;

/// A value: strings in quotes, so that `"3"` is told from `3`; of objects and arrays their kind alone.
pub(super) fn show(value: Option<&Value>) -> String {
    match value {
        None => "undefined".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => show_number(number),
        Some(Value::String(text)) => quoted(text),
        Some(Value::Array(list)) if list.is_empty() => "an empty array".to_owned(),
        Some(Value::Array(_)) => "an array".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
    }
}

/// As JavaScript writes a number, but with all digits of a whole one.
fn show_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    if float == 0.0 {
        return if float.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let size = float.abs();
    if (1e-6..1e21).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    if size < 1.0 { text } else { text.replace('e', "e+") }
}

/// In quotes, and cut where it is long. Characters that would not be seen, or would turn the line around, are written as escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > LONGEST
    });
    let short = match end {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let mut escaped = String::new();
    for c in Value::from(short).to_string().chars() {
        let hidden = matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hidden {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A name as it is, unless it could not be read in a line of text.
pub(super) fn word(name: &str) -> String {
    if is_word(name) { name.to_owned() } else { quoted(name) }
}

/// The same for a header: of ASCII alone, and without commas.
pub(super) fn header_word(name: &str) -> String {
    if is_word(name) {
        return name.to_owned();
    }
    let mut escaped = String::new();
    for unit in quoted(name).encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if (b' '..0x7f).contains(&byte) && byte != b',' => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn is_word(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `a, b or c`.
pub(super) fn enumerated(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} or {last}", some.join(", ")),
    }
}
