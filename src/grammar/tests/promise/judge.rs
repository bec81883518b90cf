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
        let schema: Value = strict(schema)?.value()?;
        // What the crate's issue asks of a format: kept, not told.
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).map_err(|why| why.to_string())?;
        Ok(Judge { validator })
    }

    pub(crate) fn check(&self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|why| why.to_string())?;
        let value = strict(text)?.value()?;
        self.validator.validate(&value).map_err(|why| format!("not valid: {why:.200}"))
    }
}
