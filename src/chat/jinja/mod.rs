//! Jinja, as far as chat templates use it: the whole language of expressions and statements, without loader, files or
//! attributes of Python's objects.
//!
//! ```text
//! text ──► lexer.rs ──► parser.rs, expression.rs ──► ast.rs ──► machine.rs, evaluate.rs ──► text with marks
//! ```
//!
//! It is our own and no library's, for two reasons. A template is a program from a stranger: what it spends is counted
//! where it is spent ([`meter`]), in bytes that live and in steps, and neither its source nor its values can be so deep
//! that they need more stack than there is. And each byte of a string knows who wrote it ([`text`]), which no engine
//! with strings of the language's own can tell.

mod ast;
mod call;
mod checks;
mod clock;
mod evaluate;
mod expression;
mod filters;
mod filters_lists;
mod format;
mod lexer;
mod machine;
mod meter;
mod methods;
mod operators;
mod parser;
mod print;
mod strings;
mod text;
mod value;
mod variable;

#[cfg(test)]
mod tests;

pub(super) use meter::{Fault, Meter, Outcome};
pub(super) use text::{Mark, Text};
pub use variable::{Variable, Variables};

use super::Message;
use machine::Machine;
use meter::Charge;
use parser::Parser;
use std::rc::Rc;
use text::Writer;
use value::{Dict, Items, Kind, Value};

/// The longest template that is read; those in use have up to 17 kB. It bounds how long reading takes.
const MAX_SOURCE: usize = 256 << 10;

/// A message as a template sees it.
pub(super) struct Turn<'m> {
    pub(super) message: &'m Message,
    /// Whose words the content is.
    pub(super) mark: Mark,
}

/// What a template is run with.
pub(super) struct Inputs<'m> {
    pub(super) turns: &'m [Turn<'m>],
    pub(super) add_generation_prompt: bool,
    /// The template's own words: names of special tokens.
    pub(super) words: &'m [(&'m str, &'m str)],
    /// Whether `tools` and `documents` are none where the caller gives none, as transformers has it, or undefined.
    pub(super) no_tools_defined: bool,
    /// What the caller adds. It may hide any other.
    pub(super) variables: &'m Variables,
}

/// Runs a template.
pub(super) fn render(source: &str, inputs: &Inputs, meter: &Rc<Meter>) -> Outcome<Text> {
    if source.len() > MAX_SOURCE {
        return meter::fault(format!("it has {} bytes, at most {MAX_SOURCE} are read", source.len()));
    }
    let _source = Charge::new(meter, 2 * source.len())?;
    let source = lexer::normalized(source)?;
    let mut parser = Parser::new(&source, meter)?;
    let body = parser.template()?;
    let (names, _tree) = parser.finish();
    let mut machine = Machine::new(names, meter)?;
    machine.define(inputs)?;
    let mut out = Writer::new(meter)?;
    machine.run(&body, &mut out)?;
    Ok(out.finish())
}

impl Machine {
    fn define(&mut self, inputs: &Inputs) -> Outcome {
        let meter = Rc::clone(&self.meter);
        let text = |text: &str, mark| -> Outcome<Value> { Ok(Value::Str(Text::new(&meter, text, mark)?)) };
        let (role, content) = (text("role", Mark::Template)?, text("content", Mark::Template)?);
        let mut messages = Items::new(&meter)?;
        for turn in inputs.turns {
            let mut message = Dict::new(&meter)?;
            message.insert(role.clone(), text(&turn.message.role, Mark::Caller)?)?;
            message.insert(content.clone(), text(&turn.message.content, turn.mark)?)?;
            messages.push(message.finish()?)?;
        }
        if inputs.no_tools_defined {
            self.define_one("tools", Value::None)?;
            self.define_one("documents", Value::None)?;
        }
        self.define_one("messages", messages.finish(Kind::List)?)?;
        self.define_one("add_generation_prompt", Value::Bool(inputs.add_generation_prompt))?;
        for (name, value) in inputs.words {
            self.define_one(name, text(value, Mark::Template)?)?;
        }
        for (name, value) in inputs.variables.iter() {
            let value = value.to_value(&meter)?;
            self.define_one(name, value)?;
        }
        Ok(())
    }

    fn define_one(&mut self, name: &str, value: Value) -> Outcome {
        let name = self.names.add(name)?;
        self.set(name, value)
    }
}
