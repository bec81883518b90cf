//! Kinds of values: what a field may be, as data. `what` says it in words, which end the sentence "it may be …".

use super::words::enumerated;
use serde_json::Value;

pub(super) const U32: i64 = u32::MAX as i64;
/// Levels of objects in objects that are read as they are.
pub(super) const DEEPEST: usize = 32;

/// What a value may be.
pub(super) enum Kind {
    /// A string, and what it is called.
    Text(&'static str),
    Flag,
    /// A whole number within bounds; `hint` goes on after them.
    Whole {
        least: i64,
        most: i64,
        hint: &'static str,
    },
    /// A number that the engine holds in 32 bits, so it is judged as it is there.
    Between(f32, f32),
    /// The same without an upper bound: from 0 on, or above it.
    Positive {
        zero: bool,
        what: &'static str,
    },
    OneOf(&'static [Constant]),
    /// The same, and why there is no other.
    Only(&'static [Constant], &'static str),
    /// A string that is not empty, or a list of such.
    TextOrMore {
        one: &'static str,
        more: &'static str,
    },
    List {
        of: &'static Kind,
        what: &'static str,
        least: usize,
    },
    /// A list with nothing in it, and why.
    Empty(&'static str),
    /// A string, or what else it may be.
    TextOr(&'static Kind),
    /// One of a few words, or a record, whose own words name them.
    WordOr(&'static [&'static str], &'static Record),
    Record(&'static Record),
    /// Numbers by token id.
    Biases,
    /// An object of anything.
    Json(&'static str),
    /// A JSON schema, or the text of one.
    Schema,
    /// Texts or token ids, one or several.
    Inputs,
}

/// A value that a field may have.
pub(super) enum Constant {
    Text(&'static str),
    Number(i64),
    Flag(bool),
}

/// An object with fields of its own.
pub(super) struct Record {
    /// Whose fields they are, for a person.
    pub(super) of: &'static str,
    /// The object itself.
    pub(super) what: &'static str,
    pub(super) fields: &'static [Field],
    /// Those that must be there.
    pub(super) needed: &'static [&'static str],
    /// Names of other programs, each in the form of `plain`, for what is called otherwise here.
    pub(super) alias: &'static [(&'static str, &'static str)],
    /// What is known, but not to be had, and why.
    pub(super) lacking: &'static [(&'static str, &'static str)],
    /// What other programs add, and adds nothing to the meaning: not read, and not named.
    pub(super) passed_over: &'static [&'static str],
    /// What its fields have to do with each other.
    pub(super) rule: Option<Rule>,
}

impl Record {
    /// A record without any field.
    pub(super) const NONE: Record =
        Record { of: "", what: "", fields: &[], needed: &[], alias: &[], lacking: &[], passed_over: &[], rule: None };
}

/// How one field is read, and what counts where it is not given: in words, for the reference.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    #[cfg_attr(not(test), expect(dead_code, reason = "the npm package's tables are made from it"))]
    pub(super) otherwise: &'static str,
}

/// What the fields of a record have to do with each other.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Message,
    ResponseFormat,
}

pub(super) const TEXT: Kind = Kind::Text("a string");

impl Kind {
    /// Ends the sentence "it may be …".
    pub(super) fn what(&self) -> String {
        match self {
            Self::Text(what) | Self::Json(what) => (*what).to_owned(),
            Self::Positive { what, .. } | Self::List { what, .. } => (*what).to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole { least, most, hint } => format!("a whole number from {least} to {most}{hint}"),
            Self::Between(least, most) => format!("a number from {least} to {most}"),
            Self::OneOf(values) => enumerated(&values.iter().map(Constant::show).collect::<Vec<_>>()),
            Self::Only(values, why) => format!("{}: {why}", Kind::OneOf(values).what()),
            Self::TextOrMore { one, more } => format!("{one}, or {more}"),
            Self::Empty(why) => format!("an empty array: {why}"),
            Self::TextOr(kind) => kind.what(),
            Self::WordOr(_, record) | Self::Record(record) => record.what.to_owned(),
            Self::Biases => {
                "an object whose keys are token ids and whose values are numbers, or -Infinity to ban a token"
                    .to_owned()
            }
            Self::Schema => "a JSON schema: an object, true or false, or the JSON text of one".to_owned(),
            Self::Inputs => "a string, or an array of strings, or token ids, and not an empty one".to_owned(),
        }
    }
}

impl Constant {
    pub(super) fn show(&self) -> String {
        match self {
            Self::Text(text) => Value::from(*text).to_string(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }

    pub(super) fn is(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => whole(value) == Some(*number),
            Self::Flag(flag) => value.as_bool() == Some(*flag),
        }
    }
}

/// A whole number, also where it is written with a point: 4.0 is 4.
pub(super) fn whole(value: &Value) -> Option<i64> {
    /// Above it a float is whole whatever was written.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = value.as_number()?;
    let of_float =
        || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT).map(|float| float as i64);
    number.as_i64().or_else(of_float)
}

/// A number as the engine holds it.
pub(super) fn float(value: &Value) -> Option<f32> {
    value.as_f64().map(|float| float as f32).filter(|held| held.is_finite())
}
