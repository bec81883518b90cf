//! The files that hold a checkpoint's weights, and where in them each tensor lies.

use crate::allocate::try_zeroed;
use crate::convert::Folder;
use crate::safetensors::{DType, Header, Index, Tensor};
use crate::{Error, Result};
use std::collections::HashMap;

/// The weights, where they are in one file: it goes before an index, as in transformers.
pub const WEIGHTS: &str = "model.safetensors";
/// What names the files of the weights, where they are in several.
pub const INDEX: &str = "model.safetensors.index.json";

/// All tensors of a checkpoint.
pub(super) struct Weights {
    files: Vec<String>,
    /// With the number of the file.
    tensors: HashMap<String, (usize, Tensor)>,
    /// What stands for all files in messages.
    file: String,
    pub(super) notes: Vec<String>,
}

/// Which files to take.
enum Files {
    One(String),
    Indexed(Index),
}

impl Weights {
    /// Reads the headers. Of the files' names those count that transformers takes: `model.safetensors`, else what its index names;
    /// else a file that is the only one.
    pub(super) fn read(folder: &mut impl Folder) -> Result<Self> {
        let names: Vec<String> = folder.files().iter().map(|(name, _)| name.clone()).collect();
        let mut weights =
            Weights { files: Vec::new(), tensors: HashMap::new(), file: WEIGHTS.to_owned(), notes: Vec::new() };
        match choose(folder, &names)? {
            Files::One(name) => {
                if name != WEIGHTS {
                    weights.notes.push(format!("{name}: the weights are taken from it, there is no {WEIGHTS}"));
                }
                for tensor in header(folder, &name)?.tensors {
                    weights.tensors.insert(tensor.name.clone(), (0, tensor));
                }
                weights.file.clone_from(&name);
                weights.files.push(name);
            }
            Files::Indexed(index) => weights.read_shards(folder, &index)?,
        }
        let used = |name: &&String| weights.files.contains(name);
        for name in names.iter().filter(|name| name.ends_with(".safetensors") && !used(name)) {
            weights.notes.push(format!("{name}: it is no part of the checkpoint and passed over"));
        }
        if weights.file == WEIGHTS && names.iter().any(|name| name == INDEX) {
            weights.notes.push(format!("{INDEX}: there is a {WEIGHTS}, which goes before, as in transformers"));
        }
        Ok(weights)
    }

    fn read_shards(&mut self, folder: &mut impl Folder, index: &Index) -> Result<()> {
        INDEX.clone_into(&mut self.file);
        self.files = index.files().into_iter().map(str::to_owned).collect();
        let numbers: HashMap<&str, usize> =
            self.files.iter().enumerate().map(|(no, file)| (file.as_str(), no)).collect();
        let in_file: HashMap<&str, usize> =
            index.weight_map.iter().map(|(tensor, file)| (tensor.as_str(), numbers[file.as_str()])).collect();
        let mut beside = 0;
        for (no, file) in self.files.iter().enumerate() {
            if !folder.files().iter().any(|(name, _)| name == file) {
                let reason = format!("it is missing, and {INDEX} names it: fetch it, or all of the checkpoint again");
                return Err(bad(file, "the file", reason));
            }
            for tensor in header(folder, file)?.tensors {
                if in_file.get(tensor.name.as_str()) == Some(&no) {
                    self.tensors.insert(tensor.name.clone(), (no, tensor));
                } else {
                    beside += 1;
                }
            }
        }
        if let Some((tensor, file)) = index.weight_map.iter().find(|(name, _)| !self.tensors.contains_key(name)) {
            let reason =
                format!("it is said to be in {file}, which does not have it: fetch both again, of one revision");
            return Err(bad(INDEX, &format!("tensor `{tensor}`"), reason));
        }
        if beside > 0 {
            self.notes.push(format!("{INDEX}: {beside} tensors of its files are not in it, and passed over"));
        }
        Ok(())
    }

    /// A tensor, if there is one of the name.
    pub(super) fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name).map(|(_, tensor)| tensor)
    }

    /// The tensor of a name.
    pub(super) fn require(&self, name: &str) -> Result<&Tensor> {
        self.get(name).ok_or_else(|| {
            self.bad(name, "it is missing: the checkpoint is incomplete, or config.json is of another one")
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Fills `out` with a tensor's bytes from `offset` on.
    pub(super) fn fill(&self, folder: &mut impl Folder, name: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let (no, tensor) = self.tensors.get(name).ok_or_else(|| self.bad(name, "it is missing"))?;
        folder.read(&self.files[*no], tensor.offset + offset, out)
    }

    /// A tensor of one number: `None` where it has more or fewer, or is of no float type.
    pub(super) fn number(&self, folder: &mut impl Folder, name: &str) -> Result<Option<f32>> {
        let Some(tensor) = self.get(name) else { return Ok(None) };
        let Some(kind) = float_type(tensor.dtype).filter(|_| tensor.shape.iter().all(|&dim| dim == 1)) else {
            return Ok(None);
        };
        let mut bytes = [0; 4];
        let bytes = &mut bytes[..kind.block_bytes() as usize];
        self.fill(folder, name, 0, bytes)?;
        let mut value = [0.0];
        crate::blocks::decode_row(kind, bytes, &mut value)?;
        Ok(Some(value[0]))
    }

    /// An error about a tensor, in the file that has it or should have it.
    pub(super) fn bad(&self, name: &str, reason: impl Into<String>) -> Error {
        bad(self.file_of(name), &format!("tensor `{name}`"), reason)
    }

    /// The same about what is sound, and not for this engine.
    pub(super) fn unsupported(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::UnsupportedCheckpoint {
            file: self.file_of(name).to_owned(),
            what: format!("tensor `{name}`"),
            reason: reason.into(),
        }
    }

    fn file_of(&self, name: &str) -> &str {
        self.tensors.get(name).map_or(&self.file, |(no, _)| &self.files[*no])
    }
}

/// The type of blocks that holds these elements, if they are floats that this engine reads.
pub(super) fn float_type(dtype: DType) -> Option<crate::gguf::TensorType> {
    match dtype {
        DType::F32 => Some(crate::gguf::TensorType::F32),
        DType::F16 => Some(crate::gguf::TensorType::F16),
        DType::BF16 => Some(crate::gguf::TensorType::BF16),
        _ => None,
    }
}

fn choose(folder: &mut impl Folder, names: &[String]) -> Result<Files> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(WEIGHTS) {
        return Ok(Files::One(WEIGHTS.to_owned()));
    }
    if has(INDEX) {
        return Index::parse(INDEX, &text(folder, INDEX, Index::MAX_SIZE)?).map(Files::Indexed);
    }
    let none = |reason: &str| Err(bad(WEIGHTS, "the file", reason));
    let ending = |end: &str| names.iter().find(|name| name.ends_with(end));
    if has("adapter_config.json") || has("adapter_model.safetensors") {
        return none(
            "there is none, but an adapter (adapter_config.json): merge it into its base model with peft's merge_and_unload, \
             and save that",
        );
    }
    let others: Vec<&String> = names.iter().filter(|name| name.ends_with(".safetensors")).collect();
    match others.as_slice() {
        [] => {}
        [name] => return Ok(Files::One((*name).clone())),
        [first, ..] => {
            let reason = format!(
                "it is missing, and so is {WEIGHTS}, but there are {} files as {first}: fetch the index",
                others.len()
            );
            return Err(bad(INDEX, "the file", reason));
        }
    }
    if let Some(name) = [".incomplete", ".crdownload", ".part", ".aria2"].into_iter().find_map(ending) {
        return none(&format!("there is none, but {name}: its download has not ended"));
    }
    if let Some(name) = ending(".gguf") {
        return none(&format!("there is none, but {name}, which is a GGUF and no checkpoint: give that file itself"));
    }
    if let Some(name) = [".bin", ".pt", ".pth", ".ckpt"].into_iter().find_map(ending) {
        let reason = format!(
            "there is none, but {name}, a pickle: save the model with save_pretrained(safe_serialization=True)"
        );
        return Err(bad(WEIGHTS, "the file", reason));
    }
    none(
        "there is none: give a GGUF file, or the folder of a checkpoint, with config.json, tokenizer.json and model.safetensors",
    )
}

/// The files that a checkpoint's index names.
///
/// # Errors
/// Those of [`Index::parse`], and what `folder` gives.
pub fn shards(mut folder: impl Folder) -> Result<Vec<String>> {
    let index = Index::parse(INDEX, &text(&mut folder, INDEX, Index::MAX_SIZE)?)?;
    Ok(index.files().into_iter().map(str::to_owned).collect())
}

fn header(folder: &mut impl Folder, file: &str) -> Result<Header> {
    let size = folder.files().iter().find(|(name, _)| name == file).map_or(0, |(_, size)| *size);
    Header::read(file, size, |offset, out| folder.read(file, offset, out))
}

/// All bytes of a file of text, `limit` at most.
fn text(folder: &mut impl Folder, file: &str, limit: u64) -> Result<Vec<u8>> {
    let size = folder.files().iter().find(|(name, _)| name == file).map_or(0, |(_, size)| *size);
    if size > limit {
        return Err(bad(file, "the file", format!("it has {size} bytes, the limit is {limit}")));
    }
    let mut bytes = try_zeroed(usize::try_from(size).unwrap_or(usize::MAX), "a text of the checkpoint")?;
    folder.read(file, 0, &mut bytes)?;
    Ok(bytes)
}

fn bad(file: &str, what: &str, reason: impl Into<String>) -> Error {
    Error::BadCheckpoint { file: file.to_owned(), what: what.to_owned(), reason: reason.into() }
}
