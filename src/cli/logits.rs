//! `b158 logits`: what the model thinks after each token, for comparison with other engines.

use super::load::{Context, Model, bar};
use super::output::Output;
use super::terminal::{self, say};
use super::{Outcome, interrupt, parse_ids};
use b158::model::{EmbeddingType, State};
use clap::Args;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Logits {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    /// The tokens, as ids; no begin-of-text token is added.
    #[arg(long, value_name = "IDS")]
    ids: String,
    /// Where to write `[positions][vocabulary]` f32, little-endian.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,
}

impl Logits {
    pub(crate) fn run(self) -> Outcome {
        let ids = parse_ids(&self.ids)?;
        if ids.is_empty() {
            return Err(b158::Error::EmptyPrompt.into());
        }
        // The file's own logits, unless something else is asked for.
        let exact = self.model.token_embedding_type.or(Some(EmbeddingType::File));
        let loaded = Model { token_embedding_type: exact, ..self.model.clone() }.load()?;
        let model = &loaded.model;
        let context = self.context.tokens(&model.config).unwrap_or(model.config.context_length.max(ids.len()));
        // Said before the output file is touched.
        let vocabulary = model.config.vocabulary as u32;
        if let Some(&id) = ids.iter().find(|&&id| id >= vocabulary) {
            return Err(b158::Error::BadToken { id, vocabulary }.into());
        }
        if ids.len() > context {
            return Err(b158::Error::PromptTooLong { tokens: ids.len(), context }.into());
        }
        let kv_type = self.context.kv_cache.choose(&loaded, ids.len(), self.model.quiet);
        let mut state = State::new(model, kv_type, context, self.context.batch_size)?;
        // Stopped, it leaves nothing behind.
        interrupt::listen();
        let mut file = BufWriter::new(Output::create(&self.output)?);
        let bytes = (ids.len() * model.config.vocabulary * 4) as u64;
        let bar = bar(Some(bytes), self.model.quiet, "logits");
        for batch in ids.chunks(state.batch()) {
            if interrupt::take() {
                return Err("stopped".into());
            }
            state.begin(model, batch)?;
            while !state.step(model)? {}
            for row in 0..batch.len() {
                for logit in state.logits(model, row)? {
                    file.write_all(&logit.to_le_bytes())?;
                }
                bar.inc(model.config.vocabulary as u64 * 4);
            }
        }
        file.into_inner().map_err(|e| e.into_error())?.commit()?;
        bar.finish_and_clear();
        if !self.model.quiet {
            let path = terminal::path(&self.output);
            say!("{} positions × {} logits in {path}", ids.len(), model.config.vocabulary);
        }
        Ok(())
    }
}
