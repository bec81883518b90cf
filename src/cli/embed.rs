//! `b158 embed`: texts as vectors.

use super::load::{Context, Model};
use super::terminal::{self, say};
use super::{Outcome, interrupt, prompt};
use b158::session::{GenerateOptions, Session, Step, shortened};
use clap::Args;
use serde_json::json;
use std::io::{Read, stdin};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Embed {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    context: Context,
    /// The texts; where there are none, the lines of standard input, without those that are empty.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Numbers of each vector, for a model that was trained so: the first ones, of length 1 again [default: all].
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
}

impl Embed {
    pub(crate) fn run(self) -> Outcome {
        let texts = if self.texts.is_empty() { lines()? } else { self.texts };
        if texts.is_empty() {
            return Err("there are no texts: give them as arguments, or as lines of standard input".into());
        }
        interrupt::listen();
        let loaded = self.model.load()?;
        let note = loaded.embedding_note();
        if let (Some(note), false) = (note, self.model.quiet) {
            say!("note: {note}");
        }
        let mut session = self.context.session(loaded.clone(), &self.model)?;
        let mut data = Vec::new();
        let mut tokens = 0;
        for (index, text) in texts.iter().enumerate() {
            let of_text = |error: b158::Error| format!("text {}: {error}", index + 1);
            let ids = loaded.text_to_embed(text).map_err(of_text)?;
            tokens += ids.len();
            if !read(&mut session, &ids).map_err(of_text)? {
                return Err("stopped".into());
            }
            let whole = session.embedding().map_err(of_text)?;
            let wanted = self.dimensions.unwrap_or(whole.len());
            data.push(json!({"object": "embedding", "index": index, "embedding": shortened(whole, wanted)?}));
        }
        let model = loaded.name.clone().unwrap_or_else(|| loaded.model.config.architecture.clone());
        Ok(terminal::out().json_line(&json!({
            "object": "list",
            "data": data,
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }))?)
    }
}

fn lines() -> Outcome<Vec<String>> {
    let mut bytes = Vec::new();
    stdin().lock().read_to_end(&mut bytes).map_err(|e| format!("standard input: {e}"))?;
    let text = prompt::utf8(bytes).map_err(|reason| format!("standard input: {reason}"))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// To the end, or to an interrupt, which is heard within a layer: then it is false.
fn read(session: &mut Session, ids: &[u32]) -> b158::Result<bool> {
    session.start(ids, GenerateOptions { max_tokens: Some(0), ..Default::default() })?;
    while !matches!(session.step(Duration::ZERO)?, Step::Done(_)) {
        if interrupt::take() {
            return Ok(false);
        }
    }
    Ok(true)
}
