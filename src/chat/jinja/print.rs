//! Values as text: Python's `str`, `repr` and `json.dumps`.

use super::machine::Machine;
use super::meter::{Meter, Outcome, fault};
use super::text::{Mark, Text, Writer};
use super::value::{Kind, Value};
use std::fmt::Write as _;

impl Machine {
    /// What `{{ value }}` writes.
    pub(super) fn print(&self, value: &Value, out: &mut Writer) -> Outcome {
        match value {
            Value::Undefined(_) => Ok(()),
            Value::Str(text) => out.text(text),
            _ => self.repr(value, out),
        }
    }

    /// A value as a string.
    pub(super) fn text(&self, value: &Value) -> Outcome<Text> {
        match value {
            Value::Str(text) => Ok(text.clone()),
            _ => {
                let mut out = Writer::new(&self.meter)?;
                self.print(value, &mut out)?;
                Ok(out.finish())
            }
        }
    }

    /// Python's `repr`.
    pub(super) fn repr(&self, value: &Value, out: &mut Writer) -> Outcome {
        self.meter.work(1)?;
        match value {
            Value::Undefined(_) => out.own("Undefined"),
            Value::None => out.own("None"),
            Value::Bool(true) => out.own("True"),
            Value::Bool(false) => out.own("False"),
            Value::Int(i) => out.own(&i.to_string()),
            Value::Float(f) => out.own(&float(*f)),
            Value::Str(text) => quoted(text, out),
            Value::List(list) => {
                let (open, close) = match list.kind {
                    Kind::List => ("[", "]"),
                    Kind::Tuple if list.items.len() == 1 => ("(", ",)"),
                    Kind::Tuple => ("(", ")"),
                    Kind::Range => ("range(", ")"),
                    Kind::Generator => return out.push("<generator object>", Mark::Message),
                };
                out.own(open)?;
                if list.kind == Kind::Range {
                    self.range_repr(&list.items, out)?;
                } else {
                    for (index, item) in list.items.iter().enumerate() {
                        if index > 0 {
                            out.own(", ")?;
                        }
                        self.repr(item, out)?;
                    }
                }
                out.own(close)
            }
            Value::Dict(dict) => {
                out.own("{")?;
                for (index, (key, value)) in dict.entries.iter().enumerate() {
                    if index > 0 {
                        out.own(", ")?;
                    }
                    self.repr(key, out)?;
                    out.own(": ")?;
                    self.repr(value, out)?;
                }
                out.own("}")
            }
            // Not the template's words: it has no other way to write a `<` that its source does not hold.
            _ => out.push(&format!("<{}>", value.type_name()), Mark::Message),
        }
    }

    /// `range(0, 3)`: the bounds that give these numbers.
    fn range_repr(&self, items: &[Value], out: &mut Writer) -> Outcome {
        let (first, step) = match items {
            [Value::Int(a), Value::Int(b), ..] => (*a, b.saturating_sub(*a)),
            [Value::Int(a)] => (*a, 1),
            _ => (0, 1),
        };
        let stop = first.saturating_add(step.saturating_mul(items.len() as i64));
        out.own(&if step == 1 { format!("{first}, {stop}") } else { format!("{first}, {stop}, {step}") })
    }
}

/// Python's `repr` of a float: the fewest digits that tell it from others.
pub(super) fn float(f: f64) -> String {
    if !f.is_finite() {
        return if f.is_nan() {
            "nan"
        } else if f > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{f:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..16 => {
            let plain = f.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        exponent => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

fn quoted(text: &Text, out: &mut Writer) -> Outcome {
    let s = text.as_str();
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    let mark = if quote == '"' { "\"" } else { "'" };
    out.own(mark)?;
    let escaped = text.map(|_, c, out| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        c if c == quote => out.extend(['\\', c]),
        c if is_printable(c) => out.push(c),
        c => {
            // Writing to a string cannot fail.
            let _ = match c as u32 {
                code @ 0..0x100 => write!(out, "\\x{code:02x}"),
                code @ 0x100..0x1_0000 => write!(out, "\\u{code:04x}"),
                code => write!(out, "\\U{code:08x}"),
            };
        }
    })?;
    out.text(&escaped)?;
    out.own(mark)
}

/// Near enough to Python's `str.isprintable`: what Rust's own `Debug` prints behind another letter.
pub(super) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !c.is_whitespace() && ['a', c].iter().collect::<String>().escape_debug().nth(1) == Some(c)
}

/// How `json.dumps` is asked to write.
pub(super) struct Json {
    pub(super) ascii: bool,
    pub(super) indent: Option<Text>,
    pub(super) item_separator: Text,
    pub(super) key_separator: Text,
    pub(super) sort_keys: bool,
}

impl Json {
    pub(super) fn write(&self, value: &Value, level: usize, meter: &Meter, out: &mut Writer) -> Outcome {
        meter.work(1)?;
        match value {
            Value::None => out.own("null"),
            Value::Bool(b) => out.own(if *b { "true" } else { "false" }),
            Value::Int(i) => out.own(&i.to_string()),
            Value::Float(f) if f.is_nan() => out.own("NaN"),
            Value::Float(f) if f.is_infinite() => out.own(if *f > 0.0 { "Infinity" } else { "-Infinity" }),
            Value::Float(f) => out.own(&float(*f)),
            Value::Str(text) => self.string(text, out),
            Value::List(list) if matches!(list.kind, Kind::List | Kind::Tuple) => {
                self.group(["[", "]"], &list.items, level, out, |item, out| self.write(item, level + 1, meter, out))
            }
            Value::Dict(dict) => {
                let mut entries: Vec<&(Value, Value)> = Vec::new();
                meter.work(dict.entries.len())?;
                entries.extend(&dict.entries);
                if self.sort_keys {
                    entries.sort_by_cached_key(|(key, _)| match key {
                        Value::Str(key) => key.as_str().to_owned(),
                        _ => String::new(),
                    });
                }
                self.group(["{", "}"], &entries, level, out, |(key, value), out| {
                    self.key(key, out)?;
                    out.text(&self.key_separator)?;
                    self.write(value, level + 1, meter, out)
                })
            }
            _ => fault(format!("Object of type {} is not JSON serializable", value.type_name())),
        }
    }

    fn group<T>(
        &self,
        [open, close]: [&str; 2],
        items: &[T],
        level: usize,
        out: &mut Writer,
        mut each: impl FnMut(&T, &mut Writer) -> Outcome,
    ) -> Outcome {
        out.own(open)?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.text(&self.item_separator)?;
            }
            self.line(level + 1, out)?;
            each(item, out)?;
        }
        if !items.is_empty() {
            self.line(level, out)?;
        }
        out.own(close)
    }

    fn line(&self, level: usize, out: &mut Writer) -> Outcome {
        let Some(indent) = &self.indent else { return Ok(()) };
        out.own("\n")?;
        out.repeat(indent, level)
    }

    fn key(&self, key: &Value, out: &mut Writer) -> Outcome {
        match key {
            Value::Str(key) => self.string(key, out),
            Value::None => out.own("\"null\""),
            Value::Bool(b) => out.own(if *b { "\"true\"" } else { "\"false\"" }),
            Value::Int(i) => out.own(&format!("\"{i}\"")),
            Value::Float(f) => out.own(&format!("\"{}\"", float(*f))),
            _ => fault(format!("keys must be str, int, float, bool or None, not {}", key.type_name())),
        }
    }

    fn string(&self, text: &Text, out: &mut Writer) -> Outcome {
        out.own("\"")?;
        let escaped = text.map(|_, c, out| match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (self.ascii && !(' '..='~').contains(&c)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        })?;
        out.text(&escaped)?;
        out.own("\"")
    }
}

/// A text of the template's own for the way JSON is written.
pub(super) fn own(machine: &Machine, text: &str) -> Outcome<Text> {
    Text::new(&machine.meter, text, Mark::Template)
}
