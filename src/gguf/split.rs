//! Files that hold a part of a model each, as llama.cpp's `gguf-split` writes them.
//!
//! The first has the model's metadata, and all have the three `split.*` keys and some of the tensors. Each is a GGUF of
//! its own, with offsets that begin at 0; their names end in `-00001-of-00003.gguf` and so on.

use super::{Metadata, TensorInfo, Value};
use crate::{Error, Result};
use std::collections::HashSet;

const NO: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";
const EXTENSION: &str = ".gguf";

/// What a part says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Which part it is, from 0.
    pub no: u16,
    /// Parts in all, 2 or more.
    pub count: u16,
    /// Tensors in all parts together.
    pub tensors: u32,
}

impl Split {
    /// The part that a file is. `None` for a whole model, also for one that was joined again, whose count is 0.
    ///
    /// # Errors
    /// A key of three without the others, of another type, or a part beyond the count.
    pub fn from_metadata(m: &Metadata) -> Result<Option<Self>> {
        let count = match integer(m, COUNT)? {
            None | Some(0 | 1) => return Ok(None),
            Some(count) => count,
        };
        let required = |key: &str| integer(m, key)?.ok_or_else(|| Error::MissingKey { key: key.to_owned() });
        let no = required(NO)?;
        let tensors = m.u32(TENSORS)?.ok_or_else(|| Error::MissingKey { key: TENSORS.to_owned() })?;
        if no >= count {
            let reason = format!("parts are counted from 0, and `{COUNT}` is {count}");
            return Err(Error::BadValue { key: NO.to_owned(), value: no.to_string(), reason });
        }
        Ok(Some(Self { no, count, tensors }))
    }

    /// Sets the three keys, with the types that llama.cpp gives them.
    pub fn write(self, m: &mut Metadata) {
        m.insert(NO, Value::U16(self.no));
        m.insert(COUNT, Value::U16(self.count));
        m.insert(TENSORS, Value::I32(i32::try_from(self.tensors).unwrap_or(i32::MAX)));
    }

    /// The names of all parts in order, where `first` is the name of the first: it ends in `-00001-of-`, a count of five
    /// digits that is not 0, and `.gguf`, in capitals too. Nothing keeps a whole model from having such a name.
    pub fn names(first: &str) -> Option<Vec<String>> {
        let (stem, extension) = first.split_at_checked(first.len().checked_sub(EXTENSION.len())?)?;
        if !extension.eq_ignore_ascii_case(EXTENSION) {
            return None;
        }
        let (prefix, count) = stem.rsplit_once("-00001-of-")?;
        if count.len() != 5 || !count.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let count: u32 = count.parse().ok().filter(|&count| count > 0)?;
        Some((0..count).map(|no| Self::stem(prefix, no, count) + extension).collect())
    }

    /// The name of part `no`, from 0, of `count`.
    pub fn name(prefix: &str, no: u32, count: u32) -> String {
        Self::stem(prefix, no, count) + EXTENSION
    }

    fn stem(prefix: &str, no: u32, count: u32) -> String {
        format!("{prefix}-{:05}-of-{count:05}", no + 1)
    }

    /// Takes the keys out: what is left are those of the whole model.
    pub fn remove(m: &mut Metadata) {
        [NO, COUNT, TENSORS].iter().for_each(|key| drop(m.remove(key)));
    }

    /// `part 2 of 5`.
    pub(crate) fn of(no: u16, count: u16) -> String {
        format!("part {} of {count}", u32::from(no) + 1)
    }
}

/// The files of a model as they are read, one after the other: each must be the one that is due.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    split: Option<Split>,
    /// The file at hand, from 0.
    no: u16,
    /// Tensors of the files before.
    earlier: HashSet<String>,
}

impl Sequence {
    /// Whether the file at hand is the first.
    pub(crate) fn is_first(&self) -> bool {
        self.no == 0
    }

    /// Whether it is the last, or the only one; told by the first one's metadata.
    pub(crate) fn is_last(&self) -> bool {
        self.split.is_none_or(|split| self.no + 1 == split.count)
    }

    /// Whether a file before has a tensor of this name.
    pub(crate) fn had(&self, tensor: &str) -> bool {
        self.earlier.contains(tensor)
    }

    /// Takes the metadata of the file at hand.
    pub(crate) fn check_metadata(&mut self, m: &Metadata) -> Result<()> {
        if self.is_first() {
            self.split = Split::from_metadata(m)?;
            if let Some(Split { no: no @ 1.., count, .. }) = self.split {
                let expected = "a whole model, or the first part of one,".to_owned();
                return Err(Error::WrongPart { expected, found: Split::of(no, count) });
            }
            return Ok(());
        }
        let Some(first) = self.split else { return Ok(()) };
        let due = Split { no: self.no, ..first };
        let found = match Split::from_metadata(m)? {
            Some(found) if found == due => return Ok(()),
            Some(found) if (found.no, found.count) == (due.no, due.count) => {
                format!("the same part of a model of {} tensors instead of {}", found.tensors, due.tensors)
            }
            Some(found) => Split::of(found.no, found.count),
            None => "no part of a split model".to_owned(),
        };
        Err(Error::WrongPart { expected: Split::of(due.no, due.count), found })
    }

    /// Takes the tensor table of the file at hand.
    pub(crate) fn check_tensors(&self, table: &[TensorInfo]) -> Result<()> {
        let Some(split) = self.split else { return Ok(()) };
        let part = Split::of(self.no, split.count);
        if let Some(info) = table.iter().find(|info| self.had(&info.name)) {
            return Err(Error::TensorInTwoParts { tensor: info.name.clone(), part });
        }
        let (found, expected) = ((self.earlier.len() + table.len()) as u64, u64::from(split.tensors));
        if found > expected || (found < expected && self.is_last()) {
            return Err(Error::WrongTensorCount { part, found, expected });
        }
        Ok(())
    }

    /// An error that the tensors of the file at hand give: in a later one it means that the file is not of the model of the
    /// first.
    pub(crate) fn of_another(&self, error: Error) -> Error {
        match self.split {
            Some(Split { count, .. }) if !self.is_first() => Error::WrongPart {
                expected: Split::of(self.no, count),
                found: format!("the same part of another model ({error})"),
            },
            _ => error,
        }
    }

    /// Goes on to the next file, behind the one with this tensor table.
    pub(crate) fn next(&mut self, table: &[TensorInfo]) -> Result<()> {
        if self.is_last() {
            return Err(Error::WrongPart { expected: "the end of the model".to_owned(), found: "one more".to_owned() });
        }
        let bytes = (table.len() * size_of::<String>()) as u64;
        let no_room = |_| Error::OutOfMemory { what: "the names of tensors".to_owned(), bytes };
        self.earlier.try_reserve(table.len()).map_err(no_room)?;
        self.earlier.extend(table.iter().map(|info| info.name.clone()));
        self.no += 1;
        Ok(())
    }

    /// Whether all files have come.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.split {
            Some(Split { count, .. }) if !self.is_last() => {
                let no = self.no + 1;
                let name = Split::name("", no.into(), count.into());
                Err(Error::MissingPart { part: Split::of(no, count), name })
            }
            _ => Ok(()),
        }
    }
}

fn integer(m: &Metadata, key: &str) -> Result<Option<u16>> {
    let Some(value) = m.u32(key)? else { return Ok(None) };
    u16::try_from(value).map(Some).map_err(|_| Error::BadValue {
        key: key.to_owned(),
        value: value.to_string(),
        reason: "it must be at most 65535".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_parts() {
        let names = Split::names("a/m-00001-of-00003.gguf").unwrap();
        assert_eq!(names, ["a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"]);
        // Whoever named the first so named the others so.
        assert_eq!(Split::names("M-00001-of-00002.GGUF").unwrap(), ["M-00001-of-00002.GGUF", "M-00002-of-00002.GGUF"]);
        assert_eq!(Split::names("ü-00001-of-00002.Gguf").unwrap()[1], "ü-00002-of-00002.Gguf");
        assert_eq!(Split::name("m", 1, 2), "m-00002-of-00002.gguf");
        for other in [
            "",
            "ü",
            "GGUF",
            "-00001-of-00002.ggüf",
            "m.gguf",
            "m-00002-of-00003.gguf",
            "m-00001-of-00000.gguf",
            "m-00001-of-3.gguf",
            "m-00001-of-+0003.gguf",
            "m-00001-of-00003.bin",
        ] {
            assert_eq!(Split::names(other), None, "{other}");
        }
    }

    #[test]
    fn keys_of_a_part() {
        let mut m = Metadata::new();
        assert_eq!(Split::from_metadata(&m).unwrap(), None);
        let split = Split { no: 2, count: 3, tensors: 70_000 };
        split.write(&mut m);
        assert_eq!(Split::from_metadata(&m).unwrap(), Some(split));
        // gguf-split --merge leaves the keys in place.
        m.insert(COUNT, Value::U16(0));
        assert_eq!(Split::from_metadata(&m).unwrap(), None);
        for (key, value) in [
            (NO, Value::U16(3)),
            (COUNT, Value::U32(65_536)),
            (TENSORS, Value::I32(-1)),
            (NO, Value::String("1".into())),
        ] {
            let mut m = m.clone();
            m.insert(COUNT, Value::U16(3));
            m.insert(key, value);
            assert!(Split::from_metadata(&m).is_err(), "{key}: {m:?}");
        }
        for key in [NO, TENSORS] {
            let mut m = m.clone();
            m.insert(COUNT, Value::U16(3));
            m.remove(key);
            assert_eq!(Split::from_metadata(&m), Err(Error::MissingKey { key: key.into() }));
        }
    }
}
