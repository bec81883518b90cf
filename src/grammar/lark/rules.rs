//! What rules lead to one another.

use crate::error::quoted;
use crate::{Error, limits};
use std::collections::HashMap;

/// A rule or terminal, and what its body is made of.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a body.
pub(super) enum Piece {
    Name(String),
    /// A string, an expression: what has an end by itself.
    Text,
    Open,
    Close,
    OpenMaybe,
    CloseMaybe,
    Or,
    /// What stands before it may be left out.
    Maybe,
    /// What stands before it may be there as often.
    Count(u64),
    Else,
}

/// Where what begins with a quote (or a slash) ends, its end included.
pub(super) fn end_of(text: &str, quote: char) -> Option<usize> {
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

/// Sees to it that the compiler, which follows rules from `start` on, comes not too deep, that no name is
/// there twice, and that there is an end to what they come to.
pub(super) fn check(rules: &[Rule]) -> Result<(), Error> {
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
    let pieces: usize = rules.iter().map(|rule| rule.pieces.len()).sum();
    if rules.len() > limits::RULES || pieces > limits::PIECES {
        return Err(Error(format!(
            "the grammar is too large: more than {} rules or {} parts of such",
            limits::RULES,
            limits::PIECES
        )));
    }
    let Some(&start) = by_name.get("start") else {
        return Err(Error("the grammar has no rule \"start\", which an answer begins with".into()));
    };
    // As the compiler goes: each rule once, at its first mention.
    let mut done = vec![false; rules.len()];
    done[start] = true;
    let mut path = vec![(start, 0)];
    // Terminals are expressions, and stand in others as often as they are named. Of rules the counts multiply.
    let mut weights = vec![0u64; rules.len()];
    while let Some((n, next)) = path.last_mut() {
        let Some(piece) = rules[*n].pieces.get(*next) else {
            let rule = &rules[*n];
            let weight = |name: &str| by_name.get(name).map_or(1, |&other| weights[other]);
            let terminal = rule.name.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase());
            weights[*n] = weigh(&rule.pieces, &mut 0, &weight, terminal);
            if weights[*n] > if terminal { limits::WEIGHT } else { limits::COUNTS } {
                return Err(Error(format!(
                    "the grammar, line {}: too large, once counts are multiplied out",
                    rule.line
                )));
            }
            path.pop();
            continue;
        };
        *next += 1;
        if let Piece::Name(name) = piece
            && let Some(&other) = by_name.get(&**name)
            && !std::mem::replace(&mut done[other], true)
        {
            path.push((other, 0));
            if path.len() > limits::RULES_DEEP {
                let (line, most) = (rules[other].line, limits::RULES_DEEP);
                return Err(Error(format!(
                    "the grammar, line {line}: rules lead to one another more than {most} deep"
                )));
            }
        }
    }
    let mut ends = vec![false; rules.len()];
    loop {
        let mut more = false;
        for n in 0..rules.len() {
            if !ends[n] && any(&rules[n].pieces, &mut 0, &|name| by_name.get(name).is_none_or(|&other| ends[other])) {
                ends[n] = true;
                more = true;
            }
        }
        if !more {
            break;
        }
    }
    match ends[start] {
        true => Ok(()),
        false => Err(Error(format!(
            "the grammar, line {}: \"start\" comes to no text that ends: each of its rules would need another of its kind, for ever",
            rules[start].line
        ))),
    }
}

/// How large a body is with its counts multiplied out, up to the bracket that closes it: all of it, or its largest part.
fn weigh(pieces: &[Piece], at: &mut usize, of: &impl Fn(&str) -> u64, all: bool) -> u64 {
    let mut total = 0u64;
    while let Some(piece) = pieces.get(*at) {
        *at += 1;
        let mut item = match piece {
            Piece::Close | Piece::CloseMaybe => break,
            Piece::Open | Piece::OpenMaybe => weigh(pieces, at, of, all),
            Piece::Name(name) => of(name),
            Piece::Text => 1,
            Piece::Or | Piece::Maybe | Piece::Else | Piece::Count(_) => continue,
        };
        let mut count = 1;
        while let Some(Piece::Count(_) | Piece::Maybe | Piece::Else) = pieces.get(*at) {
            if let Piece::Count(n) = pieces[*at] {
                count = count.max(n);
            }
            *at += 1;
        }
        item = item.saturating_mul(count);
        total = if all { total.saturating_add(item) } else { total.max(item) };
    }
    total
}

/// Whether one of the alternatives from `at` on comes to an end, given which rules do. Stops at the bracket that closes them.
fn any(pieces: &[Piece], at: &mut usize, ends: &impl Fn(&str) -> bool) -> bool {
    let (mut some, mut all) = (false, true);
    while let Some(piece) = pieces.get(*at) {
        *at += 1;
        let item = match piece {
            Piece::Or => {
                some |= all;
                all = true;
                continue;
            }
            Piece::Close | Piece::CloseMaybe => break,
            Piece::Open => any(pieces, at, ends),
            Piece::OpenMaybe => {
                any(pieces, at, ends);
                true
            }
            Piece::Name(name) => ends(name),
            Piece::Text | Piece::Maybe | Piece::Else | Piece::Count(_) => true,
        };
        all &= item || matches!(pieces.get(*at), Some(Piece::Maybe));
    }
    some || all
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
