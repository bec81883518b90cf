//! Tools for a template that takes none: a system message that lists them, and turns in place of calls and results.

use super::{HERMES, Tools, quoted};
use crate::chat::message::Message;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

/// What a model is told of tools.
pub(in crate::chat) fn described(tools: &Tools) -> String {
    let mut text = "You can call these tools. Each has a JSON schema of its arguments:\n".to_owned();
    for tool in &tools.list {
        // Writing to a string cannot fail.
        let _ = write!(text, "{{\"name\": {}", quoted(&tool.name));
        if let Some(description) = &tool.description {
            let _ = write!(text, ", \"description\": {}", quoted(description));
        }
        let _ = writeln!(text, ", \"parameters\": {}}}", tool.schema());
    }
    let _ = write!(
        text,
        "To call one, write only this:\n{}\nIts result follows in <tool_response>. If none helps, answer in words.",
        HERMES.call("its name", "{}"),
    );
    text
}

/// A talk whose calls and results are words of the assistant and the user. What tools give in a row is one turn, with the user's
/// message that follows it: templates want the roles to alternate.
pub(in crate::chat) fn retold(messages: &[Message]) -> Vec<Message> {
    let mut told: Vec<Message> = Vec::with_capacity(messages.len());
    let mut after_result = false;
    for message in messages {
        if message.role == "tool" {
            let result = format!("<tool_response>\n{}\n</tool_response>", message.content);
            match told.last_mut().filter(|_| after_result) {
                Some(last) => last.content = std::mem::take(&mut last.content) + "\n" + &result,
                None => told.push(Message::new("user", result)),
            }
            after_result = true;
            continue;
        }
        match told.last_mut().filter(|_| after_result && message.role == "user") {
            Some(last) => last.content = std::mem::take(&mut last.content) + "\n" + &message.content,
            None => told.push(spoken(message)),
        }
        after_result = false;
    }
    told
}

/// A message whose calls are part of its text.
fn spoken(message: &Message) -> Message {
    let mut message = message.clone();
    for call in std::mem::take(&mut message.tool_calls) {
        if !message.content.is_empty() {
            message.content.push('\n');
        }
        message.content += &HERMES.call(&call.function.name, &call.function.arguments);
    }
    message
}

/// A talk whose system message says that.
pub(in crate::chat) fn in_system(messages: &[Message], text: &str) -> Vec<Message> {
    let mut told = messages.to_vec();
    match told.first_mut().filter(|first| first.role == "system") {
        Some(first) => first.content = format!("{}\n\n{text}", first.content),
        None => told.insert(0, Message::new("system", text)),
    }
    told
}

/// A talk whose first question begins with that.
pub(in crate::chat) fn in_question(messages: &[Message], text: &str) -> Vec<Message> {
    let mut told = messages.to_vec();
    match told.iter_mut().find(|message| message.role == "user") {
        Some(first) => first.content = format!("{text}\n\n{}", first.content),
        None => told.push(Message::new("user", text)),
    }
    told
}

/// A talk whose results bear the names of their tools, which some templates write: they stand in the calls.
pub(in crate::chat) fn named(messages: &[Message]) -> Cow<'_, [Message]> {
    let nameless = |message: &Message| message.role == "tool" && message.name.is_none();
    if !messages.iter().any(nameless) {
        return Cow::Borrowed(messages);
    }
    let mut called = HashMap::new();
    let mut named = messages.to_vec();
    for (message, given) in named.iter_mut().zip(messages) {
        called.extend(given.tool_calls.iter().map(|call| (call.id.as_str(), call.function.name.as_str())));
        if nameless(message) {
            let name = message.tool_call_id.as_ref().and_then(|id| called.get(id.as_str()));
            message.name = name.map(|name| (*name).to_owned());
        }
    }
    Cow::Owned(named)
}
