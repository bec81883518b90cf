//! Wherever a chunk ends, a header is read the same. The decoder's assertions hold each state to its place on the way.

use super::*;

const STORIES: &[u8] = include_bytes!("../../../tests/models/stories-I2_S.gguf");

/// The story model up to its first tensor.
fn header() -> &'static [u8] {
    let mut decoder = Decoder::new(Limits::default());
    let end = feed(&mut decoder, STORIES).unwrap();
    &STORIES[..end]
}

/// Pushes a chunk up to the end of the header, if it is in it; says where that is.
fn feed(decoder: &mut Decoder, mut chunk: &[u8]) -> Option<usize> {
    loop {
        let (used, event) = decoder.push(chunk).unwrap();
        chunk = &chunk[used..];
        match event {
            Event::NeedMore => return None,
            Event::Tensors => return Some(decoder.position() as usize),
            _ => {}
        }
    }
}

/// The header in chunks that end at these places and at its end.
fn in_chunks(header: &[u8], cuts: &[usize]) -> Decoder {
    let mut decoder = Decoder::new(Limits::default());
    let mut from = 0;
    for &cut in cuts {
        assert_eq!(feed(&mut decoder, &header[from..cut]), None, "cuts {cuts:?}");
        assert_eq!(decoder.position(), cut as u64);
        from = cut;
    }
    assert_eq!(feed(&mut decoder, &header[from..]), Some(header.len()), "cuts {cuts:?}");
    decoder
}

#[track_caller]
fn same(found: &Decoder, whole: &Decoder, what: impl std::fmt::Debug) {
    let all = |d: &Decoder| (d.data_offset(), d.data_size(), d.version());
    assert_eq!(all(found), all(whole), "{what:?}");
    // Not assert_eq: the two are long.
    assert!(found.metadata() == whole.metadata() && found.tensors() == whole.tensors(), "{what:?}");
}

/// Where fields of the key-values begin: lengths, texts, types, counts, and the first and last elements of arrays.
fn edges(header: &[u8]) -> Vec<usize> {
    let number = |at: usize, size: usize| header[at..at + size].iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    let (mut at, mut edges) = (24, Vec::new());
    for _ in 0..number(16, 8) {
        edges.extend([at, at + 8]);
        at += 8 + number(at, 8);
        edges.extend([at, at + 4]);
        let kind = number(at, 4);
        at += 4;
        match kind {
            8 => {
                edges.push(at + 8);
                at += 8 + number(at, 8);
            }
            9 => {
                let (kind, count) = (number(at, 4), number(at + 4, 8));
                edges.extend([at + 4, at + 12]);
                at += 12;
                for i in 0..count {
                    let size = if kind == 8 { 8 + number(at, 8) } else { 4 };
                    if i < 2 || i + 2 >= count {
                        edges.extend([at, at + size.min(8)]);
                    }
                    at += size;
                }
            }
            7 => at += 1,
            _ => at += 4,
        }
    }
    edges.push(at);
    edges
}

#[test]
fn every_two_chunks_of_the_story_models_header() {
    let header = header();
    let whole = in_chunks(header, &[]);
    for cut in 0..header.len() {
        same(&in_chunks(header, &[cut]), &whole, cut);
    }
}

#[test]
fn three_chunks_around_every_field() {
    let header = header();
    let whole = in_chunks(header, &[]);
    let edges = edges(header);
    assert!(edges.len() > 100 && edges.is_sorted());
    for edge in edges {
        for first in edge - 5..=edge {
            for second in first..=edge + 5 {
                same(&in_chunks(header, &[first, second]), &whole, (first, second));
            }
        }
    }
}

#[test]
fn byte_by_byte_and_with_empty_chunks_between() {
    let header = header();
    let whole = in_chunks(header, &[]);
    let all: Vec<usize> = (0..header.len()).flat_map(|cut| [cut, cut]).collect();
    same(&in_chunks(header, &all), &whole, "byte by byte");
}

/// A decoder owns all that it knows: what another was in the middle of is nothing to it.
#[test]
fn files_that_were_given_up_before_leave_nothing_behind() {
    let header = header();
    let whole = in_chunks(header, &[]);
    let mut given_up = Vec::new();
    for edge in edges(header) {
        for cut in [edge - 1, edge + 3] {
            let mut before = Decoder::new(Limits::default());
            feed(&mut before, &header[..cut]);
            if cut % 2 == 0 {
                given_up.push(before);
            }
            same(&in_chunks(header, &[cut - 2, cut + 1]), &whole, cut);
        }
    }
    // Two at a time, a byte in turn.
    let mut other = Decoder::new(Limits::default());
    let mut decoder = Decoder::new(Limits::default());
    for (at, byte) in header.iter().enumerate() {
        feed(&mut decoder, std::slice::from_ref(byte));
        feed(&mut other, &header[at / 2..][..usize::from(at % 2 == 0)]);
    }
    same(&decoder, &whole, "by turns");
}

/// What stands behind the list of tokens is never taken for one more of them: its type and element type, read as a length,
/// would be 0x5_0000_0009.
#[test]
fn an_array_ends_where_its_count_says_however_its_strings_are_cut() {
    let header = header();
    let name = b"tokenizer.ggml.token_type";
    let at = header.windows(name.len()).position(|window| window == name).unwrap();
    assert_eq!(header[at + name.len()..][..8], 0x5_0000_0009u64.to_le_bytes());
    for size in 1..200 {
        let cuts: Vec<usize> = (1..).map(|i| at - 60 + i * size).take_while(|cut| *cut < at + 60).collect();
        let decoder = in_chunks(header, &cuts);
        assert_eq!(decoder.metadata().strings("tokenizer.ggml.tokens").unwrap().unwrap().len(), 1024, "{size}");
        assert_eq!(decoder.metadata().i32s("tokenizer.ggml.token_type").unwrap().unwrap().len(), 1024, "{size}");
    }
}
