//! Merging: neighbours become one, the best pair first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Marks the end of the list, and symbols that have gone into the one before them.
const NONE: u32 = u32::MAX;

/// A stretch of the word under way.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    /// Its token, or whatever the model tells stretches apart by.
    pub(super) id: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    before: u32,
    after: u32,
}

/// A pair that can merge, by what decides: the least rank, of equal ones the leftmost. The ends tell whether the two are
/// still what they were when it was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    rank: u32,
    left: u32,
    id: u32,
    middle: u32,
    end: u32,
}

/// One word after another, with the memory of the one before.
#[derive(Default)]
pub(super) struct Word {
    symbols: Vec<Symbol>,
    pairs: BinaryHeap<Reverse<Pair>>,
}

impl Word {
    pub(super) fn clear(&mut self) {
        self.symbols.clear();
    }

    /// Adds the stretch from the last one's end to `end`.
    pub(super) fn push(&mut self, id: u32, end: u32) {
        let at = self.symbols.len() as u32; // words have less than 2^32 bytes
        let start = self.symbols.last().map_or(0, |last| last.end);
        if let Some(last) = self.symbols.last_mut() {
            last.after = at;
        }
        self.symbols.push(Symbol { id, start, end, before: at.wrapping_sub(1), after: NONE });
    }

    /// Merges until no two neighbours can. `merged` gives the rank of two of them, and what they become. The work grows
    /// with the word's length times its logarithm.
    pub(super) fn merge(&mut self, merged: impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        self.pairs.clear();
        for left in 1..self.symbols.len() as u32 {
            self.look(left - 1, &merged);
        }
        while let Some(Reverse(pair)) = self.pairs.pop() {
            let left = self.symbols[pair.left as usize];
            let Some(&right) = self.symbols.get(left.after as usize) else { continue };
            // A stretch that has gone has no end.
            if left.end != pair.middle || right.end != pair.end {
                continue;
            }
            self.symbols[pair.left as usize] = Symbol { id: pair.id, end: right.end, after: right.after, ..left };
            self.symbols[left.after as usize].end = 0;
            if let Some(next) = self.symbols.get_mut(right.after as usize) {
                next.before = pair.left;
            }
            if left.before != NONE {
                self.look(left.before, &merged);
            }
            self.look(pair.left, &merged);
        }
    }

    /// Notes the pair that begins at `left`.
    fn look(&mut self, left: u32, merged: &impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        let first = &self.symbols[left as usize];
        let Some(second) = self.symbols.get(first.after as usize) else { return };
        if let Some((rank, id)) = merged(first, second) {
            self.pairs.push(Reverse(Pair { rank, left, id, middle: first.end, end: second.end }));
        }
    }

    /// The word's stretches in order.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        let mut next = self.symbols.first();
        std::iter::from_fn(move || {
            let this = next?;
            next = self.symbols.get(this.after as usize);
            Some(this)
        })
    }
}
