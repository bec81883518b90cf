//! What the GGUF decoder allocates for files that announce more than they hold.

use allocation_counter::{AllocationInfo, measure};
use b158::gguf::{Decoder, Event, Limits};
use b158::{Error, Result};

fn push_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<()> {
    loop {
        let (used, event) = decoder.push(bytes)?;
        bytes = &bytes[used..];
        if event == Event::NeedMore {
            return Ok(());
        }
    }
}

/// Reads a file of unknown size in chunks, and drops the decoder.
fn read(bytes: &[u8], chunk: usize) -> (AllocationInfo, Option<Error>) {
    let mut error = None;
    let info = measure(|| {
        let mut decoder = Decoder::new(Limits::default());
        error = bytes.chunks(chunk).find_map(|chunk| push_all(&mut decoder, chunk).err());
    });
    (info, error)
}

fn header(tensors: u64, keys: u64) -> Vec<u8> {
    [b"GGUF".as_slice(), &3u32.to_le_bytes(), &tensors.to_le_bytes(), &keys.to_le_bytes()].concat()
}

fn announce(key: &str, kinds: &[u32], count: u64) -> Vec<u8> {
    let mut bytes = header(0, 1);
    bytes.extend((key.len() as u64).to_le_bytes());
    bytes.extend(key.as_bytes());
    kinds.iter().for_each(|kind| bytes.extend(kind.to_le_bytes()));
    bytes.extend(count.to_le_bytes());
    bytes
}

#[test]
fn a_file_of_24_bytes_allocates_nothing_that_it_announces() {
    for (tensors, keys) in [(65_536, 4096), (u64::MAX, 0), (0, u64::MAX), (1 << 60, 1 << 60), (1 << 32, 1)] {
        let (info, _) = read(&header(tensors, keys), 24);
        // An error's few words at most.
        assert!(info.bytes_max <= 256, "{tensors} tensors, {keys} keys: {info:?}");
    }
}

#[test]
fn an_announced_length_costs_nothing_until_its_bytes_come() {
    for kinds in [&[8][..], &[9, 0], &[9, 6], &[9, 8], &[9, 12]] {
        let mut bytes = announce("k", kinds, 16 << 20);
        bytes.extend([0; 100]);
        for chunk in [1, bytes.len()] {
            let (info, error) = read(&bytes, chunk);
            assert_eq!(error, None, "within the limits: more is awaited");
            assert!(info.bytes_max <= 2048, "types {kinds:?}: {info:?}");
        }
    }
}

#[test]
fn memory_follows_what_has_arrived() {
    const COUNT: usize = 1 << 20;
    let mut numbers = announce("k", &[9, 6], COUNT as u64);
    numbers.extend(vec![0; 4 * COUNT]);
    let mut text = announce("k", &[8], 4 * COUNT as u64);
    text.extend(vec![b'a'; 4 * COUNT]);
    // A vocabulary of strings of four bytes.
    let mut strings = announce("k", &[9, 8], COUNT as u64);
    for _ in 0..COUNT {
        strings.extend([4, 0, 0, 0, 0, 0, 0, 0, b't', b'e', b'x', b't']);
    }
    // One string that is cut by every chunk, inside an array.
    let mut long = announce("k", &[9, 8], 1);
    long.extend((4 * COUNT as u64).to_le_bytes());
    long.extend(vec![b'a'; 4 * COUNT]);
    for (name, bytes) in [("numbers", numbers), ("text", text), ("strings", strings), ("long", long)] {
        for chunk in [1 << 14, bytes.len()] {
            let (info, error) = read(&bytes, chunk);
            assert_eq!(error, None);
            // This allocator counts the old and the new place of a growing buffer: 1 and 1.5 of what has arrived.
            let most = bytes.len() as u64 * 5 / 2 + (1 << 20);
            assert!(info.bytes_max <= most, "{name} in chunks of {chunk}: {} of {most}", info.bytes_max);
        }
    }
}

#[test]
fn tensor_bytes_are_not_copied() {
    use b158::gguf::{Metadata, TensorDeclaration, TensorType, Writer};
    let tensor = TensorDeclaration { name: "t".to_owned(), dims: vec![1 << 20], kind: TensorType::F32.into() };
    let mut writer = Writer::new(Vec::new(), &Metadata::new(), &[tensor]).unwrap();
    writer.write_tensor_data(&vec![0; 4 << 20]).unwrap();
    let bytes = writer.finish().unwrap();
    for chunk in [999, bytes.len()] {
        let (info, error) = read(&bytes, chunk);
        assert_eq!(error, None);
        assert!(info.bytes_total <= 4096, "{info:?}");
    }
}
