//! Many faults in a row, and a machine that stops at any moment: in the end the bytes are the same.

use crate::engine::Engine;
use crate::rig::{Rig, request, requested};
use crate::server::{Fault, URL, random_file, sha256};
use b158::download::{CacheMode, Tuning};
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Numbers that look like none, the same for the same seed.
#[derive(Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// What may go wrong with one answer and right with the next.
fn any_fault(random: &mut Random) -> Fault {
    let fault = Fault::default;
    let range = |text: Option<&str>| Fault { content_range: Some(text.map(str::to_owned)), ..fault() };
    match random.below(12) {
        0 => Fault { cut_after: Some(random.below(4000)), ..fault() },
        1 => Fault { cut_after: Some(1 + random.below(900)), ..fault() },
        2 => Fault { short_by: 1 + random.below(4000), ..fault() },
        3 => Fault { stall_after: Some(random.below(4000)), ..fault() },
        4 => Fault { status: Some([408, 429, 500, 502, 503, 504][random.below(6)]), ..fault() },
        5 => range([None, Some("bytes 0-3999/400000"), Some("bytes 1-2/3"), Some("x")][random.below(4)]),
        6 => Fault { html: true, ..fault() },
        7 => Fault { ignore_range: true, ..fault() },
        8 => Fault { drip: Some(1 + random.below(2000)), cut_after: Some(random.below(3000)), ..fault() },
        9 => Fault { gzip: true, ..fault() },
        10 => Fault { unreachable: true, ..fault() },
        _ => Fault { silent: true, ..fault() },
    }
}

/// The first answers are right, and so are those after so many faults.
fn script(rig: &Rig, faults: usize, seed: u64) -> Rc<Cell<usize>> {
    let left = Rc::new(Cell::new(faults));
    let count = left.clone();
    let mut random = Random(seed);
    rig.server.script(move |_, index| {
        if index == 0 || count.get() == 0 {
            return Fault::default();
        }
        count.set(count.get() - 1);
        any_fault(&mut random)
    });
    left
}

#[test]
fn five_hundred_faults_in_a_row_end_with_the_same_bytes() {
    let mut rig = Rig::new();
    rig.tuning = Tuning { tries: 500, first_tries: 500, ..rig.tuning };
    let file = random_file(400_000, 3);
    rig.server.put(URL, file.clone());
    let left = script(&rig, 500, 12_345);
    let done = rig.load(&requested(|request| request.sha256 = Some(sha256(&file)))).unwrap();
    assert_eq!(left.get(), 0);
    assert!(done.engine.bytes == file && done.notes.is_empty());
    assert!(rig.store.only().1.data == file);
    let done = rig.load(&requested(|request| request.offline = true)).unwrap();
    assert!(done.cached && done.engine.bytes == file);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Loads that are dropped or whose machine stops, servers that go wrong, files that change: each load that ends well has the file
    /// that the server has, and what is whole in the cache is that file.
    #[test]
    fn whatever_happens_on_the_way(seed in any::<u64>(), whole in 0_u8..4, cache in any::<bool>()) {
        let mut rig = Rig::new();
        rig.tuning = Tuning { tries: 30, first_tries: 30, ..rig.tuning };
        let mut random = Random(seed);
        let mut file = random_file(1 + random.below(40_000), 3);
        rig.server.put(URL, file.clone());
        for _ in 0..12 {
            match random.below(8) {
                0 => {
                    file = random_file(1 + random.below(40_000), random.below(1000) as u32);
                    rig.server.put(URL, file.clone());
                }
                1 if rig.store.len() == 1 && !rig.store.only().1.data.is_empty() => {
                    let at = random.below(rig.store.only().1.data.len());
                    rig.store.damage(at, &[7]);
                }
                _ => {}
            }
            let mut faults = Random(random.below(1 << 30) as u64);
            let many = random.below(3);
            rig.server.script(move |asked, _| {
                let fault = if faults.below(3) < many { any_fault(&mut faults) } else { Fault::default() };
                // A whole file that ends early and says so is another file.
                let short_by = if whole == 0 || asked.range().is_none() { 0 } else { fault.short_by };
                Fault { ignore_range: fault.ignore_range || whole == 0, short_by, ..fault }
            });
            let request = if cache { request() } else { requested(|request| request.cache = CacheMode::Off) };
            let turns = random.below(3000);
            let mut luck = Random(random.below(1 << 30) as u64);
            let stops = random.below(2) == 0;
            let crash = rig.store.clone();
            let done = rig.clock.run_for(
                async {
                    let mut loading = std::pin::pin!(rig.loading(&request, Engine::default()));
                    // Dropped first, since it was made last: the machine stops before the download hears of it.
                    let stop = stops.then(|| Crash(Some(move || crash.crash(|bytes| luck.below(bytes)))));
                    let done = loading.as_mut().await;
                    std::mem::forget(stop);
                    done
                },
                turns,
            );
            if let Some(Ok(done)) = done {
                // Where the server can't be asked, an older one is good enough.
                let older = done.notes.concat().contains("could not be asked");
                prop_assert!(done.engine.bytes == file || older);
            }
            prop_assert_eq!(rig.server.open(), 0);
            prop_assert_eq!(rig.store.writers(), 0);
        }
        rig.server.right();
        let done = rig.load(&request());
        prop_assert!(done.is_ok_and(|done| done.engine.bytes == file));
        prop_assert!(rig.store.only().1.data == file);
        let done = rig.load(&requested(|request| request.offline = true)).unwrap();
        prop_assert!(done.cached && done.engine.bytes == file);
    }
}

struct Crash<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Crash<F> {
    fn drop(&mut self) {
        if let Some(crash) = self.0.take() {
            crash();
        }
    }
}
