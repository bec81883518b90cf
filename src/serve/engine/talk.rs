//! A job under way: what its steps come to for who waits for it.

use super::job::{Embeddings, Event, Failure};
use super::prepare;
use super::queue::Outcome;
use b158::Error;
use b158::chat::Telling;
use b158::session::{GenerateOptions, Session, Step, Together, Usage, shortened};
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// A job under way.
pub(super) struct Running {
    /// Later ones have larger numbers.
    pub(super) number: u64,
    pub(super) began: Instant,
    pub(super) session: Session,
    /// What it reads.
    pub(super) prompt: Vec<u32>,
    /// Whether that has been read.
    pub(super) is_read: bool,
    /// It has begun to compute only when an older one has read what both begin with.
    pub(super) after: Option<After>,
    work: Work,
}

/// What a job waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct After {
    /// Of the older one.
    pub(super) number: u64,
    /// It will have read so many tokens.
    pub(super) tokens: usize,
}

/// How a job has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// What it has read is sound, and may be of use.
    pub(super) keep: bool,
}

/// What is made of it.
pub(super) enum Work {
    Talk(Box<Talk>),
    Embed(Embed),
}

pub(super) struct Talk {
    usage: Usage,
    events: mpsc::UnboundedSender<Event>,
    telling: Telling<Event>,
    notes: Vec<String>,
    /// What it ends with.
    last: Option<Event>,
}

pub(super) struct Embed {
    /// Texts that have not been begun.
    rest: VecDeque<Vec<u32>>,
    dimensions: Option<usize>,
    made: Embeddings,
    whole: oneshot::Sender<Result<Embeddings, Failure>>,
    failure: Option<Failure>,
}

impl Running {
    /// Begins a text. Where the session refuses it, it has failed.
    pub(super) fn talk(mut session: Session, number: u64, talk: prepare::Talk) -> Self {
        let prepare::Talk { prompt, options, form, reader, notes, events } = talk;
        let started = session.start(&prompt, options).and_then(|usage| {
            form.map_or(Ok(()), |form| session.constrain(form))?;
            Ok(usage)
        });
        let usage = started.clone().unwrap_or_default();
        let talk = Talk { usage, events, telling: Telling::new(reader), notes, last: None };
        let mut running = Self::new(session, number, prompt, Work::Talk(Box::new(talk)));
        if let Err(error) = started {
            running.fail(error.into());
        }
        running
    }

    /// Begins with the first of some texts. Where there is none it has ended, and where the session refuses it, it has failed.
    pub(super) fn embed(session: Session, number: u64, texts: prepare::Texts) -> Self {
        let prepare::Texts { ids, dimensions, whole } = texts;
        let made = Embeddings { vectors: Vec::new(), prompt_tokens: ids.iter().map(Vec::len).sum() };
        let embed = Embed { rest: ids.into(), dimensions, made, whole, failure: None };
        let mut running = Self::new(session, number, Vec::new(), Work::Embed(embed));
        if let Err(error) = running.next_text() {
            running.fail(error.into());
        }
        running
    }

    fn new(session: Session, number: u64, prompt: Vec<u32>, work: Work) -> Self {
        Running { number, began: Instant::now(), session, prompt, is_read: false, after: None, work }
    }

    /// Says that it has begun.
    pub(super) fn tell_begun(&self) {
        if let Work::Talk(talk) = &self.work {
            let usage = Usage { cached_tokens: self.session.tokens().len(), ..talk.usage };
            let _ = talk.events.send(Event::Begun { usage });
        }
    }

    /// Tokens of the prompt that have been read, and of these, those that have not been computed.
    pub(super) fn read(&self) -> (usize, usize) {
        match &self.work {
            Work::Talk(talk) => (self.prompt.len() - self.unread(), talk.usage.cached_tokens),
            Work::Embed(embed) => (embed.made.prompt_tokens, 0),
        }
    }

    pub(super) fn is_talk(&self) -> bool {
        matches!(self.work, Work::Talk(_))
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_cancelled(&self) -> bool {
        match &self.work {
            Work::Talk(talk) => talk.events.is_closed(),
            Work::Embed(embed) => embed.whole.is_closed(),
        }
    }

    /// Tokens of the prompt that are to be read.
    pub(super) fn unread(&self) -> usize {
        self.prompt.len().saturating_sub(self.session.tokens().len())
    }

    /// It ends with that.
    pub(super) fn fail(&mut self, failure: Failure) {
        match &mut self.work {
            Work::Talk(talk) => talk.last = Some(Event::Failed(failure)),
            Work::Embed(embed) => embed.failure = Some(failure),
        }
    }

    /// How it has ended, if it has, where no step has been made.
    pub(super) fn ended(&self) -> Option<Outcome> {
        let (has_failed, is_done) = match &self.work {
            Work::Talk(talk) => (talk.last.is_some(), false),
            Work::Embed(embed) => (embed.failure.is_some(), self.prompt.is_empty()),
        };
        if has_failed { Some(Outcome::Failed) } else { is_done.then_some(Outcome::Done) }
    }

    /// What it has read, and who is to be told the end.
    pub(super) fn into_parts(self) -> (Session, Work) {
        (self.session, self.work)
    }

    /// Tells what a step came to. Something when the job has ended with it.
    pub(super) fn stepped(&mut self, step: b158::Result<Step>, together: &mut Together) -> Option<Ended> {
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                let keep = matches!(error, Error::Constraint { .. });
                self.fail(error.into());
                return Some(Ended { outcome: Outcome::Failed, keep });
            }
        };
        match (step, &mut self.work) {
            (Step::Prefill { .. } | Step::Pass, _) => {
                self.is_read |= self.unread() == 0;
                None
            }
            (Step::Token { id, text, logprobs }, Work::Talk(talk)) => {
                self.is_read = true;
                talk.token(id, text, logprobs);
                None
            }
            (Step::Done(summary), Work::Talk(talk)) => {
                self.is_read = true;
                talk.usage = summary.usage;
                talk.done(summary);
                Some(Ended { outcome: Outcome::Done, keep: true })
            }
            (Step::Token { .. }, Work::Embed(_)) => None,
            (Step::Done(_), Work::Embed(embed)) => {
                let vector = together.embedding(&self.session).and_then(|whole| {
                    let wanted = embed.dimensions.unwrap_or(whole.len());
                    shortened(whole, wanted)
                });
                let next = vector.map(|vector| embed.made.vectors.push(vector)).and_then(|()| self.next_text());
                let outcome = match next {
                    Ok(true) => return None,
                    Ok(false) => Outcome::Done,
                    Err(error) => {
                        self.fail(error.into());
                        Outcome::Failed
                    }
                };
                Some(Ended { outcome, keep: false })
            }
        }
    }

    /// Begins the next of several texts; false when there is none.
    fn next_text(&mut self) -> b158::Result<bool> {
        let Work::Embed(embed) = &mut self.work else { return Ok(false) };
        let Some(text) = embed.rest.pop_front() else { return Ok(false) };
        self.session.start(&text, GenerateOptions { max_tokens: Some(0), ..Default::default() })?;
        (self.prompt, self.is_read) = (text, false);
        Ok(true)
    }
}

impl Work {
    /// Tells the end.
    pub(super) fn tell_end(self) {
        // Who has gone needs no answer.
        match self {
            Work::Talk(mut talk) => {
                // What came before it has come.
                for event in talk.telling.rest().chain(talk.last) {
                    let _ = talk.events.send(event);
                }
            }
            Work::Embed(Embed { made, whole, failure, .. }) => drop(whole.send(failure.map_or(Ok(made), Err))),
        }
    }
}

impl Talk {
    fn token(&mut self, id: u32, text: String, logprobs: Option<b158::sampler::Logprobs>) {
        let read = text.clone();
        let token = |pieces: Option<_>| Event::Token {
            id,
            text,
            pieces: pieces.unwrap_or_default(),
            in_content: true,
            logprobs,
        };
        self.telling.push(&read, token, tell(&self.events));
    }

    fn done(&mut self, summary: b158::session::Summary) {
        let told = self.telling.finish(&summary.text, summary.finish_reason, tell(&self.events));
        let (pieces, called) = told.map(|told| (told.pieces, told.called)).unwrap_or_default();
        let notes = std::mem::take(&mut self.notes);
        self.last = Some(Event::Done { summary, pieces, called, notes });
    }
}

/// Tells a token of which it is certain whether it is content, where somebody reads.
fn tell(events: &mpsc::UnboundedSender<Event>) -> impl FnMut(Event, Option<bool>) {
    |mut token, certain| {
        if let (Event::Token { in_content, .. }, Some(certain)) = (&mut token, certain) {
            *in_content = certain;
        }
        // Who has gone is found out before the next step.
        let _ = events.send(token);
    }
}
