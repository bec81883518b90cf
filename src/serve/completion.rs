//! `/v1/completions`: texts that go on.

use super::answers::{Answers, Asked};
use super::app::App;
use super::engine::{Event, Prompt};
use super::problem::Problem;
use super::routes::{bounded, json, read};
use super::stream::{self, Chunks, Out};
use super::ticket::Ticket;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use b158::chat::{Tools, Variables};
use b158::openai::{Common, Completion, CompletionChoice, CompletionRequest, FinishReason, Input, Usage};
use b158::session::Timings;
use std::sync::Arc;

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(ticket): Extension<Arc<Ticket>>,
    request: Request,
) -> Result<Response, Problem> {
    let served = app.served()?;
    let mut asked = read(&app, &ticket, request, CompletionRequest::read).await?;
    bounded("prompt", &asked.prompts)?;
    app.draw(&mut asked.options, asked.seeded, &ticket);
    let common = Common::new("cmpl", &*served.model.id);
    let wanted = asked.options.logprobs;
    let choices = asked.prompts.len();
    let prompts = asked.prompts.into_iter().map(|prompt| match prompt {
        Input::Text(text) => Prompt::Text(text),
        Input::Ids(ids) => Prompt::Ids(ids),
    });
    let (stream, usage) = (asked.stream, asked.include_usage);
    let asked = Asked {
        prompts: prompts.collect(),
        options: asked.options,
        format: asked.format,
        tools: Tools::default(),
        variables: Variables::NONE,
        pieces: false,
    };
    let answers = Answers::begin(&served.engine, Arc::clone(&ticket), asked, &served.limits)?;
    if stream {
        let chunks = Streamed { common, wanted, usage, counted: Vec::new(), written: vec![0; choices] };
        return stream::respond(answers, chunks, ticket).await;
    }
    whole(answers, &common, wanted, choices).await
}

async fn whole(mut answers: Answers, common: &Common, wanted: bool, choices: usize) -> Result<Response, Problem> {
    let mut choices: Vec<CompletionChoice> = (0..choices).map(|index| CompletionChoice::new(index, wanted)).collect();
    let mut written = vec![0; choices.len()];
    let mut counted: Vec<(Usage, Timings)> = Vec::new();
    while let Some((index, event)) = answers.next().await {
        if let Event::Failed(failure) = event {
            return Err(failure.into());
        }
        let (Some(choice), Some(written)) = (choices.get_mut(index), written.get_mut(index)) else { continue };
        match event {
            Event::Token { text, logprobs, .. } => choice.push(&text, logprobs, written),
            Event::Done { summary, called, .. } => {
                choice.text += &summary.text;
                choice.finish_reason = Some(FinishReason::of(summary.finish_reason, called));
                counted.push((summary.usage.into(), summary.timings));
            }
            Event::Begun { .. } | Event::Failed(_) => {}
        }
    }
    let timings = match counted.as_slice() {
        [(_, timings)] => Some(*timings),
        _ => None,
    };
    let usage = Some(Some(Usage::sum(counted.into_iter().map(|(usage, _)| usage))));
    json(&Completion { usage, timings, ..Completion::new(common, choices) })
}

struct Streamed {
    common: Common,
    /// Probabilities.
    wanted: bool,
    usage: bool,
    counted: Vec<Usage>,
    /// Characters of each text so far.
    written: Vec<usize>,
}

impl Streamed {
    fn push(&self, choice: CompletionChoice, timings: Option<Timings>, out: &mut Out) {
        let usage = self.usage.then_some(None);
        out.push(&Completion { usage, timings, ..Completion::new(&self.common, vec![choice]) });
    }
}

impl Chunks for Streamed {
    fn begin(&mut self, _: &mut Out) {}

    fn event(&mut self, index: usize, event: Event, out: &mut Out) {
        let mut choice = CompletionChoice::new(index, self.wanted);
        match event {
            Event::Token { text, logprobs, .. } => {
                if text.is_empty() && logprobs.is_none() {
                    return;
                }
                let Some(written) = self.written.get_mut(index) else { return };
                choice.push(&text, logprobs, written);
                self.push(choice, None, out);
            }
            Event::Done { summary, called, .. } => {
                self.counted.push(summary.usage.into());
                choice.text = summary.text;
                choice.finish_reason = Some(FinishReason::of(summary.finish_reason, called));
                choice.logprobs = None;
                self.push(choice, Some(summary.timings), out);
            }
            Event::Begun { .. } | Event::Failed(_) => {}
        }
    }

    fn end(&mut self, out: &mut Out) {
        if self.usage {
            let sum = Usage::sum(self.counted.iter().copied());
            out.push(&Completion { usage: Some(Some(sum)), ..Completion::new(&self.common, Vec::new()) });
        }
    }
}
