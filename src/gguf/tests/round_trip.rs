use proptest::prelude::*;

use super::*;

/// Any value, but NaN, which is not equal to itself.
fn value() -> impl Strategy<Value = Value> {
    fn float() -> impl Strategy<Value = f32> {
        prop::num::f32::ANY.prop_filter("NaN", |v| !v.is_nan())
    }
    fn double() -> impl Strategy<Value = f64> {
        prop::num::f64::ANY.prop_filter("NaN", |v| !v.is_nan())
    }
    fn many<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
        prop::collection::vec(of, 0..40)
    }
    let scalar = prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        float().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        ".{0,40}".prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        double().prop_map(Value::F64),
    ];
    let array = prop_oneof![
        many(any::<u8>()).prop_map(Array::U8),
        many(any::<i8>()).prop_map(Array::I8),
        many(any::<u16>()).prop_map(Array::U16),
        many(any::<i16>()).prop_map(Array::I16),
        many(any::<u32>()).prop_map(Array::U32),
        many(any::<i32>()).prop_map(Array::I32),
        many(float()).prop_map(Array::F32),
        many(any::<bool>()).prop_map(Array::Bool),
        many(".{0,9}").prop_map(|v| Array::Strings(v.iter().map(String::as_str).collect())),
        many(any::<u64>()).prop_map(Array::U64),
        many(any::<i64>()).prop_map(Array::I64),
        many(double()).prop_map(Array::F64),
    ];
    prop_oneof![scalar, array.prop_map(Value::Array)]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let entries = prop::collection::btree_map("[a-z]{1,8}(\\.[a-zäß_]{1,8}){0,3}", value(), 0..12);
    (entries, prop::option::of(0..8u32)).prop_map(|(entries, alignment)| {
        let mut metadata = Metadata::new();
        metadata.insert("general.architecture", Value::String("bitnet-b1.58".to_owned()));
        entries.into_iter().for_each(|(key, value)| metadata.insert(key, value));
        if let Some(power) = alignment {
            metadata.insert("general.alignment", Value::U32(1 << power));
        }
        metadata
    })
}

fn tensors() -> impl Strategy<Value = Vec<TensorDeclaration>> {
    // Those whose number means one type only: of the others a small file can't always tell which it is.
    let kinds: Vec<_> = TensorType::ALL.into_iter().filter(|kind| ![36, 41, 42].contains(&kind.id())).collect();
    let shape = (prop::sample::select(kinds), 1..3u64, prop::collection::vec(1..3u64, 0..4));
    prop::collection::vec(shape, 0..6).prop_map(|shapes| {
        let declare = |(i, (kind, blocks, outer)): (usize, (TensorType, u64, Vec<u64>))| TensorDeclaration {
            name: format!("blk.{i}.weight"),
            dims: std::iter::once(blocks * kind.block()).chain(outer).collect(),
            kind: kind.into(),
        };
        shapes.into_iter().enumerate().map(declare).collect()
    })
}

fn write(metadata: &Metadata, tensors: &[TensorDeclaration], data: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), metadata, tensors).unwrap();
    let total = writer.data_bytes();
    let data: Vec<u8> = data.iter().copied().cycle().take(total as usize).collect();
    data.chunks(13).for_each(|piece| writer.write_tensor_data(piece).unwrap());
    writer.finish().unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        metadata in metadata(),
        tensors in tensors(),
        data in prop::collection::vec(any::<u8>(), 1..50),
        sizes in prop::collection::vec(1..100usize, 1..20),
        version in 2..4u8,
        known in any::<bool>(),
    ) {
        let mut bytes = write(&metadata, &tensors, &data);
        bytes[4] = version;
        let limits = Limits { file_size: known.then_some(bytes.len() as u64), ..Limits::default() };
        let file = read_in_every_chunking(&bytes, &limits).unwrap();
        let cut = read(&bytes, &limits, &sizes);
        prop_assert_eq!(cut.as_ref(), Ok(&file));
        prop_assert_eq!(file.header, (version.into(), tensors.len() as u64, metadata.len() as u64));
        prop_assert_eq!(&file.metadata, &metadata);
        prop_assert!(file.metadata.iter().eq(metadata.iter()), "order is kept");
        let found = file.tensors.iter().map(|t| (&t.name, &t.dims, Storage::from(t.kind)));
        prop_assert!(found.eq(tensors.iter().map(|t| (&t.name, &t.dims, t.kind))));
        prop_assert!(file.data.concat().iter().eq(data.iter().cycle().take(file.data.concat().len())));

        // Back to the same bytes: the layout holds nothing that was not read.
        let again = write(&file.metadata, &tensors, &data);
        prop_assert_eq!(&again[8..], &bytes[8..]);
    }

    #[test]
    fn any_bytes_after_a_header_are_answered_alike(bytes in prop::collection::vec(any::<u8>(), 0..300), keys in 0..4u64) {
        let bytes = Raw::header(1, keys).bytes(&bytes).0;
        let _ = read_in_every_chunking(&bytes, &Limits::default());
        let known = Limits { file_size: Some(bytes.len() as u64), ..Limits::default() };
        let _ = read_in_every_chunking(&bytes, &known);
    }

    #[test]
    fn a_changed_byte_is_answered_alike(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = example();
        *at.get_mut(&mut bytes) = byte;
        let _ = read_in_every_chunking(&bytes, &Limits { file_size: Some(bytes.len() as u64), ..Limits::default() });
    }
}

/// A small file with something of everything.
fn example() -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", Value::String("bitnet-b1.58".to_owned()));
    metadata.insert("general.alignment", Value::U32(64));
    metadata.insert("flag", Value::Bool(true));
    metadata.insert("tokens", Value::Array(Array::Strings(["a", "", "ü", "longer token"].into_iter().collect())));
    metadata.insert("scores", Value::Array(Array::F32(vec![0.0, -1000.0])));
    let declare = |name: &str, dims: &[u64], kind: TensorType| TensorDeclaration {
        name: name.to_owned(),
        dims: dims.to_vec(),
        kind: kind.into(),
    };
    let tensors = [
        declare("norm", &[5], TensorType::F32),
        declare("q", &[128, 2], TensorType::I2S),
        declare("b", &[1], TensorType::BF16),
    ];
    write(&metadata, &tensors, b"0123456789")
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let bytes = example();
    let file = read_in_every_chunking(&bytes, &Limits::default()).unwrap();
    // The padding after the last tensor may be missing.
    let last = &file.tensors[2];
    let padded = last.size.next_multiple_of(64);
    let end = bytes.len() - (padded - last.size) as usize;
    for len in 0..bytes.len() {
        let result = read_in_every_chunking(&bytes[..len], &Limits::default());
        match result {
            Ok(cut) => assert!(len >= end && cut == file, "cut at {len}"),
            Err(crate::Error::Truncated { offset, field }) => {
                assert!(len < end && offset == len as u64 && !field.is_empty(), "cut at {len}");
            }
            Err(error) => assert!(len == 0 && error == crate::Error::EmptyFile, "cut at {len}: {error}"),
        }
        // A file of known size says so before its end, once the counts are in.
        let known = Limits { file_size: Some(len as u64), ..Limits::default() };
        assert_eq!(read_in_every_chunking(&bytes[..len], &known).is_err(), len < end, "cut at {len}");
    }
}

#[test]
fn what_follows_the_last_tensor_is_ignored() {
    let bytes = example();
    let file = read_in_every_chunking(&bytes, &Limits::default()).unwrap();
    let longer = [bytes, vec![0xff; 5000]].concat();
    assert_eq!(read_in_every_chunking(&longer, &Limits::default()), Ok(file));
}

#[test]
fn a_file_without_keys_and_tensors_is_whole() {
    let file = read_in_every_chunking(&Raw::header(0, 0).0, &Limits::default()).unwrap();
    assert_eq!(file.header, (3, 0, 0));
}

#[test]
fn overrides_apply_before_the_table_is_read() {
    let bytes = Raw::header(1, 1).string("general.architecture").u32(8).string("other").tensor("t", &[128], 36, 0);
    let mut decoder = Decoder::new(Limits::default());
    let mut rest = bytes.0.as_slice();
    loop {
        let (used, event) = decoder.push(rest).unwrap();
        rest = &rest[used..];
        match event {
            Event::Metadata => decoder.metadata_mut().apply_override("general.architecture=str:bitnet").unwrap(),
            Event::Tensors => break,
            _ => {}
        }
    }
    assert_eq!(decoder.tensors()[0].kind, TensorType::I2S);
    assert_eq!(decoder.data_size(), decoder.data_offset().map(|start| start + 64));
}

#[test]
fn the_writer_refuses_what_the_decoder_would() {
    let declare = |name: &str, dims: &[u64]| TensorDeclaration {
        name: name.to_owned(),
        dims: dims.to_vec(),
        kind: TensorType::TQ2_0.into(),
    };
    let metadata = Metadata::new();
    let refused = |metadata: &Metadata, tensors: &[TensorDeclaration]| {
        matches!(Writer::new(Vec::new(), metadata, tensors), Err(crate::Error::BadWrite { .. }))
    };
    assert!(refused(&metadata, &[declare("", &[256])]));
    assert!(refused(&metadata, &[declare(&"x".repeat(64), &[256])]));
    assert!(refused(&metadata, &[declare("x", &[256]), declare("x", &[256])]));
    assert!(refused(&metadata, &[declare("x", &[128])]));
    assert!(refused(&metadata, &[declare("x", &[])]));
    assert!(refused(&metadata, &[declare("x", &[256, 0])]));
    let many: Vec<_> = (0..8).map(|i| declare(&i.to_string(), &[1 << 62])).collect();
    assert!(!refused(&metadata, &many[..7]) && refused(&metadata, &many), "sizes sum past 2^63");
    for (key, value) in [("", 1), ("a\0b", 1), ("general.alignment", 3), ("general.alignment", 1 << 21)] {
        let mut metadata = Metadata::new();
        metadata.insert(key, Value::U32(value));
        assert!(refused(&metadata, &[]), "{key}={value}");
    }

    let mut writer = Writer::new(Vec::new(), &metadata, &[declare("x", &[256])]).unwrap();
    writer.write_tensor_data(&[0; 65]).unwrap();
    assert!(matches!(writer.finish(), Err(crate::Error::BadWrite { .. })));
    let mut writer = Writer::new(Vec::new(), &metadata, &[declare("x", &[256])]).unwrap();
    assert!(matches!(writer.write_tensor_data(&[0; 67]), Err(crate::Error::BadWrite { .. })));
}
