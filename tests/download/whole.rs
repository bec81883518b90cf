//! Servers that know no ranges: one stream, and after a cut all of it again.

use crate::engine::Engine;
use crate::rig::{Rig, error_of, file, is_changed, request, requested};
use crate::server::{Fault, URL, random_file, sha256};
use b158::Error;
use b158::download::CacheMode;
use std::rc::Rc;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_server_that_knows_no_ranges_gives_the_file_in_one_stream() {
    let range = |text: Option<&str>| Fault { content_range: Some(text.map(str::to_owned)), ..Fault::default() };
    let faults = [
        Fault { ignore_range: true, ..Fault::default() },
        Fault { ignore_range: true, no_length: true, ..Fault::default() },
        Fault { ignore_range: true, drip: Some(333), ..Fault::default() },
        range(None),
        range(Some("bytes 5-9/25500")),
        range(Some("bytes 0-99999/25500")),
        range(Some("bytes 5-1/25500")),
        range(Some("bytes 0-3999/*")),
        range(Some("bytes 0-3999/99999999999999999999")),
        range(Some("nonsense")),
    ];
    for fault in faults {
        let rig = Rig::new();
        let no_length = fault.no_length;
        rig.server.script(move |asked, _| {
            if asked.range().is_none() && !fault.ignore_range { Fault::default() } else { fault.clone() }
        });
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, file());
        assert_eq!(done.engine.size, (!no_length).then_some(25_500));
        assert!(!no_length || done.progress.iter().all(|report| report.total.is_none()));
        assert_eq!(rig.store.only().1.data, file());
        let offline = rig.load(&requested(|request| request.offline = true)).unwrap();
        assert_eq!(offline.engine.bytes, file());
        assert!(offline.cached);
    }
}

#[test]
fn a_server_may_compress() {
    let rig = Rig::new();
    rig.server.always(Fault { ignore_range: true, gzip: true, ..Fault::default() });
    let done = rig.load(&request()).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert_eq!(done.engine.size, None);
    assert_eq!(done.progress.last().unwrap().total, None);
    // A range of what is compressed is one of other bytes.
    let rig = Rig::new();
    rig.server.script(|asked, _| Fault { gzip: true, ignore_range: asked.range().is_none(), ..Fault::default() });
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
}

#[test]
fn another_origin_need_not_tell_that_it_compresses() {
    let rig = Rig::new();
    rig.server.always(Fault { ignore_range: true, content_length: Some(12_345), ..Fault::default() });
    let done = rig.load(&requested(|request| request.origin = Some("https://elsewhere.example".to_owned())));
    assert_eq!(done.unwrap().engine.bytes, file());
}

#[test]
fn more_bytes_than_there_are_are_neither_waited_for_nor_believed() {
    let rig = Rig::new();
    rig.server.always(Fault { ignore_range: true, content_length: Some(26_000), ..Fault::default() });
    let error = error_of(rig.load(&request()));
    assert!(matches!(&error, Error::Network { reason } if reason.contains("tried 4 times")), "{error}");
}

#[test]
fn a_piece_that_nobody_asked_for_is_no_file() {
    let rig = Rig::new();
    let piece = ("content-range", "bytes 5-9/25500".to_owned());
    rig.server.always(Fault { status: Some(206), headers: vec![piece], ..Fault::default() });
    let error = error_of(rig.load(&request()));
    assert!(matches!(&error, Error::Network { reason } if reason.contains("nobody asked for")), "{error}");
    assert_eq!(rig.store.len(), 0);
}

#[test]
fn an_empty_file_has_no_bytes() {
    for ignore_range in [false, true] {
        let rig = Rig::new();
        rig.server.put(URL, Vec::new());
        rig.server.always(Fault { ignore_range, ..Fault::default() });
        let done = rig.load(&request()).unwrap();
        assert_eq!((done.bytes, done.engine.bytes.len()), (0, 0));
        assert_eq!(rig.store.len(), 0);
    }
}

#[test]
fn one_stream_is_asked_for_again_after_a_cut_and_held_against_what_the_engine_has() {
    let rig = Rig::new();
    rig.server.script(|_, index| {
        let cut_after = (index < 3).then_some(4000 * (index + 1) + 7);
        Fault { ignore_range: true, cut_after, ..Fault::default() }
    });
    let done = rig.load(&requested(|request| request.sha256 = Some(sha256(&file())))).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert!(done.progress.is_sorted_by_key(|report| report.loaded));
    assert_eq!(rig.store.only().1.data, file());

    let other = Rc::new(random_file(25_500, 2));
    for cache in [CacheMode::Auto, CacheMode::Off] {
        let rig = Rig::new();
        let other = other.clone();
        rig.server.script(move |_, index| Fault {
            ignore_range: true,
            etag: Some(None),
            last_modified: Some(None),
            cut_after: (index == 0).then_some(5000),
            file: (index > 0).then(|| other.clone()),
            ..Fault::default()
        });
        assert!(is_changed(rig.load(&requested(|request| request.cache = cache))));
        assert_eq!(rig.store.len(), 0);
    }
}

#[test]
fn one_stream_that_ends_too_early_is_found_out_by_the_files_own_header() {
    let rig = Rig::new();
    rig.server.always(Fault { ignore_range: true, no_length: true, short_by: 3000, ..Fault::default() });
    let engine = || Engine { expected: Some((2000, 25_500)), ..Engine::default() };
    let error = error_of(rig.load_into(&request(), engine()));
    assert!(matches!(&error, Error::Network { reason } if reason.contains("broke off")), "{error}");
    // The header may be in the last part that has come.
    let rig = Rig::new();
    rig.server.script(|_, index| Fault {
        ignore_range: true,
        no_length: true,
        short_by: if index < 2 { 25_500 - 2000 } else { 0 },
        ..Fault::default()
    });
    assert_eq!(rig.load_into(&request(), engine()).unwrap().engine.bytes, file());
}
