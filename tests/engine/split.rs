//! Models in several files, as llama.cpp's `gguf-split` writes them: the same bits, and what is refused.

use crate::common::parts::{self, Parts};
use crate::common::*;
use b158::gguf::{Metadata, Split, TensorDeclaration, Value};
use b158::kernels::Compute;
use b158::model::{KvType, Loaded, Loader, LoaderOptions};
use b158::{Error, Result};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn load(files: &[Vec<u8>], chunk: usize) -> Result<Loaded> {
    let size = |file: &Vec<u8>| Some(file.len() as u64);
    let options = LoaderOptions { file_size: size(&files[0]), ..Default::default() };
    let mut loader = Loader::new(Compute::default(), options);
    for (i, file) in files.iter().enumerate() {
        if i > 0 {
            loader.next_part(size(file))?;
        }
        for part in file.chunks(chunk) {
            loader.push(part).inspect_err(|error| assert_eq!(loader.next_part(None).as_ref(), Err(error)))?;
        }
        assert_eq!(loader.position(), file.len() as u64, "file {i}");
        // Without the padding behind the last tensor.
        assert!(loader.expected_size().is_some_and(|size| size <= loader.position()), "file {i}");
    }
    loader.finish()
}

fn hash_of(loaded: &Loaded) -> u64 {
    hash(&logits(loaded, &ids(loaded.model.config.vocabulary, 9), KvType::F32, 9))
}

#[test]
fn a_split_model_is_the_same_model_wherever_it_was_split() {
    let parts = Parts::new();
    let all = parts.tensors.len();
    let whole = load(&[parts.file()], usize::MAX).unwrap();
    for first in 0..=all {
        // A first file without tensors is what --no-tensor-first-split writes.
        let files = parts.files(&[first, all - first]);
        for chunk in [7, 4096, usize::MAX] {
            assert_eq!(
                hash_of(&load(&files, chunk).unwrap()),
                hash_of(&whole),
                "{first} in the first, chunks of {chunk}"
            );
        }
    }
    let files = parts.files(&vec![1; all]);
    for chunk in [1, 7, 4096, usize::MAX] {
        let loaded = load(&files, chunk).unwrap();
        assert_eq!(hash_of(&loaded), hash_of(&whole), "a file a tensor, chunks of {chunk}");
        assert_eq!((&loaded.types, &loaded.notes), (&whole.types, &whole.notes));
    }
}

#[test]
fn other_alignments_of_the_parts_are_their_own() {
    let mut parts = Parts::new();
    parts.metadata.insert("general.alignment", Value::U32(4096));
    let files = parts.files(&[3, parts.tensors.len() - 3]);
    assert_eq!(hash_of(&load(&files, 4096).unwrap()), hash_of(&load(&[Parts::new().file()], 4096).unwrap()));
}

/// The one error, whatever the chunks.
fn refusal(files: &[Vec<u8>]) -> Error {
    let whole = load(files, usize::MAX).err().expect("the files are refused");
    for chunk in [1, 7, 4096] {
        assert_eq!(load(files, chunk).err().as_ref(), Some(&whole), "chunks of {chunk}");
    }
    whole
}

#[track_caller]
fn wrong_part(files: &[Vec<u8>], expected: &str, found: &str) {
    let (expected, found) = (expected.to_owned(), found.to_owned());
    assert_eq!(refusal(files), Error::WrongPart { expected, found });
}

fn three() -> Vec<Vec<u8>> {
    let parts = Parts::new();
    parts.files(&[2, 3, parts.tensors.len() - 5])
}

#[test]
fn parts_must_come_in_order() {
    let [a, b, c] = <[_; 3]>::try_from(three()).unwrap();
    let first = "a whole model, or the first part of one,";
    wrong_part(&[b.clone(), a.clone()], first, "part 2 of 3");
    wrong_part(&[a.clone(), c.clone()], "part 2 of 3", "part 3 of 3");
    wrong_part(&[a.clone(), a.clone()], "part 2 of 3", "part 1 of 3");
    wrong_part(&[a.clone(), C.to_vec()], "part 2 of 3", "no part of a split model");
    wrong_part(&[a, b, c.clone(), c.clone()], "the end of the model", "one more");
    wrong_part(&[C.to_vec(), c], "the end of the model", "one more");
}

#[test]
fn a_missing_part_is_named() {
    let mut files = three();
    for (left, part, name) in [(2, "part 3 of 3", "-00003-of-00003.gguf"), (1, "part 2 of 3", "-00002-of-00003.gguf")] {
        files.truncate(left);
        assert_eq!(refusal(&files), Error::MissingPart { part: part.into(), name: name.into() });
    }
}

#[test]
fn a_part_cut_short_is_found_before_the_next() {
    let mut files = three();
    let len = files[1].len();
    // More than the padding at its end.
    files[1].truncate(len - 40);
    let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
    loader.push(&files[0]).unwrap();
    loader.next_part(None).unwrap();
    loader.push(&files[1]).unwrap();
    let error = loader.next_part(None).unwrap_err();
    assert!(matches!(&error, Error::Truncated { field, .. } if field.starts_with("tensor `")), "{error}");
    assert_eq!(loader.push(&files[2]), Err(error), "an error stays");
}

/// The second part, written anew.
fn second(split: Split, tensors: std::ops::Range<usize>) -> Vec<u8> {
    let mut metadata = Metadata::new();
    split.write(&mut metadata);
    parts::write(&metadata, &Parts::new().tensors[tensors])
}

#[test]
fn parts_of_other_models_are_refused() {
    let files = three();
    let all = Parts::new().tensors.len();
    let due = Split { no: 1, count: 3, tensors: all as u32 };
    let with = |second: Vec<u8>| vec![files[0].clone(), second, files[2].clone()];
    assert!(load(&with(second(due, 2..5)), 4096).is_ok());

    wrong_part(&with(second(Split { count: 4, ..due }, 2..5)), "part 2 of 3", "part 2 of 4");
    let found = format!("the same part of a model of {} tensors instead of {all}", all + 1);
    wrong_part(&with(second(Split { tensors: all as u32 + 1, ..due }, 2..5)), "part 2 of 3", &found);

    let tensor = Parts::new().tensors[1].0.name.clone();
    let part = "part 2 of 3".to_owned();
    assert_eq!(refusal(&with(second(due, 1..5))), Error::TensorInTwoParts { tensor, part });
    let (part, found, expected) = ("part 3 of 3".to_owned(), all as u64 - 1, all as u64);
    assert_eq!(refusal(&with(second(due, 2..4))), Error::WrongTensorCount { part, found, expected });
}

/// As many parts and tensors, of another width and of another graph.
#[test]
fn a_part_of_another_model_is_named_by_its_tensors() {
    let files = three();
    let all = Parts::new().tensors.len() as u32;
    let due = Split { no: 1, count: 3, tensors: all };
    for change in [(|t| t.dims[0] *= 2) as fn(&mut TensorDeclaration), |t| t.name = "blk.7.attn_norm.weight".into()] {
        let mut metadata = Metadata::new();
        due.write(&mut metadata);
        let mut tensors = Parts::new().tensors[2..5].to_vec();
        let (info, bytes) = &mut tensors[1];
        change(info);
        *bytes = vec![0; info.kind.size_of(&info.dims).unwrap() as usize];
        let name = info.name.clone();
        let error = refusal(&[files[0].clone(), parts::write(&metadata, &tensors), files[2].clone()]);
        let Error::WrongPart { expected, found } = &error else { panic!("{error}") };
        assert_eq!(expected, "part 2 of 3");
        assert!(found.starts_with("the same part of another model") && found.contains(&name), "{found}");
    }
}

#[test]
fn tensors_that_the_parts_do_not_have_are_missed() {
    let mut parts = Parts::new();
    let name = parts.tensors.remove(4).0.name;
    let files = parts.files(&[2, parts.tensors.len() - 2]);
    assert_eq!(refusal(&files), Error::MissingTensor { name });
    let error = refusal(&[parts.files(&[parts.tensors.len()]).remove(0)]);
    assert!(matches!(error, Error::MissingTensor { .. }), "one part is a whole model: {error}");
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn opening_the_first_file_opens_them_all() {
    let parts = Parts::new();
    let whole = load(&[parts.file()], usize::MAX).unwrap();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = |no| folder.join(Split::name("opened", no, 3));
    for (no, file) in parts.files(&[2, 3, parts.tensors.len() - 5]).iter().enumerate() {
        std::fs::write(path(no as u32), file).unwrap();
    }
    assert_eq!(hash_of(&Loaded::open(path(0)).unwrap()), hash_of(&whole));
    assert!(matches!(Loaded::open(path(1)), Err(Error::WrongPart { .. })));
    std::fs::remove_file(path(2)).unwrap();
    let said = Loaded::open(path(0)).err().unwrap().to_string();
    assert!(said.contains("opened-00003-of-00003.gguf"), "{said}");
    assert!(Loaded::open(folder).is_err(), "a folder");
    // A whole model is one whatever its name.
    std::fs::write(path(0), parts.file()).unwrap();
    assert_eq!(hash_of(&Loaded::open(path(0)).unwrap()), hash_of(&whole));
}
