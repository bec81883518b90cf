//! `b158 chat`: a conversation, line by line.

use super::generate::{Sampling, report, stream};
use super::load::{Context, Model};
use super::template::TemplateVariables;
use super::{Outcome, interrupt};
use b158::chat::Message;
use clap::Args;
use rustyline::error::ReadlineError;
use std::io::{Write, stdout};

#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    sampling: Sampling,
    /// System message before the first turn.
    #[arg(long = "system-prompt", visible_alias = "sys", value_name = "TEXT")]
    system_prompt: Option<String>,
    #[command(flatten)]
    variables: TemplateVariables,
}

impl Chat {
    pub(crate) fn run(self) -> Outcome {
        interrupt::listen();
        let loaded = self.model.load()?;
        let mut session = self.context.session(loaded.clone(), &self.model)?;
        let mut editor = rustyline::DefaultEditor::new()?;
        let mut messages: Vec<Message> = Vec::new();
        messages.extend(self.system_prompt.iter().map(|text| Message::new("system", text)));
        if !self.model.quiet {
            eprintln!("Type a message. Ctrl-C ends an answer, Ctrl-D the conversation, /clear forgets it.");
        }
        loop {
            let line = match editor.readline("> ") {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            match line.trim() {
                "" => continue,
                "/clear" => {
                    messages.retain(|message| message.role == "system");
                    continue;
                }
                _ => {}
            }
            let _ = editor.add_history_entry(&line);
            messages.push(Message::new("user", &line));
            let prompt = loaded.template.encode_with(
                &loaded.tokenizer,
                &messages,
                true,
                &self.variables.chat_template_kwargs,
            )?;
            interrupt::take();
            if let Err(error) = session.start(&prompt, self.sampling.options()?) {
                // The conversation is as it was before the message.
                messages.pop();
                eprintln!("error: {error}; /clear starts afresh");
                continue;
            }
            let mut out = stdout().lock();
            let mut answer = String::new();
            let summary = stream(&mut session, |_, text| {
                answer += text;
                write!(out, "{text}")?;
                Ok(out.flush()?)
            })?;
            answer += &summary.text;
            writeln!(out, "{}", summary.text)?;
            drop(out);
            messages.push(Message::new("assistant", answer.trim()));
            if !self.model.quiet {
                report(&summary);
            }
        }
    }
}
