//! Evaluates expressions.

use super::ast::{Args, Comparison, Expr, Post, Sym};
use super::call::Arguments;
use super::machine::{Cell, Machine};
use super::meter::{Charge, Outcome, fault};
use super::methods;
use super::text::Writer;
use super::value::{Dict, Function, Items, Kind, List, Value};
use std::cmp::Ordering;
use std::rc::Rc;

impl Machine {
    pub(super) fn evaluate(&mut self, expr: &Expr) -> Outcome<Value> {
        self.meter.work(1)?;
        match expr {
            Expr::Const(value) => Ok(value.clone()),
            Expr::Name(name) => {
                let value = self.variable(*name)?;
                if let Value::Loop(number) = value
                    && let Some(state) = self.loops.get_mut(number)
                {
                    state.kept = true;
                }
                Ok(value)
            }
            _ => self.nested(|machine| machine.compound(expr)),
        }
    }

    fn variable(&self, name: Sym) -> Outcome<Value> {
        Ok(match self.lookup(name)? {
            Some(value) => value.clone(),
            None => match self.names.name(name) {
                "range" => Value::Function(Function::Range),
                "dict" => Value::Function(Function::Dict),
                "namespace" => Value::Function(Function::Namespace),
                "cycler" => Value::Function(Function::Cycler),
                "joiner" => Value::Function(Function::Joiner),
                "raise_exception" => Value::Function(Function::RaiseException),
                "strftime_now" => Value::Function(Function::StrftimeNow),
                _ => Value::Undefined(name),
            },
        })
    }

    fn compound(&mut self, expr: &Expr) -> Outcome<Value> {
        match expr {
            Expr::Const(_) | Expr::Name(_) => self.evaluate(expr),
            Expr::List(items) => self.sequence(items, Kind::List),
            Expr::Tuple(items) => self.sequence(items, Kind::Tuple),
            Expr::Dict(entries) => {
                let mut dict = Dict::new(&self.meter)?;
                for (key, value) in entries {
                    let key = self.evaluate(key)?;
                    dict.insert(key, self.evaluate(value)?)?;
                }
                dict.finish()
            }
            Expr::Not(value) => Ok(Value::Bool(!self.evaluate(value)?.is_true())),
            Expr::Negative(value) => {
                let value = self.evaluate(value)?;
                self.sign(value, true)
            }
            Expr::Positive(value) => {
                let value = self.evaluate(value)?;
                self.sign(value, false)
            }
            Expr::And(parts) => self.until(parts, false),
            Expr::Or(parts) => self.until(parts, true),
            Expr::Compare(first, rest) => self.compared(first, rest),
            Expr::Arithmetic(first, rest) => {
                let mut left = self.evaluate(first)?;
                for (operator, right) in rest {
                    let right = self.evaluate(right)?;
                    left = self.operate(&left, *operator, &right)?;
                }
                Ok(left)
            }
            Expr::Concat(parts) => {
                let mut out = Writer::new(&self.meter)?;
                for part in parts {
                    let part = self.evaluate(part)?;
                    self.print(&part, &mut out)?;
                }
                Ok(Value::Str(out.finish()))
            }
            Expr::If(parts) => {
                let (then, test, otherwise) = &**parts;
                match (self.evaluate(test)?.is_true(), otherwise) {
                    (true, _) => self.evaluate(then),
                    (false, Some(otherwise)) => self.evaluate(otherwise),
                    (false, None) => Ok(Value::Undefined(self.known.nameless)),
                }
            }
            Expr::Postfix(value, posts) => self.postfix(value, posts, None),
        }
    }

    fn sequence(&mut self, items: &[Expr], kind: Kind) -> Outcome<Value> {
        let mut list = Items::new(&self.meter)?;
        for item in items {
            list.push(self.evaluate(item)?)?;
        }
        list.finish(kind)
    }

    /// `and` and `or`: the first part that decides, or the last.
    fn until(&mut self, parts: &[Expr], wanted: bool) -> Outcome<Value> {
        let mut last = Value::Bool(!wanted);
        for part in parts {
            last = self.evaluate(part)?;
            if last.is_true() == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn compared(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) -> Outcome<Value> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(right)?;
            if !self.compare(&left, *comparison, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    pub(super) fn compare(&self, left: &Value, comparison: Comparison, right: &Value) -> Outcome<bool> {
        let order = |wanted: fn(Ordering) -> bool| {
            self.defined(left)?;
            self.defined(right)?;
            Ok(left.compare(right, &self.meter)?.is_some_and(wanted))
        };
        match comparison {
            Comparison::Equal => left.equals(right, &self.meter),
            Comparison::NotEqual => Ok(!left.equals(right, &self.meter)?),
            Comparison::Less => order(Ordering::is_lt),
            Comparison::LessOrEqual => order(Ordering::is_le),
            Comparison::Greater => order(Ordering::is_gt),
            Comparison::GreaterOrEqual => order(Ordering::is_ge),
            Comparison::In => self.contains(right, left),
            Comparison::NotIn => Ok(!self.contains(right, left)?),
        }
    }

    /// Refuses what is not there.
    pub(super) fn defined(&self, value: &Value) -> Outcome {
        match value {
            Value::Undefined(name) => fault(format!("'{}' is undefined", self.names.name(*name))),
            _ => Ok(()),
        }
    }

    /// A call with a `caller`.
    pub(super) fn call_with(&mut self, call: &Expr, caller: Value) -> Outcome<Value> {
        match call {
            Expr::Postfix(value, posts) => self.postfix(value, posts, Some(caller)),
            _ => fault("`call` needs a call"),
        }
    }

    /// `value.name[item](args) | filter is test`; the last call gets the `caller`.
    fn postfix(&mut self, value: &Expr, posts: &[Post], mut caller: Option<Value>) -> Outcome<Value> {
        let mut value = match (value, posts.first()) {
            // `loop.index` and its like keep nothing.
            (Expr::Name(name), Some(Post::Attribute(_) | Post::Item(_))) => self.variable(*name)?,
            _ => self.evaluate(value)?,
        };
        let mut posts = posts.iter().peekable();
        while let Some(post) = posts.next() {
            self.meter.work(1)?;
            value = match post {
                Post::Attribute(name) => match posts.peek() {
                    Some(Post::Call(args)) => {
                        posts.next();
                        let caller = if posts.peek().is_none() { caller.take() } else { None };
                        let args = self.arguments_with(args, caller)?;
                        self.call_method(&value, *name, args)?
                    }
                    _ => self.attribute(&value, *name)?,
                },
                Post::Item(item) => {
                    let item = self.evaluate(item)?;
                    self.item(&value, &item)?
                }
                Post::Slice(parts) => {
                    let mut bounds = [None, None, None];
                    for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                        if let Some(part) = part {
                            let part = self.evaluate(part)?;
                            *bound = self.bound(&part)?;
                        }
                    }
                    self.defined(&value)?;
                    self.slice(&value, bounds)?
                }
                Post::Call(args) => {
                    let caller = if posts.peek().is_none() { caller.take() } else { None };
                    let args = self.arguments_with(args, caller)?;
                    self.call(&value, args)?
                }
                Post::Filter(name, args) => {
                    let args = self.arguments(args)?;
                    self.filter(*name, value, args)?
                }
                Post::Test { name, args, negated } => {
                    let args = self.arguments(args)?;
                    Value::Bool(self.test(*name, &value, &args)? != *negated)
                }
            };
        }
        Ok(value)
    }

    pub(super) fn arguments(&mut self, args: &Args) -> Outcome<Arguments> {
        self.arguments_with(args, None)
    }

    fn arguments_with(&mut self, args: &Args, caller: Option<Value>) -> Outcome<Arguments> {
        let mut given = Arguments::new(&self.meter)?;
        for value in &args.positional {
            given.push(self.evaluate(value)?)?;
        }
        for (name, value) in &args.named {
            given.name(*name, self.evaluate(value)?)?;
        }
        if let Some(unpacked) = &args.unpacked {
            if let Some(list) = &unpacked.0 {
                let list = self.evaluate(list)?;
                for value in &self.iterate(&list)?.items {
                    given.push(value.clone())?;
                }
            }
            if let Some(dict) = &unpacked.1 {
                let Value::Dict(dict) = self.evaluate(dict)? else { return fault("`**` needs a dictionary") };
                for (key, value) in &dict.entries {
                    let Value::Str(key) = key else { return fault("names of arguments are strings") };
                    given.name(self.names.add(key.as_str())?, value.clone())?;
                }
            }
        }
        if let Some(caller) = caller {
            given.name(self.known.caller, caller)?;
        }
        Ok(given)
    }

    /// `value.name`: what Python's object has, else what the dictionary has.
    pub(super) fn attribute(&mut self, value: &Value, name: Sym) -> Outcome<Value> {
        self.defined(value)?;
        let text = self.names.name(name);
        let found = match value {
            _ if methods::exists(value, text) => {
                let charge = Charge::new(&self.meter, size_of::<(Value, Sym, Charge)>() + 16)?;
                Some(Value::Method(Rc::new((value.clone(), name, charge))))
            }
            Value::Dict(dict) => dict.get_str(text)?.cloned(),
            Value::Cell(cell) => match self.cells.get(*cell) {
                Some(Cell::Namespace(attributes)) => {
                    self.meter.work(1 + attributes.len() / 8)?;
                    attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
                }
                Some(Cell::Cycler { items, at }) if text == "current" => items.get(*at).cloned(),
                _ => None,
            },
            Value::Loop(number) => self.loop_attribute(*number, text)?,
            Value::Macro(closure) if text == "name" => Some(self.string(self.names.name(closure.body.name))?),
            _ => None,
        };
        Ok(found.unwrap_or(Value::Undefined(name)))
    }

    fn loop_attribute(&self, number: usize, name: &str) -> Outcome<Option<Value>> {
        let Some(state) = self.loops.get(number) else { return Ok(None) };
        let items: &[Value] = state.items.as_ref().map_or(&[], |list| &list.items);
        let int = |value: usize| Some(Value::Int(value as i64));
        let (index, length) = (state.index, items.len());
        Ok(match name {
            "index" => int(index + 1),
            "index0" => int(index),
            "revindex" => int(length.saturating_sub(index)),
            "revindex0" => int(length.saturating_sub(index + 1)),
            "first" => Some(Value::Bool(index == 0)),
            "last" => Some(Value::Bool(index + 1 >= length)),
            "length" => int(length),
            "depth" => int(state.depth + 1),
            "depth0" => int(state.depth),
            "previtem" => index.checked_sub(1).and_then(|at| items.get(at)).cloned(),
            "nextitem" => items.get(index + 1).cloned(),
            _ => None,
        })
    }

    /// `value[item]`.
    pub(super) fn item(&mut self, value: &Value, item: &Value) -> Outcome<Value> {
        self.defined(value)?;
        let index = match item {
            Value::Int(index) => Some(*index),
            Value::Bool(index) => Some(i64::from(*index)),
            _ => None,
        };
        let found = match (value, index) {
            (Value::Dict(dict), _) => dict.get(item)?.cloned(),
            (Value::List(list), Some(index)) if list.kind != Kind::Generator => {
                place(index, list.items.len()).and_then(|at| list.items.get(at)).cloned()
            }
            (Value::Str(text), Some(index)) => match place(index, text.chars()) {
                Some(at) => {
                    let start = text.offset(at)?;
                    let c = text.as_str()[start..].chars().next().map_or(0, char::len_utf8);
                    Some(Value::Str(text.slice(start..start + c)?))
                }
                None => None,
            },
            _ => None,
        };
        match (found, item) {
            (Some(found), _) => Ok(found),
            (None, Value::Str(name)) => {
                let name = self.names.add(name.as_str())?;
                if matches!(value, Value::Dict(_)) && !methods::exists(value, self.names.name(name)) {
                    return Ok(Value::Undefined(name));
                }
                self.attribute(value, name)
            }
            _ => Ok(Value::Undefined(self.known.nameless)),
        }
    }

    /// What a loop goes through.
    pub(super) fn iterate(&self, value: &Value) -> Outcome<Rc<List>> {
        let mut items = Items::new(&self.meter)?;
        match value {
            Value::List(list) => return Ok(Rc::clone(list)),
            Value::Undefined(_) => {}
            Value::Dict(dict) => items.extend(dict.entries.iter().map(|(key, _)| key))?,
            Value::Str(text) => {
                for (at, c) in text.as_str().char_indices() {
                    items.push(Value::Str(text.slice(at..at + c.len_utf8())?))?;
                }
            }
            _ => return fault(format!("'{}' object is not iterable", value.type_name())),
        }
        items.rc(Kind::List)
    }

    /// `needle in value`.
    pub(super) fn contains(&self, value: &Value, needle: &Value) -> Outcome<bool> {
        match (value, needle) {
            (Value::Undefined(_), _) => Ok(false),
            (Value::Str(text), Value::Str(needle)) => {
                self.meter.text(text.len() + needle.len())?;
                Ok(text.as_str().contains(needle.as_str()))
            }
            (Value::Str(_), _) => {
                self.defined(needle)?;
                fault(format!("'in <string>' requires string as left operand, not {}", needle.type_name()))
            }
            (Value::Dict(dict), _) => Ok(dict.get(needle)?.is_some()),
            (Value::List(list), _) => {
                for item in &list.items {
                    if item.equals(needle, &self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => fault(format!("argument of type '{}' is not iterable", value.type_name())),
        }
    }

    /// A bound of a slice.
    fn bound(&self, value: &Value) -> Outcome<Option<i64>> {
        match value {
            Value::None => Ok(None),
            Value::Int(i) => Ok(Some(*i)),
            Value::Bool(b) => Ok(Some(i64::from(*b))),
            _ => {
                self.defined(value)?;
                fault("slice indices must be integers or None")
            }
        }
    }

    fn slice(&self, value: &Value, [start, stop, step]: [Option<i64>; 3]) -> Outcome<Value> {
        let length = match value {
            Value::Str(text) => text.chars(),
            Value::List(list) if list.kind != Kind::Generator => list.items.len(),
            _ => return fault(format!("a '{}' object can't be sliced", value.type_name())),
        } as i64;
        let step = step.unwrap_or(1);
        if step == 0 {
            return fault("slice step cannot be zero");
        }
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let clamp = |bound: i64| if bound < 0 { bound.saturating_add(length).max(low) } else { bound.min(high) };
        let start = start.map_or(if step > 0 { low } else { high }, clamp);
        let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
        let count = if step > 0 { stop - start } else { start - stop };
        let stride = step.unsigned_abs();
        let places = (0..count.max(0) as u64).step_by(usize::try_from(stride).unwrap_or(usize::MAX));
        let places = places.map(|offset| if step > 0 { start + offset as i64 } else { start - offset as i64 });
        match value {
            Value::Str(text) if step == 1 => {
                if count <= 0 {
                    return self.string("");
                }
                let (from, to) = (text.offset(start as usize)?, text.offset(stop as usize)?);
                Ok(Value::Str(text.slice(from..to)?))
            }
            Value::Str(text) => {
                let (mut offsets, mut charge) = (Vec::new(), Charge::new(&self.meter, 0)?);
                charge.reserve(&mut offsets, text.chars())?;
                self.meter.text(text.len())?;
                offsets.extend(text.as_str().char_indices().map(|(at, c)| (at, c.len_utf8())));
                let mut out = Writer::new(&self.meter)?;
                for place in places {
                    if let Some(&(at, length)) = offsets.get(place as usize) {
                        out.copy(text, at..at + length)?;
                    }
                }
                Ok(Value::Str(out.finish_as(text.is_safe())))
            }
            Value::List(list) => {
                let mut items = Items::new(&self.meter)?;
                for place in places {
                    items.extend(list.items.get(place as usize))?;
                }
                items.finish(list.kind)
            }
            _ => Ok(Value::Undefined(self.known.nameless)),
        }
    }
}

/// The place of an index, which counts from the end where it is negative.
fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(length as i64)? } else { index };
    usize::try_from(index).ok().filter(|&at| at < length)
}
