//! The one way out to standard output and standard error.
//!
//! Names, keys, errors, templates and generated text come from files that anyone may have made. A terminal obeys what it
//! is sent: an escape sequence can clear the screen, set the title or make a line look like another one. So:
//!
//! - A **line** ([`say!`], [`tell!`]) is escaped when it is whole, ours and theirs alike. What we write ourselves holds
//!   no control characters, so nothing is lost, and no caller can forget it.
//! - **Generated text** ([`Out::text`]) is escaped where standard output is a terminal, line feeds and tabs excepted.
//!   In a pipe or a file it is the exact bytes.
//! - **JSON** ([`Out::json`]) spells the same characters as `\u` escapes, which are the same strings to its reader.
//!
//! Nothing here panics: what cannot be said on standard error is lost, and a failure of standard output is an error that
//! names it. clippy.toml forbids every other way (`println!`, `std::io::stdout`, `Path::display` …).

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

/// One line on standard error, with `format!`'s arguments.
macro_rules! say {
    ($($arg:tt)*) => { $crate::cli::terminal::say_line(&format!($($arg)*)) };
}
pub(crate) use say;

/// One line on standard output, with `format!`'s arguments.
macro_rules! tell {
    ($out:expr, $($arg:tt)*) => { $out.line(&format!($($arg)*)) };
}
pub(crate) use tell;

/// What [`say!`] does with the line.
pub(crate) fn say_line(line: &str) {
    say_raw(&(escape(line, is_harmless_in_a_line).into_owned() + "\n"));
}

/// Several lines on standard error that quote foreign text.
pub(crate) fn say_lines(text: &str) {
    say_raw(&escape(text, |c| c == '\n' || is_harmless_in_a_line(c)));
}

fn say_raw(text: &str) {
    #[expect(clippy::disallowed_methods, reason = "this is the way out")]
    let mut err = io::stderr().lock();
    // There is no third place to say that this one is closed or full.
    let _ = err.write_all(text.as_bytes());
}

/// A file's name, for a line: bytes that are not UTF-8 are spelled `\xff`.
pub(crate) fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_encoded_bytes())
}

/// An argument as a line shows it.
pub(crate) fn argument(argument: &OsStr) -> OsString {
    escape(&bytes(argument.as_encoded_bytes()), is_harmless_in_a_line).into_owned().into()
}

/// Foreign text in a bar, which others draw.
pub(crate) fn escaped(text: &str) -> String {
    escape(text, is_harmless_in_a_line).into_owned()
}

/// Text that should be UTF-8, for a line.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Standard output.
pub(crate) struct Out<W: Write = io::StdoutLock<'static>> {
    sink: W,
    terminal: bool,
}

/// Standard output, for one command. What is written is out when the call returns.
pub(crate) fn out() -> Out {
    #[expect(clippy::disallowed_methods, reason = "this is the way out")]
    let sink = io::stdout().lock();
    Out { terminal: sink.is_terminal(), sink }
}

impl<W: Write> Out<W> {
    /// A line for a person.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.write(&(escape(line, is_harmless_in_a_line).into_owned() + "\n"))
    }

    /// Several lines for a person; only their line feeds are ours.
    pub(crate) fn lines(&mut self, text: &str) -> io::Result<()> {
        self.write(&escape(text, |c| c == '\n' || is_harmless_in_a_line(c)))
    }

    /// Text that a model or a user has written.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        if self.terminal { self.write(&escape(text, is_harmless_in_text)) } else { self.write(text) }
    }

    /// JSON, indented.
    pub(crate) fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        self.write(&(json(value) + "\n"))
    }

    /// The same in one line.
    pub(crate) fn json_line(&mut self, value: &serde_json::Value) -> io::Result<()> {
        self.write(&(without_controls(value.to_string()) + "\n"))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let written = self.sink.write_all(text.as_bytes()).and_then(|()| self.sink.flush());
        written.map_err(|e| io::Error::new(e.kind(), format!("standard output: {e}")))
    }
}

/// JSON, indented, with everything that a terminal obeys as `\u` escapes.
pub(crate) fn json(value: &serde_json::Value) -> String {
    without_controls(format!("{value:#}"))
}

fn without_controls(text: String) -> String {
    // Such characters stand inside strings alone, but for the line feeds of the indentation.
    let harmless = |c| c == '\n' || is_harmless_in_a_line(c);
    if text.chars().all(harmless) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if harmless(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// A reader that has seen enough (`b158 inspect FILE | head`) is no failure: what else the command has to say counts.
pub(crate) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Spells what is not harmless: `\n`, `\x1b`, `\u{202e}`.
fn escape(text: &str, harmless: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&harmless) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        let _ = match c {
            _ if harmless(c) => escaped.write_char(c),
            '\n' => escaped.write_str("\\n"),
            '\r' => escaped.write_str("\\r"),
            '\t' => escaped.write_str("\\t"),
            '\0'..='\x7f' => write!(escaped, "\\x{:02x}", c as u32),
            _ => write!(escaped, "\\u{{{:x}}}", c as u32),
        };
    }
    Cow::Owned(escaped)
}

/// Whether a character leaves cursor, colours and the order of the others alone.
fn is_harmless_in_text(c: char) -> bool {
    match c {
        '\n' | '\t' => true,
        // Embeddings, overrides and isolates of direction; separators that some terminals break lines at.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => false,
        // C0, DEL and C1.
        _ => !c.is_control(),
    }
}

/// The same for a line of ours, whose names and quotations need no marks of direction and nothing unseen.
fn is_harmless_in_a_line(c: char) -> bool {
    let unseen = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c != '\n' && c != '\t' && !unseen && is_harmless_in_text(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool, write: impl FnOnce(&mut Out<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut sink = Vec::new();
        write(&mut Out { sink: &mut sink, terminal }).unwrap();
        String::from_utf8(sink).unwrap()
    }

    /// What must not reach a terminal as it is.
    fn hostile() -> impl Iterator<Item = char> {
        ('\0'..' ').chain('\x7f'..'\u{a0}').chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}')
    }

    #[test]
    fn a_line_is_one_line_and_moves_nothing() {
        for c in hostile().chain(['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{e0041}']) {
            for terminal in [false, true] {
                let line = shown(terminal, |out| out.line(&format!("a{c}b")));
                let spelled = line.strip_prefix('a').and_then(|rest| rest.strip_suffix("b\n")).unwrap();
                assert!(spelled.starts_with('\\') && spelled.is_ascii(), "{:x}: {line:?}", c as u32);
                assert!(!spelled.contains(|c: char| c.is_control()), "{line:?}");
            }
        }
        let foreign = "Ünïcødé \u{4e2d}\u{6587} שלום \u{1f600} C:\\new \"q\"";
        assert_eq!(shown(true, |out| out.line(foreign)), format!("{foreign}\n"));
        let forged = shown(false, |out| out.line("a\x1b[2J\x1b]0;title\x07b\nerror: forged\r\t\u{9b}1m\u{202e}"));
        assert_eq!(forged, "a\\x1b[2J\\x1b]0;title\\x07b\\nerror: forged\\r\\t\\u{9b}1m\\u{202e}\n");
    }

    #[test]
    fn generated_text_is_exact_but_on_a_terminal() {
        let text = "one\ttwo\r\nth\x1b[1Aree\u{8}\u{7f}\u{85}\u{202e}four\u{200f}\u{200d}\n";
        assert_eq!(shown(false, |out| out.text(text)), text);
        let on_terminal = "one\ttwo\\r\nth\\x1b[1Aree\\x08\\x7f\\u{85}\\u{202e}four\u{200f}\u{200d}\n";
        assert_eq!(shown(true, |out| out.text(text)), on_terminal);
        for c in hostile().filter(|c| !matches!(c, '\n' | '\t')) {
            assert!(shown(true, |out| out.text(&c.to_string())).starts_with('\\'), "{:x}", c as u32);
        }
    }

    #[test]
    fn json_says_the_same_without_a_control_character() {
        let text: String = hostile().chain(['"', '\\', 'ü', '\u{feff}', '\u{e0041}', '\u{1f600}']).collect();
        let value = serde_json::json!({ text.clone(): [text.clone(), 1.5], "b": { "c": text } });
        let printed = shown(false, |out| out.json(&value));
        assert!(printed.chars().all(|c| c == '\n' || is_harmless_in_a_line(c)), "{printed:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_spelled() {
        assert_eq!(bytes(b"a\xffb\xc3"), "a\\xffb\\xc3");
        assert_eq!(bytes("añ\u{1b}".as_bytes()), "añ\u{1b}");
    }

    #[test]
    fn a_failing_standard_output_is_named_and_a_closed_pipe_known() {
        struct Failing(ErrorKind);
        impl Write for Failing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let fail = |kind| Out { sink: Failing(kind), terminal: false }.line("x");
        let error = fail(ErrorKind::StorageFull).unwrap_err();
        assert!(error.to_string().starts_with("standard output: ") && error.kind() == ErrorKind::StorageFull);
        assert!(
            unless_closed(fail(ErrorKind::StorageFull)).is_err() && unless_closed(fail(ErrorKind::BrokenPipe)).is_ok()
        );
    }
}
