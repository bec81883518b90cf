//! What a template is run with: messages and tools become values, each text with the mark of who wrote it.

use super::machine::Machine;
use super::meter::{Meter, Outcome};
use super::text::{Mark, Text};
use super::value::{Dict, Items, Kind, Value};
use super::variable::{Variable, Variables};
use crate::chat::{Message, ToolCall};
use std::rc::Rc;

/// A message as a template sees it.
pub(in crate::chat) struct Turn<'m> {
    pub(in crate::chat) message: &'m Message,
    /// Whose words the content is.
    pub(in crate::chat) mark: Mark,
}

/// What a template is run with.
#[derive(Clone, Copy)]
pub(in crate::chat) struct Inputs<'m> {
    pub(in crate::chat) turns: &'m [Turn<'m>],
    pub(in crate::chat) add_generation_prompt: bool,
    /// The template's own words: names of special tokens.
    pub(in crate::chat) words: &'m [(&'m str, &'m str)],
    /// A list of tools. What they say of themselves is somebody's text, as messages are.
    pub(in crate::chat) tools: Option<&'m Variable>,
    /// Whether the arguments of calls are texts, as in OpenAI's API, or the objects that transformers makes of them.
    pub(in crate::chat) arguments_as_text: bool,
    /// Whether `tools` and `documents` are none where the caller gives none, as transformers has it, or undefined.
    pub(in crate::chat) no_tools_defined: bool,
    /// What the caller adds. It may hide any other.
    pub(in crate::chat) variables: &'m Variables,
}

impl Machine {
    pub(super) fn define(&mut self, inputs: &Inputs) -> Outcome {
        let meter = Rc::clone(&self.meter);
        let mut messages = Items::new(&meter)?;
        for turn in inputs.turns {
            messages.push(message(turn, inputs.arguments_as_text, &meter)?)?;
        }
        if inputs.no_tools_defined {
            self.define_one("tools", Value::None)?;
            self.define_one("documents", Value::None)?;
        }
        if let Some(tools) = inputs.tools {
            self.define_one("tools", tools.to_value(&meter, Mark::Message)?)?;
        }
        self.define_one("messages", messages.finish(Kind::List)?)?;
        self.define_one("add_generation_prompt", Value::Bool(inputs.add_generation_prompt))?;
        for (name, value) in inputs.words {
            self.define_one(name, text(value, Mark::Template, &meter)?)?;
        }
        for (name, value) in inputs.variables.iter() {
            let value = value.to_value(&meter, Mark::Caller)?;
            self.define_one(name, value)?;
        }
        Ok(())
    }

    fn define_one(&mut self, name: &str, value: Value) -> Outcome {
        let name = self.names.add(name)?;
        self.set(name, value)
    }
}

fn text(text: &str, mark: Mark, meter: &Rc<Meter>) -> Outcome<Value> {
    Ok(Value::Str(Text::new(meter, text, mark)?))
}

fn entry(dict: &mut Dict, name: &str, value: Value, meter: &Rc<Meter>) -> Outcome {
    dict.insert(text(name, Mark::Template, meter)?, value)
}

fn message(Turn { message, mark }: &Turn, arguments_as_text: bool, meter: &Rc<Meter>) -> Outcome<Value> {
    let mut dict = Dict::new(meter)?;
    entry(&mut dict, "role", text(&message.role, Mark::Caller, meter)?, meter)?;
    entry(&mut dict, "content", text(&message.content, *mark, meter)?, meter)?;
    // What is absent is not defined: templates ask so.
    for (name, given) in [
        ("reasoning_content", &message.reasoning_content),
        ("tool_call_id", &message.tool_call_id),
        ("name", &message.name),
    ] {
        if let Some(given) = given {
            entry(&mut dict, name, text(given, Mark::Message, meter)?, meter)?;
        }
    }
    if !message.tool_calls.is_empty() {
        let mut calls = Items::new(meter)?;
        for called in &message.tool_calls {
            calls.push(call(called, arguments_as_text, meter)?)?;
        }
        entry(&mut dict, "tool_calls", calls.finish(Kind::List)?, meter)?;
    }
    dict.finish()
}

fn call(call: &ToolCall, arguments_as_text: bool, meter: &Rc<Meter>) -> Outcome<Value> {
    let given = &call.function.arguments;
    let object = if arguments_as_text { None } else { Variable::from_json(given).ok() };
    let arguments = match object {
        Some(object @ Variable::Object(_)) => object.to_value(meter, Mark::Message)?,
        _ => text(given, Mark::Message, meter)?,
    };
    let mut function = Dict::new(meter)?;
    entry(&mut function, "name", text(&call.function.name, Mark::Message, meter)?, meter)?;
    entry(&mut function, "arguments", arguments, meter)?;
    let mut dict = Dict::new(meter)?;
    entry(&mut dict, "id", text(&call.id, Mark::Message, meter)?, meter)?;
    entry(&mut dict, "type", text("function", Mark::Template, meter)?, meter)?;
    entry(&mut dict, "function", function.finish()?, meter)?;
    dict.finish()
}
