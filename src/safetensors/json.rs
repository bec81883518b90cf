//! Objects of JSON whose keys must all be different: parsers take the last of two, and another reader the first.

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::marker::PhantomData;

/// Longest name of a tensor or of a file, in bytes. It may come to stand in messages.
pub(super) const MAX_NAME: usize = 512;

/// The entries of an object in its order, at most `limit` of them, beside one of the name `apart`.
pub(super) struct Entries<T> {
    pub(super) limit: usize,
    pub(super) apart: Option<&'static str>,
    pub(super) entries: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Entries<T> {
    type Value = Vec<(String, T)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Vec<(String, T)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
                return Err(A::Error::custom(format!(
                    "a name is empty, longer than {MAX_NAME} bytes, or has a NUL in it"
                )));
            }
            let twice = |name: &str| A::Error::custom(format!("`{name}` is there twice"));
            if !names.insert(name.clone()) {
                return Err(twice(&name));
            }
            if self.apart == Some(name.as_str()) {
                map.next_value::<Option<Texts>>()?;
                continue;
            }
            if entries.len() == self.limit {
                return Err(A::Error::custom(format!("there are more than {} entries", self.limit)));
            }
            // Of the parser's own words the name is missing.
            let value = map.next_value().map_err(|e| A::Error::custom(format!("`{name}`: {e}")))?;
            entries.push((name, value));
        }
        Ok(entries)
    }
}

/// An object of strings, passed over.
struct Texts;

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Texts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                while map.next_entry::<String, String>()?.is_some() {}
                Ok(Texts)
            }
        }
        from.deserialize_map(Each)
    }
}
