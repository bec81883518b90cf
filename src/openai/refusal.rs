//! What is wrong with a request, in the form of OpenAI's errors.

use crate::Error;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// What went wrong: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of HTTP.
    pub status: u16,
    /// For a person: what, where, and what to do.
    pub message: String,
    /// For a program, by OpenAI's names: `invalid_request_error`, `server_error`.
    pub kind: &'static str,
    /// The field that is at fault, by its place in the request.
    pub param: Option<String>,
    /// For a program, what exactly: `context_length_exceeded`, `invalid_value`.
    pub code: Option<&'static str>,
}

impl Refusal {
    /// A request that can't be answered as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), kind: "invalid_request_error", param: None, code: None }
    }

    /// The field at fault.
    pub(super) fn of(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }
}

impl From<&Error> for Refusal {
    /// Whose fault it is tells the engine's own code.
    fn from(error: &Error) -> Self {
        let invalid = Self::invalid(error.to_string());
        match (error, error.code()) {
            (_, "context-overflow") => invalid.code("context_length_exceeded"),
            (Error::BadTools { .. }, _) => invalid.of("tools"),
            (Error::BadResponseFormat { .. }, _) => invalid.of("response_format"),
            (Error::RefusedMessages { .. } | Error::BadTemplate { .. }, _) => invalid.of("messages"),
            (Error::EmptyPrompt, _) => invalid.of("prompt"),
            (Error::BadOption { option, .. }, _) => invalid.of(*option),
            (_, "invalid-argument" | "constraint") => invalid,
            (_, "out-of-memory") => Self { status: 503, kind: "server_error", ..invalid },
            _ => Self { status: 500, kind: "server_error", ..invalid },
        }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Inner<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: Option<&'a str>,
        }
        let Self { message, kind, param, code, .. } = self;
        let inner = Inner { message, r#type: kind, param: param.as_deref(), code: *code };
        let mut outer = serializer.serialize_struct("Refusal", 1)?;
        outer.serialize_field("error", &inner)?;
        outer.end()
    }
}
