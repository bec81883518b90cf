//! The journal: the same lines as ever, torn ones, and those that nobody has written.

use crate::engine::Engine;
use crate::memory::Files;
use crate::rig::{Rig, file, request, requested};
use crate::server::{MODIFIED, URL, etag, random_file, sha256};
use b158::download::{CacheMode, Tuning, list};
use proptest::prelude::*;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What caches of people have in them is read by this text, not by whatever wrote it.
#[test]
fn it_is_the_same_text_as_ever() {
    let mut rig = Rig::new();
    rig.tuning = Tuning { part_bytes: 20_000, ..rig.tuning };
    rig.load(&requested(|request| request.sha256 = Some(sha256(&file())))).unwrap();
    let (key, files) = rig.store.only();
    assert_eq!(key, sha256(URL.as_bytes())[..32]);
    let text = String::from_utf8(files.journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"used":1790812800001}         "#);
    assert_eq!(lines[0].len(), 31);
    assert_eq!(
        lines[1],
        format!(
            r#"{{"head":{{"url":"{URL}","partBytes":20000,"size":25500,"etag":{:?},"lastModified":"{MODIFIED}"}}}}"#,
            etag(&file())
        )
    );
    let part = |index: usize, bytes: &[u8]| format!(r#"{{"part":{index},"sha256":"{}"}}"#, sha256(bytes));
    assert_eq!(lines[2..4], [part(0, &file()[..20_000]), part(1, &file()[20_000..])]);
    assert_eq!(lines[4..], [format!(r#"{{"complete":25500,"sha256":"{}"}}"#, sha256(&file()))]);
    rig.store.damage(3, &[1]);
    rig.load(&request()).unwrap();
    let text = String::from_utf8(rig.store.only().1.journal).unwrap();
    assert_eq!(text.lines().skip(5).collect::<Vec<_>>(), [r#"{"lost":0}"#, lines[2], r#"{"complete":25500}"#]);
}

/// A rig with this journal, and the file's own data.
fn with_journal(journal: Vec<u8>) -> (Rig, String) {
    let rig = Rig::new();
    let key = sha256(URL.as_bytes())[..32].to_owned();
    rig.store.put(&key, Files::new(file(), journal));
    (rig, key)
}

fn lines(lines: &[String]) -> Vec<u8> {
    let mut text = format!("{:31}\n", r#"{"used":5}"#);
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.into_bytes()
}

fn head(part_bytes: &str, size: &str) -> String {
    format!(r#"{{"head":{{"url":"{URL}","partBytes":{part_bytes},"size":{size},"etag":{:?}}}}}"#, etag(&file()))
}

fn parts(part_bytes: usize) -> Vec<String> {
    let line = |(index, part)| format!(r#"{{"part":{index},"sha256":"{}"}}"#, sha256(part));
    file().chunks(part_bytes).enumerate().map(line).collect()
}

#[test]
fn torn_at_any_byte_it_costs_that_line_alone() {
    let mut all = vec![head("1000", "25500")];
    all.extend(parts(1000));
    all.truncate(9);
    let whole = lines(&all);
    for length in 0..=whole.len() {
        let torn = whole[..length].to_vec();
        let sound = torn.iter().filter(|byte| **byte == b'\n').count().saturating_sub(2);
        let (rig, _) = with_journal(torn);
        let listed = rig.clock.run(list(&rig.store)).unwrap();
        assert_eq!(listed.first().map_or(0, |file| file.bytes), 1000 * sound as u64);
        // Every seventh is loaded, which takes longer.
        if length % 7 == 0 {
            assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
            let again = rig.load(&requested(|request| request.offline = true)).unwrap();
            assert!(again.cached && again.engine.bytes == file());
        }
    }
}

/// Of a file that was cut into other parts: whole, it is read as it is; half, it begins anew.
#[test]
fn other_parts_than_todays_are_read_by_their_own_size() {
    for part_bytes in [1, 7, 999, 4096, 25_500, 1 << 20] {
        let mut all = vec![head(&part_bytes.to_string(), "25500")];
        all.extend(parts(part_bytes));
        all.push(r#"{"complete":25500}"#.to_owned());
        let (rig, _) = with_journal(lines(&all));
        let done = rig.load(&request()).unwrap();
        assert!(done.cached && done.engine.bytes == file(), "{part_bytes}");
        rig.store.damage(9000, &[1, 2, 3]);
        let done = rig.load(&request()).unwrap();
        assert!(!done.cached && done.engine.bytes == file(), "{part_bytes}");
        assert_eq!(rig.store.only().1.data, file());
    }
    let (rig, _) = with_journal(lines(&[head("999", "25500"), parts(999)[0].clone()]));
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
    assert_eq!(rig.server.wanted()[0], Some((0, 4000)));
}

#[test]
fn nothing_in_it_breaks_the_engine_or_takes_memory() {
    let sha = sha256(b"x");
    let part = |index: &str| format!(r#"{{"part":{index},"sha256":"{sha}"}}"#);
    let complete = |bytes: &str| format!(r#"{{"complete":{bytes}}}"#);
    const MOST: &str = "18446744073709551615";
    let sizes = ["0", "1", "25500", "25501", "1099511627776", "9007199254740993", MOST, "1e300", "-1", "null", "\"a\""];
    for part_bytes in ["0", "1", "1000", "67108864", "67108865", "1099511627776", MOST, "-1", "0.5", "null"] {
        for size in sizes {
            for index in ["0", "25", "26", "4294967296", "18446744073709551", MOST, "-1", "0.5", "\"0\"", "{}"] {
                let hostile = [head(part_bytes, size), part(index), complete(size)];
                let (rig, _) = with_journal(lines(&hostile));
                for request in [request(), requested(|request| request.offline = true)] {
                    let done = rig.clock.run(rig.loading(&request, Engine::default()));
                    let case = hostile.join(" ");
                    assert!(request.offline || done.is_ok_and(|done| done.engine.bytes == file()), "{case}");
                }
            }
        }
    }
    for line in ["", "{}", "[]", "0", "{\"lost\":0}", "{\"part\":0}", "{\"head\":{}}", "{\"part\":0,\"sha256\":\"x\"}"]
    {
        let (rig, _) = with_journal(lines(&[line.to_owned(), head("1000", "25500")]));
        assert_eq!(rig.load(&request()).unwrap().engine.bytes, file(), "{line}");
    }
}

/// Lines behind one that makes no sense are not found again when it is written over.
#[test]
fn what_a_crash_has_left_behind_does_not_come_back() {
    let good = parts(1000);
    let mut all = vec![head("1000", "25500"), good[0].clone(), "x".repeat(good[1].len())];
    all.extend(std::iter::repeat_n(format!(r#"{{"part":24,"sha256":"{}"}}"#, sha256(b"x")), 3));
    let (rig, _) = with_journal(lines(&all));
    rig.killed_after(3, &request());
    let text = String::from_utf8(rig.store.only().1.journal).unwrap();
    assert!(!text.contains(&sha256(b"x")), "{text}");
    assert_eq!(rig.load(&request()).unwrap().engine.bytes, file());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_are_no_journal_and_no_reason_to_stop(
        journal in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(
                prop_oneof![
                    Just(head("1000", "25500")),
                    (0_u64..30).prop_map(|part| format!(r#"{{"part":{part},"sha256":"{}"}}"#, sha256(&[1]))),
                    (0_usize..25).prop_map(|part| parts(1000)[part].clone()),
                    (0_u64..30).prop_map(|part| format!(r#"{{"lost":{part}}}"#)),
                    (0_u64..30_000).prop_map(|bytes| format!(r#"{{"complete":{bytes}}}"#)),
                    "[ -~]{0,20}",
                ],
                0..40,
            ).prop_map(|all| lines(&all)),
        ],
        flip in any::<(prop::sample::Index, u8)>(),
        off in any::<bool>(),
    ) {
        let mut journal = journal;
        if !journal.is_empty() {
            let at = flip.0.index(journal.len());
            journal[at] ^= flip.1;
        }
        let (rig, _) = with_journal(journal);
        let cache = if off { CacheMode::Off } else { CacheMode::Auto };
        let done = rig.load(&requested(|request| request.cache = cache));
        prop_assert!(done.is_ok_and(|done| done.engine.bytes == file()));
        prop_assert!(rig.clock.run(list(&rig.store)).is_ok());
    }
}

/// What an engine left that cut files into mebibytes: it is gone on with, part by part as it is there.
#[test]
fn a_download_that_was_begun_in_parts_of_a_mebibyte_is_gone_on_with() {
    const MIB: usize = 1 << 20;
    let file = random_file(MIB * 5 / 2, 7);
    let head =
        format!(r#"{{"head":{{"url":"{URL}","partBytes":{MIB},"size":{},"etag":{:?}}}}}"#, file.len(), etag(&file));
    let part = format!(r#"{{"part":0,"sha256":"{}"}}"#, sha256(&file[..MIB]));
    let mut rig = Rig::new();
    rig.tuning = Tuning { part_bytes: MIB / 2, run_parts: 2, ..rig.tuning };
    rig.server.put(URL, file.clone());
    rig.store.put(&sha256(URL.as_bytes())[..32], Files::new(file[..MIB].to_vec(), lines(&[head, part])));
    let done = rig.load(&request()).unwrap();
    assert!(!done.cached && done.engine.bytes == file);
    let (mib, size) = (MIB as u64, file.len() as u64);
    assert_eq!(rig.server.wanted(), [Some((mib, 2 * mib)), Some((2 * mib, size))]);
    assert!(rig.load(&request()).unwrap().cached);
}
