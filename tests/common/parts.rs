//! A file taken apart, changed, and put together again.

use b158::blocks::i2_s;
use b158::gguf::{Decoder, Event, Limits, Metadata, Split, TensorDeclaration, TensorType, Writer};

/// A file taken apart.
pub(crate) struct Parts {
    pub(crate) metadata: Metadata,
    pub(crate) tensors: Vec<(TensorDeclaration, Vec<u8>)>,
}

impl Parts {
    /// Golden model C: one layer of 512.
    pub(crate) fn new() -> Parts {
        Parts::of(super::C)
    }

    pub(crate) fn of(mut rest: &[u8]) -> Parts {
        let mut decoder = Decoder::new(Limits::default());
        let mut data = Vec::<Vec<u8>>::new();
        loop {
            let (taken, event) = decoder.push(rest).unwrap();
            rest = &rest[taken..];
            match event {
                Event::TensorData { offset: 0, bytes, .. } => data.push(bytes.to_vec()),
                Event::TensorData { bytes, .. } => data.last_mut().unwrap().extend_from_slice(bytes),
                Event::End => break,
                _ => {}
            }
        }
        let declare = |t: &b158::gguf::TensorInfo| TensorDeclaration {
            name: t.name.clone(),
            dims: t.dims.clone(),
            kind: t.kind.into(),
        };
        let tensors = decoder.tensors().iter().map(declare).zip(data).collect();
        Parts { metadata: decoder.metadata().clone(), tensors }
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut (TensorDeclaration, Vec<u8>) {
        self.tensors.iter_mut().find(|(t, _)| t.name == name).unwrap()
    }

    pub(crate) fn add(&mut self, name: &str, dims: &[u64], values: &[f32]) {
        let declaration = TensorDeclaration { name: name.into(), dims: dims.to_vec(), kind: TensorType::F32.into() };
        self.tensors.push((declaration, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }

    /// Moves the scale of an I2_S tensor.
    pub(crate) fn scale(&mut self, name: &str, change: impl Fn(f32) -> f32) {
        let bytes = &mut self.tensor(name).1;
        let tail: &mut [u8; i2_s::BYTES] = bytes.last_chunk_mut().unwrap();
        *tail = i2_s::tail(change(i2_s::scale(tail)));
    }

    /// Codes of an I2_S tensor, and its scale.
    pub(crate) fn codes(&mut self, name: &str) -> (Vec<u8>, f32) {
        let blocks = self.tensor(name).1.as_chunks::<{ i2_s::BYTES }>().0;
        let (tail, blocks) = blocks.split_last().unwrap();
        let mut codes = vec![0; blocks.len() * i2_s::BLOCK];
        for (block, codes) in blocks.iter().zip(codes.as_chunks_mut().0) {
            assert!(i2_s::decode(block, codes));
        }
        (codes, i2_s::scale(tail))
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        write(&self.metadata, &self.tensors)
    }

    /// The file up to its first tensor.
    pub(crate) fn header(&self) -> Vec<u8> {
        let declarations: Vec<_> = self.tensors.iter().map(|(t, _)| t.clone()).collect();
        let mut file = Vec::new();
        Writer::new(&mut file, &self.metadata, &declarations).unwrap();
        file
    }

    /// The same model split as `gguf-split` does it: files of so many tensors each.
    pub(crate) fn files(&self, sizes: &[usize]) -> Vec<Vec<u8>> {
        let (mut rest, mut metadata) = (self.tensors.as_slice(), self.metadata.clone());
        assert_eq!(sizes.iter().sum::<usize>(), rest.len());
        let (count, tensors) = (sizes.len() as u16, rest.len() as u32);
        let mut files = Vec::new();
        for (no, &size) in (0..).zip(sizes) {
            Split { no, count, tensors }.write(&mut metadata);
            let (here, later) = rest.split_at(size);
            files.push(write(&metadata, here));
            (rest, metadata) = (later, Metadata::new());
        }
        files
    }
}

pub(crate) fn write(metadata: &Metadata, tensors: &[(TensorDeclaration, Vec<u8>)]) -> Vec<u8> {
    let declarations: Vec<_> = tensors.iter().map(|(t, _)| t.clone()).collect();
    let mut writer = Writer::new(Vec::new(), metadata, &declarations).unwrap();
    tensors.iter().for_each(|(_, bytes)| writer.write_tensor_data(bytes).unwrap());
    writer.finish().unwrap()
}

/// The tensors of a file, or of a part.
pub(crate) fn names(file: &[u8]) -> Vec<String> {
    Parts::of(file).tensors.into_iter().map(|(tensor, _)| tensor.name).collect()
}
