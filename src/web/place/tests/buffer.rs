use super::*;
use crate::Error;
use crate::download::Bytes;
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Ways to have no digest of the browser's.
const REFUSALS: [(&str, &str); 6] = [
    ("crypto", "undefined"),
    ("crypto.subtle", "undefined"),
    ("crypto.subtle.digest", "undefined"),
    ("crypto.subtle.digest", "() => { throw new TypeError('not that memory'); }"),
    ("crypto.subtle.digest", "async () => { throw new DOMException('no', 'OperationError'); }"),
    ("crypto.subtle.digest", "async () => new ArrayBuffer(7)"),
];

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn slices_share_and_pieces_are_copied() {
    let mut whole = Buffer::room(10).unwrap();
    whole.write(3, &Buffer::copied(b"abc").unwrap());
    let slice = whole.slice(2..7);
    assert_eq!((whole.len(), slice.len(), whole.slice(10..10).is_empty()), (10, 5, true));
    whole.write(6, &Buffer::copied(b"d").unwrap());
    assert_eq!(slice.to_vec().unwrap(), b"\0abcd");
    assert_eq!(slice.slice(1..3).to_vec().unwrap(), b"ab");
    let mut some = [0; 2];
    slice.read(2, &mut some);
    assert_eq!(&some, b"bc");
    // A view of a longer buffer, as streams give them.
    let view: Uint8Array = js("new Uint8Array([9, 8, 7, 6]).subarray(1, 3)").unchecked_into();
    assert_eq!(Buffer::from(view).to_vec().unwrap(), [8, 7]);
}

#[test]
fn no_memory_is_an_error() {
    let _stub = Stub::new(
        "Uint8Array",
        &js(
            "class extends Uint8Array { constructor(...a) { if (typeof a[0] === 'number') throw new RangeError('no'); super(...a); } }",
        ),
    );
    let error = Buffer::room(1 << 20).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { bytes: 1_048_576, .. }), "{error}");
    assert!(
        matches!(StoreError::from(error), StoreError::Other(text) if text.contains("out of memory: 1048576 bytes"))
    );
}

#[test]
async fn the_hash_is_sha256_whoever_makes_it() {
    for len in [0, 1, 3, 16 << 10, (16 << 10) + 1, (1 << 20) + 5] {
        let bytes = bytes(len);
        let buffer = Buffer::copied(&bytes).unwrap();
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        assert_eq!(buffer.sha256().await, expected, "{len} bytes, by the browser");
        for (path, value) in REFUSALS {
            let _stub = Stub::new(path, &js(value));
            assert_eq!(buffer.sha256().await, expected, "{len} bytes, {path} is {value}");
        }
    }
    let slice = Buffer::copied(b"xabcx").unwrap().slice(1..4);
    assert_eq!(slice.sha256().await[..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
async fn the_browser_hashes_where_it_can() {
    let asked = js("{ count: 0 }");
    let watch = js(
        "(asked) => { const digest = crypto.subtle.digest; return function (...a) { asked.count++; return digest.apply(this, a); }; }",
    );
    let watch = watch.unchecked_ref::<Function>().call1(&JsValue::UNDEFINED, &asked).unwrap();
    let _stub = Stub::new("crypto.subtle.digest", &watch);
    Buffer::room(5).unwrap().sha256().await;
    assert_eq!(Reflect::get(&asked, &"count".into()).unwrap(), 1);
}

#[test]
async fn memory_is_used_again_and_given_back() {
    // What other tests have left.
    while spare::bytes() > 0 {
        Timers::default().sleep(100).await;
    }
    let mut first = Buffer::room(1 << 20).unwrap();
    first.write(5, &Buffer::copied(b"old").unwrap());
    let slice = first.slice(4..8);
    drop(first);
    // A slice still holds it.
    assert_eq!(spare::bytes(), 0);
    assert_eq!(slice.to_vec().unwrap(), b"\0old");
    drop(slice);
    assert_eq!(spare::bytes(), 1 << 20);
    let other = Buffer::room((1 << 20) + 1).unwrap();
    assert_eq!(spare::bytes(), 1 << 20);
    let again = Buffer::room(1 << 20).unwrap();
    assert_eq!((spare::bytes(), again.slice(4..8).to_vec().unwrap()), (0, b"\0old".to_vec()));
    drop((other, again));
    // Not without bounds, and not for small pieces.
    let many: Vec<_> = (0..60).map(|_| Buffer::room(1 << 20).unwrap()).collect();
    drop((many, Buffer::room(100).unwrap()));
    assert!((40 << 20..=48 << 20).contains(&spare::bytes()), "{}", spare::bytes());
    while spare::bytes() > 0 {
        Timers::default().sleep(100).await;
    }
}
