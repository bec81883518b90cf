//! Downloads while there is nothing in the cache: ranges, servers without them, faults that pass and faults that stay.

use crate::engine::Engine;
use crate::memory::{Files, most_alive, most_hashing};
use crate::rig::{PART, Rig, error_of, file, is_changed, request, requested};
use crate::server::{Fault, ORIGIN, URL, etag, random_file, sha256};
use b158::Error;
use b158::download::{CacheMode, Clock, Tuning, list};
use std::cell::Cell;
use std::rc::Rc;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const OTHER: &str = "https://other.example/blob";

/// The request of this number goes wrong.
fn once(at: usize, fault: Fault) -> impl FnMut(&crate::server::Asked, usize) -> Fault {
    move |_, index| if index == at { fault.clone() } else { Fault::default() }
}

fn status(status: u16) -> Fault {
    Fault { status: Some(status), ..Fault::default() }
}

#[test]
fn ranges_are_asked_for_side_by_side_and_handed_over_in_order() {
    let rig = Rig::new();
    rig.server.always(Fault { delay_ms: 10, ..Fault::default() });
    let done = rig.load(&request()).unwrap();
    assert_eq!(done.engine.bytes, file());
    assert_eq!(done.engine.size, Some(25_500));
    assert_eq!((done.bytes, done.cached, done.notes.len()), (25_500, false, 0));
    assert_eq!(rig.server.most_open(), 4);
    let wanted = rig.server.wanted();
    assert_eq!(wanted[0], Some((0, 4000)));
    let mut sorted: Vec<_> = wanted.into_iter().flatten().collect();
    sorted.sort_unstable();
    let runs: Vec<_> = (0..7).map(|run| (run * 4000, (run * 4000 + 4000).min(25_500))).collect();
    assert_eq!(sorted, runs);
}

#[test]
fn it_asks_with_get_for_what_it_needs_and_no_more() {
    // A transport knows no other method; and no byte is asked for twice.
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    let asked: u64 = rig.server.wanted().into_iter().flatten().map(|(start, end)| end - start).sum();
    assert_eq!(asked, 25_500);
}

#[test]
fn the_version_is_named_in_if_range_to_the_pages_own_origin_and_to_no_other() {
    let rig = Rig::new();
    rig.load(&request()).unwrap();
    let requests = rig.server.take_requests();
    assert_eq!(requests[0].header("if-range"), None);
    assert!(requests[1..].iter().all(|asked| asked.header("if-range") == Some(&*etag(&file()))));
    let elsewhere = requested(|request| {
        request.origin = Some("https://elsewhere.example".to_owned());
        request.cache = CacheMode::Off;
    });
    rig.load(&elsewhere).unwrap();
    assert!(rig.server.take_requests().iter().all(|asked| asked.header("if-range").is_none()));
    // In a terminal nobody asks for leave first.
    rig.load(&requested(|request| (request.origin, request.cache) = (None, CacheMode::Off))).unwrap();
    assert!(rig.server.requests()[1..].iter().all(|asked| asked.header("if-range").is_some()));
}

#[test]
fn it_does_not_run_ahead_of_the_engine_for_ever() {
    let rig = Rig::new();
    rig.server.put(URL, random_file(200 * PART, 1));
    let (go, begins) = futures::channel::oneshot::channel();
    let engine = Engine { begins: Some(begins), ..Engine::default() };
    let off = requested(|request| request.cache = CacheMode::Off);
    most_alive();
    let done = rig.clock.run(async {
        let loading = std::pin::pin!(rig.loading(&off, engine));
        let waiting = async {
            rig.clock.sleep(100).await;
            let _ = go.send(());
            rig.server.requests().len()
        };
        let (done, behind) = futures::future::join(loading, waiting).await;
        assert_eq!(behind, 5, "four connections, and one run more");
        done.unwrap()
    });
    assert_eq!(done.engine.bytes.len(), 200 * PART);
    assert!(most_alive() <= 25 * PART, "20 parts that nobody takes, chunks beside them");
}

#[test]
fn hashing_goes_on_beside_and_its_memory_is_bounded() {
    let rig = Rig::new();
    rig.server.put(URL, random_file(400 * PART, 1));
    // In a browser all tests are of one thread, and have counted before.
    most_hashing();
    rig.load(&request()).unwrap();
    most_alive();
    assert!((2..=4).contains(&most_hashing()));
    // Out of the cache as well.
    rig.load(&request()).unwrap();
    assert!((2..=4).contains(&most_hashing()));
    assert!(most_alive() <= 6 * PART);
}

#[test]
fn it_tells_how_far_it_is() {
    let rig = Rig::new();
    rig.server.always(Fault { drip: Some(100), ..Fault::default() });
    let done = rig.load(&request()).unwrap();
    assert!(done.progress.len() > 2);
    assert!(done.progress.is_sorted_by_key(|report| report.loaded));
    let last = done.progress.last().unwrap();
    assert_eq!((last.loaded, last.total, last.cached), (25_500, Some(25_500), false));
}

#[test]
fn headers_are_sent_but_authorization_to_no_other_origin() {
    let rig = Rig::new();
    rig.server.put(OTHER, file());
    rig.server.script(|asked, _| Fault { redirect: (asked.url == URL).then(|| OTHER.to_owned()), ..Fault::default() });
    let with = requested(|request| {
        request.headers = vec![("Authorization".into(), "Bearer x".into()), ("x-a".into(), "1".into())];
    });
    assert_eq!(rig.load(&with).unwrap().engine.bytes, file());
    let (own, other): (Vec<_>, Vec<_>) = rig.server.take_requests().into_iter().partition(|asked| asked.url == URL);
    assert_eq!(own.len(), 1, "from then on where it led");
    assert_eq!(own[0].header("authorization"), Some("Bearer x"));
    assert!(other.len() > 6);
    assert!(other.iter().all(|asked| asked.header("authorization").is_none() && asked.header("x-a") == Some("1")));
}

/// A signed address lasts for a while; what comes after that may be a refusal, or, where it lets no page read it, nothing at all.
#[test]
fn the_first_address_is_asked_again_when_the_one_it_led_to_has_expired() {
    let expired = [
        status(403),
        status(404),
        Fault { unreachable: true, ..Fault::default() },
        Fault { silent: true, ..Fault::default() },
        Fault { html: true, ..Fault::default() },
    ];
    for (case, fault) in expired.into_iter().enumerate() {
        let rig = Rig::new();
        let blob = |number: usize| format!("https://cdn.example/blob{number}?signature=secret");
        let asked = Rc::new(Cell::new(0));
        rig.server.put(&blob(1), file());
        rig.server.put(&blob(2), file());
        let count = asked.clone();
        rig.server.script(move |request, index| {
            if request.url == URL {
                count.set(count.get() + 1);
                return Fault { redirect: Some(blob(count.get().min(2))), ..Fault::default() };
            }
            if request.url == blob(1) && index > 3 { fault.clone() } else { Fault::default() }
        });
        let done = rig.load(&request()).unwrap();
        assert_eq!(done.engine.bytes, file(), "case {case}");
        assert!(asked.get() > 1, "case {case}");
        assert!(done.notes.is_empty());
    }
}

#[test]
fn a_message_does_not_tell_what_is_secret_in_an_address() {
    let rig = Rig::new();
    rig.server.script(|asked, _| match asked.url.contains("cdn") {
        true => status(403),
        false => Fault { redirect: Some("https://cdn.example/x?signature=secret".into()), ..Fault::default() },
    });
    let url = "https://models.example/model.gguf?token=secret".to_owned();
    let error = error_of(rig.load(&requested(|request| request.url = url))).to_string();
    assert!(error.contains("https://models.example/model.gguf answered 403"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn faults_that_pass() {
    let fault = Fault::default;
    let range = |text: &str| Fault { content_range: Some(Some(text.to_owned())), ..fault() };
    let faults = [
        ("a cut", Fault { cut_after: Some(1234), ..fault() }),
        ("a cut before the first byte", Fault { cut_after: Some(0), ..fault() }),
        ("silence in the middle", Fault { stall_after: Some(1500), ..fault() }),
        ("silence instead of an answer", Fault { silent: true, ..fault() }),
        ("no answer", Fault { unreachable: true, ..fault() }),
        ("too few bytes", Fault { short_by: 100, ..fault() }),
        ("none", Fault { short_by: 1_000_000, ..fault() }),
        ("another range", range("bytes 0-3999/25500")),
        ("another size", range("bytes 8000-11999/99999")),
        ("a range beyond the end", range("bytes 8000-99999/25500")),
        ("a range that nobody can read", Fault { content_range: Some(None), ..fault() }),
        ("a compressed range", Fault { gzip: true, ..fault() }),
        ("the whole file instead", Fault { ignore_range: true, ..fault() }),
        ("a login page", Fault { html: true, ..fault() }),
        ("503", status(503)),
        ("429 with a pause", Fault { headers: vec![("retry-after", "1".to_owned())], ..status(429) }),
        ("500", status(500)),
        ("408", status(408)),
        ("416", status(416)),
    ];
    for (name, fault) in faults {
        let rig = Rig::new();
        rig.server.script(once(2, fault));
        let done = rig.load(&requested(|request| request.sha256 = Some(sha256(&file()))));
        let done = done.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(done.engine.bytes, file(), "{name}");
        assert!(done.notes.is_empty(), "{name}");
        assert_eq!(rig.server.requests().len(), 8, "{name}");
        assert_eq!(rig.store.only().1.data, file(), "{name}");
    }
}

#[test]
fn a_body_that_is_longer_than_its_range_is_cut() {
    let rig = Rig::new();
    rig.server.always(Fault { more: 500, ..Fault::default() });
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
}

#[test]
fn a_cut_costs_no_byte_of_a_part_that_had_come() {
    let rig = Rig::new();
    rig.server.script(once(2, Fault { cut_after: Some(1234), ..Fault::default() }));
    rig.load(&request()).unwrap();
    let starts: Vec<u64> = rig.server.wanted().into_iter().flatten().map(|(start, _)| start).collect();
    let again: Vec<u64> = starts.iter().copied().filter(|start| start % 4000 != 0).collect();
    assert_eq!(again, [starts[2] + 1234]);
}

#[test]
fn a_server_is_waited_for_as_long_as_it_asks() {
    let dates = [
        ("1".to_owned(), 1000),
        ("Thu, 01 Oct 2026 00:00:01 GMT".to_owned(), 900),
        ("Thursday, 01-Oct-26 00:00:01 GMT".to_owned(), 900),
        ("Thu Oct  1 00:00:01 2026".to_owned(), 900),
        // In the past, or nonsense: as without it.
        ("Thu, 01 Oct 2020 00:00:01 GMT".to_owned(), 0),
        ("soon".to_owned(), 0),
        ("-5".to_owned(), 0),
    ];
    for (text, least) in dates {
        let rig = Rig::new();
        rig.server.script(once(2, Fault { headers: vec![("retry-after", text.clone())], ..status(429) }));
        rig.load(&request()).unwrap();
        let passed = rig.passed();
        assert!(passed >= least && passed < least + 200, "{text}: {passed} ms");
    }
}

#[test]
fn faults_that_stay() {
    let wait = |text: &str| Fault { headers: vec![("retry-after", text.to_owned())], ..status(429) };
    let faults = [
        (status(404), "network", "no such file", 1),
        (status(403), "network", "permission", 1),
        (status(400), "network", "check the address", 1),
        (Fault { html: true, ..Fault::default() }, "format", "web page", 1),
        (status(503), "network", "tried 4 times", 4),
        (wait("3600"), "network", "asks to wait 3600 s", 1),
        (wait("99999999999999999999999"), "network", "asks to wait", 1),
        (wait("Fri, 31 Dec 9999 23:59:59 GMT"), "network", "asks to wait", 1),
        (Fault { silent: true, ..Fault::default() }, "network", "gave no byte for 0.06 s", 4),
        // A server that is not there is told sooner than one that has gone.
        (Fault { unreachable: true, ..Fault::default() }, "network", "tried 2 times", 2),
    ];
    for (fault, code, message, tries) in faults {
        let rig = Rig::new();
        rig.server.always(fault);
        let error = error_of(rig.load(&request()));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(rig.store.len(), 0);
        assert_eq!(rig.server.requests().len(), tries, "{error}");
    }
}

#[test]
fn only_another_origin_is_told_of_cors() {
    let rig = Rig::new();
    rig.server.always(Fault { unreachable: true, ..Fault::default() });
    for (origin, told) in [(Some(ORIGIN), false), (Some("https://elsewhere.example"), true), (None, false)] {
        let error = error_of(rig.load(&requested(|request| request.origin = origin.map(str::to_owned))));
        assert_eq!(error.to_string().contains("CORS"), told, "{error}");
        assert!(error.to_string().contains("Failed to fetch"), "{error}");
    }
}

#[test]
fn what_has_come_is_kept_when_it_is_given_up() {
    let rig = Rig::new();
    rig.server.script(|_, index| if index > 4 { status(503) } else { Fault::default() });
    assert_eq!(error_of(rig.load(&request())).code(), "network");
    let files = rig.clock.run(list(&rig.store)).unwrap();
    assert!(files[0].bytes >= 16_000 && !files[0].complete, "{files:?}");
    rig.server.take_requests();
    rig.server.right();
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert!(rig.server.requests().len() <= 3);
}

#[test]
fn a_file_that_changes_in_the_middle_begins_anew_and_nothing_of_the_old_one_is_kept() {
    let other = |len| Some(Rc::new(random_file(len, 2)));
    let faults = [
        Fault { file: other(25_500), ..Fault::default() },
        Fault { file: other(20_000), etag: Some(None), ..Fault::default() },
        Fault { etag: Some(Some("\"other\"".into())), ..Fault::default() },
        Fault {
            etag: Some(None),
            last_modified: Some(Some("Fri, 02 Oct 2026 00:00:00 GMT".into())),
            ..Fault::default()
        },
    ];
    for fault in faults {
        let rig = Rig::new();
        rig.server.script(move |_, index| if index > 2 { fault.clone() } else { Fault::default() });
        assert!(is_changed(rig.load(&request())));
        assert_eq!(rig.store.len(), 0);
    }
}

#[test]
fn a_wrong_hash_leaves_nothing() {
    for ignore_range in [false, true] {
        let rig = Rig::new();
        rig.server.always(Fault { ignore_range, ..Fault::default() });
        let error = error_of(rig.load(&requested(|request| request.sha256 = Some("0".repeat(64)))));
        assert!(matches!(&error, Error::Integrity { reason } if reason.contains(&sha256(&file()))), "{error}");
        assert_eq!(rig.store.len(), 0);
    }
}

#[test]
fn bytes_that_the_engine_refuses_leave_nothing_but_other_errors_do() {
    let poison = Error::EmptyFile;
    let memory = Error::OutOfMemory { what: "the weights".into(), bytes: 1 };
    for (error, left) in [(poison, 0), (memory, 1)] {
        let rig = Rig::new();
        let engine = Engine { refuses: Some((12, error.clone())), ..Engine::default() };
        assert_eq!(error_of(rig.load_into(&request(), engine)), error);
        assert_eq!(rig.store.len(), left);
    }
}

/// No file is so large here; but nothing must break, wrap around or take memory for it.
#[test]
fn sizes_that_nobody_has_are_only_numbers() {
    for size in [5_000_000_000_u64, 1 << 53, u64::MAX] {
        let rig = Rig::new();
        rig.server.script(move |asked, _| {
            let (start, end) = asked.range().expect("ranges alone");
            let end = end.min(25_500);
            let range = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
            Fault { content_range: (start < end).then_some(Some(range)), ..Fault::default() }
        });
        let done = rig.load(&request());
        let error = error_of(done);
        assert_eq!(error.code(), "network", "{error}");
        assert!(rig.server.requests().iter().all(|asked| asked.range().is_some_and(|(start, end)| start < end)));
    }
}

/// All parts but the last one are said to be there, by somebody who has the file open: so nothing is written.
#[test]
fn what_lies_beyond_4_gb_is_asked_for_there() {
    let mut rig = Rig::new();
    rig.tuning = Tuning { part_bytes: 64 << 20, run_parts: 1, ..rig.tuning };
    let size = (4_u64 << 30) + 500;
    let head = format!(r#"{{"head":{{"url":"{URL}","partBytes":67108864,"size":{size},"etag":"\"1\""}}}}"#);
    let parts = (0..64).map(|part| format!("\n{{\"part\":{part},\"sha256\":\"{}\"}}", sha256(b"x")));
    let journal = format!("{{}}\n{head}{}\n", parts.collect::<String>());
    let key = &sha256(URL.as_bytes())[..32];
    rig.store.put(key, Files::new(Vec::new(), journal.into_bytes()));
    rig.store.occupy(key);
    // Two bytes come at a time; those of the parts before are refused.
    rig.server.script(move |asked, _| {
        let (start, end) = asked.range().expect("ranges alone");
        let headers = vec![("content-range", format!("bytes {start}-{}/{size}", end - 1))];
        if start >= 4 << 30 { Fault { status: Some(206), headers, ..Fault::default() } } else { status(404) }
    });
    let error = rig.clock.run(rig.loading(&request(), Engine::default())).map(drop);
    assert_eq!(error_of(error).code(), "network");
    let wanted = rig.server.wanted();
    assert_eq!(wanted[0], Some((4 << 30, size)));
    assert!(wanted.contains(&Some(((4 << 30) + 2, size))) && wanted.contains(&Some((0, 64 << 20))), "{wanted:?}");
}
