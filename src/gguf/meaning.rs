//! What a number in the tensor table means.
//!
//! Writers have given 36, 40, 41, 42 and 43 to different formats. A weight takes another number of bytes in each of them, so
//! the places of the tensors tell which a file means: what all tensors of a number agree with. None is guessed.

use super::tensor::{align_up, check_dims};
use super::{Storage, TensorType};
use crate::Result;
use crate::allocate::try_reserve;

/// One of the formats that a number may stand for.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Read(TensorType),
    /// Known by its size and refused.
    Foreign(Storage, &'static str),
}

impl Meaning {
    fn storage(self) -> Storage {
        match self {
            Meaning::Read(kind) => kind.into(),
            Meaning::Foreign(storage, _) => storage,
        }
    }
}

const fn foreign(name: &'static str, block: u64, block_bytes: u64, hint: &'static str) -> Meaning {
    Meaning::Foreign(Storage { id: 0, name, block, block_bytes, tail: 0 }, hint)
}

const NVFP4: Meaning =
    foreign("NVFP4", 64, 36, "its matrices are not ternary; use a file of the model in I2_S, Q2_0 or TQ2_0");
const OLD_Q1_0: Meaning = foreign(
    "Q1_0 in groups of 32",
    32,
    6,
    "this early form of Q1_0 was withdrawn; use the model's present Q1_0 file, in groups of 128",
);
const STQ1_0: Meaning =
    foreign("STQ1_0", 256, 42, "there are no kernels for it; use a file of the model in TQ2_0, Q2_0 or PQ2_0");
const IQ4_NL_4_4: Meaning =
    foreign("IQ4_NL_4_4", 32, 18, "this repacked form was withdrawn from GGUF; use I2_S or TQ2_0 for ternary matrices");

/// What a number may mean; empty for one that is not read and needs no sizes to be told.
fn meanings(id: u32) -> &'static [Meaning] {
    const I2_S: Meaning = Meaning::Read(TensorType::I2S);
    match id {
        36 => &[I2_S, IQ4_NL_4_4],
        40 => &[NVFP4, OLD_Q1_0],
        41 => &[Meaning::Read(TensorType::Q1_0), OLD_Q1_0],
        42 => &[Meaning::Read(TensorType::Q2_0), Meaning::Read(TensorType::PQ2_0), I2_S, STQ1_0],
        43 => &[STQ1_0],
        _ => &[],
    }
}

/// What is known of a tensor's type when its entry is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    Known {
        kind: TensorType,
        size: u64,
    },
    /// Of these that the number may mean, bit by bit in the order of [`meanings`].
    Open {
        id: u32,
        possible: u8,
    },
}

impl Type {
    /// That of a number and a shape; else why not.
    pub(crate) fn of(id: u32, dims: &[u64], architecture: Option<&str>) -> Result<Self, Refusal> {
        let all = meanings(id);
        if all.is_empty() {
            let kind = TensorType::from_id(id).ok_or_else(|| refuse(id, architecture))?;
            let size = check_dims(kind, dims).map_err(Refusal::Shape)?;
            return Ok(Type::Known { kind, size });
        }
        let mut possible = 0;
        let mut first = None;
        let mut reads = false;
        for (i, meaning) in all.iter().enumerate() {
            match check_dims(meaning.storage(), dims) {
                Ok(_) => {
                    possible |= 1 << i;
                    reads |= matches!(meaning, Meaning::Read(_));
                }
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        match first {
            // No row can be of a type that is read: that there may be another is no help.
            Some(reason) if !reads && matches!(all[0], Meaning::Read(_)) => Err(Refusal::Shape(reason)),
            Some(_) if possible == 0 => Err(unread(all[0])),
            _ => Ok(Type::Open { id, possible }),
        }
    }

    /// The number.
    pub(crate) fn id(self) -> u32 {
        match self {
            Type::Known { kind, .. } => kind.id(),
            Type::Open { id, .. } => id,
        }
    }

    /// The type and the size to go on with until all is known: those of the first that it may be.
    pub(crate) fn first(self, dims: &[u64]) -> (TensorType, u64) {
        match self {
            Type::Known { kind, size } => (kind, size),
            Type::Open { id, possible } => {
                let meaning = meanings(id)[possible.trailing_zeros() as usize];
                let kind = if let Meaning::Read(kind) = meaning { kind } else { TensorType::F32 };
                (kind, meaning.storage().size_of(dims).unwrap_or(0))
            }
        }
    }
}

/// Why an entry's type is refused.
pub(crate) enum Refusal {
    /// The name of the type, and what to use instead.
    Type(String, String),
    Shape(String),
}

fn unread(meaning: Meaning) -> Refusal {
    let hint = if let Meaning::Foreign(_, hint) = meaning { hint } else { "" };
    Refusal::Type(meaning.storage().name.to_owned(), hint.to_owned())
}

/// The meanings of a file's numbers, as far as its tensors show them.
#[derive(Debug, Default)]
pub(crate) struct Meanings {
    /// Numbers with the meanings that all their tensors allow.
    numbers: Vec<(u32, u8)>,
    /// Tensors of such numbers: index, number, and where the table has it.
    open: Vec<(usize, u32, u64)>,
}

impl Meanings {
    /// Takes a tensor in whose type is open; `offset` is where the table has its number.
    pub(crate) fn add(&mut self, index: usize, id: u32, possible: u8, offset: u64) -> Result<()> {
        try_reserve(&mut self.open, 1, "the tensor table")?;
        self.open.push((index, id, offset));
        if self.numbers.iter().all(|(known, _)| *known != id) {
            self.numbers.push((id, (1 << meanings(id).len()) - 1));
        }
        self.keep(id, possible);
        Ok(())
    }

    /// Of a number, what both allow, unless nothing is: whether something is.
    fn keep(&mut self, id: u32, possible: u8) -> bool {
        match self.numbers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, kept)) if *kept & possible != 0 => {
                *kept &= possible;
                true
            }
            _ => false,
        }
    }

    fn kept(&self, id: u32) -> u8 {
        self.numbers.iter().find(|(known, _)| *known == id).map_or(u8::MAX, |(_, kept)| *kept)
    }

    /// Those meanings of the tensor at hand for whose size `holds`.
    fn with_size(&self, id: u32, dims: &[u64], holds: impl Fn(u64) -> bool) -> u8 {
        let all = meanings(id).iter().enumerate();
        let sizes = all.filter_map(|(i, meaning)| Some((i, meaning.storage().size_of(dims)?)));
        sizes.filter(|&(_, size)| holds(size)).fold(0, |found, (i, _)| found | 1 << i)
    }

    /// The next tensor begins `taken` bytes after the one of this number and shape. Else where it should have begun.
    pub(crate) fn narrow(&mut self, id: u32, dims: &[u64], taken: u64, alignment: u64) -> Result<(), u64> {
        let possible = self.with_size(id, dims, |size| align_up(size, alignment) == Some(taken));
        if self.keep(id, possible) {
            return Ok(());
        }
        let likely = meanings(id)[self.kept(id).trailing_zeros() as usize % meanings(id).len()];
        Err(likely.storage().size_of(dims).and_then(|size| align_up(size, alignment)).unwrap_or(0))
    }

    /// There are `rest` bytes from the beginning of the last tensor to the end of the file: used where the others leave open
    /// which of the types it is that are read.
    pub(crate) fn narrow_last(&mut self, id: u32, dims: &[u64], rest: u64, alignment: u64) {
        let all = meanings(id).iter().enumerate();
        let read = all.fold(0, |read, (i, meaning)| read | u8::from(matches!(meaning, Meaning::Read(_))) << i);
        if (self.kept(id) & read).count_ones() > 1 {
            let ends = |size: u64| size <= rest && align_up(size, alignment).is_some_and(|padded| rest <= padded);
            let possible = read & self.with_size(id, dims, ends);
            self.keep(id, possible);
        }
    }

    /// A tensor, as its index and the place of its number, whose type is known and not read.
    pub(crate) fn refused(&self) -> Option<(usize, u64, Refusal)> {
        self.open.iter().find_map(|&(index, id, offset)| {
            let mut left = meanings(id).iter().enumerate().filter(|(i, _)| self.kept(id) >> i & 1 == 1);
            let (_, first) = left.next()?;
            let all = matches!(first, Meaning::Foreign(..)) && left.next().is_none();
            all.then(|| (index, offset, unread(*first)))
        })
    }

    /// The types of the open tensors, when the table is complete.
    pub(crate) fn resolve(&self) -> Result<Vec<(usize, TensorType)>, (usize, u64, Refusal)> {
        let mut types = Vec::with_capacity(self.open.len());
        for &(index, id, offset) in &self.open {
            let left = meanings(id)
                .iter()
                .enumerate()
                .filter(|(i, _)| self.kept(id) >> i & 1 == 1)
                .map(|(_, meaning)| meaning);
            let read: Vec<_> = left
                .clone()
                .filter_map(|meaning| if let Meaning::Read(kind) = meaning { Some(*kind) } else { None })
                .collect();
            match read[..] {
                // A format that is not read is told by its size alone.
                [kind] => types.push((index, kind)),
                // It makes no difference which.
                [] => return Err((index, offset, unread(*left.clone().next().unwrap_or(&meanings(id)[0])))),
                _ => {
                    let names: Vec<_> = read.iter().map(|kind| kind.name()).collect();
                    let hint =
                        "too little is in the file to tell which; its size would, or a larger matrix of the type";
                    let name = format!("{id} ({})", names.join(" or "));
                    return Err((index, offset, Refusal::Type(name, hint.to_owned())));
                }
            }
        }
        Ok(types)
    }
}

/// The architectures of bitnet.cpp's own formats.
const BITNET: [&str; 3] = ["bitnet-b1.58", "bitnet-25", "bitnet"];

/// A number that has one meaning, which is not read.
fn refuse(id: u32, architecture: Option<&str>) -> Refusal {
    let bitnet = architecture.is_some_and(|a| BITNET.contains(&a));
    let name = match id {
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        37 => "I8_S",
        38 => "TL1",
        39 if bitnet => "TL2",
        39 => "MXFP4",
        _ => "",
    };
    let name = if name.is_empty() { format!("number {id}") } else { name.to_owned() };
    let hint = match id {
        31..=33 => "this repacked form was withdrawn from GGUF; convert to Q4_0, or ternary matrices to I2_S or TQ2_0",
        37 => "I8_S is for activations at run time and belongs in no file; convert to I2_S or TQ2_0",
        38 => "its tile sizes are not in the file; convert the model to I2_S or TQ2_0",
        39 if bitnet => "its tile sizes are not in the file; convert the model to I2_S or TQ2_0",
        39 => "if it is bitnet.cpp's TL2, convert the model to I2_S or TQ2_0; other matrices here are ternary or F16",
        _ => {
            "use I2_S, TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or PTQ1_0 for ternary matrices, and F32, F16, BF16, Q8_0, Q6_K, \
             Q5_K, Q4_K or Q4_0 for the embedding and the head"
        }
    };
    Refusal::Type(name, hint.to_owned())
}
