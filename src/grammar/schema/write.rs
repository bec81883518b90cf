//! Places as a grammar in Lark's form.

use super::places::{List, Object, Place, any_text};
use crate::json::{Json, string};
use crate::{Error, limits};
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;

/// Between items, and between a key and its value: as Python's `json.dumps` writes them. It is what most of the JSON looks like that
/// models have read, and no other white space is allowed, which could go on for ever.
const COMMA: &str = "\", \"";
const COLON: &str = "\": \"";

pub(super) struct Writer<'p, 'a> {
    places: &'p [Place<'a>],
    prefix: &'p str,
    out: String,
    terminals: HashMap<String, String>,
    rules: usize,
}

impl<'p, 'a> Writer<'p, 'a> {
    /// The rules of all places, and the name of the first's. Names begin with `prefix`.
    pub(super) fn write(places: &'p [Place<'a>], prefix: &'p str) -> Result<(String, String), Error> {
        let mut writer = Writer { places, prefix, out: String::new(), terminals: HashMap::new(), rules: 0 };
        for (n, place) in places.iter().enumerate() {
            if place.alive {
                writer.place(n, place)?;
            }
            if writer.out.len() > limits::GRAMMAR {
                return Err(Error(format!(
                    "the schema is too large: it comes to more than {} bytes of grammar",
                    limits::GRAMMAR
                )));
            }
        }
        let start = writer.name(0);
        Ok((writer.out, start))
    }

    fn name(&self, n: usize) -> String {
        format!("{}{n}", self.prefix)
    }

    /// A rule between others.
    fn rule(&mut self, body: &str) -> String {
        self.rules += 1;
        let name = format!("{}x{}", self.prefix, self.rules);
        let _ = writeln!(self.out, "{name}: {body}");
        name
    }

    fn terminal(&mut self, text: String) -> String {
        if let Some(name) = self.terminals.get(&text) {
            return name.clone();
        }
        let name = format!("{}{}", self.prefix.to_uppercase(), self.terminals.len());
        let _ = writeln!(self.out, "{name}: {text}");
        self.terminals.insert(text, name.clone());
        name
    }

    fn place(&mut self, n: usize, place: &Place<'a>) -> Result<(), Error> {
        let places = self.places;
        let mut forms = Vec::new();
        let mut scalars: Vec<String> = place
            .scalars
            .iter()
            .map(|all| if all.is_empty() { expression(&any_text()) } else { expressions(all) })
            .collect();
        if !place.values.is_empty() {
            scalars.push(expression(&format!("(?:{})", place.values.join("|"))));
        }
        if !scalars.is_empty() {
            forms.push(self.terminal(scalars.join(" | ")));
        }
        forms.extend(place.fixed.iter().map(|value| fixed(value)));
        for list in place.lists.iter().filter(|list| list.alive(places)) {
            forms.push(self.list(list));
        }
        for object in place.objects.iter().filter(|object| object.alive(places)) {
            forms.push(self.object(object)?);
        }
        let _ = writeln!(self.out, "{}: {}", self.name(n), forms.join(" | "));
        Ok(())
    }

    fn list(&mut self, list: &List) -> String {
        let least = list.count.0 as usize;
        let most = list.most(self.places).map(|most| most as usize);
        let front = list.front.len().min(most.unwrap_or(usize::MAX));
        // What may follow, from its end on: each optional part has the ones behind it in itself.
        let mut tail = String::new();
        if most.is_none_or(|most| most > front) {
            let rest = self.name(list.rest);
            let least = least.saturating_sub(front);
            if front > 0 {
                tail = repeat(&format!("({COMMA} {rest})"), least, most.map(|most| most - front));
            } else {
                let more = repeat(&format!("({COMMA} {rest})"), least.saturating_sub(1), most.map(|most| most - 1));
                tail = if least > 0 { format!("{rest} {more}") } else { format!("({rest} {more})?") };
            }
        }
        for n in (0..front).rev() {
            let comma = if n > 0 { format!("{COMMA} ") } else { String::new() };
            let item = format!("{comma}{} {tail}", self.name(list.front[n]));
            tail = if n < least {
                item
            } else {
                let name = self.rule(&item);
                format!("{name}?")
            };
        }
        format!("\"[\" {tail} \"]\"")
    }

    fn object(&mut self, object: &Object) -> Result<String, Error> {
        let items: Vec<(String, bool)> = object
            .named
            .iter()
            .filter(|(_, at, _)| self.places[*at].alive)
            .map(|(name, at, required)| (format!("{} {COLON} {}", quoted(&string(name)), self.name(*at)), *required))
            .collect();
        let mut others = Vec::new();
        for (key, at) in object.others.iter().filter(|(_, at)| self.places[*at].alive) {
            let key = self.terminal(if key.is_empty() { expression(&any_text()) } else { expressions(key) });
            others.push(format!("{key} {COLON} {}", self.name(*at)));
        }
        let other = match &others[..] {
            [] => None,
            [one] => Some(format!("({one})")),
            all => Some(self.rule(&all.join(" | "))),
        };
        let needed = items.iter().filter(|(_, required)| *required).count() as u64;
        let (least, most) = object.count;
        if least <= needed && most.is_none_or(|most| other.is_none() && most >= items.len() as u64) {
            return Ok(self.uncounted(&items, other.as_deref()));
        }
        self.counted(&items, other.as_deref(), (least, most))
    }

    /// An object where any of the optional properties may be left out.
    fn uncounted(&mut self, items: &[(String, bool)], other: Option<&str>) -> String {
        let more = other.map_or(String::new(), |other| format!("({COMMA} {other})*"));
        // What may follow once something is there.
        let mut tails = vec![more.clone()];
        let mut tail = more;
        for (item, required) in items.iter().rev() {
            let part = if *required { format!("{COMMA} {item}") } else { format!("({COMMA} {item})?") };
            tail = format!("{part} {tail}");
            // A rule of its own now and then, so that the text of all tails together stays short.
            if tail.len() > 200 {
                tail = self.rule(&tail);
            }
            tails.push(tail.clone());
        }
        tails.reverse();
        let mut firsts = Vec::new();
        let mut needed = false;
        for (n, (item, required)) in items.iter().enumerate() {
            firsts.push(format!("{item} {}", tails[n + 1]));
            needed = *required;
            if needed {
                break;
            }
        }
        if !needed && let Some(other) = other {
            firsts.push(format!("{other} ({COMMA} {other})*"));
        }
        match (firsts.len(), needed) {
            (0, _) => "\"{\" \"}\"".into(),
            (1, true) => format!("\"{{\" {} \"}}\"", firsts[0]),
            _ => {
                let name = self.rule(&firsts.join(" | "));
                format!("\"{{\" {name}{} \"}}\"", if needed { "" } else { "?" })
            }
        }
    }

    /// An object whose properties are counted: a rule for each property and number of those before it.
    fn counted(
        &mut self,
        items: &[(String, bool)],
        other: Option<&str>,
        (least, most): (u64, Option<u64>),
    ) -> Result<String, Error> {
        let cap = most.map_or(least, |most| most.min(items.len() as u64 + limits::ITEMS)).max(1);
        if least > limits::ITEMS || (items.len() as u64 + 1) * (cap.min(items.len() as u64) + 1) > limits::COUNTED {
            return Err(Error("minProperties, maxProperties: too many properties to count".into()));
        }
        let mut names: HashMap<(usize, u64), Option<String>> = HashMap::new();
        for n in (0..=items.len()).rev() {
            for before in 0..=n as u64 {
                let name = if n == items.len() {
                    let (low, high) = (least.saturating_sub(before), most.map(|most| most.checked_sub(before)));
                    match (other, low, high) {
                        (_, _, Some(None)) => None,
                        (None, 0, _) | (_, 0, Some(Some(0))) => Some("\"\"".to_owned()),
                        (None, ..) => None,
                        (Some(_), low, Some(Some(high))) if low > high => None,
                        (Some(other), low, high) => {
                            let high = high.flatten().map(|high| high.min(limits::ITEMS) as usize);
                            let low = low as usize;
                            Some(if before > 0 {
                                repeat(&format!("({COMMA} {other})"), low, high)
                            } else {
                                let more = repeat(
                                    &format!("({COMMA} {other})"),
                                    low.saturating_sub(1),
                                    high.map(|high| high - 1),
                                );
                                if low > 0 { format!("{other} {more}") } else { format!("({other} {more})?") }
                            })
                        }
                    }
                } else {
                    let (item, required) = &items[n];
                    let comma = if before > 0 { format!("{COMMA} ") } else { String::new() };
                    let mut forms = Vec::new();
                    if let Some(Some(with)) = names.get(&(n + 1, before + 1)) {
                        forms.push(format!("{comma}{item} {with}"));
                    }
                    if !required && let Some(Some(without)) = names.get(&(n + 1, before)) {
                        forms.push(without.clone());
                    }
                    if forms.is_empty() { None } else { Some(self.rule(&forms.join(" | "))) }
                };
                names.insert((n, before), name);
            }
        }
        match names.remove(&(0, 0)) {
            Some(Some(name)) => Ok(format!("\"{{\" {name} \"}}\"")),
            _ => Err(Error("no object can have as many properties as minProperties and maxProperties ask for".into())),
        }
    }
}

/// An expression as many times.
fn repeat(what: &str, least: usize, most: Option<usize>) -> String {
    match (least, most) {
        (_, Some(0)) => String::new(),
        (0, None) => format!("{what}*"),
        (least, None) => format!("{what}{{{least},}}"),
        (least, Some(most)) => format!("{what}{{{least},{most}}}"),
    }
}

/// A list or an object of one value.
fn fixed(value: &Json) -> String {
    let mut out = String::new();
    match value {
        Json::Array(items) => {
            out.push_str("\"[\"");
            for (n, item) in items.iter().enumerate() {
                let _ = write!(out, " {}{}", if n > 0 { "\", \" " } else { "" }, fixed(item));
            }
            out.push_str(" \"]\"");
        }
        Json::Object(entries) => {
            out.push_str("\"{\"");
            for (n, (key, item)) in entries.iter().enumerate() {
                let _ = write!(
                    out,
                    " {}{} {COLON} {}",
                    if n > 0 { "\", \" " } else { "" },
                    quoted(&string(key)),
                    fixed(item)
                );
            }
            out.push_str(" \"}\"");
        }
        scalar => {
            let mut text = String::new();
            scalar.write(&mut text);
            out = quoted(&text);
        }
    }
    out
}

/// A text as Lark writes it: as JSON does.
pub(crate) fn quoted(text: &str) -> String {
    string(text)
}

fn expression(text: &str) -> String {
    match text.strip_prefix('~') {
        Some(not) => format!("~/{}/", not.replace('/', "\\/")),
        None => format!("/{}/", text.replace('/', "\\/")),
    }
}

fn expressions(all: &[Rc<str>]) -> String {
    all.iter().map(|text| expression(text)).collect::<Vec<_>>().join(" & ")
}
