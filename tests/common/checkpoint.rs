//! Checkpoints of the golden vectors, as folders in memory that a test may change.

use b158::convert::{Converter, Folder, Options};
use b158::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// A folder in memory.
#[derive(Clone, Default)]
pub(crate) struct Files {
    list: Vec<(String, u64)>,
    bytes: BTreeMap<String, Vec<u8>>,
}

impl Files {
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        let mut folder = Files::default();
        files.iter().for_each(|(name, bytes)| folder.put(name, *bytes));
        folder
    }

    pub(crate) fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.bytes.insert(name.to_owned(), bytes.into());
        self.list = self.bytes.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        &self.bytes[name]
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.bytes.remove(name).unwrap();
        self.list.retain(|(other, _)| other != name);
    }

    /// Changes a file of JSON.
    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(self.get(name)).unwrap();
        change(&mut value);
        self.put(name, serde_json::to_vec(&value).unwrap());
    }
}

impl Folder for Files {
    fn files(&self) -> &[(String, u64)] {
        &self.list
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let bytes = self.bytes.get(file).and_then(|bytes| bytes.get(offset as usize..)?.get(..out.len()));
        out.copy_from_slice(bytes.ok_or_else(|| Error::Io { reason: format!("{file} ends") })?);
        Ok(())
    }
}

macro_rules! checkpoint {
    ($folder:literal, $($weights:literal),*) => {
        Files::of(&[
            $(checkpoint!(file $folder, $weights),)*
            checkpoint!(file $folder, "config.json"),
            checkpoint!(file $folder, "generation_config.json"),
            checkpoint!(file $folder, "tokenizer.json"),
            checkpoint!(file $folder, "tokenizer_config.json"),
        ])
    };
    (file $folder:literal, $name:literal) => {
        ($name, include_bytes!(concat!("../golden/checkpoints/", $folder, "/", $name)))
    };
}

/// Packed matrices, `autobitlinear`, tied.
pub(crate) fn s1a() -> Files {
    checkpoint!("S1a", "model.safetensors")
}

/// The masters of S1a.
pub(crate) fn s1b() -> Files {
    checkpoint!("S1b", "model.safetensors")
}

/// Llama, packed matrices, `bitlinear`, a head of its own.
pub(crate) fn s1c() -> Files {
    checkpoint!("S1c", "model.safetensors")
}

/// S1a in two shards.
pub(crate) fn s1d() -> Files {
    checkpoint!(
        "S1d",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json"
    )
}

/// The GGUF that a checkpoint becomes.
pub(crate) fn convert(files: Files, options: Options) -> Result<Vec<u8>> {
    let mut converter = Converter::new(files, options)?;
    let mut file = Vec::new();
    while let Some(bytes) = converter.next_bytes()? {
        file.extend_from_slice(bytes);
    }
    assert_eq!(file.len() as u64, converter.size());
    Ok(file)
}
