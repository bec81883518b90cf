//! A request against its table: what is known is taken or refused by its kind, what is nearly known is refused by its name, and what is
//! foreign is named.

use super::kinds::{DEEPEST, Kind, Record, Rule, TEXT, U32, float, whole};
use super::nearest::{nearest, plain};
use super::refusal::Refusal;
use super::words::{header_word, quoted, show, word};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;

/// Foreign fields that may be there: each is held against all known names.
const MOST_FOREIGN: usize = 1000;
/// Foreign fields that are named; the rest are counted.
const MOST_NAMED: usize = 32;
/// Characters of a place that a message names.
const LONGEST_PLACE: usize = 300;

/// Where in a request a value stands, made to text where it is refused.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// A field of the request.
    Top(&'a str),
    Field(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
    /// An entry by its key.
    Key(&'a Place<'a>, &'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(&word(name)),
            Self::Field(of, name) => write!(f, "{of}.{}", word(name)),
            Self::Index(of, index) => write!(f, "{of}[{index}]"),
            Self::Key(of, key) => write!(f, "{of}[{key}]"),
        }
    }
}

impl Place<'_> {
    /// Without numbers, so that a field of many messages has one name.
    fn pattern(&self) -> String {
        match self {
            Self::Top(name) => header_word(name),
            Self::Field(of, name) => format!("{}.{}", of.pattern(), header_word(name)),
            Self::Index(of, _) | Self::Key(of, _) => format!("{}[]", of.pattern()),
        }
    }
}

/// `NAME is VALUE; it may be WHAT`.
fn refused(place: &Place, value: Option<&Value>, what: &str) -> Refusal {
    let place = place.to_string();
    let code = if value.is_none() { "missing_required_parameter" } else { "invalid_value" };
    Refusal::invalid(format!("{place} is {}; it may be {what}", show(value))).of(place).code(code)
}

/// What is foreign in a request.
#[derive(Default)]
pub(super) struct Foreign {
    /// The first ones, in their order.
    named: Vec<String>,
    /// All, each with whose option it is not.
    found: HashSet<(&'static str, String)>,
}

impl Foreign {
    /// Whether it is new: a field of every message is looked at once.
    fn add(&mut self, record: &Record, place: &Place) -> Result<bool, Refusal> {
        let name = place.pattern();
        if self.found.contains(&(record.of, name.clone())) {
            return Ok(false);
        }
        if self.found.len() == MOST_FOREIGN {
            let message = format!("the body has over {MOST_FOREIGN} fields that mean nothing here: leave them out");
            return Err(Refusal { status: 413, ..Refusal::invalid(message).code("request_too_large") });
        }
        if self.named.len() < MOST_NAMED && !self.named.contains(&name) {
            self.named.push(name.clone());
        }
        Ok(self.found.insert((record.of, name)))
    }

    /// Names, each a word of ASCII without a comma.
    pub(super) fn names(mut self) -> Vec<String> {
        let more = self.found.len().saturating_sub(self.named.len());
        if more > 0 && self.named.len() == MOST_NAMED {
            self.named.push(format!("and {more} more"));
        }
        self.named
    }
}

/// A request's fields, each as its table says.
pub(super) fn check(record: &Record, fields: &Map<String, Value>) -> Result<Foreign, Refusal> {
    let mut foreign = Foreign::default();
    check_fields(record, fields, None, &mut foreign)?;
    for name in record.needed {
        if given(fields, name).is_none() {
            let kind = record.fields.iter().find(|field| field.name == *name).map(|field| &field.kind);
            return Err(refused(&Place::Top(name), None, &kind.unwrap_or(&TEXT).what()));
        }
    }
    Ok(foreign)
}

/// A field; null is absent.
pub(super) fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn check_fields(
    record: &Record,
    fields: &Map<String, Value>,
    of: Option<&Place>,
    foreign: &mut Foreign,
) -> Result<(), Refusal> {
    for field in record.fields {
        if let Some(value) = given(fields, field.name) {
            check_value(&field.kind, value, &below(of, field.name), foreign)?;
        }
    }
    for (name, value) in fields {
        let known = record.fields.iter().any(|field| field.name == name);
        if known || value.is_null() || record.passed_over.contains(&name.as_str()) {
            continue;
        }
        check_unknown(record, &below(of, name), name, foreign)?;
    }
    Ok(())
}

fn below<'a>(of: Option<&'a Place<'a>>, name: &'a str) -> Place<'a> {
    of.map_or(Place::Top(name), |of| Place::Field(of, name))
}

fn check_unknown(record: &Record, place: &Place, name: &str, foreign: &mut Foreign) -> Result<(), Refusal> {
    let refuse = |why: String, code| {
        let place = place.to_string();
        Err(Refusal::invalid(format!("{place} {why}")).of(place).code(code))
    };
    if let Some((_, why)) = record.lacking.iter().find(|(lacking, _)| *lacking == name) {
        return refuse(format!("is not offered: {why}"), "unsupported_parameter");
    }
    if !foreign.add(record, place)? {
        return Ok(());
    }
    let plain = plain(name);
    let alias = record.alias.iter().find(|(alias, _)| *alias == plain).map(|(_, meant)| *meant);
    match alias.or_else(|| nearest(name, record.fields.iter().map(|field| field.name))) {
        Some(meant) => refuse(format!("is not an option of {}; do you mean {meant}?", record.of), "unknown_parameter"),
        None => Ok(()),
    }
}

fn check_value(kind: &Kind, value: &Value, place: &Place, foreign: &mut Foreign) -> Result<(), Refusal> {
    let fits = |fits: bool| if fits { Ok(()) } else { Err(refused(place, Some(value), &kind.what())) };
    match kind {
        Kind::Text(_) => fits(value.is_string()),
        Kind::Flag => fits(value.is_boolean()),
        Kind::Whole { least, most, .. } => fits(whole(value).is_some_and(|number| (*least..=*most).contains(&number))),
        Kind::Between(least, most) => fits(float(value).is_some_and(|held| (*least..=*most).contains(&held))),
        Kind::Positive { zero, .. } => fits(float(value).is_some_and(|held| held > 0.0 || (*zero && held == 0.0))),
        Kind::OneOf(values) | Kind::Only(values, _) => fits(values.iter().any(|one| one.is(value))),
        Kind::Empty(_) => fits(value.as_array().is_some_and(Vec::is_empty)),
        Kind::TextOrMore { one, .. } => match value {
            Value::Array(list) => each(list, place, |text, place| match text.as_str() {
                Some(text) if !text.is_empty() => Ok(()),
                _ => Err(refused(place, Some(text), one)),
            }),
            value => fits(value.as_str().is_some_and(|text| !text.is_empty())),
        },
        Kind::List { of, least, .. } => match value.as_array().filter(|list| list.len() >= *least) {
            Some(list) => each(list, place, |value, place| check_value(of, value, place, foreign)),
            None => fits(false),
        },
        Kind::TextOr(_) if value.is_string() => Ok(()),
        Kind::TextOr(kind) => check_value(kind, value, place, foreign),
        Kind::WordOr(words, _) if value.as_str().is_some_and(|word| words.contains(&word)) => Ok(()),
        Kind::WordOr(_, record) | Kind::Record(record) => match value.as_object() {
            Some(fields) => check_record(record, fields, place, foreign),
            None => fits(false),
        },
        Kind::Biases => match value.as_object() {
            Some(biases) => biases.iter().try_for_each(|(id, bias)| check_bias(id, bias, place)),
            None => fits(false),
        },
        Kind::Json(_) => match value.is_object() {
            true => check_depth(value, place, DEEPEST),
            false => fits(false),
        },
        // No body is deeper than a schema may be.
        Kind::Schema => fits(value.is_object() || value.is_string() || value.is_boolean()),
        Kind::Inputs => match value {
            Value::String(_) => Ok(()),
            Value::Array(list) => match list.first() {
                None => fits(false),
                Some(Value::Number(_)) => check_ids(list, place),
                Some(_) => each(list, place, |one, place| match one {
                    Value::String(_) => Ok(()),
                    Value::Array(ids) if !ids.is_empty() => check_ids(ids, place),
                    other => Err(refused(place, Some(other), "a string, or token ids")),
                }),
            },
            _ => fits(false),
        },
    }
}

fn each(
    list: &[Value],
    place: &Place,
    mut check: impl FnMut(&Value, &Place) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    list.iter().enumerate().try_for_each(|(index, value)| check(value, &Place::Index(place, index)))
}

fn check_ids(ids: &[Value], place: &Place) -> Result<(), Refusal> {
    const ID: Kind = Kind::Whole { least: 0, most: U32, hint: "" };
    each(ids, place, |id, place| match whole(id) {
        Some(0..=U32) => Ok(()),
        _ => Err(refused(place, Some(id), &ID.what())),
    })
}

fn check_bias(id: &str, bias: &Value, place: &Place) -> Result<(), Refusal> {
    let is_id = id.bytes().all(|byte| byte.is_ascii_digit()) && id.parse::<u32>().is_ok();
    if !is_id || (id.len() > 1 && id.starts_with('0')) {
        let message = format!("a key of {place} is {}; it may be a token id", quoted(id));
        return Err(Refusal::invalid(message).of(place.to_string()).code("invalid_value"));
    }
    match float(bias) {
        Some(_) => Ok(()),
        None => Err(refused(&Place::Key(place, id), Some(bias), "a number, or -Infinity to ban the token")),
    }
}

fn check_depth(value: &Value, place: &Place, levels: usize) -> Result<(), Refusal> {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => {
            let (mut name, whole) = (place.to_string(), Some(value));
            if let Some((end, _)) = name.char_indices().nth(LONGEST_PLACE) {
                name.replace_range(end.., "…");
            }
            let what = format!("what JSON can say, {DEEPEST} levels deep at most");
            let message = format!("{name} is {}; it may be {what}", show(whole));
            Err(Refusal::invalid(message).of(name).code("invalid_value"))
        }
        Value::Array(list) => each(list, place, |value, place| check_depth(value, place, levels - 1)),
        Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| check_depth(value, &Place::Field(place, name), levels - 1))
        }
        _ => Ok(()),
    }
}

fn check_record(
    record: &Record,
    fields: &Map<String, Value>,
    place: &Place,
    foreign: &mut Foreign,
) -> Result<(), Refusal> {
    check_fields(record, fields, Some(place), foreign)?;
    let refuse = |name: &str, what: Option<&str>| {
        let kind = record.fields.iter().find(|field| field.name == name).map(|field| &field.kind);
        let what = what.map_or_else(|| kind.unwrap_or(&TEXT).what(), str::to_owned);
        Err(refused(&Place::Field(place, name), fields.get(name), &what))
    };
    for name in record.needed {
        if given(fields, name).is_none() {
            return refuse(name, None);
        }
    }
    match record.rule {
        None => Ok(()),
        Some(Rule::Message) => {
            let role = given(fields, "role").and_then(Value::as_str);
            let calls = given(fields, "tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
            let (has, of_tool) = (|name| given(fields, name).is_some(), role == Some("tool"));
            if !has("content") && !calls {
                return refuse("content", None);
            }
            if calls && role != Some("assistant") {
                return refuse("tool_calls", Some("left out: only an assistant calls tools"));
            }
            if of_tool && !has("tool_call_id") {
                return refuse("tool_call_id", Some("the id of the call that this tool's message answers"));
            }
            if !of_tool && has("tool_call_id") {
                return refuse("tool_call_id", Some(r#"left out: only a message of the role "tool" has it"#));
            }
            if !of_tool && has("name") {
                return refuse("name", Some("left out: templates know roles alone; write the name into the content"));
            }
            Ok(())
        }
        Some(Rule::ResponseFormat) => {
            let kind = given(fields, "type").and_then(Value::as_str).unwrap_or_default();
            match given(fields, "json_schema").is_some() {
                false if kind == "json_schema" => refuse("json_schema", None),
                true if kind != "json_schema" => {
                    refuse("json_schema", Some(&format!("left out where type is {}", Value::from(kind))))
                }
                _ => Ok(()),
            }
        }
    }
}
