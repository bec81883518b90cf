//! Where references lead.

use super::keywords::{Document, Entry, Id};
use super::words::escaped;
use crate::Error;
use crate::error::quoted;
use crate::json::Json;

impl<'a> Document<'a> {
    /// The schema that a reference names. Nothing is fetched.
    pub(super) fn resolve(&mut self, uri: &str, resource: Id) -> Result<Id, Error> {
        let (base, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        let mut from = resource;
        if !base.is_empty() {
            let named = |entry: &Entry| matches!(entry.json.get("$id").or(entry.json.get("id")), Some(Json::String(id)) if id.trim_end_matches('#') == base);
            match self.entries.iter().position(named) {
                Some(id) => from = id,
                None => {
                    return Err(Error(format!(
                        "$ref {}: only schemas within this one are referred to, and nothing is fetched",
                        quoted(uri, 80)
                    )));
                }
            }
        }
        let missing = || Error(format!("$ref {}: there is no such schema", quoted(uri, 80)));
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().map_err(|_| missing())?;
        let Entry { json, ref pointer, .. } = self.entries[from];
        let (mut json, mut pointer, mut resource) = (json, pointer.clone(), from);
        if fragment.is_empty() {
            return Ok(self.add(json, pointer, resource));
        }
        let Some(path) = fragment.strip_prefix('/') else {
            let (json, pointer) = anchor(json, &fragment, &pointer).ok_or_else(missing)?;
            return Ok(self.add(json, pointer, resource));
        };
        for step in path.split('/') {
            let step = step.replace("~1", "/").replace("~0", "~");
            json = match json {
                Json::Array(items) => step.parse().ok().and_then(|n: usize| items.get(n)),
                other => other.get(&step),
            }
            .ok_or_else(missing)?;
            pointer = format!("{pointer}/{}", escaped(&step));
            if matches!(json.get("$id"), Some(Json::String(name)) if !name.starts_with('#')) {
                resource = self.add(json, pointer.clone(), resource);
            }
        }
        match json {
            Json::Bool(_) | Json::Object(_) => Ok(self.add(json, pointer, resource)),
            other => {
                Err(Error(format!("$ref {}: what stands there is no schema but {}", quoted(uri, 80), other.told())))
            }
        }
    }
}

/// The value that bears a name as `$anchor` (or `$id` of older drafts), and its pointer.
fn anchor<'a>(json: &'a Json, name: &str, pointer: &str) -> Option<(&'a Json, String)> {
    let mut todo = vec![(json, pointer.to_owned())];
    while let Some((json, pointer)) = todo.pop() {
        match json {
            Json::Object(entries) => {
                let is = |key: &str, text: &str| matches!(json.get(key), Some(Json::String(found)) if found == text);
                if is("$anchor", name) || is("$dynamicAnchor", name) || is("$id", &format!("#{name}")) {
                    return Some((json, pointer));
                }
                let inner = entries.iter().filter(|(key, _)| key != "enum" && key != "const");
                todo.extend(inner.map(|(key, value)| (value, format!("{pointer}/{}", escaped(key)))));
            }
            Json::Array(items) => {
                todo.extend(items.iter().enumerate().map(|(n, value)| (value, format!("{pointer}/{n}"))))
            }
            _ => {}
        }
    }
    None
}
