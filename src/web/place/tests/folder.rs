use super::*;
use crate::Error;
use crate::convert::Folder;
use js_sys::{Array, Uint8Array};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Blob;

fn blob(bytes: &[u8]) -> Blob {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).unwrap()
}

#[wasm_bindgen_test]
fn files_are_read_at_any_place() {
    // More than is read at once.
    let large: Vec<u8> = (0..9_000_001_u32).map(|i| (i % 251) as u8).collect();
    let files = vec![("a.json".to_owned(), blob(b"{}")), ("b".to_owned(), blob(&large)), ("c".to_owned(), blob(b""))];
    let mut folder = Blobs::new(files).unwrap();
    let sizes: Vec<(&str, u64)> = folder.files().iter().map(|(name, size)| (name.as_str(), *size)).collect();
    assert_eq!(sizes, [("a.json", 2), ("b", 9_000_001), ("c", 0)]);
    let mut read = |file: &str, offset: u64, len: usize| {
        let mut out = vec![0; len];
        folder.read(file, offset, &mut out).map(|()| out)
    };
    assert_eq!(read("a.json", 0, 2).unwrap(), b"{}");
    assert_eq!(read("b", 0, large.len()).unwrap(), large);
    for (offset, len) in [(0, 0), (1, 1), (4_194_300, 10), (9_000_000, 1), (9_000_001, 0)] {
        assert_eq!(read("b", offset as u64, len).unwrap(), large[offset..offset + len], "{len} at {offset}");
    }
    assert_eq!(read("c", 0, 0).unwrap(), b"");
    for (file, offset, len) in [("c", 0, 1), ("b", 9_000_000, 2), ("b", u64::MAX / 2, 1), ("d", 0, 1), ("a.json", 3, 1)]
    {
        let error = read(file, offset, len).unwrap_err();
        assert!(matches!(&error, Error::Io { reason } if reason.starts_with(file)), "{error}");
    }
}

#[wasm_bindgen_test]
fn where_workers_can_not_wait_for_files_it_is_said() {
    let _stub = Stub::new("FileReaderSync", &JsValue::UNDEFINED);
    let error = Blobs::new(Vec::new()).err().unwrap();
    assert!(error.code() == "io" && error.to_string().contains("b158 convert"), "{error}");
}

#[wasm_bindgen_test]
fn what_the_browser_says_of_a_file_that_is_gone_is_in_the_error() {
    let broken = js("{ size: 5, slice: () => { throw new DOMException('gone', 'NotFoundError') } }");
    let mut folder = Blobs::new(vec![("m".to_owned(), broken.unchecked_into())]).unwrap();
    let error = folder.read("m", 0, &mut [0; 5]).unwrap_err().to_string();
    assert!(error.contains("m can't be read (gone)") && error.contains("choose the checkpoint again"), "{error}");
}
