//! A GGUF that is made of another: a list of steps, and the bytes that they give.

use super::reader::{Gguf, Stored};
use crate::allocate::{try_reserve, try_zeroed};
use crate::blocks::{self, i2_s, tq1_0, tq2_0};
use crate::convert::encode::TernaryEncoder;
use crate::convert::{DenseType, Folder};
use crate::gguf::{Head, Metadata, TensorDeclaration};
use crate::{Error, Result};

/// Elements that are read at a time: whole blocks of every type.
const PIECE: u64 = 1 << 20;

/// What a file is to hold, and what of another one becomes of it.
pub struct Plan {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<(TensorDeclaration, Step)>,
    size: u64,
}

/// How the bytes of a tensor come about.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Those of a tensor of the source, by its index.
    Copy(usize),
    /// The codes of an I2_S matrix.
    Ternary(usize, TernaryEncoder),
    /// The blocks of a TQ2_0 matrix as TQ1_0, each with its own scale.
    Shorter(usize),
    /// The weights of a table in another type.
    Dense(usize, DenseType),
    /// These.
    Bytes([u8; 4]),
}

impl Step {
    /// The tensor of the source that is read.
    fn source(self) -> Option<usize> {
        match self {
            Step::Copy(tensor) | Step::Ternary(tensor, _) | Step::Shorter(tensor) | Step::Dense(tensor, _) => {
                Some(tensor)
            }
            Step::Bytes(_) => None,
        }
    }
}

impl Plan {
    pub(super) fn new(metadata: Metadata, tensors: Vec<(TensorDeclaration, Step)>) -> Result<Self> {
        let mut plan = Plan { metadata, tensors, size: 0 };
        plan.size = plan.head()?.file_size();
        Ok(plan)
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its tensors.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorDeclaration> {
        self.tensors.iter().map(|(tensor, _)| tensor)
    }

    pub(super) fn head(&self) -> Result<Head> {
        let declarations: Vec<_> = self.tensors().cloned().collect();
        Head::new(&self.metadata, &declarations)
    }
}

/// Gives the bytes of a [`Plan`]'s file, front to back.
pub struct Rewriter<'a, F: Folder> {
    gguf: &'a mut Gguf<F>,
    plan: &'a Plan,
    head: Head,
    started: bool,
    /// The tensor at hand, and how many bytes of its source have been read.
    tensor: usize,
    read: u64,
    input: Vec<u8>,
    codes: Vec<u8>,
    values: Vec<f32>,
    output: Vec<u8>,
}

impl<'a, F: Folder> Rewriter<'a, F> {
    /// For a plan that this GGUF gave.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(gguf: &'a mut Gguf<F>, plan: &'a Plan) -> Result<Self> {
        let head = plan.head()?;
        let (input, codes, values, output) = Default::default();
        Ok(Rewriter { gguf, plan, head, started: false, tensor: 0, read: 0, input, codes, values, output })
    }

    /// The next bytes, some MB at most but for the header; `None` after the last.
    ///
    /// # Errors
    /// What is wrong with the tensors' bytes, and what the folder gives.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        if !self.started {
            self.started = true;
            return Ok(Some(&self.head.bytes));
        }
        let plan = self.plan;
        let Some((_, step)) = plan.tensors.get(self.tensor) else { return Ok(None) };
        self.output.clear();
        let done = match step.source() {
            Some(tensor) => {
                let file = self.gguf.tensors.get(tensor).map_or(0, |stored| stored.file);
                self.step(*step, tensor).map_err(|error| {
                    let name = self.gguf.folder.files().get(file).map_or("", |(name, _)| name);
                    error.in_file(name)
                })?
            }
            None => {
                if let Step::Bytes(bytes) = step {
                    self.output.extend(bytes);
                }
                true
            }
        };
        if done {
            let padding = usize::try_from(self.head.padding_after(self.tensor)).unwrap_or(0);
            try_reserve(&mut self.output, padding, "the end of a tensor")?;
            self.output.resize(self.output.len() + padding, 0);
            (self.tensor, self.read) = (self.tensor + 1, 0);
        }
        Ok(Some(&self.output))
    }

    /// A piece of a tensor; whether it was the last.
    fn step(&mut self, step: Step, tensor: usize) -> Result<bool> {
        let Self { gguf, input, codes, values, output, read, .. } = self;
        let Stored { info, file, start } = &gguf.tensors[tensor];
        let name = &info.name;
        let (block, block_bytes) = (info.kind.block(), info.kind.block_bytes());
        let coded = info.elements() / block * block_bytes;
        // The tail of I2_S is known by the plan.
        let end = if let Step::Copy(_) = step { info.size } else { coded };
        let len = (end - *read).min(PIECE / block * block_bytes);
        let first = *read / block_bytes * block;
        let room = usize::try_from(len).unwrap_or(usize::MAX);
        let from = start + *read;
        *read += len;
        let done = *read == end;
        let file = gguf.folder.files().get(*file).map(|(name, _)| name.clone()).unwrap_or_default();
        let target = if let Step::Copy(_) = step { &mut *output } else { &mut *input };
        resize(target, room)?;
        gguf.folder.read(&file, from, target)?;
        match step {
            Step::Copy(_) | Step::Bytes(_) => {}
            Step::Ternary(_, encoder) => {
                resize(codes, room / i2_s::BYTES * i2_s::BLOCK)?;
                let blocks = input.as_chunks().0.iter().zip(codes.as_chunks_mut().0);
                if let Some(at) = blocks.map(|(bytes, codes)| i2_s::decode(bytes, codes)).position(|ternary| !ternary) {
                    return Err(not_ternary(name, first + (at * i2_s::BLOCK) as u64, i2_s::BLOCK));
                }
                encoder.encode(codes, output)?;
                if done {
                    output.extend(encoder.tail().into_iter().flatten());
                }
            }
            Step::Shorter(_) => {
                try_reserve(output, room / tq2_0::BYTES * tq1_0::BYTES, "rows of a matrix")?;
                let mut codes = [0; tq2_0::BLOCK];
                for (at, bytes) in input.as_chunks().0.iter().enumerate() {
                    let Some(scale) = tq2_0::decode(bytes, &mut codes) else {
                        return Err(not_ternary(name, first + (at * tq2_0::BLOCK) as u64, tq2_0::BLOCK));
                    };
                    output.extend(tq1_0::encode(&codes, scale));
                }
            }
            Step::Dense(_, kind) => {
                resize(values, usize::try_from(len / block_bytes * block).unwrap_or(usize::MAX))?;
                blocks::decode_row(info.kind, input, values)?;
                if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                    let reason = format!("element {} is {}", first + at as u64, values[at]);
                    return Err(Error::BadTensorData { name: name.clone(), reason });
                }
                kind.encode(values, output).map_err(|error| match error {
                    Error::BadTensorData { reason, .. } => {
                        let reason = format!("from element {first} on, {reason}");
                        Error::BadTensorData { name: name.clone(), reason }
                    }
                    other => other,
                })?;
            }
        }
        Ok(done)
    }
}

fn not_ternary(name: &str, first: u64, len: usize) -> Error {
    Error::BadTensorData { name: name.to_owned(), reason: blocks::not_ternary(first, len as u64) }
}

fn resize<T: Clone + Default>(v: &mut Vec<T>, len: usize) -> Result<()> {
    if v.capacity() < len {
        *v = try_zeroed(len, "a piece of a tensor")?;
    }
    v.resize(len, T::default());
    Ok(())
}
