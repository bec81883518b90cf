//! What is encoded, and one number for all ids of it.

use crate::texts::{self, Text};
use crate::vocabulary::Vocabulary;
use b158::tokenizer::Tokenizer;
use std::collections::BTreeMap;

/// FNV-1a-64 of the ids of many texts, in little-endian bytes, each text's followed by four bytes of ones.
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, ids: &[u32]) {
        for byte in ids.iter().chain([&u32::MAX]).flat_map(|id| id.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// By case and set, what both references came to: `references` beside this file is the program that compares them.
pub(crate) fn pinned() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(include_str!("ids.json")).unwrap()
}

/// Everything that a vocabulary is tried with, in sets with a name.
pub(crate) fn sets(vocabulary: &Vocabulary, engine: &Tokenizer) -> Vec<(&'static str, Vec<Text>)> {
    let mut sets = vec![("texts", texts::all()), ("repeats", texts::repeats(10_000))];
    // The many texts take seconds each time: with one small vocabulary, and with the large one.
    if vocabulary.is_full_size() || vocabulary.name == "stories" {
        sets.push(("characters", texts::blocks()));
    }
    if vocabulary.is_full_size() {
        // A token as the whole of a text: every piece that is one is met.
        let text = |id: u32| Some((format!("token {id}"), std::str::from_utf8(engine.bytes(id)).ok()?.to_owned()));
        sets.push(("tokens", (0..128_000).filter_map(text).collect()));
    }
    sets
}
