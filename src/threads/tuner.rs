//! How many threads a token should have: tried while tokens are made, so that it costs no time of its own.
//!
//! Generation waits for memory, which a few threads use up, and whoever shares the machine (a page that paints, another
//! program) may need a processor. So counts are tried from the most downwards, by halves, and the fastest is kept; when
//! tokens become slow, and after a while in any case, all are tried again. The results do not depend on the count.

use std::time::Duration;

/// Tokens and time that a count is tried for at least, after a first token that wakes or warms. Painting takes a processor
/// sixty times a second: a trial should see some of that.
const TRIAL_TOKENS: u32 = 3;
const TRIAL_TIME: Duration = Duration::from_millis(30);
/// Tokens after which the counts are tried again.
const SETTLED_TOKENS: u32 = 512;
/// Tokens and time after which their mean tells whether they have become slow, and what slow is: so many times as long
/// as in the trial. What a text gains in length makes no such difference in that time.
const LOOK_TOKENS: u32 = 8;
const LOOK_TIME: Duration = Duration::from_millis(120);
const SLOW: f64 = 1.3;
/// Fewer threads win where they are no slower than this.
const AS_GOOD: f64 = 1.03;
/// Where half of the threads are so much slower, a quarter is not tried.
const HOPELESS: f64 = 1.25;

/// Chooses the number of threads for each token from the times of those before.
#[derive(Debug)]
pub struct Tuner {
    /// The most, half of them, and so on to 1.
    counts: Vec<usize>,
    /// The count on trial or settled on.
    current: usize,
    /// The best trial of this round: its count and seconds a token.
    best: Option<(usize, f64)>,
    /// Tokens since the trial began, the first not counted, or since the last look.
    tokens: Option<u32>,
    time: Duration,
    /// Tokens until the next round.
    settled: u32,
}

impl Tuner {
    /// For a pool of so many threads.
    pub fn new(threads: usize) -> Self {
        let counts = std::iter::successors(Some(threads.max(1)), |n| (*n > 1).then_some(n / 2)).collect();
        Tuner { counts, current: 0, best: None, tokens: None, time: Duration::ZERO, settled: 0 }
    }

    /// What the next token should have.
    pub fn threads(&self) -> usize {
        self.counts[self.current]
    }

    /// Says how long a token took with [`threads`](Self::threads).
    pub fn record(&mut self, time: Duration) {
        if self.counts.len() < 2 {
            return;
        }
        if self.settled > 0 {
            self.settled -= 1;
            if self.settled == 0 || self.slow(time) {
                self.begin(0);
                self.best = None;
                self.settled = 0;
            }
            return;
        }
        let Some(tokens) = &mut self.tokens else {
            self.tokens = Some(0);
            return;
        };
        *tokens += 1;
        self.time += time;
        if *tokens < TRIAL_TOKENS || self.time < TRIAL_TIME {
            return;
        }
        let mean = self.time.as_secs_f64() / f64::from(*tokens);
        let (best, least) = self.best.unwrap_or((self.current, f64::INFINITY));
        self.best = Some(if mean <= least * AS_GOOD { (self.current, mean.min(least)) } else { (best, least) });
        if mean > least * HOPELESS || self.current + 1 == self.counts.len() {
            self.begin(self.best.map_or(0, |(best, _)| best));
            self.settled = SETTLED_TOKENS;
        } else {
            self.begin(self.current + 1);
        }
    }

    /// Takes in the time of a token with the count that is kept. True: the last ones were slow.
    fn slow(&mut self, time: Duration) -> bool {
        let tokens = self.tokens.map_or(1, |tokens| tokens + 1);
        self.tokens = Some(tokens);
        self.time += time;
        if tokens < LOOK_TOKENS || self.time < LOOK_TIME {
            return false;
        }
        let mean = self.time.as_secs_f64() / f64::from(tokens);
        self.begin(self.current);
        self.best.is_some_and(|(_, best)| mean > best * SLOW)
    }

    fn begin(&mut self, trial: usize) {
        self.current = trial;
        self.tokens = None;
        self.time = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a tuner ends after `tokens` whose times depend on the number of threads, and how many tokens had another.
    fn settle(tuner: &mut Tuner, tokens: usize, ms: impl Fn(usize) -> f64) -> (usize, usize) {
        let mut used = Vec::new();
        for _ in 0..tokens {
            used.push(tuner.threads());
            tuner.record(Duration::from_secs_f64(ms(tuner.threads()) / 1e3));
        }
        let last = tuner.threads();
        (last, used.iter().filter(|n| **n != last).count())
    }

    #[test]
    fn more_threads_are_kept_where_they_help() {
        assert_eq!(settle(&mut Tuner::new(8), 100, |n| 80.0 / n as f64), (8, 4));
        assert_eq!(settle(&mut Tuner::new(2), 100, |n| 80.0 / n as f64), (2, 4));
        assert_eq!(settle(&mut Tuner::new(1), 100, |_| 80.0), (1, 0));
    }

    #[test]
    fn fewer_threads_win_where_more_do_not_help() {
        // Two threads use the memory up.
        assert_eq!(settle(&mut Tuner::new(8), 100, |n| 80.0 / n.min(2) as f64).0, 2);
        // The others stand in the way.
        assert_eq!(settle(&mut Tuner::new(4), 100, |n| 10.0 * n as f64).0, 1);
        assert_eq!(settle(&mut Tuner::new(6), 100, |n| if n == 3 { 10.0 } else { 11.0 }).0, 3);
    }

    #[test]
    fn what_changes_is_found_out() {
        let mut tuner = Tuner::new(2);
        assert_eq!(settle(&mut tuner, 100, |n| 60.0 / n as f64).0, 2);
        // Somebody else now wants the second processor: two threads take twice as long as they did, which is seen soon.
        assert_eq!(settle(&mut tuner, 30, |n| 30.0 + 15.0 * n as f64).0, 1);
        assert_eq!(settle(&mut tuner, 600, |n| 60.0 / n as f64).0, 2);
    }

    #[test]
    fn what_becomes_slow_with_any_number_is_not_tried_for_ever() {
        let mut tuner = Tuner::new(2);
        assert_eq!(settle(&mut tuner, 100, |n| 60.0 / n as f64).0, 2);
        // A longer text, say: once more both counts, and then no more.
        let (last, others) = settle(&mut tuner, 400, |n| 120.0 / n as f64);
        assert_eq!((last, others), (2, 4));
    }

    #[test]
    fn short_tokens_are_tried_for_longer() {
        // Every sixth token is slow with two threads: three alone would not tell.
        let mut tuner = Tuner::new(2);
        for i in 0..400 {
            let ms = if tuner.threads() == 1 {
                1.0
            } else if i % 6 == 5 {
                4.0
            } else {
                0.7
            };
            tuner.record(Duration::from_secs_f64(ms / 1e3));
        }
        assert_eq!(tuner.threads(), 1);
    }
}
