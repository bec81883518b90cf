//! The places that values stand at, and what may stand there: a schema's references followed, and what nothing can meet left out.

use super::keywords::{Document, Id, Span, Text, kinds};
use super::texts::text_expressions;
use super::ways::{Finder, Way};
use crate::json::Json;
use crate::{Error, limits, pattern};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A list.
pub(super) struct List {
    pub(super) front: Vec<usize>,
    pub(super) rest: usize,
    pub(super) count: Span,
}

/// An object.
pub(super) struct Object {
    /// Name, place, and whether it has to be there; in the order of the answer.
    pub(super) named: Vec<(Rc<str>, usize, bool)>,
    /// Keys of no name: expressions that a key meets all of (those with a `~` not), and the place under it.
    pub(super) others: Vec<(Vec<Rc<str>>, usize)>,
    pub(super) count: Span,
}

/// What may stand at a place.
#[derive(Default)]
pub(super) struct Place<'a> {
    /// Expressions for texts and numbers, all of each met.
    pub(super) scalars: Vec<Vec<Rc<str>>>,
    /// Values told by name: expressions of their text.
    pub(super) values: Vec<String>,
    /// Lists and objects told by name.
    pub(super) fixed: Vec<&'a Json>,
    pub(super) lists: Vec<List>,
    pub(super) objects: Vec<Object>,
    /// Whether any value can stand here.
    pub(super) alive: bool,
    why: String,
    pointer: String,
}

pub(super) struct Places<'a> {
    finder: Finder<'a>,
    all: Vec<Place<'a>>,
    by_schemas: HashMap<Vec<Id>, usize>,
    todo: Vec<(usize, Vec<Id>)>,
    /// Lists and objects told by value.
    fixed: usize,
}

impl<'a> Places<'a> {
    /// The places of a document; the first is the answer's.
    pub(super) fn of(document: Document<'a>) -> Result<(Vec<Place<'a>>, Vec<String>), Error> {
        let mut places = Places {
            finder: Finder::new(document),
            all: Vec::new(),
            by_schemas: HashMap::new(),
            todo: Vec::new(),
            fixed: 0,
        };
        places.place(vec![0])?;
        while let Some((n, schemas)) = places.todo.pop() {
            places.fill(n, &schemas)?;
        }
        places.live();
        if !places.all[0].alive {
            return Err(Error(format!("no value can meet the schema: {}", places.reason())));
        }
        Ok((places.all, places.finder.document.notes))
    }

    fn place(&mut self, mut schemas: Vec<Id>) -> Result<usize, Error> {
        let mut seen = HashSet::new();
        schemas.retain(|id| seen.insert(*id));
        if let Some(&n) = self.by_schemas.get(&schemas) {
            return Ok(n);
        }
        let n = self.all.len();
        if n >= limits::PLACES {
            return Err(Error(format!(
                "the schema is too large: it comes to more than {} places for values",
                limits::PLACES
            )));
        }
        let pointer = schemas.first().map_or_else(String::new, |&id| self.finder.document.pointer(id).to_owned());
        self.all.push(Place { pointer, ..Place::default() });
        self.by_schemas.insert(schemas.clone(), n);
        self.todo.push((n, schemas));
        Ok(n)
    }

    fn fill(&mut self, n: usize, schemas: &[Id]) -> Result<(), Error> {
        let ways = self.finder.ways(schemas)?;
        let mut place =
            Place { pointer: std::mem::take(&mut self.all[n].pointer), why: ways.1.clone(), ..Place::default() };
        for way in &ways.0 {
            self.way(&mut place, way)?;
        }
        self.all[n] = place;
        Ok(())
    }

    fn way(&mut self, place: &mut Place<'a>, way: &Way<'a>) -> Result<(), Error> {
        if let Some(values) = &way.values {
            let mut bare = way.clone();
            bare.values = None;
            for &value in values {
                if !self.finder.admits(&bare, value, limits::DEPTH)? {
                    place.why = "the values of const or enum don't meet the other keywords".into();
                    continue;
                }
                match value {
                    Json::Array(_) | Json::Object(_) => {
                        self.fixed += 1;
                        if self.fixed > limits::FIXED {
                            return Err(
                                self.at(place, Error(format!("enum: more than {} lists and objects", limits::FIXED)))
                            );
                        }
                        place.fixed.push(value);
                    }
                    scalar => {
                        let mut text = String::new();
                        scalar.write(&mut text);
                        place.values.push(pattern::literal(&text));
                    }
                }
            }
            return Ok(());
        }
        if way.kinds & kinds::NULL != 0 {
            place.values.push("null".into());
        }
        if way.kinds & kinds::BOOLEAN != 0 {
            place.values.extend(["true".into(), "false".into()]);
        }
        if way.kinds & (kinds::WHOLE | kinds::FRACTION) != 0 {
            match way.numbers.expression(way.kinds & kinds::FRACTION == 0).map_err(|why| self.at(place, why))? {
                Ok(all) => place.scalars.push(all.into_iter().map(Rc::from).collect()),
                Err(why) => place.why = why,
            }
        }
        if way.kinds & kinds::STRING != 0 {
            if way.characters.0 > limits::CHARACTERS {
                return Err(self.at(
                    place,
                    Error(format!("minLength {} is above the limit of {}", way.characters.0, limits::CHARACTERS)),
                ));
            }
            if self.finder.some_text(way).map_err(|why| self.at(place, why))? {
                place.scalars.push(text_expressions(way));
            } else {
                place.why = "no text meets minLength, maxLength, pattern and format at once".into();
            }
        }
        if way.kinds & kinds::ARRAY != 0 {
            self.list(place, way)?;
        }
        if way.kinds & kinds::OBJECT != 0 {
            self.object(place, way)?;
        }
        Ok(())
    }

    fn at(&self, place: &Place, why: Error) -> Error {
        Error(format!("{why} (at {})", place.pointer))
    }

    fn list(&mut self, place: &mut Place<'a>, way: &Way<'a>) -> Result<(), Error> {
        let (least, most) = way.count;
        if least > limits::ITEMS {
            return Err(self.at(place, Error(format!("minItems {least} is above the limit of {}", limits::ITEMS))));
        }
        if most.is_some_and(|most| most < least) {
            place.why = format!("minItems {least} is above maxItems {}", most.unwrap_or(0));
            return Ok(());
        }
        let most = most.map(|most| most.min(limits::ITEMS));
        let length = way.front().min(most.map_or(usize::MAX, |most| most as usize));
        let front = (0..length).map(|n| self.place(way.item(n))).collect::<Result<_, _>>()?;
        let rest = if most.is_some_and(|most| most as usize <= length) {
            usize::MAX
        } else {
            self.place(way.item(way.front()))?
        };
        place.lists.push(List { front, rest, count: (least, most) });
        Ok(())
    }

    fn object(&mut self, place: &mut Place<'a>, way: &Way<'a>) -> Result<(), Error> {
        let (least, most) = way.keys;
        if most.is_some_and(|most| most < least.max(way.required.len() as u64)) {
            place.why = format!("maxProperties {} is below what has to be there", most.unwrap_or(0));
            return Ok(());
        }
        let mut names: Vec<Rc<str>> = Vec::new();
        let mut seen = HashSet::new();
        let declared = way.properties.iter().flat_map(|properties| properties.named.iter().map(|(name, _)| name));
        for name in declared.chain(&way.required) {
            if seen.insert(name.clone()) {
                names.push(name.clone());
            }
        }
        if names.len() > limits::PROPERTIES {
            return Err(self.at(place, Error(format!("more than {} properties of one object", limits::PROPERTIES))));
        }
        let required: HashSet<&Rc<str>> = way.required.iter().collect();
        let mut named = Vec::new();
        for name in &names {
            if !self.finder.name_admitted(way, name)? {
                if required.contains(name) {
                    place.why = format!("{} is required, and propertyNames forbids it", crate::error::quoted(name, 40));
                    return Ok(());
                }
                continue;
            }
            let schemas = self.finder.property(way, name)?;
            named.push((name.clone(), self.place(schemas)?, required.contains(name)));
        }
        let others = if most.is_some_and(|most| most <= required.len() as u64) {
            Vec::new()
        } else {
            self.others(place, way, &names)?
        };
        // Names that may be, listed by propertyNames, are like those that properties lists.
        let mut rest = Vec::new();
        for other in others {
            match other {
                Key::Named(name, at) => named.push((name, at, false)),
                Key::Any(expressions, at) => rest.push((expressions, at)),
            }
        }
        place.objects.push(Object { named, others: rest, count: way.keys });
        Ok(())
    }

    /// Keys that have no name: each set of patterns that they may meet has its own schemas.
    fn others(&mut self, place: &Place<'a>, way: &Way<'a>, names: &[Rc<str>]) -> Result<Vec<Key>, Error> {
        let mut patterns: Vec<Text> = Vec::new();
        for (expression, _) in way.properties.iter().flat_map(|properties| &properties.patterns) {
            if !patterns.contains(expression) {
                patterns.push(expression.clone());
            }
        }
        if patterns.len() > limits::KEY_PATTERNS {
            return Err(self
                .at(place, Error(format!("patternProperties: more than {} patterns of keys", limits::KEY_PATTERNS))));
        }
        let mut bases: Vec<Vec<Rc<str>>> = vec![Vec::new()];
        if !way.names.is_empty() {
            bases.clear();
            let ways = self.finder.ways(&way.names)?;
            let mut listed = Vec::new();
            for of in &ways.0 {
                match &of.values {
                    Some(values) => {
                        for value in values {
                            let Json::String(name) = value else { continue };
                            let name: Rc<str> = name.as_str().into();
                            if !names.contains(&name)
                                && !listed.contains(&name)
                                && self.finder.name_admitted(way, &name)?
                            {
                                listed.push(name);
                            }
                        }
                    }
                    None if of.kinds & kinds::STRING != 0 && self.finder.some_text(of)? => {
                        bases.push(text_expressions(of))
                    }
                    None => {}
                }
            }
            if bases.is_empty() {
                let mut keys = Vec::new();
                for name in listed {
                    let schemas = self.finder.property(way, &name)?;
                    let at = self.place(schemas)?;
                    keys.push(Key::Named(name, at));
                }
                return Ok(keys);
            }
        }
        let mut taken = String::from("~(?:");
        for (n, name) in names.iter().enumerate() {
            taken.push_str(if n > 0 { "|" } else { "" });
            taken.push_str(&pattern::literal(&crate::json::string(name)));
        }
        taken.push(')');
        let mut keys = Vec::new();
        for chosen in 0..1usize << patterns.len() {
            let meets = |expression: &Text| {
                patterns.iter().position(|known| known == expression).is_some_and(|n| chosen >> n & 1 == 1)
            };
            let mut schemas = Vec::new();
            for properties in &way.properties {
                let own: Vec<Id> =
                    properties.patterns.iter().filter(|(expression, _)| meets(expression)).map(|(_, id)| *id).collect();
                if own.is_empty() {
                    schemas.extend(properties.others);
                }
                schemas.extend(own);
            }
            let at = self.place(schemas)?;
            for base in &bases {
                let mut all = base.clone();
                let with = patterns
                    .iter()
                    .enumerate()
                    .map(|(n, p)| if chosen >> n & 1 == 1 { p.narrow.clone() } else { format!("~{}", p.wide).into() });
                all.extend(with);
                if all.iter().all(|expression| expression.starts_with('~')) {
                    all.insert(0, any_text());
                }
                if !names.is_empty() {
                    all.push(taken.as_str().into());
                }
                if (patterns.is_empty() && base.is_empty())
                    || self.finder.some(all.clone()).map_err(|why| self.at(place, why))?
                {
                    // Keys that are few are names: else an object could come to a comma and have none left.
                    match if patterns.is_empty() && base.is_empty() { None } else { self.finder.few(&all) } {
                        Some(few) => keys.extend(few.into_iter().map(|name| Key::Named(name.into(), at))),
                        None => keys.push(Key::Any(all, at)),
                    }
                }
            }
        }
        Ok(keys)
    }

    /// Finds out which places a value can stand at: in the end, all whose parts can be there.
    fn live(&mut self) {
        loop {
            let mut more = false;
            for n in (0..self.all.len()).rev() {
                if !self.all[n].alive {
                    let place = &self.all[n];
                    let alive = !place.scalars.is_empty()
                        || !place.values.is_empty()
                        || !place.fixed.is_empty()
                        || place.lists.iter().any(|list| list.alive(&self.all))
                        || place.objects.iter().any(|object| object.alive(&self.all));
                    self.all[n].alive = alive;
                    more |= alive;
                }
            }
            if !more {
                return;
            }
        }
    }

    /// Why nothing can stand at the first place: the way down to the place that is to blame.
    fn reason(&self) -> String {
        let mut n = 0;
        let mut seen = HashSet::new();
        let mut path = String::new();
        loop {
            let place = &self.all[n];
            if !seen.insert(n) {
                return format!("{path}each value would need another of its kind within it, without end");
            }
            let dead = |at: usize| at < self.all.len() && !self.all[at].alive;
            let property = place.objects.iter().flat_map(|o| &o.named).find(|(_, at, required)| *required && dead(*at));
            let item = place.lists.iter().find_map(|l| l.front.iter().copied().chain([l.rest]).find(|&at| dead(at)));
            match (property, item) {
                (Some((name, at, _)), _) => {
                    path = format!("{} is required; ", crate::error::quoted(name, 40));
                    n = *at;
                }
                (None, Some(at)) => n = at,
                (None, None) if place.objects.is_empty() => {
                    return format!("{path}{} (at {})", place.why, place.pointer);
                }
                (None, None) => {
                    return format!(
                        "{path}minProperties asks for more properties than there can be (at {})",
                        place.pointer
                    );
                }
            }
        }
    }
}

enum Key {
    Named(Rc<str>, usize),
    Any(Vec<Rc<str>>, usize),
}

/// Whether keys keep to a form besides not being one of the names.
pub(super) fn of_a_form(key: &[Rc<str>]) -> bool {
    key.iter().any(|expression| !expression.starts_with('~') && *expression != any_text())
        || key.iter().filter(|expression| expression.starts_with('~')).count() > 1
}

/// Any JSON string.
pub(super) fn any_text() -> Rc<str> {
    format!("\\x{{22}}{}*\\x{{22}}", pattern::CHARACTER).into()
}

impl List {
    /// Items at most, once those are left out that nothing can stand at.
    pub(super) fn most(&self, places: &[Place]) -> Option<u64> {
        let mut most = self.count.1;
        let mut cut = |n: usize| most = Some(most.map_or(n as u64, |most| most.min(n as u64)));
        if let Some(dead) = self.front.iter().position(|&at| !places[at].alive) {
            cut(dead);
        }
        if !places.get(self.rest).is_some_and(|rest| rest.alive) {
            cut(self.front.len());
        }
        most
    }

    pub(super) fn alive(&self, places: &[Place]) -> bool {
        self.most(places).is_none_or(|most| self.count.0 <= most)
    }
}

impl Object {
    pub(super) fn alive(&self, places: &[Place]) -> bool {
        let can = self.named.iter().filter(|(_, at, _)| places[*at].alive).count() as u64;
        let open = self.others.iter().any(|(_, at)| places[*at].alive);
        self.named.iter().all(|(_, at, required)| !required || places[*at].alive) && (open || self.count.0 <= can)
    }
}
