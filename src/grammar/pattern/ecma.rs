//! ECMAScript's syntax of regular expressions in that of regex-syntax.

use super::write_char;
use crate::{Error, limits};
use std::fmt::Write;

/// `pattern` for regex-syntax; sets of characters as wide as any reader takes them, or as narrow.
pub(super) fn translated(pattern: &str, wide: bool) -> Result<String, Error> {
    Translator {
        characters: pattern.chars().collect(),
        at: 0,
        out: String::new(),
        groups: Vec::new(),
        item: Item::None,
        wide,
    }
    .run()
}

/// What the last thing read was, for a count that follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    None,
    One,
    Counted,
}

/// ECMAScript's syntax to that of regex-syntax.
struct Translator {
    characters: Vec<char>,
    at: usize,
    out: String,
    /// Of each open group, where it began, and whether the dot has line feeds outside of it.
    groups: Vec<(usize, bool)>,
    item: Item,
    wide: bool,
}

/// The members of a set of characters, in brackets of their own where it is a set that others are left out of.
fn set(name: char, wide: bool) -> &'static str {
    match (name, wide) {
        ('d', false) => "0-9",
        ('d', true) => r"\d",
        ('D', false) => r"\D",
        ('D', true) => "[^0-9]",
        ('w', false) => "0-9A-Za-z_",
        ('w', true) => r"\w",
        ('W', false) => r"\W",
        ('W', true) => "[^0-9A-Za-z_]",
        ('s', false) => r" \t\n\r\x0b\x0c",
        ('s', true) => r"\s\x1c-\x1f\x{feff}",
        ('S', false) => r"[^\s\x1c-\x1f\x{feff}]",
        _ => r"[^ \t\n\r\x0b\x0c]",
    }
}

impl Translator {
    fn fail<T>(&self, at: usize, why: impl std::fmt::Display) -> Result<T, Error> {
        Err(Error(format!("the regular expression at character {}: {why}", at + 1)))
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn took(&mut self, text: &str) -> bool {
        let there = text.chars().enumerate().all(|(n, c)| self.characters.get(self.at + n) == Some(&c));
        self.at += if there { text.chars().count() } else { 0 };
        there
    }

    fn run(mut self) -> Result<String, Error> {
        let mut dot_all = false;
        while let Some(c) = self.peek() {
            let at = self.at;
            self.at += 1;
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => {
                    if self.groups.len() == limits::GROUPS {
                        return self.fail(at, format_args!("groups nested more than {} levels deep", limits::GROUPS));
                    }
                    self.groups.push((at, dot_all));
                    self.group(at, &mut dot_all)?;
                }
                ')' => match self.groups.pop() {
                    Some((_, outside)) => {
                        dot_all = outside;
                        self.push(")");
                    }
                    None => return self.fail(at, "a ) without its ("),
                },
                '*' | '+' | '?' => self.count(at, &c.to_string())?,
                '{' => self.braces(at)?,
                '.' => self.push(match (dot_all, self.wide) {
                    (true, _) => "(?s:.)",
                    (false, true) => ".",
                    (false, false) => r"[^\n\r\x{2028}\x{2029}]",
                }),
                '^' => self.look(r"\A"),
                '$' => self.look(r"\z"),
                '|' => self.look("|"),
                c => self.literal(c),
            }
        }
        match self.groups.last() {
            Some(&(at, _)) => self.fail(at, "a ( without its ): the group is unclosed"),
            None => Ok(self.out),
        }
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.item = Item::One;
    }

    /// An anchor or a bar: nothing that can be counted.
    fn look(&mut self, text: &str) {
        self.out.push_str(text);
        self.item = Item::None;
    }

    fn literal(&mut self, c: char) {
        write_char(c, &mut self.out);
        self.item = Item::One;
    }

    fn count(&mut self, at: usize, text: &str) -> Result<(), Error> {
        match self.item {
            Item::None => return self.fail(at, "a count, and nothing before it to repeat"),
            Item::Counted if text == "?" => {} // as few as possible: the texts are the same
            Item::Counted => return self.fail(at, "a count of a count: nothing to repeat"),
            Item::One => {
                self.out.push_str(text);
                self.item = Item::Counted;
                return Ok(());
            }
        }
        // A count has one `?`.
        self.item = Item::None;
        Ok(())
    }

    /// `{2,5}`; a brace that is no count is a brace.
    fn braces(&mut self, at: usize) -> Result<(), Error> {
        let rest: String = self.characters[self.at..].iter().take(24).collect();
        let inner = rest.split_once('}').map(|(inner, _)| inner.to_owned());
        let numbers = inner.as_deref().and_then(|inner| {
            let (min, max) = inner.split_once(',').map_or((inner, Some(inner)), |(min, max)| (min, Some(max)));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let max = max.unwrap_or("");
            (digits(min) && (max.is_empty() || digits(max))).then(|| (min.to_owned(), max.to_owned()))
        });
        let (Some(inner), Some((min, max))) = (inner, numbers) else {
            self.literal('{');
            return Ok(());
        };
        self.at += inner.len() + 1;
        let number = |text: &str| text.parse::<u32>().ok().filter(|&n| u64::from(n) <= limits::WEIGHT);
        let Some(low) = number(&min) else {
            return self.fail(at, format_args!("a count above {}: too large", limits::WEIGHT));
        };
        if max.is_empty() {
            return self.count(at, &format!("{{{low},}}"));
        }
        let Some(high) = number(&max) else {
            return self.fail(at, format_args!("a count above {}: too large", limits::WEIGHT));
        };
        if low > high {
            return self.fail(at, format_args!("the count {{{low},{high}}} asks for more than it allows"));
        }
        self.count(at, &format!("{{{low},{high}}}"))
    }

    fn group(&mut self, at: usize, dot_all: &mut bool) -> Result<(), Error> {
        self.item = Item::None;
        if !self.took("?") {
            self.out.push_str("(?:");
            return Ok(());
        }
        for (sign, name) in [("=", "look-ahead"), ("!", "look-ahead"), ("<=", "look-behind"), ("<!", "look-behind")] {
            if self.took(sign) {
                return self.fail(at, format_args!("{name} (?{sign}…) is not kept"));
            }
        }
        if self.took("P=") {
            return self.fail(at, "a back reference is not kept");
        }
        if self.took(":") {
            self.out.push_str("(?:");
            return Ok(());
        }
        if self.took("<") || self.took("P<") {
            let from = self.at;
            while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                self.at += 1;
            }
            if self.at == from || !self.took(">") {
                return self.fail(at, "a group's name is not well formed");
            }
            self.out.push_str("(?:");
            return Ok(());
        }
        // Flags: those that say the same everywhere.
        let (mut flags, mut on) = (String::new(), true);
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                'i' => flags.push('i'),
                's' => *dot_all = on,
                'u' => {}
                '-' if on => {
                    on = false;
                    flags.push('-');
                }
                ':' | ')' => {
                    let flags = flags.trim_end_matches('-');
                    let own = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
                    if c == ':' {
                        let _ = write!(self.out, "(?:{own}");
                    } else {
                        // To the end of the group around it.
                        self.out.push_str(&own);
                        self.groups.pop();
                    }
                    return Ok(());
                }
                _ => return self.fail(at, "a group (?…) of a kind that is not kept"),
            }
        }
        self.fail(at, "a ( without its ): the group is unclosed")
    }

    fn escape(&mut self) -> Result<(), Error> {
        let at = self.at - 1;
        let Some(c) = self.peek() else { return self.fail(at, "a \\ at the end") };
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                self.at += 1;
                let set = set(c, self.wide);
                self.push(&format!("[{set}]"));
            }
            'p' | 'P' => {
                let property = self.property(at)?;
                self.push(&property);
            }
            'A' => {
                self.at += 1;
                self.look(r"\A");
            }
            'z' | 'Z' => {
                self.at += 1;
                self.look(r"\z");
            }
            'b' | 'B' => return self.fail(at, "\\b and \\B look at what stands around: not kept"),
            '1'..='9' | 'k' => return self.fail(at, "a back reference is not kept"),
            _ => {
                let c = self.escaped(at)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// `\p{…}`, as it stands.
    fn property(&mut self, at: usize) -> Result<String, Error> {
        let kind = self.characters[self.at];
        self.at += 1;
        let from = self.at;
        if self.took("{") {
            while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || "_=-".contains(c)) {
                self.at += 1;
            }
            if self.took("}") {
                let name: String = self.characters[from..self.at].iter().collect();
                return Ok(format!("\\{kind}{name}"));
            }
        }
        self.fail(at, "\\p needs a property in braces, as \\p{Letter}")
    }

    /// The character that an escape stands for; `at` is its backslash.
    fn escaped(&mut self, at: usize) -> Result<char, Error> {
        let c = self.characters[self.at];
        self.at += 1;
        Ok(match c {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            '0' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => '\0',
            'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    char::from(letter as u8 & 31)
                }
                _ => return self.fail(at, "\\c needs a letter"),
            },
            'x' => self.hex(at, 2)?,
            'u' => {
                let high = if self.peek() == Some('{') { return self.hex(at, 4) } else { self.digits(at, 4)? };
                let low =
                    if (0xd800..0xdc00).contains(&high) && self.took("\\u") { Some(self.digits(at, 4)?) } else { None };
                let code = match low {
                    Some(low) if (0xdc00..0xe000).contains(&low) => 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00),
                    _ => high,
                };
                match char::from_u32(code) {
                    Some(c) => c,
                    None => return self.fail(at, "half of a surrogate pair"),
                }
            }
            c if c.is_ascii_alphanumeric() => return self.fail(at, format_args!("the escape \\{c} is not known")),
            c => c,
        })
    }

    fn hex(&mut self, at: usize, digits: usize) -> Result<char, Error> {
        let code = if self.took("{") {
            let from = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_hexdigit()) && self.at - from < 8 {
                self.at += 1;
            }
            let text: String = self.characters[from..self.at].iter().collect();
            if !self.took("}") {
                return self.fail(at, "an escape without its }");
            }
            u32::from_str_radix(&text, 16).ok()
        } else {
            Some(self.digits(at, digits)?)
        };
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.fail(at, "an escape that is no character"),
        }
    }

    fn digits(&mut self, at: usize, count: usize) -> Result<u32, Error> {
        let text: String = self.characters[self.at..].iter().take(count).collect();
        if text.len() != count || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return self.fail(at, format_args!("an escape of less than {count} hexadecimal digits"));
        }
        self.at += count;
        Ok(u32::from_str_radix(&text, 16).unwrap_or(0))
    }

    fn class(&mut self) -> Result<(), Error> {
        let at = self.at - 1;
        let negated = self.took("^");
        let mut inner = String::new();
        loop {
            let from = self.at;
            let Some(first) = self.member(at, negated)? else { break };
            if self.peek() != Some('-') || self.characters.get(self.at + 1) == Some(&']') {
                first.write(&mut inner);
                continue;
            }
            self.at += 1;
            match (first, self.member(at, negated)?) {
                (Member::One(a), Some(Member::One(b))) if a <= b => {
                    write_char(a, &mut inner);
                    inner.push('-');
                    write_char(b, &mut inner);
                }
                (Member::One(_), Some(Member::One(_))) => return self.fail(from, "a range that goes down"),
                (first, Some(second)) => {
                    first.write(&mut inner);
                    Member::One('-').write(&mut inner);
                    second.write(&mut inner);
                }
                (_, None) => return self.fail(at, "a class [ without its ]"),
            }
        }
        let text = match (inner.is_empty(), negated) {
            (true, true) => "(?s:.)".into(),
            (true, false) => r"[^\x{0}-\x{10ffff}]".into(),
            (false, true) => format!("[^{inner}]"),
            (false, false) => format!("[{inner}]"),
        };
        self.push(&text);
        Ok(())
    }

    /// The next member of a class, `None` at its end. In a negated class sets are read as wide as any reader does.
    fn member(&mut self, class: usize, negated: bool) -> Result<Option<Member>, Error> {
        let at = self.at;
        let Some(c) = self.peek() else { return self.fail(class, "a class [ without its ]") };
        self.at += 1;
        if c != '\\' {
            return Ok(if c == ']' { None } else { Some(Member::One(c)) });
        }
        let Some(c) = self.peek() else { return self.fail(class, "a class [ without its ]") };
        match c {
            // What a class leaves out is the wider, where it is to have the narrower.
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                self.at += 1;
                Ok(Some(Member::Set(set(c, self.wide != negated).into())))
            }
            'p' | 'P' => Ok(Some(Member::Set(self.property(at)?))),
            'b' => {
                self.at += 1;
                Ok(Some(Member::One('\u{8}')))
            }
            _ => Ok(Some(Member::One(self.escaped(at)?))),
        }
    }
}

enum Member {
    One(char),
    Set(String),
}

impl Member {
    fn write(&self, out: &mut String) {
        match self {
            Member::One(c) => write_char(*c, out),
            Member::Set(text) => out.push_str(text),
        }
    }
}
