//! One GGUF into parts, and parts into one.

use super::reader::Gguf;
use super::rewrite::{Plan, Step};
use crate::convert::Folder;
use crate::gguf::{Decoder, Event, Limits, Metadata, Split, TensorDeclaration};
use crate::{Error, Result};
use std::ops::Range;

/// More parts than five digits, and a `u16`, can count.
const MOST_PARTS: usize = u16::MAX as usize;

impl<F: Folder> Gguf<F> {
    /// The whole model in one file.
    ///
    /// # Errors
    /// [`Error::BadWrite`] for what no file can hold.
    pub fn merge(&self) -> Result<Plan> {
        Plan::new(self.metadata.clone(), self.copies(0..self.tensors.len()))
    }

    /// Parts of at most `most` bytes each, as few as the tensors' order allows; one whole file where that is no larger. The first has
    /// the key-values of the model.
    ///
    /// # Errors
    /// [`Error::TooLargeForPart`] for a tensor, or key-values, that no part of the size holds.
    pub fn split(&self, most: u64) -> Result<Vec<Plan>> {
        let whole = self.merge()?;
        if whole.size() <= most {
            return Ok(vec![whole]);
        }
        let tensors = u32::try_from(self.tensors.len()).unwrap_or(u32::MAX);
        // The numbers take the same bytes whatever they are.
        let key_values = |no: usize, count: usize| {
            let mut metadata = if no == 0 { self.metadata.clone() } else { Metadata::new() };
            let [no, count] = [no, count].map(|number| u16::try_from(number).unwrap_or(u16::MAX));
            Split { no, count, tensors }.write(&mut metadata);
            // Where the data begins depends on it.
            if no > 0
                && let Some(alignment) = self.metadata.get("general.alignment")
            {
                metadata.insert("general.alignment", alignment.clone());
            }
            metadata
        };
        let mut cuts = Vec::new();
        let mut from = 0;
        loop {
            let to = self.longest(cuts.len(), from, most, &key_values(cuts.len(), MOST_PARTS))?;
            cuts.push(from..to);
            from = to;
            if from >= self.tensors.len() {
                break;
            }
            if cuts.len() == MOST_PARTS {
                let reason = format!("there would be more than {MOST_PARTS} parts: allow larger ones");
                return Err(Error::BadWrite { what: "the parts".to_owned(), reason });
            }
        }
        let count = cuts.len();
        cuts.into_iter().enumerate().map(|(no, tensors)| self.part(key_values(no, count), tensors)).collect()
    }

    /// A part, of which its own places tell what its tensors' types are: where one number has several meanings, a part may have too
    /// few tensors for that. Its types then have the numbers of their first writers, which mean less.
    fn part(&self, metadata: Metadata, tensors: Range<usize>) -> Result<Plan> {
        let copies = self.copies(tensors.clone());
        let plan = Plan::new(metadata.clone(), copies.clone())?;
        if self.check_types(&plan, tensors.clone()).is_ok() {
            return Ok(plan);
        }
        let kinds = self.tensors[tensors.clone()].iter().map(|stored| stored.info.kind.into());
        let renumbered = copies.into_iter().zip(kinds);
        let renumbered =
            renumbered.map(|((tensor, step), kind)| (TensorDeclaration { kind, ..tensor }, step)).collect();
        let plan = Plan::new(metadata, renumbered)?;
        self.check_types(&plan, tensors)?;
        Ok(plan)
    }

    /// Whether a reader of the part alone finds the types that the whole model has.
    fn check_types(&self, plan: &Plan, tensors: Range<usize>) -> Result<()> {
        let limits = Limits { file_size: Some(plan.size()), ..Limits::default() };
        let architecture = self.metadata.str("general.architecture").ok().flatten().unwrap_or_default();
        let mut decoder = Decoder::of_part(limits, architecture);
        let head = plan.head()?.bytes;
        let mut rest = &head[..];
        loop {
            let (taken, event) = decoder.push(rest)?;
            rest = &rest[taken..];
            match event {
                Event::Tensors => break,
                // A part without tensors may end there.
                Event::NeedMore | Event::End => return decoder.finish(),
                _ => {}
            }
        }
        for (found, stored) in decoder.tensors().iter().zip(&self.tensors[tensors]) {
            if found.kind != stored.info.kind {
                let reason = format!("in a part of its own it would be read as {}: allow larger parts", found.kind);
                return Err(Error::BadTensorData { name: found.name.clone(), reason });
            }
        }
        Ok(())
    }

    /// Up to which tensor part `no` goes, which begins with `from`.
    fn longest(&self, no: usize, from: usize, most: u64, metadata: &Metadata) -> Result<usize> {
        // Sizes grow with the tensors, so the last that fits is found by halving.
        let size = |to: usize| Plan::new(metadata.clone(), self.copies(from..to)).map(|plan| plan.size());
        let too_large = |what: String, needed: u64| Error::TooLargeForPart { what, needed, most };
        let (mut fits, mut beyond) = (from, self.tensors.len() + 1);
        let alone = size(from)?;
        if alone > most {
            return Err(too_large("the key-values".to_owned(), alone));
        }
        while fits + 1 < beyond {
            let middle = fits + (beyond - fits) / 2;
            if size(middle)? <= most {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        match self.tensors.get(from) {
            // The model's key-values may be a part of their own.
            Some(first) if fits == from && no > 0 => {
                Err(too_large(format!("tensor `{}`", first.info.name), size(from + 1)?))
            }
            _ => Ok(fits),
        }
    }

    fn copies(&self, tensors: Range<usize>) -> Vec<(TensorDeclaration, Step)> {
        tensors.map(|index| (self.tensors[index].info.declaration(), Step::Copy(index))).collect()
    }
}
