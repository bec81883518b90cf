//! Texts that meet expressions: patterns, formats and lengths at once.

use super::keywords::FREE;
use super::ways::{Finder, Way};
use crate::json::{self, Json};
use crate::{Error, limits, pattern};
use llguidance::derivre::{RegexAst, RegexBuilder};
use std::rc::Rc;

impl<'a> Finder<'a> {
    /// Whether the JSON string of `text` is one of an expression's.
    pub(super) fn matches(&mut self, expression: &Rc<str>, text: &str) -> Result<bool, Error> {
        if !self.expressions.contains_key(expression) {
            let mut builder = RegexBuilder::new();
            let id = builder.mk_regex(expression).map_err(Error::new)?;
            let regex = builder
                .into_regex_limited(id, limits::FUEL)
                .map_err(|_| Error("a pattern of the schema is too large".into()))?;
            self.expressions.insert(expression.clone(), regex);
        }
        Ok(self.expressions.get_mut(expression).is_some_and(|regex| regex.is_match(&json::string(text))))
    }

    /// Whether any text meets the patterns, formats and lengths of a way.
    pub(super) fn some_text(&mut self, way: &Way<'a>) -> Result<bool, Error> {
        if way.characters.1.is_some_and(|most| most < way.characters.0) {
            return Ok(false);
        }
        if way.texts.len() > limits::PATTERNS {
            return Err(Error(format!("more than {} patterns and formats for one text", limits::PATTERNS)));
        }
        let all = expressions(way, self.wide);
        if way.texts.is_empty() {
            return Ok(true);
        }
        self.some(all)
    }

    /// The texts that meet all expressions, if they are few. Anything else is `None`.
    pub(super) fn few(&mut self, all: &[Rc<str>]) -> Option<Vec<String>> {
        let short = |expression: &Rc<str>| {
            let hir = regex_syntax::parse(expression).ok().filter(|_| !expression.starts_with('~'));
            hir.and_then(|hir| hir.properties().maximum_len()).is_some_and(|longest| longest <= limits::FEW)
        };
        if !all.iter().any(short) {
            return None;
        }
        let mut builder = RegexBuilder::new();
        let id = builder.mk(&both(all)).ok()?;
        let mut regex = builder.into_regex_limited(id, limits::FUEL).ok()?;
        let mut found = Vec::new();
        let mut todo = vec![(regex.initial_state(), Vec::new())];
        let mut steps = 0;
        while let Some((state, text)) = todo.pop() {
            steps += 1;
            if regex.is_accepting(state) {
                found.push(
                    json::read(std::str::from_utf8(&text).ok()?)
                        .ok()
                        .and_then(|value| if let Json::String(text) = value { Some(text) } else { None })?,
                );
            }
            if found.len() > limits::FEW || text.len() > limits::FEW || steps > limits::LOOKED_AT {
                return None;
            }
            for byte in (0..=255).rev() {
                let next = regex.transition(state, byte);
                if !next.is_dead() {
                    todo.push((next, [&text[..], &[byte]].concat()));
                }
            }
        }
        Some(found)
    }

    /// Whether any text meets all expressions.
    pub(super) fn some(&mut self, all: Vec<Rc<str>>) -> Result<bool, Error> {
        if let Some(&some) = self.texts.get(&all) {
            return Ok(some);
        }
        let mut builder = RegexBuilder::new();
        let id = builder.mk(&both(&all)).map_err(Error::new)?;
        let regex = builder.into_regex_limited(id, limits::FUEL);
        let some =
            match regex {
                Ok(mut regex) => !regex.always_empty(),
                Err(_) => return Err(Error(
                    "pattern, format and length together are too complex: it can't be told whether any text meets them"
                        .into(),
                )),
            };
        self.texts.insert(all, some);
        Ok(some)
    }
}

/// All expressions at once; those that begin with a `~` must not hold.
fn both(all: &[Rc<str>]) -> RegexAst {
    let one = |expression: &Rc<str>| match expression.strip_prefix('~') {
        Some(not) => RegexAst::Not(Box::new(RegexAst::Regex(not.to_owned()))),
        None => RegexAst::Regex(expression.to_string()),
    };
    RegexAst::And(all.iter().map(one).collect())
}

/// The expressions that a string of a way meets, each of whole JSON strings.
pub(super) fn text_expressions(way: &Way) -> Vec<Rc<str>> {
    expressions(way, false)
}

fn expressions(way: &Way, wide: bool) -> Vec<Rc<str>> {
    let mut all: Vec<Rc<str>> =
        way.texts.iter().map(|text| if wide { text.wide.clone() } else { text.narrow.clone() }).collect();
    if way.characters != FREE {
        let least = way.characters.0;
        let most = way.characters.1.map_or(String::new(), |most| most.min(limits::CHARACTERS.max(least)).to_string());
        all.push(format!("\\x{{22}}{}{{{least},{most}}}\\x{{22}}", pattern::CHARACTER).into());
    }
    all
}
