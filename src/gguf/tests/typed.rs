//! Values, typed access, overrides, sizes of types.

use super::*;
use crate::Error;

fn metadata(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Metadata {
    let mut metadata = Metadata::new();
    entries.into_iter().for_each(|(key, value)| metadata.insert(key, value));
    metadata
}

#[test]
fn integers_of_any_width_that_fit_are_taken() {
    let m = metadata([
        ("u8", Value::U8(7)),
        ("i8", Value::I8(-7)),
        ("u16", Value::U16(7)),
        ("i32", Value::I32(7)),
        ("u64", Value::U64(1 << 40)),
        ("i64", Value::I64(7)),
        ("f32", Value::F32(7.0)),
    ]);
    for key in ["u8", "u16", "i32", "i64"] {
        assert_eq!(m.u32(key), Ok(Some(7)), "{key}");
        assert_eq!(m.u64(key), Ok(Some(7)), "{key}");
    }
    assert!(matches!(m.u32("u64"), Err(Error::BadValue { .. })));
    assert_eq!(m.u64("u64"), Ok(Some(1 << 40)));
    assert!(matches!(m.u64("i8"), Err(Error::BadValue { .. })));
    assert_eq!(m.u32("none"), Ok(None));
    assert_eq!(m.require_u32("none"), Err(Error::MissingKey { key: "none".to_owned() }));
    let wrong = Error::WrongType { key: "f32".to_owned(), found: "f32", expected: "u32" };
    assert_eq!(m.u32("f32"), Err(wrong.clone()));
    assert_eq!(m.require_u32("f32"), Err(wrong));
}

#[test]
fn each_getter_takes_its_type_and_no_other() {
    let strings: Strings = ["a", "bc"].into_iter().collect();
    let m = metadata([
        ("f32", Value::F32(1e-5)),
        ("f64", Value::F64(0.5)),
        ("bool", Value::Bool(true)),
        ("str", Value::String("gpt2".to_owned())),
        ("strings", Value::Array(Array::Strings(strings.clone()))),
        ("f32s", Value::Array(Array::F32(vec![1.0, 2.0]))),
        ("i32s", Value::Array(Array::I32(vec![-1, 2]))),
        ("u8s", Value::Array(Array::U8(vec![1, 2]))),
        ("i64s", Value::Array(Array::I64(vec![1 << 40]))),
    ]);
    assert_eq!(m.f32("f32"), Ok(Some(1e-5)));
    assert_eq!(m.f32("f64"), Ok(Some(0.5)));
    assert_eq!(m.bool("bool"), Ok(Some(true)));
    assert_eq!(m.require_str("str"), Ok("gpt2"));
    assert_eq!(m.require_strings("strings"), Ok(&strings));
    assert_eq!(m.f32s("f32s").unwrap().as_deref(), Some(&[1.0, 2.0][..]));
    assert_eq!(m.i32s("i32s").unwrap().as_deref(), Some(&[-1, 2][..]));
    assert_eq!(m.i32s("u8s").unwrap().as_deref(), Some(&[1, 2][..]));
    assert!(matches!(m.i32s("i64s"), Err(Error::WrongType { .. })));
    let taken = |key| {
        [
            m.f32(key).is_ok(),
            m.bool(key).is_ok(),
            m.str(key).is_ok(),
            m.strings(key).is_ok(),
            m.f32s(key).is_ok(),
            m.i32s(key).is_ok(),
        ]
    };
    for (i, key) in ["f32", "bool", "str", "strings", "f32s"].into_iter().enumerate() {
        assert_eq!(taken(key), std::array::from_fn(|j| i == j), "{key}");
    }
    assert_eq!(taken("i32s"), [false, false, false, false, true, true], "whole numbers are floats too");
    assert_eq!(taken("none"), [true; 6]);
}

#[test]
fn numbers_say_the_same_in_any_width() {
    let m = metadata([
        ("seven", Value::U8(7)),
        ("base", Value::U32(500_000)),
        ("less", Value::I64(-3)),
        ("beyond", Value::U64((1 << 24) + 1)),
        ("no", Value::U8(0)),
        ("yes", Value::I32(1)),
        ("f64s", Value::Array(Array::F64(vec![0.5, 1e-5]))),
        ("u32s", Value::Array(Array::U32(vec![1, 1 << 24]))),
        ("exact", Value::Array(Array::I32(vec![(1 << 24) + 1]))),
        ("large", Value::Array(Array::U32(vec![u32::MAX]))),
    ]);
    assert_eq!((m.f32("seven"), m.f32("base"), m.f32("less")), (Ok(Some(7.0)), Ok(Some(500_000.0)), Ok(Some(-3.0))));
    assert!(matches!(m.f32("beyond"), Err(Error::WrongType { .. })), "f32 has no such number");
    assert_eq!((m.bool("no"), m.bool("yes")), (Ok(Some(false)), Ok(Some(true))));
    assert!(matches!(m.bool("seven"), Err(Error::WrongType { .. })));
    assert_eq!(m.f32s("f64s").unwrap().as_deref(), Some(&[0.5, 1e-5][..]));
    assert_eq!(m.f32s("u32s").unwrap().as_deref(), Some(&[1.0, 16_777_216.0][..]));
    assert!(m.f32s("exact").is_err() && m.i32s("large").is_err());
}

#[test]
fn metadata_keeps_its_order() {
    let mut m = metadata([("a", Value::U8(1)), ("b", Value::U8(2)), ("c", Value::U8(3))]);
    m.insert("b", Value::U8(9));
    assert_eq!(m.remove("a"), Some(Value::U8(1)));
    assert_eq!(m.remove("a"), None);
    m.insert("a", Value::U8(4));
    assert!(m.iter().map(|(key, _)| key).eq(["b", "c", "a"]));
    assert_eq!(m.get("b"), Some(&Value::U8(9)));
    assert_eq!((m.len(), m.is_empty()), (3, false));
}

#[test]
fn strings_are_found_by_number() {
    let strings: Strings = ["", "a", "", "äöü", ""].into_iter().collect();
    assert_eq!(strings.len(), 5);
    assert!((0..5).map(|i| strings.get(i).unwrap()).eq(["", "a", "", "äöü", ""]));
    assert_eq!(strings.get(5), None);
    assert!(strings.iter().rev().eq(["", "äöü", "", "a", ""]));
    assert!(Strings::new().is_empty());
}

#[test]
fn overrides_are_read_as_llama_cpp_spells_them() {
    let mut m = metadata([("n", Value::U8(1))]);
    for text in ["n=int:5", "neg=int:-1", "eps=float:1e-5", "yes=bool:true", "pre=str:a=b:c", "none=str:"] {
        m.apply_override(text).unwrap();
    }
    let expected = metadata([
        ("n", Value::U32(5)),
        ("neg", Value::I64(-1)),
        ("eps", Value::F32(1e-5)),
        ("yes", Value::Bool(true)),
        ("pre", Value::String("a=b:c".to_owned())),
        ("none", Value::String(String::new())),
    ]);
    assert_eq!(m, expected);
    for text in [
        "",
        "n",
        "n=5",
        "=int:5",
        "n=int:",
        "n=int:x",
        "n=int:1.5",
        "n=int:9223372036854775808",
        "n=float:x",
        "n=float:nan",
        "n=float:inf",
        "n=bool:1",
        "n=bool:True",
        "n=u32:5",
        "n=:5",
    ] {
        assert!(matches!(m.apply_override(text), Err(Error::BadOverride { .. })), "{text}");
    }
    assert_eq!(m, expected, "a refused override changes nothing");
}

#[test]
fn sizes_are_those_of_the_format() {
    // The tensors of the published 2B-4T file.
    assert_eq!(TensorType::F16.size_of(&[2560, 128_256]), Some(656_670_720));
    assert_eq!(TensorType::I2S.size_of(&[6912, 2560]), Some(6912 * 2560 / 4 + 32));
    assert_eq!(TensorType::TQ2_0.size_of(&[256, 3]), Some(198));
    assert_eq!(TensorType::TQ1_0.size_of(&[512]), Some(108));
    assert_eq!(TensorType::Q6_K.size_of(&[256]), Some(210));
    assert_eq!(TensorType::Q8_0.size_of(&[32, 2, 2, 2]), Some(272));
    assert_eq!(TensorType::Q4_0.size_of(&[48]), None);
    assert_eq!(TensorType::I2S.size_of(&[64, 2]), None, "a row is whole blocks");
    for dims in [&[][..], &[0], &[1, 1, 1, 1, 1], &[1 << 32, 1 << 31], &[1 << 61]] {
        assert_eq!(TensorType::F32.size_of(dims), None, "{dims:?}");
    }
    for kind in TensorType::ALL {
        assert_eq!(TensorType::from_id(kind.id()), Some(kind));
    }
    assert_eq!(TensorType::ALL.map(TensorType::name)[..3], ["F32", "F16", "Q4_0"]);
    assert_eq!(format!("{:>6}|", TensorType::I2S), "  I2_S|");
}
