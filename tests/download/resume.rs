//! What is in the cache, whole or in part: loads that go on, and caches that can't be had.

use crate::engine::Engine;
use crate::rig::{PART, Rig, error_of, file, is_changed, request, requested};
use crate::server::{Fault, URL, random_file, sha256};
use b158::Error;
use b158::download::{CacheMode, Cached, Clock, Request, Tuning, delete, list};
use std::cell::RefCell;
use std::rc::Rc;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn hashed() -> Request {
    requested(|request| request.sha256 = Some(sha256(&file())))
}

fn offline() -> Request {
    requested(|request| request.offline = true)
}

fn listed(rig: &Rig) -> Cached {
    let files = rig.clock.run(list(&rig.store)).unwrap();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

/// The first byte that was asked for.
fn first(rig: &Rig) -> u64 {
    rig.server.wanted()[0].unwrap().0
}

/// A rig whose load was dropped when the engine had 12 parts.
fn killed(script: Fault) -> Rig {
    let rig = Rig::new();
    rig.server.always(script);
    rig.killed_after(12, &request());
    rig.server.take_requests();
    rig
}

#[test]
fn a_load_that_was_cut_short_goes_on_from_there() {
    let rig = killed(Fault::default());
    let there = listed(&rig);
    assert!(there.bytes >= 12_000 && !there.complete && there.total == Some(25_500));
    let done = rig.load(&hashed()).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert!(!done.cached && done.progress[0].cached);
    assert!(first(&rig) >= 12_000);
    let there = listed(&rig);
    assert_eq!((there.bytes, there.complete, there.sha256), (25_500, true, Some(sha256(&file()))));
}

#[test]
fn one_part_more_or_less_is_no_matter() {
    for parts in 0..25 {
        let rig = Rig::new();
        rig.killed_after(parts, &request());
        assert_eq!(rig.load(&hashed()).unwrap().engine.bytes, file(), "{parts}");
        assert!(rig.load(&offline()).unwrap().cached);
    }
}

#[test]
fn it_begins_anew_when_the_file_on_the_server_has_changed() {
    for len in [25_500, 20_000, 30_000, 500] {
        let rig = killed(Fault::default());
        let other = random_file(len, 9);
        rig.server.put(URL, other.clone());
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, other);
        assert_eq!(rig.store.only().1.data, other);
    }
}

#[test]
fn it_begins_anew_when_nothing_tells_whether_it_has_changed_unless_a_hash_will() {
    let unknown = || Fault { etag: Some(None), last_modified: Some(None), ..Fault::default() };
    let rig = killed(unknown());
    assert_eq!(rig.load(&hashed()).unwrap().engine.bytes, file());
    assert_ne!(first(&rig), 0);
    let rig = killed(unknown());
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert_eq!(first(&rig), 0);
}

#[test]
fn a_weak_etag_tells_too_but_is_never_sent_as_if_range() {
    let weak = |text: &str| Some(Some(text.to_owned()));
    let rig = killed(Fault { etag: weak("W/\"1\""), ..Fault::default() });
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert_ne!(first(&rig), 0);
    assert!(rig.server.requests().iter().all(|asked| asked.header("if-range") != Some("W/\"1\"")));

    // With no date beside it nothing is sent; another ETag in the answer tells all the same.
    let rig = killed(Fault { etag: weak("W/\"1\""), last_modified: Some(None), ..Fault::default() });
    let other = Rc::new(random_file(25_500, 9));
    let file = Some(other.clone());
    rig.server.always(Fault { etag: weak("W/\"2\""), last_modified: Some(None), file, ..Fault::default() });
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, *other);
    assert!(rig.server.requests().iter().all(|asked| asked.header("if-range").is_none()));
}

#[test]
fn it_is_not_believed_where_its_bytes_are_others() {
    let rig = killed(Fault::default());
    rig.store.damage(3500, &[0; 100]);
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert_eq!(rig.store.only().1.data, file());
}

/// A hotel's login page, before a single answer was right: what has been downloaded is not its fault.
#[test]
fn a_web_page_instead_of_the_file_costs_nothing_of_what_is_there() {
    let rig = killed(Fault::default());
    let before = listed(&rig);
    rig.server.always(Fault { html: true, ..Fault::default() });
    assert!(matches!(error_of(rig.load(&request())), Error::WebPage { .. }));
    assert_eq!(listed(&rig).bytes, before.bytes);
    rig.server.take_requests();
    rig.server.right();
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert!(first(&rig) >= 12_000);
}

#[test]
fn what_is_whole_is_read_from_there_after_a_request_for_one_byte() {
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    rig.server.take_requests();
    let done = rig.load(&request()).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert!(done.cached && done.progress.iter().all(|report| report.cached));
    assert_eq!(rig.server.wanted(), [Some((0, 1))]);
}

#[test]
fn it_needs_no_request_where_its_hash_is_known_or_its_address_names_it_for_ever() {
    let rig = Rig::new();
    rig.load(&hashed()).unwrap();
    rig.server.take_requests();
    assert!(rig.load(&hashed()).unwrap().cached);
    assert!(rig.load(&offline()).unwrap().cached);
    assert!(rig.server.requests().is_empty());
    let commit = format!("https://huggingface.co/o/r/resolve/{}/a.gguf", "a".repeat(40));
    rig.server.put(&commit, file());
    let commit = requested(|request| request.url = commit);
    rig.load(&commit).unwrap();
    rig.server.take_requests();
    assert!(rig.load(&commit).unwrap().cached);
    assert!(rig.server.requests().is_empty());
}

#[test]
fn it_is_replaced_when_the_server_has_a_newer_one() {
    for other in [random_file(22_000, 9), random_file(25_500, 9), Vec::new()] {
        let rig = Rig::new();
        rig.load(&request()).unwrap();
        rig.server.put(URL, other.clone());
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, other);
        assert!(!done.cached);
        assert!(other.is_empty() || rig.store.only().1.data == other);
    }
}

#[test]
fn it_is_good_enough_while_the_server_cant_be_had_and_a_note_says_so() {
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    let status = |status| Fault { status: Some(status), ..Fault::default() };
    let faults = [
        status(503),
        status(404),
        Fault { html: true, ..Fault::default() },
        Fault { silent: true, ..Fault::default() },
        Fault { unreachable: true, ..Fault::default() },
    ];
    for fault in faults {
        rig.server.always(fault);
        let before = rig.passed();
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, file());
        assert!(done.cached && done.notes.concat().contains("could not be asked"), "{:?}", done.notes);
        assert!(rig.passed() - before <= 61, "it is not asked for long");
    }
}

#[test]
fn it_is_mended_where_it_is_damaged() {
    for request in [request(), hashed()] {
        let rig = Rig::new();
        rig.load(&hashed()).unwrap();
        rig.store.damage(4321, &[1]);
        rig.store.damage(25_400, &[1]);
        rig.server.take_requests();
        let done = rig.load(&request).unwrap();
        assert_eq!(done.engine.bytes, file());
        assert!(!done.cached);
        let wanted: Vec<_> = rig.server.wanted().into_iter().flatten().filter(|range| *range != (0, 1)).collect();
        assert_eq!(wanted, [(4000, 5000), (25_000, 25_500)]);
        assert_eq!(rig.store.only().1.data, file());
        assert!(rig.load(&offline()).unwrap().cached);
    }
}

/// The hash that was asked for speaks for the old file: a part of another one does not mend it.
#[test]
fn it_is_not_mended_with_a_part_of_another_file() {
    let rig = Rig::new();
    rig.server.always(Fault { etag: Some(None), last_modified: Some(None), ..Fault::default() });
    rig.load(&hashed()).unwrap();
    rig.store.damage(4321, &[1]);
    rig.server.put(URL, random_file(25_500, 9));
    assert!(is_changed(rig.load(&hashed())));
    assert_eq!(rig.store.len(), 0);
}

#[test]
fn data_that_is_too_short_is_missing() {
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    let (key, mut files) = rig.store.only();
    files.data.truncate(7777);
    rig.store.put(&key, files);
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert_eq!(rig.store.only().1.data, file());
}

#[test]
fn it_is_an_error_where_it_is_damaged_and_there_is_no_network() {
    for request in [offline(), requested(|request| (request.offline, request.sha256) = (true, hashed().sha256))] {
        let rig = Rig::new();
        rig.load(&hashed()).unwrap();
        rig.store.damage(4321, &[1]);
        assert_eq!(error_of(rig.load(&request)).code(), "integrity");
        rig.server.take_requests();
        assert_eq!(rig.load(&crate::rig::request()).unwrap().engine.bytes, file());
        assert_eq!(rig.server.wanted(), [Some((4000, 5000))]);
    }
}

#[test]
fn another_file_than_the_hash_says_is_replaced() {
    let rig = Rig::new();
    rig.load(&hashed()).unwrap();
    let other = random_file(22_000, 9);
    rig.server.put(URL, other.clone());
    let done = rig.load(&requested(|request| request.sha256 = Some(sha256(&other)))).unwrap();
    assert_eq!(done.engine.bytes, other);
}

#[test]
fn offline_what_is_not_there_is_an_error() {
    let rig = Rig::new();
    let error = error_of(rig.load(&offline()));
    assert!(error.code() == "network" && error.to_string().contains("offline"), "{error}");
    assert_eq!(rig.store.len(), 0);
    rig.killed_after(12, &request());
    rig.server.take_requests();
    assert_eq!(error_of(rig.load(&offline())).code(), "network");
    assert!(rig.server.requests().is_empty());
    assert!(listed(&rig).bytes >= 12_000, "what is there stays");
}

#[test]
fn without_room_it_is_done_without_and_a_note_says_why() {
    for quota in [0, 20, 5000, 20_000] {
        let rig = Rig::new();
        rig.store.set_quota(quota);
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, file());
        assert_eq!(done.notes, ["not kept in the cache: no more room; delete cached models or make room on the disk"]);
        assert_eq!(rig.store.len(), 0);
    }
    let rig = Rig::new();
    rig.store.set_told(10_000);
    assert!(rig.load(&request()).unwrap().notes.concat().contains("0.0 MB are needed"));
    let off = requested(|request| request.cache = CacheMode::Off);
    assert!(rig.load(&off).unwrap().notes.is_empty());
    // What is there counts, where it goes on.
    let rig = killed(Fault::default());
    rig.store.set_told(14_000);
    assert!(rig.load(&request()).unwrap().notes.is_empty());
}

#[test]
fn it_is_an_error_where_the_cache_is_required() {
    let required = requested(|request| request.cache = CacheMode::Required);
    // Of the last ones, it is the last part and what the journal says of it that have no room.
    for quota in [5000, 25_000, 25_400, 27_000] {
        let rig = Rig::new();
        rig.store.set_quota(quota);
        assert_eq!(error_of(rig.load(&required)).code(), "quota", "{quota}");
    }
    let rig = Rig::new();
    rig.store.set_told(5000);
    assert_eq!(error_of(rig.load(&required)).code(), "quota");
    let rig = Rig::new();
    rig.store.set_broken("a private window");
    let error = error_of(rig.load(&required));
    assert!(error.code() == "storage" && error.to_string().contains("a private window"), "{error}");
    assert_eq!(rig.load(&request()).unwrap().notes, ["not kept in the cache: a private window"]);
    let rig = Rig::new();
    rig.load(&required).unwrap();
    let (key, files) = rig.store.only();
    rig.store.clear();
    rig.store.occupy(&key);
    rig.store.put(&key, crate::memory::Files::new(files.data[..100].to_vec(), Vec::new()));
    let error = rig.clock.run(rig.loading(&required, Engine::default())).map(|_| ());
    assert_eq!(error_of(error).code(), "storage");
}

#[test]
fn a_cache_where_somebody_else_writes_is_read_as_far_as_it_goes() {
    let mut rig = Rig::new();
    rig.tuning = Tuning { stall_ms: 1000, ..rig.tuning };
    let rig = Rc::new(rig);
    let second = Rc::new(RefCell::new(None));
    let (beside, heard) = (rig.clone(), second.clone());
    // Until the next ones come, what has come is on the disk.
    rig.server.always(Fault { delay_ms: 300, ..Fault::default() });
    let engine = Engine {
        at_push: Some(Box::new(move |pushes| {
            if pushes == 18 {
                let other = beside.clock.run(beside.loading(&request(), Engine::default())).unwrap();
                heard.replace(Some(other));
            }
        })),
        ..Engine::default()
    };
    assert_eq!(rig.load_into(&request(), engine).unwrap().engine.bytes, file());
    let second = second.take().unwrap();
    assert_eq!(second.engine.bytes, file());
    assert_eq!(second.notes, ["not kept in the cache: another tab or worker is downloading it"]);
    assert!(second.progress[0].cached, "it read what the first one had written");
    assert_eq!(rig.store.only().1.data, file());
    assert!(rig.load(&offline()).unwrap().cached);
}

#[test]
fn what_is_whole_is_read_while_somebody_has_it() {
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    let (key, files) = rig.store.only();
    rig.store.occupy(&key);
    let done = rig.clock.run(rig.loading(&request(), Engine::default())).unwrap();
    assert!(done.cached && done.notes.is_empty());
    assert_eq!(done.engine.bytes, file());
    // Damage is not mended there, and the other one is not disturbed.
    rig.store.damage(4321, &[1]);
    let done = rig.clock.run(rig.loading(&request(), Engine::default())).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert_eq!(rig.store.only().1.journal, files.journal);
    let deleted = rig.clock.run(delete(&rig.store, &key));
    assert!(deleted.unwrap_err().to_string().contains("loading"));
}

#[test]
fn what_there_is_can_be_listed_and_deleted() {
    let rig = Rig::new();
    rig.load(&hashed()).unwrap();
    let other = "https://models.example/other.gguf";
    rig.server.put(other, file());
    rig.clock.run(rig.clock.sleep(1000));
    rig.killed_after(12, &requested(|request| request.url = other.to_owned()));
    let files = rig.clock.run(list(&rig.store)).unwrap();
    let urls: Vec<&str> = files.iter().map(|file| &*file.url).collect();
    assert_eq!(urls, [other, URL], "the last used first");
    assert!(files[0].last_used > files[1].last_used);
    assert_eq!(files[1].key, sha256(URL.as_bytes())[..32]);
    assert!(rig.clock.run(delete(&rig.store, &files[0].key)).unwrap());
    assert!(!rig.clock.run(delete(&rig.store, &files[0].key)).unwrap());
    assert_eq!(rig.store.len(), 1);
}

#[test]
fn a_dropped_download_ends_all_that_it_began_in_every_phase() {
    let faults = [
        Fault::default(),
        Fault { silent: true, ..Fault::default() },
        Fault { stall_after: Some(100), ..Fault::default() },
        Fault { status: Some(503), ..Fault::default() },
        Fault { delay_ms: 50, ..Fault::default() },
        Fault { drip: Some(10), ..Fault::default() },
        Fault { ignore_range: true, drip: Some(10), ..Fault::default() },
    ];
    for fault in faults {
        for turns in (0..400).step_by(7) {
            let rig = Rig::new();
            rig.server.always(fault.clone());
            rig.clock.run_for(rig.loading(&request(), Engine::default()), turns);
            assert_eq!((rig.store.writers(), rig.server.open()), (0, 0), "after {turns} turns");
            rig.server.right();
            let done = rig.load(&request()).unwrap();
            assert_eq!(done.engine.bytes, file(), "after {turns} turns");
            assert_eq!(rig.store.only().1.data.len(), 25 * PART + 500);
        }
    }
}
