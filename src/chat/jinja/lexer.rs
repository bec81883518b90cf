//! Cuts a template into tokens, with Jinja's rules for white space: `trim_blocks` and `lstrip_blocks` are on, as
//! transformers sets them.

use super::meter::{Outcome, append, fault};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// Text outside of tags.
    Data(&'s str),
    BlockBegin,
    BlockEnd,
    VariableBegin,
    VariableEnd,
    Name(&'s str),
    Str(String),
    Int(i64),
    Float(f64),
    Sign(&'static str),
    End,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Data(_) => write!(f, "text"),
            Token::BlockBegin => write!(f, "`{{%`"),
            Token::BlockEnd => write!(f, "the end of the tag"),
            Token::VariableBegin => write!(f, "`{{{{`"),
            Token::VariableEnd => write!(f, "the end of the print tag"),
            Token::Name(name) => write!(f, "`{name}`"),
            Token::Str(_) => write!(f, "a string"),
            Token::Int(i) => write!(f, "`{i}`"),
            Token::Float(x) => write!(f, "`{x}`"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => write!(f, "the end of the template"),
        }
    }
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Data,
    Raw,
    Block,
    Variable,
}

pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    mode: Mode,
    /// A tag was found behind the text that was given last.
    pending: Option<Token<'s>>,
    /// What was consumed last ended with a line feed.
    line_starting: bool,
    /// Closing brackets that are awaited.
    brackets: Vec<u8>,
    line: u32,
    counted: usize,
}

/// Python's `str.isspace`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Line ends of all kinds become line feeds, and one at the very end goes.
pub(super) fn normalized(source: &str) -> Outcome<String> {
    let mut text = String::new();
    let mut rest = source;
    while let Some(at) = rest.find('\r') {
        append(&mut text, &rest[..at])?;
        append(&mut text, "\n")?;
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    append(&mut text, rest)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            at: 0,
            mode: Mode::Data,
            pending: None,
            line_starting: true,
            brackets: Vec::new(),
            line: 1,
            counted: 0,
        }
    }

    /// The line of what comes next.
    pub(super) fn line(&mut self) -> u32 {
        let bytes = self.source.as_bytes();
        self.line += bytes[self.counted..self.at].iter().filter(|&&b| b == b'\n').count() as u32;
        self.counted = self.at;
        self.line
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    pub(super) fn next(&mut self) -> Outcome<Token<'s>> {
        loop {
            if let Some(token) = self.pending.take() {
                return Ok(token);
            }
            let found = match self.mode {
                Mode::Data => self.data()?,
                Mode::Raw => self.raw()?,
                Mode::Block | Mode::Variable => Some(self.tag()?),
            };
            if let Some(token) = found {
                return Ok(token);
            }
        }
    }

    /// Text up to the next tag, which becomes pending or, if it is a comment, is passed over.
    fn data(&mut self) -> Outcome<Option<Token<'s>>> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(Some(Token::End));
        }
        let mut from = 0;
        let (length, opening) = loop {
            let Some(found) = rest[from..].find('{') else {
                self.at = self.source.len();
                return Ok(Some(Token::Data(rest)));
            };
            match rest.as_bytes().get(from + found + 1) {
                Some(&c @ (b'%' | b'{' | b'#')) => break (from + found, c),
                _ => from += found + 1,
            }
        };
        let behind = &rest[length + 2..];
        let sign = behind.chars().next().filter(|c| matches!(c, '-' | '+'));
        let behind = &behind[sign.map_or(0, char::len_utf8)..];
        let text = self.stripped(&rest[..length], sign, opening != b'{');
        self.at = self.source.len() - behind.len();
        if opening == b'%' {
            if let Some(after) = raw_begin(behind) {
                self.consume_to(after);
                self.mode = Mode::Raw;
            } else {
                self.mode = Mode::Block;
                self.pending = Some(Token::BlockBegin);
            }
        } else if opening == b'{' {
            self.mode = Mode::Variable;
            self.pending = Some(Token::VariableBegin);
        } else {
            let Some(end) = behind.find("#}") else { return fault("a comment does not end") };
            let after = &behind[end + 2..];
            let after = match behind[..end].chars().next_back() {
                Some('-') => after.trim_start_matches(is_space),
                Some('+') => after,
                _ => after.strip_prefix('\n').unwrap_or(after),
            };
            self.consume_to(after);
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(Token::Data))
    }

    /// Goes on with `rest`, which is a part of the source.
    fn consume_to(&mut self, rest: &str) {
        self.at = self.source.len() - rest.len();
        self.line_starting = self.source[..self.at].ends_with('\n');
    }

    /// Text before a tag, without the white space that the tag takes.
    fn stripped(&self, text: &'s str, sign: Option<char>, lstrip: bool) -> &'s str {
        match sign {
            Some('-') => text.trim_end_matches(is_space),
            None if lstrip => {
                let line = text.rfind('\n').map_or(0, |at| at + 1);
                let blank = text[line..].chars().all(is_space);
                if blank && (line > 0 || self.line_starting) { &text[..line] } else { text }
            }
            _ => text,
        }
    }

    /// Text up to `endraw`.
    fn raw(&mut self) -> Outcome<Option<Token<'s>>> {
        let rest = self.rest();
        let mut from = 0;
        while let Some(found) = rest[from..].find("{%") {
            let begin = from + found;
            let behind = &rest[begin + 2..];
            let sign = behind.chars().next().filter(|c| matches!(c, '-' | '+'));
            let name = behind[sign.map_or(0, char::len_utf8)..].trim_start_matches(is_space);
            if let Some(after) =
                name.strip_prefix("endraw").and_then(|after| block_end(after.trim_start_matches(is_space)))
            {
                let text = self.stripped(&rest[..begin], sign, true);
                self.consume_to(after);
                self.mode = Mode::Data;
                return Ok(Some(text).filter(|text| !text.is_empty()).map(Token::Data));
            }
            from = begin + 2;
        }
        fault("a `raw` block does not end")
    }

    /// The next token inside a tag.
    fn tag(&mut self) -> Outcome<Token<'s>> {
        loop {
            let rest = self.rest();
            if self.brackets.is_empty() {
                let (end, token) = if self.mode == Mode::Block {
                    (block_end(rest), Token::BlockEnd)
                } else {
                    let dashed = rest.strip_prefix("-}}").map(|after| after.trim_start_matches(is_space));
                    (dashed.or_else(|| rest.strip_prefix("}}")), Token::VariableEnd)
                };
                if let Some(after) = end {
                    self.consume_to(after);
                    self.mode = Mode::Data;
                    return Ok(token);
                }
            }
            let Some(c) = rest.chars().next() else { return fault("a tag does not end") };
            if is_space(c) {
                self.at = self.source.len() - rest.trim_start_matches(is_space).len();
                continue;
            }
            if c.is_ascii_digit() {
                return self.number(rest);
            }
            if c.is_alphanumeric() || c == '_' {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.at += end;
                return Ok(Token::Name(&rest[..end]));
            }
            if c == '\'' || c == '"' {
                let Some(length) = string_length(rest, c) else { return fault("a string does not end") };
                self.at += length;
                return Ok(Token::Str(unescape(&rest[1..length - 1])?));
            }
            let Some(&sign) = SIGNS.iter().find(|&&sign| rest.starts_with(sign)) else {
                return fault(format!("unexpected character {c:?}"));
            };
            self.balance(sign)?;
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
    }

    fn balance(&mut self, sign: &str) -> Outcome {
        match sign {
            "(" => self.brackets.push(b')'),
            "[" => self.brackets.push(b']'),
            "{" => self.brackets.push(b'}'),
            ")" | "]" | "}" if self.brackets.pop() != sign.bytes().next() => {
                return fault(format!("unexpected `{sign}`"));
            }
            _ => {}
        }
        Ok(())
    }

    fn number(&mut self, rest: &str) -> Outcome<Token<'s>> {
        let after_dot = self.source[..self.at].ends_with('.');
        let whole = digits(rest);
        let mut end = whole;
        if !after_dot {
            let fraction = rest[end..].strip_prefix('.').map_or(0, digits);
            if fraction > 0 {
                end += 1 + fraction;
            }
            let exponent = rest[end..].strip_prefix(['e', 'E']).map_or(0, |exponent| {
                let sign = usize::from(exponent.starts_with(['+', '-']));
                match digits(&exponent[sign..]) {
                    0 => 0,
                    length => 1 + sign + length,
                }
            });
            end += exponent;
        }
        if end > whole {
            self.at += end;
            return match rest[..end].replace('_', "").parse() {
                Ok(number) => Ok(Token::Float(number)),
                Err(_) => fault("a number can't be read"),
            };
        }
        let (radix, prefix) = match rest.as_bytes().get(1) {
            Some(b'x' | b'X') if rest.starts_with('0') => (16, 2),
            Some(b'o' | b'O') if rest.starts_with('0') => (8, 2),
            Some(b'b' | b'B') if rest.starts_with('0') => (2, 2),
            _ => (10, 0),
        };
        let body = &rest[prefix..];
        let length =
            if radix == 10 { whole } else { body.find(|c: char| !c.is_digit(radix) && c != '_').unwrap_or(body.len()) };
        match i64::from_str_radix(&body[..length].replace('_', ""), radix) {
            Ok(number) => {
                self.at += prefix + length;
                Ok(Token::Int(number))
            }
            Err(_) => fault("a whole number can't be read or has more than 63 bits"),
        }
    }
}

/// Bytes of digits, which may have single underlines between them.
fn digits(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        if bytes[end].is_ascii_digit() {
            end += 1;
        } else if bytes[end] == b'_' && end > 0 && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end += 2;
        } else {
            break;
        }
    }
    end
}

/// What follows the end of a block tag, if it begins here.
fn block_end(rest: &str) -> Option<&str> {
    if let Some(after) = rest.strip_prefix("-%}") {
        return Some(after.trim_start_matches(is_space));
    }
    rest.strip_prefix("+%}").or_else(|| rest.strip_prefix("%}").map(|after| after.strip_prefix('\n').unwrap_or(after)))
}

/// What follows `raw` and the end of its tag.
fn raw_begin(behind: &str) -> Option<&str> {
    let after = behind.trim_start_matches(is_space).strip_prefix("raw")?.trim_start_matches(is_space);
    match after.strip_prefix("-%}") {
        Some(after) => Some(after.trim_start_matches(is_space)),
        None => after.strip_prefix("%}"),
    }
}

/// Bytes of the string that begins here, quotes included.
fn string_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Python's escapes. Those it does not know stay as they are.
fn unescape(text: &str) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        append(&mut out, &rest[..at])?;
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else { break };
        let behind = &rest[c.len_utf8()..];
        let plain = match c {
            '\n' => Some(""),
            '\\' => Some("\\"),
            '\'' => Some("'"),
            '"' => Some("\""),
            'a' => Some("\u{7}"),
            'b' => Some("\u{8}"),
            'f' => Some("\u{c}"),
            'n' => Some("\n"),
            'r' => Some("\r"),
            't' => Some("\t"),
            'v' => Some("\u{b}"),
            _ => None,
        };
        if let Some(plain) = plain {
            out.push_str(plain);
            rest = behind;
            continue;
        }
        let (radix, digits, length) = match c {
            'x' => (16, behind, 2),
            'u' => (16, behind, 4),
            'U' => (16, behind, 8),
            '0'..='7' => (8, rest, rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count()),
            _ => {
                out.push('\\');
                out.push(c);
                rest = behind;
                continue;
            }
        };
        let number = digits.get(..length).filter(|d| d.chars().all(|c| c.is_digit(radix)));
        let found = number.and_then(|d| u32::from_str_radix(d, radix).ok()).and_then(char::from_u32);
        let Some(found) = found else { return fault("an escape in a string is no character") };
        out.push(found);
        rest = &digits[length..];
    }
    append(&mut out, rest)?;
    Ok(out)
}
