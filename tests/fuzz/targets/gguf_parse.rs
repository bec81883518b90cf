//! A file of any bytes. With its size known or not it is taken or refused alike, and what is taken can be written again
//! and is then the same file.

use super::file::{self, ARRAY, BOOL, F32, File, STRING, U8, U64};
use b158::gguf::{Decoder, Event, Limits, Metadata, TensorDeclaration, TensorInfo, Writer};
use b158::{Error, Result};

/// What a file holds.
pub(super) struct Content {
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    data: Vec<u8>,
}

impl Content {
    /// As a file: in every bit, where `==` of a NaN would say no.
    pub(super) fn written(&self) -> Vec<u8> {
        let declare =
            |t: &TensorInfo| TensorDeclaration { name: t.name.clone(), dims: t.dims.clone(), kind: t.kind.into() };
        let declarations: Vec<_> = self.tensors.iter().map(declare).collect();
        let mut writer = Writer::new(Vec::new(), &self.metadata, &declarations).expect("what was read can be written");
        writer.write_tensor_data(&self.data).expect("as many bytes as were declared");
        writer.finish().expect("no byte is missing")
    }
}

/// Reads a file in these chunks.
pub(super) fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>, file_size: Option<u64>) -> Result<Content> {
    let mut decoder = Decoder::new(Limits { file_size, ..Limits::default() });
    let mut data = Vec::new();
    for mut chunk in chunks {
        loop {
            let (used, event) = decoder.push(chunk)?;
            chunk = &chunk[used..];
            match event {
                Event::NeedMore => break,
                Event::TensorData { bytes, .. } => data.extend_from_slice(bytes),
                _ => {}
            }
        }
        assert!(chunk.is_empty(), "all that was given is consumed");
    }
    decoder.finish()?;
    Ok(Content { metadata: decoder.metadata().clone(), tensors: decoder.tensors().to_vec(), data })
}

pub fn run(file: &[u8]) {
    let of_unknown_size = read([file].into_iter(), None);
    let of_known_size = read([file].into_iter(), Some(file.len() as u64));
    match (of_unknown_size, of_known_size) {
        (Ok(content), Ok(again)) => {
            let written = content.written();
            assert!(again.written() == written, "the size changes what is read");
            let once_more = read([&written[..]].into_iter(), Some(written.len() as u64)).expect("it was written here");
            assert!(once_more.written() == written, "written twice it is two files");
        }
        (Err(error), Err(_)) => drop(error.to_string()),
        (Ok(_), Err(error)) => panic!("only where the size is known: {error}"),
        // Which of the types that have one number the last tensor is.
        (Err(Error::UnsupportedTensorType { .. }), Ok(_)) => {}
        (Err(error), Ok(_)) => panic!("only where the size is not known: {error}"),
    }
}

/// A value of every type, arrays, a tensor of each storage format, and the beginning of a model.
pub fn seeds() -> Vec<Vec<u8>> {
    let empty = || File { keys: Vec::new(), tensors: Vec::new(), ..File::new() };
    let mut values = empty();
    for (name, value) in [
        ("u8", (U8, vec![1])),
        ("u16", (2, vec![1, 2])),
        ("u32", file::u32(7)),
        ("f32", file::f32(0.5)),
        ("bool", (BOOL, vec![1])),
        ("string", file::string("text")),
        ("u64", (U64, vec![9; 8])),
        ("u8s", file::array(U8, 3, b"abc")),
        ("f32s", file::numbers(F32, &[0, 1])),
        ("bools", file::array(BOOL, 2, &[0, 1])),
        ("strings", file::strings(&["a", "", "bc"])),
        ("u64s", file::array(U64, 1, &[0; 8])),
        ("general.alignment", file::u32(32)),
        ("nested", file::array(ARRAY, 1, &file::array(STRING, 0, &[]).1)),
    ] {
        values.set(name, value);
    }
    let mut tensors = empty();
    tensors.set("general.architecture", file::string("bitnet-b1.58"));
    for (kind, width) in [
        (0, 3),
        (1, 3),
        (2, 32),
        (8, 32),
        (36, 128),
        (34, 256),
        (35, 256),
        (41, 128),
        (42, 1280),
        (142, 128),
        (143, 128),
        (12, 256),
        (13, 256),
    ] {
        tensors.add(&format!("t{kind}"), &[width, 2], kind);
    }
    let split = |part: &mut File| {
        for (key, value) in [("no", (2, vec![0, 0])), ("count", (2, vec![2, 0])), ("tensors.count", file::u32(2))] {
            part.set(&format!("split.{key}"), value);
        }
        part.bytes()
    };
    let mut header = File::new();
    header.remove("tokenizer.ggml.tokens");
    header.tensors.truncate(1);
    header.tensors[0].data.clear();
    let files = [values.bytes(), tensors.bytes(), split(&mut empty()), header.bytes(), empty().bytes()];
    assert!(
        matches!(read([&files[0][..]].into_iter(), None), Err(Error::NestedArray { .. })),
        "the one that is not sound"
    );
    files.into()
}
