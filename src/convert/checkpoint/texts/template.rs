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
const JINJA: &str = "chat_template.jinja";
/// More than any template has: those of tools have some ten thousands of bytes.
const LONGEST: usize = 1 << 20;

/// Refuses what a download leaves in a template's place: a web page, or a message.
fn refuse_page(text: &str) -> Result<()> {
    let begin: String = text.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    if begin == "<!doctype" || begin.starts_with("<html") {
        return Err(json::bad(JINJA, "its text", "it is a web page: download the file itself, or delete it"));
    }
    if !text.contains("{{") && !text.contains("{%") {
        let reason = format!(
            "it is no template, it has neither {{{{ nor {{%, and begins with {}: download it again, or delete it",
            crate::tokenizer::shown(text)
        );
        return Err(json::bad(JINJA, "its text", reason));
    }
    Ok(())
}

/// A template of `file`, if it is not too long.
fn within(file: &str, text: &str) -> Result<Value> {
    if text.len() > LONGEST {
        let reason = format!("it has {} bytes, a template has at most {LONGEST}: delete it, or shorten it", text.len());
        return Err(json::bad(file, format!("`{NAME}`"), reason));
    }
    Ok(Value::String(text.to_owned()))
}

/// Sets the key of the template, and those of others that have names.
pub(super) fn read(
    folder: &mut impl Folder,
    said: Option<&Map<String, serde_json::Value>>,
    m: &mut Metadata,
    notes: &mut Vec<String>,
) -> Result<()> {
    let alone = json::text(folder, JINJA)?;
    if let Some(text) = &alone {
        refuse_page(text)?;
    }
    let in_json = json::object(folder, "chat_template.json")?;
    let objects = [
        said.map(|map| Object::new(TOKENIZER_CONFIG, map)),
        in_json.as_ref().map(|map| Object::new("chat_template.json", map)),
    ];
    let mut default = alone.as_deref().map(|text| within(JINJA, text)).transpose()?;
    let mut names = Strings::new();
    for object in objects.into_iter().flatten() {
        match object.get(NAME) {
            None => {}
            Some(serde_json::Value::String(text)) => {
                let text = within(object.file, text)?;
                default.get_or_insert(text);
            }
            Some(serde_json::Value::Array(list)) => {
                for named in list {
                    let part = |key: &str| named.get(key).and_then(serde_json::Value::as_str);
                    let (Some(name), Some(text)) = (part("name"), part("template")) else {
                        return Err(object.bad(NAME, "expected objects with `name` and `template` in its list"));
                    };
                    let text = within(object.file, text)?;
                    if name == "default" {
                        default.get_or_insert(text);
                        continue;
                    }
                    // As llama.cpp's converters spell them.
                    let name = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
                    let name: String = part("name").unwrap_or_default().chars().take(64).map(name).collect();
                    let key = format!("{KEY}.{name}");
                    if m.get(&key).is_none() {
                        names.push(&name);
                        m.insert(key, text);
                    }
                }
            }
            Some(other) => {
                return Err(object.bad(NAME, format!("expected a text or a list, it is {}", json::shown(other))));
            }
        }
    }
    match default {
        Some(text) => m.insert(KEY, text),
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
