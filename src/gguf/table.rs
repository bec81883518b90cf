//! The tensor table as a state machine.

use super::TensorInfo;
use super::meaning::{Meanings, Refusal, Type};
use super::reader::{Reader, out_of_memory};
use super::tensor::{MAX_DIMS, MAX_NAME, Names, align_up, check_name, check_shape};
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
    Offset { kind: Type },
}

/// Where a tensor ends whose type is known by that alone.
struct Last {
    id: u32,
    begin: u64,
}

pub(crate) struct Table {
    pub(crate) tensors: Vec<TensorInfo>,
    /// Where the next tensor must begin in the data section, unless the type of the last one is open.
    end: u64,
    last: Option<Last>,
    meanings: Meanings,
    count: u64,
    state: State,
    /// Where the field of the state begins: checked where assertions are.
    start: u64,
    names: Names,
    name: String,
    dims: Vec<u64>,
    /// Where the dimensions of the current entry stand, and its type.
    dims_offset: u64,
    kind_offset: u64,
}

impl Table {
    pub(crate) fn new(count: u64) -> Self {
        Self {
            tensors: Vec::new(),
            end: 0,
            last: None,
            meanings: Meanings::default(),
            count,
            state: State::NameLength,
            start: 0,
            names: Names::default(),
            name: String::new(),
            dims: Vec::new(),
            dims_offset: 0,
            kind_offset: 0,
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
                    self.kind_offset = reader.position - 4;
                    let kind = Type::of(id, &self.dims, architecture).map_err(|refusal| match refusal {
                        Refusal::Shape(reason) => self.bad_shape(reason),
                        Refusal::Type(kind, hint) => Error::UnsupportedTensorType {
                            tensor: self.name.clone(),
                            offset: self.kind_offset,
                            kind,
                            hint,
                        },
                    })?;
                    self.enter(State::Offset { kind }, reader);
                }
                State::Offset { kind } => {
                    let Some(found) = reader.u64(input) else { return Ok(false) };
                    let offset = reader.position - 8;
                    if !found.is_multiple_of(alignment) {
                        let tensor = self.name.clone();
                        return Err(Error::MisalignedTensor { tensor, offset, found, alignment });
                    }
                    let expected = self.expected(found, alignment)?;
                    if found != expected {
                        let tensor = self.name.clone();
                        return Err(Error::BadTensorOffset { tensor, offset, found, expected });
                    }
                    let (first, size) = kind.first(&self.dims);
                    // Half of the range, so that the start of the data section can be added without a check.
                    let end = found.checked_add(size).and_then(|end| align_up(end, alignment));
                    self.end = end.filter(|&end| end < 1 << 63).ok_or_else(|| {
                        self.bad_shape("it and the tensors before it have more than 2^63 bytes".to_owned())
                    })?;
                    if let Type::Open { id, possible } = kind {
                        self.meanings.add(self.tensors.len(), id, possible, self.kind_offset)?;
                        self.last = Some(Last { id, begin: found });
                    }
                    self.tensors
                        .try_reserve(1)
                        .map_err(|_| out_of_memory("the tensor table".to_owned(), size_of::<TensorInfo>()))?;
                    self.tensors.push(TensorInfo {
                        name: std::mem::take(&mut self.name),
                        dims: std::mem::take(&mut self.dims),
                        kind: first,
                        id: kind.id(),
                        offset: found,
                        size,
                    });
                    self.enter(State::NameLength, reader);
                }
            }
        }
    }

    /// Where the tensor must begin whose entry says `found`.
    fn expected(&mut self, found: u64, alignment: u64) -> Result<u64> {
        let (Some(Last { id, begin }), Some(last)) = (self.last.take(), self.tensors.last()) else {
            return Ok(self.end);
        };
        let taken = found.checked_sub(begin).unwrap_or(u64::MAX);
        match self.meanings.narrow(id, &last.dims, taken, alignment) {
            Ok(()) => self.refuse().map(|()| found),
            Err(taken) => Ok(begin.saturating_add(taken)),
        }
    }

    /// Refuses a tensor of which it is known that it is of a type that is not read.
    fn refuse(&self) -> Result<()> {
        self.meanings.refused().map_or(Ok(()), |refused| Err(self.unsupported(refused)))
    }

    /// The types that were open, when the last entry is in; `start` is where the data section begins.
    pub(crate) fn resolve(&mut self, start: u64, file_size: Option<u64>, alignment: u64) -> Result<()> {
        if let (Some(Last { id, begin }), Some(last), Some(file)) = (self.last.take(), self.tensors.last(), file_size) {
            let rest = file.saturating_sub(start.saturating_add(begin));
            self.meanings.narrow_last(id, &last.dims, rest, alignment);
        }
        let types = self.meanings.resolve().map_err(|refused| self.unsupported(refused))?;
        for (index, kind) in types {
            let info = &mut self.tensors[index];
            // Shapes that do not suit the type have been refused: its rows are whole blocks.
            (info.kind, info.size) = (kind, kind.size_of(&info.dims).unwrap_or(info.size));
        }
        Ok(())
    }

    fn unsupported(&self, (index, offset, refusal): (usize, u64, Refusal)) -> Error {
        let tensor = self.tensors[index].name.clone();
        match refusal {
            Refusal::Type(kind, hint) => Error::UnsupportedTensorType { tensor, offset, kind, hint },
            Refusal::Shape(reason) => Error::BadShape { tensor, offset, reason },
        }
    }

    fn bad_shape(&self, reason: String) -> Error {
        Error::BadShape { tensor: self.name.clone(), offset: self.dims_offset, reason }
    }
}
