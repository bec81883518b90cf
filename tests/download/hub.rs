//! What a hub of Hugging Face says of its files: in a terminal, which sees where it redirects, and in a page, which does not.

use crate::model::Taker;
use crate::rig::{Done, Rig, error_of, file, requested};
use crate::server::{Asked, Fault, random_file, sha256};
use b158::Error;
use b158::download::{Part, Request, list, load};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const HUB: &str = "https://huggingface.co";
const FILE: &str = "https://huggingface.co/o/r/resolve/main/m.gguf";
const RAW: &str = "https://huggingface.co/o/r/raw/main/m.gguf";
/// Where its bytes lie.
pub(crate) const ELSEWHERE: &str = "https://cdn.example/m";
/// Nobody knows it.
const TOKEN: &str = "Bearer hf_secret";

fn pointer(file: &[u8]) -> Vec<u8> {
    let (sha256, size) = (sha256(file), file.len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n").into_bytes()
}

/// As the hub answers, which says that a file is `said` and has it elsewhere.
fn answer(asked: &Asked, said: &str) -> Fault {
    let path = asked.url.strip_prefix(HUB).and_then(|path| path.strip_prefix("/o/r/resolve/")?.split_once('/'));
    let Some((_, name)) = path else { return Fault::default() };
    let headers = vec![("x-linked-etag", format!("\"{said}\"")), ("x-linked-size", "25500".to_owned())];
    Fault {
        headers,
        redirect: Some(format!("https://cdn.example/{}", name.trim_end_matches(".gguf"))),
        ..Fault::default()
    }
}

/// A hub that says that `said` is at [`FILE`], and has `has`.
pub(crate) fn rig(in_page: bool, said: &[u8], has: Vec<u8>) -> Rig {
    let mut rig = Rig::new();
    if !in_page {
        rig.transport.origin = None;
    }
    rig.server.put(ELSEWHERE, has);
    tell(&rig, said);
    rig
}

/// From here on it says that `said` is there.
fn tell(rig: &Rig, said: &[u8]) {
    rig.server.put(RAW, pointer(said));
    let said = sha256(said);
    rig.server.script(move |asked, _| answer(asked, &said));
}

pub(crate) fn request(rig: &Rig) -> Request {
    requested(|request| {
        request.url = FILE.to_owned();
        request.hub = true;
        request.origin.clone_from(&rig.transport.origin);
    })
}

/// What was asked since the last call: of the hub for the file, of it for the pointer, and elsewhere.
pub(crate) fn asked(rig: &Rig) -> [usize; 3] {
    let requests = rig.server.take_requests();
    let count = |url: &str| requests.iter().filter(|asked| asked.url == url).count();
    let counts = [count(FILE), count(RAW), count(ELSEWHERE)];
    assert_eq!(counts.iter().sum::<usize>(), requests.len());
    counts
}

fn right(done: &Done, cached: bool) {
    assert_eq!((&done.engine.bytes, done.cached), (&file(), cached));
    assert_eq!(done.notes, [""; 0]);
}

fn kept(rig: &Rig) -> Vec<Option<String>> {
    let listed = rig.clock.run(list(&rig.store)).unwrap();
    listed.into_iter().map(|cached| cached.sha256).collect()
}

#[test]
fn a_file_is_held_against_what_the_hub_says_which_the_cache_remembers() {
    for in_page in [true, false] {
        let rig = rig(in_page, &file(), file());
        let request = request(&rig);
        right(&rig.load(&request).unwrap(), false);
        let [at_hub, pointers, _] = asked(&rig);
        // A terminal has it of the answer that redirects.
        assert_eq!((at_hub, pointers), if in_page { (1, 1) } else { (1, 0) });
        assert_eq!(kept(&rig), [Some(sha256(&file()))]);
        // One request in either, as without a hub.
        right(&rig.load(&request).unwrap(), true);
        assert_eq!(asked(&rig), if in_page { [0, 1, 0] } else { [1, 0, 1] });
        // Neither for what can't have changed, nor where nobody is asked.
        let offline = Request { offline: true, ..request.clone() };
        right(&rig.load(&offline).unwrap(), true);
        let given = Request { sha256: Some(sha256(&file())), ..request };
        right(&rig.load(&given).unwrap(), true);
        assert_eq!(asked(&rig), [0; 3]);
    }
}

#[test]
fn a_file_at_a_commit_is_asked_for_once() {
    let rig = rig(true, &file(), file());
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let at_commit = Request { url: FILE.replace("main", commit), ..request(&rig) };
    rig.server.put(&RAW.replace("main", commit), pointer(&file()));
    right(&rig.load(&at_commit).unwrap(), false);
    assert_eq!(kept(&rig), [Some(sha256(&file()))]);
    rig.server.take_requests();
    right(&rig.load(&at_commit).unwrap(), true);
    assert!(rig.server.take_requests().is_empty());
}

#[test]
fn a_file_that_is_another_is_refused_and_nothing_of_it_is_kept() {
    for in_page in [true, false] {
        let mut others = vec![file()];
        others[0][12_000] ^= 1;
        // In a page the pointer says the size too: it is refused before its bytes come.
        others.push(random_file(30_000, 2));
        for other in others {
            let rig = rig(in_page, &file(), other);
            let error = error_of(rig.load(&request(&rig)));
            let Error::Integrity { reason } = &error else { panic!("{error}") };
            assert!(reason.contains("https://huggingface.co says"), "{reason}");
            assert!(kept(&rig).is_empty());
        }
    }
}

#[test]
fn what_somebody_has_given_comes_first_and_the_hub_is_not_asked() {
    let other = random_file(25_500, 3);
    for in_page in [true, false] {
        let rig = rig(in_page, &other, file());
        let given = Request { sha256: Some(sha256(&file())), ..request(&rig) };
        right(&rig.load(&given).unwrap(), false);
        assert_eq!(asked(&rig)[1], 0);
        let wrong = Request { sha256: Some(sha256(&other)), ..request(&rig) };
        assert!(matches!(error_of(rig.load(&wrong)), Error::Integrity { .. }));
    }
}

#[test]
fn a_file_that_has_changed_on_the_hub_comes_anew() {
    let before = random_file(25_500, 4);
    for in_page in [true, false] {
        let rig = rig(in_page, &before, before.clone());
        rig.load(&request(&rig)).unwrap();
        rig.server.put(ELSEWHERE, file());
        tell(&rig, &file());
        right(&rig.load(&request(&rig)).unwrap(), false);
        assert_eq!(kept(&rig), [Some(sha256(&file()))]);
    }
}

#[test]
fn a_file_that_was_kept_without_a_hash_is_checked_once() {
    for in_page in [true, false] {
        let rig = rig(in_page, &file(), file());
        rig.load(&Request { hub: false, ..request(&rig) }).unwrap();
        assert_eq!(kept(&rig), [None]);
        right(&rig.load(&request(&rig)).unwrap(), true);
        assert_eq!(kept(&rig), [Some(sha256(&file()))]);
    }
}

#[test]
fn where_the_hub_says_nothing_the_file_is_taken_and_told_of() {
    for (in_page, fault) in [
        (true, Fault { status: Some(404), ..Fault::default() }),
        (true, Fault { unreachable: true, ..Fault::default() }),
        (true, Fault { silent: true, ..Fault::default() }),
        (true, Fault { cut_after: Some(20), ..Fault::default() }),
        (false, Fault { status: Some(500), ..Fault::default() }),
    ] {
        let rig = rig(in_page, &file(), file());
        rig.server.script(move |asked, _| match &*asked.url {
            RAW => fault.clone(),
            _ => Fault { headers: Vec::new(), ..answer(asked, "") },
        });
        let done = rig.load(&request(&rig)).unwrap();
        assert_eq!(done.engine.bytes, file());
        let [note] = &done.notes[..] else { panic!("{:?}", done.notes) };
        assert!(note.contains("was not held against its SHA-256: the hub did not say it ("), "{note}");
        assert_eq!(kept(&rig), [None]);
    }
}

#[test]
fn a_mirror_whose_redirects_say_nothing_is_asked_for_the_pointer() {
    let rig = rig(false, &file(), file());
    rig.server.script(|asked, _| Fault { headers: Vec::new(), ..answer(asked, "") });
    right(&rig.load(&request(&rig)).unwrap(), false);
    assert_eq!(kept(&rig), [Some(sha256(&file()))]);
}

#[test]
fn of_a_file_that_git_holds_there_is_no_hash_and_no_word() {
    for in_page in [true, false] {
        let rig = rig(in_page, &file(), file());
        rig.server.put(FILE, file());
        rig.server.put(RAW, file());
        rig.server.script(|_, _| Fault { etag: Some(Some(format!("\"{}\"", "a".repeat(40)))), ..Fault::default() });
        right(&rig.load(&request(&rig)).unwrap(), false);
        assert_eq!(asked(&rig)[1], usize::from(in_page));
        assert_eq!(kept(&rig), [None]);
    }
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    for in_page in [true, false] {
        let rig = rig(in_page, &file(), file());
        let headers = vec![("Authorization".to_owned(), TOKEN.to_owned())];
        right(&rig.load(&Request { headers, ..request(&rig) }).unwrap(), false);
        for asked in rig.server.take_requests() {
            let expected = asked.url.starts_with(HUB).then_some(TOKEN);
            assert_eq!(asked.header("authorization"), expected, "{}", asked.url);
        }
    }
}

#[test]
fn each_part_of_a_split_model_has_its_own() {
    for wrong in [false, true] {
        let rig = rig(true, &file(), file());
        let second = random_file(3000, 5);
        rig.server.put(&RAW.replace("m.gguf", "n.gguf"), pointer(&second));
        rig.server.put("https://cdn.example/n", if wrong { random_file(3000, 6) } else { second.clone() });
        rig.server.script(|asked, _| answer(asked, ""));
        let parts = [FILE.to_owned(), FILE.replace("m.gguf", "n.gguf")];
        let parts = parts.map(|url| Part::Address(Request { url, ..request(&rig) }));
        let mut taker = Taker { last: Some(1), ..Taker::default() };
        let loaded = rig.clock.run(load(&rig, parts.into(), &mut taker, &mut |_| {}));
        match loaded {
            Ok(_) => assert_eq!((wrong, &taker.parts), (false, &vec![file(), second])),
            Err(error) => assert!(wrong && matches!(error, Error::Integrity { .. }), "{error}"),
        }
    }
}
