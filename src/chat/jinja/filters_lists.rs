//! Jinja's filters for lists.

use super::ast::Operator;
use super::call::Arguments;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::strings::{Case, change_case, join};
use super::value::{Items, Kind, List, Value};
use std::cmp::Ordering;
use std::rc::Rc;

impl Machine {
    pub(super) fn generator<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> Outcome<Value> {
        let mut items = Items::new(&self.meter)?;
        items.extend(values)?;
        items.finish(Kind::Generator)
    }

    pub(super) fn filter_list(&mut self, name: &str, value: Value, args: Arguments) -> Outcome<Value> {
        // Jinja looks at what is false no further, `none` included.
        if matches!(name, "map" | "select" | "reject" | "selectattr" | "rejectattr") && !value.is_true() {
            return self.generator([]);
        }
        match name {
            "list" => {
                let [] = self.bind(name, args, [])?;
                let mut items = Items::new(&self.meter)?;
                items.extend(&self.iterate(&value)?.items)?;
                items.finish(Kind::List)
            }
            "first" | "last" => {
                let [] = self.bind(name, args, [])?;
                let items = self.iterate(&value)?;
                let found = if name == "first" { items.items.first() } else { items.items.last() };
                Ok(found.cloned().unwrap_or(Value::Undefined(self.known.nameless)))
            }
            "join" => {
                let [separator, attribute] = self.bind(name, args, ["d", "attribute"])?;
                let separator = match separator {
                    Some(separator) => self.text(&separator)?,
                    None => super::print::own(self, "")?,
                };
                let items = self.iterate(&value)?;
                let mut keys = Items::new(&self.meter)?;
                for item in &items.items {
                    keys.push(self.keyed(item, attribute.as_ref(), None)?)?;
                }
                Ok(Value::Str(join(self, &separator, keys.values())?))
            }
            "reverse" => {
                let [] = self.bind(name, args, [])?;
                if let Value::Str(text) = &value {
                    let mut out = super::text::Writer::new(&self.meter)?;
                    for (at, c) in text.as_str().char_indices().rev() {
                        out.copy(text, at..at + c.len_utf8())?;
                    }
                    return Ok(Value::Str(out.finish_as(text.is_safe())));
                }
                let items = self.iterate(&value)?;
                self.generator(items.items.iter().rev())
            }
            "map" => self.map(&value, args),
            "select" | "reject" | "selectattr" | "rejectattr" => self.select(name, &value, args),
            "sort" => {
                let [reverse, case, attribute] = self.bind(name, args, ["reverse", "case_sensitive", "attribute"])?;
                let items = self.iterate(&value)?;
                self.sorted(&items.items, attribute.as_ref(), is_true(&case), is_true(&reverse))
            }
            "dictsort" => {
                let [case, by, reverse] = self.bind(name, args, ["case_sensitive", "by", "reverse"])?;
                let by = match by {
                    None => 0,
                    Some(Value::Str(by)) if by.as_str() == "key" => 0,
                    Some(Value::Str(by)) if by.as_str() == "value" => 1,
                    Some(_) => return fault("You can only sort by either \"key\" or \"value\""),
                };
                self.defined(&value)?;
                let Value::List(pairs) = self.entries(&value, "items")? else { return Ok(Value::None) };
                self.sorted(&pairs.items, Some(&Value::Int(by)), is_true(&case), is_true(&reverse))
            }
            "unique" => {
                let [case, attribute] = self.bind(name, args, ["case_sensitive", "attribute"])?;
                let items = self.iterate(&value)?;
                let (mut seen, mut found) = (Items::new(&self.meter)?, Items::new(&self.meter)?);
                for item in &items.items {
                    let key = self.keyed(item, attribute.as_ref(), Some(is_true(&case)))?;
                    let mut known = false;
                    for other in seen.values() {
                        known = known || key.equals(other, &self.meter)?;
                    }
                    if !known {
                        seen.push(key)?;
                        found.push(item.clone())?;
                    }
                }
                found.finish(Kind::Generator)
            }
            "min" | "max" => {
                let [case, attribute] = self.bind(name, args, ["case_sensitive", "attribute"])?;
                let items = self.iterate(&value)?;
                let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
                let mut best: Option<(Value, Value)> = None;
                for item in &items.items {
                    let key = self.keyed(item, attribute.as_ref(), Some(is_true(&case)))?;
                    let better = match &best {
                        Some((other, _)) => key.compare(other, &self.meter)? == Some(wanted),
                        None => true,
                    };
                    if better {
                        best = Some((key, item.clone()));
                    }
                }
                Ok(best.map_or(Value::Undefined(self.known.nameless), |(_, item)| item))
            }
            "sum" => {
                let [attribute, start] = self.bind(name, args, ["attribute", "start"])?;
                let items = self.iterate(&value)?;
                let mut total = start.unwrap_or(Value::Int(0));
                for item in &items.items {
                    let item = self.keyed(item, attribute.as_ref(), None)?;
                    total = self.operate(&total, Operator::Add, &item)?;
                }
                Ok(total)
            }
            "groupby" => {
                let [attribute, default, case] = self.bind(name, args, ["attribute", "default", "case_sensitive"])?;
                let items = self.iterate(&value)?;
                let Value::List(sorted) = self.sorted(&items.items, attribute.as_ref(), is_true(&case), false)? else {
                    return Ok(Value::None);
                };
                let mut groups: Vec<(Value, Items)> = Vec::new();
                for item in &sorted.items {
                    let mut key = self.keyed(item, attribute.as_ref(), Some(is_true(&case)))?;
                    if let (true, Some(default)) = (key.is_undefined(), &default) {
                        key = default.clone();
                    }
                    match groups.last_mut() {
                        Some((other, group)) if key.equals(other, &self.meter)? => group.push(item.clone())?,
                        _ => {
                            let mut group = Items::new(&self.meter)?;
                            group.push(item.clone())?;
                            groups.push((key, group));
                        }
                    }
                }
                let mut list = Items::new(&self.meter)?;
                for (key, group) in groups {
                    let mut pair = Items::new(&self.meter)?;
                    pair.push(key)?;
                    pair.push(group.finish(Kind::List)?)?;
                    list.push(pair.finish(Kind::Tuple)?)?;
                }
                list.finish(Kind::List)
            }
            "batch" | "slice" => {
                let [size, fill] = self.bind(name, args, ["count", "fill_with"])?;
                let Some(Value::Int(size @ 1..)) = size else { return fault(format!("`{name}` needs a number")) };
                let fill = fill.filter(|fill| !matches!(fill, Value::None));
                let items = self.iterate(&value)?;
                self.pieces(name == "slice", &items.items, usize::try_from(size).unwrap_or(usize::MAX), fill)
            }
            _ => fault(format!("no filter named '{name}'")),
        }
    }

    /// `batch`: pieces of that many; `slice`: that many pieces.
    fn pieces(&self, slices: bool, items: &[Value], size: usize, fill: Option<Value>) -> Outcome<Value> {
        let mut pieces = Items::new(&self.meter)?;
        let mut rest = items;
        let (each, larger) = (items.len() / size, items.len() % size);
        let mut index = 0;
        while if slices { index < size } else { !rest.is_empty() } {
            let length = if slices { each + usize::from(index < larger) } else { size.min(rest.len()) };
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            let mut list = Items::new(&self.meter)?;
            list.extend(piece)?;
            let wanted = if slices { each + usize::from(larger > 0 && index >= larger) } else { size };
            if let Some(fill) = &fill {
                while list.len() < wanted {
                    list.push(fill.clone())?;
                }
            }
            pieces.push(list.finish(Kind::List)?)?;
            index += 1;
        }
        pieces.finish(Kind::Generator)
    }

    /// `item.attribute`, by a path with dots; in small letters where case is to be no matter.
    fn keyed(&mut self, item: &Value, attribute: Option<&Value>, case_sensitive: Option<bool>) -> Outcome<Value> {
        let mut key = item.clone();
        match attribute {
            None | Some(Value::None) => {}
            Some(Value::Int(index)) => key = self.item(&key, &Value::Int(*index))?,
            Some(path) => {
                let path = self.needed("attribute", Some(path.clone()))?;
                for part in path.as_str().split('.') {
                    let part = match part.parse::<i64>() {
                        Ok(index) => Value::Int(index),
                        Err(_) => self.string(part)?,
                    };
                    key = self.item(&key, &part)?;
                }
            }
        }
        match key {
            Value::Str(text) if case_sensitive == Some(false) => Ok(Value::Str(change_case(&text, Case::Lower)?)),
            key => Ok(key),
        }
    }

    fn map(&mut self, value: &Value, mut args: Arguments) -> Outcome<Value> {
        let items = self.iterate(value)?;
        let mut mapped = Items::new(&self.meter)?;
        match args.split_first() {
            None => {
                let [attribute, default] = self.bind("map", args, ["attribute", "default"])?;
                if attribute.is_none() {
                    return fault("map requires a filter argument");
                }
                for item in &items.items {
                    let found = self.keyed(item, attribute.as_ref(), None)?;
                    mapped.push(match &default {
                        Some(default) if found.is_undefined() => default.clone(),
                        _ => found,
                    })?;
                }
            }
            Some(name) => {
                let name = self.needed("map", Some(name))?;
                for item in &items.items {
                    let mut copy = Arguments::new(&self.meter)?;
                    args.positional.iter().try_for_each(|value| copy.push(value.clone()))?;
                    args.named.iter().try_for_each(|(name, value)| copy.name(*name, value.clone()))?;
                    mapped.push(self.filter_named(name.as_str(), item.clone(), copy)?)?;
                }
            }
        }
        mapped.finish(Kind::Generator)
    }

    fn select(&mut self, name: &str, value: &Value, mut args: Arguments) -> Outcome<Value> {
        let attribute = if name.ends_with("attr") {
            match args.split_first() {
                Some(attribute) => Some(attribute),
                None => return fault(format!("`{name}` needs an attribute")),
            }
        } else {
            None
        };
        let test = match args.split_first() {
            Some(test) => Some(self.needed(name, Some(test))?),
            None => None,
        };
        let items = self.iterate(value)?;
        let mut found = Items::new(&self.meter)?;
        for item in &items.items {
            let key = self.keyed(item, attribute.as_ref(), None)?;
            let fits = match &test {
                Some(test) => self.test_named(test.as_str(), &key, &args.positional)?,
                None => key.is_true(),
            };
            if fits == name.starts_with("select") {
                found.push(item.clone())?;
            }
        }
        found.finish(Kind::Generator)
    }

    /// Sorted by an attribute, or by several with commas between them. Equal ones keep their order.
    fn sorted(&mut self, items: &[Value], attribute: Option<&Value>, case: bool, reverse: bool) -> Outcome<Value> {
        let mut keys = Vec::new();
        match attribute {
            Some(Value::Str(list)) => {
                for part in list.as_str().split(',') {
                    keys.push(Some(self.string(part)?));
                }
            }
            other => keys.push(other.cloned()),
        }
        let mut keyed = Items::new(&self.meter)?;
        for item in items {
            let mut parts = Items::new(&self.meter)?;
            for key in &keys {
                parts.push(self.keyed(item, key.as_ref(), Some(case))?)?;
            }
            parts.push(item.clone())?;
            keyed.push(parts.finish(Kind::Tuple)?)?;
        }
        let order = self.merged(keyed, keys.len(), reverse)?;
        let mut out = Items::new(&self.meter)?;
        for value in &order.items {
            if let Value::List(parts) = value {
                out.extend(parts.items.last())?;
            }
        }
        out.finish(Kind::List)
    }

    /// Merge sort of tuples by their first parts. The standard library's may panic where an order is none, and one
    /// among numbers that are not comparable is none.
    fn merged(&self, tuples: Items, parts: usize, reverse: bool) -> Outcome<Rc<List>> {
        let mut sorted = tuples.rc(Kind::List)?;
        let length = sorted.items.len();
        let mut width = 1;
        while width < length {
            let mut merged = Items::new(&self.meter)?;
            for start in (0..length).step_by(2 * width) {
                let (middle, end) = ((start + width).min(length), (start + 2 * width).min(length));
                let (mut left, mut right) = (start, middle);
                while left < middle || right < end {
                    let take_right = left == middle
                        || (right < end && {
                            let (a, b) = (&sorted.items[left], &sorted.items[right]);
                            if reverse { self.before(a, b, parts)? } else { self.before(b, a, parts)? }
                        });
                    let from = if take_right { &mut right } else { &mut left };
                    merged.push(sorted.items[*from].clone())?;
                    *from += 1;
                }
            }
            sorted = merged.rc(Kind::List)?;
            width *= 2;
        }
        Ok(sorted)
    }

    fn before(&self, a: &Value, b: &Value, parts: usize) -> Outcome<bool> {
        let (Value::List(a), Value::List(b)) = (a, b) else { return Ok(false) };
        for (a, b) in a.items.iter().zip(&b.items).take(parts) {
            if !a.equals(b, &self.meter)? {
                self.defined(a)?;
                self.defined(b)?;
                return Ok(a.compare(b, &self.meter)? == Some(Ordering::Less));
            }
        }
        Ok(false)
    }
}

fn is_true(value: &Option<Value>) -> bool {
    value.as_ref().is_some_and(Value::is_true)
}
