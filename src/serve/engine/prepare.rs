//! From a job to what the engine's thread needs of it: on threads of their own, so that no talk under way waits for a template, for
//! a text to be cut into tokens, or for a form to be compiled.

use super::job::{Embed, Embeddings, Event, Failure, Input, Job, Prompt};
use super::queue::{Queue, Raw};
use b158::Error;
use b158::chat::{Asked, Reader};
use b158::constraint::{Answer, Constraint, Grammars, ResponseFormat};
use b158::model::Loaded;
use b158::session::GenerateOptions;
use b158::tokenizer::Special;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// So many jobs at a time: one that takes long does not hold up the others.
pub(super) const THREADS: usize = 2;
/// Templates and grammars call themselves.
pub(super) const STACK: usize = 8 << 20;

/// A job that can begin.
pub(super) enum Prepared {
    Talk(Box<Talk>),
    Embed(Texts),
}

/// A text to make.
pub(super) struct Talk {
    pub(super) prompt: Vec<u32>,
    pub(super) options: GenerateOptions,
    pub(super) form: Option<Box<dyn Constraint>>,
    pub(super) reader: Option<Reader>,
    pub(super) notes: Vec<String>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// Texts whose embeddings are wanted.
pub(super) struct Texts {
    pub(super) ids: Vec<Vec<u32>>,
    pub(super) dimensions: Option<usize>,
    pub(super) whole: oneshot::Sender<Result<Embeddings, Failure>>,
}

impl Prepared {
    pub(super) fn is_cancelled(&self) -> bool {
        match self {
            Prepared::Talk(talk) => talk.events.is_closed(),
            Prepared::Embed(texts) => texts.whole.is_closed(),
        }
    }

    /// Tokens that it will read at least.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Prepared::Talk(talk) => talk.prompt.len(),
            Prepared::Embed(texts) => texts.ids.iter().map(Vec::len).max().unwrap_or_default(),
        }
    }

    pub(super) fn fail(self, failure: Failure) {
        // Who has gone needs no answer.
        match self {
            Prepared::Talk(talk) => drop(talk.events.send(Event::Failed(failure))),
            Prepared::Embed(texts) => drop(texts.whole.send(Err(failure))),
        }
    }
}

/// Prepares jobs.
pub(super) struct Preparer {
    loaded: Arc<Loaded>,
    queue: Arc<Queue>,
    forms: Forms,
    context: usize,
}

impl Preparer {
    pub(super) fn new(loaded: Arc<Loaded>, queue: Arc<Queue>, context: usize) -> Arc<Self> {
        let forms = Forms { grammars: Grammars::new(Arc::clone(&loaded)), recent: Mutex::default() };
        Arc::new(Preparer { loaded, queue, forms, context })
    }

    /// Works until it is over; any number of threads may.
    pub(super) fn run(&self) {
        while let Some((number, raw)) = self.queue.next_to_prepare() {
            match self.prepared(raw) {
                Ok(job) => self.queue.prepared(number, Some(job)),
                Err(tell) => {
                    self.queue.prepared(number, None);
                    tell();
                }
            }
        }
    }

    /// A job that can begin, or how it is told that it can't.
    fn prepared(&self, raw: Raw) -> Result<Prepared, Box<dyn FnOnce()>> {
        match raw {
            Raw::Answer(job, events) => match caught(|| self.talk(*job, events.clone())) {
                Ok(talk) => Ok(Prepared::Talk(Box::new(talk))),
                Err(failure) => Err(Box::new(move || drop(events.send(Event::Failed(failure))))),
            },
            Raw::Embed(job, whole) => match caught(|| self.texts(job)) {
                Ok((ids, dimensions)) => Ok(Prepared::Embed(Texts { ids, dimensions, whole })),
                Err(failure) => Err(Box::new(move || drop(whole.send(Err(failure))))),
            },
        }
    }

    fn talk(&self, job: Job, events: mpsc::UnboundedSender<Event>) -> Result<Talk, Failure> {
        let Job { prompt, options, format, tools, variables, pieces } = job;
        let mut asked = match prompt {
            // A template takes a hundred times the memory of short messages, and makes a token at least of each.
            Prompt::Messages(messages) if messages.len() > self.context => {
                return Err(Error::PromptTooLong { tokens: messages.len(), context: self.context }.into());
            }
            Prompt::Messages(messages) => {
                Asked::of_talk(&self.loaded, &messages, &tools, &variables, format.as_ref(), false)?
            }
            Prompt::Text(text) => {
                Asked::of_prompt(self.loaded.tokenizer.encode_prompt(&text, Special::PARSED)?, format)
            }
            Prompt::Ids(ids) => Asked::of_prompt(ids, format),
        };
        self.loaded.check_prompt(&asked.prompt, self.context)?;
        let mut notes: Vec<String> = asked.note().map(str::to_owned).into_iter().collect();
        let form = match &asked.format {
            Some(format) => {
                let form = self.forms.answer(format)?;
                notes.extend(form.notes().iter().cloned());
                Some(asked.constrain(&self.loaded, Box::new(form)))
            }
            None => None,
        };
        let reader = asked.reader(options.sampler.seed).filter(|_| pieces);
        let options = if reader.is_some() { asked.readable(options) } else { options };
        let prompt = std::mem::take(&mut asked.prompt);
        Ok(Talk { prompt, options, form, reader, notes, events })
    }

    fn texts(&self, job: Embed) -> Result<(Vec<Vec<u32>>, Option<usize>), Failure> {
        let mut ids = Vec::with_capacity(job.inputs.len());
        for input in job.inputs {
            let text = match input {
                Input::Text(text) => self.loaded.text_to_embed(&text)?,
                Input::Ids(ids) => ids,
            };
            self.loaded.check_prompt(&text, self.context)?;
            ids.push(text);
        }
        Ok((ids, job.dimensions))
    }
}

/// Forms, and those made last: who has tools sends the same ones with each request.
struct Forms {
    grammars: Grammars,
    recent: Mutex<VecDeque<(ResponseFormat, Answer)>>,
}

impl Forms {
    const RECENT: usize = 8;

    fn answer(&self, format: &ResponseFormat) -> Result<Answer, Error> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut recent = recent();
            if let Some(at) = recent.iter().position(|(other, _)| other == format)
                && let Some(found) = recent.remove(at)
            {
                let answer = found.1.clone();
                recent.push_front(found);
                return Ok(answer);
            }
        }
        let answer = self.grammars.answer(format, "")?;
        let mut recent = recent();
        recent.truncate(Self::RECENT - 1);
        recent.push_front((format.clone(), answer.clone()));
        Ok(answer)
    }
}

/// What comes of it; a panic is a failure like another.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::fault()))
}
