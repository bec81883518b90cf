//! From how many tokens on tables are faster than dots: tried while prompts are read, so that it costs no time of its own.
//!
//! Both ways are timed on the model's own products, a few runs of each by turns, and the faster is kept for that many
//! tokens and more, until as many again fill another register. After a while both are tried again, each time a longer while:
//! a processor gets company, and an engine's compiler takes its time. What was learnt holds for the whole process. The
//! results do not depend on it.

use super::super::Compute;
use super::Shape;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use web_time::Instant;

/// Runs of each way, after a first one that warms.
const RUNS: u32 = 2;
/// Time of each way, in steps of the clock: a page's may be a millisecond or more.
const STEPS: u32 = 16;
/// Products after which both are tried again, the first time.
const SETTLED: u32 = 32;
/// And at most.
const SETTLED_AT_MOST: u32 = 4096;
/// Registers of tokens beyond which one more makes no difference.
const MANY: usize = 8;

/// Products that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) struct Key {
    backend: &'static str,
    threads: usize,
    /// Rows of all matrices together.
    rows: usize,
    cols: usize,
    /// Registers that the tokens fill.
    registers: usize,
}

/// What is known of them.
#[derive(Debug)]
struct Class {
    key: Key,
    /// Up to so many tokens dots are faster, and from so many on tables.
    dots: usize,
    tables: usize,
    /// Tokens on trial, and how the ways did: dots first.
    trial: usize,
    tallies: [Tally; 2],
    /// Products since the last trial, and until the next.
    settled: u32,
    until: u32,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    runs: u32,
    time: Duration,
}

impl Tally {
    fn is_enough(self, step: Duration) -> bool {
        self.runs > RUNS && self.time >= step * STEPS
    }

    fn mean(self) -> f64 {
        self.time.as_secs_f64() / f64::from(self.runs - 1)
    }
}

static LEARNT: Mutex<Vec<Class>> = Mutex::new(Vec::new());

fn learnt() -> MutexGuard<'static, Vec<Class>> {
    LEARNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A product under way whose time will be taken.
#[derive(Debug)]
pub(in crate::kernels) struct Trial {
    key: Key,
    tokens: usize,
    tables: bool,
    begun: Instant,
}

/// Whether to compute a product by tables, and the trial that it is a part of.
pub(in crate::kernels) fn choose(c: &Compute, tokens: usize, rows: usize, cols: usize) -> (bool, Option<Trial>) {
    let Shape { lanes, least, .. } = c.backend.table_shape();
    if tokens < least {
        return (false, None);
    }
    let registers = tokens.div_ceil(lanes).min(MANY);
    let key = Key { backend: c.backend.name(), threads: c.pool.active(), rows, cols, registers };
    let mut learnt = learnt();
    let class = match learnt.iter().position(|class| class.key == key) {
        Some(i) => &mut learnt[i],
        None => {
            learnt.push(Class::new(key));
            learnt.last_mut().expect("the one that was added")
        }
    };
    match class.choose(tokens) {
        (tables, false) => (tables, None),
        (tables, true) => (tables, Some(Trial { key, tokens, tables, begun: Instant::now() })),
    }
}

impl Trial {
    /// The product is computed.
    pub(in crate::kernels) fn end(&self) {
        let (elapsed, step) = (self.begun.elapsed(), clock_step());
        if let Some(class) = learnt().iter_mut().find(|class| class.key == self.key) {
            class.record(self.tokens, self.tables, elapsed, step);
        }
    }
}

impl Class {
    fn new(key: Key) -> Self {
        Class { key, dots: 0, tables: usize::MAX, trial: 0, tallies: [Tally::default(); 2], settled: 0, until: SETTLED }
    }

    /// Whether by tables, and whether that is a trial.
    fn choose(&mut self, tokens: usize) -> (bool, bool) {
        if tokens >= self.tables || tokens <= self.dots {
            self.settled += 1;
            if self.settled <= self.until {
                return (tokens >= self.tables, false);
            }
            (self.dots, self.tables, self.settled) = (0, usize::MAX, 0);
            self.until = (2 * self.until).min(SETTLED_AT_MOST);
        }
        if self.trial != tokens {
            (self.trial, self.tallies) = (tokens, [Tally::default(); 2]);
        }
        let [dots, tables] = self.tallies;
        (tables.runs <= dots.runs, true)
    }

    fn record(&mut self, tokens: usize, tables: bool, elapsed: Duration, step: Duration) {
        if self.trial != tokens {
            return;
        }
        let tally = &mut self.tallies[usize::from(tables)];
        if tally.runs > 0 {
            tally.time += elapsed;
        }
        tally.runs += 1;
        let [dots, tables] = self.tallies;
        if dots.is_enough(step) && tables.is_enough(step) {
            if tables.mean() <= dots.mean() {
                self.tables = tokens;
            } else {
                self.dots = tokens;
            }
            (self.trial, self.tallies) = (0, [Tally::default(); 2]);
        }
    }
}

/// What the clock can tell apart: nanoseconds natively, a millisecond or more in some pages.
pub(in crate::kernels) fn clock_step() -> Duration {
    static STEP: OnceLock<Duration> = OnceLock::new();
    *STEP.get_or_init(|| {
        let next = |from: Instant| {
            loop {
                let now = Instant::now();
                if now > from {
                    return now;
                }
            }
        };
        let mut edge = next(Instant::now());
        let mut step = Duration::MAX;
        for _ in 0..3 {
            let after = next(edge);
            step = step.min(after - std::mem::replace(&mut edge, after));
        }
        step
    })
}

/// What was found in this process: a line for each kind of product.
pub fn turns() -> Vec<String> {
    let learnt = learnt();
    let decided = learnt.iter().filter(|class| class.dots > 0 || class.tables < usize::MAX);
    decided
        .map(|class| {
            let Key { backend, threads, rows, cols, registers } = class.key;
            let many = if registers == MANY { " and more" } else { "" };
            let dots = if class.dots > 0 { format!(" dots up to {} tokens", class.dots) } else { String::new() };
            let tables =
                if class.tables < usize::MAX { format!(" tables from {} on", class.tables) } else { String::new() };
            format!("{backend}, {threads} threads, {rows} × {cols}, {registers}{many} registers:{dots}{tables}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of `tokens` tokens until the class has decided, where dots take `dots` and tables `tables`; how many.
    fn decide(class: &mut Class, tokens: usize, dots: Duration, tables: Duration, step: Duration) -> usize {
        let mut at = Duration::ZERO;
        for n in 0..1000 {
            let (by_tables, trial) = class.choose(tokens);
            if !trial {
                return n;
            }
            // The clock shows whole steps.
            let shown = |at: Duration| step * (at.as_nanos() / step.as_nanos()) as u32;
            let begun = shown(at);
            at += if by_tables { tables } else { dots };
            class.record(tokens, by_tables, shown(at) - begun, step);
        }
        panic!("no decision");
    }

    fn class() -> Class {
        Class::new(Key { backend: "scalar", threads: 1, rows: 8, cols: 128, registers: 2 })
    }

    const NANOSECOND: Duration = Duration::from_nanos(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_faster_way_is_kept_and_tried_again_later() {
        let mut class = class();
        let (long, short) = (Duration::from_micros(30), Duration::from_micros(20));
        assert_eq!(decide(&mut class, 16, long, short, NANOSECOND), 2 * (RUNS as usize + 1));
        assert_eq!(class.choose(20), (true, false));
        decide(&mut class, 12, short, long, NANOSECOND);
        assert_eq!(class.choose(10), (false, false));
        while !class.choose(16).1 {}
        decide(&mut class, 16, short, long, NANOSECOND);
        assert_eq!((class.choose(16), class.until), ((false, false), 2 * SETTLED));
    }

    #[test]
    fn a_coarse_clock_takes_more_runs() {
        let (long, short) = (Duration::from_micros(1300), Duration::from_micros(900));
        for (dots, tables) in [(long, short), (short, long)] {
            let mut class = class();
            assert!(decide(&mut class, 16, dots, tables, MILLISECOND) > 20);
            assert_eq!(class.choose(16).0, tables < dots);
        }
    }

    #[test]
    fn the_clock_has_a_step() {
        assert!(clock_step() > Duration::ZERO);
    }
}
