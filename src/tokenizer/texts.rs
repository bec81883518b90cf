//! Tokens by their texts, as the file stores them.

use super::alphabet::shown;
use super::vocabulary::tokens;
use crate::gguf::{Metadata, Strings};
use crate::{Error, Result};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// The tokens' texts in one buffer, and which token a text is.
pub(super) struct Texts {
    texts: Strings,
    /// Numbers of tokens by the hash of their text; keyed, as files come from anywhere.
    ids: HashTable<u32>,
    keys: RandomState,
    longest: usize,
}

impl Texts {
    /// The tokens of a file. A text that two tokens have is the first of them; no text is empty, or not UTF-8.
    pub(super) fn new(m: &Metadata, notes: &mut Vec<String>) -> Result<Self> {
        let texts = tokens(m)?.try_clone("the tokenizer's vocabulary")?;
        let mut made = Self { texts, ids: HashTable::new(), keys: RandomState::new(), longest: 0 };
        let count = made.texts.len();
        let no_room = |_| Error::OutOfMemory {
            what: "the tokenizer's vocabulary".to_owned(),
            bytes: count as u64 * 2 * size_of::<u32>() as u64,
        };
        made.ids.try_reserve(count, |_| 0).map_err(no_room)?;
        let (mut twins, mut first_twins, mut empty) = (0, None, 0);
        for (id, text) in (0u32..).zip(made.texts.iter_bytes()) {
            if text.is_empty() {
                empty += 1;
            }
            if text.is_empty() || std::str::from_utf8(text).is_err() {
                continue;
            }
            let hash = made.keys.hash_one(text);
            match made.ids.find(hash, |&other| made.texts.bytes(other as usize) == Some(text)) {
                Some(&first) => {
                    twins += 1;
                    first_twins.get_or_insert((id, first));
                }
                None => {
                    made.longest = made.longest.max(text.len());
                    // There is room for all of them: nothing is hashed again.
                    made.ids.insert_unique(hash, id, |_| 0);
                }
            }
        }
        if let Some((id, first)) = first_twins {
            let text = made.texts.get(id as usize).unwrap_or_default();
            notes.push(format!(
                "{twins} tokens have the text of one before them, as {id} that of {first} (`{}`): text becomes the first",
                shown(&text)
            ));
        }
        if empty > 0 {
            notes.push(format!("{empty} tokens are empty: no text becomes one of them"));
        }
        Ok(made)
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The token that a text is.
    pub(super) fn id(&self, text: &[u8]) -> Option<u32> {
        if text.len() > self.longest {
            return None;
        }
        let same = |&id: &u32| self.texts.bytes(id as usize) == Some(text);
        self.ids.find(self.keys.hash_one(text), same).copied()
    }

    /// A token's text.
    pub(super) fn text(&self, id: u32) -> Option<&[u8]> {
        self.texts.bytes(id as usize)
    }
}
