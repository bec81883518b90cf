//! Files of safetensors that a test may change.

use b158::safetensors::{DType, Header};

/// Its tensors in the order of their bytes.
#[derive(Clone)]
pub(crate) struct Safetensors(pub(crate) Vec<Entry>);

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) data: Vec<u8>,
}

impl Safetensors {
    pub(crate) fn read(file: &[u8]) -> Self {
        let header = Header::read("a test's file", file.len() as u64, |offset, out| {
            out.copy_from_slice(&file[offset as usize..][..out.len()]);
            Ok(())
        });
        let entry = |tensor: b158::safetensors::Tensor| Entry {
            data: file[tensor.offset as usize..][..tensor.size as usize].to_vec(),
            dtype: tensor.dtype.to_string(),
            name: tensor.name,
            shape: tensor.shape,
        };
        Safetensors(header.unwrap().tensors.into_iter().map(entry).collect())
    }

    /// The one whose name ends so.
    pub(crate) fn get(&mut self, end: &str) -> &mut Entry {
        self.0.iter_mut().find(|entry| entry.name.ends_with(end)).unwrap()
    }

    pub(crate) fn remove(&mut self, end: &str) -> Entry {
        let at = self.0.iter().position(|entry| entry.name.ends_with(end)).unwrap();
        self.0.remove(at)
    }

    pub(crate) fn push(&mut self, name: &str, dtype: DType, shape: &[u64], data: Vec<u8>) {
        self.0.push(Entry { name: name.to_owned(), dtype: dtype.to_string(), shape: shape.to_vec(), data });
    }

    /// The JSON of its header.
    pub(crate) fn header(&self) -> String {
        let mut at = 0;
        let entries = self.0.iter().map(|Entry { name, dtype, shape, data }| {
            let begin = at;
            at += data.len();
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{at}]}}"#)
        });
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        self.0.iter().flat_map(|entry| entry.data.iter().copied()).collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        with_header(&self.header(), &self.data())
    }
}

/// A file of any header.
pub(crate) fn with_header(json: &str, data: &[u8]) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), data].concat()
}
