use super::*;
use crate::download::{Bytes, Slot, Store};
use futures::FutureExt;
use wasm_bindgen_test::wasm_bindgen_test as test;

/// WebKitGTK has no such file system, which is said and not passed over; every other browser of the tests must have it.
pub(super) async fn store() -> Option<Opfs> {
    let opened = Opfs::open(None).await;
    if js(
        "navigator.userAgent.includes('AppleWebKit') && !navigator.userAgent.includes('Chrome') && !navigator.storage?.getDirectory",
    ) == true
    {
        assert_eq!(opened.unwrap_err(), StoreError::Other(NO_FILES.to_owned()));
        wasm_bindgen_test::console_log!(
            "this browser has no private file system: what is written there is not tested here"
        );
        return None;
    }
    Some(opened.unwrap())
}

/// The folder of a file, as JavaScript sees it.
fn folder(key: &str) -> String {
    format!(
        "navigator.storage.getDirectory().then((root) => root.getDirectoryHandle('b158-models')).then((all) => all.getDirectoryHandle('{key}', {{ create: true }}))"
    )
}

fn file(key: &str, name: &str) -> String {
    format!("{}.then((files) => files.getFileHandle('{name}', {{ create: true }}))", folder(key))
}

async fn text_of(key: &str, name: &str) -> String {
    awaited(&format!("{}.then((handle) => handle.getFile()).then((file) => file.text())", file(key, name)))
        .await
        .as_string()
        .unwrap()
}

fn buffer(bytes: &[u8]) -> Buffer {
    Buffer::copied(bytes).unwrap()
}

#[test]
async fn what_is_written_is_there_again() {
    let Some(store) = store().await else { return };
    let slot = store.open("written").await.unwrap();
    assert!(slot.writable());
    slot.cut(0).await.unwrap();
    slot.cut_journal(0).unwrap();
    slot.write(4, &buffer(b"5678"), None).await.unwrap();
    slot.write(0, &buffer(b"x1234x").slice(1..5), None).await.unwrap();
    slot.write_journal(0, b"a line\n").unwrap();
    slot.write_journal(7, b"another\n").unwrap();
    slot.write_journal(0, b"A").unwrap();
    slot.flush().await.unwrap();
    slot.flush_journal().unwrap();
    assert_eq!(slot.read(2, 3).await.unwrap().to_vec().unwrap(), b"345");
    assert_eq!(slot.read(6, 10).await.unwrap().to_vec().unwrap(), b"78");
    assert_eq!(slot.read(8, 1).await.unwrap().len(), 0);
    slot.cut(6).await.unwrap();
    slot.cut_journal(14).unwrap();
    drop(slot);
    assert_eq!(text_of("written", "data").await, "123456");
    let slot = store.open("written").await.unwrap();
    assert!(slot.writable());
    assert_eq!(slot.read_journal().await.unwrap(), b"A line\nanother");
    assert_eq!(slot.read(0, 100).await.unwrap().to_vec().unwrap(), b"123456");
    slot.remove().await.unwrap();
    let names = "navigator.storage.getDirectory().then((root) => root.getDirectoryHandle('b158-models')).then(async (all) => { const names = []; for await (const name of all.keys()) names.push(name); return names.join(); })";
    let names = awaited(names).await.as_string().unwrap();
    assert!(!names.contains("written"), "{names}");
    // And a new one can be made at once.
    let slot = store.open("written").await.unwrap();
    assert!(slot.writable() && slot.read_journal().await.unwrap().is_empty());
    slot.remove().await.unwrap();
}

#[test]
async fn where_another_one_writes_it_is_read_only() {
    let Some(store) = store().await else { return };
    let first = store.open("shared").await.unwrap();
    first.write(0, &buffer(b"finished"), None).await.unwrap();
    first.write_journal(0, b"line\n").unwrap();
    first.flush().await.unwrap();
    first.flush_journal().unwrap();
    let second = store.open("shared").await.unwrap();
    assert!(first.writable() && !second.writable());
    assert_eq!(second.read_journal().await.unwrap(), b"line\n");
    assert_eq!(second.read(2, 3).await.unwrap().to_vec().unwrap(), b"nis");
    assert_eq!(second.read(6, 10).await.unwrap().to_vec().unwrap(), b"ed");
    let said = StoreError::Other("another tab writes there".to_owned());
    let refusals = [
        second.write(0, &buffer(b"x"), None).await.map(drop),
        second.cut(0).await,
        second.write_journal(0, b"x"),
        second.cut_journal(0),
        second.flush().await,
        second.flush_journal(),
        second.remove().await,
    ];
    assert!(refusals.iter().all(|refusal| refusal.as_ref() == Err(&said)), "{refusals:?}");
    first.remove().await.unwrap();
}

#[test]
async fn a_file_that_is_gone_is_empty_to_readers() {
    let Some(store) = store().await else { return };
    // Somebody has the lock, and nothing is there.
    let _lock = super::super::locks::acquire("b158-models/nothing").await.unwrap();
    let slot = store.open("nothing").await.unwrap();
    assert!(!slot.writable());
    assert_eq!(slot.read_journal().await.unwrap(), b"");
    assert_eq!(slot.read(0, 5).await.unwrap().len(), 0);
}

#[test]
async fn files_that_are_still_open_are_waited_for() {
    let Some(store) = store().await else { return };
    let open = |name: &str| {
        file("open", name) + ".then((handle) => handle.createSyncAccessHandle()).then((file) => () => file.close())"
    };
    let close = awaited(&open("data")).await;
    let opening = store.open("open").fuse();
    futures::pin_mut!(opening);
    let soon = Timers::default();
    futures::select! {
        _ = opening => panic!("it is open twice"),
        () = soon.sleep(100).fuse() => (),
    }
    called(&close);
    opening.await.unwrap().remove().await.unwrap();
    // And not for ever; then nothing stays locked or open.
    let close = awaited(&open("journal")).await;
    assert!(matches!(store.open("open").await, Err(StoreError::Other(said)) if !said.is_empty()));
    called(&close);
    store.open("open").await.unwrap().remove().await.unwrap();
}

#[test]
async fn an_opening_that_nobody_waits_for_leaves_no_lock() {
    let Some(store) = store().await else { return };
    for turns in 0..20 {
        let opening = store.open("dropped").fuse();
        futures::pin_mut!(opening);
        for _ in 0..turns {
            if opening.as_mut().now_or_never().is_some() {
                break;
            }
            Timers::default().sleep(0).await;
        }
    }
    // One that was dropped may be on its way to the lock still. Would it keep it, this would not end.
    let slot = loop {
        let slot = store.open("dropped").await.unwrap();
        if slot.writable() {
            break slot;
        }
    };
    slot.remove().await.unwrap();
}

#[test]
async fn no_room_is_told_apart() {
    let Some(store) = store().await else { return };
    let slot = store.open("full").await.unwrap();
    for (write, quota, said) in [
        ("() => 2", true, "the browser gives this site no more room"),
        (
            "() => { throw new DOMException('No space available for this operation', 'QuotaExceededError'); }",
            true,
            "No space available for this operation",
        ),
        ("() => { throw new DOMException('the disk is broken', 'InvalidStateError'); }", false, "the disk is broken"),
    ] {
        let _stub = Stub::new("FileSystemSyncAccessHandle.prototype.write", &js(write));
        let expected = if quota { StoreError::Quota(said.to_owned()) } else { StoreError::Other(said.to_owned()) };
        assert_eq!(slot.write(0, &buffer(b"abc"), None).await, Err(expected.clone()));
        assert_eq!(slot.write_journal(0, b"abc"), Err(expected));
    }
    for method in ["read", "truncate", "flush"] {
        let _stub = Stub::new(
            &format!("FileSystemSyncAccessHandle.prototype.{method}"),
            &js("() => { throw new Error('broken'); }"),
        );
        let broken = Err(StoreError::Other("broken".to_owned()));
        let results = match method {
            "read" => [slot.read(0, 1).await.map(|_| ()), slot.read_journal().await.map(|_| ())],
            "truncate" => [slot.cut(0).await, slot.cut_journal(0)],
            _ => [slot.flush().await, slot.flush_journal()],
        };
        assert_eq!(results, [broken.clone(), broken]);
    }
    slot.remove().await.unwrap();
}

#[test]
async fn a_removal_that_fails_gives_the_lock_back() {
    let Some(store) = store().await else { return };
    let slot = store.open("kept").await.unwrap();
    {
        let _stub = Stub::new(
            "FileSystemDirectoryHandle.prototype.removeEntry",
            &js("async () => { throw new Error('it is in use'); }"),
        );
        assert_eq!(slot.remove().await, Err(StoreError::Other("it is in use".to_owned())));
    }
    let slot = store.open("kept").await.unwrap();
    assert!(slot.writable());
    slot.remove().await.unwrap();
}

const INSECURE: &str = "this page is not in a secure context (https or localhost)";
const NO_FILES: &str = "this browser gives pages no private file system (navigator.storage)";
const NOT_IN_PLACE: &str = "this browser writes no files in place";

#[test]
async fn why_there_is_no_cache() {
    if store().await.is_none() {
        return;
    }
    for (path, value, why) in [
        ("isSecureContext", "false", INSECURE),
        ("navigator", "undefined", NO_FILES),
        ("navigator.storage", "undefined", NO_FILES),
        ("navigator.storage.getDirectory", "undefined", NO_FILES),
        ("navigator.locks", "undefined", NO_FILES),
        ("FileSystemFileHandle", "undefined", NOT_IN_PLACE),
        ("FileSystemFileHandle.prototype.createSyncAccessHandle", "undefined", NOT_IN_PLACE),
        // Private windows of Firefox.
        (
            "navigator.storage.getDirectory",
            "async () => { throw new DOMException('Security error when calling GetDirectory', 'SecurityError'); }",
            "Security error when calling GetDirectory",
        ),
        ("navigator.storage.getDirectory", "() => { throw new TypeError('not here'); }", "not here"),
    ] {
        let _stub = Stub::new(path, &js(value));
        assert_eq!(Opfs::open(None).await.map(|_| ()), Err(StoreError::Other(why.to_owned())), "{path} is {value}");
    }
    // Outside of browsers nobody says whether it is secure.
    let _stub = Stub::missing("isSecureContext");
    assert!(Opfs::open(None).await.is_ok());
}

#[test]
async fn why_a_file_is_not_kept() {
    let Some(store) = store().await else { return };
    for (path, value, why) in [
        (
            "navigator.locks.request",
            "async () => { throw new DOMException('no locks in here', 'SecurityError'); }",
            "no locks in here",
        ),
        (
            "FileSystemDirectoryHandle.prototype.getDirectoryHandle",
            "async () => { throw new DOMException('nothing to be had', 'InvalidStateError'); }",
            "nothing to be had",
        ),
        (
            "FileSystemDirectoryHandle.prototype.getFileHandle",
            "async () => { throw new DOMException('nothing to be had', 'InvalidStateError'); }",
            "nothing to be had",
        ),
        (
            "FileSystemFileHandle.prototype.createSyncAccessHandle",
            "async () => { throw new DOMException('no handles', 'UnknownError'); }",
            "no handles",
        ),
        // As it was before the standard was final.
        ("FileSystemSyncAccessHandle.prototype.getSize", "async () => 0", NOT_IN_PLACE),
    ] {
        {
            let _stub = Stub::new(path, &js(value));
            assert_eq!(store.open("refused").await.map(|_| ()), Err(StoreError::Other(why.to_owned())), "{path}");
        }
        // Nothing stays locked or open.
        let slot = store.open("refused").await.unwrap();
        assert!(slot.writable());
        slot.remove().await.unwrap();
    }
}

#[test]
async fn room_is_as_far_as_anybody_says() {
    for (estimate, room) in [
        ("async () => ({ quota: 1000, usage: 300 })", Some(700)),
        ("async () => ({ quota: 1000, usage: 1300 })", Some(0)),
        ("async () => ({ quota: 1000 })", None),
        ("async () => ({})", None),
        ("async () => { throw new TypeError('no'); }", None),
        ("() => { throw new TypeError('no'); }", None),
        // In workers of Safari 16.
        ("undefined", None),
    ] {
        // All of it: some have nothing there.
        let _stub = Stub::new("navigator.storage", &js(&format!("{{ estimate: {estimate} }}")));
        assert_eq!(super::super::opfs::room().await, room, "{estimate}");
    }
    let _stub = Stub::missing("navigator.storage");
    assert_eq!(super::super::opfs::room().await, None);
}
