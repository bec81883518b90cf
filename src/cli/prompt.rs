//! Text from options and files, read as llama-cli reads it.

use super::{Outcome, terminal};
use std::path::Path;

/// Escape sequences of an option's text become what they stand for: `\n`, `\r`, `\t`, `\'`, `\"`, `\\` and `\x41`. Others
/// stay as they are.
pub(crate) fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let after = &rest[at + 1..];
        let (byte, taken) = match after.bytes().next() {
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(quoted @ (b'\'' | b'"' | b'\\')) => (quoted, 1),
            Some(b'x') => match hexadecimal(after) {
                Some(byte) => (byte, 3),
                None => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        bytes.push(byte);
        rest = &after[taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|error| {
        let shown = terminal::bytes(error.as_bytes());
        format!("its escapes \\x.. make bytes that are not UTF-8: `{shown}`; --no-escape takes the text as it is")
    })
}

/// The byte of `x41`.
fn hexadecimal(text: &str) -> Option<u8> {
    let digits = text.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

/// A file's text without the line feed that editors put at its end.
pub(crate) fn file(path: &Path) -> Outcome<String> {
    let mut text = whole_file(path)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// A file's text.
pub(crate) fn whole_file(path: &Path) -> Outcome<String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", terminal::path(path)))?;
    utf8(bytes).map_err(|reason| format!("{}: {reason}", terminal::path(path)).into())
}

/// Bytes that must be text.
pub(crate) fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|e| format!("it is not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_llama_cli() {
        for (text, expected) in [
            (r"one\ntwo", "one\ntwo"),
            (r#"\r\t\'\"\\"#, "\r\t'\"\\"),
            (r"\\n", r"\n"),
            (r"\x41\x0a\x00z", "A\n\0z"),
            (r"\xc3\xa9\xC3\xA9", "éé"),
            (r"\x4", r"\x4"),
            (r"\xzz \x+1 \x", r"\xzz \x+1 \x"),
            (r"\x€", r"\x€"),
            (r"\q \é \0", r"\q \é \0"),
            (r"the end\", r"the end\"),
            ("", ""),
            ("no escapes: naïve", "no escapes: naïve"),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(expected), "{text}");
        }
        let refused = unescape(r"a\xff").unwrap_err();
        assert!(refused.contains(r"`a\xff`") && refused.contains("--no-escape"), "{refused}");
        assert!(unescape(r"é\xa9").is_err());
    }
}
