//! Calls of tools: fixed texts, control tokens and values of schemas after one another.
//!
//! ```json
//! {"before": [PART, …], "choices": [{"name": "weather", "parts": [PART, …]}, …], "after": [PART, …], "again": [PART, …] or null}
//! ```
//!
//! means `before CHOICE after (again CHOICE after)*`, without the repetition where `again` is null or absent. A part is
//! `{"text": "…"}`, with `"optional": true` where it may be left out, `{"token": "<tool_call>"}`, or `{"schema": …}`.

use crate::error::quoted;
use crate::json::{self, Json};
use crate::keys::Keys;
use crate::{Error, limits, schema};
use std::fmt::Write;

/// The id of a control token by its name.
pub(crate) type Control<'a> = dyn Fn(&str) -> Option<u32> + 'a;

/// A grammar in Lark's form, and whether no key may come twice in its JSON.
pub(crate) struct Parts {
    pub(crate) lark: String,
    pub(crate) unique: bool,
    pub(crate) few_keys: bool,
    pub(crate) notes: Vec<String>,
}

/// Reads a text of this form. `token` has the id of a control token by its name; none is looked up where it is `None`.
pub(crate) fn read(text: &str, token: Option<&Control>) -> Result<Parts, Error> {
    let value = json::read(text)?;
    let mut builder = Builder {
        token,
        rules: String::new(),
        schemas: 0,
        open: false,
        few_keys: false,
        balanced: true,
        notes: Vec::new(),
    };
    let list = |key: &str| match value.get(key) {
        Some(Json::Array(parts)) => Ok(&parts[..]),
        None | Some(Json::Null) => Ok(&[][..]),
        Some(other) => Err(Error(format!("{key} must be a list of parts: it is {}", other.told()))),
    };
    let before = builder.parts(list("before")?)?;
    let after = builder.parts(list("after")?)?;
    let again = match value.get("again") {
        None | Some(Json::Null) => None,
        Some(_) => Some(builder.parts(list("again")?)?),
    };
    let choices = list("choices")?;
    if choices.is_empty() || choices.len() > limits::CHOICES {
        return Err(Error(format!("{} choices: 1 to {} can be kept", choices.len(), limits::CHOICES)));
    }
    let mut names = Vec::new();
    for (n, choice) in choices.iter().enumerate() {
        let Some(Json::String(name)) = choice.get("name") else { return Err(Error("a choice needs a name".into())) };
        let Some(Json::Array(parts)) = choice.get("parts") else {
            return Err(Error("a choice needs its parts".into()));
        };
        let body = builder.parts(parts).map_err(|why| Error(format!("tool {}: {why}", quoted(name, 60))))?;
        let _ = writeln!(builder.rules, "choice{n}: {body}");
        names.push(format!("choice{n}"));
        if builder.rules.len() > limits::GRAMMAR {
            return Err(Error("the schemas of the tools are too large together".into()));
        }
    }
    let _ = writeln!(builder.rules, "choice: {}", names.join(" | "));
    let mut body = format!("{before} choice {after}");
    if let Some(again) = again {
        let _ = write!(body, " ({again} choice {after})*");
    }
    let _ = writeln!(builder.rules, "whole: {body}");
    Ok(Parts {
        lark: crate::lark::ordered(&builder.rules, "whole")?,
        unique: builder.open && builder.balanced,
        few_keys: builder.few_keys,
        notes: builder.notes,
    })
}

struct Builder<'a> {
    token: Option<&'a Control<'a>>,
    rules: String,
    schemas: usize,
    open: bool,
    few_keys: bool,
    /// Whether brackets close in the texts of each list of parts, so that where JSON stands can be followed.
    balanced: bool,
    notes: Vec<String>,
}

impl Builder<'_> {
    fn parts(&mut self, parts: &[Json]) -> Result<String, Error> {
        let mut body = String::new();
        let mut keys = Keys::new(true);
        for part in parts {
            let optional = part.get("optional") == Some(&Json::Bool(true));
            match (part.get("text"), part.get("token"), part.get("schema")) {
                (Some(Json::String(text)), None, None) => {
                    if text.is_empty() {
                        continue;
                    }
                    self.balanced &= !optional || !text.contains(['{', '}', '[', ']', '"']);
                    keys.take(text.as_bytes());
                    let _ = write!(body, "{}{} ", schema::quoted(text), if optional { "?" } else { "" });
                }
                (None, Some(Json::String(name)), None) => match self.token {
                    None => body.push_str("\"token\" "),
                    Some(token) => match token(name) {
                        Some(id) => {
                            let _ = write!(body, "<[{id}]> ");
                        }
                        None => return Err(Error(format!("{} is no control token of the model", quoted(name, 60)))),
                    },
                },
                (None, None, Some(value)) => {
                    let prefix = format!("s{}z", self.schemas);
                    self.schemas += 1;
                    let rules = schema::rules(value, &prefix)?;
                    self.rules.push_str(&rules.text);
                    self.open |= rules.open;
                    self.few_keys |= rules.few_keys;
                    self.notes.extend(rules.notes);
                    keys.take(b"0");
                    let _ = write!(body, "{} ", rules.start);
                }
                _ => return Err(Error("a part has a \"text\", a \"token\" or a \"schema\"".into())),
            }
        }
        self.balanced &= keys.is_closed();
        Ok(if body.is_empty() { "\"\"".into() } else { body })
    }
}
