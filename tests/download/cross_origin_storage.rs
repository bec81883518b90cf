//! A storage that sites share: files come from it and go to it, and whatever it does wrong is no error.

use crate::hub::{asked, request as hub_request, rig as hub_rig};
use crate::model::Taker;
use crate::rig::{Rig, error_of, file, requested};
use crate::server::{Fault, URL, random_file, sha256};
use b158::Error;
use b158::download::{CacheMode, Part, Request, list, load};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// With a storage that has room, and these files.
fn rig(files: &[(&[u8], Vec<u8>)]) -> Rig {
    let rig = Rig::new();
    fill(&rig, files);
    rig
}

fn fill(rig: &Rig, files: &[(&[u8], Vec<u8>)]) {
    let mut storage = rig.transport.storage.0.borrow_mut();
    storage.room = Some(1 << 20);
    storage.files.extend(files.iter().map(|(named, file)| (sha256(named), file.clone())));
}

fn request() -> Request {
    requested(|request| {
        request.sha256 = Some(sha256(&file()));
        request.cross_origin_storage = true;
    })
}

fn offered(rig: &Rig) -> Vec<(String, bool)> {
    rig.transport.storage.0.borrow().offered.clone()
}

#[test]
fn a_file_that_is_there_is_not_downloaded_and_the_cache_has_it_too() {
    let rig = rig(&[(&file(), file())]);
    let done = rig.load(&request()).unwrap();
    assert_eq!((&done.engine.bytes, done.cached), (&file(), false));
    assert!(done.notes[0].contains("came from the storage that this browser shares"), "{:?}", done.notes);
    let done = rig.load(&request()).unwrap();
    assert_eq!((done.engine.bytes, done.cached, done.notes.len()), (file(), true, 0));
    assert!(rig.server.take_requests().is_empty());
    assert_eq!(rig.transport.storage.0.borrow().begun, 0);
}

#[test]
fn a_file_that_is_not_there_is_offered_once_it_has_been_checked() {
    for cache in [CacheMode::Auto, CacheMode::Off] {
        for ignore_range in [false, true] {
            let rig = rig(&[]);
            rig.server.always(Fault { ignore_range, ..Fault::default() });
            let request = Request { cache, ..request() };
            let done = rig.load(&request).unwrap();
            assert_eq!((done.engine.bytes, done.notes.len()), (file(), 0));
            // Of any server, by its own site.
            assert_eq!(offered(&rig), [(sha256(&file()), false)]);
            rig.load(&request).unwrap();
            assert_eq!(rig.transport.storage.0.borrow().begun, 1);
        }
    }
}

#[test]
fn what_was_resumed_is_offered_whole() {
    let rig = rig(&[]);
    rig.killed_after(9, &request());
    assert_eq!(offered(&rig), []);
    let done = rig.load(&request()).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert_eq!(offered(&rig).len(), 1);
}

#[test]
fn a_file_of_the_hub_is_offered_to_everyone_unless_it_took_a_token() {
    for (token, everyone) in [(None, true), (Some("Bearer hf_secret"), false)] {
        let rig = hub_rig(true, &file(), file());
        fill(&rig, &[]);
        let headers = token.map(|token| ("Authorization".to_owned(), token.to_owned())).into_iter().collect();
        let request = Request { cross_origin_storage: true, headers, ..hub_request(&rig) };
        rig.load(&request).unwrap();
        assert_eq!(offered(&rig), [(sha256(&file()), everyone)]);
        // Another site's page: what the hub says is the name by which it is found.
        let another = hub_rig(true, &file(), file());
        fill(&another, &[(&file(), file())]);
        another.load(&request).unwrap();
        assert_eq!(asked(&another), [0, 1, 0]);
    }
}

#[test]
fn what_is_refused_switched_off_or_of_no_known_hash_stays_away_from_it() {
    let refused = rig(&[]);
    refused.transport.storage.0.borrow_mut().room = None;
    assert_eq!(refused.load(&request()).unwrap().engine.bytes, file());
    let small = rig(&[]);
    small.transport.storage.0.borrow_mut().room = Some(3000);
    assert_eq!(small.load(&request()).unwrap().engine.bytes, file());
    assert_eq!(offered(&small), []);
    for request in [Request { cross_origin_storage: false, ..request() }, Request { sha256: None, ..request() }] {
        let rig = rig(&[(&file(), random_file(10, 1))]);
        let done = rig.load(&request).unwrap();
        assert_eq!((done.engine.bytes, done.notes.len()), (file(), 0));
        assert_eq!(rig.transport.storage.0.borrow().begun, 0);
    }
}

#[test]
fn a_storage_that_never_answers_holds_up_no_load() {
    for step in 0..3 {
        let rig = rig(&[]);
        rig.transport.storage.0.borrow_mut().silent = Some(step);
        let done = rig.load(&request()).unwrap();
        assert_eq!((done.engine.bytes, done.notes.len()), (file(), 0));
        assert_eq!(offered(&rig), []);
        // It is waited for once.
        assert!(rig.passed() < 2 * rig.tuning.ask_ms + 200, "{}", rig.passed());
    }
}

#[test]
fn a_file_that_breaks_off_or_goes_meanwhile_comes_from_its_server() {
    for cut in [false, true] {
        let rig = rig(&[(&file(), file())]);
        {
            let mut storage = rig.transport.storage.0.borrow_mut();
            storage.left = (!cut).then_some(2);
            storage.cut_after = cut.then_some(2500);
        }
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, file());
        assert!(!rig.server.take_requests().is_empty());
    }
}

#[test]
fn a_file_that_is_not_what_it_is_called_is_not_taken_from_there_again() {
    let mut wrong = file();
    wrong[20_000] ^= 1;
    for wrong in [wrong, random_file(9000, 2)] {
        let rig = rig(&[(&file(), wrong)]);
        let mut taker = Taker { last: Some(0), ..Taker::default() };
        let loaded = rig.clock.run(load(&rig, vec![Part::Address(request())], &mut taker, &mut |_| {})).unwrap();
        assert_eq!((taker.parts, loaded.bytes), (vec![file()], 25_500));
        assert!(rig.clock.run(list(&rig.store)).unwrap()[0].complete);
    }
}

#[test]
fn a_file_that_the_server_has_wrong_is_not_offered() {
    let rig = rig(&[]);
    rig.server.put(URL, random_file(25_500, 3));
    assert!(matches!(error_of(rig.load(&request())), Error::Integrity { .. }));
    assert_eq!(offered(&rig), []);
    assert!(rig.transport.storage.0.borrow().files.is_empty());
}
