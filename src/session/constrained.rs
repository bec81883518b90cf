//! An answer that keeps to a form: what the [`Constraint`] says of the next tokens, and what the session makes of it.

use super::Session;
use crate::allocate::{try_reserve, try_with_capacity, try_zeroed};
use crate::constraint::{Constraint, Next};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::collections::VecDeque;
use web_time::Instant;

/// What a form cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConstraintStats {
    /// Making it of the text that describes it, in milliseconds.
    pub compile_ms: f64,
    /// Times that it was worked out which tokens may follow.
    pub masks: usize,
    /// The time of all of them, and of finding what is certain, in milliseconds.
    pub mask_ms_total: f64,
    /// The time of the middle one of all masks.
    pub median_mask_ms: f64,
    /// The time of the slowest.
    pub slowest_mask_ms: f64,
    /// Tokens that the form left no choice of, which were taken unsampled.
    pub certain_tokens: usize,
    /// Rows of the output head that were computed for the others. The whole head has as many as the vocabulary has tokens.
    pub rows_computed: u64,
}

impl Session {
    /// Holds the answer that was [started](Self::start), from its next token on, to a form. It ends with the generation.
    ///
    /// A token that may not follow has a logit of minus infinity before bias, penalties and samplers, whatever they are; the
    /// log-probabilities are those of the tokens that may. What is certain is taken without sampling or a draw, with a log-probability
    /// of 0, and read in one pass. Where the form may end, an end token ends the answer, even with
    /// [`ignore_end`](super::GenerateOptions::ignore_end); where it must, the answer ends at once, with
    /// [`FinishReason::Stop`](super::FinishReason::Stop). Where the last token that fits would cut an answer that may end before it, it
    /// is left out: such an answer is whole, and [`FinishReason::Length`](super::FinishReason::Length) tells that it could have gone on.
    ///
    /// # Errors
    /// [`Error::NotStarted`] without a generation under way; [`Error::OutOfMemory`].
    pub fn constrain(&mut self, constraint: Box<dyn Constraint>) -> Result<()> {
        let run = self.run.as_mut().ok_or(Error::NotStarted)?;
        let model = &self.loaded.model;
        let few = model.weights.head().few_rows();
        run.constrained = Some(Constrained::new(constraint, model.config.vocabulary, few, self.tokens.len())?);
        Ok(())
    }
}

/// An answer under way that keeps to a form.
pub(super) struct Constrained {
    constraint: Box<dyn Constraint>,
    /// Of all tokens of the text, so many need not be told any more.
    told: usize,
    plan: Plan,
    vocabulary: usize,
    /// So many tokens at most are few.
    most: usize,
    /// A bit a token.
    allowed: Vec<u32>,
    /// The tokens that are allowed, where these are few.
    few: Vec<u32>,
    stats: ConstraintStats,
    /// The time of each mask, in milliseconds.
    times: Vec<f64>,
}

/// What comes next.
enum Plan {
    /// Nobody knows yet.
    Ask,
    /// These tokens.
    Certain(VecDeque<u32>),
    /// One of those allowed.
    Choice,
    /// Any token.
    Any,
    /// Any token but those that end an answer.
    AnyButEnd,
    /// The end.
    Whole,
}

/// How an answer stands after the last token that fits.
pub(super) enum Last {
    /// It is whole.
    Whole,
    /// It is whole, and could go on.
    MayEnd,
    /// It is cut.
    Cut,
}

/// What a session has to do.
pub(super) enum Turn {
    /// Take this token.
    Take(u32),
    /// Choose one.
    Choose,
    /// End the answer: it is whole.
    End,
}

impl Constrained {
    fn new(constraint: Box<dyn Constraint>, vocabulary: usize, most: usize, told: usize) -> Result<Self> {
        const WHAT: &str = "the tokens that may follow";
        Ok(Constrained {
            told,
            plan: Plan::Ask,
            vocabulary,
            most,
            allowed: try_zeroed(vocabulary.div_ceil(32), WHAT)?,
            few: try_with_capacity(most, WHAT)?,
            stats: ConstraintStats { compile_ms: constraint.compile_time().as_secs_f64() * 1e3, ..Default::default() },
            times: Vec::new(),
            constraint,
        })
    }

    /// What comes after `tokens`, all of the text so far. Asked again and again before a choice, it says the same.
    pub(super) fn turn(&mut self, tokens: &[u32], tokenizer: &Tokenizer) -> Result<Turn> {
        if let Plan::Ask = self.plan {
            self.plan = self.ask(tokens, tokenizer)?;
        }
        Ok(match &self.plan {
            Plan::Certain(ids) if !ids.is_empty() => Turn::Take(ids[0]),
            Plan::Whole => Turn::End,
            _ => Turn::Choose,
        })
    }

    fn ask(&mut self, tokens: &[u32], tokenizer: &Tokenizer) -> Result<Plan> {
        let begun = Instant::now();
        let taken = &tokens[self.told..];
        self.told = tokens.len();
        let mut next = self.constraint.next(taken, &mut self.allowed)?;
        if let Next::Certain(bytes) = &next {
            let ids = cut(bytes, tokenizer, self.vocabulary)?;
            if !ids.is_empty() {
                self.stats.mask_ms_total += begun.elapsed().as_secs_f64() * 1e3;
                return Ok(Plan::Certain(ids.into()));
            }
            next = self.constraint.next(&[], &mut self.allowed)?;
        }
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        self.stats.mask_ms_total += ms;
        match next {
            Next::Any => Ok(Plan::Any),
            Next::AnyButEnd => Ok(Plan::AnyButEnd),
            Next::Whole => Ok(Plan::Whole),
            Next::Certain(_) => Err(error("it was asked for a choice and gave none")),
            Next::Choice => {
                try_reserve(&mut self.times, 1, "the times of masks")?;
                self.times.push(ms);
                self.stats.masks += 1;
                self.stats.slowest_mask_ms = self.stats.slowest_mask_ms.max(ms);
                self.choice(tokenizer)
            }
        }
    }

    /// Looks at the mask: a choice of one is none, and where only end tokens may follow the answer is whole.
    fn choice(&mut self, tokenizer: &Tokenizer) -> Result<Plan> {
        if let Some(last) = self.allowed.last_mut()
            && !self.vocabulary.is_multiple_of(32)
        {
            *last &= (1 << (self.vocabulary % 32)) - 1;
        }
        let count: usize = self.allowed.iter().map(|word| word.count_ones() as usize).sum();
        self.few.clear();
        if count <= self.most {
            for (word, first) in self.allowed.iter().zip((0u32..).step_by(32)) {
                let mut rest = *word;
                while rest != 0 {
                    self.few.push(first + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
        }
        match self.few[..] {
            _ if count == 0 => Err(error("no token may follow")),
            [id] if !tokenizer.is_end(id) => Ok(Plan::Certain([id].into())),
            [..] if !self.few.is_empty() && self.few.iter().all(|id| tokenizer.is_end(*id)) => Ok(Plan::Whole),
            _ => Ok(Plan::Choice),
        }
    }

    /// Whether the answer may end instead of going on.
    pub(super) fn may_end(&self, tokenizer: &Tokenizer) -> bool {
        let is_allowed = |id: &u32| self.allowed.get(*id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 != 0);
        matches!(self.plan, Plan::Choice) && tokenizer.ends().iter().any(is_allowed)
    }

    /// How it stands after `id`, which is the last token that fits. Nothing else can be asked after this.
    pub(super) fn after(&mut self, id: u32, tokenizer: &Tokenizer) -> Result<Last> {
        self.plan = match self.constraint.next(&[id], &mut self.allowed)? {
            Next::Any => return Ok(Last::MayEnd),
            Next::Certain(_) | Next::AnyButEnd => return Ok(Last::Cut),
            Next::Whole => return Ok(Last::Whole),
            Next::Choice => self.choice(tokenizer)?,
        };
        Ok(match &self.plan {
            Plan::Whole => Last::Whole,
            _ if self.may_end(tokenizer) => Last::MayEnd,
            _ => Last::Cut,
        })
    }

    /// What was said came: the token that was certain, or one that was chosen.
    pub(super) fn took(&mut self) {
        if let Plan::Certain(ids) = &mut self.plan {
            self.stats.certain_tokens += 1;
            ids.pop_front();
            if !ids.is_empty() {
                return;
            }
        }
        self.plan = Plan::Ask;
    }

    /// The rows of the output head that alone are wanted.
    pub(super) fn few(&self) -> Option<&[u32]> {
        (matches!(self.plan, Plan::Choice) && !self.few.is_empty()).then_some(&self.few)
    }

    /// Rules out of the logits what may not follow; true if something was. Counts the rows of the head that they took.
    pub(super) fn restrict(&mut self, logits: &mut [f32], tokenizer: &Tokenizer) -> bool {
        let few = self.few().map(<[u32]>::len);
        self.stats.rows_computed += few.unwrap_or(logits.len()) as u64;
        match self.plan {
            Plan::Choice if few.is_none() => {
                for (logits, word) in logits.chunks_mut(32).zip(&self.allowed) {
                    for (bit, logit) in logits.iter_mut().enumerate() {
                        if word >> bit & 1 == 0 {
                            *logit = f32::NEG_INFINITY;
                        }
                    }
                }
            }
            // The others have not been computed.
            Plan::Choice => {}
            Plan::AnyButEnd => {
                for id in tokenizer.ends() {
                    if let Some(logit) = logits.get_mut(*id as usize) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn stats(&mut self) -> ConstraintStats {
        let middle = self.times.len() / 2;
        if middle < self.times.len() {
            self.stats.median_mask_ms = *self.times.select_nth_unstable_by(middle, f64::total_cmp).1;
        }
        self.stats
    }
}

/// The tokens of certain bytes that what follows them can't change: all but the last, which may go on, and no half of a character.
fn cut(bytes: &[u8], tokenizer: &Tokenizer, vocabulary: usize) -> Result<Vec<u32>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut ids = tokenizer.encode_continuation(text)?;
    ids.pop();
    // A tokenizer may normalise, or find an end token's name in a text that is no end.
    let mut rest = text.as_bytes();
    let same = ids.iter().take_while(|id| {
        let token = tokenizer.bytes(**id);
        let fits = !token.is_empty() && (**id as usize) < vocabulary && !tokenizer.is_end(**id);
        match rest.strip_prefix(token) {
            Some(after) if fits => {
                rest = after;
                true
            }
            _ => false,
        }
    });
    let same = same.count();
    ids.truncate(same);
    Ok(ids)
}

fn error(reason: &str) -> Error {
    Error::Constraint { reason: reason.to_owned() }
}
