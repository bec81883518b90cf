//! Files that differ from a right one in one thing: what is refused, and what each variant of the format means.

use crate::common::parts::Parts;
use crate::common::*;
use b158::Error;
use b158::blocks::{tq1_0, tq2_0};
use b158::gguf::{Metadata, TensorType, Value};
use b158::kernels::{self, Compute};
use b158::model::{EmbeddingType, KvType, Linear, Loaded, Loader, LoaderOptions};
use half::f16;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

trait Load {
    fn load(&self) -> Result<Loaded, Error>;
    fn refusal(&self) -> Error;
    fn hash(&self) -> u64;
}

impl Load for Parts {
    fn load(&self) -> Result<Loaded, Error> {
        push(&self.file(), usize::MAX, &[])
    }

    /// The one error, whatever the chunks.
    fn refusal(&self) -> Error {
        let file = self.file();
        let whole = push(&file, usize::MAX, &[]).err().expect("the file is refused");
        for chunk in [7, 4096] {
            assert_eq!(push(&file, chunk, &[]).err().as_ref(), Some(&whole), "chunks of {chunk}");
        }
        whole
    }

    fn hash(&self) -> u64 {
        hash_of(&self.load().unwrap())
    }
}

fn push(file: &[u8], chunk: usize, overrides: &[&str]) -> Result<Loaded, Error> {
    let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
    let options = LoaderOptions { file_size: Some(file.len() as u64), overrides, hash: true, ..Default::default() };
    let mut loader = Loader::new(Compute::default(), options);
    for part in file.chunks(chunk) {
        if let Err(error) = loader.push(part) {
            assert_eq!(loader.push(b"more").as_ref(), Err(&error), "an error stays");
            return Err(error);
        }
    }
    loader.finish()
}

fn hash_of(loaded: &Loaded) -> u64 {
    hash(&logits(loaded, &ids(loaded.model.config.vocabulary, 9), KvType::F32, 9))
}

#[test]
fn a_file_written_again_is_the_same_model() {
    assert_eq!(Parts::new().hash(), hash_of(&push(C, 4096, &[]).unwrap()));
}

#[test]
fn tensors_that_the_graph_needs_must_be_there_in_their_shape() {
    for name in ["token_embd.weight", "output_norm.weight", "blk.0.ffn_sub_norm.weight", "blk.0.attn_k.weight"] {
        let mut parts = Parts::new();
        parts.tensors.retain(|(t, _)| t.name != name);
        assert_eq!(parts.refusal(), Error::MissingTensor { name: name.into() });
    }
    let mut parts = Parts::new();
    let name = "blk.0.ffn_down.weight";
    let dims = &mut parts.tensor(name).0.dims;
    let expected = dims.clone();
    dims.reverse();
    let found = dims.clone();
    assert_eq!(parts.refusal(), Error::WrongShape { name: name.into(), found, expected });
}

#[test]
fn tensors_without_a_place_are_refused() {
    for name in ["blk.0.attn_q.bias", "blk.1.attn_norm.weight", "blk.0.attn_norm.scale"] {
        let mut parts = Parts::new();
        parts.add(name, &[1], &[1.0]);
        assert_eq!(parts.refusal(), Error::UnknownTensor { name: name.into() });
    }
}

#[test]
fn scales_and_codes_that_no_writer_produces_are_refused() {
    let name = "blk.0.ffn_up.weight";
    for scale in [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut parts = Parts::new();
        parts.scale(name, |_| scale);
        let Error::BadTensorData { name: found, reason } = parts.refusal() else { panic!("scale {scale}") };
        assert!(found == name && reason.contains("scale"), "{found}: {reason}");
    }
    let mut parts = Parts::new();
    parts.tensor(name).1[1000] = 0b11 << 4;
    let Error::BadTensorData { reason, .. } = parts.refusal() else { panic!("a code 3") };
    assert!(reason.contains("code 3") && reason.contains("3968..4096"), "{reason}");
}

#[test]
fn floats_that_are_not_finite_are_refused() {
    for (name, bytes) in [("token_embd.weight", &[0x00, 0x7c][..]), ("blk.0.attn_norm.weight", &[0, 0, 0xc0, 0x7f])] {
        let mut parts = Parts::new();
        parts.tensor(name).1[8..8 + bytes.len()].copy_from_slice(bytes);
        assert!(matches!(parts.refusal(), Error::BadTensorData { name: found, .. } if found == name));
    }
}

#[test]
fn tq_blocks_of_one_scale_are_a_matrix_of_one_scale() {
    let name = "blk.0.attn_output.weight";
    let mut expected = Parts::new();
    expected.scale(name, |scale| f16::from_f32(scale).to_f32());
    let expected = expected.hash();
    for kind in [TensorType::TQ1_0, TensorType::TQ2_0] {
        let encode = |parts: &mut Parts, scale: &dyn Fn(usize, f16) -> f16| {
            let (codes, one) = parts.codes(name);
            let one = f16::from_f32(one);
            let blocks = codes.as_chunks::<256>().0.iter().enumerate();
            let bytes = match kind {
                TensorType::TQ1_0 => blocks.flat_map(|(i, codes)| tq1_0::encode(codes, scale(i, one))).collect(),
                _ => blocks.flat_map(|(i, codes)| tq2_0::encode(codes, scale(i, one))).collect(),
            };
            let tensor = parts.tensor(name);
            (tensor.0.kind, tensor.1) = (kind.into(), bytes);
        };
        let bytes = |loaded: &Loaded| match &loaded.model.weights.layers[0].attn_output.linear {
            Linear::Ternary(matrix) => matrix.bytes(),
            Linear::Dense(_) => panic!("{kind} is ternary"),
        };
        let mut parts = Parts::new();
        encode(&mut parts, &|_, one| one);
        let loaded = parts.load().unwrap();
        assert_eq!((hash_of(&loaded), bytes(&loaded)), (expected, 512 * 512 / 4), "{kind}");

        // One block of another scale, and each has its own: 4 bytes more for each.
        let mut parts = Parts::new();
        encode(&mut parts, &|i, one| if i == 700 { one + one } else { one });
        let loaded = parts.load().unwrap();
        assert_eq!(bytes(&loaded), 512 * 512 / 4 + 512 * 512 / 256 * 4, "{kind}");
        assert_ne!(hash_of(&loaded), expected, "{kind}");
    }
}

#[test]
fn a_scale_beside_a_matrix_multiplies_it() {
    let mut beside = Parts::new();
    beside.add("blk.0.attn_v.scale", &[1], &[0.25]);
    let mut inside = Parts::new();
    // A power of two, so that not a bit depends on where it is multiplied.
    inside.scale("blk.0.attn_v.weight", |scale| 0.25 * scale);
    assert_eq!(beside.hash(), inside.hash());
    assert_ne!(beside.hash(), Parts::new().hash());
}

#[test]
fn arch_bitnet_has_silu_unless_the_file_says_otherwise() {
    let renamed = || {
        let mut parts = Parts::new();
        let entries: Vec<_> = parts.metadata.iter().map(|(k, v)| (k.to_owned(), v.clone())).collect();
        parts.metadata = Metadata::new();
        for (key, value) in entries {
            parts.metadata.insert(key.replace("bitnet-b1.58.", "bitnet."), value);
        }
        parts.metadata.insert("general.architecture", Value::String("bitnet".into()));
        parts
    };
    assert_ne!(renamed().hash(), Parts::new().hash());
    let mut relu2 = renamed();
    relu2.metadata.insert("bitnet.hidden_activation", Value::String("relu2".into()));
    assert_eq!(relu2.hash(), Parts::new().hash());
}

#[test]
fn overrides_change_what_the_file_says() {
    let plain = hash_of(&push(C, usize::MAX, &[]).unwrap());
    let same = "bitnet-b1.58.rope.freq_base=float:500000";
    let loaded = push(C, usize::MAX, &[same]).unwrap();
    assert_eq!(hash_of(&loaded), plain);
    assert!(loaded.notes.iter().any(|note| note.contains(same)), "{:?}", loaded.notes);
    for text in ["rope.freq_base=float:10000", "attention.layer_norm_rms_epsilon=float:0.01"] {
        assert_ne!(hash_of(&push(C, usize::MAX, &[&format!("bitnet-b1.58.{text}")]).unwrap()), plain, "{text}");
    }
    assert!(matches!(push(C, usize::MAX, &["nonsense"]), Err(Error::BadOverride { .. })));
    let contradiction = push(C, usize::MAX, &["bitnet-b1.58.attention.head_count=int:3"]);
    assert!(matches!(contradiction, Err(Error::BadValue { .. })));
}

#[test]
fn a_file_that_ends_early_says_inside_what() {
    let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
    loader.push(&C[..C.len() - 100]).unwrap();
    assert_eq!(loader.expected_size(), Some(C.len() as u64));
    let Err(Error::Truncated { field, offset }) = loader.finish() else { panic!("it is whole?") };
    assert!(field.contains("tensor `") && offset == C.len() as u64 - 100, "{field} at {offset}");
}

#[test]
fn the_files_hash_is_taken_on_the_way_whatever_the_chunks() {
    use sha2::{Digest, Sha256};
    let expected: String = Sha256::digest(C).iter().map(|byte| format!("{byte:02x}")).collect();
    for chunk in [1000, usize::MAX] {
        assert_eq!(push(C, chunk, &[]).unwrap().sha256.as_ref(), Some(&expected));
    }
    assert_eq!(load(C, kernels::detect(), 1, usize::MAX).sha256, None, "nobody asked");
}

fn with_8_bit_embedding(file: &[u8], chunk: usize) -> Result<Loaded, Error> {
    let options =
        LoaderOptions { file_size: Some(file.len() as u64), embedding: EmbeddingType::Int8, ..Default::default() };
    let mut loader = Loader::new(Compute::default(), options);
    file.chunks(chunk).try_for_each(|part| loader.push(part))?;
    loader.finish()
}

#[test]
fn an_embedding_in_8_bits_is_near_the_files_and_the_same_from_any_chunks() {
    let (exact, narrow) = (push(STORIES, usize::MAX, &[]).unwrap(), with_8_bit_embedding(STORIES, usize::MAX).unwrap());
    let (a, b) = (&exact.model.weights.token_embd, &narrow.model.weights.token_embd);
    assert_eq!((a.type_name(), b.type_name()), ("F16", "int8"));
    let (rows, cols) = (exact.model.config.vocabulary, exact.model.config.embedding);
    assert_eq!(b.bytes(), (rows * (cols + 8)) as u64);
    let (mut wide, mut near) = (vec![0.0; cols], vec![0.0; cols]);
    for row in 0..rows {
        a.row(row, &mut wide);
        b.row(row, &mut near);
        let most = wide.iter().fold(0f32, |most, w| most.max(w.abs()));
        // Half a step.
        assert!(wide.iter().zip(&near).all(|(w, n)| (w - n).abs() <= most / 253.9), "row {row}");
    }
    assert!(narrow.notes.iter().any(|note| note.contains("8 bits")));
    assert!(!exact.notes.iter().any(|note| note.contains("8 bits")), "a small one stays as it is");
    let expected = hash_of(&narrow);
    for chunk in [7, 65, 4096] {
        assert_eq!(hash_of(&with_8_bit_embedding(STORIES, chunk).unwrap()), expected, "chunks of {chunk}");
    }
}

#[test]
fn an_embedding_in_8_bits_refuses_what_one_in_floats_refuses() {
    let mut parts = Parts::new();
    let (info, bytes) = parts.tensors.iter_mut().find(|(t, _)| t.name == "token_embd.weight").unwrap();
    assert_eq!(info.kind, TensorType::F16.into());
    bytes[2 * 1000..][..2].copy_from_slice(&0x7c00u16.to_le_bytes());
    let file = parts.file();
    for chunk in [7, usize::MAX] {
        let refusal = with_8_bit_embedding(&file, chunk).err().unwrap();
        assert_eq!(refusal, push(&file, usize::MAX, &[]).err().unwrap());
    }
}
