//! No key twice: what a grammar can't say, since it would have to remember all keys that an object has had.
//!
//! The text of an answer is followed byte by byte. A token that would end a key which its object has already is taken out of the mask.
//! A key has one spelling in an answer ([`crate::json::escape`]), so keys are compared as they are written.

use llguidance::toktrie::Recognizer;

/// Where the text of an answer stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    /// Lists and objects around.
    open: Vec<Level>,
    string: Option<Text>,
    /// Text lies around the JSON, whose quotes mean nothing.
    in_text: bool,
}

#[derive(Debug, Clone)]
struct Level {
    object: bool,
    /// A string that begins here is a key.
    key_next: bool,
    keys: Vec<Box<[u8]>>,
}

#[derive(Debug, Clone, Default)]
struct Text {
    key: bool,
    escaped: bool,
    /// Of a key, what was written of it.
    bytes: Vec<u8>,
}

impl Keys {
    /// Follows JSON, or a text with JSON in it.
    pub(crate) fn new(in_text: bool) -> Self {
        Keys { in_text, ..Keys::default() }
    }

    /// Whether all that was opened is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.open.is_empty() && self.string.is_none()
    }

    /// Whether an object that is open has a key: only then can a token with one key bring it again.
    pub(crate) fn any(&self) -> bool {
        self.open.iter().any(|level| !level.keys.is_empty())
    }

    /// Takes text. False where it brings a key twice.
    pub(crate) fn take(&mut self, text: &[u8]) -> bool {
        text.iter().all(|&byte| self.byte(byte))
    }

    fn byte(&mut self, byte: u8) -> bool {
        if let Some(text) = &mut self.string {
            if text.escaped {
                text.escaped = false;
            } else if byte == b'"' {
                let text = self.string.take().unwrap_or_default();
                return !text.key || self.end_key(text.bytes);
            } else {
                text.escaped = byte == b'\\';
            }
            if text.key {
                text.bytes.push(byte);
            }
            return true;
        }
        match byte {
            b'"' if !self.open.is_empty() || !self.in_text => {
                let key = self.open.last().is_some_and(|level| level.object && level.key_next);
                self.string = Some(Text { key, ..Text::default() });
            }
            b'{' | b'[' => self.open.push(Level { object: byte == b'{', key_next: true, keys: Vec::new() }),
            b'}' | b']' => drop(self.open.pop()),
            b',' => self.expect(true),
            b':' => self.expect(false),
            _ => {}
        }
        true
    }

    fn expect(&mut self, key: bool) {
        if let Some(level) = self.open.last_mut() {
            level.key_next = key;
        }
    }

    fn end_key(&mut self, key: Vec<u8>) -> bool {
        let Some(level) = self.open.last_mut() else { return true };
        if level.keys.iter().any(|known| **known == *key) {
            return false;
        }
        level.keys.push(key.into());
        true
    }

    /// Whether `token`, as what comes next, would bring a key twice.
    pub(crate) fn repeats(&self, token: &[u8]) -> bool {
        // The common cases, without a copy: all of the token lies in one string, or ends a key that is new.
        if let Some(text) = &self.string {
            let mut escaped = text.escaped;
            let end = token.iter().position(|&byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            let Some(end) = end else { return false };
            if text.key {
                let level = self.open.last();
                let same = |known: &[u8]| known.strip_prefix(&text.bytes[..]).is_some_and(|rest| *rest == token[..end]);
                if level.is_some_and(|level| level.keys.iter().any(|known| same(known))) {
                    return true;
                }
            }
            if !token[end + 1..].contains(&b'"') {
                return false;
            }
        }
        !self.clone().take(token)
    }

    /// Where a key is to come or half there: what is written of it (`None` before its quote), and the keys that it must not be. `None`
    /// where it can't become one of these any more.
    pub(crate) fn half(&self) -> Option<Half<'_>> {
        let level = self.open.last().filter(|level| level.object && level.key_next && !level.keys.is_empty())?;
        match &self.string {
            None => Some((None, &level.keys)),
            Some(text) => {
                level.keys.iter().any(|key| key.starts_with(&text.bytes)).then_some((Some(&text.bytes), &level.keys))
            }
        }
    }
}

/// What is written of a key, and those that its object has.
type Half<'a> = (Option<&'a [u8]>, &'a [Box<[u8]>]);

/// Whether a key that is none of `used` can still come where `bytes` are written of it, by what `parser` lets through.
pub(crate) fn another(parser: &mut impl Recognizer, bytes: &mut Vec<u8>, used: &[Box<[u8]>]) -> bool {
    if bytes.len() > crate::limits::KEY_BYTES {
        return true;
    }
    let escaped = bytes.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
    for byte in 0..=0xff {
        if !parser.try_push_byte(byte) {
            continue;
        }
        let found = if byte == b'"' && !escaped {
            !used.iter().any(|key| **key == **bytes)
        } else {
            bytes.push(byte);
            // What no used key begins with becomes none of them.
            let found = !used.iter().any(|key| key.starts_with(bytes)) || another(parser, bytes, used);
            bytes.pop();
            found
        };
        parser.pop_bytes(1);
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_once() {
        for (text, right) in [
            (r#"{"a": 1, "b": {"a": [{"a": 1}, {"a": 2}]}, "ab": "a", "c": "\"a"}"#, true),
            (r#"{"a": 1, "a": 2}"#, false),
            (r#"{"b": {"x": 1}, "c": 1, "b": 2}"#, false),
            (r#"[{"a\\": 1, "a": 1}, {"\"": 1, "\\\"": 2}]"#, true),
            (r#"{"": 1, "": 2}"#, false),
            (r#""{\"a\":1,\"a\":2}""#, true),
        ] {
            assert_eq!(Keys::new(false).take(text.as_bytes()), right, "{text}");
            // However it is cut.
            for cut in 0..text.len() {
                let mut keys = Keys::new(false);
                if keys.take(&text.as_bytes()[..cut]) {
                    assert_eq!(!keys.repeats(&text.as_bytes()[cut..]), right, "{text} at {cut}");
                }
            }
        }
        let mut keys = Keys::new(true);
        assert!(keys.take(b"it's \"<call>\"\n{\"a\": {\"b\": 1}}\n\"{\"a\": 1}") && keys.is_closed());
    }
}
