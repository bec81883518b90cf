//! `b158 chat`: a conversation, line by line.

use super::generate::{Sampling, report, stream};
use super::load::{Context, Model};
use super::template::TemplateVariables;
use super::terminal::{self, say};
use super::{Outcome, interrupt, prompt, spelled};
use b158::chat::{Asked, Message, Tools, Variables};
use b158::constraint::Answer;
use b158::session::{GenerateOptions, Session};
use clap::Args;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::io::{BufRead, IsTerminal, Read, StdinLock, stdin};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    sampling: Sampling,
    /// System message before the first turn.
    #[arg(long = "system-prompt", visible_alias = "sys", value_name = "TEXT", allow_hyphen_values = true)]
    system_prompt: Option<String>,
    /// Read the system message from a file, without the line feed at its end.
    #[arg(long, value_name = "FILE", conflicts_with = "system_prompt")]
    system_prompt_file: Option<PathBuf>,
    /// The first message; the others come from standard input, a line each.
    #[arg(short = 'p', long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Read the first message from a file, without the line feed at its end.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "prompt")]
    file: Option<PathBuf>,
    /// End after the first answer.
    #[arg(long)]
    single_turn: bool,
    #[command(flatten)]
    variables: TemplateVariables,
}

/// The longest line, in bytes: far beyond any context.
const MAX_LINE: usize = 16 << 20;

impl Chat {
    pub(crate) fn run(self) -> Outcome {
        interrupt::listen();
        let quiet = self.model.quiet;
        let system = match &self.system_prompt_file {
            Some(file) => Some(prompt::file(file)?),
            None => self.system_prompt.clone(),
        };
        let mut first = match (&self.prompt, &self.file) {
            (Some(text), _) => Some(self.sampling.unescape("-p", text)?),
            (None, Some(file)) => Some(self.sampling.unescape("-f", &prompt::file(file)?)?),
            (None, None) => None,
        };
        let form = self.sampling.form.form()?;
        let loaded = self.model.load()?;
        let options = self.sampling.options(quiet)?;
        let form = form.map(|form| form.answer(&loaded, "", quiet)).transpose()?;
        let mut conversation = Conversation {
            session: self.context.session(loaded, &self.model)?,
            form,
            messages: system.iter().map(|text| Message::new("system", text)).collect(),
            options,
            variables: self.variables.chat_template_kwargs,
            quiet,
        };
        let mut lines = Lines::new()?;
        if !quiet && !self.single_turn {
            say!("Type a message. Ctrl-C ends an answer, Ctrl-D the conversation, /clear forgets it.");
        }
        loop {
            let line = match first.take() {
                Some(line) => line,
                None => match lines.next()? {
                    Line::Text(line) => line,
                    Line::Refused(reason) => {
                        say!("error: {reason}: it is left out");
                        continue;
                    }
                    Line::End => return Ok(()),
                },
            };
            match line.trim() {
                "" => continue,
                "/clear" => conversation.messages.retain(|message| message.role == "system"),
                _ => {
                    conversation.turn(line)?;
                    if self.single_turn {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// What has been said so far, and how to go on.
struct Conversation {
    session: Session,
    /// What every answer has to be.
    form: Option<Answer>,
    messages: Vec<Message>,
    options: GenerateOptions,
    variables: Variables,
    quiet: bool,
}

impl Conversation {
    /// Answers a message. What the template, the context or the model refuses costs this message, not the conversation.
    fn turn(&mut self, message: String) -> Outcome {
        self.messages.push(Message::new("user", message));
        let Err(error) = self.answer() else { return Ok(()) };
        // The conversation is as it was before the message.
        self.messages.pop();
        match error.downcast::<b158::Error>() {
            Ok(error) => {
                let more_room = matches!(*error, b158::Error::PromptTooLong { .. }) && self.messages.len() > 1;
                say!("error: {}{}", spelled(&*error), if more_room { "; /clear starts afresh" } else { "" });
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    fn answer(&mut self) -> Outcome {
        let loaded = self.session.loaded();
        let asked = Asked::of_talk(loaded, &self.messages, &Tools::default(), &self.variables, None, false)?;
        interrupt::take();
        let form = self.form.as_ref().map(|form| asked.constrain(loaded, Box::new(form.clone())));
        self.session.start(&asked.prompt, self.options.clone())?;
        if let Some(form) = form {
            self.session.constrain(form)?;
        }
        let mut out = terminal::out();
        let mut answer = String::new();
        let streamed = stream(&mut self.session, |_, text| {
            answer += text;
            Ok(out.text(text)?)
        });
        let summary = match streamed {
            Ok(summary) => summary,
            Err(error) => {
                // What there is of the answer keeps its line.
                if !answer.is_empty() && error.is::<b158::Error>() {
                    out.text("\n")?;
                }
                return Err(error);
            }
        };
        answer += &summary.text;
        out.text(&(summary.text.clone() + "\n"))?;
        self.messages.push(Message::new("assistant", answer.trim()));
        if !self.quiet {
            report(&summary);
        }
        Ok(())
    }
}

/// A line of input.
#[derive(Debug, PartialEq)]
enum Line {
    Text(String),
    /// One that cannot be a message, and why.
    Refused(String),
    /// There are no more.
    End,
}

/// Where messages come from.
enum Lines {
    /// A person, with editing and history.
    Editor(Box<DefaultEditor>),
    /// A file or a pipe, whose lines are taken as they are.
    Stream(StdinLock<'static>),
}

impl Lines {
    fn new() -> Outcome<Self> {
        let input = stdin().lock();
        if !input.is_terminal() {
            return Ok(Lines::Stream(input));
        }
        drop(input);
        // On the terminal itself: standard output may be a file, which has the answers alone.
        let config = rustyline::Config::builder().behavior(rustyline::Behavior::PreferTerm).build();
        Ok(Lines::Editor(Box::new(DefaultEditor::with_config(config)?)))
    }

    fn next(&mut self) -> Outcome<Line> {
        let editor = match self {
            Lines::Stream(input) => return Ok(next_line(input).map_err(|e| format!("standard input: {e}"))?),
            Lines::Editor(editor) => editor,
        };
        loop {
            return match editor.readline("> ") {
                Ok(line) => {
                    let _ = editor.add_history_entry(&line);
                    Ok(Line::Text(line))
                }
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    Ok(Line::Refused("the line is not UTF-8".to_owned()))
                }
                Err(error) => Err(error.into()),
            };
        }
    }
}

/// The next line without its end, be that LF, CR LF or the end of the input.
fn next_line(input: &mut impl BufRead) -> std::io::Result<Line> {
    let mut bytes = Vec::new();
    if input.take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(Line::End);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() > MAX_LINE {
        input.skip_until(b'\n')?;
        return Ok(Line::Refused(format!("the line is longer than {MAX_LINE} bytes")));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(match prompt::utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(reason) => Line::Refused(format!("the line: {reason}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut input = std::io::BufReader::with_capacity(5, bytes);
        let mut all = Vec::new();
        loop {
            match next_line(&mut input).unwrap() {
                Line::End => return all,
                line => all.push(line),
            }
        }
    }

    #[test]
    fn a_line_ends_in_any_of_the_usual_ways() {
        let text = |text: &str| Line::Text(text.into());
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"one\ntwo\r\n\n\r\nlast"), [text("one"), text("two"), text(""), text(""), text("last")]);
        assert_eq!(lines("\u{feff}é\0\r\r\n".as_bytes()), [text("\u{feff}é\0\r")]);
    }

    #[test]
    fn a_line_that_cannot_be_a_message_costs_no_other() {
        let mut bytes = b"good\nb\xffd\n\xc3\n".to_vec();
        bytes.extend(vec![b'x'; MAX_LINE + 3]);
        bytes.extend(b"\nlast\n");
        let found = lines(&bytes);
        assert_eq!((&found[0], &found[4]), (&Line::Text("good".into()), &Line::Text("last".into())));
        for (line, why) in [(&found[1], "byte 1"), (&found[2], "byte 0"), (&found[3], "longer than")] {
            assert!(matches!(line, Line::Refused(reason) if reason.contains(why)), "{line:?}");
        }
        let longest = [vec![b'x'; MAX_LINE], b"\n".to_vec()].concat();
        assert!(matches!(&lines(&longest)[..], [Line::Text(text)] if text.len() == MAX_LINE));
    }
}
