//! The engine that runs a template, and its limits.

use super::{Message, Template};
use crate::{Error, Result};
use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Environment, ErrorKind, State, context};
use std::io::{self, Write};

/// Work a template may do: instructions, and some more for each message. Templates in use take 10 to 100 a message.
const FUEL: u64 = 2_000;
const FUEL_A_MESSAGE: u64 = 200;
/// Bytes a template may write besides four times the messages.
const OUTPUT: usize = 64 << 10;
/// Nested calls.
const DEPTH: usize = 32;

/// What has no place in a chat template, and can make much out of little.
const REMOVED_FILTERS: &[&str] = &[
    "batch", "slice", "chain", "zip", "format", "indent", "pprint", "groupby", "escape", "e", "safe", "map", "sum",
    "join", "replace",
];
const REMOVED_FUNCTIONS: &[&str] = &["range", "dict", "debug", "namespace", "lipsum", "cycler", "joiner"];
/// Methods of Python's strings and dictionaries that templates in use call.
const METHODS: &[&str] = &[
    "strip",
    "lstrip",
    "rstrip",
    "startswith",
    "endswith",
    "lower",
    "upper",
    "capitalize",
    "title",
    "split",
    "find",
    "count",
    "get",
    "items",
    "keys",
    "values",
    "isdigit",
    "isalpha",
];

fn environment(fuel: u64) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_fuel(Some(fuel));
    env.set_recursion_limit(DEPTH);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // As transformers sets Jinja up for chat templates.
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    for name in REMOVED_FILTERS {
        env.remove_filter(name);
    }
    for name in REMOVED_FUNCTIONS {
        env.remove_global(name);
    }
    env.add_function("raise_exception", |message: Option<String>, _: Rest<Value>, _: Kwargs| {
        let message = message.unwrap_or_else(|| "the messages are refused".to_owned());
        Err::<Value, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    env.set_unknown_method_callback(|state: &State, value: &Value, method: &str, args: &[Value]| {
        if !METHODS.contains(&method) {
            return Err(minijinja::Error::from(ErrorKind::UnknownMethod));
        }
        minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
    });
    env
}

/// Runs the template.
pub(super) fn render(template: &Template, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
    let said: usize = messages.iter().map(|m| m.role.len() + m.content.len()).fold(0, usize::saturating_add);
    let limit = said.saturating_mul(4).saturating_add(OUTPUT).saturating_add(messages.len().saturating_mul(64));
    let fuel = FUEL.saturating_add(FUEL_A_MESSAGE.saturating_mul(messages.len() as u64));
    let env = environment(fuel);
    let values = context! {
        messages => messages,
        add_generation_prompt => add_generation_prompt,
        bos_token => template.bos,
        eos_token => template.eos,
        turn_end => template.turn_end,
    };
    let mut output = Limited { text: Vec::new(), limit, full: false };
    let done =
        env.template_from_str(&template.text).and_then(|t| t.render_captured_to(values, &mut output).map(|_| ()));
    let reason = match done {
        Ok(()) => match String::from_utf8(output.text) {
            Ok(text) => return Ok(text),
            Err(e) => e.to_string(),
        },
        Err(_) if output.full => format!("it writes more than {limit} bytes"),
        Err(e) if e.kind() == ErrorKind::OutOfFuel => format!("it runs for more than {fuel} steps"),
        Err(e) => e.to_string(),
    };
    Err(Error::BadTemplate { reason })
}

/// Output that ends at a limit.
struct Limited {
    text: Vec<u8>,
    limit: usize,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len().saturating_add(bytes.len()) > self.limit {
            self.full = true;
            return Err(io::Error::other("limit reached"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
