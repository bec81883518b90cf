//! The bytes of the GGUF that a checkpoint becomes.

use super::plan::{self, Plan, Planned};
use super::tensor::Current;
use super::texts::{self, Description, Texts};
use super::weights::Weights;
use crate::allocate::{try_grow, try_reserve};
use crate::convert::{DenseType, Folder, LinearType};
use crate::gguf::{Head, Metadata, TensorDeclaration, TensorType, Value};
use crate::{Error, Result};

/// What a checkpoint is made into. The default is what opening it takes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Options {
    /// Type of the ternary matrices.
    pub linear: LinearType,
    /// Type of the token embedding, and of a head of its own.
    pub embedding: DenseType,
}

/// A checkpoint, read as the GGUF that it would become.
pub struct Converter<F: Folder> {
    folder: F,
    weights: Weights,
    /// What is still to be written.
    plan: std::vec::IntoIter<Planned>,
    current: Option<Current>,
    options: Options,
    metadata: Metadata,
    tensors: Vec<TensorDeclaration>,
    notes: Notes,
    head: Head,
    begun: bool,
    /// Tensors that are written whole.
    done: usize,
    piece: Vec<u8>,
    failed: Option<Error>,
}

/// Notes without those that would make thousands of lines, as one for each matrix may.
#[derive(Default)]
struct Notes {
    list: Vec<String>,
    left_out: usize,
}

impl Notes {
    const MOST: usize = 48;
    const LONGEST: usize = 1000;

    fn push(&mut self, note: &str) {
        if self.left_out == 0 && self.list.len() < Self::MOST {
            let end = note.floor_char_boundary(Self::LONGEST);
            self.list.push(if end < note.len() { format!("{}…", &note[..end]) } else { note.to_owned() });
            return;
        }
        self.left_out += 1;
        self.list.truncate(Self::MOST);
        self.list.push(format!("{} more notes are left out", self.left_out));
    }
}

/// Bytes that are made at a time, and some rows more.
pub(super) const PIECE: usize = 1 << 20;
/// Room for them: of floats as many rows may follow as make a piece again.
const ROOM: usize = 2 * PIECE + (1 << 16);

impl<F: Folder> Converter<F> {
    /// Reads the texts and the headers of the weights, and refuses all that they show to be wrong.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`], [`Error::UnsupportedCheckpoint`], [`Error::OutOfMemory`], and what `folder` gives.
    pub fn new(mut folder: F, options: Options) -> Result<Self> {
        let weights = Weights::read(&mut folder)?;
        let description = Description::read(&mut folder)?;
        let Plan { tensors: planned, notes: of_plan } = Plan::new(&mut folder, &weights, &description, options)?;
        let rows = plan::embedding(&weights)?.1.shape.first().copied().unwrap_or(0);
        let Texts { mut metadata, notes: of_texts } = texts::read(&mut folder, &description, rows)?;
        metadata.insert("general.file_type", Value::U32(file_type(options.linear)));
        let tensors: Vec<_> = planned.iter().flat_map(|tensor| tensor.declarations.iter().cloned()).collect();
        let head = Head::new(&metadata, &tensors)?;
        let mut notes = Notes::default();
        [&weights.notes, &of_texts, &of_plan].into_iter().flatten().for_each(|note| notes.push(note));
        Ok(Converter {
            folder,
            weights,
            plan: planned.into_iter(),
            current: None,
            options,
            metadata,
            tensors,
            notes,
            head,
            begun: false,
            done: 0,
            piece: Vec::new(),
            failed: None,
        })
    }

    /// What a user should know: all of it when the last piece has come.
    pub fn notes(&self) -> &[String] {
        &self.notes.list
    }

    /// The GGUF's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The GGUF's tensors.
    pub fn tensors(&self) -> &[TensorDeclaration] {
        &self.tensors
    }

    /// Bytes of the whole GGUF.
    pub fn size(&self) -> u64 {
        self.head.file_size()
    }

    /// The next bytes of the GGUF, some MB at most; `None` after the last.
    ///
    /// # Errors
    /// What is wrong with the weights, and what the folder gives. The converter stays in it.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(&self.head.bytes));
        }
        if let Err(error) = self.make_piece() {
            self.current = None;
            self.piece = Vec::new();
            self.failed = Some(error.clone());
            return Err(error);
        }
        Ok(Some(self.piece.as_slice()).filter(|piece| !piece.is_empty()))
    }

    /// Some rows, of one tensor or of several; none at the end.
    fn make_piece(&mut self) -> Result<()> {
        self.piece.clear();
        try_reserve(&mut self.piece, ROOM, "a piece of the file")?;
        while self.piece.len() < PIECE {
            let Some(current) = &mut self.current else {
                let Some(planned) = self.plan.next() else { break };
                self.current = Some(Current::begin(planned, &self.weights, &mut self.folder, self.options.linear)?);
                continue;
            };
            if let Some(ended) = current.write_rows(&self.weights, &mut self.folder, &mut self.piece)? {
                self.pad()?;
                // A scale beside a matrix.
                if let Some(scale) = ended.beside {
                    try_reserve(&mut self.piece, scale.len(), "a piece of the file")?;
                    self.piece.extend(scale);
                    self.pad()?;
                }
                if let Some(note) = ended.note {
                    self.notes.push(&note);
                }
                self.current = None;
            }
        }
        Ok(())
    }

    /// Zeros up to the next tensor.
    fn pad(&mut self) -> Result<()> {
        let zeros = usize::try_from(self.head.padding_after(self.done)).unwrap_or(0);
        let end = self.piece.len() + zeros;
        self.done += 1;
        try_grow(&mut self.piece, end, "a piece of the file")
    }
}

/// `general.file_type`: bitnet.cpp's number for I2_S, which the published files have, and llama.cpp's for the others.
fn file_type(kind: LinearType) -> u32 {
    match kind.kind() {
        TensorType::TQ1_0 => 36,
        TensorType::TQ2_0 => 37,
        _ => 40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_a_page_at_most() {
        let mut notes = Notes::default();
        (0..5000).for_each(|i| notes.push(&format!("{i} {}", "ä".repeat(1000))));
        assert_eq!(notes.list.len(), Notes::MOST + 1);
        assert!(notes.list.concat().len() < 64 << 10);
        assert_eq!(notes.list.last().map(String::as_str), Some("4952 more notes are left out"));
    }
}
