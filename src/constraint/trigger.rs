//! A form that does not begin with the answer: after a thought, or where a text has come that calls of tools begin with.
//!
//! ```text
//! may think ──<think>──► thinking ──</think>──► waiting ──<tool_call>──► inside
//!     └──────────────────────────────────────────► │                        ▲
//!                  a form that needs no trigger    └────────────────────────┘
//! ```
//!
//! Up to there any token may come, but no end of the answer where the form needs no trigger. Of the token that brings the last of a trigger, what goes beyond it begins the form.

use super::{Constraint, Next};
use crate::model::Loaded;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// What a thought begins with.
pub(crate) const THINK: &str = "<think>";
/// What it ends with.
pub(crate) const THOUGHT: &str = "</think>";

/// What an answer opens with before its form begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The prompt ends inside of a thought.
    pub thinks: bool,
    /// The answer may begin with a thought.
    pub may_think: bool,
    /// The token that begins one, where there is one.
    pub think: Option<u32>,
    /// The form begins after this text, if it comes.
    pub trigger: Option<&'static str>,
    /// The trigger is the first thing that is said, or does not count.
    pub only_first: bool,
}

/// The bytes of tokens.
pub trait Spell: super::Portable {
    /// Of this one.
    fn spell(&self, id: u32) -> &[u8];
}

/// A model's tokens, some of whose control tokens are spelled out.
pub struct Spelled {
    /// The model.
    pub loaded: Arc<Loaded>,
    /// These control tokens count as their names.
    pub control: Vec<u32>,
}

impl Spell for Spelled {
    fn spell(&self, id: u32) -> &[u8] {
        self.loaded.tokenizer.bytes_with(id, self.control.contains(&id))
    }
}

/// A form that begins later.
pub struct Trigger<S> {
    form: Box<dyn Constraint>,
    spell: S,
    opening: Opening,
    state: State,
}

enum State {
    /// The first token begins a thought or the form.
    First,
    /// What has come so far may be the beginning of a thought.
    MayThink(Vec<u8>),
    Thinking(Finder),
    /// What has come so far may be the beginning of the trigger, which counts here alone.
    FirstWords(Vec<u8>),
    Waiting(Finder),
    Inside,
    /// There will be no form.
    Free,
}

impl Opening {
    /// Whether the form begins with the answer.
    pub fn is_none(&self) -> bool {
        !self.thinks && self.trigger.is_none() && !(self.may_think && self.think.is_some())
    }

    /// A form that begins after this opening.
    pub fn constrain(self, form: Box<dyn Constraint>, spell: impl Spell + 'static) -> Box<dyn Constraint> {
        if self.is_none() { form } else { Box::new(Trigger::new(self, form, spell)) }
    }

    /// What follows thoughts.
    fn then(&self) -> State {
        match self.trigger {
            None => State::Inside,
            Some(_) if self.only_first => State::FirstWords(Vec::new()),
            Some(trigger) => State::Waiting(Finder::new(trigger.as_bytes())),
        }
    }
}

impl<S: Spell> Trigger<S> {
    /// A form that begins after this opening.
    pub fn new(opening: Opening, form: Box<dyn Constraint>, spell: S) -> Self {
        let state = match opening {
            Opening { thinks: true, .. } => State::Thinking(Finder::new(THOUGHT.as_bytes())),
            Opening { may_think: true, trigger: Some(_), .. } => State::MayThink(Vec::new()),
            Opening { may_think: true, think: Some(_), .. } => State::First,
            _ => opening.then(),
        };
        Self { form, spell, opening, state }
    }

    /// What comes outside of the form. False if the form has to follow and can't go on so.
    fn read(&mut self, mut text: Vec<u8>) -> Result<bool> {
        // Each turn goes on to a later state, or ends.
        loop {
            match &mut self.state {
                State::First | State::Inside | State::Free => return Ok(true),
                State::MayThink(seen) => {
                    seen.extend_from_slice(&text);
                    text = match begun(seen, THINK.as_bytes()) {
                        Begun::Perhaps => return Ok(true),
                        Begun::Yes(rest) => {
                            let rest = rest.to_vec();
                            self.state = State::Thinking(Finder::new(THOUGHT.as_bytes()));
                            rest
                        }
                        Begun::No => {
                            let seen = std::mem::take(seen);
                            self.state = self.opening.then();
                            seen
                        }
                    };
                }
                State::Thinking(end) => {
                    let Some(rest) = end.find(&text) else { return Ok(true) };
                    // White space between a thought and what follows is part of neither.
                    text = rest.trim_ascii_start().to_vec();
                    self.state = self.opening.then();
                    if matches!(self.state, State::Inside) {
                        return self.form.begin(&text);
                    }
                }
                State::FirstWords(seen) => {
                    seen.extend_from_slice(&text);
                    let trigger = self.opening.trigger.unwrap_or_default();
                    self.state = match begun(seen, trigger.as_bytes()) {
                        Begun::Perhaps => return Ok(true),
                        Begun::Yes(rest) if self.form.begin(rest)? => State::Inside,
                        Begun::Yes(_) | Begun::No => State::Free,
                    };
                }
                State::Waiting(trigger) => {
                    let Some(rest) = trigger.find(&text) else { return Ok(true) };
                    // Where the form can't go on so, what came was text, and the next trigger is waited for.
                    if self.form.begin(&rest)? {
                        self.state = State::Inside;
                    }
                    text = rest;
                }
            }
        }
    }
}

impl<S: Spell> Constraint for Trigger<S> {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next> {
        for (at, &id) in taken.iter().enumerate() {
            match self.state {
                State::First if Some(id) == self.opening.think => {
                    self.state = State::Thinking(Finder::new(THOUGHT.as_bytes()));
                    continue;
                }
                State::First => self.state = State::Inside,
                _ => {}
            }
            if matches!(self.state, State::Inside) {
                return self.form.next(&taken[at..], allowed);
            }
            if !self.read(self.spell.spell(id).to_vec())? {
                let reason = "the token that ends a thought goes on as no answer begins".to_owned();
                return Err(Error::Constraint { reason });
            }
        }
        match self.state {
            State::Inside => self.form.next(&[], allowed),
            State::First => {
                let mut next = self.form.next(&[], allowed)?;
                if let Next::Certain(_) = next {
                    next = self.form.next(&[], allowed)?;
                }
                let think = self.opening.think.unwrap_or_default();
                if let (Next::Choice, Some(word)) = (&next, allowed.get_mut(think as usize / 32)) {
                    *word |= 1 << (think % 32);
                }
                Ok(next)
            }
            // A form that needs no trigger follows: without it the answer is not whole.
            State::Thinking(_) if self.opening.trigger.is_none() => Ok(Next::AnyButEnd),
            _ => Ok(Next::Any),
        }
    }

    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        if let State::First = self.state {
            self.state = State::Inside;
        }
        match self.state {
            State::Inside => self.form.begin(text),
            _ => self.read(text.to_vec()),
        }
    }

    fn compile_time(&self) -> Duration {
        self.form.compile_time()
    }
}

/// Whether a text begins with a word, white space aside.
enum Begun<'t> {
    Perhaps,
    No,
    Yes(&'t [u8]),
}

fn begun<'t>(text: &'t [u8], word: &[u8]) -> Begun<'t> {
    let text = text.trim_ascii_start();
    match text.strip_prefix(word) {
        Some(rest) => Begun::Yes(rest),
        None if word.starts_with(text) => Begun::Perhaps,
        None => Begun::No,
    }
}

/// Finds a word in a text that comes in pieces.
struct Finder {
    word: &'static [u8],
    /// The text's last bytes, fewer than the word has.
    tail: Vec<u8>,
}

impl Finder {
    fn new(word: &'static [u8]) -> Self {
        Self { word, tail: Vec::new() }
    }

    /// What comes after the word, if it ends with this text.
    fn find(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        self.tail.extend_from_slice(text);
        let found = self.tail.windows(self.word.len()).position(|window| window == self.word);
        match found {
            Some(at) => {
                let rest = self.tail.split_off(at + self.word.len());
                self.tail.clear();
                Some(rest)
            }
            None => {
                self.tail.drain(..self.tail.len().saturating_sub(self.word.len() - 1));
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
