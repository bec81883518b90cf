//! A request for an answer: messages and tools become a prompt, what the answer may be, and who reads it.

use super::answer::{Expected, Reader};
use super::jinja::{Mark, Text, Variables};
use super::tools::{CallFormat, From, HERMES, ToolChoice, Tools};
use super::{Message, Template};
use crate::constraint::{Opening, ResponseFormat, THINK, THOUGHT};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::hash::Hasher as _;
use twox_hash::XxHash3_64;

/// Whether an answer begins with a thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thoughts {
    /// The prompt says that it has none, or the model knows none.
    None,
    /// The model decides.
    Possible,
    /// The prompt ends inside of one.
    Begun,
}

/// What a talk and its tools come to, ready to be answered.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The prompt.
    pub prompt: Vec<u32>,
    /// Control tokens that the answer's text has to spell out to be read: see
    /// [`GenerateOptions::spelled`](crate::session::GenerateOptions).
    pub spelled: Vec<u32>,
    /// Of the prompt.
    hash: u64,
    thoughts: Thoughts,
    /// The token that begins a thought.
    think: Option<u32>,
    call_format: &'static CallFormat,
    /// Why that is not the template's own, if it has one.
    note: Option<String>,
    tools: Tools,
    /// Of the form's marks, those that are control tokens.
    in_tokens: Vec<&'static str>,
}

impl Template {
    /// Makes a request's prompt, and all that its answer needs. Tools are listed as the model's template does it, where it does and
    /// its form of calls is known, else in a system message, or in front of the user's where the template takes no system message.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn chat(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        tools: &Tools,
        variables: &Variables,
    ) -> Result<Chat> {
        let (text, end) = self.run_with_tools(messages, tools, true, variables)?;
        let call_format = *self.call_format.as_ref().unwrap_or(&&HERMES);
        // A format that we ask for in words is written in words.
        let of_template = self.call_format.is_ok();
        let mut control = vec![call_format.begin, call_format.end, THINK, THOUGHT];
        control.retain(|name| tokenizer.control_id(name).is_some());
        let knows = tokenizer.special_id(THINK).is_some() || self.text.contains(THINK);
        let prompt = self.ids(tokenizer, &text, end)?;
        let mut hash = XxHash3_64::with_seed(0);
        prompt.iter().for_each(|id| hash.write(&id.to_le_bytes()));
        Ok(Chat {
            prompt,
            hash: hash.finish(),
            spelled: control.iter().filter_map(|name| tokenizer.control_id(name)).collect(),
            thoughts: thoughts(&text, end, knows),
            think: tokenizer.special_id(THINK),
            call_format,
            note: self.call_format.as_ref().err().cloned().flatten(),
            in_tokens: if of_template { control } else { Vec::new() },
            tools: tools.clone(),
        })
    }
}

/// What the end of a prompt says of thoughts: the words after the last message are the template's, or of an answer that goes on.
fn thoughts(text: &Text, end: usize, known: bool) -> Thoughts {
    let messages = text.runs(0..end).filter(|(_, mark)| matches!(mark, Mark::Message | Mark::Caller));
    let answer = messages.last().map_or(0, |(range, _)| range.end);
    let tail = text.as_str().get(answer..end).unwrap_or_default();
    let goes_on = text.runs(0..end).any(|(_, mark)| mark == Mark::Continued);
    match (tail.rfind(THINK), tail.rfind(THOUGHT)) {
        (Some(begun), Some(ended)) if begun < ended => Thoughts::None,
        (Some(_), _) => Thoughts::Begun,
        (None, Some(_)) => Thoughts::None,
        (None, None) if known && !goes_on => Thoughts::Possible,
        (None, None) => Thoughts::None,
    }
}

impl Chat {
    /// What the answer has to be: calls, where it may have some, else `given`.
    ///
    /// # Errors
    /// [`Error::BadTools`] where the answer may be words of the form `given`, and may be calls.
    pub fn format(&self, given: Option<&ResponseFormat>) -> Result<Option<ResponseFormat>> {
        if !self.tools.are_offered() {
            return Ok(given.cloned());
        }
        if self.waits() && given.is_some() {
            return Err(Error::BadTools {
                reason:
                    "an answer that has a form calls none: choose that one is called, or none, or leave the form out"
                        .to_owned(),
            });
        }
        let from = if self.waits() { From::Trigger } else { From::Start };
        let control = |word: &str| self.in_tokens.contains(&word);
        Ok(Some(self.call_format.calls(self.tools.offered(), self.tools.several(), from, control)))
    }

    /// What a user should know of the way in which the tools are offered.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref().filter(|_| self.tools.are_offered())
    }

    /// Whether the answer is free until a call begins.
    fn waits(&self) -> bool {
        self.tools.are_offered() && *self.tools.choice() == ToolChoice::Auto
    }

    /// Where in the answer its form begins: that of calls, or another that what is said has.
    pub fn opening(&self) -> Opening {
        let CallFormat { begin, .. } = self.call_format;
        let trigger = if begin.is_empty() { self.call_format.first_key() } else { begin };
        Opening {
            thinks: self.thoughts == Thoughts::Begun,
            may_think: self.thoughts == Thoughts::Possible,
            think: self.think,
            trigger: self.waits().then_some(trigger),
            only_first: begin.is_empty(),
        }
    }

    /// Who reads the answer. The same seed gives the calls of the same talk the same ids.
    pub fn reader(&self, seed: u64) -> Reader {
        let calls = self.tools.are_offered().then(|| {
            let names = self.tools.offered().iter().map(|tool| tool.name.clone()).collect();
            (self.call_format, names)
        });
        let expected = Expected {
            thinks: self.thoughts == Thoughts::Begun,
            may_think: self.thoughts == Thoughts::Possible,
            calls,
        };
        Reader::new(expected, seed ^ self.hash)
    }
}
