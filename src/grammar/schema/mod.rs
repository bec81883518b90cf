//! JSON schemas as grammars.
//!
//! ```text
//! text ─► Json ─► Document: keywords, each kept or refused ─► Finder: ways to meet several schemas at once ─► Places ─► rules
//! ```
//!
//! llguidance has a compiler of schemas. It passes over what it does not know, rounds numbers and takes keys twice, so the rules are
//! made here, and it gets them as a grammar.

mod keywords;
mod places;
mod references;
mod texts;
mod ways;
mod words;
mod write;

use crate::Error;
use crate::json::Json;

pub(crate) use write::quoted;

/// A schema as rules in Lark's form.
pub(crate) struct Rules {
    pub(crate) text: String,
    /// The name of the rule for the whole value.
    pub(crate) start: String,
    /// Whether objects may have keys that the schema has no name for, of which none may come twice.
    pub(crate) open: bool,
    /// Whether such keys have to keep to a form of their own.
    pub(crate) few_keys: bool,
    pub(crate) notes: Vec<String>,
}

/// The rules of a schema; their names begin with `prefix`, a letter.
pub(crate) fn rules(schema: &Json, prefix: &str) -> Result<Rules, Error> {
    let (places, notes) = places::Places::of(keywords::Document::new(schema)?)?;
    let others =
        || places.iter().filter(|place| place.alive).flat_map(|place| &place.objects).flat_map(|object| &object.others);
    let open = others().next().is_some();
    let few_keys = others().any(|(key, _)| places::of_a_form(key));
    let (text, start) = write::Writer::write(&places, prefix)?;
    Ok(Rules { text, start, open, few_keys, notes })
}
