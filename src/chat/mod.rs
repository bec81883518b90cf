//! Messages to a prompt: the model's chat template, and how its special tokens are kept apart from what people type.
//!
//! A GGUF brings its template as a Jinja program. It is run by an evaluator of our own (`jinja`), which counts every
//! byte and step. Where there is none, where it fails whatever the messages are, and for the published BitNet file, whose
//! template (`BITNETAssistant`) is known to be wrong, the vocabulary decides: one with `<|im_start|>` and `<|im_end|>` gets
//! ChatML, any other the template of BitNet b1.58-2B-4T as Hugging Face has it:
//!
//! ```text
//! User: Hello<|eot_id|>Assistant: Hi!<|eot_id|>User: And you?<|eot_id|>Assistant: ␣
//! ```
//!
//! [`Template::encode`] turns only the template's own special strings into special tokens. A message that holds
//! `<|eot_id|>` is encoded as the ten characters it is, whatever the template does with it: each byte of a string knows
//! who wrote it.
//!
//! A conversation that ends with an assistant's turn is continued: the prompt ends where that turn's text does. One without text begins
//! another answer, also after an assistant's turn.
//!
//! [`Template::chat`] takes tools too, and gives all that an answer with calls needs: what it may be, where in it that begins, and who
//! reads it ([`Reader`]) into words, thoughts and calls.
//!
//! Next: [`session`](crate::session), which reads the prompt and answers.

mod answer;
mod asked;
mod jinja;
mod message;
mod request;
mod telling;
mod tools;

#[cfg(test)]
mod tests;

use crate::gguf::Metadata;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use jinja::{Fault, Inputs, Mark, Meter, Text, Turn};
use std::ops::Range;
use std::rc::Rc;
use tools::{CallFormat, Probe};

pub use answer::{Piece, Reader};
pub use asked::Asked;
pub use jinja::{Variable, Variables};
pub use message::{CalledFunction, Message, ToolCall, ToolKind};
pub use request::Chat;
pub use telling::{Telling, Told};
pub use tools::{Tool, ToolChoice, Tools};

/// The key of a file's own template.
const KEY: &str = "tokenizer.chat_template";

/// BitNet b1.58-2B-4T's template as its Hugging Face repository has it, but for begin-of-text, which the tokenizer
/// adds. `turn_end` is `<|eot_id|>` where the vocabulary has it.
const BITNET: &str = "{% for message in messages %}\
    {{ message['role'] | capitalize + ': ' + message['content'] | trim + turn_end }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

/// What models with its two tokens were trained on, whatever else they add. An empty thought is how those that think are
/// told not to.
const CHAT_ML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}\
    {% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}\
    {% endif %}";

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `tokenizer.chat_template` of the file, or an override of it.
    File,
    /// Built in: that of BitNet b1.58-2B-4T.
    BitNet,
    /// Built in: ChatML, for a vocabulary with its tokens.
    ChatMl,
}

impl Source {
    /// The built-in template that suits a vocabulary.
    fn built_in(tokenizer: &Tokenizer) -> Self {
        let both = ["<|im_start|>", "<|im_end|>"].iter().all(|name| tokenizer.special_id(name).is_some());
        if both { Self::ChatMl } else { Self::BitNet }
    }

    /// Its text, and what notes call it.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::ChatMl => (CHAT_ML, "ChatML, whose tokens the vocabulary has"),
            Self::File | Self::BitNet => (BITNET, "BitNet b1.58-2B-4T's"),
        }
    }
}

/// A chat template, ready to render.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    source: Source,
    bos: String,
    eos: String,
    turn_end: String,
    /// How it has tools called, or why not in a form that is known, where it has a word of tools.
    call_format: Result<&'static CallFormat, Option<String>>,
    notes: Vec<String>,
}

impl Template {
    /// The file's own template where it is sane, else a built-in one; [`Self::notes`] says why.
    pub fn from_metadata(m: &Metadata, tokenizer: &Tokenizer) -> Self {
        let spelled = |id: Option<u32>| {
            let bytes = id.map(|id| tokenizer.bytes_with(id, true)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let turn_end = match tokenizer.eot().or(tokenizer.eos()) {
            Some(id) => spelled(Some(id)),
            None => "\n".to_owned(),
        };
        let source = Source::built_in(tokenizer);
        let (built_in, name) = source.text();
        let mut template = Self {
            text: built_in.to_owned(),
            source,
            bos: spelled(tokenizer.bos()),
            eos: spelled(tokenizer.eos()),
            turn_end,
            call_format: Err(None),
            notes: Vec::new(),
        };
        match m.str(KEY) {
            Ok(None) => template.notes.push(format!("no `{KEY}` in the file: using {name}")),
            Ok(Some(own)) => match template.try_own(own) {
                Ok(()) => {
                    template.source = Source::File;
                    template.find_call_format();
                }
                Err(why) => {
                    template.text = built_in.to_owned();
                    template.notes.push(format!("the file's own chat template is not used: {why}; using {name}"));
                }
            },
            Err(why) => template.notes.push(format!("{why}; using {name}")),
        }
        template
    }

    /// Takes the file's template if there is a talk that it renders, or refuses in words of its own.
    fn try_own(&mut self, own: &str) -> Result<(), String> {
        if own.contains("BITNETAssistant") {
            return Err("it is the one published with BitNet b1.58-2B-4T by mistake, which the model was not \
                        trained with"
                .to_owned());
        }
        self.text = own.to_owned();
        let probe = "a first message";
        let (system, user) = (Message::new("system", "a rule"), Message::new("user", probe));
        let mut why = None;
        for talk in
            [vec![user.clone()], vec![system, user.clone()], vec![user.clone(), Message::new("assistant", "yes"), user]]
        {
            match self.render(&talk, true) {
                Ok(text) if text.contains(probe) => return Ok(()),
                Ok(_) => why.get_or_insert_with(|| "it loses the user's message".to_owned()),
                // It runs, and the messages may be such that it takes them.
                Err(Error::RefusedMessages { .. }) => return Ok(()),
                Err(Error::BadTemplate { reason }) => why.get_or_insert(reason),
                Err(other) => why.get_or_insert_with(|| other.to_string()),
            };
        }
        why.map_or(Ok(()), Err)
    }

    /// Finds out whether it takes tools, and in which form it has them called.
    fn find_call_format(&mut self) {
        if !self.text.contains("tools") {
            return;
        }
        let probe = Probe::new();
        let found = Tools::new(vec![probe.tool.clone()], ToolChoice::Auto, true).and_then(|tools| {
            let tools = tools.to_variable()?;
            let text = |messages: &[Message]| {
                let text = self.run(messages, Some(&tools), true, &Variables::NONE)?.0;
                Ok::<_, Error>(text.as_str().to_owned())
            };
            Ok(probe.format(&text(&probe.question)?, &text(&probe.answered)?))
        });
        self.call_format = found.unwrap_or_else(|error| Err(error.to_string().into())).map_err(|why| {
            Some(format!(
                "tools are listed in a system message, and not in the way of the file's own chat template: {why}"
            ))
        });
    }

    /// What a user should know about the choice, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the template comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The prompt as text; `add_generation_prompt` ends it where the assistant's answer begins, or, in a talk that ends
    /// with an answer, where that goes on. For reading: text of a message that spells a special token looks like one
    /// here. Use [`Self::encode`] for ids.
    ///
    /// # Errors
    /// [`Error::BadTemplate`] if the template fails or passes its limits, [`Error::RefusedMessages`] if it refuses the
    /// messages (`raise_exception`) or leaves out the answer that is to be continued. The next messages may be fine.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        self.render_with(messages, add_generation_prompt, &Variables::NONE)
    }

    /// As [`Self::render`], with variables for the template, such as `enable_thinking`.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_with(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        variables: &Variables,
    ) -> Result<String> {
        let (text, end) = self.run_with_tools(messages, &Tools::default(), add_generation_prompt, variables)?;
        Ok(text.as_str().get(..end).unwrap_or_default().to_owned())
    }

    /// The prompt as ids, begin-of-text included where the file wants it. Only special strings that the template
    /// itself writes become special tokens.
    ///
    /// # Errors
    /// As [`Self::render`] and [`Tokenizer::encode`].
    pub fn encode(&self, tokenizer: &Tokenizer, messages: &[Message], add_generation_prompt: bool) -> Result<Vec<u32>> {
        self.encode_with(tokenizer, messages, add_generation_prompt, &Variables::NONE)
    }

    /// As [`Self::encode`], with variables for the template, such as `enable_thinking`.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
        variables: &Variables,
    ) -> Result<Vec<u32>> {
        let (text, end) = self.run_with_tools(messages, &Tools::default(), add_generation_prompt, variables)?;
        self.ids(tokenizer, &text, end)
    }

    fn ids(&self, tokenizer: &Tokenizer, text: &Text, end: usize) -> Result<Vec<u32>> {
        // Where control tokens are looked for, and where none of them begins.
        let mut written: Vec<Range<usize>> = Vec::new();
        let mut given: Vec<Range<usize>> = Vec::new();
        for (range, mark) in text.runs(0..end) {
            if mark > Mark::Caller {
                continue;
            }
            if mark == Mark::Caller {
                given.push(range.clone());
            }
            match written.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => written.push(range),
            }
        }
        let begins = |at: usize| {
            let next = given.partition_point(|range| range.end <= at);
            given.get(next).is_none_or(|range| at < range.start)
        };
        let mut ids = Vec::new();
        tokenizer.encode_written(text.as_str().get(..end).unwrap_or_default(), &written, begins, &mut ids)?;
        let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
        if let Some(bos) = bos.filter(|&bos| ids.first() != Some(&bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// As [`Self::run`]. Tools, calls and results are told in words where the template has no form for them.
    fn run_with_tools(
        &self,
        messages: &[Message],
        tools: &Tools,
        add_generation_prompt: bool,
        variables: &Variables,
    ) -> Result<(Text, usize)> {
        if add_generation_prompt && messages.last().is_some_and(Message::calls) {
            return Err(Error::RefusedMessages {
                reason: "the talk ends where tools were called: add a message of the role tool for each call"
                    .to_owned(),
            });
        }
        let run = |messages: &[Message], tools| self.run(messages, tools, add_generation_prompt, variables);
        // Who hands tools to the template knows its form.
        if self.call_format.is_ok() || variables.has("tools") {
            let listed = if tools.are_offered() { Some(tools.to_variable()?) } else { None };
            return run(&tools::named(messages), listed.as_ref());
        }
        let told = tools::retold(messages);
        if !tools.are_offered() {
            return run(&told, None);
        }
        let described = tools::described(tools);
        let first = run(&tools::in_system(&told, &described), None);
        if first.as_ref().is_ok_and(|(text, _)| text.as_str().contains(&described)) {
            return first;
        }
        // It takes no system message, or leaves it out.
        let second = run(&tools::in_question(&told, &described), None);
        match second {
            Ok((text, _)) if !text.as_str().contains(&described) => {
                Err(Error::RefusedMessages { reason: "it leaves out the list of tools".to_owned() })
            }
            Ok(rendered) => Ok(rendered),
            Err(why) => first.and(Err(why)),
        }
    }

    /// The rendered text and where the prompt ends in it.
    fn run(
        &self,
        messages: &[Message],
        tools: Option<&Variable>,
        add_generation_prompt: bool,
        variables: &Variables,
    ) -> Result<(Text, usize)> {
        // An answer that has not begun is what the generation prompt is for.
        let begun = |m: &&Message| m.role == "assistant" && add_generation_prompt;
        let (messages, anew) = match messages.split_last() {
            Some((last, before)) if begun(&last) && last.content.is_empty() => (before, true),
            _ => (messages, false),
        };
        let continued = !anew && messages.last().filter(begun).is_some();
        let turn = |m| Turn { message: m, mark: Mark::Message };
        let mut turns: Vec<Turn> = messages.iter().map(turn).collect();
        if let Some(last) = turns.last_mut().filter(|_| continued) {
            last.mark = Mark::Continued;
        }
        let said: usize = messages.iter().map(Message::bytes).sum();
        let said = said.saturating_add(variables.bytes()).saturating_add(tools.map_or(0, Variable::bytes));
        let inputs = Inputs {
            turns: &turns,
            add_generation_prompt: add_generation_prompt && !continued,
            words: &[("bos_token", &self.bos), ("eos_token", &self.eos), ("turn_end", &self.turn_end)],
            tools,
            arguments_as_text: false,
            no_tools_defined: true,
            variables,
        };
        let render = |inputs: &Inputs| jinja::render(&self.text, inputs, &meter(self.text.len(), messages.len(), said));
        let mut rendered = render(&inputs);
        // Some templates join the arguments of calls to text, and some loop over tools without asking whether there are any.
        let others = [
            (messages.iter().any(Message::calls), Inputs { arguments_as_text: true, ..inputs }),
            (tools.is_none(), Inputs { no_tools_defined: false, ..inputs }),
        ];
        for (_, other) in others.iter().filter(|(sensible, _)| *sensible) {
            if rendered.as_ref().is_err_and(|fault| matches!(**fault, Fault::Failed { .. })) {
                rendered = render(other).or(rendered);
            }
        }
        let text = rendered.map_err(|fault| match *fault {
            Fault::Refused(reason) => Error::RefusedMessages { reason },
            Fault::Failed { line: Some(line), reason } => {
                Error::BadTemplate { reason: format!("line {line}: {reason}") }
            }
            Fault::Failed { line: None, reason } => Error::BadTemplate { reason },
            Fault::Memory { limit } => Error::BadTemplate {
                reason: format!("it needs more than {limit} bytes of memory for {said} bytes of messages"),
            },
            Fault::Work { limit } => Error::BadTemplate { reason: format!("it runs for more than {limit} steps") },
        })?;
        let end = if continued {
            let last = text.runs(0..text.as_str().len()).filter(|(_, mark)| *mark == Mark::Continued).last();
            let Some((range, _)) = last else {
                return Err(Error::RefusedMessages {
                    reason: "it leaves out the answer that is to be continued: end the talk with a user's message"
                        .to_owned(),
                });
            };
            range.end
        } else {
            text.as_str().len()
        };
        Ok((text, end))
    }
}

/// What a template may spend on these messages. Those in use hold their tree, some 60 times the source, and some three
/// times the messages; they take some hundreds of steps a message, and with tools and many turns some thousands.
fn meter(source: usize, messages: usize, said: usize) -> Rc<Meter> {
    const MEMORY: usize = 256 << 10;
    const MOST_FOR_THE_SOURCE: usize = 8 << 20;
    /// Marks and offsets have 32 bits.
    const MOST_MEMORY: usize = 1 << 30;
    const WORK: u64 = 2_000_000;
    const MOST_WORK: u64 = 100_000_000;
    let of_source = source.saturating_mul(128).min(MOST_FOR_THE_SOURCE);
    let of_messages = said.saturating_mul(16).saturating_add(messages.saturating_mul(1024));
    let memory = of_messages.saturating_add(MEMORY + of_source).min(MOST_MEMORY);
    let for_messages = (said as u64).saturating_mul(8).saturating_add((messages as u64).saturating_mul(50_000));
    Meter::new(memory, for_messages.saturating_add(WORK).min(MOST_WORK))
}
