//! Values as Python has them. Lists and dictionaries never change once they are made, so none contains itself.

use super::ast::{Macro, Sym};
use super::meter::{Charge, Meter, Outcome, fault};
use super::text::Text;
use std::cmp::Ordering;
use std::rc::Rc;

/// Lists in lists: deeper ones would need more stack than a browser's worker has.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A name, attribute or item that is not there; its name.
    Undefined(Sym),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Text),
    List(Rc<List>),
    Dict(Rc<Dict>),
    /// A `namespace`, `cycler` or `joiner`, by its place in the machine.
    Cell(usize),
    /// A `loop`, by its place in the machine.
    Loop(usize),
    Macro(Rc<Closure>),
    Function(Function),
    /// A method that is not called at once.
    Method(Rc<(Value, Sym, Charge)>),
}

/// Functions that every template has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Range,
    Dict,
    Namespace,
    Cycler,
    Joiner,
    RaiseException,
    StrftimeNow,
}

/// A macro, or the body of a `call` block, with the scope it was written in.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) body: Rc<Macro>,
    pub(super) scope: usize,
    pub(super) _charge: Charge,
}

/// What kind of sequence Python would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Tuple,
    /// What `range` gives.
    Range,
    /// What `map`, `select` and their like give: it is true, has no length and no items by number.
    Generator,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    pub(super) kind: Kind,
    depth: usize,
    _charge: Charge,
}

#[derive(Debug)]
pub(super) struct Dict {
    pub(super) entries: Vec<(Value, Value)>,
    depth: usize,
    charge: Charge,
}

/// A list in the making.
pub(super) struct Items {
    items: Vec<Value>,
    depth: usize,
    charge: Charge,
}

impl Items {
    pub(super) fn new(meter: &Rc<Meter>) -> Outcome<Self> {
        Ok(Self { items: Vec::new(), depth: 0, charge: Charge::new(meter, size_of::<List>() + 16)? })
    }

    pub(super) fn push(&mut self, value: Value) -> Outcome {
        self.charge.meter().work(1)?;
        self.charge.reserve(&mut self.items, 1)?;
        self.depth = self.depth.max(value.depth());
        self.items.push(value);
        Ok(())
    }

    pub(super) fn extend<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> Outcome {
        values.into_iter().try_for_each(|value| self.push(value.clone()))
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn values(&mut self) -> &mut Vec<Value> {
        &mut self.items
    }

    pub(super) fn finish(self, kind: Kind) -> Outcome<Value> {
        Ok(Value::List(self.rc(kind)?))
    }

    pub(super) fn rc(mut self, kind: Kind) -> Outcome<Rc<List>> {
        let depth = deeper(self.depth)?;
        self.charge.fit(&mut self.items);
        Ok(Rc::new(List { items: self.items, kind, depth, _charge: self.charge }))
    }
}

fn deeper(depth: usize) -> Outcome<usize> {
    if depth >= MAX_DEPTH {
        return fault(format!("lists and dictionaries are nested more than {MAX_DEPTH} deep"));
    }
    Ok(depth + 1)
}

impl Dict {
    pub(super) fn new(meter: &Rc<Meter>) -> Outcome<Self> {
        Ok(Self { entries: Vec::new(), depth: 0, charge: Charge::new(meter, size_of::<Dict>() + 16)? })
    }

    pub(super) fn meter(&self) -> &Rc<Meter> {
        self.charge.meter()
    }

    pub(super) fn insert(&mut self, key: Value, value: Value) -> Outcome {
        if !key.is_hashable() {
            return fault(format!("unhashable type: '{}'", key.type_name()));
        }
        let found = self.position(&key)?;
        self.depth = self.depth.max(value.depth()).max(key.depth());
        match found {
            Some(at) => self.entries[at].1 = value,
            None => {
                self.charge.reserve(&mut self.entries, 1)?;
                self.entries.push((key, value));
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Outcome<Value> {
        self.depth = deeper(self.depth)?;
        self.charge.fit(&mut self.entries);
        Ok(Value::Dict(Rc::new(self)))
    }

    fn position(&self, key: &Value) -> Outcome<Option<usize>> {
        self.meter().work(1 + self.entries.len() / 8)?;
        if let Value::Str(key) = key {
            return Ok(self.find(key.as_str()));
        }
        for (at, (other, _)) in self.entries.iter().enumerate() {
            if key.equals(other, self.meter())? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(other, _)| matches!(other, Value::Str(other) if other.as_str() == key))
    }

    pub(super) fn get(&self, key: &Value) -> Outcome<Option<&Value>> {
        Ok(self.position(key)?.map(|at| &self.entries[at].1))
    }

    pub(super) fn get_str(&self, key: &str) -> Outcome<Option<&Value>> {
        self.meter().work(1 + self.entries.len() / 8)?;
        Ok(self.find(key).map(|at| &self.entries[at].1))
    }
}

impl Value {
    pub(super) fn depth(&self) -> usize {
        match self {
            Value::List(list) => list.depth,
            Value::Dict(dict) => dict.depth,
            Value::Method(method) => method.0.depth() + 1,
            _ => 0,
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined(_))
    }

    fn is_hashable(&self) -> bool {
        match self {
            Value::List(list) => match list.kind {
                Kind::List => false,
                Kind::Tuple => list.items.iter().all(Value::is_hashable),
                Kind::Range | Kind::Generator => true,
            },
            Value::Dict(_) => false,
            _ => true,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::List(list) => list.kind == Kind::Generator || !list.items.is_empty(),
            Value::Dict(dict) => !dict.entries.is_empty(),
            Value::Cell(_) | Value::Loop(_) | Value::Macro(_) | Value::Function(_) | Value::Method(_) => true,
        }
    }

    /// Python's name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::List(list) => match list.kind {
                Kind::List => "list",
                Kind::Tuple => "tuple",
                Kind::Range => "range",
                Kind::Generator => "generator",
            },
            Value::Dict(_) => "dict",
            Value::Cell(_) => "Namespace",
            Value::Loop(_) => "LoopContext",
            Value::Macro(_) => "Macro",
            Value::Function(_) => "function",
            Value::Method(_) => "method",
        }
    }

    /// As a number for arithmetic: `True` is 1.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Value::Bool(b) => Some(Number::Int(i64::from(*b))),
            Value::Int(i) => Some(Number::Int(*i)),
            Value::Float(f) => Some(Number::Float(*f)),
            _ => None,
        }
    }

    /// Python's `==`.
    pub(super) fn equals(&self, other: &Value, meter: &Meter) -> Outcome<bool> {
        meter.work(1)?;
        if let (Some(a), Some(b)) = (self.number(), other.number()) {
            return Ok(a.compare(b) == Some(Ordering::Equal));
        }
        Ok(match (self, other) {
            (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
            (Value::Str(a), Value::Str(b)) => {
                if a.len() == b.len() {
                    meter.text(a.len())?;
                }
                a.as_str() == b.as_str()
            }
            (Value::List(a), Value::List(b)) => {
                if Rc::ptr_eq(a, b) {
                    return Ok(true);
                }
                if a.kind != b.kind || a.kind == Kind::Generator || a.items.len() != b.items.len() {
                    return Ok(false);
                }
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(b, meter)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Dict(a), Value::Dict(b)) => {
                if Rc::ptr_eq(a, b) {
                    return Ok(true);
                }
                if a.entries.len() != b.entries.len() {
                    return Ok(false);
                }
                for (key, value) in &a.entries {
                    match b.get(key)? {
                        Some(other) if value.equals(other, meter)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Cell(a), Value::Cell(b)) | (Value::Loop(a), Value::Loop(b)) => a == b,
            (Value::Macro(a), Value::Macro(b)) => Rc::ptr_eq(a, b),
            (Value::Function(a), Value::Function(b)) => a == b,
            _ => false,
        })
    }

    /// Python's `<`, `>` and so on: `None` for numbers that are not comparable (NaN).
    pub(super) fn compare(&self, other: &Value, meter: &Meter) -> Outcome<Option<Ordering>> {
        meter.work(1)?;
        if let (Some(a), Some(b)) = (self.number(), other.number()) {
            return Ok(a.compare(b));
        }
        match (self, other) {
            (Value::Str(a), Value::Str(b)) => {
                meter.text(a.len().min(b.len()))?;
                Ok(Some(a.as_str().cmp(b.as_str())))
            }
            (Value::List(a), Value::List(b)) if a.kind == b.kind && matches!(a.kind, Kind::List | Kind::Tuple) => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(b, meter)? {
                        return a.compare(b, meter);
                    }
                }
                Ok(Some(a.items.len().cmp(&b.items.len())))
            }
            _ => fault(format!("'{}' and '{}' can't be ordered", self.type_name(), other.type_name())),
        }
    }
}

/// An operand of arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}
