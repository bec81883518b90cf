//! Jinja's tests: what may follow `is`.

use super::ast::{Comparison, Sym};
use super::call::Arguments;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::value::{Kind, Number, Value};

impl Machine {
    pub(super) fn test(&mut self, name: Sym, value: &Value, args: &Arguments) -> Outcome<bool> {
        let name = self.names.name(name).to_owned();
        self.test_named(&name, value, &args.positional)
    }

    pub(super) fn test_named(&mut self, name: &str, value: &Value, args: &[Value]) -> Outcome<bool> {
        let comparison = match name {
            "==" | "eq" | "equalto" => Some(Comparison::Equal),
            "!=" | "ne" => Some(Comparison::NotEqual),
            "<" | "lt" | "lessthan" => Some(Comparison::Less),
            "<=" | "le" => Some(Comparison::LessOrEqual),
            ">" | "gt" | "greaterthan" => Some(Comparison::Greater),
            ">=" | "ge" => Some(Comparison::GreaterOrEqual),
            "in" => Some(Comparison::In),
            _ => None,
        };
        let wanted = usize::from(comparison.is_some() || matches!(name, "sameas" | "divisibleby"));
        if args.len() != wanted {
            return fault(format!("the test `{name}` takes {wanted} arguments, not {}", args.len()));
        }
        if let (Some(comparison), [other]) = (comparison, args) {
            return self.compare(value, comparison, other);
        }
        let text = |f: fn(&str) -> bool| Ok(f(self.text(value)?.as_str()));
        Ok(match name {
            "defined" => !value.is_undefined(),
            "undefined" => value.is_undefined(),
            "none" => matches!(value, Value::None),
            "boolean" => matches!(value, Value::Bool(_)),
            "true" => matches!(value, Value::Bool(true)),
            "false" => matches!(value, Value::Bool(false)),
            "integer" => matches!(value, Value::Int(_)),
            "float" => matches!(value, Value::Float(_)),
            "number" => value.number().is_some(),
            "string" => matches!(value, Value::Str(_)),
            "mapping" => matches!(value, Value::Dict(_)),
            "iterable" => {
                matches!(value, Value::Undefined(_) | Value::Str(_) | Value::List(_) | Value::Dict(_) | Value::Loop(_))
            }
            "sequence" => match value {
                Value::List(list) => list.kind != Kind::Generator,
                _ => matches!(value, Value::Undefined(_) | Value::Str(_) | Value::Dict(_)),
            },
            "callable" => {
                matches!(value, Value::Macro(_) | Value::Function(_) | Value::Method(_) | Value::Loop(_))
            }
            "escaped" => matches!(value, Value::Str(text) if text.is_safe()),
            "sameas" => match (value, args) {
                (Value::Str(a), [Value::Str(b)]) => a.same(b) || a.as_str() == b.as_str(),
                (a, [b]) => a.type_name() == b.type_name() && a.equals(b, &self.meter)?,
                _ => false,
            },
            "odd" | "even" => match value.number() {
                Some(Number::Int(i)) => (i % 2 == 0) == (name == "even"),
                Some(Number::Float(f)) => f % 2.0 == if name == "even" { 0.0 } else { 1.0 },
                None => {
                    self.defined(value)?;
                    return fault(format!("the test `{name}` needs a number, not {}", value.type_name()));
                }
            },
            "divisibleby" => match (value.number(), args.first().and_then(Value::number)) {
                (Some(Number::Int(a)), Some(Number::Int(b))) if b != 0 => a.checked_rem(b).unwrap_or(0) == 0,
                _ => return fault("the test `divisibleby` needs two whole numbers, the second not zero"),
            },
            "upper" => return text(|s| s.chars().any(char::is_uppercase) && !s.chars().any(char::is_lowercase)),
            "lower" => return text(|s| s.chars().any(char::is_lowercase) && !s.chars().any(char::is_uppercase)),
            _ => return fault(format!("no test named '{name}'")),
        })
    }
}
