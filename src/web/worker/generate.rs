//! One generation: slices of it, with a look at the messages in between.

use super::super::protocol::{Constrained, FromWorker, GenerateRequest, PlainError, Read, Token};
use super::Worker;
use super::forms::Formed;
use crate::chat::{Asked, Telling, Tools, Variables};
use crate::model::Loaded;
use crate::sampler::SamplerOptions;
use crate::session::{GenerateOptions, Step};
use crate::tokenizer::Special;
use crate::{Error, Result};
use std::rc::Rc;
use std::time::Duration;
use web_time::Instant;

/// How long the worker is deaf: a step of a prompt returns after this time (a layer is never cut), and so does a row of tokens.
pub(super) const SLICE: Duration = Duration::from_millis(8);

pub(super) async fn generate(
    worker: &Rc<Worker>,
    id: u32,
    session: u32,
    request: GenerateRequest,
) -> Result<(), PlainError> {
    let engine = worker.engine()?;
    let session = engine.session(session)?;
    worker.jobs.cancelled.set(false);
    worker.jobs.running.set(Some(id));
    let ended = async {
        let asked = asked(&engine.loaded, &request)?;
        let mut form = None;
        if let Some(format) = &asked.format {
            let formed = worker.formed(id, &engine.loaded, format, request.begun.as_deref());
            match worker.jobs.unless_cancelled(formed).await {
                Some(formed) => form = Some(formed?),
                None => {
                    worker.cancelled_before(id);
                    return Ok(());
                }
            }
        }
        let mut notes = form.as_ref().map(Formed::notes).unwrap_or_default();
        notes.extend(asked.note().map(str::to_owned));
        let reads = request.pieces.unwrap_or_default();
        let reader = asked.reader(request.seed.map_or(0, |seed| seed as u64)).filter(|_| reads);
        {
            let mut session = session.borrow_mut();
            let options = options(request)?;
            let options = if reader.is_some() { asked.readable(options) } else { options };
            session.start(&asked.prompt, options)?;
            if let Some(form) = form {
                session.constrain(asked.constrain(&engine.loaded, Box::new(form)))?;
            }
        }
        run(worker, id, &session, notes, Telling::new(reader)).await
    };
    let ended = ended.await;
    worker.jobs.running.set(None);
    ended
}

async fn run(
    worker: &Worker,
    id: u32,
    session: &super::engine::Shared,
    mut notes: Vec<String>,
    mut telling: Telling<Token>,
) -> Result<(), PlainError> {
    let began = Instant::now();
    let mut slice = began;
    let mut said = Said { id, tokens: Vec::new(), prefill: None };
    loop {
        // Messages are heard between slices alone: nobody else is at the session here.
        let step = {
            let mut session = session.borrow_mut();
            if worker.jobs.cancelled.take() {
                session.cancel();
            }
            session.step(SLICE)
        };
        // What came before an error has come.
        let step = step.inspect_err(|_| {
            said.tokens.extend(telling.rest());
            said.flush(worker);
        })?;
        let elapsed_ms = began.elapsed().as_secs_f64() * 1e3;
        match step {
            Step::Prefill { done, total } => said.prefill = Some((done, total)),
            Step::Pass => {}
            Step::Token { id, text, logprobs } => {
                let read = text.clone();
                let token = |pieces: Option<Vec<_>>| Token {
                    id: Some(id),
                    text,
                    elapsed_ms,
                    log_probability: logprobs.map(|l| l.log_probability),
                    entropy: logprobs.map(|l| l.entropy),
                    read: pieces.map(|pieces| Read { pieces, in_content: false }),
                };
                telling.push(&read, token, |token, in_content| said.token(token, in_content));
            }
            Step::Done(end) => {
                let told =
                    telling.finish(&end.text, end.finish_reason, |token, in_content| said.token(token, in_content));
                let called = told.as_ref().map(|told| told.called);
                let read = told.map(|told| Read { pieces: told.pieces, in_content: false });
                if !end.text.is_empty() || read.as_ref().is_some_and(|read| !read.pieces.is_empty()) {
                    let text = end.text;
                    said.tokens.push(Token { id: None, text, elapsed_ms, log_probability: None, entropy: None, read });
                }
                said.flush(worker);
                let (finish_reason, usage, timings) = (end.finish_reason, end.usage, end.timings);
                let constraint = end.constraint.map(|stats| Constrained { stats, notes: std::mem::take(&mut notes) });
                worker.post(&FromWorker::Done { id, finish_reason, usage, timings, constraint, called });
                return Ok(());
            }
        }
        if slice.elapsed() >= SLICE {
            said.flush(worker);
            worker.breath.take().await;
            slice = Instant::now();
        }
    }
}

/// What the page has not heard.
struct Said {
    id: u32,
    tokens: Vec<Token>,
    prefill: Option<(usize, usize)>,
}

impl Said {
    /// A token, of which it is certain whether it is content where somebody reads the answer.
    fn token(&mut self, mut token: Token, in_content: Option<bool>) {
        if let Some((read, in_content)) = token.read.as_mut().zip(in_content) {
            read.in_content = in_content;
        }
        self.tokens.push(token);
    }

    fn flush(&mut self, worker: &Worker) {
        let id = self.id;
        if let Some((done, total)) = self.prefill.take() {
            worker.post(&FromWorker::Prefill { id, done, total });
        }
        if !self.tokens.is_empty() {
            let tokens = std::mem::take(&mut self.tokens);
            worker.post(&FromWorker::Tokens { id, tokens });
        }
    }
}

/// What a request comes to.
pub(super) fn asked(loaded: &Loaded, request: &GenerateRequest) -> Result<Asked> {
    let choice = request.tool_choice.clone().unwrap_or_default();
    let parallel = request.parallel_tool_calls.unwrap_or(true);
    let tools = Tools::new(request.tools.clone().unwrap_or_default(), choice, parallel)?;
    let format = request.response_format.as_ref();
    let Some(messages) = request.messages.as_ref().filter(|_| request.ids.is_none()) else {
        let special = Special { add_bos: None, parse: request.parse_special.unwrap_or_default() };
        let prompt = match &request.ids {
            Some(ids) => ids.clone(),
            None => loaded.tokenizer.encode_prompt(request.prompt.as_deref().unwrap_or_default(), special)?,
        };
        return Ok(Asked::of_prompt(prompt, format.cloned()));
    };
    let none = Variables::NONE;
    let variables = request.chat_template_kwargs.as_ref().unwrap_or(&none);
    let begun = request.begun.as_ref().is_some_and(|begun| !begun.is_empty());
    Asked::of_talk(loaded, messages, &tools, variables, format, begun)
}

fn options(request: GenerateRequest) -> Result<GenerateOptions> {
    let d = SamplerOptions::default();
    let mut logit_bias = Vec::new();
    for (id, bias) in request.logit_bias.unwrap_or_default() {
        let parsed = id.parse().map_err(|_| Error::BadOption {
            option: "logitBias",
            value: id,
            reason: "its keys are token ids",
        })?;
        logit_bias.push((parsed, bias));
    }
    Ok(GenerateOptions {
        max_tokens: request.max_tokens,
        sampler: SamplerOptions {
            temperature: request.temperature.unwrap_or(d.temperature),
            top_k: request.top_k.unwrap_or(d.top_k),
            top_p: request.top_p.unwrap_or(d.top_p),
            min_p: request.min_p.unwrap_or(d.min_p),
            repeat_penalty: request.repeat_penalty.unwrap_or(d.repeat_penalty),
            repeat_last_n: request.repeat_last_n.unwrap_or(d.repeat_last_n),
            presence_penalty: request.presence_penalty.unwrap_or(d.presence_penalty),
            frequency_penalty: request.frequency_penalty.unwrap_or(d.frequency_penalty),
            seed: request.seed.map_or(d.seed, |seed| seed as u64),
            logit_bias,
        },
        stop: request.stop.unwrap_or_default(),
        ignore_end: false,
        special: false,
        spelled: Vec::new(),
        logprobs: request.log_probabilities.unwrap_or_default(),
    })
}
