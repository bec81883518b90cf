//! Python's strings: cutting, changing case, filling up.

use super::lexer::is_space;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::text::{Text, Writer};
use super::value::{Items, Kind, Value};

/// Which ends are meant.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
    Both,
}

impl Side {
    pub(super) fn left(self) -> bool {
        self != Side::Right
    }

    pub(super) fn right(self) -> bool {
        self != Side::Left
    }
}

/// Without white space, or without the given characters, at its ends.
pub(super) fn strip(text: &Text, chars: Option<&Text>, side: Side) -> Outcome<Text> {
    let set = chars.map_or("", Text::as_str);
    text.meter().text(text.len())?;
    if !set.is_empty() {
        // Each character at an end is looked up in the set.
        text.meter().work(set.len() / 16 * (1 + text.len() / 16))?;
    }
    let unwanted = |c: char| if chars.is_some() { set.contains(c) } else { is_space(c) };
    let mut rest = text.as_str();
    if side.left() {
        rest = rest.trim_start_matches(unwanted);
    }
    if side.right() {
        rest = rest.trim_end_matches(unwanted);
    }
    text.part(rest)
}

/// Every occurrence replaced, or the first few.
pub(super) fn replace(text: &Text, old: &Text, new: &Text, most: Option<usize>) -> Outcome<Text> {
    let most = most.unwrap_or(usize::MAX);
    let s = text.as_str();
    text.meter().text(s.len())?;
    let mut out = Writer::new(text.meter())?;
    let mut done = 0;
    if old.is_empty() {
        for (at, _) in s.char_indices().chain([(s.len(), ' ')]).take(most) {
            out.copy(text, done..at)?;
            out.text(new)?;
            done = at;
        }
    } else {
        for (at, _) in s.match_indices(old.as_str()).take(most) {
            out.copy(text, done..at)?;
            out.text(new)?;
            done = at + old.len();
        }
    }
    out.copy(text, done..s.len())?;
    Ok(out.finish_as(text.is_safe()))
}

/// Parts between separators, or between white space.
pub(super) fn split(text: &Text, separator: Option<&Text>, most: Option<usize>, from_right: bool) -> Outcome<Value> {
    let mut items = Items::new(text.meter())?;
    let most = most.unwrap_or(usize::MAX);
    let mut rest = text.as_str();
    text.meter().text(rest.len())?;
    let mut push = |part: &str| items.push(Value::Str(text.part(part)?));
    match separator {
        Some(separator) if separator.is_empty() => return fault("empty separator"),
        Some(separator) => {
            let separator = separator.as_str();
            let mut count = 0;
            while count < most {
                let found = if from_right { rest.rsplit_once(separator) } else { rest.split_once(separator) };
                let Some((left, right)) = found else { break };
                let (part, other) = if from_right { (right, left) } else { (left, right) };
                push(part)?;
                rest = other;
                count += 1;
            }
            push(rest)?;
        }
        None => {
            let mut count = 0;
            loop {
                rest = if from_right { rest.trim_end_matches(is_space) } else { rest.trim_start_matches(is_space) };
                let end = if from_right {
                    rest.char_indices().rev().find(|(_, c)| is_space(*c)).map(|(at, c)| at + c.len_utf8())
                } else {
                    rest.find(is_space)
                };
                let end = end.filter(|_| count < most);
                let (part, other) = match (end, from_right) {
                    (Some(at), true) => (&rest[at..], &rest[..at]),
                    (Some(at), false) => (&rest[..at], &rest[at..]),
                    (None, true) => (rest.trim_start_matches(|c| count < most && is_space(c)), ""),
                    (None, false) => (rest, ""),
                };
                if part.is_empty() {
                    break;
                }
                // The last part keeps the white space inside and beyond it.
                push(part)?;
                rest = other;
                count += 1;
            }
        }
    }
    if from_right {
        items.values().reverse();
    }
    items.finish(Kind::List)
}

/// Python's line ends: more than line feeds.
pub(super) fn lines(s: &str, keep: bool) -> impl Iterator<Item = &str> {
    let mut rest = s;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_end = |c: char| {
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        };
        let end = rest.find(is_end).unwrap_or(rest.len());
        let mut after = end + rest[end..].chars().next().map_or(0, char::len_utf8);
        if rest[end..].starts_with("\r\n") {
            after += 1;
        }
        let line = &rest[..if keep { after } else { end }];
        rest = &rest[after..];
        Some(line)
    })
}

/// How letters change.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Case {
    Upper,
    Lower,
    /// The first letter large, the others small.
    Capitalize,
    /// So each word: what follows something that is no letter.
    Title,
    /// So each word: what follows a space or an opening bracket. Jinja's filter.
    FilterTitle,
    Swap,
}

pub(super) fn change_case(text: &Text, case: Case) -> Outcome<Text> {
    let s = text.as_str();
    let mut before = ' ';
    text.map(|at, c, out| {
        let first = match case {
            Case::Upper => true,
            Case::Lower => false,
            Case::Capitalize => at == 0,
            Case::Title => !before.is_alphabetic(),
            Case::FilterTitle => at == 0 || is_space(before) || matches!(before, '-' | '(' | '{' | '[' | '<'),
            Case::Swap => c.is_lowercase(),
        };
        if first {
            out.extend(c.to_uppercase());
        } else if c == 'Σ' {
            let ends = before.is_alphabetic() && !s[at + c.len_utf8()..].starts_with(char::is_alphabetic);
            out.push(if ends { 'ς' } else { 'σ' });
        } else {
            out.extend(c.to_lowercase());
        }
        before = c;
    })
}

/// Filled up to a width.
pub(super) fn justify(text: &Text, width: i64, fill: &Text, side: Side) -> Outcome<Text> {
    if fill.chars() != 1 {
        return fault("The fill character must be exactly one character long");
    }
    let room = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars());
    let left = match side {
        Side::Left => 0,
        Side::Right => room,
        // Python gives the odd one to the left where the width is odd.
        Side::Both => room / 2 + (room & width as usize & 1),
    };
    let mut out = Writer::new(text.meter())?;
    out.repeat(fill, left)?;
    out.text(text)?;
    out.repeat(fill, room - left)?;
    Ok(out.finish_as(text.is_safe()))
}

/// A string between the items of a list.
pub(super) fn join(machine: &Machine, separator: &Text, items: &[Value]) -> Outcome<Text> {
    let mut out = Writer::new(&machine.meter)?;
    for (index, item) in items.iter().enumerate() {
        machine.meter.work(1)?;
        if index > 0 {
            out.text(separator)?;
        }
        machine.print(item, &mut out)?;
    }
    Ok(out.finish())
}
