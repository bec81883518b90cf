//! Answers of a form: `--json-schema`, `--grammar`, `--regex`.

use super::terminal::{self, say};
use super::{Outcome, prompt};
use b158::Error;
use b158::constraint::{Answer, Grammars, ResponseFormat, check};
use b158::model::Loaded;
use clap::Args;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the answer has to be.
#[derive(Args, Clone)]
#[group(multiple = false)]
pub(crate) struct FormOptions {
    /// Answer in JSON that this schema describes: the text of one, which begins with {, or a file.
    #[arg(short = 'j', long, value_name = "TEXT|FILE", allow_hyphen_values = true)]
    json_schema: Option<String>,
    /// Answer in the language of the Lark grammar in this file.
    #[arg(long, alias = "grammar-file", value_name = "FILE")]
    grammar: Option<PathBuf>,
    /// Answer with a text that this regular expression matches from its first to its last character.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    regex: Option<String>,
}

/// The form of every answer of a run.
pub(crate) struct Form {
    format: ResponseFormat,
    /// The file that it was read from.
    file: Option<PathBuf>,
}

impl FormOptions {
    /// The form that is asked for, refused here if its text alone tells that it is none.
    pub(crate) fn form(&self) -> Outcome<Option<Form>> {
        let form = if let Some(given) = &self.json_schema {
            let is_text = given.trim_start().starts_with('{') || ["", "true", "false"].contains(&given.trim());
            let file = (!is_text).then(|| PathBuf::from(given));
            let schema = match &file {
                Some(file) => {
                    read(file).map_err(|e| format!("--json-schema: {e}; text that is a schema begins with {{"))?
                }
                None => given.clone(),
            };
            Form { format: ResponseFormat::JsonSchema { schema }, file }
        } else if let Some(file) = &self.grammar {
            Form {
                format: ResponseFormat::Lark {
                    grammar: read(file).map_err(|e| format!("--grammar takes a file: {e}"))?,
                },
                file: Some(file.clone()),
            }
        } else if let Some(pattern) = &self.regex {
            Form { format: ResponseFormat::Regex { pattern: pattern.clone() }, file: None }
        } else {
            return Ok(None);
        };
        check(&form.format).map_err(|error| form.refused(&error))?;
        Ok(Some(form))
    }
}

/// Why there is no such form, in lines of their own: some show the place.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Form {
    /// An answer of this form, of which the prompt has the beginning `begun`. A copy of it will do for each.
    pub(crate) fn answer(&self, loaded: &Arc<Loaded>, begun: &str, quiet: bool) -> Outcome<Answer> {
        let grammars = Grammars::new(Arc::clone(loaded));
        let answer = grammars.answer(&self.format, begun).map_err(|error| self.refused(&error))?;
        if !quiet {
            answer.notes().iter().for_each(|note| say!("note: {note}"));
        }
        Ok(answer)
    }

    fn refused(&self, error: &Error) -> Refused {
        let file = self.file.iter().map(|file| terminal::path(file) + ": ").collect::<String>();
        let hint = match &self.format {
            ResponseFormat::Lark { grammar } if grammar.contains("::=") => {
                "\nit looks like llama.cpp's GBNF: a grammar here is in Lark's form (`start: \"yes\" | \"no\"`)"
            }
            _ => "",
        };
        Refused(format!("{file}{error}{hint}"))
    }
}

/// The largest schema or grammar. None of so many bytes can be kept.
const MOST_BYTES: u64 = 16 << 20;

/// A file's text, without the byte order mark that some editors put before it.
fn read(file: &Path) -> Outcome<String> {
    let name = || terminal::path(file);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| format!("{}: {error}", name()))?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("{}: {error}", name()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("{}: it has more than {MOST_BYTES} bytes", name()).into());
    }
    let text = prompt::utf8(bytes).map_err(|reason| format!("{}: {reason}", name()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
