//! Turns of a conversation, in the shape of OpenAI's API.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Deserialize as Derive, Serialize};

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What was said, or what a tool gave: plain text. Empty where an assistant called tools and said nothing.
    pub content: String,
    /// What an assistant thought before it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tools that an assistant called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(as = "Option<Vec<ToolCall>>", optional))]
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool's message: the call that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Of a tool's message: the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A tool that an assistant called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Derive)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ToolCall {
    /// Ties the tool's message to the call.
    #[serde(default)]
    pub id: String,
    /// What is called; functions are all that there is.
    #[serde(rename = "type", default)]
    pub kind: ToolKind,
    /// The function, and what it was given.
    pub function: CalledFunction,
}

/// What is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Derive)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ToolKind {
    /// A function with arguments.
    #[default]
    Function,
}

/// A function, and what it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Derive)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CalledFunction {
    /// Its name.
    pub name: String,
    /// A JSON text.
    pub arguments: String,
}

impl Message {
    /// A message of that role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), ..Self::default() }
    }

    /// Whether it calls tools.
    pub(super) fn calls(&self) -> bool {
        !self.tool_calls.is_empty()
    }

    /// Bytes of all its texts.
    pub(super) fn bytes(&self) -> usize {
        let given = |text: &Option<String>| text.as_ref().map_or(0, |text| 64 + text.len());
        let calls = self
            .tool_calls
            .iter()
            .map(|call| 256 + call.id.len() + call.function.name.len() + call.function.arguments.len());
        self.role.len()
            + self.content.len()
            + given(&self.reasoning_content)
            + given(&self.tool_call_id)
            + given(&self.name)
            + calls.sum::<usize>()
    }
}

impl ToolCall {
    /// A call of that function, its arguments as JSON.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        let function = CalledFunction { name: name.into(), arguments: arguments.into() };
        Self { id: id.into(), kind: ToolKind::Function, function }
    }
}

impl<'de> Deserialize<'de> for Message {
    /// Content may be null or absent where there are calls.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Derive)]
        struct Given {
            role: String,
            content: Option<String>,
            reasoning_content: Option<String>,
            tool_calls: Option<Vec<ToolCall>>,
            tool_call_id: Option<String>,
            name: Option<String>,
        }
        let Given { role, content, reasoning_content, tool_calls, tool_call_id, name } =
            Given::deserialize(deserializer)?;
        let tool_calls = tool_calls.unwrap_or_default();
        let content = match content {
            Some(content) => content,
            None if tool_calls.is_empty() => return Err(D::Error::missing_field("content")),
            None => String::new(),
        };
        Ok(Self { role, content, reasoning_content, tool_calls, tool_call_id, name })
    }
}
