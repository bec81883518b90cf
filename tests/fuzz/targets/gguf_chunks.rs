//! The same bytes, whole and cut at any places, are the same file or the same error.
//!
//! Input: the number of chunk sizes, the sizes, which are taken over and over, and the file.

use super::gguf_parse::{self, read};

pub fn run(input: &[u8]) {
    let Some((&count, rest)) = input.split_first() else { return };
    let (sizes, file) = rest.split_at(rest.len().min(usize::from(count % 16)));
    let size = (count & 0x80 != 0).then_some(file.len() as u64);
    let whole = read([file].into_iter(), size);
    let cut = read(chunks(file, sizes.iter().map(|&size| size.into()).collect()), size);
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => assert!(whole.written() == cut.written(), "chunks of {sizes:?}"),
        (whole, cut) => assert_eq!(whole.err(), cut.err(), "chunks of {sizes:?}"),
    }
}

/// Pieces of these sizes, 0 among them; single bytes where there is no other size.
pub(super) fn chunks(mut rest: &[u8], mut sizes: Vec<usize>) -> impl Iterator<Item = &[u8]> {
    if sizes.iter().all(|&size| size == 0) {
        sizes = vec![1];
    }
    let mut sizes = sizes.into_iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next()?.min(rest.len());
        let (chunk, later) = rest.split_at(size);
        if rest.is_empty() {
            return None;
        }
        rest = later;
        Some(chunk)
    })
}

pub fn seeds() -> Vec<Vec<u8>> {
    let sizes: [&[u8]; 3] = [&[0x80], &[3, 7, 0, 64], &[0x82, 255, 3]];
    gguf_parse::seeds().iter().flat_map(|file| sizes.map(|sizes| [sizes, file].concat())).collect()
}
