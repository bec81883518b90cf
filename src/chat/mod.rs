//! Messages to a prompt: the model's chat template, and how its special tokens are kept apart from what people type.
//!
//! A GGUF brings its template as a Jinja program. It runs in `minijinja` without loader, files or attributes, with
//! limits on its work, depth and output, and only if `sane.rs` finds that it cannot grow without bound. Otherwise, and
//! for the published BitNet file, whose template (`BITNETAssistant`) is known to be wrong, the template of BitNet
//! b1.58-2B-4T as Hugging Face has it is used:
//!
//! ```text
//! User: Hello<|eot_id|>Assistant: Hi!<|eot_id|>User: And you?<|eot_id|>Assistant: ␣
//! ```
//!
//! [`Template::encode`] turns only the template's own special strings into special tokens. A message that holds
//! `<|eot_id|>` is encoded as the ten characters it is.
//!
//! Next: [`session`](crate::session), which reads the prompt and answers.

mod environment;
mod protect;
mod sane;

#[cfg(test)]
mod tests;

use crate::gguf::Metadata;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use protect::Protected;
use serde::{Deserialize, Serialize};

/// The key of a file's own template.
const KEY: &str = "tokenizer.chat_template";

/// BitNet b1.58-2B-4T's template as its Hugging Face repository has it, but for begin-of-text, which the tokenizer
/// adds. `turn_end` is `<|eot_id|>` where the vocabulary has it.
const BITNET: &str = "{% for message in messages %}\
    {{ message['role'] | capitalize + ': ' + message['content'] | trim + turn_end }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said, plain text.
    pub content: String,
}

impl Message {
    /// A message of that role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `tokenizer.chat_template` of the file, or an override of it.
    File,
    /// Built in: that of BitNet b1.58-2B-4T.
    BitNet,
}

/// A chat template, ready to render.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    source: Source,
    bos: String,
    eos: String,
    turn_end: String,
    notes: Vec<String>,
}

impl Template {
    /// The file's own template where it is sane, else BitNet's; [`Self::notes`] says why.
    pub fn from_metadata(m: &Metadata, tokenizer: &Tokenizer) -> Self {
        let spelled = |id: Option<u32>| {
            let bytes = id.map(|id| tokenizer.bytes_with(id, true)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let turn_end = match tokenizer.eot().or(tokenizer.eos()) {
            Some(id) => spelled(Some(id)),
            None => "\n".to_owned(),
        };
        let mut template = Self {
            text: BITNET.to_owned(),
            source: Source::BitNet,
            bos: spelled(tokenizer.bos()),
            eos: spelled(tokenizer.eos()),
            turn_end,
            notes: Vec::new(),
        };
        match m.str(KEY) {
            Ok(None) => template.notes.push(format!("no `{KEY}` in the file: using BitNet b1.58-2B-4T's")),
            Ok(Some(own)) => match template.try_own(own) {
                Ok(()) => template.source = Source::File,
                Err(why) => {
                    template.text = BITNET.to_owned();
                    template
                        .notes
                        .push(format!("the file's own chat template is not used: {why}; using BitNet b1.58-2B-4T's"));
                }
            },
            Err(why) => template.notes.push(format!("{why}; using BitNet b1.58-2B-4T's template")),
        }
        template
    }

    /// Takes the file's template if it is sane, says something for a first message, and keeps that message.
    fn try_own(&mut self, own: &str) -> Result<(), String> {
        if own.contains("BITNETAssistant") {
            return Err("it is the one published with BitNet b1.58-2B-4T by mistake, which the model was not \
                        trained with"
                .to_owned());
        }
        sane::check(own)?;
        self.text = own.to_owned();
        let probe = "a first message";
        match self.render(&[Message::new("user", probe)], true) {
            Ok(text) if text.contains(probe) => Ok(()),
            Ok(_) => Err("it loses the user's message".to_owned()),
            Err(Error::BadTemplate { reason }) => Err(reason),
            Err(other) => Err(other.to_string()),
        }
    }

    /// What a user should know about the choice, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the template comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The prompt as text; `add_generation_prompt` ends it where the assistant's answer begins. For reading: text
    /// of a message that spells a special token looks like one here. Use [`Self::encode`] for ids.
    ///
    /// # Errors
    /// [`Error::BadTemplate`] if the template fails, refuses the messages (`raise_exception`) or passes its limits.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        environment::render(self, messages, add_generation_prompt)
    }

    /// The prompt as ids, begin-of-text included where the file wants it. Only special strings that the template
    /// itself writes become special tokens.
    ///
    /// # Errors
    /// As [`Self::render`] and [`Tokenizer::encode`].
    pub fn encode(&self, tokenizer: &Tokenizer, messages: &[Message], add_generation_prompt: bool) -> Result<Vec<u32>> {
        let protected = Protected::new(tokenizer, messages, &self.text)?;
        let text = self.render(protected.messages(), add_generation_prompt)?;
        let mut ids = Vec::new();
        tokenizer.encode_restoring(&text, true, |piece| Ok(protected.restore(piece)), &mut ids)?;
        let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
        if let Some(bos) = bos.filter(|&bos| ids.first() != Some(&bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }
}
