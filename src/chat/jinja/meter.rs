//! What a template may spend: bytes that live at one time, and work.
//!
//! Every string, list and dictionary holds a [`Charge`] for its bytes and gives it back when it goes. Nothing is
//! allocated before it has been charged for, so no program, whatever it does, holds more than the limit.

use std::cell::Cell;
use std::rc::Rc;

/// Why a template ends early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It refuses the messages: `raise_exception`, in its own words.
    Refused(String),
    /// It is wrong, or the messages are not what it expects. The line is that of the statement.
    Failed { line: Option<u32>, reason: String },
    /// It wants more memory than it may have.
    Memory { limit: usize },
    /// It works longer than it may.
    Work { limit: u64 },
}

impl Fault {
    /// With the line, if it has none yet.
    pub(super) fn at(mut self: Box<Self>, at: u32) -> Box<Self> {
        if let Fault::Failed { line: line @ None, .. } = &mut *self {
            *line = Some(at);
        }
        self
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Box<Fault>>;

/// A failure in those words.
pub(super) fn fault<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Box::new(Fault::Failed { line: None, reason: reason.into() }))
}

/// Appends where there is memory for it.
pub(super) fn append(to: &mut String, text: &str) -> Outcome {
    if to.try_reserve(text.len()).is_err() {
        return Err(Box::new(Fault::Memory { limit: to.len() }));
    }
    to.push_str(text);
    Ok(())
}

/// Bytes of text that count as one step.
const BYTES_A_STEP: usize = 16;

/// The account of one run.
#[derive(Debug)]
pub(crate) struct Meter {
    live: Cell<usize>,
    memory: usize,
    left: Cell<u64>,
    work: u64,
}

impl Meter {
    pub(crate) fn new(memory: usize, work: u64) -> Rc<Self> {
        Rc::new(Self { live: Cell::new(0), memory, left: Cell::new(work), work })
    }

    /// Counts steps.
    pub(super) fn work(&self, steps: usize) -> Outcome {
        match self.left.get().checked_sub(steps as u64) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Box::new(Fault::Work { limit: self.work }))
            }
        }
    }

    /// Counts the reading or writing of text.
    pub(super) fn text(&self, bytes: usize) -> Outcome {
        self.work(1 + bytes / BYTES_A_STEP)
    }

    fn add(&self, bytes: usize) -> Outcome {
        match self.live.get().checked_add(bytes).filter(|&live| live <= self.memory) {
            Some(live) => {
                self.live.set(live);
                Ok(())
            }
            None => self.no_memory(),
        }
    }

    pub(super) fn no_memory<T>(&self) -> Outcome<T> {
        Err(Box::new(Fault::Memory { limit: self.memory }))
    }
}

/// Bytes that somebody holds.
#[derive(Debug)]
pub(super) struct Charge {
    meter: Rc<Meter>,
    bytes: usize,
}

impl Charge {
    /// An allocation's own costs are part of the price.
    pub(super) fn new(meter: &Rc<Meter>, bytes: usize) -> Outcome<Self> {
        meter.add(bytes)?;
        Ok(Self { meter: Rc::clone(meter), bytes })
    }

    pub(super) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }

    pub(super) fn grow(&mut self, more: usize) -> Outcome {
        self.meter.add(more)?;
        self.bytes += more;
        Ok(())
    }

    fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.meter.live.set(self.meter.live.get() - less);
    }

    /// Makes room in a vector, which doubles, and charges for it.
    pub(super) fn reserve<T>(&mut self, v: &mut Vec<T>, more: usize) -> Outcome {
        let (len, capacity) = (v.len(), v.capacity());
        if more <= capacity - len {
            return Ok(());
        }
        let Some(needed) = len.checked_add(more) else { return self.meter.no_memory() };
        let wanted = needed.max(capacity.saturating_mul(2)).max(4);
        self.grow((wanted - capacity).saturating_mul(size_of::<T>()))?;
        v.try_reserve_exact(wanted - len).or_else(|_| self.meter.no_memory())
    }

    /// Gives back what a vector has and does not use.
    pub(super) fn fit<T>(&mut self, v: &mut Vec<T>) {
        let before = v.capacity();
        v.shrink_to_fit();
        self.shrink((before - v.capacity()) * size_of::<T>());
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
