//! The commands of `b158`, with llama-cli's spellings where it has them.

mod bench;
mod chat;
mod check;
mod generate;
mod inspect;
mod interrupt;
mod load;
mod logits;
mod perplexity;
mod synth;
mod synth_q4_k;
mod synth_tokenizer;
mod template;
mod tokenize;
mod verify;

use clap::{Parser, Subcommand};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// BitNet b1.58 ternary language models: the same bits on every processor.
#[derive(Parser)]
#[command(name = "b158", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Continue a text.
    Run(generate::Run),
    /// Talk with a model.
    Chat(chat::Chat),
    /// Print the token ids of the text on standard input.
    Tokenize(tokenize::Tokenize),
    /// Print what the model's chat template makes of messages.
    Template(template::RenderTemplate),
    /// Write the logits of every position, raw little-endian f32.
    Logits(logits::Logits),
    /// Score how well a model expects a text.
    Perplexity(perplexity::Perplexity),
    /// Show a file's metadata and tensors, or check its I2_S tensors.
    Inspect(inspect::Inspect),
    /// Ask ten prompts, and tell whether the answers are text.
    Verify(verify::Verify),
    /// Make a synthetic model of any shape and type, always the same bytes.
    Synth(synth::Synth),
    /// Measure prompt reading and generation.
    Bench(bench::Bench),
}

impl Cli {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Run(command) => command.run(),
            Command::Chat(command) => command.run(),
            Command::Tokenize(command) => command.run(),
            Command::Template(command) => command.run(),
            Command::Logits(command) => command.run(),
            Command::Perplexity(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Synth(command) => command.run(),
            Command::Bench(command) => command.run(),
        }
    }
}

/// Token ids as people type them: parted by spaces or commas.
pub(crate) fn parse_ids(text: &str) -> Outcome<Vec<u32>> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| format!("`{part}` is not a token id").into()))
        .collect()
}

/// Token ids as this program prints them.
pub(crate) fn join_ids(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
