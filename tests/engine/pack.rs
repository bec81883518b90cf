//! GGUFs written again: smaller, in parts, and whole.

use crate::common::parts::{self, Parts};
use crate::common::*;
use b158::blocks::{i2_s, tq2_0};
use b158::convert::{DenseType, Folder, Gguf, Plan, Rewriter};
use b158::gguf::{TensorDeclaration, TensorType, Value};
use b158::kernels::Compute;
use b158::model::{KvType, Loaded, Loader, LoaderOptions};
use b158::{Error, Result};
use half::f16;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Files in memory.
struct Files {
    list: Vec<(String, u64)>,
    bytes: Vec<Vec<u8>>,
}

impl Files {
    fn new(bytes: Vec<Vec<u8>>) -> Files {
        let list =
            bytes.iter().enumerate().map(|(no, bytes)| (format!("part {}", no + 1), bytes.len() as u64)).collect();
        Files { list, bytes }
    }
}

impl Folder for Files {
    fn files(&self) -> &[(String, u64)] {
        &self.list
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let no = self.list.iter().position(|(name, _)| name == file).unwrap();
        let bytes = self.bytes[no].get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| Error::Io { reason: "the file ends before".to_owned() })?);
        Ok(())
    }
}

fn open(files: Vec<Vec<u8>>) -> Result<Gguf<Files>> {
    Gguf::open(Files::new(files))
}

fn written(gguf: &mut Gguf<Files>, plan: &Plan) -> Result<Vec<u8>> {
    let mut rewriter = Rewriter::new(gguf, plan)?;
    let mut bytes = Vec::new();
    while let Some(piece) = rewriter.next_bytes()? {
        bytes.extend_from_slice(piece);
    }
    assert_eq!(bytes.len() as u64, plan.size());
    Ok(bytes)
}

/// The packed file, and what is said of it; the file itself where nothing gets smaller.
fn packed(file: &[u8], tables: Option<DenseType>) -> (Vec<u8>, Vec<String>) {
    let mut gguf = open(vec![file.to_vec()]).unwrap();
    let pack = gguf.pack(tables).unwrap();
    let bytes = pack.plan.map_or_else(|| file.to_vec(), |plan| written(&mut gguf, &plan).unwrap());
    (bytes, pack.notes)
}

fn load(file: &[u8], compute: Compute) -> Loaded {
    let options = LoaderOptions { file_size: Some(file.len() as u64), ..Default::default() };
    let mut loader = Loader::new(compute, options);
    loader.push(file).unwrap();
    loader.finish().unwrap()
}

/// The same weights, the same logits on every backend.
#[track_caller]
fn same_model(name: &str, before: &[u8], after: &[u8]) {
    for backend in backends() {
        let compute = || Compute { backend, ..Compute::default() };
        let [before, after] = [before, after].map(|file| load(file, compute()));
        assert_eq!(before.model.fingerprint(), after.model.fingerprint(), "{name}");
        let ids = ids(before.model.config.vocabulary, 7);
        let [before, after] = [&before, &after].map(|loaded| hash(&logits(loaded, &ids, KvType::F32, 7)));
        assert_eq!(before, after, "{name} on {}", backend.name());
    }
}

#[test]
fn a_packed_file_is_the_same_model() {
    let mut smaller = Vec::new();
    for (name, file) in [
        ("A", A),
        ("B", B),
        ("C", C),
        ("STORIES", STORIES),
        ("LLAMA", LLAMA),
        ("QWEN3", QWEN3),
        ("MINICPM", MINICPM),
        ("LONGROPE", LONGROPE),
        ("NORMS_IN", NORMS_IN),
        ("Q1", Q1),
        ("Q2", Q2),
        ("PTQ1", PTQ1),
    ] {
        let parts = Parts::of(file);
        let fits = |tensor: &TensorDeclaration| {
            let ternary = [TensorType::I2S.name(), TensorType::TQ2_0.name()].contains(&tensor.kind.name);
            ternary && tensor.dims[0].is_multiple_of(256)
        };
        let packs = parts.tensors.iter().any(|(tensor, _)| fits(tensor));
        smaller.extend(packs.then_some(name));
        let (bytes, notes) = packed(file, None);
        assert_eq!(bytes.len() < file.len(), packs, "{name}: {notes:?}");
        assert!(!notes.is_empty(), "{name}");
        same_model(name, file, &bytes);
        // Once is enough.
        assert!(packed(&bytes, None).0 == bytes, "{name}");
    }
    assert!(smaller.contains(&"STORIES") && smaller.len() > 3, "{smaller:?}");
}

#[test]
fn a_table_becomes_what_is_asked_for_where_that_is_smaller() {
    let types = |file: &[u8]| load(file, Compute::default()).types;
    for (kind, tensor) in [
        (DenseType::F16, TensorType::F16),
        (DenseType::Q8_0, TensorType::Q8_0),
        (DenseType::Q6_K, TensorType::Q6_K),
        (DenseType::Q5_K, TensorType::Q5_K),
        (DenseType::Q4_K, TensorType::Q4_K),
        (DenseType::F32, TensorType::F16),
    ] {
        let (bytes, notes) = packed(STORIES, Some(kind));
        assert!(types(&bytes).contains(&(tensor, 1)), "{kind}: {notes:?}");
        assert!(notes.iter().any(|note| note.contains("token_embd.weight")), "{notes:?}");
        // What is smaller already stays.
        let (again, notes) = packed(&bytes, Some(DenseType::Q8_0));
        let smaller = if tensor == TensorType::F16 { TensorType::Q8_0 } else { tensor };
        assert!(types(&again).contains(&(smaller, 1)), "{kind}: {notes:?}");
    }
}

/// The I2_S matrix of this name in another type, from its codes and its scale.
fn replace(parts: &mut Parts, name: &str, kind: TensorType, encode: impl Fn(usize, &[u8; 256], f32) -> Vec<u8>) {
    let (codes, scale) = parts.codes(name);
    let bytes = codes.as_chunks().0.iter().enumerate().flat_map(|(i, codes)| encode(i, codes, scale)).collect();
    let tensor = parts.tensor(name);
    tensor.0.kind = kind.into();
    tensor.1 = bytes;
}

#[test]
fn tq2_0_becomes_tq1_0_block_by_block_with_any_scales() {
    for differ in [false, true] {
        let mut parts = Parts::new();
        replace(&mut parts, "blk.0.ffn_up.weight", TensorType::TQ2_0, |i, codes, scale| {
            let more = if differ { 1.0 + i as f32 / 64.0 } else { 1.0 };
            tq2_0::encode(codes, f16::from_f32(scale * more)).to_vec()
        });
        let (bytes, notes) = packed(&parts.file(), None);
        assert!(notes.iter().any(|note| note == "blk.0.ffn_up.weight packed from TQ2_0 as TQ1_0"), "{notes:?}");
        same_model("TQ2_0", &parts.file(), &bytes);
    }
}

#[test]
fn a_scale_is_kept_to_the_bit_wherever_it_goes() {
    let name = "blk.0.attn_v.weight";
    for scale in [0.5, -0.5, 0.1, -0.1, 1.0, f32::MIN_POSITIVE, 1e30, 65504.0, 65505.0] {
        for zeros in [false, true] {
            let mut parts = Parts::new();
            parts.scale(name, |_| scale);
            if zeros {
                let bytes = &mut parts.tensor(name).1;
                let codes = bytes.len() - i2_s::BYTES;
                bytes[..codes].fill(0x55);
            }
            let (bytes, _) = packed(&parts.file(), None);
            let inside = f16::from_f32(scale).to_f32() == scale;
            let beside = parts::names(&bytes).iter().any(|name| name == "blk.0.attn_v.scale");
            assert_eq!(beside, !inside, "{scale}");
            let [before, after] = [&parts.file(), &bytes].map(|file| load(file, Compute::default()));
            assert_eq!(before.model.fingerprint(), after.model.fingerprint(), "{scale} {zeros}");
        }
    }
}

#[test]
fn a_matrix_with_a_scale_beside_it_already_keeps_both() {
    for (scale, kept) in [(0.5, false), (0.1, true)] {
        let mut parts = Parts::new();
        parts.scale("blk.0.attn_v.weight", |_| scale);
        parts.add("blk.0.attn_v.scale", &[1], &[0.3]);
        let (bytes, notes) = packed(&parts.file(), None);
        assert_eq!(notes.iter().any(|note| note.contains("blk.0.attn_v.weight kept in I2_S")), kept, "{notes:?}");
        same_model("beside", &parts.file(), &bytes);
    }
}

#[test]
fn damage_is_named() {
    let mut parts = Parts::new();
    parts.tensor("blk.0.ffn_up.weight").1[4000] |= 0x0c;
    let mut gguf = open(vec![parts.file()]).unwrap();
    let plan = gguf.pack(None).unwrap().plan.unwrap();
    let error = written(&mut gguf, &plan).unwrap_err().to_string();
    assert!(error.contains("part 1: tensor `blk.0.ffn_up.weight`: a code 3 among weights 16000..16128"), "{error}");

    let mut parts = Parts::new();
    parts.scale("blk.0.ffn_up.weight", |_| 0.0);
    let error = open(vec![parts.file()]).unwrap().pack(None).err().unwrap().to_string();
    assert!(error.contains("`blk.0.ffn_up.weight`: its scale is 0"), "{error}");

    let mut parts = Parts::new();
    let table = &mut parts.tensor("token_embd.weight").1;
    table[777 * 2..][..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
    let mut gguf = open(vec![parts.file()]).unwrap();
    let plan = gguf.pack(Some(DenseType::Q8_0)).unwrap().plan.unwrap();
    let error = written(&mut gguf, &plan).unwrap_err().to_string();
    assert!(error.contains("`token_embd.weight`: element 777 is inf"), "{error}");

    // The list is shorter than the file was.
    let whole = Parts::new().file();
    for len in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        let error = open(vec![whole[..len].to_vec()]).err().unwrap().to_string();
        assert!(error.starts_with("part 1: "), "{len}: {error}");
    }
}

/// Parts of at most so many bytes.
fn split(file: &[u8], most: u64) -> Result<Vec<Vec<u8>>> {
    let mut gguf = open(vec![file.to_vec()])?;
    let plans = gguf.split(most)?;
    plans.iter().map(|plan| written(&mut gguf, plan)).collect()
}

fn merged(files: Vec<Vec<u8>>) -> Vec<u8> {
    let mut gguf = open(files).unwrap();
    let plan = gguf.merge().unwrap();
    written(&mut gguf, &plan).unwrap()
}

/// The same bytes, but that a number of which a part could not tell the meaning may have become another.
#[track_caller]
fn same_file(found: &[u8], file: &[u8], what: &str) {
    let [found, file] = [found, file].map(Parts::of);
    assert!(found.metadata == file.metadata && found.tensors.len() == file.tensors.len(), "{what}");
    for ((a, a_bytes), (b, b_bytes)) in found.tensors.iter().zip(&file.tensors) {
        assert!((&a.name, &a.dims, a.kind) == (&b.name, &b.dims, b.kind) && a_bytes == b_bytes, "{what}: {}", a.name);
    }
}

#[test]
fn parts_are_of_the_size_and_give_the_file_again() {
    for (name, file) in [("A", A), ("STORIES", STORIES), ("LLAMA", LLAMA), ("Q2", Q2), ("E", NORMS_IN)] {
        let mut aligned = Parts::of(file);
        aligned.metadata.insert("general.alignment", Value::U32(256));
        for file in [file.to_vec(), aligned.file()] {
            let largest = Parts::of(&file).tensors.iter().map(|(_, bytes)| bytes.len()).max().unwrap() as u64;
            let least = Parts::of(&file).header().len() as u64 + largest;
            let mut counts = Vec::new();
            for most in [least + 8192, least + largest / 2, least * 2, file.len() as u64 - 1, file.len() as u64] {
                let parts = split(&file, most).unwrap();
                assert!(parts.iter().all(|part| part.len() as u64 <= most), "{name} {most}");
                assert!(file.len() as u64 > most || parts.len() == 1, "{name} {most}");
                counts.push(parts.len());
                same_file(&merged(parts.clone()), &file, &format!("{name} {most}"));
                // And so may parts be split.
                let mut gguf = open(parts).unwrap();
                let plans = gguf.split(least + 8192).unwrap();
                let again = plans.iter().map(|plan| written(&mut gguf, plan).unwrap()).collect();
                same_file(&merged(again), &file, &format!("{name} {most}, split twice"));
            }
            assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]), "{name}: {counts:?}");
        }
        // As its writer wrote it.
        assert!(merged(split(file, file.len() as u64 - 1).unwrap()) == file, "{name}");
    }
}

#[test]
fn a_part_that_would_not_tell_its_types_is_not_written() {
    // In places that are multiples of 4096 a small matrix of Q2_0 may be one of PQ2_0 or I2_S too.
    let mut aligned = Parts::of(Q2);
    aligned.metadata.insert("general.alignment", Value::U32(4096));
    let file = aligned.file();
    let largest = aligned.tensors.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    let error = split(&file, (aligned.header().len() + largest + 8192) as u64).unwrap_err().to_string();
    assert!(
        error.contains("42 (Q2_0 or PQ2_0 or I2_S)") && error.contains("too little is in the file to tell which"),
        "{error}"
    );
}

#[test]
fn what_no_part_holds_is_named() {
    let header = Parts::of(STORIES).header().len() as u64;
    let error = split(STORIES, header / 2).unwrap_err().to_string();
    assert!(error.contains("the key-values takes a part of"), "{error}");
    // The key-values in a part of their own, and then the embedding.
    let error = split(STORIES, header + 4096).unwrap_err().to_string();
    assert!(error.contains("tensor `token_embd.weight` takes a part of 52"), "{error}");
    let table = 2 * 1024 * 256;
    let parts = split(STORIES, table + 1024).unwrap();
    assert_eq!(parts::names(&parts[0]).len(), 0, "no tensor fits beside the key-values");
    assert!(merged(parts) == STORIES);
}

#[test]
fn parts_must_be_all_of_one_model() {
    let parts = split(STORIES, 800_000).unwrap();
    assert!(parts.len() > 2);
    let missing = open(parts[..2].to_vec()).err().unwrap();
    assert!(matches!(missing, Error::MissingPart { .. }), "{missing}");
    let mut exchanged = parts.clone();
    exchanged.swap(1, 2);
    let error = open(exchanged).err().unwrap().to_string();
    assert!(error.starts_with("part 2: part 2 of") && error.contains("was expected, this file is part 3"), "{error}");
    let error = open(parts[1..].to_vec()).err().unwrap().to_string();
    assert!(error.starts_with("part 1: a whole model, or the first part of one,"), "{error}");
    let cut = parts[2].len() - 5000;
    let mut short = parts.clone();
    short[2].truncate(cut);
    assert!(open(short).err().unwrap().to_string().starts_with("part 3: "));
    // More files than parts are no matter.
    let mut more = parts;
    more.push(b"something else".to_vec());
    assert!(merged(more) == STORIES);
}

#[test]
fn a_number_that_writers_differ_about_is_kept() {
    let mut parts = Parts::of(STORIES);
    for (TensorDeclaration { kind, .. }, _) in &mut parts.tensors {
        if kind.id == TensorType::I2S.id() {
            kind.id = 42;
        }
    }
    let file = parts.file();
    assert!(merged(vec![file.clone()]) == file);
    same_model("42", STORIES, &merged(vec![file]));
}
