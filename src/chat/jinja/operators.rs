//! Arithmetic, and what `+`, `*` and `%` mean for strings and lists.

use super::ast::Operator;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::text::{Text, Writer};
use super::value::{Items, Kind, Number, Value};

impl Machine {
    pub(super) fn sign(&self, value: Value, negative: bool) -> Outcome<Value> {
        self.defined(&value)?;
        match value.number() {
            Some(Number::Int(i)) if negative => match i.checked_neg() {
                Some(i) => Ok(Value::Int(i)),
                None => too_large(),
            },
            Some(Number::Float(f)) if negative => Ok(Value::Float(-f)),
            Some(Number::Int(i)) => Ok(Value::Int(i)),
            Some(Number::Float(f)) => Ok(Value::Float(f)),
            None => fault(format!("a sign before a '{}'", value.type_name())),
        }
    }

    pub(super) fn operate(&mut self, left: &Value, operator: Operator, right: &Value) -> Outcome<Value> {
        self.meter.work(1)?;
        if let (Some(a), Some(b)) = (left.number(), right.number()) {
            return arithmetic(a, operator, b);
        }
        match (operator, left, right) {
            (Operator::Add, Value::Str(a), Value::Str(b)) => self.joined(a, b),
            (Operator::Add, Value::List(a), Value::List(b))
                if a.kind == b.kind && matches!(a.kind, Kind::List | Kind::Tuple) =>
            {
                let mut items = Items::new(&self.meter)?;
                items.extend(a.items.iter().chain(&b.items))?;
                items.finish(a.kind)
            }
            (Operator::Multiply, Value::Str(text), other) | (Operator::Multiply, other, Value::Str(text)) => {
                let times = self.times(other)?;
                let mut out = Writer::new(&self.meter)?;
                out.repeat(text, times)?;
                Ok(Value::Str(out.finish_as(text.is_safe())))
            }
            (Operator::Multiply, Value::List(list), other) | (Operator::Multiply, other, Value::List(list))
                if matches!(list.kind, Kind::List | Kind::Tuple) =>
            {
                let times = if list.items.is_empty() { 0 } else { self.times(other)? };
                let mut items = Items::new(&self.meter)?;
                for _ in 0..times {
                    items.extend(&list.items)?;
                }
                items.finish(list.kind)
            }
            (Operator::Modulo, Value::Str(format), values) => self.percent(format, values),
            _ => {
                self.defined(left)?;
                self.defined(right)?;
                let (a, b, sign) = (left.type_name(), right.type_name(), operator.sign());
                fault(format!("unsupported operand types for {sign}: '{a}' and '{b}'"))
            }
        }
    }

    fn times(&self, value: &Value) -> Outcome<usize> {
        match value.number() {
            Some(Number::Int(times)) => Ok(usize::try_from(times.max(0)).unwrap_or(usize::MAX)),
            _ => {
                self.defined(value)?;
                fault(format!("can't multiply sequence by non-int of type '{}'", value.type_name()))
            }
        }
    }

    fn joined(&self, a: &Text, b: &Text) -> Outcome<Value> {
        let safe = a.is_safe() || b.is_safe();
        let mut out = Writer::new(&self.meter)?;
        for text in [a, b] {
            if safe && !text.is_safe() {
                out.text(&escaped(text)?)?;
            } else {
                out.text(text)?;
            }
        }
        Ok(Value::Str(out.finish_as(safe)))
    }
}

/// HTML's special characters escaped, as `Markup` does with what is joined to it.
pub(super) fn escaped(text: &Text) -> Outcome<Text> {
    text.map(|_, c, out| match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '\'' => out.push_str("&#39;"),
        '"' => out.push_str("&#34;"),
        c => out.push(c),
    })
}

fn too_large<T>() -> Outcome<T> {
    fault("a whole number has more than 63 bits")
}

fn arithmetic(a: Number, operator: Operator, b: Number) -> Outcome<Value> {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        return whole(a, operator, b);
    }
    let (a, b) = (a.float(), b.float());
    let zero = b == 0.0;
    let value = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide | Operator::FloorDivide | Operator::Modulo if zero => return fault("division by zero"),
        Operator::Divide => a / b,
        Operator::FloorDivide => ((a - remainder(a, b)) / b).round(),
        Operator::Modulo => remainder(a, b),
        Operator::Power if a == 0.0 && b < 0.0 => return fault("0.0 cannot be raised to a negative power"),
        Operator::Power => match libm::pow(a, b) {
            power if power.is_nan() && !a.is_nan() && !b.is_nan() => return fault("a power that is no real number"),
            power if power.is_infinite() && a.is_finite() && b.is_finite() => return fault("a power is too large"),
            power => power,
        },
    };
    Ok(Value::Float(value))
}

/// Python's `%`: it has the sign of the divisor.
fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

fn whole(a: i64, operator: Operator, b: i64) -> Outcome<Value> {
    let value = match operator {
        Operator::Divide | Operator::FloorDivide | Operator::Modulo if b == 0 => return fault("division by zero"),
        Operator::Divide => return Ok(Value::Float(a as f64 / b as f64)),
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::FloorDivide => a.checked_div(b).map(|q| if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q }),
        // The smallest number modulo -1 is 0 too.
        Operator::Modulo => Some(a.checked_rem(b).map_or(0, |r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r })),
        Operator::Power if b < 0 => return arithmetic(Number::Float(a as f64), operator, Number::Float(b as f64)),
        Operator::Power => match a {
            0 | 1 => Some(if b == 0 { 1 } else { a }),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        },
    };
    match value {
        Some(value) => Ok(Value::Int(value)),
        None => too_large(),
    }
}
