//! The corpus of the fuzzers, replayed: seeds, inputs that reach odd corners, and every case that a fuzzer has found.
//! What they search on is `./build.sh soak`.
#![cfg(not(target_family = "wasm"))]

mod targets;

use std::path::Path;

#[test]
fn the_corpus_breaks_no_promise() {
    for target in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name);
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in &files {
            // A failure is to say which input it was.
            println!("{}", file.display());
            (target.run)(&std::fs::read(file).unwrap());
        }
        for (i, seed) in (target.seeds)().iter().enumerate() {
            println!("{}: seed {i}", target.name);
            (target.run)(seed);
        }
    }
}
