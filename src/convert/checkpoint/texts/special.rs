//! Which tokens begin and end a text: tokenizer_config.json by their texts, generation_config.json and config.json by their numbers,
//! and what tokenizer.json puts around a text.

use super::config::FILE as CONFIG;
use super::json::{self, Object};
use super::pipeline::{kind, steps};
use super::tokenizer::{FILE as TOKENIZER, Tokenizer, Tokens};
use crate::Result;
use crate::convert::Folder;
use crate::gguf::{Metadata, Value};
use crate::tokenizer::shown;
use serde_json::Map;

pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const GENERATION: &str = "generation_config.json";

/// Tokens by the names that tokenizer_config.json, config.json and GGUF have for them.
const NAMES: [(&str, &str, &str); 4] = [
    ("bos_token", "bos_token_id", "bos"),
    ("eos_token", "eos_token_id", "eos"),
    ("unk_token", "unk_token_id", "unknown"),
    ("pad_token", "pad_token_id", "padding"),
];

/// Sets the keys of special tokens; `m` has the tables already.
pub(super) fn read(
    folder: &mut impl Folder,
    config: &Map<String, serde_json::Value>,
    said: Option<&Map<String, serde_json::Value>>,
    tokenizer: &Tokenizer,
    m: &mut Metadata,
    notes: &mut Vec<String>,
) -> Result<()> {
    let config = Object::new(CONFIG, config);
    let generation = json::object(folder, GENERATION)?;
    let generation = generation.as_ref().map(|map| Object::new(GENERATION, map));
    let said = said.map(|map| Object::new(TOKENIZER_CONFIG, map));
    let tokens = &tokenizer.tokens;

    let mut ends = Vec::new();
    for (name, id_name, key) in NAMES {
        let by_text = match &said {
            Some(said) => by_text(said, name, tokens, notes)?,
            None => None,
        };
        let mut by_id = Vec::new();
        for object in generation.iter().chain([&config]) {
            let mut none = Vec::new();
            for id in object.ids(id_name)? {
                match u32::try_from(id).ok().filter(|id| tokens.types.len() > *id as usize) {
                    Some(id) if !by_id.contains(&id) => by_id.push(id),
                    Some(_) => {}
                    // How some say that there is none.
                    None if id == -1 => {}
                    None => none.push(id),
                }
            }
            if !none.is_empty() {
                notes.push(format!(
                    "{}: `{id_name}` has {}, which is none of the {} tokens: it is not used",
                    object.file,
                    json::a_few(&none, i64::to_string),
                    tokens.types.len()
                ));
            }
        }
        let id = by_text.or(by_id.first().copied());
        if let Some(id) = id {
            m.insert(format!("tokenizer.ggml.{key}_token_id"), Value::U32(id));
        }
        if key == "eos" {
            ends = by_id;
            ends.retain(|end| Some(*end) != id);
        }
    }
    around(said.as_ref(), tokenizer, m, notes)?;
    more_ends(&ends, m, notes)
}

/// A token that is named by its text: a string, or an object with `content`.
fn by_text(said: &Object, name: &str, tokens: &Tokens, notes: &mut Vec<String>) -> Result<Option<u32>> {
    let Some(value) = said.get(name) else { return Ok(None) };
    let Some(text) = value.as_str().or_else(|| value.get("content")?.as_str()) else {
        return Err(said.bad(name, format!("expected a token's text, it is {}", json::shown(value))));
    };
    let id = tokens.id(text);
    if id.is_none() && !text.is_empty() {
        notes.push(format!("{TOKENIZER_CONFIG}: `{name}` is {}, which is no token: it is not used", shown(text)));
    }
    Ok(id)
}

/// Whether begin-of-text and end-of-text go around a text: what is told outright, else what tokenizer.json does.
fn around(said: Option<&Object>, tokenizer: &Tokenizer, m: &mut Metadata, notes: &mut Vec<String>) -> Result<()> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for step in steps(tokenizer.post_processor.as_ref()) {
        match kind(step) {
            "TemplateProcessing" => {
                let single = step.get("single").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
                let mut before = true;
                for part in single {
                    match part.get("SpecialToken").and_then(|token| token.get("id")?.as_str()) {
                        Some(text) if before => first.push(text),
                        Some(text) => last.push(text),
                        None => before = false,
                    }
                }
            }
            "BertProcessing" | "RobertaProcessing" => {
                let text = |name: &str| step.get(name).and_then(|pair| pair.get(0)?.as_str());
                first.extend(text("cls"));
                last.extend(text("sep"));
            }
            _ => {}
        }
    }
    for (side, key, name, found) in [("before", "add_bos_token", "bos", first), ("after", "add_eos_token", "eos", last)]
    {
        let id = m.u32(&format!("tokenizer.ggml.{name}_token_id"))?;
        let does = match found.as_slice() {
            [] => false,
            [text] if id.is_some() && tokenizer.tokens.id(text) == id => true,
            texts => {
                notes.push(format!(
                    "{TOKENIZER}: `post_processor` puts {} {side} a text, which is not the {name} token: it is left out",
                    json::a_few(texts, |text| shown(text))
                ));
                false
            }
        };
        let told = match said {
            Some(said) => said.bool(key)?,
            None => None,
        };
        if let Some(told) = told.filter(|told| *told != does && !found.is_empty()) {
            notes.push(format!(
                "{TOKENIZER_CONFIG}: `{key}` is {told}, `post_processor` of {TOKENIZER} says {does}: the first counts"
            ));
        }
        m.insert(format!("tokenizer.ggml.{key}"), Value::Bool(told.unwrap_or(does)));
    }
    Ok(())
}

/// Generation ends at more than one token: GGUF has keys for two more, and readers know the usual ones by their names.
fn more_ends(ends: &[u32], m: &mut Metadata, notes: &mut Vec<String>) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    let read = super::built(m)?;
    let mut unnamed = ends.iter().copied().filter(|id| !read.is_end(*id));
    let turn = read.eot().filter(|turn| ends.contains(turn)).or_else(|| match read.eot() {
        None => unnamed.next(),
        Some(_) => None,
    });
    for (key, id) in [("eot", turn), ("eom", unnamed.next())] {
        if let Some(id) = id {
            m.insert(format!("tokenizer.ggml.{key}_token_id"), Value::U32(id));
        }
    }
    let rest: Vec<u32> = unnamed.collect();
    if !rest.is_empty() {
        notes.push(format!(
            "`eos_token_id`: GGUF has no key for so many ends of a text: {} are left out",
            json::a_few(&rest, u32::to_string)
        ));
    }
    Ok(())
}
