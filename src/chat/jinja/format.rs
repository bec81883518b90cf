//! Python's `'%s' % values` and `'{}'.format(values)`.

use super::call::Arguments;
use super::machine::Machine;
use super::meter::{Outcome, fault};
use super::print::float;
use super::strings::{Side, justify};
use super::text::{Mark, Text, Writer};
use super::value::{Kind, Number, Value};

/// How one value is written.
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    /// `+`, a space, or nothing.
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    thousands: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

impl Machine {
    /// `format % values`
    pub(super) fn percent(&mut self, format: &Text, values: &Value) -> Outcome<Value> {
        let mut out = Writer::new(&self.meter)?;
        let one = [values.clone()];
        let list = match values {
            Value::List(list) if list.kind == Kind::Tuple => &list.items[..],
            _ => &one,
        };
        let mut next = list.iter();
        let s = format.as_str();
        let (mut at, mut named) = (0, false);
        while let Some(found) = s[at..].find('%') {
            out.copy(format, at..at + found)?;
            at += found + 1;
            let rest = &s[at..];
            let mut chars = rest.chars();
            let key = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(key, _)| key);
            let mut value = None;
            if let Some(key) = key {
                let Value::Dict(dict) = values else { return fault("format requires a mapping") };
                let Some(found) = dict.get_str(key)? else { return fault(format!("'{key}' is not in the mapping")) };
                (value, named) = (Some(found), true);
                chars = rest[key.len() + 2..].chars();
            }
            let mut spec = Spec::default();
            let mut c = chars.next();
            while let Some(flag @ ('-' | '+' | ' ' | '#' | '0')) = c {
                match flag {
                    '-' => spec.align = Some('<'),
                    '+' => spec.sign = Some('+'),
                    ' ' => spec.sign = spec.sign.or(Some(' ')),
                    '#' => spec.alternate = true,
                    _ => spec.zero = true,
                }
                c = chars.next();
            }
            let mut number = |c: &mut Option<char>, chars: &mut std::str::Chars| -> Outcome<usize> {
                if *c == Some('*') {
                    *c = chars.next();
                    return match next.next() {
                        Some(Value::Int(width)) => Ok(usize::try_from(*width).unwrap_or(0)),
                        _ => fault("* wants int"),
                    };
                }
                let mut number = 0usize;
                while let Some(digit) = c.and_then(|c| c.to_digit(10)) {
                    number = number.saturating_mul(10).saturating_add(digit as usize);
                    *c = chars.next();
                }
                Ok(number)
            };
            spec.width = number(&mut c, &mut chars)?;
            if c == Some('.') {
                c = chars.next();
                spec.precision = Some(number(&mut c, &mut chars)?);
                if c.is_none() {
                    return fault("incomplete format");
                }
            }
            let Some(kind) = c else { return fault("incomplete format") };
            at = s.len() - chars.as_str().len();
            if kind == '%' {
                out.copy(format, at - 1..at)?;
                continue;
            }
            spec.kind = kind;
            let Some(value) = value.or_else(|| next.next()) else {
                return fault("not enough arguments for format string");
            };
            spec.align = spec.align.or(Some('>'));
            let text = match (kind, value.number()) {
                ('s', _) => self.text(value)?,
                ('r' | 'a', _) => {
                    let mut out = Writer::new(&self.meter)?;
                    self.repr(value, &mut out)?;
                    out.finish()
                }
                ('c', _) => match value {
                    Value::Str(text) if text.chars() == 1 => text.clone(),
                    Value::Int(code) => {
                        let c = u32::try_from(*code).ok().and_then(char::from_u32);
                        let Some(c) = c else { return fault("%c arg is no character") };
                        Text::new(&self.meter, c.encode_utf8(&mut [0; 4]), Mark::Message)?
                    }
                    _ => return fault("%c requires int or char"),
                },
                ('d' | 'i' | 'u', Some(Number::Float(f))) => self.number(Number::Int(f as i64), &spec)?,
                ('d' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G', Some(number)) => {
                    self.number(number, &spec)?
                }
                ('d' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G', None) => {
                    self.defined(value)?;
                    return fault(format!("%{kind} format: a number is required, not {}", value.type_name()));
                }
                _ => return fault(format!("unsupported format character '{kind}'")),
            };
            let text = if matches!(kind, 's' | 'r' | 'a') { cut(text, spec.precision)? } else { text };
            out.text(&self.aligned(&text, &spec, '>')?)?;
        }
        out.copy(format, at..s.len())?;
        if !named && next.next().is_some() && !matches!(values, Value::Dict(_) | Value::List(_)) | (list.len() > 1) {
            return fault("not all arguments converted during string formatting");
        }
        Ok(Value::Str(out.finish_as(format.is_safe())))
    }

    /// `'…{}…{name!r:>5}…'.format(…)`
    pub(super) fn format(&mut self, format: &Text, args: Arguments) -> Outcome<Value> {
        let mut out = Writer::new(&self.meter)?;
        let s = format.as_str();
        let (mut at, mut automatic) = (0, 0);
        while let Some(found) = s[at..].find(['{', '}']) {
            let brace = at + found;
            out.copy(format, at..brace)?;
            if s[brace + 1..].starts_with(&s[brace..=brace]) {
                out.copy(format, brace..brace + 1)?;
                at = brace + 2;
                continue;
            }
            if s.as_bytes()[brace] == b'}' {
                return fault("Single '}' encountered in format string");
            }
            let Some(length) = s[brace..].find('}') else { return fault("expected '}' before end of string") };
            let field = &s[brace + 1..brace + length];
            at = brace + length + 1;
            if field.contains('{') {
                return fault("fields inside of a field of `format` are not known here");
            }
            let (name, spec) = field.split_once(':').unwrap_or((field, ""));
            let (name, conversion) = match name.split_once('!') {
                Some((name, conversion)) => (name, Some(conversion)),
                None => (name, None),
            };
            self.meter.work(1 + args.named.len() / 8)?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (first, path) = name.split_at(end);
            let mut value = if first.is_empty() {
                automatic += 1;
                args.positional.get(automatic - 1)
            } else if let Ok(index) = first.parse::<usize>() {
                args.positional.get(index)
            } else {
                let name = self.names.get(first);
                args.named.iter().find(|(other, _)| Some(*other) == name).map(|(_, value)| value)
            }
            .cloned();
            for part in path.split(['.', '[']).skip(1) {
                let part = part.trim_end_matches(']');
                let item = match part.parse::<i64>() {
                    Ok(index) => Value::Int(index),
                    Err(_) => self.string(part)?,
                };
                value = match value {
                    Some(value) => Some(self.item(&value, &item)?),
                    None => None,
                };
            }
            let Some(value) = value else { return fault(format!("`format` has no argument for {{{name}}}")) };
            let value = match conversion {
                None => value,
                Some("s") => Value::Str(self.text(&value)?),
                Some("r" | "a") => {
                    let mut out = Writer::new(&self.meter)?;
                    self.repr(&value, &mut out)?;
                    Value::Str(out.finish())
                }
                Some(other) => return fault(format!("unknown conversion '{other}' in a format")),
            };
            let text = self.formatted(&value, spec)?;
            out.text(&text)?;
        }
        out.copy(format, at..s.len())?;
        Ok(Value::Str(out.finish_as(format.is_safe())))
    }

    fn formatted(&self, value: &Value, spec: &str) -> Outcome<Text> {
        if spec.is_empty() {
            return self.text(value);
        }
        let spec = parse(spec)?;
        match value {
            Value::Str(text) if matches!(spec.kind, '\0' | 's') => {
                let text = cut(text.clone(), spec.precision)?;
                self.aligned(&text, &spec, '<')
            }
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => match value.number() {
                Some(Number::Int(_)) if matches!(value, Value::Bool(_)) && spec.kind == '\0' => {
                    self.aligned(&self.text(value)?, &spec, '<')
                }
                Some(number) => self.aligned(&self.number(number, &spec)?, &spec, '>'),
                None => fault("no number"),
            },
            _ => {
                self.defined(value)?;
                fault(format!("unsupported format string passed to {}", value.type_name()))
            }
        }
    }

    /// A number, with zeros up to the width where they are asked for.
    fn number(&self, number: Number, spec: &Spec) -> Outcome<Text> {
        let places = spec.precision.unwrap_or(6).min(400);
        let (negative, mut digits) = match (number, spec.kind) {
            (Number::Int(i), '\0' | 'd' | 'i' | 'u' | 'n') => (i < 0, i.unsigned_abs().to_string()),
            (Number::Int(i), 'x') => {
                (i < 0, format!("{}{:x}", if spec.alternate { "0x" } else { "" }, i.unsigned_abs()))
            }
            (Number::Int(i), 'X') => {
                (i < 0, format!("{}{:X}", if spec.alternate { "0X" } else { "" }, i.unsigned_abs()))
            }
            (Number::Int(i), 'o') => {
                (i < 0, format!("{}{:o}", if spec.alternate { "0o" } else { "" }, i.unsigned_abs()))
            }
            (Number::Int(i), 'b') => {
                (i < 0, format!("{}{:b}", if spec.alternate { "0b" } else { "" }, i.unsigned_abs()))
            }
            (number, kind) => {
                let f = number.float();
                let size = f.abs();
                let text = match kind {
                    _ if !f.is_finite() => float(size),
                    '\0' if spec.precision.is_none() => float(size),
                    'f' | 'F' => format!("{size:.places$}"),
                    '%' => format!("{:.places$}%", size * 100.0),
                    'e' | 'E' => exponential(size, places, kind),
                    'g' | 'G' | '\0' => general(size, places.max(1), kind),
                    _ => return fault(format!("unknown format code '{kind}' for a number")),
                };
                (f.is_sign_negative() && !f.is_nan(), text)
            }
        };
        if spec.thousands {
            let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let mut at = whole;
            while at > 3 {
                at -= 3;
                digits.insert(at, ',');
            }
        }
        let sign = if negative { "-" } else { spec.sign.map_or("", |sign| if sign == '+' { "+" } else { " " }) };
        let mut out = Writer::new(&self.meter)?;
        out.own(sign)?;
        if spec.zero && spec.align != Some('<') {
            let zeros = spec.width.saturating_sub(sign.len() + digits.len());
            out.repeat(&super::print::own(self, "0")?, zeros)?;
        }
        out.own(&digits)?;
        Ok(out.finish())
    }

    fn aligned(&self, text: &Text, spec: &Spec, usual: char) -> Outcome<Text> {
        let width = i64::try_from(spec.width).unwrap_or(i64::MAX);
        if spec.width <= text.chars() {
            return Ok(text.clone());
        }
        let fill = spec.fill.unwrap_or(' ');
        let fill = super::print::own(self, fill.encode_utf8(&mut [0; 4]))?;
        justify(
            text,
            width,
            &fill,
            match spec.align.unwrap_or(usual) {
                '<' => Side::Left,
                '^' => Side::Both,
                _ => Side::Right,
            },
        )
    }
}

/// At most so many characters.
fn cut(text: Text, most: Option<usize>) -> Outcome<Text> {
    match most {
        Some(most) if most < text.chars() => text.slice(0..text.offset(most)?),
        _ => Ok(text),
    }
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
fn parse(text: &str) -> Outcome<Spec> {
    let mut spec = Spec::default();
    let mut chars = text.chars().peekable();
    let is_align = |c: char| matches!(c, '<' | '>' | '^' | '=');
    let mut first = text.chars();
    match (first.next(), first.next()) {
        (Some(fill), Some(align)) if is_align(align) => {
            (spec.fill, spec.align) = (Some(fill), Some(align));
            chars.nth(1);
        }
        (Some(align), _) if is_align(align) => spec.align = chars.next(),
        _ => {}
    }
    spec.sign = chars.next_if(|c| matches!(c, '+' | '-' | ' ')).filter(|c| *c != '-');
    spec.alternate = chars.next_if_eq(&'#').is_some();
    spec.zero = chars.next_if_eq(&'0').is_some() && spec.align.is_none();
    let number = |chars: &mut std::iter::Peekable<std::str::Chars>| {
        let mut number = None;
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
            chars.next();
            number = Some(number.unwrap_or(0usize).saturating_mul(10).saturating_add(digit as usize));
        }
        number
    };
    spec.width = number(&mut chars).unwrap_or(0);
    spec.thousands = chars.next_if(|c| matches!(c, ',' | '_')).is_some();
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = number(&mut chars);
    }
    spec.kind = chars.next().unwrap_or('\0');
    if chars.next().is_some() {
        return fault(format!("invalid format specifier '{text}'"));
    }
    Ok(spec)
}

/// `1.500000e+03`
fn exponential(size: f64, places: usize, kind: char) -> String {
    let text = format!("{size:.places$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}{kind}{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// As few digits as that precision needs, in the shorter form.
fn general(size: f64, precision: usize, kind: char) -> String {
    let rounded = format!("{size:.*e}", precision - 1);
    let exponent: i32 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let large = if kind == 'G' { 'E' } else { 'e' };
    let text = if exponent < -4 || exponent >= precision as i32 {
        exponential(size, precision - 1, large)
    } else {
        format!("{size:.*}", (precision as i32 - 1 - exponent).max(0) as usize)
    };
    let (digits, rest) = match text.find(large) {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}{rest}")
}
