//! Memory that is used again. Fresh memory costs a browser ten times what it costs to read a file into it.

use gloo::timers::callback::Timeout;
use js_sys::Uint8Array;
use std::cell::RefCell;

/// What is kept at most, in bytes: what a download by four requests has under way at a time.
const MOST_BYTES: usize = 48 << 20;
/// Smaller pieces are not worth it.
const LEAST_BYTES: usize = 64 << 10;
/// What nobody has used for so long goes back to the browser.
const IDLE_MS: u32 = 1000;

/// The whole of a buffer's memory. Dropped, it is there for the next one.
#[derive(Debug)]
pub(super) struct Memory(pub(super) Uint8Array);

impl Drop for Memory {
    fn drop(&mut self) {
        // There is no spare memory any more where the worker ends.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().put(self.0.clone()));
    }
}

#[derive(Debug, Default)]
struct Spare {
    arrays: Vec<Uint8Array>,
    used: bool,
    timer: Option<Timeout>,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// An array of exactly this length, which may hold anything.
pub(super) fn take(len: usize) -> Option<Uint8Array> {
    SPARE.with_borrow_mut(|spare| {
        // The last one may still be in the processor's cache.
        let index = spare.arrays.iter().rposition(|array| array.length() as usize == len)?;
        spare.used = true;
        Some(spare.arrays.swap_remove(index))
    })
}

/// How much there is.
#[cfg(test)]
pub(super) fn bytes() -> usize {
    SPARE.with_borrow(Spare::bytes)
}

impl Spare {
    fn bytes(&self) -> usize {
        self.arrays.iter().map(|array| array.length() as usize).sum()
    }

    fn put(&mut self, array: Uint8Array) {
        let len = array.length() as usize;
        if len < LEAST_BYTES || self.bytes() + len > MOST_BYTES {
            return;
        }
        self.arrays.push(array);
        self.used = true;
        if self.timer.is_none() {
            self.watch();
        }
    }

    fn watch(&mut self) {
        self.used = false;
        self.timer = Some(Timeout::new(IDLE_MS, || SPARE.with_borrow_mut(Spare::look)));
    }

    fn look(&mut self) {
        if self.used {
            self.watch();
        } else {
            *self = Spare::default();
        }
    }
}
