//! How models write calls of tools: a row a form.

use crate::chat::message::{Message, ToolCall};
use crate::chat::tools::{Tool, quoted};
use std::borrow::Cow;

/// One way to write a call: `begin`, a line feed, `{"name": "NAME", "ARGUMENTS": {…}}`, a line feed, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) struct CallFormat {
    /// Whose it is.
    pub(in crate::chat) of: &'static str,
    /// What a call begins with; one that has none begins an answer.
    pub(in crate::chat) begin: &'static str,
    pub(in crate::chat) end: &'static str,
    /// Between these and the object.
    pub(in crate::chat) space: &'static str,
    /// The key of the arguments.
    pub(in crate::chat) arguments: &'static str,
    /// Whether several may follow each other in one answer.
    pub(in crate::chat) several: bool,
}

/// Hermes' form, which Qwen 2.5 and 3 have too, and models that know none are asked for.
pub(in crate::chat) const HERMES: CallFormat = CallFormat {
    of: "Hermes and Qwen",
    begin: "<tool_call>",
    end: "</tool_call>",
    space: "\n",
    arguments: "arguments",
    several: true,
};

/// Llama 3.1 and 3.2: the object alone, once.
pub(in crate::chat) const LLAMA_3: CallFormat =
    CallFormat { of: "Llama 3", begin: "", end: "", space: "", arguments: "parameters", several: false };

const CALL_FORMATS: &[CallFormat] = &[HERMES, LLAMA_3];

impl CallFormat {
    /// All before a tool's arguments, from the object's first byte.
    pub(in crate::chat) fn head(&self, name: &str) -> String {
        format!("{{\"name\": {}, \"{}\": ", quoted(name), self.arguments)
    }

    /// What a call without a beginning of its own is known by.
    pub(in crate::chat) fn first_key(&self) -> &'static str {
        "{\"name\": \""
    }

    /// A whole call.
    pub(in crate::chat) fn call(&self, name: &str, arguments: &str) -> String {
        let CallFormat { begin, end, space, .. } = self;
        format!("{begin}{space}{}{arguments}}}{space}{end}", self.head(name))
    }
}

/// A talk with a call, whose text shows in which form a template writes one.
pub(in crate::chat) struct Probe {
    pub(in crate::chat) tool: Tool,
    pub(in crate::chat) question: Vec<Message>,
    pub(in crate::chat) answered: Vec<Message>,
}

impl Probe {
    const NAME: &str = "probe_of_tools";
    const DESCRIPTION: &str = "tells what a template makes of tools";
    const RESULT: &str = "a result of the probe";

    pub(in crate::chat) fn new() -> Self {
        let parameters = r#"{"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]}"#;
        let question = vec![Message::new("user", "How deep is it?")];
        // An id as Mistral's templates want it.
        let id = "prb000001";
        let called = Message {
            tool_calls: vec![ToolCall::new(id, Self::NAME, "{\"depth\": 7}")],
            ..Message::new("assistant", "")
        };
        let result = Message {
            tool_call_id: Some(id.to_owned()),
            name: Some(Self::NAME.to_owned()),
            ..Message::new("tool", Self::RESULT)
        };
        let answered = question.iter().cloned().chain([called, result]).collect();
        Self { tool: Tool::new(Self::NAME, Self::DESCRIPTION, parameters), question, answered }
    }

    /// The format that the texts of the question and of the answered one show, or why there is none.
    pub(in crate::chat) fn format(
        &self,
        question: &str,
        answered: &str,
    ) -> Result<&'static CallFormat, Cow<'static, str>> {
        if !question.contains(Self::NAME) || !question.contains(Self::DESCRIPTION) {
            return Err("it does not list tools".into());
        }
        if !answered.contains(Self::RESULT) {
            return Err("it leaves out what tools give".into());
        }
        // Where the assistant's turn begins.
        let header = question.trim_end();
        let header = &header[header.floor_char_boundary(header.len().saturating_sub(16))..];
        let fits = |form: &&CallFormat| {
            let head = form.head(Self::NAME);
            answered.match_indices(&head).any(|(at, _)| {
                let before = answered[..at].trim_end();
                let begun = if form.begin.is_empty() { header } else { form.begin };
                before.ends_with(begun)
            })
        };
        CALL_FORMATS.iter().find(fits).ok_or_else(|| "its form of calls is none of those known here".into())
    }
}
