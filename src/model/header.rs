//! What a model's files say before their first weight, checked: configuration, names, shapes and types.

use super::architecture::{Architecture, Norm};
use super::memory::{Holding, Sizes};
use super::tensor_sink::Held;
use super::tensors::{is_input_norm, is_table, required, shape};
use super::{Config, Estimate, LoaderOptions};
use crate::gguf::{Decoder, Event, Limits, Metadata, Sequence, TensorInfo, TensorType, Value};
use crate::{Error, Result};
use std::collections::HashSet;

const NAME: &str = "general.name";

/// Drives the decoder of a file, or of one part of a split model after the other.
pub(super) struct Header {
    decoder: Decoder,
    overrides: Vec<String>,
    holding: Holding,
    config: Option<Config>,
    name: Option<String>,
    pub(super) notes: Vec<String>,
    /// Types of the tensors that are read, with how many there are of each.
    pub(super) types: Vec<(TensorType, usize)>,
    sizes: Sizes,
    files: Sequence,
}

impl Header {
    pub(super) fn new(options: LoaderOptions) -> Self {
        let room = options.room();
        let LoaderOptions { file_size, overrides, embedding, context, kv_type, .. } = options;
        Header {
            decoder: Decoder::new(Limits { file_size, ..Limits::default() }),
            overrides,
            holding: Holding { embedding, context, kv_type, room },
            config: None,
            name: None,
            notes: Vec::new(),
            types: Vec::new(),
            sizes: Sizes::default(),
            files: Sequence::default(),
        }
    }

    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// From [`Event::Metadata`] of the first file on.
    pub(super) fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    pub(super) fn metadata_mut(&mut self) -> &mut Metadata {
        self.decoder.metadata_mut()
    }

    /// `general.name`.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the file at hand is the last one, or the only one.
    pub(super) fn is_last_part(&self) -> bool {
        self.files.is_last()
    }

    /// As [`Decoder::push`]; metadata and tensor table have been checked when their events come out.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Event<'a>)> {
        let (taken, event) = self.decoder.push(bytes)?;
        match event {
            Event::Metadata => self.read_metadata()?,
            Event::Tensors => self.check_tensors()?,
            _ => {}
        }
        Ok((taken, event))
    }

    /// Begins the next part, when the tensor table of the one at hand is in.
    pub(super) fn next_part(&mut self, file_size: Option<u64>) -> Result<()> {
        self.files.next(self.decoder.tensors())?;
        let limits = Limits { file_size, ..Limits::default() };
        self.decoder = match &self.config {
            Some(config) => Decoder::of_part(limits, &config.architecture),
            None => Decoder::new(limits),
        };
        Ok(())
    }

    /// What the tensors so far and the context will take.
    pub(super) fn estimate(&self) -> Result<Estimate> {
        let missing = || Error::Truncated { field: "metadata".into(), offset: self.decoder.position() };
        let config = self.config.as_ref().ok_or_else(missing)?;
        Estimate::new(config, self.name(), &self.types, self.sizes, self.holding)
    }

    /// Whether all files have come.
    pub(super) fn check_parts(&self) -> Result<()> {
        self.files.finish()
    }

    fn read_metadata(&mut self) -> Result<()> {
        self.notes.extend(self.decoder.notes());
        let metadata = self.decoder.metadata_mut();
        self.files.check_metadata(metadata)?;
        if !self.files.is_first() {
            return Ok(());
        }
        for text in &self.overrides {
            metadata.apply_override(text)?;
            self.notes.push(format!("override: {text}"));
        }
        let config = Config::from_metadata(metadata)?;
        config.context(self.holding.context)?;
        let vocab_size = format!("{}.vocab_size", config.architecture);
        if let Some(size) = metadata.get(&vocab_size)
            && size.as_integer() != Some(config.vocabulary as i128)
        {
            let found = size.as_integer().map_or_else(|| size.type_name().to_owned(), |size| size.to_string());
            let tokens = config.vocabulary;
            self.notes.push(format!("`{vocab_size}` is {found}, there are {tokens} tokens: their number is taken"));
        }
        self.config = Some(config);
        match metadata.get(NAME) {
            Some(Value::String(name)) => self.name = Some(name.clone()),
            // For people alone: no reason to refuse a model.
            Some(other) => self.notes.push(format!("`{NAME}` is {}, not a string: it is not shown", other.type_name())),
            None => {}
        }
        Ok(())
    }

    /// Every tensor must have a place in the graph and its shape, before the long part of the file.
    fn check_tensors(&mut self) -> Result<()> {
        let table = self.decoder.tensors();
        let Some(config) = &mut self.config else { return Ok(()) };
        let may = Architecture::of(&config.architecture).is_some_and(|architecture| architecture.has(Norm::Input));
        config.input_norms |= may && table.iter().any(|info| is_input_norm(&info.name));
        let Some(config) = &self.config else { return Ok(()) };
        for info in table {
            match shape(config, &info.name) {
                Some(expected) if info.dims == expected => {
                    check_type(info)?;
                    self.sizes.add(info, Held::of(info, self.holding.embedding));
                    match self.types.iter_mut().find(|(kind, _)| *kind == info.kind) {
                        Some((_, count)) => *count += 1,
                        None => self.types.push((info.kind, 1)),
                    }
                }
                Some(expected) => {
                    let (name, found) = (info.name.clone(), info.dims.clone());
                    return Err(self.files.of_another(Error::WrongShape { name, found, expected }));
                }
                None => return Err(self.files.of_another(Error::UnknownTensor { name: info.name.clone() })),
            }
        }
        self.sizes.files += self.decoder.data_size().unwrap_or(0);
        if self.files.is_first() {
            self.sizes.header = self.decoder.position();
        }
        self.files.check_tensors(table)?;
        if !self.is_last_part() {
            return Ok(());
        }
        let mut here = HashSet::new();
        here.try_reserve(table.len()).map_err(|_| no_room(table.len()))?;
        here.extend(table.iter().map(|info| info.name.as_str()));
        let has = |name: &str| here.contains(name) || self.files.had(name);
        match required(config, has).find(|name| !has(name)) {
            Some(name) => Err(Error::MissingTensor { name }),
            None => Ok(()),
        }
    }
}

fn no_room(names: usize) -> Error {
    Error::OutOfMemory { what: "the names of tensors".to_owned(), bytes: (names * size_of::<String>()) as u64 }
}

/// I2_S has one scale, behind all rows: only the matrices that are repacked can be of it.
fn check_type(info: &TensorInfo) -> Result<()> {
    if info.kind != TensorType::I2S || (!is_table(&info.name) && info.dims.len() > 1) {
        return Ok(());
    }
    let reason =
        "it is I2_S, which is for linear layers; use F16 or F32, for an embedding or an output head also BF16, \
                  Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q1_0, Q2_0, PQ2_0 or PTQ1_0"
            .into();
    Err(Error::BadTensorData { name: info.name.clone(), reason })
}
