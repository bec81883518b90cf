//! What the tests share: a file read in any chunks, and bytes that no writer would produce.

mod boundaries;
mod odd;
mod refusals;
mod round_trip;
mod typed;

use super::*;
use crate::Result;

/// All that a decoder says about a file.
#[derive(Debug, Clone, PartialEq)]
struct File {
    header: (u32, u64, u64),
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    data: Vec<Vec<u8>>,
}

/// Reads a file in pieces of these sizes, over and over.
fn read(bytes: &[u8], limits: &Limits, sizes: &[usize]) -> Result<File> {
    let mut decoder = Decoder::new(limits.clone());
    let (mut header, mut data, mut ended) = (None, Vec::<Vec<u8>>::new(), 0);
    let mut position = 0;
    for &size in sizes.iter().cycle() {
        let chunk = &bytes[position..bytes.len().min(position + size)];
        let mut rest = chunk;
        loop {
            let (used, event) = decoder.push(rest).inspect_err(|error| {
                assert_eq!(decoder.push(b"more").as_ref(), Err(error), "the error must stay");
                assert_eq!(decoder.finish().as_ref(), Err(error));
            })?;
            rest = &rest[used..];
            match event {
                Event::NeedMore => break,
                Event::Header { version, tensors, metadata } => header = Some((version, tensors, metadata)),
                Event::Metadata => assert_eq!(decoder.metadata().len() as u64, header.unwrap().2),
                Event::Tensors => {
                    assert_eq!(decoder.tensors().len() as u64, header.unwrap().1);
                    assert!(decoder.data_size() >= decoder.tensors().last().and(decoder.data_offset()));
                }
                Event::TensorData { index, offset, bytes } => {
                    assert!(!bytes.is_empty());
                    assert!(chunk.as_ptr_range().contains(&bytes.as_ptr()), "tensor bytes must not be copied");
                    if offset == 0 {
                        assert_eq!(index, data.len());
                        data.push(Vec::new());
                    }
                    assert_eq!(offset, data[index].len() as u64);
                    data[index].extend(bytes);
                }
                Event::TensorEnd { index } => {
                    assert_eq!(index + 1, data.len());
                    assert_eq!(data[index].len() as u64, decoder.tensors()[index].size);
                }
                Event::End => ended += 1,
            }
        }
        assert!(rest.is_empty(), "NeedMore must mean that all was consumed");
        position += chunk.len();
        assert_eq!(decoder.position(), position as u64);
        if position == bytes.len() {
            break;
        }
    }
    decoder.finish()?;
    assert_eq!(ended, 1);
    let (metadata, tensors) = (decoder.metadata().clone(), decoder.tensors().to_vec());
    Ok(File { header: header.unwrap(), metadata, tensors, data })
}

/// Reads a file in chunks of 1, 7, 4096 bytes and whole: all must say the same.
fn read_in_every_chunking(bytes: &[u8], limits: &Limits) -> Result<File> {
    let whole = read(bytes, limits, &[bytes.len().max(1)]);
    for size in [1, 7, 4096] {
        assert_eq!(read(bytes, limits, &[size]), whole, "chunks of {size}");
    }
    whole
}

/// The bytes of a file, written field by field.
#[derive(Clone, Default)]
struct Raw(Vec<u8>);

impl Raw {
    fn header(tensors: u64, keys: u64) -> Self {
        Self::default().bytes(b"GGUF").u32(3).u64(tensors).u64(keys)
    }

    /// A file of one key, of which the type and value follow.
    fn one_key(key: &str) -> Self {
        Self::header(0, 1).string(key)
    }

    /// A file of one string key, so that the architecture is known, and this many tensors.
    fn bitnet(tensors: u64) -> Self {
        Self::header(tensors, 1).string("general.architecture").u32(8).string("bitnet-b1.58")
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u8(self, v: u8) -> Self {
        self.bytes(&[v])
    }

    fn u32(self, v: u32) -> Self {
        self.bytes(&v.to_le_bytes())
    }

    fn u64(self, v: u64) -> Self {
        self.bytes(&v.to_le_bytes())
    }

    fn string(self, v: &str) -> Self {
        self.u64(v.len() as u64).bytes(v.as_bytes())
    }

    fn tensor(self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        let raw = self.string(name).u32(dims.len() as u32);
        dims.iter().fold(raw, |raw, &dim| raw.u64(dim)).u32(kind).u64(offset)
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
