//! Expressions in the syntax of Rust's crates.

use super::write_char;
use crate::json::escape;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};
use std::fmt::Write;

/// Writes what was read: as it is, or as it stands between the quotes of a JSON string.
pub(super) struct Writer<'a> {
    quoted: bool,
    out: &'a mut String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(quoted: bool, out: &'a mut String) -> Self {
        Writer { quoted, out }
    }

    pub(super) fn group(&mut self, hir: &Hir) {
        self.out.push_str("(?:");
        self.write(hir);
        self.out.push(')');
    }

    pub(super) fn write(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => self.out.push_str("(?:)"),
            HirKind::Literal(bytes) => String::from_utf8_lossy(&bytes.0).chars().for_each(|c| self.character(c)),
            HirKind::Class(Class::Unicode(class)) => self.class(class),
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.ranges().iter().map(|r| ClassUnicodeRange::new(r.start() as char, r.end() as char));
                self.class(&ClassUnicode::new(ranges));
            }
            HirKind::Capture(group) => self.write(&group.sub),
            HirKind::Repetition(r) => {
                self.group(&r.sub);
                let _ = match (r.min, r.max) {
                    (0, None) => write!(self.out, "*"),
                    (1, None) => write!(self.out, "+"),
                    (min, None) => write!(self.out, "{{{min},}}"),
                    (min, Some(max)) => write!(self.out, "{{{min},{max}}}"),
                };
            }
            HirKind::Concat(parts) => parts.iter().for_each(|part| match part.kind() {
                HirKind::Alternation(_) => self.group(part),
                _ => self.write(part),
            }),
            HirKind::Alternation(branches) => {
                self.out.push_str("(?:");
                for (n, branch) in branches.iter().enumerate() {
                    self.out.push_str(if n > 0 { "|" } else { "" });
                    self.write(branch);
                }
                self.out.push(')');
            }
        }
    }

    fn character(&mut self, c: char) {
        match escape(c).filter(|_| self.quoted) {
            Some(escape) => escape.chars().for_each(|c| write_char(c, self.out)),
            None => write_char(c, self.out),
        }
    }

    fn class(&mut self, class: &ClassUnicode) {
        let mut bare = class.clone();
        let mut escaped = Vec::new();
        if self.quoted {
            let mut special = ClassUnicode::new(
                [('\0', '\x1f'), ('"', '"'), ('\\', '\\'), ('\x7f', '\x7f')].map(|(a, b)| ClassUnicodeRange::new(a, b)),
            );
            bare.difference(&special);
            special.intersect(class);
            escaped = special.iter().flat_map(|r| r.start()..=r.end()).filter_map(escape).collect();
        }
        self.out.push_str("(?:");
        if escaped.is_empty() || !bare.ranges().is_empty() {
            self.out.push('[');
            for range in bare.iter() {
                write_char(range.start(), self.out);
                if range.start() != range.end() {
                    self.out.push('-');
                    write_char(range.end(), self.out);
                }
            }
            if bare.ranges().is_empty() {
                // Nothing, in a syntax that has no empty class.
                self.out.push_str("^\\x{0}-\\x{10ffff}");
            }
            self.out.push_str(if escaped.is_empty() { "]" } else { "]|" });
        }
        for (n, escape) in escaped.iter().enumerate() {
            self.out.push_str(if n > 0 { "|" } else { "" });
            escape.chars().for_each(|c| write_char(c, self.out));
        }
        self.out.push(')');
    }
}
