//! Keeps special strings inside messages from becoming special tokens.
//!
//! Before rendering, wherever a message could begin the string of a control token, that first character is replaced by
//! a private-use character that occurs nowhere else. The template may trim, cut and join as it likes. After the special
//! tokens are found in the rendered text, the characters are put back. Two characters must agree before one is
//! replaced: `<|` is, while a template still finds a `</think>` to cut at. Case is no difference: templates capitalise.

use super::Message;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Messages made harmless, and the way back.
pub(super) struct Protected<'m> {
    messages: Cow<'m, [Message]>,
    /// Private-use character to the one it stands for.
    originals: HashMap<char, char>,
}

impl<'m> Protected<'m> {
    pub(super) fn new(tokenizer: &Tokenizer, messages: &'m [Message], template: &str) -> Result<Self> {
        let mut firsts = HashSet::new();
        let mut pairs = HashSet::new();
        for token in tokenizer.control_texts() {
            let mut chars = token.chars().map(fold);
            if let Some(first) = chars.next() {
                firsts.insert(first);
                pairs.insert((first, chars.next()));
            }
        }
        let begins = |c: char, rest: &str| {
            let c = fold(c);
            firsts.contains(&c)
                && (rest.trim_end().is_empty()
                    || pairs.contains(&(c, None))
                    || pairs.contains(&(c, rest.chars().next().map(fold))))
        };
        let texts = || messages.iter().flat_map(|m| [m.role.as_str(), m.content.as_str()]);
        let needed: HashSet<char> = texts()
            .flat_map(|text| text.char_indices().filter(|&(i, c)| begins(c, &text[i + c.len_utf8()..])))
            .map(|(_, c)| c)
            .collect();
        if needed.is_empty() {
            return Ok(Self { messages: Cow::Borrowed(messages), originals: HashMap::new() });
        }

        let used: HashSet<char> = texts().chain([template]).flat_map(str::chars).filter(|c| *c >= PRIVATE).collect();
        let mut free = (PRIVATE..=char::MAX).filter(|c| !used.contains(c));
        let mut stand_ins = HashMap::new();
        for c in needed {
            let stand_in = free.next().ok_or_else(|| Error::BadTemplate {
                reason: "the messages use every private-use character there is".to_owned(),
            })?;
            stand_ins.insert(c, stand_in);
        }
        let replace = |text: &str| -> String {
            let stand_in = |(i, c): (usize, char)| match stand_ins.get(&c) {
                Some(&stand_in) if begins(c, &text[i + c.len_utf8()..]) => stand_in,
                _ => c,
            };
            text.char_indices().map(stand_in).collect()
        };
        let messages = messages.iter().map(|m| Message::new(replace(&m.role), replace(&m.content))).collect();
        Ok(Self { messages: Cow::Owned(messages), originals: stand_ins.into_iter().map(|(c, s)| (s, c)).collect() })
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Puts the characters back.
    pub(super) fn restore<'t>(&self, piece: &'t str) -> Cow<'t, str> {
        if !piece.contains(|c| self.originals.contains_key(&c)) {
            return Cow::Borrowed(piece);
        }
        Cow::Owned(piece.chars().map(|c| *self.originals.get(&c).unwrap_or(&c)).collect())
    }
}

/// The first of the supplementary private-use characters.
const PRIVATE: char = '\u{F0000}';

/// What all cases of a character have in common; of ſ and s too.
fn fold(c: char) -> char {
    c.to_uppercase().flat_map(char::to_lowercase).next().unwrap_or(c)
}
