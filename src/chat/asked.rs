//! What a request comes to: a prompt, what its answer has to be, and who reads it.

use super::{Chat, Message, Reader, Tools, Variables};
use crate::Result;
use crate::constraint::{Constraint, Opening, ResponseFormat, Spelled};
use crate::model::Loaded;
use crate::session::GenerateOptions;
use std::sync::Arc;

/// A request, ready to be answered.
pub struct Asked {
    /// The prompt.
    pub prompt: Vec<u32>,
    /// What the answer has to be.
    pub format: Option<ResponseFormat>,
    opening: Opening,
    /// Of a talk.
    chat: Option<Chat>,
}

impl Asked {
    /// Of a prompt that is no talk.
    pub fn of_prompt(prompt: Vec<u32>, format: Option<ResponseFormat>) -> Self {
        Asked { prompt, format, opening: Opening::default(), chat: None }
    }

    /// Of a talk. An answer of which the prompt has a part already has `begun`: it is past its thoughts.
    ///
    /// # Errors
    /// Those of [`Template::chat`](super::Template::chat) and [`Chat::format`].
    pub fn of_talk(
        loaded: &Loaded,
        messages: &[Message],
        tools: &Tools,
        variables: &Variables,
        format: Option<&ResponseFormat>,
        begun: bool,
    ) -> Result<Self> {
        let mut chat = loaded.template.chat(&loaded.tokenizer, messages, tools, variables)?;
        let format = chat.format(format)?;
        let opening = if begun { Opening::default() } else { chat.opening() };
        Ok(Asked { prompt: std::mem::take(&mut chat.prompt), format, opening, chat: Some(chat) })
    }

    /// What a user should know of the way in which the tools are offered.
    pub fn note(&self) -> Option<&str> {
        self.chat.as_ref().and_then(Chat::note)
    }

    /// Who reads the answer, where it is one of a talk. The same seed gives the calls of the same talk the same ids.
    pub fn reader(&self, seed: u64) -> Option<Reader> {
        self.chat.as_ref().map(|chat| chat.reader(seed))
    }

    /// The options with which an answer can be read.
    pub fn readable(&self, options: GenerateOptions) -> GenerateOptions {
        GenerateOptions { spelled: self.spelled(), ..options }
    }

    /// Lets a form begin where in the answer it does.
    pub fn constrain(&self, loaded: &Arc<Loaded>, form: Box<dyn Constraint>) -> Box<dyn Constraint> {
        self.opening.constrain(form, Spelled { loaded: Arc::clone(loaded), control: self.spelled() })
    }

    fn spelled(&self) -> Vec<u32> {
        self.chat.as_ref().map(|chat| chat.spelled.clone()).unwrap_or_default()
    }
}
