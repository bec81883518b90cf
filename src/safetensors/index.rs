//! The index of a checkpoint in several files, `model.safetensors.index.json`.

use super::bad;
use super::header::MAX_TENSORS;
use super::json::Entries;
use crate::Result;
use crate::gguf::foreign;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::marker::PhantomData;

/// Which tensor is in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Names of tensors, and of the files that they are in, in the order of the index.
    pub weight_map: Vec<(String, String)>,
}

impl Index {
    /// Longest index, in bytes.
    pub const MAX_SIZE: u64 = 100_000_000;

    /// What the text of an index says; `file` is its name for messages. Names of files have no folders in them.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`](crate::Error::BadCheckpoint).
    pub fn parse(file: &str, json: &[u8]) -> Result<Self> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let parsed: Parsed = serde_json::from_slice(json).map_err(|e| bad(file, "the index", why(json, &e)))?;
        let weight_map = parsed.0;
        if weight_map.is_empty() {
            return Err(bad(file, "`weight_map`", "it names no tensors: fetch the file again"));
        }
        for (tensor, name) in &weight_map {
            if !is_plain(name) {
                return Err(bad(file, &format!("tensor `{tensor}`"), elsewhere(name)));
            }
        }
        Ok(Index { weight_map })
    }

    /// The files, each once, in the order of the index.
    pub fn files(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        self.weight_map.iter().map(|(_, file)| file.as_str()).filter(|file| seen.insert(*file)).collect()
    }
}

/// What is wrong with what is no index: it may be something else under its name.
fn why(json: &[u8], error: &serde_json::Error) -> String {
    let begin = json.iter().find(|byte| !byte.is_ascii_whitespace());
    let other = match begin {
        None => Some("it is empty: fetch it again".to_owned()),
        Some(b'{' | b'[') => None,
        Some(_) => foreign::of_text_file(&json[..json.len().min(foreign::HEAD)]),
    };
    other.unwrap_or_else(|| format!("{error}: the file is damaged, fetch it again"))
}

/// What is wrong with a name that is none of a file of the same folder.
fn elsewhere(name: &str) -> String {
    let parts = || name.split(['/', '\\']);
    let within = parts().count() > 1 && !name.contains(':') && !parts().any(|part| matches!(part, "" | ".."));
    let shown: String = name.chars().take(80).collect();
    match within {
        true => format!(
            "it is said to be in `{shown}`: files are read of one folder alone, put them beside the index and name them without it"
        ),
        false => {
            format!("it is said to be in `{shown}`, outside of the checkpoint's folder: name files beside the index")
        }
    }
}

/// Whether it names a file of the same folder.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\\', '\0', ':'])
}

/// `weight_map` of an object.
struct Parsed(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Parsed;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with `weight_map`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "weight_map" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let seed = Entries { limit: MAX_TENSORS, apart: None, entries: PhantomData };
                    if found.replace(map.next_value_seed(seed)?).is_some() {
                        return Err(A::Error::custom("`weight_map` is there twice"));
                    }
                }
                found.map(Parsed).ok_or_else(|| A::Error::missing_field("weight_map"))
            }
        }
        from.deserialize_map(Whole)
    }
}
