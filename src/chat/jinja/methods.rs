//! The methods of Python's strings, lists, dictionaries and numbers.

use super::ast::Sym;
use super::call::Arguments;
use super::lexer::is_space;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::operators::escaped;
use super::strings::{Case, Side, change_case, join, justify, lines, replace, split, strip};
use super::text::{Text, Writer};
use super::value::{Items, Kind, Value};

const OF_STRINGS: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const OF_LISTS: &[&str] = &["index", "count", "copy"];
const OF_DICTS: &[&str] = &["get", "items", "keys", "values", "copy"];
/// These would change a list or dictionary. Jinja's sandbox, as transformers uses it, refuses them too.
const CHANGING_LISTS: &[&str] = &["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];
const CHANGING_DICTS: &[&str] = &["clear", "pop", "popitem", "setdefault", "update"];

/// Whether Python's object has a method of that name.
pub(super) fn exists(value: &Value, name: &str) -> bool {
    match value {
        Value::Str(_) => OF_STRINGS.contains(&name),
        Value::List(list) if list.kind == Kind::List => OF_LISTS.contains(&name) || CHANGING_LISTS.contains(&name),
        Value::List(list) => list.kind != Kind::Generator && matches!(name, "index" | "count"),
        Value::Dict(_) => OF_DICTS.contains(&name) || CHANGING_DICTS.contains(&name),
        Value::Float(_) | Value::Int(_) => name == "is_integer",
        _ => false,
    }
}

impl Machine {
    pub(super) fn method(&mut self, object: &Value, name: Sym, args: Arguments) -> Outcome<Value> {
        let name = self.names.name(name).to_owned();
        match object {
            _ if !exists(object, &name) => fault(format!("'{} object' has no attribute '{name}'", object.type_name())),
            Value::Str(text) => self.string_method(text, &name, args),
            Value::List(list) => self.list_method(&list.items, object, &name, args),
            Value::Dict(_) if CHANGING_DICTS.contains(&name.as_str()) => unsafe_access("dict", &name),
            Value::Dict(dict) => match name.as_str() {
                "get" => {
                    let [key, default] = self.bind("get", args, ["key", "default"])?;
                    let Some(key) = key else { return fault("`get` needs a key") };
                    Ok(match dict.get(&key)? {
                        Some(found) => found.clone(),
                        None => default.unwrap_or(Value::None),
                    })
                }
                "copy" => Ok(object.clone()),
                _ => {
                    let [] = self.bind(&name, args, [])?;
                    self.entries(object, &name)
                }
            },
            Value::Float(f) => Ok(Value::Bool(f.fract() == 0.0)),
            _ => Ok(Value::Bool(true)),
        }
    }

    /// `items`, `keys` or `values` of a dictionary.
    pub(super) fn entries(&self, value: &Value, what: &str) -> Outcome<Value> {
        let mut items = Items::new(&self.meter)?;
        let entries = match value {
            Value::Dict(dict) => &dict.entries[..],
            Value::Undefined(_) => &[],
            _ => return fault(format!("Can only get item pairs from a mapping, not {}", value.type_name())),
        };
        for (key, value) in entries {
            items.push(match what {
                "keys" => key.clone(),
                "values" => value.clone(),
                _ => {
                    let mut pair = Items::new(&self.meter)?;
                    pair.extend([key, value])?;
                    pair.finish(Kind::Tuple)?
                }
            })?;
        }
        items.finish(Kind::List)
    }

    fn list_method(&mut self, items: &[Value], object: &Value, name: &str, args: Arguments) -> Outcome<Value> {
        if CHANGING_LISTS.contains(&name) {
            return unsafe_access("list", name);
        }
        if name == "copy" {
            return Ok(object.clone());
        }
        let [wanted] = self.bind(name, args, ["value"])?;
        let Some(wanted) = wanted else { return fault(format!("`{name}` needs a value")) };
        let mut count = 0;
        for (index, item) in items.iter().enumerate() {
            if item.equals(&wanted, &self.meter)? {
                if name == "index" {
                    return Ok(Value::Int(index as i64));
                }
                count += 1;
            }
        }
        if name == "index" { fault("the value is not in the list") } else { Ok(Value::Int(count)) }
    }

    fn string_method(&mut self, text: &Text, name: &str, args: Arguments) -> Outcome<Value> {
        self.meter.text(text.len())?;
        let s = text.as_str();
        let string = |text: Outcome<Text>| Ok(Value::Str(text?));
        match name {
            "upper" => string(change_case(text, Case::Upper)),
            "lower" | "casefold" => string(change_case(text, Case::Lower)),
            "capitalize" => string(change_case(text, Case::Capitalize)),
            "title" => string(change_case(text, Case::Title)),
            "swapcase" => string(change_case(text, Case::Swap)),
            "strip" | "lstrip" | "rstrip" => {
                let [chars] = self.bind(name, args, ["chars"])?;
                let chars = self.text_or_none(chars)?;
                let side = match name {
                    "strip" => Side::Both,
                    "lstrip" => Side::Left,
                    _ => Side::Right,
                };
                string(strip(text, chars.as_ref(), side))
            }
            "split" | "rsplit" => {
                let [separator, most] = self.bind(name, args, ["sep", "maxsplit"])?;
                let (separator, most) = (self.text_or_none(separator)?, self.count(most)?);
                split(text, separator.as_ref(), most, name == "rsplit")
            }
            "splitlines" => {
                let [keep] = self.bind(name, args, ["keepends"])?;
                let mut items = Items::new(&self.meter)?;
                for line in lines(s, keep.is_some_and(|keep| keep.is_true())) {
                    items.push(Value::Str(text.part(line)?))?;
                }
                items.finish(Kind::List)
            }
            "replace" => {
                let [old, new, count] = self.bind(name, args, ["old", "new", "count"])?;
                let (old, new, most) = (self.needed(name, old)?, self.needed(name, new)?, self.count(count)?);
                let new = if text.is_safe() && !new.is_safe() { escaped(&new)? } else { new };
                string(replace(text, &old, &new, most))
            }
            "startswith" | "endswith" => {
                let [wanted] = self.bind(name, args, ["prefix"])?;
                let fits = |wanted: &Value| match wanted {
                    Value::Str(wanted) if name == "startswith" => Ok(s.starts_with(wanted.as_str())),
                    Value::Str(wanted) => Ok(s.ends_with(wanted.as_str())),
                    other => {
                        fault(format!("{name} first arg must be str or a tuple of str, not {}", other.type_name()))
                    }
                };
                match wanted {
                    Some(Value::List(list)) if list.kind == Kind::Tuple => {
                        for wanted in &list.items {
                            self.meter.work(1)?;
                            if fits(wanted)? {
                                return Ok(Value::Bool(true));
                            }
                        }
                        Ok(Value::Bool(false))
                    }
                    Some(wanted) => Ok(Value::Bool(fits(&wanted)?)),
                    None => fault(format!("`{name}` needs a string")),
                }
            }
            "removeprefix" | "removesuffix" => {
                let [part] = self.bind(name, args, ["part"])?;
                let part = self.needed(name, part)?;
                let rest =
                    if name == "removeprefix" { s.strip_prefix(part.as_str()) } else { s.strip_suffix(part.as_str()) };
                string(text.part(rest.unwrap_or(s)))
            }
            "find" | "rfind" | "index" | "rindex" | "count" => self.find(text, name, args),
            "partition" | "rpartition" => {
                let [separator] = self.bind(name, args, ["sep"])?;
                let separator = self.needed(name, separator)?;
                if separator.is_empty() {
                    return fault("empty separator");
                }
                let left = name == "partition";
                let found = if left { s.find(separator.as_str()) } else { s.rfind(separator.as_str()) };
                let (before, after) = match found {
                    Some(at) => (at, at + separator.len()),
                    None if left => (s.len(), s.len()),
                    None => (0, 0),
                };
                let mut items = Items::new(&self.meter)?;
                for range in [0..before, before..after, after..s.len()] {
                    items.push(Value::Str(text.slice(range)?))?;
                }
                items.finish(Kind::Tuple)
            }
            "join" => {
                let [items] = self.bind(name, args, ["iterable"])?;
                let items = self.iterate(&items.unwrap_or(Value::None))?;
                if let Some(other) = items.items.iter().find(|item| !matches!(item, Value::Str(_))) {
                    self.defined(other)?;
                    return fault(format!("join: expected str instances, {} found", other.type_name()));
                }
                string(join(self, text, &items.items))
            }
            "format" => self.format(text, args),
            "ljust" | "rjust" | "center" => {
                let [width, fill] = self.bind(name, args, ["width", "fillchar"])?;
                let Some(Value::Int(width)) = width else { return fault(format!("`{name}` needs a width")) };
                let fill = match fill {
                    Some(fill) => self.needed(name, Some(fill))?,
                    None => super::print::own(self, " ")?,
                };
                let side = match name {
                    "ljust" => Side::Left,
                    "rjust" => Side::Right,
                    _ => Side::Both,
                };
                string(justify(text, width, &fill, side))
            }
            "zfill" => {
                let [width] = self.bind(name, args, ["width"])?;
                let Some(Value::Int(width)) = width else { return fault("`zfill` needs a width") };
                let signed = usize::from(s.starts_with(['+', '-']));
                let mut out = Writer::new(&self.meter)?;
                out.copy(text, 0..signed)?;
                let zeros = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars());
                out.repeat(&super::print::own(self, "0")?, zeros)?;
                out.copy(text, signed..s.len())?;
                string(Ok(out.finish_as(text.is_safe())))
            }
            _ => Ok(Value::Bool(is_made_of(s, name))),
        }
    }

    fn find(&mut self, text: &Text, name: &str, args: Arguments) -> Outcome<Value> {
        let [wanted, start, end] = self.bind(name, args, ["sub", "start", "end"])?;
        let wanted = self.needed(name, wanted)?;
        let length = text.chars() as i64;
        let place = |bound: Option<Value>, default: i64| match bound {
            Some(Value::Int(i)) if i < 0 => Ok(i.saturating_add(length).max(0)),
            Some(Value::Int(i)) => Ok(i.min(length)),
            None | Some(Value::None) => Ok(default),
            Some(other) => fault(format!("slice indices must be integers, not {}", other.type_name())),
        };
        let beyond = matches!(start, Some(Value::Int(i)) if i > length);
        let (start, end) = (place(start, 0)?, place(end, length)?);
        let (from, to) = (text.offset(start as usize)?, text.offset(end as usize)?);
        let part = if start <= end && !beyond { text.as_str().get(from..to) } else { None };
        if name == "count" {
            return Ok(Value::Int(part.map_or(0, |part| match wanted.as_str() {
                "" => part.chars().count() + 1,
                wanted => part.matches(wanted).count(),
            }) as i64));
        }
        let found =
            part.and_then(
                |part| {
                    if name.starts_with('r') { part.rfind(wanted.as_str()) } else { part.find(wanted.as_str()) }
                },
            );
        match found {
            Some(at) => Ok(Value::Int(text.as_str()[..from + at].chars().count() as i64)),
            None if name.ends_with("index") => fault("substring not found"),
            None => Ok(Value::Int(-1)),
        }
    }

    /// An argument that is a string, or `None`.
    fn text_or_none(&self, value: Option<Value>) -> Outcome<Option<Text>> {
        match value {
            None | Some(Value::None) => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text)),
            Some(other) => {
                self.defined(&other)?;
                fault(format!("must be str or None, not {}", other.type_name()))
            }
        }
    }

    /// An argument that must be a string.
    pub(super) fn needed(&self, what: &str, value: Option<Value>) -> Outcome<Text> {
        match value {
            Some(Value::Str(text)) => Ok(text),
            Some(other) => {
                self.defined(&other)?;
                fault(format!("`{what}` needs a string, not {}", other.type_name()))
            }
            None => fault(format!("`{what}` needs a string")),
        }
    }

    /// How often at most; a negative number is no bound.
    pub(super) fn count(&self, value: Option<Value>) -> Outcome<Option<usize>> {
        match value {
            None | Some(Value::None) => Ok(None),
            Some(Value::Int(i)) => Ok(usize::try_from(i).ok()),
            Some(other) => {
                self.defined(&other)?;
                fault(format!("'{}' object cannot be interpreted as an integer", other.type_name()))
            }
        }
    }
}

fn unsafe_access<T>(kind: &str, name: &str) -> Outcome<T> {
    fault(format!("access to attribute '{name}' of '{kind}' object is unsafe: it would change it"))
}

/// `isdigit` and its like.
fn is_made_of(s: &str, name: &str) -> bool {
    let cased = s.chars().any(|c| c.is_uppercase() || c.is_lowercase());
    match name {
        "isascii" => s.is_ascii(),
        "isupper" => cased && !s.chars().any(char::is_lowercase),
        "islower" => cased && !s.chars().any(char::is_uppercase),
        "istitle" => {
            let mut before = ' ';
            cased
                && s.chars().all(|c| {
                    let inside = before.is_alphabetic();
                    before = c;
                    if c.is_uppercase() { !inside } else { !c.is_lowercase() || inside }
                })
        }
        _ if s.is_empty() => false,
        "isdigit" | "isdecimal" | "isnumeric" => s.chars().all(char::is_numeric),
        "isalpha" => s.chars().all(char::is_alphabetic),
        "isalnum" => s.chars().all(char::is_alphanumeric),
        _ => s.chars().all(is_space),
    }
}
