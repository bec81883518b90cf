//! Answers under way to one request: to its talk, or to each of its prompts.

use super::engine::{Answer, Busy, Engine, Event, Failure, Job, Prompt, Why};
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
    under_way: FuturesUnordered<BoxFuture<'static, (usize, Answer, Option<Event>)>>,
}

impl Answers {
    /// Takes a place for the first one.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn begin(engine: &Arc<Engine>, ticket: Arc<Ticket>, asked: Asked, most: usize) -> Result<Self, Busy> {
        let under_way = FuturesUnordered::new();
        let mut answers = Answers { engine: Arc::clone(engine), ticket, asked, index: 0, most: most.max(1), under_way };
        answers.submit()?;
        Ok(answers)
    }

    fn submit(&mut self) -> Result<(), Busy> {
        while self.under_way.len() < self.most {
            let Some(prompt) = self.asked.prompts.front().cloned() else { break };
            match self.engine.submit(self.asked.job(prompt)) {
                Ok(answer) => {
                    self.asked.prompts.pop_front();
                    self.listen(self.index, answer);
                    self.index += 1;
                }
                // Those before it make room for it.
                Err(busy) if self.under_way.is_empty() || busy.why == Why::Ending => return Err(busy),
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
        loop {
            if let Err(busy) = self.submit() {
                if busy.why == Why::Ending {
                    self.asked.prompts.clear();
                    return Some((self.index, Event::Failed(Failure::Stopped)));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
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
                Event::Done { summary, notes, .. } => self.ticket.done(summary, notes.clone()),
                Event::Failed(_) => {}
            }
            return Some((index, event));
        }
    }
}
