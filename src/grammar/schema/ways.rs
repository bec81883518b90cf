//! The ways in which a value can meet several schemas at once: one a choice of `anyOf` and `oneOf`.

use super::keywords::{Document, FREE, Id, Items, Properties, Span, Text, equal, kinds};
use crate::json::Json;
use crate::number::{Decimal, Numbers};
use crate::{Error, limits};
use llguidance::derivre::Regex;
use std::collections::HashMap;
use std::rc::Rc;

/// All that a value keeps to.
#[derive(Debug, Clone)]
pub(super) struct Way<'a> {
    pub(super) kinds: u8,
    pub(super) numbers: Numbers,
    pub(super) characters: Span,
    pub(super) texts: Vec<Text>,
    pub(super) count: Span,
    pub(super) items: Vec<Rc<Items>>,
    pub(super) keys: Span,
    pub(super) properties: Vec<Rc<Properties>>,
    pub(super) required: Vec<Rc<str>>,
    pub(super) names: Vec<Id>,
    pub(super) values: Option<Vec<&'a Json>>,
    /// Of each `oneOf` (by its schema and its place there) the branch that was taken.
    picks: Vec<((Id, usize), usize)>,
}

impl Way<'_> {
    fn any() -> Self {
        Way {
            kinds: kinds::ALL,
            numbers: Numbers::default(),
            characters: FREE,
            texts: Vec::new(),
            count: FREE,
            items: Vec::new(),
            keys: FREE,
            properties: Vec::new(),
            required: Vec::new(),
            names: Vec::new(),
            values: None,
            picks: Vec::new(),
        }
    }

    fn meet(&mut self, other: &Self) {
        self.kinds &= other.kinds;
        self.numbers.meet(&other.numbers);
        narrow(&mut self.characters, other.characters);
        narrow(&mut self.count, other.count);
        narrow(&mut self.keys, other.keys);
        add(&mut self.texts, &other.texts);
        self.items.extend(other.items.iter().cloned());
        self.properties.extend(other.properties.iter().cloned());
        add(&mut self.required, &other.required);
        add(&mut self.names, &other.names);
    }

    /// The schemas that hold for an item.
    pub(super) fn item(&self, n: usize) -> Vec<Id> {
        self.items.iter().filter_map(|items| items.front.get(n).copied().or(items.rest)).collect()
    }

    /// Items that have schemas of their own.
    pub(super) fn front(&self) -> usize {
        self.items.iter().map(|items| items.front.len()).max().unwrap_or(0)
    }
}

fn narrow(span: &mut Span, other: Span) {
    span.0 = span.0.max(other.0);
    span.1 = match (span.1, other.1) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

fn add<T: PartialEq + Clone>(all: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}

/// Ways, and why there are none.
pub(super) type Ways<'a> = Rc<(Vec<Way<'a>>, String)>;

/// Finds ways.
pub(super) struct Finder<'a> {
    pub(super) document: Document<'a>,
    found: HashMap<Vec<Id>, Ways<'a>>,
    pub(super) texts: HashMap<Vec<Rc<str>>, bool>,
    pub(super) expressions: HashMap<Rc<str>, Regex>,
    reads: usize,
    /// Whether values are looked at that must not be: patterns are read as widely as any reader does then.
    pub(super) wide: bool,
}

impl<'a> Finder<'a> {
    pub(super) fn new(document: Document<'a>) -> Self {
        Finder {
            document,
            found: HashMap::new(),
            texts: HashMap::new(),
            expressions: HashMap::new(),
            reads: 0,
            wide: false,
        }
    }

    fn work(&mut self) -> Result<(), Error> {
        self.reads += 1;
        if self.reads > limits::READS {
            return Err(Error(
                "the schema is too complex: its parts combine in too many ways (anyOf, oneOf, allOf, $ref)".into(),
            ));
        }
        Ok(())
    }

    /// The ways to meet all of `schemas`.
    pub(super) fn ways(&mut self, schemas: &[Id]) -> Result<Ways<'a>, Error> {
        if let Some(ways) = self.found.get(schemas) {
            return Ok(ways.clone());
        }
        let mut ways = vec![Way::any()];
        let mut why = String::new();
        for &id in schemas {
            ways = self.apply(ways, id, &mut Vec::new(), &mut why)?;
        }
        self.one_only(&mut ways)?;
        let ways = Rc::new((ways, why));
        self.found.insert(schemas.to_vec(), ways.clone());
        Ok(ways)
    }

    fn apply(
        &mut self,
        mut ways: Vec<Way<'a>>,
        id: Id,
        path: &mut Vec<Id>,
        why: &mut String,
    ) -> Result<Vec<Way<'a>>, Error> {
        self.work()?;
        if path.contains(&id) {
            return Err(Error(format!(
                "$ref: the schema at {} comes to itself again without a value between: circular",
                self.document.pointer(id)
            )));
        }
        if path.len() >= limits::RULES_DEEP {
            return Err(Error(format!(
                "more than {} schemas lead to one another ($ref, allOf, anyOf): too deep",
                limits::RULES_DEEP
            )));
        }
        let k = self.document.keywords(id)?;
        if let Some(boolean) = k.boolean {
            if !boolean {
                *why = format!("{} is false", self.document.pointer(id));
                ways.clear();
            }
            return Ok(ways);
        }
        let own = Way {
            kinds: k.kinds,
            numbers: k.numbers.clone(),
            characters: k.characters,
            texts: k.texts.clone(),
            count: k.count,
            items: k.items.iter().cloned().collect(),
            keys: k.keys,
            properties: k.properties.iter().cloned().collect(),
            required: k.required.clone(),
            names: k.names.into_iter().collect(),
            values: None,
            picks: Vec::new(),
        };
        for way in &mut ways {
            way.meet(&own);
            if let Some(values) = &k.values {
                let mut kept = values.clone();
                if let Some(before) = &way.values {
                    kept.retain(|value| before.iter().any(|other| equal(value, other)));
                }
                way.values = Some(kept);
            }
        }
        let before = ways.len();
        ways.retain(|way| way.kinds != 0 && way.values.as_ref().is_none_or(|values| !values.is_empty()));
        if ways.is_empty() && before > 0 {
            *why = format!(
                "type, const and enum at {} and of what holds beside it have no value in common",
                self.document.pointer(id)
            );
        }
        path.push(id);
        for &other in &k.all {
            let some = !ways.is_empty();
            ways = self.apply(ways, other, path, why)?;
            if some && ways.is_empty() {
                *why = format!("{why}, which $ref or allOf at {} asks for", self.document.pointer(id));
            }
        }
        for (place, (choices, one)) in k.choices.iter().enumerate() {
            let mut all = Vec::new();
            for (n, &choice) in choices.iter().enumerate() {
                let mut branch = self.apply(ways.clone(), choice, path, why)?;
                if *one {
                    branch.iter_mut().for_each(|way| way.picks.push(((id, place), n)));
                }
                all.extend(branch);
                if all.len() > limits::WAYS {
                    return Err(Error(format!(
                        "more than {} ways to meet the schema at {}: anyOf and oneOf multiply",
                        limits::WAYS,
                        self.document.pointer(id)
                    )));
                }
            }
            ways = all;
        }
        path.pop();
        Ok(ways)
    }

    /// Sees to it that what meets one branch of a `oneOf` meets no other.
    fn one_only(&mut self, ways: &mut Vec<Way<'a>>) -> Result<(), Error> {
        for b in 1..ways.len() {
            for a in 0..b {
                let apart = |&&((at, n), pick): &&((Id, usize), usize)| {
                    ways[b].picks.iter().any(|&(other, taken)| other == (at, n) && taken != pick)
                };
                let Some(&((at, _), first)) = ways[a].picks.iter().find(apart) else { continue };
                self.work()?;
                if let (Some(of_a), Some(of_b)) = (&ways[a].values, &ways[b].values) {
                    let both: Vec<&Json> =
                        of_a.iter().copied().filter(|value| of_b.iter().any(|other| equal(value, other))).collect();
                    for n in [a, b] {
                        ways[n]
                            .values
                            .iter_mut()
                            .for_each(|values| values.retain(|value| !both.iter().any(|other| equal(value, other))));
                    }
                    continue;
                }
                let mut both = ways[a].clone();
                both.meet(&ways[b]);
                both.values = ways[a].values.clone().or(ways[b].values.clone());
                self.wide = true;
                let possible = self.possible(&both, 6);
                self.wide = false;
                if possible? {
                    let second = ways[b]
                        .picks
                        .iter()
                        .find(|(other, taken)| other.0 == at && *taken != first)
                        .map_or(0, |pick| pick.1);
                    return Err(Error(format!(
                        "oneOf at {}: a value may meet both branch {first} and branch {second}, or it can't be told that none does; \
                         give each a property of one value (\"const\") that differs, or use anyOf",
                        self.document.pointer(at)
                    )));
                }
            }
        }
        ways.retain(|way| way.values.as_ref().is_none_or(|values| !values.is_empty()));
        Ok(())
    }

    /// Whether any value may meet a way. Looks so many levels into lists and objects.
    fn possible(&mut self, way: &Way<'a>, depth: usize) -> Result<bool, Error> {
        self.work()?;
        if let Some(values) = &way.values {
            let mut bare = way.clone();
            bare.values = None;
            for value in values {
                if self.admits(&bare, value, depth)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let has = |bits: u8| way.kinds & bits != 0;
        if has(kinds::NULL | kinds::BOOLEAN) {
            return Ok(true);
        }
        if has(kinds::WHOLE | kinds::FRACTION) && !matches!(way.numbers.expression(!has(kinds::FRACTION)), Ok(Err(_))) {
            return Ok(true);
        }
        if has(kinds::STRING) && self.some_text(way)? {
            return Ok(true);
        }
        if has(kinds::ARRAY) && way.count.1.is_none_or(|most| way.count.0 <= most) {
            let mut some = true;
            let least = usize::try_from(way.count.0).unwrap_or(usize::MAX).min(way.front() + 1);
            for n in 0..if depth == 0 { 0 } else { least } {
                some &= self.possible_all(&way.item(n), depth - 1)?;
            }
            if some {
                return Ok(true);
            }
        }
        if has(kinds::OBJECT) && way.keys.1.is_none_or(|most| way.keys.0.max(way.required.len() as u64) <= most) {
            let mut some = true;
            for name in if depth == 0 { &[][..] } else { &way.required[..] } {
                let schemas = self.property(way, name)?;
                some = some && self.possible_all(&schemas, depth - 1)?;
            }
            return Ok(some);
        }
        Ok(false)
    }

    fn possible_all(&mut self, schemas: &[Id], depth: usize) -> Result<bool, Error> {
        // A oneOf that can't be kept is told where it is reached for itself.
        let ways = self.ways(schemas)?;
        for way in &ways.0 {
            if self.possible(way, depth)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a value meets a way, but for its list of values.
    pub(super) fn admits(&mut self, way: &Way<'a>, value: &'a Json, depth: usize) -> Result<bool, Error> {
        self.work()?;
        Ok(match value {
            Json::Null => way.kinds & kinds::NULL != 0,
            Json::Bool(_) => way.kinds & kinds::BOOLEAN != 0,
            Json::Number(text) => match Decimal::read(text) {
                Some(number) => {
                    let kind = if number.is_whole() { kinds::WHOLE } else { kinds::FRACTION };
                    way.kinds & kind != 0 && way.numbers.admits(number)
                }
                None if way.numbers == Numbers::default() => {
                    let whole = !text.contains(['.', 'e', 'E', '-'])
                        || text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
                    way.kinds & if whole { kinds::WHOLE } else { kinds::FRACTION } != 0
                }
                None => {
                    return Err(Error(format!(
                        "the number {} has too many digits to be compared exactly",
                        value.told()
                    )));
                }
            },
            Json::String(text) => {
                way.kinds & kinds::STRING != 0 && within(way.characters, text.chars().count()) && {
                    let mut all = true;
                    for expression in &way.texts {
                        all =
                            all && self.matches(if self.wide { &expression.wide } else { &expression.narrow }, text)?;
                    }
                    all
                }
            }
            Json::Array(items) => {
                let mut all = way.kinds & kinds::ARRAY != 0 && within(way.count, items.len());
                for (n, item) in items.iter().enumerate() {
                    all = all && self.admits_all(&way.item(n), item, depth)?;
                }
                all
            }
            Json::Object(entries) => {
                let has = |name: &Rc<str>| entries.iter().any(|(key, _)| **key == **name);
                let mut all =
                    way.kinds & kinds::OBJECT != 0 && within(way.keys, entries.len()) && way.required.iter().all(has);
                for (key, value) in entries {
                    let schemas = self.property(way, key)?;
                    all = all && self.name_admitted(way, key)? && self.admits_all(&schemas, value, depth)?;
                }
                all
            }
        })
    }

    fn admits_all(&mut self, schemas: &[Id], value: &'a Json, depth: usize) -> Result<bool, Error> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(true) };
        let ways = self.ways(schemas)?;
        for way in &ways.0 {
            let listed = way.values.as_ref().is_none_or(|values| values.iter().any(|other| equal(value, other)));
            if listed && self.admits(way, value, depth)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether `propertyNames` has nothing against a key.
    pub(super) fn name_admitted(&mut self, way: &Way<'a>, name: &str) -> Result<bool, Error> {
        if way.names.is_empty() {
            return Ok(true);
        }
        let ways = self.ways(&way.names)?;
        for way in &ways.0 {
            let listed = way
                .values
                .as_ref()
                .is_none_or(|values| values.iter().any(|value| matches!(value, Json::String(text) if text == name)));
            let mut all = listed && way.kinds & kinds::STRING != 0 && within(way.characters, name.chars().count());
            for expression in &way.texts {
                all = all && self.matches(&expression.narrow, name)?;
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The schemas that hold for what stands under a key.
    pub(super) fn property(&mut self, way: &Way<'a>, name: &str) -> Result<Vec<Id>, Error> {
        let mut all = Vec::new();
        for properties in &way.properties {
            let before = all.len();
            all.extend(properties.named.iter().filter(|(known, _)| **known == *name).map(|(_, id)| *id));
            let mut found = all.len() > before;
            for (expression, id) in &properties.patterns {
                let (narrow, wide) = (self.matches(&expression.narrow, name)?, self.matches(&expression.wide, name)?);
                if narrow != wide {
                    return Err(Error(format!(
                        "patternProperties: whether a pattern matches {} depends on who reads it (\\d, \\w, \\s beyond ASCII)",
                        crate::error::quoted(name, 40)
                    )));
                }
                if narrow {
                    found = true;
                    all.push(*id);
                }
            }
            if !found {
                all.extend(properties.others);
            }
        }
        Ok(all)
    }
}

fn within(span: Span, n: usize) -> bool {
    n as u64 >= span.0 && span.1.is_none_or(|most| n as u64 <= most)
}
