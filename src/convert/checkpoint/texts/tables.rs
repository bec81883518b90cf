//! tokenizer.json as it lies there: its two long tables go straight into flat buffers, as 280 000 merges in values of JSON take
//! hundreds of MB.

use super::json::bounded;
use crate::gguf::Strings;
use crate::json::AtMost;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// More tokens than any vocabulary has: no id may be above.
const MAX_ID: u32 = 1 << 21;
/// More merges than any has, and as many as the tokenizer reads of a GGUF.
const MAX_MERGES: usize = 1 << 20;
/// More tokens than are added to any vocabulary.
const MAX_ADDED: usize = 1 << 18;

/// The file, as far as it is read.
pub(super) struct Tables {
    pub(super) added_tokens: Vec<Added>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) model: Model,
}

/// A token that is found before text is split.
#[derive(Deserialize)]
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) special: bool,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) kind: Option<String>,
    pub(super) unk_token: Option<String>,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
    pub(super) byte_fallback: Option<bool>,
    pub(super) ignore_merges: Option<bool>,
    pub(super) vocab: Option<Vocabulary>,
    pub(super) merges: Option<Merges>,
}

/// An error that names its key. What it says of its place is left out: it is said again of the whole.
fn at<E: serde::de::Error>(key: &str, error: &E) -> E {
    let error = error.to_string();
    let what = error.rsplit_once(" at line ").map_or(error.as_str(), |(what, _)| what);
    E::custom(format!("`{key}`: {what}"))
}

/// The value of a key, whose errors name it.
fn value<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A, key: &str) -> Result<T, A::Error> {
    map.next_value().map_err(|error| at(key, &error))
}

impl<'de> Deserialize<'de> for Tables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Tables;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tables, A::Error> {
                let (mut added, mut model) = (None, None);
                let (mut normalizer, mut pre_tokenizer, mut post_processor) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "added_tokens" => added = value::<_, Option<AtMost<Added, MAX_ADDED>>>(&mut map, &key)?,
                        "normalizer" => normalizer = bounded(&mut map, &key)?,
                        "pre_tokenizer" => pre_tokenizer = bounded(&mut map, &key)?,
                        "post_processor" => post_processor = bounded(&mut map, &key)?,
                        // Its own keys are named.
                        "model" => model = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let added_tokens = added.map_or_else(Vec::new, |AtMost(added)| added);
                let model = model.ok_or_else(|| A::Error::custom("`model` is missing"))?;
                Ok(Tables { added_tokens, normalizer, pre_tokenizer, post_processor, model })
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Model;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object as `model`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Model, A::Error> {
                let mut model = Model::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "type" => model.kind = value(&mut map, "model.type")?,
                        "unk_token" => model.unk_token = value(&mut map, "model.unk_token")?,
                        "continuing_subword_prefix" => {
                            model.continuing_subword_prefix = value(&mut map, "model.continuing_subword_prefix")?;
                        }
                        "end_of_word_suffix" => {
                            model.end_of_word_suffix = value(&mut map, "model.end_of_word_suffix")?;
                        }
                        "byte_fallback" => model.byte_fallback = value(&mut map, "model.byte_fallback")?,
                        "ignore_merges" => model.ignore_merges = value(&mut map, "model.ignore_merges")?,
                        "vocab" => model.vocab = value(&mut map, "model.vocab")?,
                        "merges" => model.merges = value(&mut map, "model.merges")?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(model)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Tokens in the order of the file, and their numbers. Empty for a list, as Unigram has it.
#[derive(Default)]
pub(super) struct Vocabulary {
    pub(super) tokens: Strings,
    pub(super) ids: Vec<u32>,
}

/// Pairs in the order of their rank: first and second by turns.
#[derive(Default)]
pub(super) struct Merges(Strings);

impl Merges {
    pub(super) fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Bytes of all of them.
    pub(super) fn total(&self) -> usize {
        self.0.total()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let half = |index: usize| self.0.bytes(index).unwrap_or_default();
        (0..self.len()).map(move |rank| (half(2 * rank), half(2 * rank + 1)))
    }
}

/// Appends a string, if there is memory for it.
fn push(strings: &mut Strings, text: &str) -> Result<(), String> {
    let (bytes, ends) = strings.parts_mut();
    let no_room = |_| "out of memory".to_owned();
    bytes.try_reserve(text.len()).map_err(no_room)?;
    ends.try_reserve(1).map_err(no_room)?;
    strings.push(text);
    Ok(())
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;
        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens and their numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vocabulary::default();
                while map.next_key_seed(Push(&mut found.tokens))?.is_some() {
                    if found.ids.len() == MAX_ID as usize {
                        return Err(A::Error::custom(format!("more than {MAX_ID} tokens")));
                    }
                    let id: u32 = map.next_value()?;
                    if id >= MAX_ID {
                        return Err(A::Error::custom(format!("token number {id} is above {MAX_ID}")));
                    }
                    found.ids.try_reserve(1).map_err(|_| A::Error::custom("out of memory"))?;
                    found.ids.push(id);
                }
                Ok(found)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Vocabulary::default())
            }
        }
        deserializer.deserialize_any(Tokens)
    }
}

/// Appends a string without a copy of its own.
struct Push<'s>(&'s mut Strings);

impl<'de> DeserializeSeed<'de> for Push<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Push<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        push(self.0, text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merges, A::Error> {
                let mut merges = Merges::default();
                while seq.next_element_seed(Merge(&mut merges.0))?.is_some() {
                    if merges.len() > MAX_MERGES {
                        return Err(A::Error::custom(format!("more than {MAX_MERGES} merges")));
                    }
                }
                Ok(merges)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A merge: `["a", "b"]`, or `"a b"` of files before 2024.
struct Merge<'s>(&'s mut Strings);

impl<'de> DeserializeSeed<'de> for Merge<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Merge<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a merge: two tokens in a list, or in one text with a space between")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let mut halves = text.split(' ');
        match (halves.next(), halves.next(), halves.next()) {
            (Some(first), Some(second), None) if !first.is_empty() && !second.is_empty() => {
                push(self.0, first).and_then(|()| push(self.0, second)).map_err(E::custom)
            }
            _ => Err(E::custom(format!("merge `{}` is not two tokens and a space", crate::tokenizer::shown(text)))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<(), A::Error> {
        let mut halves = 0;
        while pair.next_element_seed(Push(self.0))?.is_some() {
            halves += 1;
        }
        if halves == 2 { Ok(()) } else { Err(A::Error::invalid_length(halves, &"two tokens")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(text: &str) -> Result<Vec<(String, String)>, String> {
        let merges: Merges = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(merges.iter().map(|(a, b)| (text(a), text(b))).collect())
    }

    #[test]
    fn merges_are_pairs_or_texts() {
        let both = merges(r#"["h e", ["\u0120", "a b"]]"#).unwrap();
        assert_eq!(both, [("h".to_owned(), "e".to_owned()), ("Ġ".to_owned(), "a b".to_owned())]);
        for wrong in [r#"["h"]"#, r#"["a b c"]"#, r#"[["a"]]"#, r#"[["a", "b", "c"]]"#, r#"[3]"#, r#"[" a"]"#, r#"{}"#]
        {
            assert!(merges(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_vocabulary_is_an_object_or_a_list() {
        let v: Vocabulary = serde_json::from_str(r#"{"b": 1, "\u0120a": 0}"#).unwrap();
        assert_eq!((v.tokens.iter().collect::<Vec<_>>(), v.ids), (vec!["b".into(), "Ġa".into()], vec![1, 0]));
        let v: Vocabulary = serde_json::from_str(r#"[["a", -1.5], ["b", -2]]"#).unwrap();
        assert!(v.ids.is_empty());
        assert!(serde_json::from_str::<Vocabulary>(r#"{"a": 4294967295}"#).is_err());
        assert!(serde_json::from_str::<Vocabulary>(r#"{"a": -1}"#).is_err());
    }
}
