//! The words of JSON schemas.

use super::keywords::kinds;

/// The types by their names.
pub(super) const TYPES: [(&str, u8); 7] = [
    ("null", kinds::NULL),
    ("boolean", kinds::BOOLEAN),
    ("integer", kinds::WHOLE),
    ("number", kinds::WHOLE | kinds::FRACTION),
    ("string", kinds::STRING),
    ("array", kinds::ARRAY),
    ("object", kinds::OBJECT),
];

/// Keywords that say something about values for people and programs, and limit none.
pub(super) const ANNOTATIONS: &[&str] = &[
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "externalDocs",
    "id",
    "markdownDescription",
    "enumDescriptions",
    "enumNames",
    "readOnly",
    "title",
    "tsType",
    "writeOnly",
    "xml",
];

const KEPT: &[&str] = &[
    "$anchor",
    "$id",
    "$ref",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Keywords that limit values, and that no answer is held to.
pub(super) const REFUSED: &[&str] = &[
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "then",
    "extends",
    "disallow",
    "divisibleBy",
];

/// A step of a JSON pointer, short enough for a message.
pub(super) fn escaped(step: &str) -> String {
    let short: String = step
        .chars()
        .take(60)
        .flat_map(|c| if c.is_control() { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    short.replace('~', "~0").replace('/', "~1")
}

/// The keyword that an unknown one was likely meant to be.
pub(super) fn near(name: &str) -> Option<&'static str> {
    if name.len() > 40 {
        return None;
    }
    let lower = name.to_lowercase();
    let distance = |known: &str| {
        let known = known.to_lowercase();
        let mut row: Vec<usize> = (0..=known.chars().count()).collect();
        for (i, a) in lower.chars().enumerate() {
            let mut before = std::mem::replace(&mut row[0], i + 1);
            for (j, b) in known.chars().enumerate() {
                let cost = before + usize::from(a != b);
                before = row[j + 1];
                row[j + 1] = cost.min(before + 1).min(row[j] + 1);
            }
        }
        row[row.len() - 1]
    };
    let known = KEPT.iter().chain(REFUSED).filter(|known| known.len() > 2);
    known
        .map(|known| (distance(known), *known))
        .filter(|(d, known)| *d <= if known.len() >= 7 { 2 } else { usize::from(known.len() > 3) })
        .min()
        .map(|(_, known)| known)
}
