//! `b158 tokenize`: text on standard input, ids on standard output.

use super::inspect::header;
use super::load::Model;
use super::terminal::{self, say};
use super::{Outcome, join_ids, prompt};
use b158::tokenizer::{Special, Tokenizer};
use clap::Args;
use std::io::Read;

#[derive(Args)]
pub(crate) struct Tokenize {
    #[command(flatten)]
    model: Model,
    /// Read the names of special tokens as those tokens, not as text.
    #[arg(long)]
    parse_special: bool,
    /// Do not put the begin-of-text token first.
    #[arg(long)]
    no_bos: bool,
}

impl Tokenize {
    pub(crate) fn run(self) -> Outcome {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(|e| format!("standard input: {e}"))?;
        let text = prompt::utf8(text).map_err(|reason| format!("standard input: {reason}"))?;
        let decoder = header(&self.model)?;
        let tokenizer = Tokenizer::from_metadata(decoder.metadata())?;
        for note in tokenizer.notes().iter().filter(|_| !self.model.quiet) {
            say!("note: {note}");
        }
        let special = Special { add_bos: self.no_bos.then_some(false), parse: self.parse_special };
        let ids = tokenizer.encode(&text, special)?;
        if tokenizer.begins_twice(&ids) && !self.no_bos && !self.model.quiet {
            say!(
                "note: the text has its own begin-of-text, so there are two, as in llama-tokenize; --no-bos adds none"
            );
        }
        Ok(terminal::out().line(&join_ids(&ids))?)
    }
}
