//! Why a text is no description of an answer, or why an answer can't go on.

use std::fmt;

/// A message for a person: what is wrong, where, and what to do. At most a screen, whatever the text was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Error(why.to_string())
    }
}
