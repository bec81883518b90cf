//! Values that a caller gives to a template: `enable_thinking: false` and their like.

use super::meter::{Meter, Outcome};
use super::text::{Mark, Text};
use super::value::{Dict, Items, Kind, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::rc::Rc;

/// Lists and objects inside each other.
const MAX_DEPTH: usize = 32;

/// One value, as JSON has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable {
    /// `null`, Python's `None`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text. A special token may contain it, and never begins in it.
    String(String),
    /// A list.
    List(Vec<Variable>),
    /// An object, in its order.
    Object(Vec<(String, Variable)>),
}

/// Variables by their names; `serde` reads them from an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables(Vec<(String, Variable)>);

impl Variables {
    /// None of them.
    pub const NONE: Self = Self(Vec::new());

    /// With one more, or with another value for it.
    pub fn set(&mut self, name: impl Into<String>, value: Variable) {
        let name = name.into();
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value));
    }

    /// Whether there is one of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Variable)> {
        self.0.iter()
    }

    /// Bytes of all names and texts.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.bytes()).sum()
    }
}

impl Variable {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Variable::String(text) => text.len(),
            Variable::List(items) => items.iter().map(|item| 16 + item.bytes()).sum(),
            Variable::Object(entries) => entries.iter().map(|(name, value)| 32 + name.len() + value.bytes()).sum(),
            _ => 8,
        }
    }

    /// Reads a JSON text.
    ///
    /// # Errors
    /// What is no JSON, or nested too deep, in words.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = Depth(MAX_DEPTH).deserialize(&mut reader);
        read.and_then(|value| reader.end().map(|()| value)).map_err(|e| e.to_string())
    }

    pub(super) fn to_value(&self, meter: &Rc<Meter>, mark: Mark) -> Outcome<Value> {
        Ok(match self {
            Variable::Null => Value::None,
            Variable::Bool(b) => Value::Bool(*b),
            Variable::Int(i) => Value::Int(*i),
            Variable::Float(f) => Value::Float(*f),
            Variable::String(text) => Value::Str(Text::new(meter, text, mark)?),
            Variable::List(list) => {
                let mut items = Items::new(meter)?;
                for item in list {
                    items.push(item.to_value(meter, mark)?)?;
                }
                items.finish(Kind::List)?
            }
            Variable::Object(entries) => {
                let mut dict = Dict::new(meter)?;
                for (name, value) in entries {
                    dict.insert(Value::Str(Text::new(meter, name, mark)?), value.to_value(meter, mark)?)?;
                }
                dict.finish()?
            }
        })
    }
}

impl<'de> serde::Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match (Depth(MAX_DEPTH)).deserialize(deserializer)? {
            Variable::Object(entries) => Ok(Self(entries)),
            Variable::Null => Ok(Self::NONE),
            _ => Err(D::Error::custom("the template's variables are an object: a name and a value for each")),
        }
    }
}

/// How many levels may follow: what a page hands over may be of any depth, and the stack is not.
#[derive(Clone, Copy)]
struct Depth(usize);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Variable;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Variable, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Depth {
    fn less<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0
            .checked_sub(1)
            .map(Self)
            .ok_or_else(|| E::custom(format_args!("values are nested more than {MAX_DEPTH} deep")))
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Variable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "null, true, false, a number, a string, a list or an object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Variable, E> {
        Ok(Variable::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Variable, E> {
        Ok(Variable::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Variable, E> {
        Ok(i64::try_from(value).map_or(Variable::Float(value as f64), Variable::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Variable, E> {
        Ok(Variable::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Variable, E> {
        Ok(Variable::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Variable, E> {
        Ok(Variable::String(value))
    }

    fn visit_unit<E>(self) -> Result<Variable, E> {
        Ok(Variable::Null)
    }

    fn visit_none<E>(self) -> Result<Variable, E> {
        Ok(Variable::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Variable, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Variable, A::Error> {
        let inner = self.less()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Variable::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Variable, A::Error> {
        let inner = self.less()?;
        let mut entries = Vec::new();
        while let Some(name) = object.next_key()? {
            entries.push((name, object.next_value_seed(inner)?));
        }
        Ok(Variable::Object(entries))
    }
}
