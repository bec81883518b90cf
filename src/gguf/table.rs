//! The tensor table as a state machine.

use super::reader::{Reader, out_of_memory};
use super::tensor::{MAX_DIMS, MAX_NAME, Names, align_up, check_dims, check_name, check_shape, resolve_type};
use super::{TensorInfo, TensorType};
use crate::{Error, Result};

/// Fewest bytes of an entry: length, one byte of name, dimension count, one dimension, type, offset.
pub(crate) const MIN_ENTRY: u64 = 8 + 1 + 4 + 8 + 4 + 8;

#[derive(Clone, Copy)]
enum State {
    NameLength,
    Name { len: usize },
    DimCount,
    Dims { left: usize },
    Kind,
    Offset { kind: TensorType, size: u64 },
}

pub(crate) struct Table {
    pub(crate) tensors: Vec<TensorInfo>,
    /// Where the next tensor must begin in the data section.
    end: u64,
    count: u64,
    state: State,
    /// Where the field of the state begins: checked where assertions are.
    start: u64,
    names: Names,
    name: String,
    dims: Vec<u64>,
    /// Where the dimensions of the current entry stand.
    dims_offset: u64,
}

impl Table {
    pub(crate) fn new(count: u64) -> Self {
        Self {
            tensors: Vec::new(),
            end: 0,
            count,
            state: State::NameLength,
            start: 0,
            names: Names::default(),
            name: String::new(),
            dims: Vec::new(),
            dims_offset: 0,
        }
    }

    /// What is being read, for messages.
    pub(crate) fn field(&self) -> String {
        let index = self.tensors.len();
        match self.state {
            State::NameLength => format!("the length of the name of tensor {index} of {}", self.count),
            State::Name { .. } => format!("the name of tensor {index} of {}", self.count),
            State::DimCount => format!("the number of dimensions of tensor `{}`", self.name),
            State::Dims { .. } => format!("the dimensions of tensor `{}`", self.name),
            State::Kind => format!("the type of tensor `{}`", self.name),
            State::Offset { .. } => format!("the offset of tensor `{}`", self.name),
        }
    }

    /// Begins to read a field, which the one before must have left whole.
    fn enter(&mut self, state: State, reader: &Reader) {
        debug_assert_eq!(reader.begun(), 0, "{} is not read to its end", self.field());
        self.state = state;
        self.start = reader.position;
    }

    /// Reads on; true when the last entry is in, false when the input is used up.
    pub(crate) fn advance(
        &mut self,
        reader: &mut Reader,
        input: &mut &[u8],
        architecture: Option<&str>,
        alignment: u64,
    ) -> Result<bool> {
        loop {
            debug_assert!(
                self.start == 0 || reader.position == self.start + reader.begun() as u64,
                "{}, byte {}",
                self.field(),
                reader.position
            );
            match self.state {
                State::NameLength => {
                    if self.tensors.len() as u64 == self.count {
                        return Ok(true);
                    }
                    let Some(len) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    reader.check(len, u64::MAX, 1, offset, || self.field())?;
                    let index = self.tensors.len() as u64;
                    let next = match usize::try_from(len) {
                        Ok(0) => return Err(Error::BadTensorName { index, offset, reason: "it is empty" }),
                        Ok(len) if len < MAX_NAME => State::Name { len },
                        _ => {
                            let reason = "it is 64 bytes or longer";
                            return Err(Error::BadTensorName { index, offset, reason });
                        }
                    };
                    self.enter(next, reader);
                }
                State::Name { len } => {
                    let Some(name) = reader.string(input, len, || self.field())? else { return Ok(false) };
                    let name = name.to_owned();
                    let offset = reader.position - len as u64;
                    let index = self.tensors.len() as u64;
                    check_name(&name).map_err(|reason| Error::BadTensorName { index, offset, reason })?;
                    if !self.names.insert(&name, &self.tensors)? {
                        return Err(Error::DuplicateTensor { tensor: name, offset });
                    }
                    self.name = name;
                    self.enter(State::DimCount, reader);
                }
                State::DimCount => {
                    let Some(count) = reader.u32(input) else { return Ok(false) };
                    self.dims_offset = reader.position - 4;
                    if count == 0 || count > MAX_DIMS as u32 {
                        return Err(self.bad_shape(format!("it has {count} dimensions, not 1 to {MAX_DIMS}")));
                    }
                    self.dims = Vec::with_capacity(count as usize);
                    self.enter(State::Dims { left: count as usize }, reader);
                }
                State::Dims { left: 0 } => {
                    check_shape(&self.dims).map_err(|reason| self.bad_shape(reason))?;
                    self.enter(State::Kind, reader);
                }
                State::Dims { left } => {
                    let Some(dim) = reader.u64(input) else { return Ok(false) };
                    self.dims.push(dim);
                    self.enter(State::Dims { left: left - 1 }, reader);
                }
                State::Kind => {
                    let Some(id) = reader.u32(input) else { return Ok(false) };
                    let kind = resolve_type(id, architecture).map_err(|(kind, hint)| Error::UnsupportedTensorType {
                        tensor: self.name.clone(),
                        offset: reader.position - 4,
                        kind,
                        hint,
                    })?;
                    let size = check_dims(kind, &self.dims).map_err(|reason| self.bad_shape(reason))?;
                    self.enter(State::Offset { kind, size }, reader);
                }
                State::Offset { kind, size } => {
                    let Some(found) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    if !found.is_multiple_of(alignment) {
                        let tensor = self.name.clone();
                        return Err(Error::MisalignedTensor { tensor, offset, found, alignment });
                    }
                    if found != self.end {
                        let tensor = self.name.clone();
                        return Err(Error::BadTensorOffset { tensor, offset, found, expected: self.end });
                    }
                    // Half of the range, so that the start of the data section can be added without a check.
                    let end = found.checked_add(size).and_then(|end| align_up(end, alignment));
                    self.end = end.filter(|&end| end < 1 << 63).ok_or_else(|| {
                        self.bad_shape("it and the tensors before it have more than 2^63 bytes".to_owned())
                    })?;
                    self.tensors
                        .try_reserve(1)
                        .map_err(|_| out_of_memory("the tensor table".to_owned(), size_of::<TensorInfo>()))?;
                    self.tensors.push(TensorInfo {
                        name: std::mem::take(&mut self.name),
                        dims: std::mem::take(&mut self.dims),
                        kind,
                        offset: found,
                        size,
                    });
                    self.enter(State::NameLength, reader);
                }
            }
        }
    }

    fn bad_shape(&self, reason: String) -> Error {
        Error::BadShape { tensor: self.name.clone(), offset: self.dims_offset, reason }
    }
}
