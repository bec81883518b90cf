//! The thread that computes.

use super::Limits;
use super::job::{Embed, Embeddings, Event, Failure, Input, Job, Prompt};
use super::queue::{Queue, Work};
use b158::chat::{Chat, Reader};
use b158::constraint::{Grammars, Spelled};
use b158::model::Loaded;
use b158::session::{GenerateOptions, Session, Step, shortened};
use b158::tokenizer::Special;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long one talk computes before it is the next one's turn.
const SLICE: Duration = Duration::from_millis(40);

pub(super) struct Worker {
    loaded: Arc<Loaded>,
    queue: Arc<Queue>,
    limits: Limits,
    grammars: Grammars,
    slots: Vec<Slot>,
}

struct Slot {
    session: Session,
    events: UnboundedSender<Event>,
    reader: Option<Reader>,
    notes: Vec<String>,
}

impl Worker {
    pub(super) fn new(loaded: Arc<Loaded>, queue: Arc<Queue>, limits: Limits) -> Self {
        let grammars = Grammars::new(Arc::clone(&loaded));
        Worker { loaded, queue, limits, grammars, slots: Vec::new() }
    }

    pub(super) fn run(mut self) {
        while !self.queue.is_stopped() {
            while self.slots.len() < self.limits.parallel.max(1) {
                match self.queue.pop(self.slots.is_empty()) {
                    Some(work) => self.begin(work),
                    None => break,
                }
            }
            let queue = &self.queue;
            self.slots.retain_mut(|slot| {
                let goes_on = slot.step();
                if !goes_on {
                    queue.count(|stats| {
                        stats.running -= 1;
                        stats.done += 1;
                    });
                }
                goes_on
            });
        }
        for slot in self.slots {
            let _ = slot.events.send(Event::Failed(Failure::Stopped));
        }
    }

    fn begin(&mut self, work: Work) {
        match work {
            Work::Answer(job, events) => match self.slot(*job, events.clone()) {
                Ok(slot) => return self.slots.push(slot),
                Err(failure) => drop(events.send(Event::Failed(failure))),
            },
            Work::Embed(job, whole) => drop(whole.send(self.embed(job))),
            Work::Tokenize(prompt, whole) => drop(whole.send(match prompt {
                Prompt::Text(text) => {
                    self.loaded.tokenizer.encode_prompt(&text, Special::PARSED).map_err(Failure::Error)
                }
                Prompt::Ids(ids) => Ok(ids),
                Prompt::Messages(messages) => {
                    self.loaded.template.encode(&self.loaded.tokenizer, &messages, true).map_err(Failure::Error)
                }
            })),
        }
        self.queue.count(|stats| stats.running -= 1);
    }

    fn slot(&self, job: Job, events: UnboundedSender<Event>) -> Result<Slot, Failure> {
        let Job { prompt, mut options, format, tools, variables, pieces } = job;
        let tokenizer = &self.loaded.tokenizer;
        let mut session = Session::new(Arc::clone(&self.loaded), self.limits.session)?;
        let mut chat: Option<Chat> = None;
        let prompt = match prompt {
            Prompt::Text(text) => tokenizer.encode_prompt(&text, Special::PARSED)?,
            Prompt::Ids(ids) => ids,
            Prompt::Messages(messages) => {
                let made = self.loaded.template.chat(tokenizer, &messages, &tools, &variables)?;
                chat.insert(made).prompt.clone()
            }
        };
        let format = match &chat {
            Some(chat) => chat.format(format.as_ref())?,
            None => format,
        };
        let reader = chat.as_ref().filter(|_| pieces).map(|chat| chat.reader(options.sampler.seed));
        if let Some(chat) = chat.as_ref().filter(|_| pieces) {
            options.spelled = chat.spelled.clone();
        }
        let mut notes: Vec<String> = chat.as_ref().and_then(Chat::note).map(str::to_owned).into_iter().collect();
        let form = format.map(|format| self.grammars.answer(&format, "")).transpose()?;
        let usage = session.start(&prompt, options)?;
        if let Some(form) = form {
            notes.extend(form.notes().iter().cloned());
            let opening = chat.as_ref().map(Chat::opening).unwrap_or_default();
            let control = chat.map(|chat| chat.spelled).unwrap_or_default();
            let spell = Spelled { loaded: Arc::clone(&self.loaded), control };
            session.constrain(opening.constrain(Box::new(form), spell))?;
        }
        let _ = events.send(Event::Begun { usage });
        Ok(Slot { session, events, reader, notes })
    }

    fn embed(&self, job: Embed) -> Result<Embeddings, Failure> {
        let mut session = Session::new(Arc::clone(&self.loaded), self.limits.session)?;
        let (mut vectors, mut prompt_tokens) = (Vec::new(), 0);
        for input in job.inputs {
            let ids = match input {
                Input::Text(text) => self.loaded.text_to_embed(&text)?,
                Input::Ids(ids) => ids,
            };
            prompt_tokens += ids.len();
            session.start(&ids, GenerateOptions { max_tokens: Some(0), ..Default::default() })?;
            while !matches!(session.step(SLICE)?, Step::Done(_)) {}
            let whole = session.embedding()?;
            let wanted = job.dimensions.unwrap_or(whole.len());
            vectors.push(shortened(whole, wanted)?);
        }
        Ok(Embeddings { vectors, prompt_tokens })
    }
}

impl Slot {
    /// False when it has ended.
    fn step(&mut self) -> bool {
        if self.events.is_closed() {
            return false;
        }
        let step = match self.session.step(SLICE) {
            Ok(step) => step,
            Err(error) => {
                let _ = self.events.send(Event::Failed(Failure::Error(error)));
                return false;
            }
        };
        let mut pieces = Vec::new();
        let event = match step {
            Step::Prefill { .. } | Step::Pass => return true,
            Step::Token { id, text, logprobs } => {
                if let Some(reader) = &mut self.reader {
                    reader.push(&text, &mut pieces);
                }
                Event::Token { id, text, pieces, in_content: true, logprobs }
            }
            Step::Done(summary) => {
                let called = self.reader.as_mut().is_some_and(|reader| {
                    reader.push(&summary.text, &mut pieces);
                    reader.finish(summary.finish_reason, &mut pieces)
                });
                Event::Done { summary, pieces, called, notes: std::mem::take(&mut self.notes) }
            }
        };
        let ends = matches!(event, Event::Done { .. });
        let _ = self.events.send(event);
        !ends
    }
}
