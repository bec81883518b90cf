//! Where the chat template lies: in a file of its own, in tokenizer_config.json, alone or as a list of named ones, or in
//! chat_template.json.

use super::json::{self, Object};
use super::special::TOKENIZER_CONFIG;
use crate::Result;
use crate::convert::Folder;
use crate::gguf::{Array, Metadata, Strings, Value};
use serde_json::Map;

const KEY: &str = "tokenizer.chat_template";
const NAME: &str = "chat_template";

/// Sets the key of the template, and those of others that have names.
pub(super) fn read(
    folder: &mut impl Folder,
    said: Option<&Map<String, serde_json::Value>>,
    m: &mut Metadata,
    notes: &mut Vec<String>,
) -> Result<()> {
    let alone = json::text(folder, "chat_template.jinja")?;
    let in_json = json::object(folder, "chat_template.json")?;
    let objects = [
        said.map(|map| Object::new(TOKENIZER_CONFIG, map)),
        in_json.as_ref().map(|map| Object::new("chat_template.json", map)),
    ];
    let mut default = alone;
    let mut names = Strings::new();
    for object in objects.into_iter().flatten() {
        match object.get(NAME) {
            None => {}
            Some(serde_json::Value::String(text)) => {
                default.get_or_insert_with(|| text.clone());
            }
            Some(serde_json::Value::Array(list)) => {
                for named in list {
                    let part = |key: &str| named.get(key).and_then(serde_json::Value::as_str);
                    let (Some(name), Some(text)) = (part("name"), part("template")) else {
                        return Err(object.bad(NAME, "expected objects with `name` and `template` in its list"));
                    };
                    if name == "default" {
                        default.get_or_insert_with(|| text.to_owned());
                        continue;
                    }
                    // As llama.cpp's converters spell them.
                    let name = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
                    let name: String = part("name").unwrap_or_default().chars().take(64).map(name).collect();
                    let key = format!("{KEY}.{name}");
                    if m.get(&key).is_none() {
                        names.push(&name);
                        m.insert(key, Value::String(text.to_owned()));
                    }
                }
            }
            Some(other) => {
                return Err(object.bad(NAME, format!("expected a text or a list, it is {}", json::shown(other))));
            }
        }
    }
    match default {
        Some(text) => m.insert(KEY, Value::String(text)),
        None if !names.is_empty() => {
            notes.push("chat templates have names, and none is `default`: chats have none".to_owned());
        }
        None => {}
    }
    if !names.is_empty() {
        m.insert("tokenizer.chat_templates", Value::Array(Array::Strings(names)));
    }
    Ok(())
}
