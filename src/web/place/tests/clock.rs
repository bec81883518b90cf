use super::*;
use futures::FutureExt;
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
async fn it_sleeps_and_tells_the_time() {
    let clock = Timers::default();
    let (now, date) = (clock.now(), clock.since_1970());
    clock.sleep(0).await;
    clock.sleep(20).await;
    assert!(clock.now() >= now + 15.0);
    assert!(clock.since_1970() >= date && date > 1_600_000_000_000);
}

/// What `setTimeout` takes has 32 bits.
#[test]
async fn long_sleeps_are_cut() {
    let asked = js("[]");
    // Another's timer, such as that of spare memory, goes on as it is.
    let at_once = js("(asked) => { const real = setTimeout; const ours = (ms) => ms === 5 || ms === 0x7fffffff; \
         return (ring, ms) => { if (!ours(ms)) return real(ring, ms); asked.push(ms); return real(ring, 0); }; }");
    let _stub =
        Stub::new("setTimeout", &at_once.unchecked_ref::<Function>().call1(&JsValue::UNDEFINED, &asked).unwrap());
    Timers::default().sleep(2 * (i32::MAX as u64) + 5).await;
    assert_eq!(string(&asked).unwrap(), "2147483647,2147483647,5");
}

#[test]
fn a_dropped_sleep_takes_its_timer_back() {
    let cleared = js("[]");
    let watch = js("(cleared) => (id) => cleared.push(id)");
    let _set = Stub::new("setTimeout", &js("() => 77"));
    let _clear =
        Stub::new("clearTimeout", &watch.unchecked_ref::<Function>().call1(&JsValue::UNDEFINED, &cleared).unwrap());
    let clock = Timers::default();
    assert!(clock.sleep(1000).now_or_never().is_none());
    assert_eq!(string(&cleared).unwrap(), "77");
}

#[test]
fn it_never_goes_back() {
    let _performance = Stub::missing("performance");
    let _date =
        Stub::new("Date.now", &js("(() => { const said = [1000, 1010, 990, 1020]; return () => said.shift(); })()"));
    let clock = Timers::default();
    assert_eq!([(); 4].map(|()| clock.now()), [1000.0, 1010.0, 1010.0, 1020.0]);
}
