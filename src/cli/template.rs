//! `b158 template`: what a model's chat template makes of messages.

use super::inspect::header;
use super::load::Model;
use super::terminal::{self, say};
use super::{Outcome, join_ids};
use b158::chat::{Message, Template, Variables};
use b158::tokenizer::Tokenizer;
use clap::Args;
use std::io::{Read, stdin};

#[derive(Args)]
pub(crate) struct RenderTemplate {
    #[command(flatten)]
    model: Model,
    /// The messages as JSON: [{"role": "user", "content": "…"}, …]; read from standard input where absent.
    #[arg(long, value_name = "JSON")]
    messages: Option<String>,
    #[command(flatten)]
    variables: TemplateVariables,
    /// Do not end the prompt where the assistant's answer begins.
    #[arg(long)]
    no_generation_prompt: bool,
    /// Print token ids instead of text.
    #[arg(long)]
    ids: bool,
}

#[derive(Args)]
pub(crate) struct TemplateVariables {
    /// Variables for the chat template as JSON, such as {"enable_thinking": false}.
    #[arg(long, value_name = "JSON", value_parser = parse_variables, default_value = "{}", hide_default_value = true)]
    pub(crate) chat_template_kwargs: Variables,
}

fn parse_variables(text: &str) -> Result<Variables, String> {
    serde_json::from_str(text).map_err(|e| format!("{e}; write an object: {{\"enable_thinking\": false}}"))
}

impl RenderTemplate {
    pub(crate) fn run(self) -> Outcome {
        let messages = match self.messages {
            Some(text) => text,
            None => {
                let mut text = String::new();
                stdin().read_to_string(&mut text).map_err(|e| format!("standard input: {e}"))?;
                text
            }
        };
        let messages: Vec<Message> = serde_json::from_str(&messages)
            .map_err(|e| format!("messages: {e}; write a list: [{{\"role\": \"user\", \"content\": \"Hello\"}}]"))?;
        let decoder = header(&self.model)?;
        let tokenizer = Tokenizer::from_metadata(decoder.metadata())?;
        let template = Template::from_metadata(decoder.metadata(), &tokenizer);
        for note in template.notes().iter().filter(|_| !self.model.quiet) {
            say!("note: {note}");
        }
        let (open, variables) = (!self.no_generation_prompt, &self.variables.chat_template_kwargs);
        let mut out = terminal::out();
        if self.ids {
            let ids = template.encode_with(&tokenizer, &messages, open, variables)?;
            return Ok(out.line(&join_ids(&ids))?);
        }
        Ok(out.text(&template.render_with(&messages, open, variables)?)?)
    }
}
