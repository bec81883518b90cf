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
mod inputs;
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

pub(super) use inputs::{Inputs, Turn};
pub(super) use meter::{Fault, Meter, Outcome};
pub(super) use text::{Mark, Text};
pub use variable::{Variable, Variables};

use machine::Machine;
use meter::Charge;
use parser::Parser;
use std::rc::Rc;
use text::Writer;

/// The longest template that is read; those in use have up to 17 kB. It bounds how long reading takes.
const MAX_SOURCE: usize = 256 << 10;

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
