//! Jinja's filters for single values. Those for lists are in `filters_lists.rs`.

use super::ast::Sym;
use super::call::Arguments;
use super::lexer::is_space;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::operators::escaped;
use super::print::{Json, own};
use super::strings::{Case, Side, change_case, justify, lines, replace, strip};
use super::text::{Text, Writer};
use super::value::{Kind, Number, Value};

impl Machine {
    pub(super) fn filter(&mut self, name: Sym, value: Value, args: Arguments) -> Outcome<Value> {
        let name = self.names.name(name).to_owned();
        self.filter_named(&name, value, args)
    }

    pub(super) fn filter_named(&mut self, name: &str, value: Value, args: Arguments) -> Outcome<Value> {
        self.meter.work(1)?;
        match name {
            "default" | "d" => {
                let [default, boolean] = self.bind(name, args, ["default_value", "boolean"])?;
                let boolean = boolean.is_some_and(|b| b.is_true());
                if value.is_undefined() || (boolean && !value.is_true()) {
                    return match default {
                        Some(default) => Ok(default),
                        None => self.string(""),
                    };
                }
                Ok(value)
            }
            "tojson" => self.to_json(&value, args),
            "length" | "count" => {
                let [] = self.bind(name, args, [])?;
                let length = match &value {
                    Value::Undefined(_) => 0,
                    Value::Str(text) => text.chars(),
                    Value::List(list) if list.kind != Kind::Generator => list.items.len(),
                    Value::Dict(dict) => dict.entries.len(),
                    Value::Loop(number) => self
                        .loops
                        .get(*number)
                        .and_then(|state| state.items.as_ref())
                        .map_or(0, |list| list.items.len()),
                    _ => return fault(format!("object of type '{}' has no len()", value.type_name())),
                };
                Ok(Value::Int(length as i64))
            }
            "items" => {
                let [] = self.bind(name, args, [])?;
                let Value::List(list) = self.entries(&value, "items")? else { return Ok(Value::None) };
                self.generator(&list.items)
            }
            "int" | "float" => self.to_number(name, &value, args),
            "abs" => {
                let [] = self.bind(name, args, [])?;
                self.defined(&value)?;
                match value.number() {
                    Some(Number::Int(i)) => match i.checked_abs() {
                        Some(i) => Ok(Value::Int(i)),
                        None => fault("a whole number has more than 63 bits"),
                    },
                    Some(Number::Float(f)) => Ok(Value::Float(f.abs())),
                    None => fault(format!("bad operand type for abs(): '{}'", value.type_name())),
                }
            }
            "round" => self.round(&value, args),
            "attr" => {
                let [name] = self.bind(name, args, ["name"])?;
                let name = self.needed("attr", name)?;
                let name = self.names.add(name.as_str())?;
                match value {
                    // An item is no attribute.
                    Value::Dict(_) => Ok(Value::Undefined(name)),
                    _ => self.attribute(&value, name),
                }
            }
            "upper" | "lower" | "capitalize" | "title" | "trim" | "string" | "safe" | "escape" | "e"
            | "forceescape" | "replace" | "indent" | "format" | "center" | "truncate" | "wordcount" | "striptags" => {
                if name == "indent" && !matches!(value, Value::Str(_)) {
                    return fault(format!("`{name}` needs a string, not {}", value.type_name()));
                }
                let text = self.text(&value)?;
                self.meter.text(text.len())?;
                self.filter_text(name, &text, args)
            }
            _ => self.nested(|machine| machine.filter_list(name, value, args)),
        }
    }

    fn filter_text(&mut self, name: &str, text: &Text, args: Arguments) -> Outcome<Value> {
        let none = |machine: &Self, args| machine.bind(name, args, []).map(|[]: [Option<Value>; 0]| ());
        let filtered = match name {
            "trim" => {
                let [chars] = self.bind(name, args, ["chars"])?;
                let chars = match chars {
                    None | Some(Value::None) => None,
                    Some(chars) => Some(self.needed(name, Some(chars))?),
                };
                strip(text, chars.as_ref(), Side::Both)?
            }
            "replace" => {
                let [old, new, count] = self.bind(name, args, ["old", "new", "count"])?;
                let (Some(old), Some(new)) = (old, new) else { return fault("`replace` needs two strings") };
                let (old, new) = (self.text(&old)?, self.text(&new)?);
                replace(text, &old, &new, self.count(count)?)?.with_safe(false)?
            }
            "indent" => self.indent(text, args)?,
            "format" => {
                if !args.named.is_empty() && !args.positional.is_empty() {
                    return fault("can't handle positional and keyword arguments at the same time");
                }
                let values = if args.named.is_empty() {
                    let mut items = super::value::Items::new(&self.meter)?;
                    items.extend(&args.positional)?;
                    items.finish(Kind::Tuple)?
                } else {
                    let mut dict = super::value::Dict::new(&self.meter)?;
                    for (name, value) in args.named {
                        dict.insert(self.string(self.names.name(name))?, value)?;
                    }
                    dict.finish()?
                };
                return self.percent(text, &values);
            }
            "center" => {
                let [width] = self.bind(name, args, ["width"])?;
                let width = match width {
                    None => 80,
                    Some(Value::Int(width)) => width,
                    Some(_) => return fault("`center` needs a width"),
                };
                justify(text, width, &own(self, " ")?, Side::Both)?
            }
            "truncate" => self.truncate(text, args)?,
            _ => {
                none(self, args)?;
                match name {
                    "upper" => change_case(text, Case::Upper)?,
                    "lower" => change_case(text, Case::Lower)?,
                    "capitalize" => change_case(text, Case::Capitalize)?,
                    "title" => change_case(text, Case::FilterTitle)?.with_safe(false)?,
                    "safe" => text.with_safe(true)?,
                    "escape" | "e" if text.is_safe() => text.clone(),
                    "escape" | "e" | "forceescape" => escaped(text)?.with_safe(true)?,
                    "wordcount" => {
                        let words = text.as_str().split(|c: char| !c.is_alphanumeric() && c != '_');
                        return Ok(Value::Int(words.filter(|word| !word.is_empty()).count() as i64));
                    }
                    "striptags" => strip_tags(text)?,
                    _ => text.clone(),
                }
            }
        };
        Ok(Value::Str(filtered))
    }

    fn to_json(&self, value: &Value, args: Arguments) -> Outcome<Value> {
        let [ascii, indent, separators, sort_keys] =
            self.bind("tojson", args, ["ensure_ascii", "indent", "separators", "sort_keys"])?;
        let indent = match indent {
            None | Some(Value::None) => None,
            Some(Value::Str(text)) => Some(text),
            Some(width) => match width.number() {
                Some(Number::Int(width)) => {
                    let mut out = Writer::new(&self.meter)?;
                    out.repeat(&own(self, " ")?, usize::try_from(width).unwrap_or(0))?;
                    Some(out.finish())
                }
                _ => return fault("`indent` is a number or a string"),
            },
        };
        let (item_separator, key_separator) = match separators {
            None | Some(Value::None) => (own(self, if indent.is_some() { "," } else { ", " })?, own(self, ": ")?),
            Some(separators) => match &self.iterate(&separators)?.items[..] {
                [Value::Str(item), Value::Str(key)] => (item.clone(), key.clone()),
                _ => return fault("`separators` are two strings"),
            },
        };
        let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
        let (ascii, sort_keys) = (is_true(ascii), is_true(sort_keys));
        let json = Json { ascii, indent, item_separator, key_separator, sort_keys };
        let mut out = Writer::new(&self.meter)?;
        json.write(value, 0, &self.meter, &mut out)?;
        Ok(Value::Str(out.finish()))
    }

    fn to_number(&self, name: &str, value: &Value, args: Arguments) -> Outcome<Value> {
        let [default, base] = self.bind(name, args, ["default", "base"])?;
        self.defined(value)?;
        let default = default.unwrap_or(if name == "int" { Value::Int(0) } else { Value::Float(0.0) });
        let whole = |f: f64| (f.is_finite() && f.abs() < 9.2e18).then_some(Value::Int(f as i64));
        let text = match value {
            Value::Str(text) => Some(text.as_str().trim_matches(is_space).replace('_', "")),
            _ => None,
        };
        let float = text.as_deref().and_then(|text| text.parse::<f64>().ok());
        let found = match (name, value.number(), text) {
            ("int", Some(Number::Int(i)), _) => Some(Value::Int(i)),
            ("int", Some(Number::Float(f)), _) => whole(f),
            (_, Some(number), _) => Some(Value::Float(number.float())),
            ("int", None, Some(text)) => {
                let base = match base {
                    Some(Value::Int(base)) => u32::try_from(base).ok().filter(|base| (2..=36).contains(base)),
                    _ => Some(10),
                };
                let digits = match base {
                    Some(16) => text.trim_start_matches("0x"),
                    Some(8) => text.trim_start_matches("0o"),
                    Some(2) => text.trim_start_matches("0b"),
                    _ => &text,
                };
                let parsed = base.and_then(|base| i64::from_str_radix(digits, base).ok());
                parsed.map(Value::Int).or_else(|| float.and_then(whole))
            }
            (_, None, Some(_)) => float.map(Value::Float),
            _ => None,
        };
        Ok(found.unwrap_or(default))
    }

    fn round(&mut self, value: &Value, args: Arguments) -> Outcome<Value> {
        let [precision, method] = self.bind("round", args, ["precision", "method"])?;
        self.defined(value)?;
        let precision = match precision {
            None => 0,
            Some(Value::Int(precision)) => precision.clamp(-400, 400) as i32,
            Some(_) => return fault("`round` needs a whole number of digits"),
        };
        let method = match method {
            None => "common".to_owned(),
            Some(method) => self.needed("round", Some(method))?.as_str().to_owned(),
        };
        let Some(number) = value.number() else {
            return fault(format!("`round` needs a number, not {}", value.type_name()));
        };
        let (f, scale) = (number.float(), libm::pow(10.0, f64::from(precision)));
        Ok(match (method.as_str(), number) {
            ("ceil", _) => Value::Float((f * scale).ceil() / scale),
            ("floor", _) => Value::Float((f * scale).floor() / scale),
            ("common", Number::Int(i)) if precision >= 0 => Value::Int(i),
            ("common", Number::Int(_)) => Value::Int(((f * scale).round_ties_even() / scale) as i64),
            ("common", Number::Float(_)) if precision >= 0 => {
                // Rounded in decimal, as Python does it.
                Value::Float(format!("{f:.*}", precision as usize).parse().unwrap_or(f))
            }
            ("common", _) => Value::Float((f * scale).round_ties_even() / scale),
            _ => return fault("method must be common, ceil or floor"),
        })
    }

    fn indent(&mut self, text: &Text, args: Arguments) -> Outcome<Text> {
        let [width, first, blank] = self.bind("indent", args, ["width", "first", "blank"])?;
        let indention = match width {
            Some(Value::Str(text)) => text,
            width => {
                let width = match width {
                    None => 4,
                    Some(Value::Int(width)) => usize::try_from(width).unwrap_or(0),
                    Some(_) => return fault("`indent` needs a width or a string"),
                };
                let mut out = Writer::new(&self.meter)?;
                out.repeat(&own(self, " ")?, width)?;
                out.finish()
            }
        };
        let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
        let (first, blank) = (is_true(first), is_true(blank));
        let mut out = Writer::new(&self.meter)?;
        let s = text.as_str();
        // Jinja puts a line feed behind the text before it cuts it into lines.
        let ended = s.ends_with('\n') || s.is_empty();
        let last = ended.then_some("");
        for (index, line) in lines(s, false).chain(last).enumerate() {
            if index > 0 {
                out.own("\n")?;
            }
            if if index == 0 { first } else { blank || !line.is_empty() } {
                out.text(&indention)?;
            }
            if !line.is_empty() {
                out.text(&text.part(line)?)?;
            }
        }
        Ok(out.finish_as(text.is_safe()))
    }

    fn truncate(&mut self, text: &Text, args: Arguments) -> Outcome<Text> {
        let [length, killwords, end, leeway] = self.bind("truncate", args, ["length", "killwords", "end", "leeway"])?;
        let number = |value: Option<Value>, default: usize| match value {
            None | Some(Value::None) => Ok(default),
            Some(Value::Int(i)) => Ok(usize::try_from(i).unwrap_or(0)),
            Some(_) => fault("`truncate` needs numbers"),
        };
        let (length, leeway) = (number(length, 255)?, number(leeway, 5)?);
        let end = match end {
            Some(end) => self.needed("truncate", Some(end))?,
            None => own(self, "...")?,
        };
        if length < end.chars() {
            return fault("`truncate`: the end is longer than the length");
        }
        if text.chars() <= length.saturating_add(leeway) {
            return Ok(text.clone());
        }
        let cut = text.offset(length - end.chars())?;
        let kept = &text.as_str()[..cut];
        let kept = match killwords {
            Some(killwords) if killwords.is_true() => kept,
            _ => kept.rsplit_once(' ').map_or(kept, |(words, _)| words),
        };
        let mut out = Writer::new(&self.meter)?;
        out.copy(text, 0..kept.len())?;
        out.text(&end)?;
        Ok(out.finish_as(text.is_safe()))
    }
}

/// Without tags and comments, and with single spaces.
fn strip_tags(text: &Text) -> Outcome<Text> {
    let s = text.as_str();
    let mut out = Writer::new(text.meter())?;
    let (mut at, mut space) = (0, false);
    while at < s.len() {
        let rest = &s[at..];
        let end = if rest.starts_with("<!--") { rest.find("-->").map(|end| end + 3) } else { None };
        let end = end.or_else(|| rest.starts_with('<').then(|| rest.find('>').map(|end| end + 1)).flatten());
        if let Some(end) = end {
            at += end;
            continue;
        }
        let c = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with(is_space) {
            space = true;
        } else {
            if space && out.len() > 0 {
                out.own(" ")?;
            }
            space = false;
            out.copy(text, at..at + c)?;
        }
        at += c;
    }
    Ok(out.finish())
}
