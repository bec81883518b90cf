//! A grammar read through once: its rules by name, its expressions, and the schemas in it, which become rules.

use super::rules::{Piece, Rule, end_of};
use crate::error::quoted;
use crate::json::{self, Json};
use crate::{Error, limits, schema};

/// A grammar, and what was seen in it.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    pub(super) out: String,
    pub(super) lines: Vec<usize>,
    pub(super) notes: Vec<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) ignores: bool,
    pub(super) open: bool,
    pub(super) few_keys: bool,
    /// Whether text around schemas may have brackets or quotes of JSON, so that where JSON stands can't be followed.
    brackets: bool,
    /// Within the brackets between a rule's name and its colon.
    attributes: bool,
    /// Brackets that are open, with the rule around where they are those of a nested grammar.
    levels: Vec<Option<usize>>,
    /// Nested grammars so far; the next bracket begins one.
    nested: usize,
    nests: bool,
    /// The rule whose body is read.
    rule: Option<usize>,
}

/// Reads through a grammar.
pub(super) fn scan(text: &str) -> Result<Scanner<'_>, Error> {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        out: String::new(),
        lines: vec![1],
        notes: Vec::new(),
        rules: Vec::new(),
        ignores: false,
        open: false,
        few_keys: false,
        brackets: false,
        attributes: false,
        levels: Vec::new(),
        nested: 0,
        nests: false,
        rule: None,
    };
    scanner.run()?;
    if scanner.open && scanner.brackets {
        scanner.open = false;
        let note = "%json: objects may have keys that their schema has no name for, and the text around may look like JSON: nothing sees to it that no key comes twice";
        scanner.notes.push(note.into());
    }
    Ok(scanner)
}

impl Scanner<'_> {
    fn fail<T>(&self, why: impl std::fmt::Display) -> Result<T, Error> {
        Err(Error(format!("the grammar, line {}: {why}", self.line)))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Copies `length` bytes.
    fn copy(&mut self, length: usize) {
        let piece = &self.text[self.at..self.at + length];
        self.out.push_str(piece);
        for _ in piece.matches('\n') {
            self.line += 1;
            self.lines.push(self.line);
        }
        self.at += length;
    }

    fn piece(&mut self, piece: Piece) {
        if let Some(rule) = self.rule.filter(|_| !self.attributes) {
            self.rules[rule].pieces.push(piece);
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '#' => self.copy(self.rest().find('\n').unwrap_or(self.rest().len())),
                '/' if self.rest().starts_with("//") => self.copy(self.rest().find('\n').unwrap_or(self.rest().len())),
                '"' => match end_of(self.rest(), '"') {
                    Some(end) => {
                        // An escape may be a bracket.
                        let text = &self.rest()[..end];
                        self.brackets |=
                            text.contains(['{', '}', '[', ']']) || text.contains("\\u") || text.contains("\\x");
                        self.piece(Piece::Text);
                        self.copy(end);
                    }
                    None => return self.fail("a string without its closing quote"),
                },
                '/' => self.expression()?,
                '%' => self.directive()?,
                '<' => {
                    let length = self.rest().find(['>', '\n', ' ']).map_or(1, |end| end + 1);
                    self.brackets |= self.rest().starts_with("<[");
                    self.piece(Piece::Text);
                    self.copy(length);
                }
                '(' | '[' | '{' => self.bracket(c),
                ')' | ']' | '}' => {
                    if let Some(Some(outer)) = self.levels.pop() {
                        self.rule = Some(outer).filter(|&rule| rule < usize::MAX);
                    } else if c != '}' {
                        self.piece(if c == ')' { Piece::Close } else { Piece::CloseMaybe });
                    }
                    self.attributes = false;
                    self.copy(1);
                }
                '?' if self.text[..self.at].rsplit('\n').next().unwrap_or("").trim().is_empty() => self.copy(1),
                '|' | '?' | '*' => {
                    self.piece(if c == '|' { Piece::Or } else { Piece::Maybe });
                    self.copy(1);
                }
                '~' => {
                    // Of a terminal, what it is not; else a count.
                    self.brackets = true;
                    let zero = self.rest()[1..].trim_start().starts_with('0');
                    self.piece(if zero { Piece::Maybe } else { Piece::Else });
                    self.copy(1);
                }
                '@' => {
                    self.brackets = true;
                    self.copy(1);
                }
                c if c.is_ascii_digit() => {
                    let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
                    let count = self.rest()[..length].parse().unwrap_or(u64::MAX);
                    // Within braces, or after a ~ and perhaps another number.
                    let before = self.out.trim_end_matches(|c: char| c.is_ascii_digit() || ", .".contains(c));
                    if before.ends_with(['{', '~']) {
                        self.piece(Piece::Count(count));
                    }
                    self.copy(length);
                }
                c if c.is_ascii_alphabetic() || c == '_' => self.name(),
                c => self.copy(c.len_utf8()),
            }
            if self.levels.len() > limits::GROUPS {
                return self.fail(format_args!("brackets nested more than {} levels deep", limits::GROUPS));
            }
            if self.out.len() > limits::GRAMMAR {
                return self.fail("the grammar and the schemas in it are too large");
            }
        }
        Ok(())
    }

    fn bracket(&mut self, c: char) {
        self.attributes |= c == '[' && self.begins_rule();
        if c == '{' && std::mem::take(&mut self.nests) {
            self.nested += 1;
            self.levels.push(Some(self.rule.unwrap_or(usize::MAX)));
        } else {
            self.levels.push(None);
            match c {
                '(' => self.piece(Piece::Open),
                '[' => self.piece(Piece::OpenMaybe),
                // A count from zero on.
                _ if self.rest()[1..].trim_start().starts_with(['0', ',']) => self.piece(Piece::Maybe),
                _ => {}
            }
        }
        self.copy(1);
    }

    /// A name within the nested grammar that it stands in.
    fn scoped(&self, name: &str) -> String {
        match self.levels.iter().filter(|level| level.is_some()).count() {
            0 => name.to_owned(),
            _ => format!("{name} in nested grammar {}", self.nested),
        }
    }

    /// Whether only a name stands on this line so far.
    fn begins_rule(&self) -> bool {
        let line = self.text[..self.at].rsplit('\n').next().unwrap_or("");
        !line.contains([':', '|'])
            && line.trim_start_matches(['!', '?']).starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }

    fn name(&mut self) {
        let length = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(self.rest().len());
        let name = self.rest()[..length].to_owned();
        let before = self.text[..self.at].rsplit('\n').next().unwrap_or("");
        let defines = before.trim_matches(['!', '?', ' ', '\t']).is_empty() && {
            let after = self.rest()[length..].trim_start();
            after.starts_with([':', '[', '.', '{'])
        };
        if self.attributes {
            if name == "temperature" {
                self.notes.push(format!(
                    "temperature= in line {} of the grammar says nothing here: the request's own is taken",
                    self.line
                ));
            }
        } else if defines {
            self.rule = Some(self.rules.len());
            self.rules.push(Rule { name: self.scoped(&name), line: self.line, pieces: Vec::new() });
        } else if !self.out.trim_end().ends_with("->") {
            self.piece(Piece::Name(self.scoped(&name)));
        }
        self.copy(length);
    }

    /// `/…/flags`: read here once, so that what is wrong has its line, and a size.
    fn expression(&mut self) -> Result<(), Error> {
        let Some(end) = end_of(self.rest(), '/').filter(|&end| !self.rest()[..end].contains('\n')) else {
            return self.fail("a regular expression / without its closing /: unclosed");
        };
        let flags: String = self.rest()[end..].chars().take_while(char::is_ascii_alphabetic).collect();
        let body = &self.rest()[1..end - 1];
        let body = if flags.is_empty() { body.to_owned() } else { format!("(?{}){body}", flags.replace('l', "")) };
        let parsed = regex_syntax::ParserBuilder::new().nest_limit(2 * limits::GROUPS as u32).build().parse(&body);
        match parsed {
            Err(regex_syntax::Error::Parse(why)) => {
                return self.fail(format_args!("the regular expression: {}", why.kind()));
            }
            Err(regex_syntax::Error::Translate(why)) => {
                return self.fail(format_args!("the regular expression: {}", why.kind()));
            }
            Err(_) => return self.fail("a regular expression that can't be read"),
            Ok(hir) if crate::pattern::weight(&hir) > limits::WEIGHT => {
                return self.fail(format_args!(
                    "the regular expression is too large: its counts multiply to more than {} characters",
                    limits::WEIGHT
                ));
            }
            Ok(hir) => self.brackets |= crate::pattern::may_have(&hir, &['{', '}', '[', ']']),
        }
        self.piece(Piece::Text);
        self.copy(end + flags.len());
        Ok(())
    }

    fn directive(&mut self) -> Result<(), Error> {
        let length = 1 + self.rest()[1..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest().len() - 1);
        let name = self.rest()[..length].to_owned();
        let known = ["%ignore", "%import", "%json", "%regex", "%lark", "%if", "%llguidance"];
        if !known.contains(&&*name) {
            return self.fail(format_args!("{} is not kept: {} are", quoted(&name, 30), known.join(", ")));
        }
        if !matches!(&*name, "%json" | "%regex" | "%llguidance") {
            if name == "%import" {
                // Names of a library, not of this grammar.
                let end = self.rest().find('\n').unwrap_or(self.rest().len());
                self.brackets |= ["STRING", "REGEXP", "COMMENT"].iter().any(|name| self.rest()[..end].contains(name));
                self.rule = None;
                self.copy(end);
                return Ok(());
            }
            self.ignores |= name == "%ignore";
            self.nests = name == "%lark";
            match &*name {
                "%lark" => self.piece(Piece::Text),
                "%ignore" => self.rule = None,
                _ => {}
            }
            self.copy(length);
            return Ok(());
        }
        let from = self.at + length;
        let spaces = self.text[from..].len() - self.text[from..].trim_start().len();
        let (value, end) = match json::read_front(&self.text[from + spaces..]) {
            Ok(read) => read,
            Err(why) => return self.fail(format_args!("{name}: {why}")),
        };
        let end = from + spaces + end;
        if name != "%json" {
            if name == "%llguidance"
                && let Json::Object(entries) = &value
            {
                for (key, value) in entries {
                    match key.as_str() {
                        "no_forcing" | "allow_initial_skip" | "ignore_once" => {}
                        "allow_invalid_utf8" if *value == Json::Bool(false) => {}
                        "allow_invalid_utf8" => return self.fail("allow_invalid_utf8 is not kept: an answer is text"),
                        key => return self.fail(format_args!("%llguidance: {} is no option", quoted(key, 40))),
                    }
                }
            }
            self.brackets |= name == "%regex";
            self.piece(Piece::Text);
            self.copy(end - self.at);
            return Ok(());
        }
        let rules = match schema::rules(&value, "j") {
            Ok(rules) => rules,
            Err(why) => return self.fail(format_args!("%json: {why}")),
        };
        self.notes.extend(rules.notes);
        // A grammar of its own: what is ignored around is not ignored within.
        let nested = format!("%lark {{\n{}}}", super::ordered(&rules.text, &rules.start)?);
        self.open |= rules.open;
        self.few_keys |= rules.few_keys;
        self.piece(Piece::Text);
        self.out.push_str(&nested);
        self.lines.extend(nested.matches('\n').map(|_| self.line));
        self.line += self.text[self.at..end].matches('\n').count();
        self.at = end;
        Ok(())
    }
}
