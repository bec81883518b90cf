//! Progress for a person.

use b158::download::LoadProgress;
use b158::download::meter::{Meter, Phase};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(meter: &mut Meter, seen: &mut Vec<LoadProgress>, ms: u32, loaded: u64, total: Option<u64>) {
    seen.extend(meter.update(f64::from(ms), Phase::Download, loaded, total));
}

#[test]
fn it_reports_at_most_ten_times_a_second_and_always_the_end() {
    let (mut meter, mut seen) = (Meter::new(), Vec::new());
    for ms in 0..1000 {
        at(&mut meter, &mut seen, ms, u64::from(ms), Some(1000));
    }
    at(&mut meter, &mut seen, 1000, 1000, Some(1000));
    at(&mut meter, &mut seen, 1001, 1000, Some(1000));
    assert!(seen.len() <= 12);
    let last = seen.last().unwrap();
    assert_eq!((last.loaded, last.fraction), (1000, Some(1.0)));
}

#[test]
fn it_tells_the_rate_over_the_last_seconds_and_the_time_left() {
    let (mut meter, mut seen) = (Meter::new(), Vec::new());
    at(&mut meter, &mut seen, 0, 0, Some(10_000));
    assert_eq!(seen[0].bytes_per_second, None);
    at(&mut meter, &mut seen, 1000, 1000, Some(10_000));
    let last = *seen.last().unwrap();
    assert_eq!((last.bytes_per_second, last.seconds_left), (Some(1000.0), Some(9.0)));
    for ms in (1100..=8000).step_by(100) {
        at(&mut meter, &mut seen, ms, 1000, Some(10_000));
    }
    let stalled = *seen.last().unwrap();
    assert_eq!((stalled.bytes_per_second, stalled.seconds_left), (Some(0.0), None));
}

#[test]
fn a_total_that_turned_out_wrong_is_dropped_and_nothing_is_ever_no_number() {
    let (mut meter, mut seen) = (Meter::new(), Vec::new());
    at(&mut meter, &mut seen, 0, 50, Some(10));
    at(&mut meter, &mut seen, 500, 0, Some(0));
    assert_eq!((seen[0].total, seen[0].fraction), (None, None));
    let text = serde_json::to_string(&seen).unwrap();
    assert_eq!(
        text,
        r#"[{"phase":"download","loaded":50,"cached":false},{"phase":"download","loaded":0,"bytesPerSecond":0.0,"cached":false}]"#
    );
}
