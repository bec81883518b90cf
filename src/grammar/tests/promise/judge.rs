//! Whether a text is an answer of a schema, by a validator that is not llguidance's.

use crate::json::strict;
use jsonschema::Validator;
use serde_json::Value;

pub(crate) struct Judge {
    validator: Validator,
}

impl Judge {
    /// # Errors
    /// A schema that the validator does not take.
    pub(crate) fn new(schema: &str) -> Result<Self, String> {
        let mut schema: Value = strict(schema)?.value()?;
        encode_references(&mut schema);
        if let Some(object) = schema.as_object_mut()
            && object.get("$schema").and_then(Value::as_str).is_some_and(|draft| !draft.contains("json-schema.org"))
        {
            object.remove("$schema");
        }
        // What the crate's issue asks of a format: kept, not told.
        let validator =
            jsonschema::options().should_validate_formats(true).build(&schema).map_err(|why| why.to_string())?;
        Ok(Judge { validator })
    }

    pub(crate) fn check(&self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|why| why.to_string())?;
        let value = strict(text)?.value()?;
        self.validator.validate(&value).map_err(|why| format!("not valid: {why:.200}"))
    }
}

/// The validator wants URIs, where many write what they mean.
fn encode_references(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" && !text.is_ascii() => {
                        *text = text
                            .bytes()
                            .map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") })
                            .collect();
                    }
                    _ if key == "const" || key == "enum" => {}
                    value => encode_references(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(encode_references),
        _ => {}
    }
}
