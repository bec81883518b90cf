//! Regular expressions: read as ECMAScript reads them (what JSON schemas are written in), written as llguidance takes them.
//!
//! Where languages differ on what a class has ([`Reading`]), the narrower one is taken for what is made, so that it is right for each
//! reader: `\d` is 0 to 9, and `\D` no digit of any script. Where something must not match, the wider one is.

mod ecma;
mod write;

use crate::{Error, limits};
use regex_syntax::hir::{Class, Dot, Hir, HirKind, Look, Repetition};
use std::fmt::Write;
use write::Writer;

/// How far an expression has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From the first to the last character.
    Whole,
    /// Any part, as a schema's `pattern`.
    Part,
}

/// Which texts: readers differ on `\d`, `\w`, `\s` and `.` beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Those that match for each reader.
    Narrow,
    /// Those that match for any.
    Wide,
}

/// The texts that `pattern` matches.
pub(crate) fn read(pattern: &str, reach: Reach, reading: Reading) -> Result<Hir, Error> {
    if pattern.len() > limits::PATTERN {
        return Err(Error(format!(
            "an expression of {} bytes: more than the limit of {}",
            pattern.len(),
            limits::PATTERN
        )));
    }
    let translated = ecma::translated(pattern, reading == Reading::Wide)?;
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(2 * limits::GROUPS as u32 + 20).build();
    let hir = parser.parse(&translated).map_err(|why| match why {
        regex_syntax::Error::Parse(why) => Error(format!("the regular expression: {}", why.kind())),
        regex_syntax::Error::Translate(why) => Error(format!("the regular expression: {}", why.kind())),
        _ => Error("the regular expression can't be read".into()),
    })?;
    if weight(&hir) > limits::WEIGHT {
        return Err(Error(format!(
            "the regular expression is too large: its counts multiply to more than {} characters",
            limits::WEIGHT
        )));
    }
    let edge = if reach == Reach::Whole { Edge::Fixed } else { Edge::Open };
    let hir = anchored(&hir, edge, edge)?;
    match hir.properties().minimum_len() {
        None => Err(Error("the regular expression matches nothing: a class of it is empty".into())),
        Some(_) => Ok(hir),
    }
}

/// `hir` in the syntax of Rust's crates, within a Lark terminal's slashes.
pub(crate) fn plain(hir: &Hir) -> String {
    let mut out = String::new();
    Writer::new(false, &mut out).write(hir);
    out
}

/// The JSON strings whose content `hir` matches, quotes included.
pub(crate) fn quoted(hir: &Hir) -> String {
    let mut out = String::from("\\x{22}");
    Writer::new(true, &mut out).group(hir);
    out.push_str("\\x{22}");
    out
}

/// `text` as an expression that matches it alone.
pub(crate) fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        write_char(c, &mut out);
    }
    out
}

/// What one character of a JSON string may be written as.
pub(crate) const CHARACTER: &str =
    r#"(?:[^\x{22}\x{5c}\x{0}-\x{1f}\x{7f}]|\x{5c}(?:[\x{22}\x{5c}bfnrt]|u00(?:0[0-7be]|0f|1[0-9a-f]|7f)))"#;

/// Where an expression stands: whether text may lie beyond that side of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Within a longer one: no anchor can hold here.
    Inside,
    /// At the end, and anything may lie beyond.
    Open,
    /// At the end, and nothing may.
    Fixed,
}

/// Takes anchors out: what lies open beyond an edge is written as "any text".
fn anchored(hir: &Hir, start: Edge, end: Edge) -> Result<Hir, Error> {
    let wrap = |hir: Hir, start: Edge, end: Edge| {
        let any =
            || Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(Hir::dot(Dot::AnyChar)) });
        let mut parts = Vec::new();
        if start == Edge::Open {
            parts.push(any());
        }
        parts.push(hir);
        if end == Edge::Open {
            parts.push(any());
        }
        Hir::concat(parts)
    };
    let fixed = |edge| if edge == Edge::Open { Edge::Fixed } else { edge };
    match hir.kind() {
        HirKind::Look(Look::Start) if start != Edge::Inside => Ok(wrap(Hir::empty(), fixed(start), end)),
        HirKind::Look(Look::End) if end != Edge::Inside => Ok(wrap(Hir::empty(), start, fixed(end))),
        HirKind::Capture(group) => anchored(&group.sub, start, end),
        HirKind::Alternation(branches) => {
            branches.iter().map(|branch| anchored(branch, start, end)).collect::<Result<Vec<_>, _>>().map(Hir::alternation)
        }
        HirKind::Concat(parts) => {
            let is = |look: Look| move |part: &Hir| matches!(part.kind(), HirKind::Look(l) if *l == look);
            let first = if start == Edge::Inside { 0 } else { parts.iter().take_while(|p| is(Look::Start)(p)).count() };
            let start = if first > 0 { fixed(start) } else { start };
            let rest = &parts[first..];
            let last = if end == Edge::Inside { 0 } else { rest.iter().rev().take_while(|p| is(Look::End)(p)).count() };
            let end = if last > 0 { fixed(end) } else { end };
            let rest = &rest[..rest.len() - last];
            match rest {
                [] => Ok(wrap(Hir::empty(), start, end)),
                [one] => anchored(one, start, end),
                [front, middle @ .., back] => {
                    let mut out = vec![anchored(front, start, Edge::Inside)?];
                    for part in middle {
                        out.push(anchored(part, Edge::Inside, Edge::Inside)?);
                    }
                    out.push(anchored(back, Edge::Inside, end)?);
                    Ok(Hir::concat(out))
                }
            }
        }
        _ if !hir.properties().look_set().is_empty() => {
            Err(Error("the regular expression has an anchor (^ or $) that is not at its beginning or end: not kept, write it without".into()))
        }
        _ => Ok(wrap(hir.clone(), start, end)),
    }
}

/// Characters with counts multiplied out.
pub(crate) fn weight(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(bytes) => bytes.0.len() as u64,
        HirKind::Class(Class::Unicode(class)) => 1 + class.ranges().len() as u64 / 16,
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Repetition(r) => weight(&r.sub).max(1).saturating_mul(u64::from(r.max.unwrap_or(r.min).max(1))),
        HirKind::Capture(c) => weight(&c.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(weight).fold(0, u64::saturating_add),
    }
}

/// Whether a text that `hir` matches may have one of the characters.
pub(crate) fn may_have(hir: &Hir, characters: &[char]) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(bytes) => characters.iter().any(|&c| bytes.0.contains(&(c as u8))),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().any(|range| characters.iter().any(|&c| range.start() <= c && c <= range.end()))
        }
        HirKind::Class(Class::Bytes(_)) => true,
        HirKind::Repetition(r) => may_have(&r.sub, characters),
        HirKind::Capture(c) => may_have(&c.sub, characters),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| may_have(part, characters)),
    }
}

fn write_char(c: char, out: &mut String) {
    if c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && c.is_alphanumeric()) {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", c as u32);
    }
}
