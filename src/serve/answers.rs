//! Answers under way to one request: to its talk, or to each of its prompts.

use super::engine::{Answer, Busy, Engine, Event, Failure, Job, Limits, Prompt, Why};
use super::ticket::Ticket;
use b158::chat::{Tools, Variables};
use b158::constraint::ResponseFormat;
use b158::session::GenerateOptions;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What is asked, of each prompt the same.
pub(crate) struct Asked {
    pub(crate) prompts: VecDeque<Prompt>,
    pub(crate) options: GenerateOptions,
    pub(crate) format: Option<ResponseFormat>,
    pub(crate) tools: Tools,
    pub(crate) variables: Variables,
    pub(crate) pieces: bool,
}

impl Asked {
    fn job(&self, prompt: Prompt) -> Job {
        Job {
            prompt,
            options: self.options.clone(),
            format: self.format.clone(),
            tools: self.tools.clone(),
            variables: self.variables.clone(),
            pieces: self.pieces,
        }
    }
}

/// Dropping them cancels what is under way.
pub(crate) struct Answers {
    engine: Arc<Engine>,
    ticket: Arc<Ticket>,
    asked: Asked,
    /// Of the next prompt.
    index: usize,
    /// Answers at a time: a long list of prompts leaves room for others.
    most: usize,
    /// Jobs that may wait in the queue.
    room: usize,
    under_way: FuturesUnordered<BoxFuture<'static, (usize, Answer, Option<Event>)>>,
}

impl Answers {
    /// Takes a place for the first one.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn begin(
        engine: &Arc<Engine>,
        ticket: Arc<Ticket>,
        asked: Asked,
        limits: &Limits,
    ) -> Result<Self, Busy> {
        let under_way = FuturesUnordered::new();
        let (most, room) = (limits.parallel.max(1), limits.queue);
        let engine = Arc::clone(engine);
        let mut answers = Answers { engine, ticket, asked, index: 0, most, room, under_way };
        answers.submit()?;
        Ok(answers)
    }

    /// Takes places as far as there are some. Those of one request wait for each other, not in the queue.
    fn submit(&mut self) -> Result<(), Busy> {
        while self.under_way.len() < self.most {
            let Some(prompt) = self.asked.prompts.front() else { break };
            // Where one is under way, there will be a place.
            if self.index > 0 && self.engine.stats().waiting >= self.room {
                break;
            }
            match self.engine.submit(self.asked.job(prompt.clone())) {
                Ok(answer) => {
                    self.asked.prompts.pop_front();
                    self.listen(self.index, answer);
                    self.index += 1;
                }
                Err(busy) if self.index == 0 || busy.why == Why::Ending => return Err(busy),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn listen(&self, index: usize, mut answer: Answer) {
        self.under_way.push(Box::pin(async move {
            let event = answer.next().await;
            (index, answer, event)
        }));
    }

    /// What comes next, of which prompt. None when all have ended. It may be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<(usize, Event)> {
        while self.under_way.is_empty() && !self.asked.prompts.is_empty() {
            if self.submit().is_err() {
                self.asked.prompts.clear();
                return Some((self.index, Event::Failed(Failure::Stopped)));
            }
            if self.under_way.is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let (index, answer, event) = self.under_way.next().await?;
        let event = event.unwrap_or(Event::Failed(Failure::Stopped));
        match &event {
            Event::Begun { usage } => {
                self.ticket.begun(usage);
                self.listen(index, answer);
            }
            Event::Token { .. } => {
                self.ticket.token();
                self.listen(index, answer);
            }
            Event::Done { summary, notes, .. } => {
                self.ticket.done(summary, notes.clone());
                // An engine that takes no more is found when there is nothing else to hear.
                let _ = self.submit();
            }
            Event::Failed(_) => {}
        }
        Some((index, event))
    }
}
