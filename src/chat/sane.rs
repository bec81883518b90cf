//! Which templates are run: those that cannot make much out of little.
//!
//! The engine limits steps, depth and output, but not the size of a value: a variable that is joined to itself thirty
//! times fills the memory of a browser tab in a hundred steps. So a template is read before it is run. What it may
//! hold is what templates in use hold: text, `if`, `for`, and `set` of a variable, where
//!
//! - a name is *plain* if all it is ever set to are parts of the input (`messages[1:]`, a loop's `message`);
//! - any other name is *computed*, and a `set` or `for` may use at most one computed name, once, and never inside a
//!   list.
//!
//! Then each step adds at most one piece of the input to one value, and the limit on steps limits memory.

use std::collections::HashSet;

/// The longest template that is read.
const MAX_BYTES: usize = 16 << 10;
/// Nested blocks, and nested brackets.
const MAX_DEPTH: usize = 32;
/// Operators and commas that join, in one tag.
const MAX_JOINS: usize = 64;
/// Filters and methods that make a list of a string. A list becomes text again with quotes and escapes added.
const LISTING: &[&str] = &[
    "list", "split", "lines", "sort", "unique", "select", "reject", "items", "dictsort", "keys", "values", "reverse",
    "string",
];

/// Says why a template is not run.
pub(super) fn check(source: &str) -> Result<(), String> {
    if source.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, at most {MAX_BYTES} are read", source.len()));
    }
    let mut assignments = Vec::new();
    let mut depth = 0usize;
    for tag in tags(source)? {
        expression(&tag.tokens)?;
        if !tag.statement {
            continue;
        }
        let Some((Token::Name(keyword), rest)) = tag.tokens.split_first() else {
            return Err("a statement has no name".to_owned());
        };
        match *keyword {
            "if" | "for" => depth += 1,
            "endif" | "endfor" => depth = depth.saturating_sub(1),
            "elif" | "else" | "set" => {}
            other => return Err(format!("it uses the statement `{other}`")),
        }
        if depth > MAX_DEPTH {
            return Err(format!("its blocks are nested more than {MAX_DEPTH} deep"));
        }
        match *keyword {
            "for" => assignments.push(Assignment::new(rest, Token::Name("in"))?),
            "set" => assignments.push(Assignment::new(rest, Token::Sign('='))?),
            _ => {}
        }
    }
    growth(&assignments)
}

/// A tag of the template and what is in it.
struct Tag<'s> {
    statement: bool,
    tokens: Vec<Token<'s>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'s> {
    Name(&'s str),
    Text,
    Sign(char),
}

/// Splits a template into its tags, without text and comments.
fn tags(source: &str) -> Result<Vec<Tag<'_>>, String> {
    let mut tags = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("{").filter(|&at| at + 1 < rest.len()) {
        let opening = rest.as_bytes()[at + 1];
        rest = match opening {
            b'#' => {
                let end = rest[at..].find("#}").ok_or("a comment does not end")?;
                &rest[at + end + 2..]
            }
            b'%' | b'{' => {
                let closing = if opening == b'%' { "%}" } else { "}}" };
                let (tokens, rest) = tokens(&rest[at + 2..], closing)?;
                tags.push(Tag { statement: opening == b'%', tokens });
                rest
            }
            _ => &rest[at + 1..],
        };
    }
    Ok(tags)
}

/// The tokens up to `closing`, and what follows it.
fn tokens<'s>(source: &'s str, closing: &str) -> Result<(Vec<Token<'s>>, &'s str), String> {
    let mut tokens = Vec::new();
    // A sign that only controls white space.
    let mut rest = source.strip_prefix(['-', '+']).unwrap_or(source);
    loop {
        if let Some(after) = rest.strip_prefix(closing) {
            return Ok((tokens, after));
        }
        let Some(c) = rest.chars().next() else {
            return Err("a tag does not end".to_owned());
        };
        let length = match c {
            _ if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Name(&rest[..end]));
                end
            }
            '\'' | '"' => {
                tokens.push(Token::Text);
                string(rest, c).ok_or("a string does not end")?
            }
            _ if c.is_whitespace() => c.len_utf8(),
            '-' | '+' if rest[1..].starts_with(closing) => 1,
            _ => {
                tokens.push(Token::Sign(c));
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
}

/// Bytes of the string that begins with `quote`.
fn string(source: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// What no tag may hold.
fn expression(tokens: &[Token]) -> Result<(), String> {
    let mut depth = 0usize;
    let mut joins = 0;
    for token in tokens {
        match token {
            Token::Sign(c @ ('{' | '}' | '*')) => return Err(format!("it uses `{c}` in an expression")),
            Token::Sign('(' | '[') => depth += 1,
            Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
            Token::Sign('~' | '+' | ',') => joins += 1,
            Token::Name("recursive") => return Err("it uses a recursive loop".to_owned()),
            _ => {}
        }
        if depth > MAX_DEPTH || joins > MAX_JOINS {
            return Err(format!("an expression has more than {MAX_DEPTH} brackets deep or {MAX_JOINS} joins"));
        }
    }
    Ok(())
}

/// `set names = value` or `for names in value`.
struct Assignment<'s> {
    names: Vec<&'s str>,
    /// Names the value uses, as often as it does.
    uses: Vec<&'s str>,
    /// Whether it joins, or makes a list.
    joins: bool,
    lists: bool,
}

impl<'s> Assignment<'s> {
    fn new(tokens: &[Token<'s>], sign: Token) -> Result<Self, String> {
        let at = tokens.iter().position(|t| *t == sign).ok_or("a `set` without a value, or a `for` without a list")?;
        let (targets, value) = (&tokens[..at], &tokens[at + 1..]);
        if targets.contains(&Token::Sign('.')) {
            return Err("it sets an attribute".to_owned());
        }
        let name = |t: &Token<'s>| if let Token::Name(name) = t { Some(*name) } else { None };
        let mut uses = Vec::new();
        let (mut joins, mut lists) = (false, false);
        for (i, token) in value.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| value[i]);
            match token {
                Token::Name(used) if LISTING.contains(used) => lists = true,
                // an attribute is no variable
                Token::Name(used) if before != Some(Token::Sign('.')) => uses.push(*used),
                Token::Sign('~' | '+') => joins = true,
                // what follows a name, a string or a bracket is an index
                Token::Sign('[') => {
                    lists |= !matches!(before, Some(Token::Name(_) | Token::Text | Token::Sign(')' | ']')))
                        || matches!(before, Some(Token::Name("in" | "if" | "else" | "and" | "or" | "not" | "is")));
                }
                _ => {}
            }
        }
        // A tuple is a list too; brackets of calls and indices hold commas as well, which errs on the safe side.
        lists |= value.contains(&Token::Sign(','));
        Ok(Self { names: targets.iter().filter_map(name).collect(), uses, joins, lists })
    }
}

/// Refuses what could grow faster than step by step.
fn growth(assignments: &[Assignment]) -> Result<(), String> {
    let mut computed: HashSet<&str> = HashSet::new();
    loop {
        let before = computed.len();
        for a in assignments {
            if a.joins || a.lists || a.uses.iter().any(|name| computed.contains(name)) {
                computed.extend(&a.names);
            }
        }
        if computed.len() == before {
            break;
        }
    }
    for a in assignments {
        let uses = a.uses.iter().filter(|name| computed.contains(*name)).count();
        if uses > 1 || (uses == 1 && a.lists) {
            return Err(format!("`{}` could grow without bound", a.names.join("`, `")));
        }
    }
    Ok(())
}
