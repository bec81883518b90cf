//! GGUF to smaller GGUF: ternary matrices as TQ1_0, tables in another type.

use super::reader::{Gguf, Stored};
use super::rewrite::{Plan, Step};
use crate::blocks::i2_s;
use crate::convert::encode::{self, TernaryEncoder};
use crate::convert::{DenseType, Folder, LinearType};
use crate::gguf::{TensorDeclaration, TensorType, Value};
use crate::kernels::Packing;
use crate::model::is_table;
use crate::{Error, Result};

/// llama.cpp's number for files whose matrices are TQ1_0.
const FILE_TYPE_TQ1_0: u32 = 36;

/// What a packed file will be.
pub struct Packed {
    /// Nothing, where nothing would become smaller.
    pub plan: Option<Plan>,
    /// What becomes smaller, and what is kept as it is and why, a sentence each.
    pub notes: Vec<String>,
}

/// Tensors of which the same is to be said.
#[derive(Default)]
struct Tally {
    groups: Vec<(String, Vec<String>)>,
}

impl Tally {
    fn add(&mut self, what: impl Into<String>, name: &str) {
        let what = what.into();
        match self.groups.iter_mut().find(|(said, _)| *said == what) {
            Some((_, names)) => names.push(name.to_owned()),
            None => self.groups.push((what, vec![name.to_owned()])),
        }
    }

    /// `3 matrices (blk.0.attn_q.weight …) are …`
    fn sentences(self) -> impl Iterator<Item = String> {
        self.groups.into_iter().map(|(what, names)| match &names[..] {
            [name] => format!("{name} {what}"),
            [first, ..] => format!("{} tensors ({first} …), each {what}", names.len()),
            [] => what,
        })
    }
}

impl<F: Folder> Gguf<F> {
    /// What makes it smaller: matrices of I2_S and TQ2_0 become TQ1_0, which loses nothing; of tables, which are the token
    /// embedding and an output head of its own, those that are larger than `tables` become that.
    ///
    /// # Errors
    /// [`Error::BadTensorData`] for an I2_S matrix without a usable scale; what the folder gives.
    pub fn pack(&mut self, tables: Option<DenseType>) -> Result<Packed> {
        let mut steps = Vec::with_capacity(self.tensors.len());
        let mut tally = Tally::default();
        let (mut changed, mut ternary) = (false, false);
        for index in 0..self.tensors.len() {
            let info = &self.tensors[index].info;
            let declaration = info.declaration();
            let fits = LinearType::Tq1.fits(info.row_length());
            match info.kind {
                _ if is_table(&info.name) => {
                    let kind = self.table(index, tables, &mut tally);
                    changed |= kind.is_some();
                    steps.push(match kind {
                        Some(kind) => {
                            (TensorDeclaration { kind: kind.kind().into(), ..declaration }, Step::Dense(index, kind))
                        }
                        None => (declaration, Step::Copy(index)),
                    });
                }
                TensorType::I2S | TensorType::TQ2_0 if !fits => {
                    let (kind, cols) = (info.kind, info.row_length());
                    tally.add(
                        format!("kept in {kind}: rows of {cols} weights are no whole blocks of TQ1_0's 256"),
                        &info.name,
                    );
                    steps.push((declaration, Step::Copy(index)));
                }
                TensorType::TQ2_0 => {
                    (changed, ternary) = (true, true);
                    tally.add("packed from TQ2_0 as TQ1_0", &info.name);
                    steps.push((
                        TensorDeclaration { kind: TensorType::TQ1_0.into(), ..declaration },
                        Step::Shorter(index),
                    ));
                }
                TensorType::I2S => match self.encoder(index)? {
                    Some(encoder) => {
                        (changed, ternary) = (true, true);
                        let info = &self.tensors[index].info;
                        tally.add("packed from I2_S as TQ1_0", &info.name);
                        for declaration in encoder.declarations(&info.name, &info.dims) {
                            let bytes = encoder.beside().filter(|_| declaration.name != info.name);
                            let step = bytes.map_or(Step::Ternary(index, encoder), Step::Bytes);
                            steps.push((declaration, step));
                        }
                    }
                    None => {
                        let name = &self.tensors[index].info.name;
                        tally.add("kept in I2_S: its place beside it for a scale is taken", name);
                        steps.push((declaration, Step::Copy(index)));
                    }
                },
                kind if info.dims.len() > 1 => {
                    if let Some(why) = why_kept(kind) {
                        tally.add(format!("kept in {kind}: {why}"), &info.name);
                    }
                    steps.push((declaration, Step::Copy(index)));
                }
                _ => steps.push((declaration, Step::Copy(index))),
            }
        }
        let notes = tally.sentences().collect();
        if !changed {
            return Ok(Packed { plan: None, notes });
        }
        let mut metadata = self.metadata.clone();
        if ternary {
            metadata.insert("general.file_type", Value::U32(FILE_TYPE_TQ1_0));
        }
        Ok(Packed { plan: Some(Plan::new(metadata, steps)?), notes })
    }

    /// The type that a table becomes, if another than it has.
    fn table(&self, index: usize, wanted: Option<DenseType>, tally: &mut Tally) -> Option<DenseType> {
        let info = &self.tensors[index].info;
        let (kind, cols) = (info.kind, info.row_length());
        let Some(wanted) = wanted else {
            let smaller = DenseType::Q6_K.for_rows(cols);
            let share = smaller.kind().size_of(&info.dims).map_or(1.0, |size| size as f64 / info.size as f64);
            let hint = format!(": in {smaller} it would take {:.0} % of its bytes", 100.0 * share);
            tally.add(format!("kept in {kind}, as asked{}", if share < 1.0 { &hint } else { "" }), &info.name);
            return None;
        };
        let fitting = wanted.for_rows(cols);
        let size = fitting.kind().size_of(&info.dims);
        if Packing::of(kind).is_some() {
            tally.add(format!("kept in {kind}: it is ternary"), &info.name);
            return None;
        }
        if kind == wanted.kind() || size.is_none_or(|size| size >= info.size) {
            let other = if kind == wanted.kind() { "already" } else { "which is no larger than what was asked for" };
            tally.add(format!("kept in {kind}, {other}"), &info.name);
            return None;
        }
        let instead = if fitting == wanted {
            String::new()
        } else {
            format!(" instead of {wanted}: rows of {cols} weights are no whole blocks of its 256")
        };
        tally.add(format!("from {kind} to {fitting}{instead}"), &info.name);
        Some(fitting)
    }

    /// How an I2_S matrix becomes TQ1_0. `None` where its scale has no place.
    fn encoder(&mut self, index: usize) -> Result<Option<TernaryEncoder>> {
        let Stored { info, file, start } = &self.tensors[index];
        let mut tail = [0; i2_s::BYTES];
        let name = self.folder.files().get(*file).map(|(name, _)| name.clone()).unwrap_or_default();
        let at = start + (info.size - i2_s::BYTES as u64);
        self.folder.read(&name, at, &mut tail).map_err(|error| error.in_file(&name))?;
        let scale = i2_s::checked_scale(&tail)
            .map_err(|reason| Error::BadTensorData { name: info.name.clone(), reason }.in_file(&name))?;
        let encoder = TernaryEncoder::new(LinearType::Tq1, scale);
        let beside = encode::beside(&info.name);
        // Readers look for it at matrices of two dimensions, of that name.
        let has_place = info.dims.len() == 2
            && info.name.ends_with(".weight")
            && self.tensors.iter().all(|stored| stored.info.name != beside);
        Ok((encoder.beside().is_none() || has_place).then_some(encoder))
    }
}

/// Why a matrix is not packed, where a reader may ask.
fn why_kept(kind: TensorType) -> Option<&'static str> {
    Some(match kind {
        TensorType::TQ1_0 => "it is packed already",
        TensorType::Q1_0 => "it has fewer bits a weight than TQ1_0",
        TensorType::Q2_0 => "it has a scale for each 64 weights, TQ1_0 has one for 256",
        TensorType::PQ2_0 | TensorType::PTQ1_0 => "it has a scale for each 128 weights, TQ1_0 has one for 256",
        TensorType::I2S | TensorType::TQ2_0 => return None,
        _ => "it is not ternary",
    })
}
