//! The keywords of one schema: read, their values checked, and each kept, passed over as an annotation, or refused by name.

use super::words::{ANNOTATIONS, REFUSED, TYPES, escaped, near};
use crate::error::quoted;
use crate::json::Json;
use crate::number::{self, Bound, Numbers};
use crate::pattern::{self, Reach, Reading};
use crate::{Error, formats};
use std::collections::HashMap;
use std::rc::Rc;

/// A schema of the document.
pub(super) type Id = usize;

/// Kinds of values, a bit each; a number is one of two.
pub(super) mod kinds {
    pub(crate) const NULL: u8 = 1;
    pub(crate) const BOOLEAN: u8 = 2;
    pub(crate) const WHOLE: u8 = 4;
    pub(crate) const FRACTION: u8 = 8;
    pub(crate) const STRING: u8 = 16;
    pub(crate) const ARRAY: u8 = 32;
    pub(crate) const OBJECT: u8 = 64;
    pub(crate) const ALL: u8 = 127;
}

/// From and to; no end if `None`.
pub(super) type Span = (u64, Option<u64>);

pub(super) const FREE: Span = (0, None);

/// An expression of JSON strings, as each reader and as any reader takes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Text {
    pub(super) narrow: Rc<str>,
    pub(super) wide: Rc<str>,
}

impl Text {
    fn pattern(pattern: &str) -> Result<Text, Error> {
        let read =
            |reading| Ok::<Rc<str>, Error>(pattern::quoted(&pattern::read(pattern, Reach::Part, reading)?).into());
        Ok(Text { narrow: read(Reading::Narrow)?, wide: read(Reading::Wide)? })
    }
}

/// `items` and what goes with it.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) front: Vec<Id>,
    pub(super) rest: Option<Id>,
}

/// `properties` and what goes with them: what stands under a key depends on all three.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) named: Vec<(Rc<str>, Id)>,
    /// Expressions of keys, as JSON strings.
    pub(super) patterns: Vec<(Text, Id)>,
    pub(super) others: Option<Id>,
}

/// What one schema asks for.
#[derive(Debug)]
pub(super) struct Keywords<'a> {
    /// `true` or `false` in a schema's place.
    pub(super) boolean: Option<bool>,
    pub(super) kinds: u8,
    pub(super) numbers: Numbers,
    pub(super) characters: Span,
    /// Expressions of JSON strings, all of which a string meets.
    pub(super) texts: Vec<Text>,
    pub(super) count: Span,
    pub(super) items: Option<Rc<Items>>,
    pub(super) keys: Span,
    pub(super) properties: Option<Rc<Properties>>,
    pub(super) required: Vec<Rc<str>>,
    pub(super) names: Option<Id>,
    pub(super) values: Option<Vec<&'a Json>>,
    /// Schemas that hold too: `$ref`, `allOf`.
    pub(super) all: Vec<Id>,
    /// Lists of schemas of which one holds: of `anyOf` at least, of `oneOf` at most too.
    pub(super) choices: Vec<(Vec<Id>, bool)>,
}

/// A schema and the schemas in it.
pub(super) struct Document<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    ids: HashMap<*const Json, Id>,
    draft: Draft,
    pub(super) notes: Vec<String>,
}

pub(super) struct Entry<'a> {
    pub(super) json: &'a Json,
    pub(super) pointer: String,
    /// The schema that a `#` in this one means.
    resource: Id,
    keywords: Option<Rc<Keywords<'a>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Draft {
    D4,
    D6,
    D7,
    D2019,
    /// Not told: today's, and what older ones wrote otherwise is read as they meant it.
    Any,
    D2020,
}

impl<'a> Document<'a> {
    pub(super) fn new(root: &'a Json) -> Result<Self, Error> {
        let draft = match root.get("$schema") {
            None => Draft::Any,
            Some(Json::String(uri)) => {
                match uri.trim_end_matches('#').trim_start_matches("http://").trim_start_matches("https://") {
                    "json-schema.org/draft-04/schema" => Draft::D4,
                    "json-schema.org/draft-06/schema" => Draft::D6,
                    "json-schema.org/draft-07/schema" => Draft::D7,
                    "json-schema.org/draft/2019-09/schema" => Draft::D2019,
                    "json-schema.org/draft/2020-12/schema" => Draft::D2020,
                    _ => Draft::Any,
                }
            }
            Some(other) => return Err(Error(format!("$schema must be a string: it is {}", other.told()))),
        };
        let mut document = Document { entries: Vec::new(), ids: HashMap::new(), draft, notes: Vec::new() };
        document.add(root, "#".into(), 0);
        Ok(document)
    }

    pub(super) fn add(&mut self, json: &'a Json, pointer: String, resource: Id) -> Id {
        if let Some(&id) = self.ids.get(&std::ptr::from_ref(json)) {
            return id;
        }
        let id = self.entries.len();
        // A schema with a name of its own is what references within it count from.
        let own = id > 0 && matches!(json.get("$id"), Some(Json::String(name)) if !name.starts_with('#'));
        self.entries.push(Entry { json, pointer, resource: if own { id } else { resource }, keywords: None });
        self.ids.insert(json, id);
        id
    }

    pub(super) fn pointer(&self, id: Id) -> &str {
        &self.entries[id].pointer
    }

    pub(super) fn keywords(&mut self, id: Id) -> Result<Rc<Keywords<'a>>, Error> {
        if let Some(keywords) = &self.entries[id].keywords {
            return Ok(keywords.clone());
        }
        let keywords = Rc::new(self.read(id)?);
        self.entries[id].keywords = Some(keywords.clone());
        Ok(keywords)
    }

    fn read(&mut self, id: Id) -> Result<Keywords<'a>, Error> {
        let Entry { json, ref pointer, resource, .. } = self.entries[id];
        let pointer = pointer.clone();
        let mut k = Keywords {
            boolean: None,
            kinds: kinds::ALL,
            numbers: Numbers::default(),
            characters: FREE,
            texts: Vec::new(),
            count: FREE,
            items: None,
            keys: FREE,
            properties: None,
            required: Vec::new(),
            names: None,
            values: None,
            all: Vec::new(),
            choices: Vec::new(),
        };
        let entries = match json {
            Json::Bool(value) => {
                k.boolean = Some(*value);
                return Ok(k);
            }
            Json::Object(entries) => entries,
            other => {
                return Err(Error(format!("a schema is an object or a boolean: at {pointer} is {}", other.told())));
            }
        };
        let (mut items, mut properties) = (Items::default(), Properties::default());
        let (mut has_items, mut has_properties) = (false, false);
        for (key, value) in entries {
            let place = || format!("{pointer}/{}", escaped(key));
            let wrong = |what: &str| Error(format!("{key} must be {what}: at {} is {}", place(), value.told()));
            let with_place = |why: Error| Error(format!("{why} (at {})", place()));
            let refuse = |why: &str| Error(format!("{key} is not kept{why} (at {})", place()));
            let span = |span: &mut Span, low: bool| {
                let n = match value {
                    Json::Number(text) => {
                        number::Decimal::read(text).filter(|n| n.is_whole() && *n >= number::Decimal::ZERO)
                    }
                    _ => None,
                };
                let n = n
                    .ok_or_else(|| wrong("a whole number that is not negative"))?
                    .to_string()
                    .parse()
                    .unwrap_or(u64::MAX);
                if low {
                    span.0 = n;
                } else {
                    span.1 = Some(n);
                }
                Ok::<(), Error>(())
            };
            let object = || match value {
                Json::Object(entries) => Ok(entries),
                _ => Err(wrong("an object")),
            };
            let list = || match value {
                Json::Array(items) if !items.is_empty() => Ok(items),
                Json::Array(_) => Err(wrong("a list with something in it")),
                _ => Err(wrong("a list")),
            };
            match key.as_str() {
                "type" => {
                    let one = |value: &Json| {
                        match value {
                        Json::String(name) => TYPES.iter().find(|(known, _)| known == name).map(|(_, bits)| *bits).ok_or_else(|| {
                            Error(format!("type {} is none: null, boolean, integer, number, string, array, object are (at {})", quoted(name, 40), place()))
                        }),
                        _ => Err(wrong("the name of a type, or a list of such")),
                    }
                    };
                    k.kinds = match value {
                        Json::Array(_) => list()?.iter().try_fold(0, |all, name| Ok::<u8, Error>(all | one(name)?))?,
                        value => one(value)?,
                    };
                }
                "enum" => k.values = Some(self.values(list()?.iter().collect(), k.values.take(), &place())?),
                "const" => k.values = Some(self.values(vec![value], k.values.take(), &place())?),
                "minimum" => k.numbers.at_least(Bound { at: number::of(value, key).map_err(with_place)?, open: false }),
                "maximum" => k.numbers.at_most(Bound { at: number::of(value, key).map_err(with_place)?, open: false }),
                // Draft 4 had a boolean beside the bound itself.
                "exclusiveMinimum" | "exclusiveMaximum"
                    if self.draft == Draft::D4 && matches!(value, Json::Bool(_)) =>
                {
                    let low = key == "exclusiveMinimum";
                    if let (Json::Bool(true), Some(bound)) = (value, json.get(if low { "minimum" } else { "maximum" }))
                    {
                        let bound = Bound { at: number::of(bound, key).map_err(with_place)?, open: true };
                        if low { k.numbers.at_least(bound) } else { k.numbers.at_most(bound) }
                    }
                }
                "exclusiveMinimum" => {
                    k.numbers.at_least(Bound { at: number::of(value, key).map_err(with_place)?, open: true })
                }
                "exclusiveMaximum" => {
                    k.numbers.at_most(Bound { at: number::of(value, key).map_err(with_place)?, open: true })
                }
                "multipleOf" => {
                    let of = number::of(value, key).map_err(with_place)?;
                    if of <= number::Decimal::ZERO {
                        return Err(wrong("a number above zero"));
                    }
                    k.numbers.multiple_of(of);
                }
                "minLength" => span(&mut k.characters, true)?,
                "maxLength" => span(&mut k.characters, false)?,
                "minItems" => span(&mut k.count, true)?,
                "maxItems" => span(&mut k.count, false)?,
                "minProperties" => span(&mut k.keys, true)?,
                "maxProperties" => span(&mut k.keys, false)?,
                "pattern" => {
                    let Json::String(text) = value else { return Err(wrong("a string")) };
                    k.texts.push(Text::pattern(text).map_err(|why| Error(format!("pattern: {why} (at {})", place())))?);
                }
                "format" => {
                    let Json::String(_) = value else { return Err(wrong("a string")) };
                }
                "items" => {
                    has_items = true;
                    match value {
                        Json::Array(_) if self.draft == Draft::D2020 => {
                            return Err(wrong("a schema (a list of them is prefixItems since 2020-12)"));
                        }
                        Json::Array(front) => {
                            if json.get("prefixItems").is_some() {
                                return Err(wrong("a schema, beside prefixItems"));
                            }
                            items.front = self.schemas(front, &place(), resource);
                            if let Some(rest) = json.get("additionalItems") {
                                items.rest = Some(self.add(rest, format!("{pointer}/additionalItems"), resource));
                            }
                        }
                        schema => items.rest = Some(self.add(schema, place(), resource)),
                    }
                }
                // Says something beside a list of items alone, where it is read.
                "additionalItems" => match value {
                    Json::Bool(_) | Json::Object(_) => {}
                    _ => return Err(wrong("a schema")),
                },
                "prefixItems" => {
                    if self.draft < Draft::Any {
                        return Err(refuse(": the schema's $schema is older than this keyword"));
                    }
                    has_items = true;
                    items.front = self.schemas(list()?, &place(), resource);
                }
                "properties" => {
                    has_properties = true;
                    for (name, schema) in object()? {
                        let schema = self.add(schema, format!("{}/{}", place(), escaped(name)), resource);
                        properties.named.push((name.as_str().into(), schema));
                    }
                }
                "patternProperties" => {
                    has_properties = true;
                    for (name, schema) in object()? {
                        let text = Text::pattern(name)
                            .map_err(|why| Error(format!("patternProperties: {why} (at {})", place())))?;
                        let schema = self.add(schema, format!("{}/{}", place(), escaped(name)), resource);
                        properties.patterns.push((text, schema));
                    }
                }
                "additionalProperties" => {
                    has_properties = true;
                    properties.others = Some(self.add(value, place(), resource));
                }
                "propertyNames" => k.names = Some(self.add(value, place(), resource)),
                "required" => {
                    let Json::Array(names) = value else { return Err(wrong("a list of names")) };
                    for name in names {
                        let Json::String(name) = name else { return Err(wrong("a list of names")) };
                        if !k.required.iter().any(|known| **known == **name) {
                            k.required.push(name.as_str().into());
                        }
                    }
                }
                "allOf" => {
                    let all = self.schemas(list()?, &place(), resource);
                    k.all.extend(all);
                }
                "anyOf" | "oneOf" => {
                    let all = self.schemas(list()?, &place(), resource);
                    k.choices.push((all, key == "oneOf"));
                }
                "$ref" => {
                    let Json::String(uri) = value else { return Err(wrong("a string")) };
                    let target = self.resolve(uri, resource).map_err(with_place)?;
                    k.all.push(target);
                }
                "uniqueItems" => match value {
                    Json::Bool(false) => {}
                    Json::Bool(true)
                        if json.get("maxItems").is_some_and(
                            |n| matches!(n, Json::Number(n) if number::same(n, "0") || number::same(n, "1")),
                        ) => {}
                    Json::Bool(true) => return Err(refuse("")),
                    _ => return Err(wrong("a boolean")),
                },
                "unevaluatedProperties" | "unevaluatedItems" => {
                    let alone = [
                        "$ref",
                        "allOf",
                        "anyOf",
                        "oneOf",
                        "if",
                        "additionalProperties",
                        "$dynamicRef",
                        "items",
                        "contains",
                    ]
                    .iter()
                    .all(|other| json.get(other).is_none());
                    match value {
                        Json::Bool(true) => {}
                        Json::Object(entries) if entries.is_empty() => {}
                        // Beside `properties` alone it says what `additionalProperties` would.
                        _ if alone && key == "unevaluatedProperties" && self.draft >= Draft::D2019 => {
                            has_properties = true;
                            properties.others = Some(self.add(value, place(), resource));
                        }
                        _ => return Err(refuse("")),
                    }
                }
                "$id" | "$anchor" | "id" => {}
                "nullable" => {
                    if *value == Json::Bool(true) {
                        self.note(format!(
                            "nullable at {} is OpenAPI's and says nothing here: \"type\": [..., \"null\"] does",
                            place()
                        ));
                    }
                }
                "if" if json.get("then").is_none() && json.get("else").is_none() => {}
                "dependentRequired" | "dependentSchemas" | "dependencies" if matches!(value, Json::Object(entries) if entries.is_empty()) =>
                    {}
                name if REFUSED.contains(&name) => return Err(refuse("")),
                name if ANNOTATIONS.contains(&name) || name.starts_with("x-") => {}
                name => match near(name) {
                    Some(meant) => {
                        return Err(Error(format!(
                            "{} is no keyword: is {meant} meant? (at {})",
                            quoted(name, 40),
                            place()
                        )));
                    }
                    None => self.note(format!(
                        "{} at {} is no keyword of JSON schemas: passed over",
                        quoted(name, 40),
                        place()
                    )),
                },
            }
        }
        if let Some(Json::String(name)) = json.get("format") {
            self.format(name, &mut k, &pointer)?;
        }
        k.items = has_items.then(|| Rc::new(items));
        k.properties = has_properties.then(|| Rc::new(properties));
        Ok(k)
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < 10 && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn schemas(&mut self, list: &'a [Json], place: &str, resource: Id) -> Vec<Id> {
        list.iter().enumerate().map(|(n, schema)| self.add(schema, format!("{place}/{n}"), resource)).collect()
    }

    /// The values of `const` and `enum`, where both are.
    fn values(
        &self,
        values: Vec<&'a Json>,
        before: Option<Vec<&'a Json>>,
        place: &str,
    ) -> Result<Vec<&'a Json>, Error> {
        let mut todo = values.clone();
        while let Some(value) = todo.pop() {
            match value {
                Json::Number(text) if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
                    return Err(Error(format!(
                        "the number {} is too large to be read back (at {place})",
                        value.told()
                    )));
                }
                Json::Array(items) => todo.extend(items),
                Json::Object(entries) => todo.extend(entries.iter().map(|(_, value)| value)),
                _ => {}
            }
        }
        let both = |value: &&Json| before.as_ref().is_none_or(|before| before.iter().any(|other| equal(value, other)));
        Ok(values.into_iter().filter(both).collect())
    }

    fn format(&mut self, name: &str, k: &mut Keywords, pointer: &str) -> Result<(), Error> {
        if let Some(range) = formats::of_numbers(name) {
            if let Some((low, high)) = range {
                let bound = |text| number::Decimal::read(text).map(|at| Bound { at, open: false });
                bound(low).into_iter().for_each(|bound| k.numbers.at_least(bound));
                bound(high).into_iter().for_each(|bound| k.numbers.at_most(bound));
            }
        } else if let Some(expression) = formats::expression(name) {
            let expression: Rc<str> = format!("\\x{{22}}(?:{expression})\\x{{22}}").into();
            k.texts.push(Text { narrow: expression.clone(), wide: expression });
        } else if k.kinds & kinds::STRING != 0 {
            return Err(Error(format!(
                "format {} is not known: {} are (at {pointer}/format)",
                quoted(name, 40),
                formats::KNOWN
            )));
        }
        Ok(())
    }
}

/// Whether two values are one to JSON schemas: numbers by value, objects in any order.
pub(super) fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => number::same(a, b),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Json::Object(a), Json::Object(_)) => {
            matches!(b, Json::Object(entries) if entries.len() == a.len())
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => a == b,
    }
}
