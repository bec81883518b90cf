//! Why a text is no description of an answer, or why an answer can't go on.

use std::fmt;

/// A message for a person: what is wrong, where, and what to do. At most ten lines, whatever the text was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

const LINES: usize = 10;
const CHARACTERS: usize = 800;

impl Error {
    /// What a library says, without its dumps, cut to a length for people.
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        let text = why.to_string();
        let text = ["<state>", "<backtrace>", "<non-verbose/>"]
            .iter()
            .fold(&*text, |text, dump| text.split(dump).next().unwrap_or(""));
        let mut short = String::new();
        for (n, c) in text.trim_end().chars().enumerate() {
            if n == CHARACTERS || (c == '\n' && short.matches('\n').count() + 1 == LINES) {
                short.push('…');
                break;
            }
            short.push(c);
        }
        Error(short)
    }
}

/// `text` as it may stand in a message: quoted, control characters escaped, at most `most` characters.
pub(crate) fn quoted(text: &str, most: usize) -> String {
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == most {
            out.push('…');
            break;
        }
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
