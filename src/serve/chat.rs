//! `/v1/chat/completions`.

use super::answers::{Answers, Asked};
use super::app::App;
use super::engine::{Event, Prompt};
use super::problem::Problem;
use super::routes::{json, read};
use super::stream::{self, Chunks, Out};
use super::ticket::Ticket;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use b158::openai::{
    ChatCompletionChunk, ChatRequest, Common, Delta, FinishReason, Logprobs, Refusal, Said, TokenLogprob, Usage,
};
use b158::sampler;
use std::sync::Arc;

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(ticket): Extension<Arc<Ticket>>,
    request: Request,
) -> Result<Response, Problem> {
    let served = app.served()?;
    let mut chat = read(&app, &ticket, request, ChatRequest::read).await?;
    fits(&chat, served.model.about.context_length)?;
    app.draw(&mut chat.options, chat.seeded, &ticket);
    let common = Common::new("chatcmpl", &*served.model.id);
    let wanted = chat.options.logprobs;
    let asked = Asked {
        prompts: [Prompt::Messages(chat.messages)].into(),
        options: chat.options,
        format: chat.format,
        tools: chat.tools,
        variables: chat.variables,
        pieces: true,
    };
    let answers = Answers::begin(&served.engine, Arc::clone(&ticket), asked, &served.limits)?;
    if chat.stream {
        let chunks = Streamed { common, wanted, usage: chat.include_usage, counted: None };
        return stream::respond(answers, chunks, ticket).await;
    }
    whole(answers, common, wanted).await
}

/// A message has a token at least: no template need be run over a hundred thousand of them to find that they don't fit.
///
/// # Errors
/// More messages than the context has tokens.
pub(crate) fn fits(chat: &ChatRequest, context: usize) -> Result<(), Problem> {
    let tokens = chat.messages.len();
    if tokens <= context {
        return Ok(());
    }
    Err(Refusal::from(&b158::Error::PromptTooLong { tokens, context }).into())
}

async fn whole(mut answers: Answers, common: Common, wanted: bool) -> Result<Response, Problem> {
    let mut said = Said::default();
    loop {
        match answers.next().await.ok_or_else(Problem::fault)?.1 {
            Event::Begun { .. } => {}
            Event::Token { text, pieces, in_content, logprobs, .. } => {
                pieces.into_iter().for_each(|piece| said.push(piece));
                if let Some(logprobs) = logprobs.filter(|_| in_content) {
                    said.push_logprob(TokenLogprob::new(&text, logprobs));
                }
            }
            Event::Done { summary, pieces, called, .. } => {
                pieces.into_iter().for_each(|piece| said.push(piece));
                let end = (summary.finish_reason, summary.usage, summary.timings);
                return json(&said.into_completion(common, wanted, called, end));
            }
            Event::Failed(failure) => return Err(failure.into()),
        }
    }
}

struct Streamed {
    common: Common,
    /// Probabilities.
    wanted: bool,
    usage: bool,
    counted: Option<Usage>,
}

impl Streamed {
    fn logprobs(&self, token: Option<(&str, sampler::Logprobs)>) -> Option<Logprobs> {
        let content = token.map(|(text, logprobs)| TokenLogprob::new(text, logprobs)).into_iter().collect();
        self.wanted.then_some(Logprobs { content, refusal: None })
    }
}

impl Chunks for Streamed {
    fn begin(&mut self, out: &mut Out) {
        out.push(&ChatCompletionChunk::delta(&self.common, Delta::role(), None, self.usage));
    }

    fn event(&mut self, _: usize, event: Event, out: &mut Out) {
        let mut push = |pieces, logprobs| {
            let chunks = ChatCompletionChunk::token(&self.common, pieces, logprobs, self.usage);
            chunks.iter().for_each(|chunk| out.push(chunk));
        };
        match event {
            Event::Token { text, pieces, in_content, logprobs, .. } => {
                let token = logprobs.filter(|_| in_content).map(|logprobs| (text.as_str(), logprobs));
                push(pieces, self.logprobs(token));
            }
            Event::Done { summary, pieces, called, .. } => {
                push(pieces, self.logprobs(None));
                self.counted = Some(summary.usage.into());
                let reason = FinishReason::of(summary.finish_reason, called);
                out.push(&ChatCompletionChunk::end(&self.common, reason, summary.timings, self.usage));
            }
            Event::Begun { .. } | Event::Failed(_) => {}
        }
    }

    fn end(&mut self, out: &mut Out) {
        if let Some(usage) = self.counted.filter(|_| self.usage) {
            out.push(&ChatCompletionChunk::usage(&self.common, usage));
        }
    }
}
