//! An answer as it streams, read into what was said, what was thought, and which tools were called.
//!
//! The text comes in pieces of any cut: what may be the beginning of a mark (`<think>`, `<tool_call>`) is held until more has come.
//! Whatever the cut, the pieces put together are the same. White space is ASCII's, as it is where forms begin
//! ([`Trigger`](crate::constraint::Trigger)).

use super::tools::CallFormat;
use crate::constraint::{THINK, THOUGHT};
use crate::session::FinishReason;
use serde::Serialize;
use std::collections::VecDeque;
use std::ops::Range;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Piece {
    /// What is said.
    Content(String),
    /// What is thought before it.
    Reasoning(String),
    /// A tool is called; its arguments follow.
    Call {
        /// Of the answer's calls, from 0.
        index: usize,
        /// What ties the tool's message to the call.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A part of the JSON text of its arguments.
    Arguments {
        /// Of the call.
        index: usize,
        /// The next part.
        text: String,
    },
}

/// What an answer may hold beside text.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    /// The prompt ends inside of a thought.
    pub(super) thinks: bool,
    /// It may begin with a thought.
    pub(super) may_think: bool,
    /// The form of calls, and the names of the tools.
    pub(super) calls: Option<(&'static CallFormat, Vec<String>)>,
}

/// Where an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but white space has come.
    Start,
    Thought,
    Content,
    /// The beginning of a call up to its arguments.
    Head,
    Arguments,
    /// After them, to the end of the call.
    Tail,
}

/// Reads one answer.
#[derive(Clone, Debug)]
pub struct Reader {
    calls: Option<Calls>,
    may_think: bool,
    state: State,
    /// What has come and is not told yet.
    held: String,
    /// A thought or a call has ended or begun: white space here is part of nothing.
    between: bool,
    /// Something has been said.
    said: bool,
    json: JsonEnd,
    /// What ids are made from.
    seed: u64,
    begun: usize,
    whole: usize,
    /// There is a call that is not whole, and will not be.
    broken: bool,
    /// Bytes that have come.
    taken: usize,
    /// The texts of which it is not told yet whether they are said.
    tokens: VecDeque<Waiting>,
}

/// A token's text.
#[derive(Clone, Debug)]
struct Waiting {
    /// Of all that has come.
    bytes: Range<usize>,
    /// Some of it is content.
    said: bool,
}

#[derive(Clone, Debug)]
struct Calls {
    form: &'static CallFormat,
    /// All before the arguments, from the beginning of the object on, and the tool's name.
    heads: Vec<(String, String)>,
}

impl Reader {
    pub(super) fn new(expected: Expected, seed: u64) -> Self {
        let Expected { thinks, may_think, calls } = expected;
        let calls = calls.map(|(form, names)| {
            let heads = names.into_iter().map(|name| (form.head(&name), name)).collect();
            Calls { form, heads }
        });
        Self {
            calls,
            may_think,
            state: if thinks { State::Thought } else { State::Start },
            held: String::new(),
            between: thinks,
            said: false,
            json: JsonEnd::default(),
            seed,
            begun: 0,
            whole: 0,
            broken: false,
            taken: 0,
            tokens: VecDeque::new(),
        }
    }

    /// Takes the next text. What is certain of it goes to `pieces`.
    pub fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held += text;
        self.taken += text.len();
        while self.advance(pieces) {}
    }

    /// As [`Self::push`], with a token's text. Of the tokens that came so and are not told of yet, the first ones, in order: whether some
    /// of each is content. It is certain at once, or where what it may be a mark's beginning of has come.
    pub fn push_token(&mut self, text: &str, pieces: &mut Vec<Piece>) -> Vec<bool> {
        let bytes = self.taken..self.taken + text.len();
        // A half of a character brings no text.
        let said = text.is_empty() && self.state != State::Head && self.may_be_said();
        self.tokens.push_back(Waiting { bytes, said });
        self.push(text, pieces);
        let certain = if self.may_be_said() { self.taken - self.held.len() } else { self.taken };
        let count = self.tokens.iter().take_while(|token| token.said || token.bytes.end <= certain).count();
        self.tokens.drain(..count).map(|token| token.said).collect()
    }

    /// The same of those that are left at the end.
    pub fn rest_of_tokens(&mut self) -> Vec<bool> {
        self.tokens.drain(..).map(|token| token.said).collect()
    }

    /// Takes the end. True if tools were called and every call is whole: what OpenAI's API tells as `tool_calls`.
    pub fn finish(&mut self, reason: FinishReason, pieces: &mut Vec<Piece>) -> bool {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Thought => say(pieces, held.trim_ascii_end(), Piece::Reasoning),
            // A call that is cut, by the limit, a stop string or the caller, before there is anything to tell of it. Where no mark
            // begins one, it may as well be text.
            State::Head if self.calls.as_ref().is_some_and(|calls| !calls.form.begin.is_empty()) => self.broken = true,
            State::Start | State::Content | State::Head => {
                let begin = if self.between { held.len() - held.trim_ascii_start().len() } else { 0 };
                let said = if self.between { held.trim_ascii() } else { &held };
                let from = self.taken - held.len() + begin;
                self.tell(from..from + said.len());
                say(pieces, said, Piece::Content);
            }
            State::Arguments | State::Tail => self.broken = true,
        }
        reason == FinishReason::Stop && self.whole > 0 && !self.broken
    }

    /// Whether what is held may be content.
    fn may_be_said(&self) -> bool {
        matches!(self.state, State::Start | State::Content | State::Head)
    }

    /// These bytes are content.
    fn tell(&mut self, bytes: Range<usize>) {
        for token in &mut self.tokens {
            token.said |= token.bytes.start < bytes.end && bytes.start < token.bytes.end;
        }
    }

    /// Does one thing with what is held; true if there may be more to do.
    fn advance(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.between {
            let space = self.held.len() - self.held.trim_ascii_start().len();
            self.held.drain(..space);
        }
        match self.state {
            State::Start => self.start(),
            State::Thought => self.thought(pieces),
            State::Content => self.content(pieces),
            State::Head => self.head(pieces),
            State::Arguments => self.arguments(pieces),
            State::Tail => self.tail(),
        }
    }

    fn start(&mut self) -> bool {
        let text = self.held.trim_ascii_start();
        if self.may_think && text.len() < THINK.len() && THINK.starts_with(text) {
            return false;
        }
        match text.strip_prefix(THINK).filter(|_| self.may_think) {
            Some(rest) => (self.held, self.state, self.between) = (rest.to_owned(), State::Thought, true),
            None => self.state = State::Content,
        }
        true
    }

    fn thought(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(at) = self.held.find(THOUGHT) else {
            self.emit(certain(&self.held, THOUGHT), pieces, Piece::Reasoning);
            return false;
        };
        say(pieces, self.held[..at].trim_ascii_end(), Piece::Reasoning);
        self.held.drain(..at + THOUGHT.len());
        (self.state, self.between) = (State::Content, true);
        true
    }

    fn content(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(Calls { form, .. }) = &self.calls else {
            self.say_all(pieces);
            return false;
        };
        if form.begin.is_empty() {
            // Such a call is the first thing that is said.
            let first = self.held.trim_ascii_start().chars().next();
            match first.filter(|_| !self.said && self.begun == 0) {
                Some('{') => self.state = State::Head,
                None if !self.said && self.begun == 0 => return false,
                _ => self.say_all(pieces),
            }
            return self.state == State::Head;
        }
        let Some(at) = self.held.find(form.begin) else {
            let certain = certain(&self.held, form.begin);
            self.said |= certain > 0;
            self.emit(certain, pieces, Piece::Content);
            return false;
        };
        // White space before a call is part of nothing, if it is one.
        let said = self.held[..at].trim_ascii_end().len();
        self.said |= said > 0;
        self.emit(said, pieces, Piece::Content);
        self.state = State::Head;
        true
    }

    fn head(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(Calls { form, heads }) = &self.calls else { return false };
        let space = self.held.len() - self.held.trim_ascii_start().len();
        let beginning = space + form.begin.len();
        let object = self.held.get(beginning..).unwrap_or_default();
        let object = object.strip_prefix(form.space).unwrap_or(object);
        if let Some((head, name)) = heads.iter().find(|(head, _)| object.starts_with(head.as_str())) {
            let index = self.begun;
            pieces.push(Piece::Call { index, id: id(self.seed, index), name: name.clone() });
            self.held = object[head.len()..].to_owned();
            (self.state, self.between, self.json) = (State::Arguments, false, JsonEnd::default());
            self.begun += 1;
            return true;
        }
        if form.space.starts_with(object) || heads.iter().any(|(head, _)| head.starts_with(object)) {
            return false;
        }
        // It is no call: what looked like the beginning of one is text.
        self.said = true;
        self.emit(beginning.max(space + 1), pieces, Piece::Content);
        self.state = State::Content;
        true
    }

    fn arguments(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let (length, ended) = self.json.scan(&self.held);
        let index = self.begun.saturating_sub(1);
        self.emit(length, pieces, |text| Piece::Arguments { index, text });
        if ended {
            self.state = State::Tail;
        }
        ended
    }

    fn tail(&mut self) -> bool {
        let Some(Calls { form, .. }) = &self.calls else { return false };
        match self.held.strip_prefix('}').map(str::trim_ascii_start) {
            None if self.held.is_empty() => return false,
            Some(rest) if rest.len() < form.end.len() && form.end.starts_with(rest) => return false,
            Some(rest) if rest.starts_with(form.end) => {
                self.held = rest[form.end.len()..].to_owned();
                self.whole += 1;
            }
            _ => self.broken = true,
        }
        (self.state, self.between) = (State::Content, true);
        true
    }

    fn say_all(&mut self, pieces: &mut Vec<Piece>) {
        self.said |= !self.held.is_empty();
        self.emit(self.held.len(), pieces, Piece::Content);
    }

    /// So many bytes of what is held become a piece.
    fn emit(&mut self, length: usize, pieces: &mut Vec<Piece>, piece: impl FnOnce(String) -> Piece) {
        if length > 0 {
            if self.may_be_said() {
                let from = self.taken - self.held.len();
                self.tell(from..from + length);
            }
            say(pieces, &self.held[..length], piece);
            self.held.drain(..length);
            self.between = false;
        }
    }
}

fn say(pieces: &mut Vec<Piece>, text: &str, piece: impl FnOnce(String) -> Piece) {
    if !text.is_empty() {
        pieces.push(piece(text.to_owned()));
    }
}

/// Bytes of a text that belong neither to a mark that may have begun, nor to the white space before one.
fn certain(text: &str, mark: &str) -> usize {
    let begun = (1..mark.len()).rev().find(|&length| text.ends_with(&mark[..length])).unwrap_or(0);
    text[..text.len() - begun].trim_ascii_end().len()
}

/// `call_` and 24 letters and digits.
fn id(seed: u64, index: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = seed.wrapping_add((index as u64).wrapping_mul(0x5851_F42D_4C95_7F2D));
    let letters = (0..24).map(|_| {
        // SplitMix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        char::from(DIGITS[((mixed ^ (mixed >> 31)) % 62) as usize])
    });
    "call_".chars().chain(letters).collect()
}

/// Finds where a JSON value ends, piece by piece.
#[derive(Clone, Copy, Debug, Default)]
struct JsonEnd {
    depth: usize,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl JsonEnd {
    /// Bytes of the text that belong to the value, and whether it ends with them.
    fn scan(&mut self, text: &str) -> (usize, bool) {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                // Of what the value stands in.
                b'}' | b']' | b',' if self.depth == 0 => return (at, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                b' ' | b'\n' | b'\r' | b'\t' => {
                    if self.depth == 0 && self.begun {
                        return (at, true);
                    }
                    continue;
                }
                _ => {}
            }
            self.begun = true;
        }
        (text.len(), false)
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
