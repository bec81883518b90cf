//! Grammars in Lark's form, looked through before llguidance reads them: how deep their rules go (its compiler recurses), their
//! expressions, and the JSON schemas in them, which [`crate::schema`] turns into rules.

use crate::error::quoted;
use crate::{Error, json, limits, schema};
use std::collections::HashMap;

/// A grammar that llguidance may be handed.
pub(crate) struct Lark {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
    /// Whether something is ignored between other things.
    pub(crate) ignores: bool,
    /// For each line of `text` the one of the grammar that it was made from.
    lines: Vec<usize>,
}

/// Reads a grammar.
pub(crate) fn read(text: &str) -> Result<Lark, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits::TEXT {
        return Err(Error(format!("a grammar of {} bytes: more than the limit of {}", text.len(), limits::TEXT)));
    }
    if text.trim().is_empty() {
        return Err(Error("the grammar is empty".into()));
    }
    if text.trim_start().starts_with(['{', '[']) {
        return Err(Error(
            "line 1: a grammar has rules (\"start: …\"): this looks like JSON; a schema is given as a JSON schema"
                .into(),
        ));
    }
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        out: String::new(),
        lines: vec![1],
        notes: Vec::new(),
        rules: Vec::new(),
        attributes: false,
        ignores: false,
    };
    scanner.run()?;
    depth(&scanner.rules)?;
    Ok(Lark { ignores: scanner.ignores, text: scanner.out, notes: scanner.notes, lines: scanner.lines })
}

impl Lark {
    /// llguidance's error, with the line of the grammar in words and without its listing.
    pub(crate) fn error(&self, why: &str) -> Error {
        let why = if why.starts_with("at EOF") { why } else { why.strip_prefix("at ").unwrap_or(why) };
        let first = why.lines().next().unwrap_or("").trim_end_matches("<non-verbose/>");
        let place = first.split_once("): ").and_then(|(place, rest)| {
            let (line, column) = place.split_once('(')?;
            Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?, rest))
        });
        match place {
            Some((line, column, rest)) => {
                let line = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(line);
                let rest = if rest == "lexer error" { "nothing of a grammar begins like this" } else { rest };
                Error::new(format!("the grammar, line {line}, column {column}: {rest}"))
            }
            None => Error::new(format!("the grammar: {}", first.replace("at EOF: ", "at its end: "))),
        }
    }
}

/// A rule or terminal: its name, and the names in it.
struct Rule {
    name: String,
    line: usize,
    names: Vec<String>,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    out: String,
    lines: Vec<usize>,
    notes: Vec<String>,
    rules: Vec<Rule>,
    ignores: bool,
    /// Within the brackets between a rule's name and its colon.
    attributes: bool,
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

    fn run(&mut self) -> Result<(), Error> {
        let mut level = 0usize;
        while let Some(c) = self.rest().chars().next() {
            match c {
                '#' => self.copy(self.rest().find('\n').unwrap_or(self.rest().len())),
                '/' if self.rest().starts_with("//") => self.copy(self.rest().find('\n').unwrap_or(self.rest().len())),
                '"' => match end_of(self.rest(), '"') {
                    Some(end) => self.copy(end),
                    None => return self.fail("a string without its closing quote"),
                },
                '/' => self.expression()?,
                '%' => self.directive()?,
                '<' => {
                    let length = self.rest().find(['>', '\n', ' ']).map_or(1, |end| end + 1);
                    self.copy(length);
                }
                '(' | '[' | '{' => {
                    level += 1;
                    self.attributes |= c == '[' && self.begins_rule();
                    self.copy(1);
                }
                ')' | ']' | '}' => {
                    level = level.saturating_sub(1);
                    self.attributes = false;
                    self.copy(1);
                }
                c if c.is_ascii_digit() => {
                    let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
                    if !self.attributes
                        && self.rest()[..length].parse::<u64>().is_ok_and(|n| n > limits::CHARACTERS)
                        && level > 0
                    {
                        return self.fail(format_args!("a count above the limit of {}", limits::CHARACTERS));
                    }
                    self.copy(length);
                }
                c if c.is_ascii_alphabetic() || c == '_' => self.name(),
                c => self.copy(c.len_utf8()),
            }
            if level > limits::GROUPS {
                return self.fail(format_args!("brackets nested more than {} levels deep", limits::GROUPS));
            }
            if self.out.len() > limits::GRAMMAR {
                return self.fail("the grammar and the schemas in it are too large");
            }
        }
        Ok(())
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
            self.rules.push(Rule { name, line: self.line, names: Vec::new() });
        } else if let Some(rule) = self.rules.last_mut() {
            rule.names.push(name);
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
            Ok(_) => {}
        }
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
                self.copy(end);
                return Ok(());
            }
            self.ignores |= name == "%ignore";
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
            if value.get("allow_invalid_utf8") == Some(&json::Json::Bool(true)) {
                return self.fail("allow_invalid_utf8 is not kept: an answer is text");
            }
            self.copy(end - self.at);
            return Ok(());
        }
        let rules = match schema::rules(&value, "j") {
            Ok(rules) => rules,
            Err(why) => return self.fail(format_args!("%json: {why}")),
        };
        self.notes.extend(rules.notes);
        // A grammar of its own: what is ignored around is not ignored within.
        let nested = format!("%lark {{\nstart: {}\n{}}}", rules.start, rules.text);
        self.out.push_str(&nested);
        self.lines.extend(nested.matches('\n').map(|_| self.line));
        self.line += self.text[self.at..end].matches('\n').count();
        self.at = end;
        Ok(())
    }
}

/// Where what begins with a quote (or a slash) ends, its end included.
fn end_of(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            c if c == quote && !escaped => return Some(at + 1),
            '\n' if quote == '"' => return None,
            _ => escaped = false,
        }
    }
    None
}

/// Sees to it that the compiler, which follows rules from `start` on, comes not too deep, and that no name is missing or twice.
fn depth(rules: &[Rule]) -> Result<(), Error> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (n, rule) in rules.iter().enumerate() {
        if let Some(first) = by_name.insert(&rule.name, n) {
            return Err(Error(format!(
                "the grammar, line {}: {} is there twice, first in line {}",
                rule.line,
                quoted(&rule.name, 40),
                rules[first].line
            )));
        }
    }
    let Some(&start) = by_name.get("start") else {
        return Err(Error("the grammar has no rule \"start\", which an answer begins with".into()));
    };
    // As the compiler goes: each rule once, at its first mention.
    let mut done = vec![false; rules.len()];
    done[start] = true;
    let mut path = vec![(start, 0)];
    while let Some((n, next)) = path.last_mut() {
        let Some(name) = rules[*n].names.get(*next) else {
            path.pop();
            continue;
        };
        *next += 1;
        if let Some(&other) = by_name.get(&**name)
            && !std::mem::replace(&mut done[other], true)
        {
            path.push((other, 0));
            if path.len() > limits::RULES_DEEP {
                return Err(Error(format!(
                    "the grammar, line {}: rules lead to one another more than {} deep",
                    rules[other].line,
                    limits::RULES_DEEP
                )));
            }
        }
    }
    Ok(())
}

/// The order in which a compiler that follows rules from `start` on stays in its depth, for rules written here; `None` where their own
/// order does. Rules are lines `name: body`.
pub(crate) fn ordered(text: &str, start: &str) -> Result<String, Error> {
    let mut rules: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let Some((name, body)) = line.split_once(": ") else { continue };
        rules.push((name, names(body)));
    }
    let by_name: HashMap<&str, usize> = rules.iter().enumerate().map(|(n, (name, _))| (*name, n)).collect();
    let Some(&first) = by_name.get(start) else { return Ok(format!("start: {start}\n{text}")) };
    let follow = |from: usize, done: &mut Vec<bool>, mut leave: Box<dyn FnMut(usize) + '_>| {
        let mut deepest = 0;
        done[from] = true;
        let mut path = vec![(from, 0)];
        while let Some((n, next)) = path.last_mut() {
            match rules[*n].1.get(*next) {
                None => {
                    leave(*n);
                    path.pop();
                }
                Some(name) => {
                    *next += 1;
                    if let Some(&other) = by_name.get(name)
                        && !std::mem::replace(&mut done[other], true)
                    {
                        path.push((other, 0));
                        deepest = deepest.max(path.len());
                    }
                }
            }
        }
        deepest
    };
    let mut order = Vec::new();
    if follow(first, &mut vec![false; rules.len()], Box::new(|n| order.push(n))) <= limits::RULES_DEEP {
        return Ok(format!("start: {start}\n{text}"));
    }
    // Named before, none times, from the innermost on: then each comes to rules that are there.
    let mut done = vec![false; rules.len()];
    let mut prelude = String::from("start: ");
    for &n in &order {
        if done[n] {
            continue;
        }
        if follow(n, &mut done, Box::new(|_| {})) > limits::RULES_DEEP {
            return Err(Error(format!(
                "the schema comes to itself again over more than {} others: too deep",
                limits::RULES_DEEP
            )));
        }
        prelude.push_str(rules[n].0);
        prelude.push_str("~0 ");
    }
    Ok(format!("{prelude}{start}\n{text}"))
}

/// The names of rules in a body: what stands outside of strings and expressions.
fn names(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = body[at..].chars().next() {
        let rest = &body[at..];
        at += match c {
            '"' | '/' => end_of(rest, c).unwrap_or(rest.len()),
            c if c.is_ascii_alphabetic() => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                found.push(&rest[..length]);
                length
            }
            c => c.len_utf8(),
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, says) in [
            ("", "empty"),
            ("{\"type\": \"object\"}", "JSON"),
            ("word: \"fox\"\n", "start"),
            ("start: word\nword: \"a\"\nword: \"b\"\n", "line 3: \"word\" is there twice, first in line 2"),
            ("start: / \"test\"\n", "line 1: a regular expression"),
            ("start: \"a\n", "line 1: a string"),
            ("# one\nstart: /(ab/\n", "line 2: the regular expression: unclosed group"),
            ("start: a\na: /(x{1000}){1000}/\n", "line 2: the regular expression is too large"),
            ("start: a\n\na: %json {\"type\": \"strng\"}\n", "line 3: %json: type \"strng\""),
            ("start: %json {\"not\": {}}\n", "not is not kept"),
            ("start: \"a\"{1000000000}\n", "count"),
            ("%override start: \"a\"\n", "%override"),
        ] {
            let why = read(text).map(|_| ()).unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        let chain: String = (0..3000).map(|n| format!("r{n}: r{}\n", n + 1)).collect();
        assert!(
            read(&format!("start: r0\n{chain}r3000: \"a\"\n")).map(|_| ()).unwrap_err().to_string().contains("deep")
        );
    }

    #[test]
    fn lines_are_those_of_the_grammar() {
        let lark = read("start: a b\na: %json {\n\"type\":\n\"integer\"}\nb: \"x\"\n").unwrap();
        let line = lark.text.lines().position(|line| line.starts_with("b:")).unwrap() + 1;
        assert!(
            lark.error(&format!("at {line}(4): unknown name\nlisting"))
                .to_string()
                .contains("line 5, column 4: unknown name")
        );
        assert!(lark.error("at EOF: no").to_string().contains("at its end"));
    }
}
