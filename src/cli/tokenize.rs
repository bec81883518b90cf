//! `b158 tokenize`: text on standard input, ids on standard output.

use super::inspect::header;
use super::load::Model;
use super::{Outcome, join_ids};
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
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|e| format!("standard input: {e}"))?;
        let decoder = header(&self.model.model, &self.model.override_kv)?;
        let tokenizer = Tokenizer::from_metadata(decoder.metadata())?;
        for note in tokenizer.notes().iter().filter(|_| !self.model.quiet) {
            eprintln!("note: {note}");
        }
        let special = Special { add_bos: self.no_bos.then_some(false), parse: self.parse_special };
        println!("{}", join_ids(&tokenizer.encode(&text, special)?));
        Ok(())
    }
}
