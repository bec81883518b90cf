//! `b158 pack`: a GGUF into a smaller one.

use super::load::bar;
use super::output::{self, Output, Replace};
use super::source::Source;
use super::terminal::{self, say};
use super::{Outcome, parts};
use b158::convert::{DenseType, Packed, Rewriter};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Pack {
    /// The GGUF file, of a split model the first, name-00001-of-0000N.gguf.
    #[arg(value_parser = Source::parser())]
    file: Source,
    /// File to write.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,
    /// Type of the token embedding, and of an output head of its own: as in the `file`, or f16, q8_0, q6_k, q5_k or q4_k, where
    /// that is smaller. Matrices lose nothing, an embedding does.
    #[arg(long, value_name = "TYPE", default_value = "file")]
    embedding: Tables,
    #[command(flatten)]
    replace: Replace,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// What becomes of the embedding and the head: nothing, or another type.
#[derive(Clone, Copy)]
struct Tables(Option<DenseType>);

impl std::str::FromStr for Tables {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "file" {
            return Ok(Tables(None));
        }
        text.parse().map(|kind| Tables(Some(kind))).map_err(|_| "it is file, f16, q8_0, q6_k, q5_k or q4_k")
    }
}

impl Pack {
    pub(crate) fn run(self) -> Outcome {
        let paths = parts::paths(&self.file)?;
        self.replace.check(&self.output, paths.iter().map(PathBuf::as_path))?;
        let mut gguf = parts::read(&paths)?;
        let Packed { plan, notes } = gguf.pack(self.embedding.0)?;
        let Some(plan) = plan else {
            return Err(format!("{}: nothing to pack: {}", self.file.name(), notes.join("; ")).into());
        };
        if !self.quiet {
            gguf.notes().iter().chain(&notes).for_each(|note| say!("note: {note}"));
        }
        let (before, after) = (gguf.merge()?.size(), plan.size());
        let bar = bar(Some(after), self.quiet, "packing");
        let mut output = Output::create_as(&self.output, self.replace)?;
        output::stream(&mut Rewriter::new(&mut gguf, &plan)?, Rewriter::next_bytes, &mut output, &bar)?;
        output.commit_synced()?;
        bar.finish_and_clear();
        if !self.quiet {
            let path = terminal::path(&self.output);
            say!("{path}: {:.1} MB, {:.1} MB before", after as f64 / 1e6, before as f64 / 1e6);
        }
        Ok(())
    }
}
