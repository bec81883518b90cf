//! The crate's promise, from outside: with a constraint and enough tokens an answer always parses and is valid; what can't be kept is
//! refused by name before the first token; never a wrong answer, a panic, an overflow of the stack, or white space without an end.
//!
//! The judges are others than the crate's own library: `jsonschema` and a strict scanner for schemas, `regex` for expressions, small
//! recognisers for grammars. `B158_GRAMMAR_ROUNDS=100` runs a hundred times as many random cases.
#![allow(missing_docs)]

mod hostile;
mod json;
mod judge;
mod lark;
mod numbers;
mod parts;
mod random;
mod regexes;
mod schemas;
mod table;
mod walk;
mod words;

use std::cell::RefCell;
use std::sync::{Mutex, Once};

/// How often random cases are tried: `base`, or as many times that as the environment asks for.
fn rounds(base: usize) -> usize {
    let times = std::env::var("B158_GRAMMAR_ROUNDS").map_or(1, |n| n.parse().expect("B158_GRAMMAR_ROUNDS is a number"));
    base * times
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs with the stack of a worker in a browser. An overflow ends the process, and names the thread. A panic is a fault even where
/// the crate catches it: in a browser nothing can be caught.
fn small_stack<T: Send>(name: &str, run: impl FnOnce() -> T + Send) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with_borrow_mut(|all| all.push(info.to_string()));
            told(info);
        }));
    });
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.escape_debug().to_string()).stack_size(1 << 20);
        let run = || {
            let done = run();
            let panics = PANICS.take();
            assert!(panics.is_empty(), "{name:.200}: {} panics were caught: {}", panics.len(), panics[0]);
            done
        };
        match thread.spawn_scoped(scope, run).expect("a thread").join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Fails with all that was found. With `--nocapture` says what all tests have run until then.
#[track_caller]
fn faults(found: Vec<String>) {
    println!("{:?}", TALLY.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// What all tests of this program ran.
#[derive(Debug, Default)]
struct Tally {
    schemas: usize,
    refused: usize,
    walks: usize,
    steps: usize,
    wrong_tokens: usize,
    cut: usize,
    endless: usize,
    bytes: usize,
}

impl Tally {
    fn walked(&mut self, walked: &walk::Walked) {
        self.walks += 1;
        self.steps += walked.steps;
        self.wrong_tokens += walked.refused;
        self.cut += usize::from(!walked.early);
        self.bytes += walked.text.len();
    }
}

static TALLY: Mutex<Tally> =
    Mutex::new(Tally { schemas: 0, refused: 0, walks: 0, steps: 0, wrong_tokens: 0, cut: 0, endless: 0, bytes: 0 });

fn tally(add: impl FnOnce(&mut Tally)) {
    add(&mut TALLY.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
}
