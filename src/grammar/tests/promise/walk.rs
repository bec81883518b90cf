//! Answers as a model might give them: tokens drawn among those that the masks allow.

use crate::words::{WORDS, Words};
use b158_grammar::{Answer, Next};
use std::fmt;

/// Seeded numbers: SplitMix64.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What a model likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Every token alike.
    Wild,
    /// What ends: ends, closing brackets and quotes.
    Closing,
    /// What opens and goes on: brackets, commas, letters; an end only where nothing else is left.
    Endless,
    White,
    Digits,
    Longest,
    /// Escapes, halves of characters, what is not ASCII.
    Odd,
    /// Letters and quotes: short words, few brackets.
    Words,
    /// Single characters of ASCII.
    Bytes,
    /// Letters and numbers of ASCII.
    Letters,
}

pub(crate) const TEMPERS: [Temper; 8] = [
    Temper::Wild,
    Temper::Closing,
    Temper::Endless,
    Temper::White,
    Temper::Digits,
    Temper::Longest,
    Temper::Odd,
    Temper::Words,
];

impl Temper {
    fn weight(self, token: &[u8], end: bool, in_string: bool) -> u64 {
        let all = |test: fn(&u8) -> bool| !token.is_empty() && token.iter().all(test);
        let any = |test: fn(&u8) -> bool| token.iter().any(test);
        match self {
            Temper::Wild => 4,
            Temper::Letters if end || all(u8::is_ascii_alphanumeric) => 1000,
            Temper::Bytes if end || token.len() == 1 && (b' '..=b'~').contains(&token[0]) => 1000,
            Temper::Endless if end => 0,
            Temper::Endless if all(|b| b"{[,:\"".contains(b)) => 40,
            Temper::White if all(u8::is_ascii_whitespace) => 400,
            Temper::Digits if all(|b| b"0123456789.eE+-".contains(b)) => 100,
            Temper::Longest => (token.len() as u64).pow(4),
            Temper::Odd if any(|b| !b.is_ascii() || *b == b'\\' || *b < b' ') => 60,
            Temper::Words if all(u8::is_ascii_lowercase) => 8,
            Temper::Words if end => 200,
            Temper::Words if all(|b| b"\"}],".contains(b)) => 150,
            Temper::Words if any(|b| b"[{".contains(b)) => 1,
            // A quote closes a string, and opens a key.
            Temper::Closing if token == b"\"" && !in_string => 1 << 10,
            Temper::Closing => 1 << (2 * (12 - rank(token, end).min(12))),
            _ => 4,
        }
    }
}

/// How far a token is from an end; what leads away from it comes last.
fn rank(token: &[u8], end: bool) -> u32 {
    if end {
        return 0;
    }
    match token {
        [b'"'] => 1,
        [b'}' | b']' | b')' | b'/'] => 2,
        [b',' | b':'] => 3,
        [b'n' | b't' | b'u' | b'l' | b'r' | b'e' | b'f' | b'a' | b's'] => 5,
        [b'0'..=b'9'] => 6,
        [byte] if byte.is_ascii_alphanumeric() => 6,
        [b'{' | b'[' | b'(' | b'\\' | b'.' | b'-'] => 9,
        [byte] if byte.is_ascii_graphic() => 8,
        [_] => 10,
        _ if token.iter().all(|b| b"\"}]".contains(b)) && !token.is_empty() => 2,
        _ => 11,
    }
}

/// What a walk has met.
pub(crate) struct Walked {
    pub(crate) text: Vec<u8>,
    /// Calls of `next`.
    pub(crate) steps: usize,
    /// Wrong tokens that were offered, and refused.
    pub(crate) refused: usize,
    /// Whether the answer ended by itself, before the limit; after it, what ends is preferred.
    pub(crate) early: bool,
}

/// A promise that was broken, and the text up to there.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) what: String,
    pub(crate) after: Vec<u8>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = self.after.len().saturating_sub(200);
        write!(f, "{} after {} bytes …{:?}", self.what, self.after.len(), String::from_utf8_lossy(&self.after[tail..]))
    }
}

pub(crate) struct Walker<'w> {
    words: &'w Words,
    answer: Answer,
    dice: Dice,
    mask: Vec<u32>,
    text: Vec<u8>,
    /// Tokens that `next` is still to be told.
    taken: Vec<u32>,
    steps: usize,
    refused: usize,
    /// Steps beyond the limit until an end has to be in sight.
    patience: usize,
}

impl Walker<'_> {
    pub(crate) fn new(answer: Answer, seed: u64) -> Self {
        let words = &*WORDS;
        Walker {
            words,
            answer,
            dice: Dice(seed),
            mask: words.mask(),
            text: Vec::new(),
            taken: Vec::new(),
            steps: 0,
            refused: 0,
            patience: 6000,
        }
    }

    /// With other patience than 6,000 steps.
    pub(crate) fn patient(self, patience: usize) -> Self {
        Walker { patience, ..self }
    }

    fn broken<T>(&self, what: impl fmt::Display) -> Result<T, Broken> {
        Err(Broken { what: what.to_string(), after: self.text.clone() })
    }

    fn take(&mut self, token: u32) {
        self.text.extend(&self.words.bytes[token as usize]);
        self.taken.push(token);
    }

    fn next(&mut self) -> Result<Next, Broken> {
        self.steps += 1;
        let taken = std::mem::take(&mut self.taken);
        self.mask.fill(0);
        match self.answer.next(&taken, &mut self.mask) {
            Ok(next) => Ok(next),
            Err(why) => self.broken(format!("an error in the middle: {why}")),
        }
    }

    fn has(&self, token: u32) -> bool {
        self.mask[token as usize / 32] >> (token % 32) & 1 == 1
    }

    /// The tokens of the mask, which are words of the vocabulary or ends.
    fn allowed(&mut self) -> Result<Vec<u32>, Broken> {
        let all = self.words.bytes.len();
        if (all..self.mask.len() * 32).any(|id| self.has(id as u32)) {
            return self.broken("the mask allows a token beyond the vocabulary");
        }
        let allowed: Vec<u32> = (0..all as u32).filter(|&id| self.has(id)).collect();
        if allowed.is_empty() {
            return self.broken("nothing is allowed, and the answer is not whole");
        }
        let may_end = self.answer.may_end();
        for &end in &self.words.ends {
            if self.has(end) != may_end {
                return self.broken(format!("may_end is {may_end}, the bit of the end {end} is not"));
            }
        }
        for &id in &allowed {
            if self.words.bytes[id as usize].is_empty() && !self.words.ends.contains(&id) {
                return self.broken(format!("token {id}, which text never shows, is allowed"));
            }
        }
        Ok(allowed)
    }

    /// A token whose bit is not set is refused.
    fn offer_a_wrong_token(&mut self) -> Result<(), Broken> {
        let token = self.dice.below(self.words.bytes.len()) as u32;
        if !self.has(token) {
            let mut other = self.answer.clone();
            if other.next(&[token], &mut self.words.mask()).is_ok() {
                return self.broken(format!(
                    "token {token} {:?}, whose bit is not set, was taken",
                    self.words.bytes[token as usize]
                ));
            }
            self.refused += 1;
        }
        Ok(())
    }

    /// Some way to cut `bytes` into tokens, of which the last may be left off.
    fn cut(&mut self, bytes: &[u8]) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let fitting: Vec<u32> = (0..self.words.bytes.len() as u32)
                .filter(|&id| {
                    !self.words.bytes[id as usize].is_empty() && rest.starts_with(&self.words.bytes[id as usize])
                })
                .collect();
            let token = *self.dice.pick(&fitting);
            rest = &rest[self.words.bytes[token as usize].len()..];
            tokens.push(token);
        }
        tokens
    }

    /// Takes certain bytes as a session does: in one pass, without the last token; then asks for the mask.
    fn certain(&mut self, bytes: &[u8]) -> Result<Next, Broken> {
        if bytes.is_empty() {
            return self.broken("certain of no bytes");
        }
        let mut tokens = self.cut(bytes);
        if self.dice.below(4) > 0 {
            tokens.pop();
        }
        for token in tokens {
            self.take(token);
        }
        self.next()
    }

    /// One way through the answer: `limit` steps as `temper` likes, then to an end.
    pub(crate) fn walk(mut self, temper: Temper, limit: usize) -> Result<Walked, Broken> {
        loop {
            if self.steps > limit + self.patience {
                return self.broken("no end in sight");
            }
            let mut next = self.next()?;
            let mut asked = 0;
            while let Next::Certain(bytes) = &next {
                // Right after certain bytes of which nothing was taken, the mask is due.
                let before = self.text.len();
                asked += 1;
                if asked > 10_000 {
                    return self.broken("certain bytes again and again, and no choice");
                }
                next = self.certain(&bytes.clone())?;
                if self.text.len() == before && matches!(next, Next::Certain(_)) {
                    return self.broken("certain bytes twice");
                }
            }
            if next == Next::Whole {
                return Ok(Walked {
                    text: self.text,
                    steps: self.steps,
                    refused: self.refused,
                    early: self.steps < limit,
                });
            }
            let allowed = self.allowed()?;
            if self.dice.below(8) == 0 {
                self.offer_a_wrong_token()?;
            }
            let likes = if self.steps < limit { temper } else { self.towards_an_end(limit) };
            let token = self.draw(likes, &allowed);
            self.take(token);
            if self.words.ends.contains(&token) {
                return match self.next()? {
                    Next::Whole => Ok(Walked {
                        text: self.text,
                        steps: self.steps,
                        refused: self.refused,
                        early: self.steps < limit,
                    }),
                    next => self.broken(format!("after an end comes {next:?}")),
                };
            }
        }
    }

    /// What leads to the end of a string may be a letter or a word, not what closes: after a while these are tried as well.
    fn towards_an_end(&self, limit: usize) -> Temper {
        let quote = self.has(u32::from(b'"'));
        match self.steps.saturating_sub(limit + 200) / 64 % 6 {
            1 if self.in_string() && !quote => Temper::Bytes,
            3 if self.in_string() && !quote => Temper::Letters,
            5 if self.in_string() && !quote => Temper::Odd,
            _ => Temper::Closing,
        }
    }

    /// Whether the text stops within a string of JSON, or is none.
    fn in_string(&self) -> bool {
        let (mut inside, mut escaped, mut json) = (false, false, self.text.is_empty());
        for &byte in &self.text {
            json |= byte == b'"';
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = inside,
                b'"' => inside = !inside,
                _ => {}
            }
        }
        inside || !json
    }

    fn draw(&mut self, temper: Temper, allowed: &[u32]) -> u32 {
        let in_string = self.in_string();
        let weights: Vec<u64> = allowed
            .iter()
            .map(|&id| temper.weight(&self.words.bytes[id as usize], self.words.ends.contains(&id), in_string))
            .collect();
        let sum: u64 = weights.iter().sum();
        if sum == 0 {
            return allowed[0];
        }
        let mut at = self.dice.roll() % sum;
        for (&id, weight) in allowed.iter().zip(weights) {
            if at < weight {
                return id;
            }
            at -= weight;
        }
        unreachable!("the weights sum up")
    }

    /// Whether the answer can be `text`, cut into tokens in some way: up to where it can.
    pub(crate) fn follow(mut self, text: &[u8]) -> Result<(), Broken> {
        let tokens =
            if self.dice.below(3) == 0 { text.iter().map(|&b| u32::from(b)).collect() } else { self.cut(text) };
        let mut tokens = tokens.into_iter();
        let mut certain: Vec<u8> = Vec::new();
        loop {
            match self.next()? {
                Next::Whole if self.text.len() == text.len() => return Ok(()),
                Next::Whole => return self.broken("the answer is whole too early"),
                Next::Certain(bytes) => {
                    certain = [&self.text[..], &bytes].concat();
                    if !text.starts_with(&certain) {
                        return self.broken(format!("certain of {:?}", String::from_utf8_lossy(&bytes)));
                    }
                }
                Next::Choice => {
                    let allowed = self.allowed()?;
                    if self.text.len() == text.len() {
                        let end = self.words.ends[self.dice.below(self.words.ends.len())];
                        if !allowed.contains(&end) {
                            return self.broken("it may not end");
                        }
                        self.take(end);
                        return match self.next()? {
                            Next::Whole => Ok(()),
                            next => self.broken(format!("after an end comes {next:?}")),
                        };
                    }
                }
            }
            let Some(token) = tokens.next() else {
                return self.broken(format!("it may not end; certain: {}", certain.len()));
            };
            if certain.len() <= self.text.len() && !self.has(token) {
                return self.broken(format!(
                    "{:?} is not allowed",
                    String::from_utf8_lossy(&self.words.bytes[token as usize])
                ));
            }
            self.take(token);
        }
    }
}
