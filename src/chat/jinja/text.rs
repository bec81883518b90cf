//! Strings that know who wrote each byte of them.
//!
//! A template may trim, cut, join, capitalise and compare the messages as it likes: the bytes it gets are the real
//! ones, and each carries its [`Mark`] along. Only what the template itself wrote can become a special token.

use super::meter::{Charge, Meter, Outcome};
use std::ops::Range;
use std::rc::Rc;

/// Who wrote a byte, the trusted ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The template.
    Template,
    /// The program that calls: roles, variables. A special token may contain it (`<|` ~ role ~ `|>`), and never
    /// begins in it.
    Caller,
    /// Somebody who talks.
    Message,
    /// The same, in the answer that is to be continued.
    Continued,
}

/// A stretch of one mark, from the end of the one before.
#[derive(Clone, Copy, Debug)]
struct Run {
    end: u32,
    mark: Mark,
}

/// A string. Copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Text(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    runs: Vec<Run>,
    /// Characters, not bytes.
    chars: usize,
    /// `Markup` in Python: text that is joined to it is escaped for HTML.
    safe: bool,
    charge: Charge,
}

/// Bytes of an empty string with all that belongs to it.
const EMPTY: usize = size_of::<Inner>() + 2 * size_of::<usize>();

impl Text {
    pub(super) fn new(meter: &Rc<Meter>, text: &str, mark: Mark) -> Outcome<Self> {
        let mut writer = Writer::new(meter)?;
        writer.push(text, mark)?;
        Ok(writer.finish())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    pub(super) fn len(&self) -> usize {
        self.0.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.text.is_empty()
    }

    /// Number of characters.
    pub(super) fn chars(&self) -> usize {
        self.0.chars
    }

    pub(super) fn is_safe(&self) -> bool {
        self.0.safe
    }

    pub(super) fn meter(&self) -> &Rc<Meter> {
        self.0.charge.meter()
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Where a character begins; the text's end for those beyond it.
    pub(super) fn offset(&self, index: usize) -> Outcome<usize> {
        let text = self.as_str();
        if self.chars() == text.len() {
            return Ok(index.min(text.len()));
        }
        self.meter().text(text.len())?;
        Ok(text.char_indices().nth(index).map_or(text.len(), |(at, _)| at))
    }

    /// The stretches of a range, each with its mark.
    pub(crate) fn runs(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, Mark)> {
        let runs = &self.0.runs;
        let first = runs.partition_point(|run| run.end as usize <= range.start);
        let mut at = range.start;
        runs[first..].iter().map_while(move |run| {
            let part = at..range.end.min(run.end as usize);
            at = part.end;
            (!part.is_empty()).then_some((part, run.mark))
        })
    }

    /// Of all its marks the one that allows least, for what is made of the text in another way than by copying it.
    pub(super) fn mark(&self) -> Mark {
        self.0.runs.iter().map(|run| run.mark).max().unwrap_or(Mark::Template)
    }

    /// A part, whose ends lie between characters.
    pub(super) fn slice(&self, range: Range<usize>) -> Outcome<Self> {
        if range == (0..self.len()) {
            return Ok(self.clone());
        }
        let mut writer = Writer::new(self.meter())?;
        writer.copy(self, range)?;
        Ok(writer.finish_as(self.is_safe()))
    }

    /// The part of the text that `part` is; it must be a slice of this very text.
    pub(super) fn part(&self, part: &str) -> Outcome<Self> {
        let at = (part.as_ptr() as usize).saturating_sub(self.as_str().as_ptr() as usize).min(self.len());
        self.slice(at..(at + part.len()).min(self.len()))
    }

    /// The same, as `Markup` or not.
    pub(super) fn with_safe(&self, safe: bool) -> Outcome<Self> {
        if self.is_safe() == safe {
            return Ok(self.clone());
        }
        let mut writer = Writer::new(self.meter())?;
        writer.text(self)?;
        Ok(writer.finish_as(safe))
    }

    /// Each character replaced by what `change` pushes for it, with the marks kept.
    pub(super) fn map(&self, mut change: impl FnMut(usize, char, &mut String)) -> Outcome<Self> {
        let mut writer = Writer::new(self.meter())?;
        let mut buffer = String::new();
        for (range, mark) in self.runs(0..self.len()) {
            let start = range.start;
            for (at, c) in self.as_str()[range].char_indices() {
                change(start + at, c, &mut buffer);
                if buffer.len() > 256 {
                    writer.push(&buffer, mark)?;
                    buffer.clear();
                }
            }
            writer.push(&buffer, mark)?;
            buffer.clear();
        }
        Ok(writer.finish_as(self.is_safe()))
    }
}

/// A string in the making.
#[derive(Debug)]
pub(super) struct Writer {
    text: Vec<u8>,
    runs: Vec<Run>,
    charge: Charge,
}

impl Writer {
    pub(super) fn new(meter: &Rc<Meter>) -> Outcome<Self> {
        Ok(Self { text: Vec::new(), runs: Vec::new(), charge: Charge::new(meter, EMPTY)? })
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn push(&mut self, text: &str, mark: Mark) -> Outcome {
        if text.is_empty() {
            return Ok(());
        }
        self.charge.meter().text(text.len())?;
        self.charge.reserve(&mut self.text, text.len())?;
        self.text.extend_from_slice(text.as_bytes());
        // The meter's limit is below 4 GiB.
        let end = self.text.len() as u32;
        match self.runs.last_mut() {
            Some(last) if last.mark == mark => last.end = end,
            _ => {
                self.charge.reserve(&mut self.runs, 1)?;
                self.runs.push(Run { end, mark });
            }
        }
        Ok(())
    }

    /// What the template or its functions write.
    pub(super) fn own(&mut self, text: &str) -> Outcome {
        self.push(text, Mark::Template)
    }

    pub(super) fn copy(&mut self, from: &Text, range: Range<usize>) -> Outcome {
        for (part, mark) in from.runs(range) {
            self.push(&from.as_str()[part], mark)?;
        }
        Ok(())
    }

    pub(super) fn text(&mut self, from: &Text) -> Outcome {
        self.copy(from, 0..from.len())
    }

    /// A text again and again.
    pub(super) fn repeat(&mut self, from: &Text, times: usize) -> Outcome {
        if !from.is_empty() {
            for _ in 0..times {
                self.text(from)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Text {
        self.finish_as(false)
    }

    pub(super) fn finish_as(mut self, safe: bool) -> Text {
        self.charge.fit(&mut self.text);
        self.charge.fit(&mut self.runs);
        // Whole strings were pushed, so nothing is lost here.
        let text = String::from_utf8(self.text).unwrap_or_default();
        let chars = text.chars().count();
        Text(Rc::new(Inner { text, runs: self.runs, chars, safe, charge: self.charge }))
    }
}
