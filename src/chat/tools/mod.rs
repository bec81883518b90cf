//! Tools that an answer may call.
//!
//! ```text
//! tools ──► the model's own template, where it has a form of calls that is known (call_format.rs)
//!      └──► else a system message of ours, and calls and results as turns (ours.rs)
//! tools ──► what a call may be (grammar.rs) ──► a constraint, from the first token or from a trigger on
//! ```
//!
//! Names, descriptions, schemas and results come from anywhere: they are bounded here, and no text of theirs becomes a control
//! token or a part of a grammar's source.

mod call_format;
mod grammar;
mod ours;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use call_format::LLAMA_3;
pub(super) use call_format::{CallFormat, HERMES, Probe};
pub(super) use grammar::From;
pub(super) use ours::{described, in_question, in_system, named, retold};

use super::Variable;
use crate::{Error, Result};
use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, Error as _};
use std::borrow::Cow;

/// As many as OpenAI takes.
const MOST: usize = 128;
/// Characters of a name.
const LONGEST_NAME: usize = 64;
/// Bytes of all tools together: some hundred times what a context holds.
const MOST_BYTES: usize = 1 << 20;

/// The schema of a tool that leaves its arguments open.
const ANY_OBJECT: &str = r#"{"type": "object"}"#;

/// A tool, as OpenAI's API describes one: a function, its arguments by a JSON schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What calls it.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// The schema of its arguments, a JSON text; any object where absent. It is a text so that its numbers and the order of its keys
    /// stay, as they do where it comes as one.
    pub parameters: Option<String>,
}

/// Which tools an answer calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// None of them.
    None,
    /// What the model thinks right.
    #[default]
    Auto,
    /// One at least.
    Required,
    /// The one of this name, once.
    Function(String),
}

/// The tools of one request, and how they are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    list: Vec<Tool>,
    choice: ToolChoice,
    parallel: bool,
}

impl Tool {
    /// A tool of that name.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: impl Into<String>) -> Self {
        Self { name: name.into(), description: Some(description.into()), parameters: Some(parameters.into()) }
    }

    fn bytes(&self) -> usize {
        let given = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.name.len() + given(&self.description) + given(&self.parameters)
    }

    /// The schema of its arguments, as it is told.
    fn schema(&self) -> &str {
        match self.parameters.as_deref().map(str::trim) {
            None | Some("{}" | "true" | "null") => ANY_OBJECT,
            Some(schema) => schema,
        }
    }

    /// The schema that its arguments are held to: they are an object, whatever it leaves open.
    fn schema_of_object(&self) -> Cow<'_, str> {
        let schema = self.schema();
        let (Ok(Variable::Object(entries)), Some(rest)) = (Variable::from_json(schema), schema.strip_prefix('{'))
        else {
            return schema.into();
        };
        let has = |key: &str| entries.iter().any(|(name, _)| name == key);
        match entries.iter().find(|(name, _)| name == "type") {
            None if entries.is_empty() => ANY_OBJECT.into(),
            None => format!("{{\"type\": \"object\", {rest}").into(),
            Some((_, Variable::List(_))) if !has("allOf") => {
                format!("{{\"allOf\": [{{\"type\": \"object\"}}], {rest}").into()
            }
            Some(_) => schema.into(),
        }
    }

    /// As transformers hands it to a template.
    fn to_variable(&self) -> Result<Variable> {
        let refused = |why| bad(format!("tool `{}`: its parameters are no JSON schema: {why}", self.name));
        let schema = Variable::from_json(self.schema()).map_err(refused)?;
        let Variable::Object(entries) = &schema else {
            return Err(refused("they are no object".to_owned()));
        };
        let is_object = |kind: &Variable| matches!(kind, Variable::String(kind) if kind == "object");
        let kind = entries.iter().find(|(name, _)| name == "type").map(|(_, kind)| kind);
        let fits = kind.is_none_or(|kind| match kind {
            Variable::List(kinds) => kinds.iter().any(is_object),
            kind => is_object(kind),
        });
        if !fits {
            return Err(bad(format!("tool `{}`: its parameters have another `type` than object", self.name)));
        }
        let text = |text: &str| Variable::String(text.to_owned());
        let mut function = vec![("name".to_owned(), text(&self.name))];
        function.extend(self.description.as_deref().map(|said| ("description".to_owned(), text(said))));
        function.push(("parameters".to_owned(), schema));
        let entries = [("type", text("function")), ("function", Variable::Object(function))];
        Ok(Variable::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }
}

impl Tools {
    /// Tools of a request. With `parallel`, an answer may call several times.
    ///
    /// # Errors
    /// [`Error::BadTools`]: a name twice, or one that nothing can be called; parameters that are no schema of objects; more than a
    /// request may have; a choice that there is not.
    pub fn new(list: Vec<Tool>, choice: ToolChoice, parallel: bool) -> Result<Self> {
        if list.len() > MOST {
            return Err(bad(format!("there are {}, at most {MOST} are taken", list.len())));
        }
        let bytes: usize = list.iter().map(Tool::bytes).sum();
        if bytes > MOST_BYTES {
            return Err(bad(format!("they have {bytes} bytes together, at most {MOST_BYTES} are taken")));
        }
        for (at, tool) in list.iter().enumerate() {
            let characters = tool.name.chars().count();
            if characters == 0 || characters > LONGEST_NAME || tool.name.contains(char::is_control) {
                return Err(bad(format!(
                    "the name of tool {} has {characters} characters; it may have 1 to {LONGEST_NAME}, and no control characters",
                    at + 1
                )));
            }
            if list[..at].iter().any(|other| other.name == tool.name) {
                return Err(bad(format!("two tools are called `{}`", tool.name)));
            }
            tool.to_variable()?;
        }
        match &choice {
            ToolChoice::Required if list.is_empty() => return Err(bad("one has to be called, and there is none")),
            ToolChoice::Function(name) if !list.iter().any(|tool| tool.name == *name) => {
                return Err(bad(format!("`{name}` has to be called, which is none of them")));
            }
            _ => {}
        }
        Ok(Self { list, choice, parallel })
    }

    /// Whether there are any that an answer may call.
    pub fn are_offered(&self) -> bool {
        !self.list.is_empty() && self.choice != ToolChoice::None
    }

    /// How they are called.
    pub fn choice(&self) -> &ToolChoice {
        &self.choice
    }

    /// Those that an answer may call.
    pub(super) fn offered(&self) -> &[Tool] {
        match &self.choice {
            ToolChoice::None => &[],
            ToolChoice::Auto | ToolChoice::Required => &self.list,
            ToolChoice::Function(name) => {
                let at = self.list.iter().position(|tool| tool.name == *name);
                at.map_or(&[], |at| std::slice::from_ref(&self.list[at]))
            }
        }
    }

    /// Whether several calls may follow each other.
    pub(super) fn several(&self) -> bool {
        self.parallel && !matches!(self.choice, ToolChoice::Function(_))
    }

    /// All of them for a template, which lists them also where one has been chosen: the talk's beginning stays the same.
    pub(super) fn to_variable(&self) -> Result<Variable> {
        self.list.iter().map(Tool::to_variable).collect::<Result<_>>().map(Variable::List)
    }
}

fn bad(reason: impl Into<String>) -> Error {
    Error::BadTools { reason: reason.into() }
}

// ── OpenAI's shape ──────────────────────────────────────────────────────────────────────────────

#[derive(Derive)]
struct GivenTool {
    function: GivenFunction,
}

#[derive(Derive)]
struct GivenFunction {
    name: String,
    description: Option<String>,
    #[serde(default, deserialize_with = "schema")]
    parameters: Option<String>,
}

/// A schema, or the text of one.
fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        schema => Some(schema.to_string()),
    })
}

impl<'de> Deserialize<'de> for Tool {
    /// `{"type": "function", "function": {"name": …, "description": …, "parameters": …}}`. The parameters may be a text, which
    /// stays as it is. Of an object the order of keys stays, and numbers as far as 64 bits hold them, integers or floats: larger and
    /// longer ones are rounded, and how a number was written is lost.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let GivenTool { function: GivenFunction { name, description, parameters } } =
            GivenTool::deserialize(deserializer)?;
        Ok(Self { name, description, parameters })
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    /// `"none"`, `"auto"`, `"required"`, or `{"type": "function", "function": {"name": …}}`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Derive)]
        #[serde(untagged)]
        enum Given {
            Word(String),
            One { function: Named },
        }
        #[derive(Derive)]
        struct Named {
            name: String,
        }
        const WHAT: &str = "a choice of tools is none, auto, required, or an object with a function's name";
        match Given::deserialize(deserializer).map_err(|_| D::Error::custom(WHAT))? {
            Given::One { function } => Ok(Self::Function(function.name)),
            Given::Word(word) => match word.as_str() {
                "none" => Ok(Self::None),
                "auto" => Ok(Self::Auto),
                "required" => Ok(Self::Required),
                _ => Err(D::Error::custom(WHAT)),
            },
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
