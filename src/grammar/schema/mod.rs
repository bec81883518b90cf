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
mod ways;
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
    pub(crate) notes: Vec<String>,
}

/// The rules of a schema; their names begin with `prefix`, a letter.
pub(crate) fn rules(schema: &Json, prefix: &str) -> Result<Rules, Error> {
    let (places, notes) = places::Places::of(keywords::Document::new(schema)?)?;
    let open = places.iter().any(|place| place.alive && place.objects.iter().any(|object| !object.others.is_empty()));
    let (text, start) = write::Writer::write(&places, prefix)?;
    Ok(Rules { text, start, open, notes })
}
