//! A request for an answer: messages and tools become a prompt, what the answer may be, and who reads it.

use super::answer::{Expected, Reader, THINK, THOUGHT};
use super::jinja::{Mark, Text, Variables};
use super::tools::{Form, From, HERMES, ToolChoice, Tools};
use super::{Message, Template};
use crate::Result;
use crate::constraint::{Constraint, Opening, ResponseFormat, Trigger};
use crate::tokenizer::Tokenizer;
use std::sync::Arc;
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
    thoughts: Thoughts,
    /// The token that begins a thought.
    think: Option<u32>,
    form: &'static Form,
    tools: Tools,
    control: Vec<&'static str>,
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
        let form = self.form.unwrap_or(&HERMES);
        let marks = [form.begin, form.end, THINK, THOUGHT];
        let control = |name: &&&'static str| tokenizer.control_id(name).is_some();
        let knows = tokenizer.special_id(THINK).is_some() || self.text.contains(THINK);
        Ok(Chat {
            prompt: self.ids(tokenizer, &text, end)?,
            spelled: marks.iter().filter_map(|name| tokenizer.control_id(name)).collect(),
            thoughts: thoughts(&text, end, knows),
            think: tokenizer.special_id(THINK),
            form,
            tools: tools.clone(),
            control: marks.iter().filter(control).copied().collect(),
        })
    }
}

/// What the end of a prompt says of thoughts: the words after the last message are the template's, or of an answer that goes on.
fn thoughts(text: &Text, end: usize, known: bool) -> Thoughts {
    let messages = text.runs(0..end).filter(|(_, mark)| matches!(mark, Mark::Message | Mark::Caller));
    let answer = messages.last().map_or(0, |(range, _)| range.end);
    let tail = text.as_str().get(answer..end).unwrap_or_default();
    match (tail.rfind(THINK), tail.rfind(THOUGHT)) {
        (Some(begun), Some(ended)) if begun < ended => Thoughts::None,
        (Some(_), _) => Thoughts::Begun,
        (None, Some(_)) => Thoughts::None,
        (None, None) if known => Thoughts::Possible,
        (None, None) => Thoughts::None,
    }
}

impl Chat {
    /// What the answer has to be for the sake of its tools; nothing where it calls none.
    pub fn format(&self) -> Option<ResponseFormat> {
        self.tools.are_offered().then(|| {
            let from = if self.waits() { From::Trigger } else { From::Start };
            // The form that we ask for is text, whatever tokens there are.
            let control = |word: &str| self.control.contains(&word);
            self.form.calls(self.tools.offered(), self.tools.several(), from, control)
        })
    }

    /// Whether a call may come, or may not: its form begins where the answer does what calls begin with.
    fn waits(&self) -> bool {
        *self.tools.choice() == ToolChoice::Auto
    }

    /// Where in the answer a form begins: [`Self::format`]'s, or one that the answer's content has.
    pub fn opening(&self) -> Opening {
        let trigger = (self.tools.are_offered() && self.waits()).then_some(match self.form.begin {
            "" => (self.form.first_key(), true),
            begin => (begin, false),
        });
        Opening {
            thinks: self.thoughts == Thoughts::Begun,
            may_think: (self.thoughts == Thoughts::Possible).then_some(self.think).flatten(),
            trigger,
        }
    }

    /// A constraint that begins where the form does.
    pub fn constrain(&self, form: Box<dyn Constraint>, tokenizer: Arc<dyn Spells>) -> Box<dyn Constraint> {
        todo!()
    }

    /// Who reads the answer. The same seed gives the calls of the same talk the same ids.
    pub fn reader(&self, seed: u64) -> Reader {
        let calls = self.tools.are_offered().then(|| {
            let names = self.tools.offered().iter().map(|tool| tool.name.clone()).collect();
            (self.form, names)
        });
        let expected = Expected {
            thinks: self.thoughts == Thoughts::Begun,
            may_think: self.thoughts == Thoughts::Possible,
            calls,
        };
        let mut hash = XxHash3_64::with_seed(seed);
        for id in &self.prompt {
            std::hash::Hasher::write(&mut hash, &id.to_le_bytes());
        }
        Reader::new(expected, std::hash::Hasher::finish(&hash))
    }
}
