//! Calls: macros, functions, methods of loops and namespaces.

use super::ast::Sym;
use super::clock;
use super::machine::{Cell, Loop, Machine};
use super::meter::{Charge, Fault, Meter, Outcome, fault};
use super::text::Writer;
use super::value::{Dict, Function, Items, Kind, Value};
use std::rc::Rc;

/// The longest `range`, as in Jinja's sandbox.
const MAX_RANGE: u64 = 100_000;

/// Arguments of a call.
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Sym, Value)>,
    charge: Charge,
}

impl Arguments {
    pub(super) fn new(meter: &Rc<Meter>) -> Outcome<Self> {
        Ok(Self { positional: Vec::new(), named: Vec::new(), charge: Charge::new(meter, 0)? })
    }

    pub(super) fn push(&mut self, value: Value) -> Outcome {
        self.charge.meter().work(1)?;
        self.charge.reserve(&mut self.positional, 1)?;
        self.positional.push(value);
        Ok(())
    }

    pub(super) fn name(&mut self, name: Sym, value: Value) -> Outcome {
        self.charge.meter().work(1 + self.named.len() / 8)?;
        if self.named.iter().any(|(other, _)| *other == name) {
            return fault("an argument is given twice");
        }
        self.charge.reserve(&mut self.named, 1)?;
        self.named.push((name, value));
        Ok(())
    }

    /// Takes the first of them away.
    pub(super) fn split_first(&mut self) -> Option<Value> {
        (!self.positional.is_empty()).then(|| self.positional.remove(0))
    }
}

impl Machine {
    /// The arguments by the names of the parameters, as Python binds them.
    pub(super) fn bind<const N: usize>(
        &self,
        what: &str,
        args: Arguments,
        parameters: [&str; N],
    ) -> Outcome<[Option<Value>; N]> {
        let mut bound = [const { None }; N];
        if args.positional.len() > N {
            return fault(format!("`{what}` takes at most {N} arguments, not {}", args.positional.len()));
        }
        for (place, value) in bound.iter_mut().zip(args.positional) {
            *place = Some(value);
        }
        for (name, value) in args.named {
            let name = self.names.name(name);
            match parameters.iter().position(|parameter| *parameter == name) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => return fault(format!("`{what}` got its argument `{name}` twice")),
                None => return fault(format!("`{what}` has no argument `{name}`")),
            }
        }
        Ok(bound)
    }

    pub(super) fn call(&mut self, value: &Value, args: Arguments) -> Outcome<Value> {
        match value {
            Value::Macro(closure) => self.nested(|machine| machine.call_macro(closure, args)),
            Value::Function(function) => self.call_function(*function, args),
            Value::Method(method) => {
                let method = Rc::clone(method);
                self.nested(|machine| machine.call_method(&method.0, method.1, args))
            }
            Value::Loop(number) => {
                let [items] = self.bind("loop", args, ["iterable"])?;
                let state = self.loops.get(*number);
                let Some((Some(body), depth, scope)) =
                    state.map(|Loop { recursive, depth, scope, .. }| (recursive.clone(), *depth, *scope))
                else {
                    return fault("`loop` is called, but the loop is not `recursive`");
                };
                let items = items.unwrap_or(Value::None);
                let mut out = Writer::new(&self.meter)?;
                self.nested(|machine| machine.run_loop(&body, &items, scope, depth + 1, &mut out))?;
                Ok(Value::Str(out.finish()))
            }
            Value::Cell(cell) => match self.cells.get_mut(*cell) {
                Some(Cell::Joiner { separator, used }) => {
                    let first = !std::mem::replace(used, true);
                    let separator = separator.clone();
                    if first { self.string("") } else { Ok(separator) }
                }
                _ => fault("'Namespace' object is not callable"),
            },
            _ => {
                self.defined(value)?;
                fault(format!("'{}' object is not callable", value.type_name()))
            }
        }
    }

    /// `object.name(args)`
    pub(super) fn call_method(&mut self, object: &Value, name: Sym, args: Arguments) -> Outcome<Value> {
        self.defined(object)?;
        match object {
            Value::Loop(number) if self.names.name(name) == "cycle" => {
                let index = self.loops.get(*number).map_or(0, |state| state.index);
                match args.positional.get(index % args.positional.len().max(1)) {
                    Some(value) => Ok(value.clone()),
                    None => fault("no items for cycling given"),
                }
            }
            Value::Loop(number) if self.names.name(name) == "changed" => {
                let mut values = Items::new(&self.meter)?;
                values.extend(&args.positional)?;
                let value = values.finish(Kind::Tuple)?;
                let before = self.loops.get_mut(*number).and_then(|state| state.changed.replace(value.clone()));
                Ok(Value::Bool(match before {
                    Some(before) => !before.equals(&value, &self.meter)?,
                    None => true,
                }))
            }
            Value::Cell(cell) => match (self.cells.get_mut(*cell), self.names.name(name)) {
                (Some(Cell::Cycler { items, at }), "next") => {
                    let value = items.get(*at).cloned().unwrap_or(Value::None);
                    *at = (*at + 1) % items.len().max(1);
                    Ok(value)
                }
                (Some(Cell::Cycler { at, .. }), "reset") => {
                    *at = 0;
                    Ok(Value::None)
                }
                _ => self.call_attribute(object, name, args),
            },
            Value::Str(_) | Value::List(_) | Value::Int(_) | Value::Float(_) => self.method(object, name, args),
            Value::Dict(_) if super::methods::exists(object, self.names.name(name)) => self.method(object, name, args),
            _ => self.call_attribute(object, name, args),
        }
    }

    fn call_attribute(&mut self, object: &Value, name: Sym, args: Arguments) -> Outcome<Value> {
        match self.attribute(object, name)? {
            Value::Undefined(_) => {
                fault(format!("'{} object' has no attribute '{}'", object.type_name(), self.names.name(name)))
            }
            found => self.call(&found, args),
        }
    }

    fn call_function(&mut self, function: Function, mut args: Arguments) -> Outcome<Value> {
        match function {
            Function::RaiseException => {
                let [message] = self.bind("raise_exception", args, ["message"])?;
                let mut text = Writer::new(&self.meter)?;
                match message {
                    Some(message) => self.print(&message, &mut text)?,
                    None => text.own("the messages are refused")?,
                }
                Err(Box::new(Fault::Refused(text.finish().as_str().to_owned())))
            }
            Function::StrftimeNow => {
                let [format] = self.bind("strftime_now", args, ["format"])?;
                let Some(Value::Str(format)) = format else { return fault("`strftime_now` needs a format") };
                let now = clock::now();
                let mut out = Writer::new(&self.meter)?;
                clock::format(format.as_str(), now, |text| out.push(text, format.mark()))?;
                Ok(Value::Str(out.finish()))
            }
            Function::Range => self.range(args),
            Function::Dict => {
                let mut dict = Dict::new(&self.meter)?;
                match self.bind_rest(&mut args)? {
                    Some(Value::Dict(from)) => {
                        for (key, value) in &from.entries {
                            dict.insert(key.clone(), value.clone())?;
                        }
                    }
                    Some(pairs) => {
                        for pair in &self.iterate(&pairs)?.items {
                            let pair = self.iterate(pair)?;
                            let [key, value] = &pair.items[..] else { return fault("`dict` needs pairs") };
                            dict.insert(key.clone(), value.clone())?;
                        }
                    }
                    None => {}
                }
                for (name, value) in args.named {
                    dict.insert(self.string(self.names.name(name))?, value)?;
                }
                dict.finish()
            }
            Function::Namespace => {
                let mut attributes = Vec::new();
                if let Some(from) = self.bind_rest(&mut args)? {
                    let Value::Dict(from) = from else { return fault("`namespace` needs a dictionary or names") };
                    for (key, value) in &from.entries {
                        let Value::Str(key) = key else { return fault("names in a namespace are strings") };
                        self.charge.reserve(&mut attributes, 1)?;
                        attributes.push((self.names.add(key.as_str())?, value.clone()));
                    }
                }
                for (name, value) in args.named {
                    self.meter.work(1 + attributes.len() / 8)?;
                    self.charge.reserve(&mut attributes, 1)?;
                    attributes.retain(|(other, _)| *other != name);
                    attributes.push((name, value));
                }
                self.cell(Cell::Namespace(attributes))
            }
            Function::Cycler => {
                if args.positional.is_empty() || !args.named.is_empty() {
                    return fault("`cycler` needs items");
                }
                self.charge.grow(args.positional.len() * size_of::<Value>())?;
                self.cell(Cell::Cycler { items: args.positional, at: 0 })
            }
            Function::Joiner => {
                let [separator] = self.bind("joiner", args, ["sep"])?;
                let separator = match separator {
                    Some(separator) => separator,
                    None => self.string(", ")?,
                };
                self.cell(Cell::Joiner { separator, used: false })
            }
        }
    }

    /// The one positional argument there may be.
    fn bind_rest(&self, args: &mut Arguments) -> Outcome<Option<Value>> {
        if args.positional.len() > 1 {
            return fault("one positional argument at most");
        }
        Ok(args.positional.pop())
    }

    fn cell(&mut self, cell: Cell) -> Outcome<Value> {
        self.charge.reserve(&mut self.cells, 1)?;
        self.cells.push(cell);
        Ok(Value::Cell(self.cells.len() - 1))
    }

    fn range(&mut self, args: Arguments) -> Outcome<Value> {
        let mut bounds = Vec::new();
        for value in args.positional.iter().take(4) {
            match value {
                Value::Int(i) => bounds.push(*i),
                Value::Bool(b) => bounds.push(i64::from(*b)),
                _ => {
                    self.defined(value)?;
                    return fault(format!("'{}' object cannot be interpreted as an integer", value.type_name()));
                }
            }
        }
        let (start, stop, step) = match bounds[..] {
            _ if !args.named.is_empty() => return fault("`range` has no named arguments"),
            [stop] => (0, stop, 1),
            [start, stop] => (start, stop, 1),
            [start, stop, step] if step != 0 => (start, stop, step),
            [_, _, _] => return fault("the step of `range` must not be zero"),
            _ => return fault("`range` takes one to three numbers"),
        };
        let empty = if step > 0 { start >= stop } else { start <= stop };
        let count = if empty { 0 } else { start.abs_diff(stop).div_ceil(step.unsigned_abs()) };
        if count > MAX_RANGE {
            return fault(format!("a range of {count} numbers, at most {MAX_RANGE} are made"));
        }
        let mut items = Items::new(&self.meter)?;
        for index in 0..count {
            // Cannot overflow: every number lies between start and stop.
            items.push(Value::Int(start.saturating_add((index as i64).saturating_mul(step))))?;
        }
        items.finish(Kind::Range)
    }
}
