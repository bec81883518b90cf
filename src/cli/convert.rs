//! `b158 convert`: a checkpoint of Hugging Face's libraries into a GGUF file.

use super::checkpoint::LocalFolder;
use super::compare::Comparison;
use super::fetch::size;
use super::load::bar;
use super::output::{Output, Replace};
use super::source::{Fetch, Source};
use super::terminal::{self, say};
use super::{Outcome, interrupt, repository};
use b158::convert::{Converter, DenseType, LinearType, Options};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Convert {
    /// The checkpoint's folder, with config.json, tokenizer.json and model.safetensors or several of them and their index; or
    /// hf:owner/repository, whose files are downloaded and kept in the cache.
    #[arg(value_name = "DIR", value_parser = Source::parser())]
    checkpoint: Source,
    /// The GGUF file to write.
    #[arg(short = 'o', long, value_name = "FILE", required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Type of the ternary matrices: i2_s, tq1_0 (smaller) or tq2_0.
    #[arg(long = "type", value_name = "TYPE", default_value = "i2_s")]
    linear: LinearType,
    /// Type of the token embedding, and of a head of its own: f16, q8_0, q6_k, q5_k or q4_k.
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    embedding: DenseType,
    /// Compare with a GGUF of the same model: all codes must be equal, and scales within one step of bf16. Fails where not, and
    /// tells where.
    #[arg(long, value_name = "OFFICIAL.gguf")]
    check: Option<PathBuf>,
    #[command(flatten)]
    replace: Replace,
    #[command(flatten)]
    fetch: Fetch,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
}

impl Convert {
    pub(crate) fn run(self) -> Outcome {
        let begun = Instant::now();
        let name = self.checkpoint.name();
        let folder = match &self.checkpoint {
            Source::File(path) if path.is_file() => {
                return Err(
                    format!("{name}: it is a file: give the folder of the checkpoint that it belongs to").into()
                );
            }
            Source::File(path) => LocalFolder::read(path)?,
            Source::Repository(address) => repository::folder(address, &self.fetch, self.quiet)?,
            Source::Address(_) => {
                return Err(format!("{name}: it is one file: give hf:owner/repository, or a folder").into());
            }
        };
        let inputs = folder.paths().iter().chain(&self.check).map(PathBuf::as_path);
        if let Some(path) = &self.output {
            self.replace.check(path, inputs)?;
        }
        let options = Options { linear: self.linear, embedding: self.embedding };
        let mut converter = Converter::new(folder, options).map_err(|e| format!("{name}: {e}"))?;
        let mut comparison = self.check.as_deref().map(Comparison::with).transpose()?;
        let mut output = self.output.as_deref().map(|path| Output::create_as(path, self.replace)).transpose()?;
        let bar = bar(Some(converter.size()), self.quiet, "converting");
        // Stopped, it leaves nothing behind.
        interrupt::listen();
        while let Some(bytes) = converter.next_bytes().map_err(|e| format!("{name}: {e}"))? {
            if let Some(output) = &mut output {
                output.write_all(bytes)?;
            }
            if let Some(comparison) = &mut comparison {
                comparison.push(bytes)?;
            }
            bar.inc(bytes.len() as u64);
            if interrupt::take() {
                return Err("stopped".into());
            }
        }
        if let Some(output) = output {
            output.commit_synced()?;
        }
        bar.finish_and_clear();
        if !self.quiet {
            converter.notes().iter().for_each(|note| say!("note: {note}"));
            if let Some(path) = &self.output {
                let (tensors, seconds) = (converter.tensors().len(), begun.elapsed().as_secs_f64());
                say!("{}: {tensors} tensors, {} in {seconds:.1} s", terminal::path(path), size(converter.size()));
            }
        }
        match comparison {
            Some(comparison) => comparison.finish(self.quiet),
            None => Ok(()),
        }
    }
}
